"""The landing zone: immutable files as they were received, on local disk or S3.

What belongs here: listing, reading and putting by key. What does not: what is inside a file.
"""

import datetime as dt
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
import pyarrow.fs as pafs

from fallrisk_assets.lake import objects, s3
from fallrisk_assets.lake.landing_queue import QUEUE_VARIABLE, LandingQueue
from fallrisk_assets.lake.resource import data_folder

LANDING_VARIABLE = "FALLRISK_LANDING"
#: Of more files than this a list of their folder costs fewer requests than a look at each.
_LOOK_AT_MOST = 200
RECEIVED_AT_FORMAT = "%Y%m%dT%H%M%SZ"


def received_at_of(key: str) -> dt.datetime:
    """Return when a file was received, from the beginning of its name (`20260105T070312Z-…`).

    Raises:
        ValueError: the name does not begin with a time of receipt.
    """
    stamp = key.rsplit("/", 1)[-1].partition("-")[0]
    return dt.datetime.strptime(stamp, RECEIVED_AT_FORMAT).replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, order=True)
class LandedFile:
    """A file in the landing zone.

    Attributes:
        key: Name inside the zone, such as `telemetry/20260105T070000Z-imu-1-0a1b2c3d.jsonl.gz`.
        size: Bytes.
        modified_ns: Last change, nanoseconds since the epoch.
    """

    key: str
    size: int
    modified_ns: int


class Landing(dg.ConfigurableResource):
    """Files that devices and the clinic dropped.

    Attributes:
        root: Folder or `s3://` address; empty means `<data folder>/landing`.
        watch_s: How long a sensor that finds nothing new goes on watching, in seconds.
        queue: URL of the queue that S3 notifies of new files; empty means what `FALLRISK_LANDING_QUEUE`
            says, and without it the zone is listed. Of a zone on disk nobody is notified.
    """

    root: str = ""
    watch_s: float = 0.0
    queue: str = ""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look whether the zone is there before a step runs."""
        self.check()

    def check(self) -> None:
        """Find out whether the zone can be read as it is configured.

        Raises:
            Misconfigured: it cannot; names the resource, the variable and what is wrong.
        """
        s3.check(self.root, "landing", LANDING_VARIABLE)
        if (queue := self.notifications) is not None:
            queue.check()

    @cached_property
    def located(self) -> tuple[pafs.FileSystem, str]:
        """The file system that holds the zone, and the zone's path inside it."""
        root = self.root or str(Path(data_folder()) / "landing")
        if "://" in root:
            return s3.locate(root, "landing", LANDING_VARIABLE)
        path = Path(root).absolute()
        path.mkdir(parents=True, exist_ok=True)
        return pafs.LocalFileSystem(), str(path)

    @property
    def notifications(self) -> LandingQueue | None:
        """The queue that S3 notifies of new files; None where the zone has to be listed."""
        url = self.queue or os.environ.get(QUEUE_VARIABLE, "").strip()
        return LandingQueue(url) if url and s3.is_s3(self.root) else None

    def look(self, folder: str, objects: Iterable[str]) -> list[LandedFile]:
        """Return those of some objects (`bucket/key`) that are files of a folder now, by key.

        What is elsewhere, gone again or still being written is left out.
        """
        filesystem, base = self.located
        start = f"{base}/{folder}/"
        within = {one for one in objects if one.startswith(start) and "/" not in one[len(start) :]}
        if len(within) > _LOOK_AT_MOST:
            return [file for file in self.list(folder) if f"{base}/{file.key}" in within]
        return sorted(
            LandedFile(f"{folder}/{info.base_name}", info.size, info.mtime_ns or 0)
            for info in (filesystem.get_file_info(sorted(within)) if within else ())
            if info.type == pafs.FileType.File and not info.base_name.startswith(".")
        )

    def list(self, folder: str) -> list[LandedFile]:
        """List the files of a folder by key; names that begin with a dot are still being written.

        S3 lists a thousand at a time; all of them are returned.
        """
        filesystem, base = self.located
        found = objects.list_folder(filesystem, f"{base}/{folder}")
        return sorted(
            LandedFile(f"{folder}/{info.base_name}", info.size, info.mtime_ns or 0)
            for info in found
            if info.type == pafs.FileType.File and not info.base_name.startswith(".")
        )

    def changed_ns(self, folder: str) -> int:
        """Return when a folder's list of files last changed (ns since the epoch); 0 where nobody knows.

        One look at the folder itself: cheap enough to be repeated several times a second.
        """
        filesystem, base = self.located
        return filesystem.get_file_info(f"{base}/{folder}").mtime_ns or 0

    def read(self, key: str) -> bytes:
        """Return a file's bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """
        filesystem, base = self.located
        with filesystem.open_input_file(f"{base}/{key}") as file:
            return file.read()

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Put a file that is not there yet, durably and in one step; a file that is there stays as it is.

        Returns:
            Whether it was put. False: there is a file of that name already.

        Raises:
            OSError: it could not be put, or nobody knows: put it again.
        """
        filesystem, base = self.located
        if isinstance(filesystem, pafs.S3FileSystem):
            return _put_on_s3(f"{base}/{key}", content)
        return _put_on_disk(Path(base) / key, content)


def _put_on_disk(path: Path, content: bytes) -> bool:
    if path.exists():
        return False
    _make_durable(path.parent)
    hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with hidden.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(hidden, path)  # unlike a rename, it refuses to replace
        except FileExistsError:
            return False
    finally:
        hidden.unlink(missing_ok=True)
    _sync(path.parent)
    return True


def _make_durable(folder: Path) -> None:
    """Make a folder and those above it, so that they outlast a power cut."""
    if not folder.exists():
        _make_durable(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put_on_s3(path: str, content: bytes) -> bool:
    """Put an object by a conditional put: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = path.partition("/")
    try:
        s3.client().put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
    except ClientError as refused:
        if refused.response["Error"]["Code"] == "PreconditionFailed":
            return False  # also our own put, when S3 kept it and the answer was lost
        raise OSError(f"s3://{path}: {refused}") from refused
    except BotoCoreError as failed:
        raise OSError(f"s3://{path}: {failed}") from failed
    return True
