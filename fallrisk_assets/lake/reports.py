"""Files that people open: pages, FHIR bundles, exports. Each file is published whole or not at all.

What belongs here: where reports are, on local disk or S3, and how one appears in one step. What does not:
their content.
"""

import mimetypes
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import dagster as dg
import pyarrow.fs as pafs

from fallrisk_assets.lake import objects, s3
from fallrisk_assets.lake.resource import data_folder

REPORTS_VARIABLE = "FALLRISK_REPORTS"
_PLAIN = "application/octet-stream"


class Reports(dg.ConfigurableResource):
    """Where reports are published.

    Attributes:
        root: Folder or `s3://` address; empty means `<data folder>/reports`.
    """

    root: str = ""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look whether the place is there before a step runs."""
        self.check()

    def check(self) -> None:
        """Find out whether reports can be published as it is configured.

        Raises:
            Misconfigured: they cannot; names the resource, the variable and what is wrong.
        """
        s3.check(self.root, "reports", REPORTS_VARIABLE)

    @cached_property
    def located(self) -> tuple[pafs.FileSystem, str]:
        """The file system that holds the reports, and their folder inside it."""
        root = self.root or str(Path(data_folder()) / "reports")
        if "://" in root:
            return s3.locate(root, "reports", REPORTS_VARIABLE)
        path = Path(root).absolute()
        path.mkdir(parents=True, exist_ok=True)
        return pafs.LocalFileSystem(), str(path)

    @property
    def folder(self) -> Path:
        """The reports' folder on local disk.

        Raises:
            ValueError: the reports are on S3.
        """
        filesystem, base = self.located
        if not isinstance(filesystem, pafs.LocalFileSystem):
            raise ValueError(f"the reports are at s3://{base}, not in a folder")
        return Path(base)

    def address(self, name: str) -> str:
        """Return where people find a file or folder: a path or an `s3://` address."""
        filesystem, base = self.located
        return f"{base}/{name}" if isinstance(filesystem, pafs.LocalFileSystem) else f"s3://{base}/{name}"

    def write(self, name: str, content: str | bytes) -> str:
        """Write one file in one step; a reader sees the old content or the new, never a part.

        Returns:
            Its address.
        """
        filesystem, base = self.located
        raw = content.encode() if isinstance(content, str) else content
        if isinstance(filesystem, pafs.S3FileSystem):
            _upload(filesystem, f"{base}/{name}", raw)
        else:
            objects.write_whole(filesystem, f"{base}/{name}", raw)
        return self.address(name)

    def names(self, folder: str) -> list[str]:
        """Return the names of a folder's files, sorted; none where there is no such folder."""
        filesystem, base = self.located
        found = objects.list_folder(filesystem, f"{base}/{folder}")
        files = [info.base_name for info in found if info.type == pafs.FileType.File]
        return sorted(name for name in files if not name.startswith("."))

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return a file's bytes, or as many as `size` of them from its beginning.

        Raises:
            FileNotFoundError: there is no such file.
        """
        filesystem, base = self.located
        with filesystem.open_input_stream(f"{base}/{name}") as stream:
            return bytes(stream.read(size))

    @contextmanager
    def replace_folder(self, name: str) -> Iterator[Path]:
        """Yield an empty folder that takes the place of `name` when the block ends without an error.

        On local disk the swap is two renames: for the moment between them the folder is absent, never half
        filled. On S3 there are no folders to rename: each new object replaces its predecessor whole, those
        that are no longer wanted go last, and a reader meanwhile sees old files beside new ones.
        """
        filesystem, base = self.located
        if isinstance(filesystem, pafs.S3FileSystem):
            with tempfile.TemporaryDirectory() as scratch:
                yield Path(scratch)
                _replace_objects(filesystem, f"{base}/{name}", Path(scratch))
            return
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        fresh.mkdir()
        try:
            yield fresh
        except BaseException:
            shutil.rmtree(fresh)
            raise
        if target.exists():
            old = target.parent / f".{target.name}.{uuid.uuid4().hex}"
            os.rename(target, old)
            os.rename(fresh, target)
            shutil.rmtree(old)
        else:
            os.rename(fresh, target)


def _replace_objects(filesystem: pafs.S3FileSystem, prefix: str, folder: Path) -> None:
    """Upload a folder's files, then delete the objects below the prefix that are not among them."""
    wanted = set()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        key = f"{prefix}/{path.relative_to(folder).as_posix()}"
        _upload(filesystem, key, path.read_bytes())
        wanted.add(key)
    there = filesystem.get_file_info(pafs.FileSelector(prefix, allow_not_found=True, recursive=True))
    for info in there:
        if info.type == pafs.FileType.File and info.path not in wanted:
            filesystem.delete_file(info.path)


def _upload(filesystem: pafs.S3FileSystem, path: str, raw: bytes) -> None:
    """Put an object with the content type of its name, so that a browser shows a page and saves it not."""
    with filesystem.open_output_stream(path, metadata={"Content-Type": content_type(path)}) as stream:
        stream.write(raw)


def content_type(name: str) -> str:
    """Return the media type of a file, by its name."""
    return mimetypes.guess_type(name)[0] or _PLAIN
