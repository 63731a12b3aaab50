"""Small objects that are replaced in one step, and locks beside them, on local disk or S3 alike.

What belongs here: the difference between the two. What does not: what is in an object.
"""

import fcntl
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow.fs as pafs

from fallrisk_assets.lake import s3
from fallrisk_assets.lake.lease import LEASE_S, Lease


def read_whole(filesystem: pafs.FileSystem, path: str) -> bytes | None:
    """Return an object's bytes, None where there is none (any more)."""
    try:
        with filesystem.open_input_stream(path) as stream:
            return bytes(stream.read())
    except FileNotFoundError:
        return None


def list_folder(filesystem: pafs.FileSystem, folder: str) -> list[pafs.FileInfo]:
    """List what is in a folder; nothing where there is no such folder (yet).

    Arrow looks twice, for what is in it and then whether it is there: a folder that appears in between is
    an error to it, and is simply listed again.
    """
    selector = pafs.FileSelector(folder, allow_not_found=True)
    try:
        return list(filesystem.get_file_info(selector))
    except FileNotFoundError:
        return list(filesystem.get_file_info(selector))


def write_whole(filesystem: pafs.FileSystem, path: str, raw: bytes) -> None:
    """Write an object in one step: a reader sees the old bytes or the new."""
    if isinstance(filesystem, pafs.S3FileSystem):  # an object appears whole when its upload ends
        with filesystem.open_output_stream(path) as stream:
            stream.write(raw)
        return
    folder, name = path.rsplit("/", 1)
    filesystem.create_dir(folder, recursive=True)
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex}"
    with filesystem.open_output_stream(temporary) as stream:
        stream.write(raw)
    filesystem.move(temporary, path)


@contextmanager
def locked(filesystem: pafs.FileSystem, path: str, lease_s: float = LEASE_S) -> Iterator[Callable[[], None]]:
    """Hold a lock against other processes: of this machine on local disk, of any machine on S3.

    Yields:
        What to call before each write that the lock protects: raises `LeaseLost` where it is lost. A lock on
        local disk is lost with its process only.
    """
    if not isinstance(filesystem, pafs.S3FileSystem):
        filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        with open(path, "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lambda: None
        return
    bucket, _, key = path.partition("/")
    lease = Lease(s3.client(), bucket, key, lease_s)
    lease.acquire()
    try:
        yield lease.keep
    finally:
        lease.release()
