"""The landing zone: immutable files as they were received, on local disk or S3.

What belongs here: listing and reading by key. What does not: what is inside a file.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
import pyarrow.fs as pafs

from fallrisk_assets.lake import s3
from fallrisk_assets.lake.resource import data_folder

LANDING_VARIABLE = "FALLRISK_LANDING"
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
    """

    root: str = ""
    watch_s: float = 0.0

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look whether the zone is there before a step runs."""
        self.check()

    def check(self) -> None:
        """Find out whether the zone can be read as it is configured.

        Raises:
            Misconfigured: it cannot; names the resource, the variable and what is wrong.
        """
        s3.check(self.root, "landing", LANDING_VARIABLE)

    @cached_property
    def located(self) -> tuple[pafs.FileSystem, str]:
        """The file system that holds the zone, and the zone's path inside it."""
        root = self.root or str(Path(data_folder()) / "landing")
        if "://" in root:
            return s3.locate(root, "landing", LANDING_VARIABLE)
        path = Path(root).absolute()
        path.mkdir(parents=True, exist_ok=True)
        return pafs.LocalFileSystem(), str(path)

    def list(self, folder: str) -> list[LandedFile]:
        """List the files of a folder by key; names that begin with a dot are still being written.

        S3 lists a thousand at a time; all of them are returned.
        """
        filesystem, base = self.located
        found = filesystem.get_file_info(pafs.FileSelector(f"{base}/{folder}", allow_not_found=True))
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
