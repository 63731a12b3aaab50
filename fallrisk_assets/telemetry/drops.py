"""Names and bytes of telemetry drops: what the landing zone holds, before any line is read.

Belongs here: the drop's name, its container (gzip, Parquet, plain). Does not belong here: its lines.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from isal import isal_zlib

from fallrisk_assets.telemetry.reasons import Reason

FOLDER = "telemetry"
FORMATS = ("jsonl.gz", "jsonl", "parquet")

# One device-day at 50 Hz is about 1 GB of JSON Lines; anything far beyond is a mistake or a bomb.
MAX_DROP_BYTES = 4 << 30

# Compressed bytes at a time: some 160 kB of lines, and at most 16 MB of a bomb. (Asking the decompressor for
# no more than a number of bytes makes it clear that much memory first, which doubles its cost.)
_PIECE_BYTES = 16 << 10

OLDEST_US = 30 * 24 * 3_600_000_000
NEWEST_US = 5 * 60 * 1_000_000

_NAME = re.compile(
    r"(?:.*/)?(?P<received>\d{8}T\d{6}Z)-(?P<device>[A-Za-z0-9][A-Za-z0-9._-]{0,63})"
    r"-(?P<sha8>[0-9a-f]{8})\.(?P<format>jsonl\.gz|jsonl|parquet)",
    re.ASCII,
)
_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"


class BadDropName(ValueError):
    """A file in the landing zone whose name does not tell who sent it and when (FILE_NAME_INVALID)."""

    reason = Reason.FILE_NAME_INVALID


class UnreadableDrop(ValueError):
    """A drop whose container is truncated or corrupt (FILE_UNREADABLE); costs that file only."""

    reason = Reason.FILE_UNREADABLE


@dataclass(frozen=True, slots=True)
class DropName:
    """What a drop's name says: receipt time (UTC), device, first 8 hex digits of its sha256, format."""

    received_at: datetime
    device_id: str
    sha8: str
    format: str

    @property
    def received_us(self) -> int:
        """Receipt time in microseconds since the epoch."""
        return round(self.received_at.timestamp()) * 1_000_000

    def is_plausible(self, ts_us: int) -> bool:
        """Whether a sample in this drop can be of that time: [receivedAt - 30 days, receivedAt + 5 min)."""
        return self.received_us - OLDEST_US <= ts_us < self.received_us + NEWEST_US


def parse_drop_name(key: str) -> DropName:
    """Read `<receivedAt>-<deviceId>-<sha8>.<format>`, with or without leading folders.

    Raises:
        BadDropName: when a part is missing or malformed, or the time does not exist.
    """
    match = _NAME.fullmatch(key)
    if match is None:
        raise BadDropName(
            f"{key!r} is not <receivedAt>-<deviceId>-<sha8>.<format>, such as "
            "20260105T070312Z-imu-10001-0a1b2c3d.jsonl.gz"
        )
    try:
        received_at = datetime.strptime(match["received"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadDropName(f"{key!r}: receivedAt {match['received']!r} is no time that exists") from error
    return DropName(received_at, match["device"], match["sha8"], match["format"])


def drop_key_for(received_at: datetime, device_id: str, content: bytes, drop_format: str = "jsonl.gz") -> str:
    """Key of a drop in the landing zone, from the file's bytes as sent (compressed, if it is).

    Raises:
        BadDropName: when the device id or the format cannot be part of a drop's name.
    """
    sha8 = hashlib.sha256(content).hexdigest()[:8]
    stamp = received_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    key = f"{FOLDER}/{stamp}-{device_id}-{sha8}.{drop_format}"
    parse_drop_name(key)
    return key


def read_drop_bytes(
    path_or_bytes: str | Path | bytes, drop_format: str, max_bytes: int = MAX_DROP_BYTES
) -> bytes:
    """Bytes of a drop in one piece: JSON Lines decompressed, Parquet as it is.

    Args:
        path_or_bytes: path of the file, or its bytes.
        drop_format: "jsonl", "jsonl.gz" or "parquet", as the name says.
        max_bytes: refuse what decompresses to more than this.

    Raises:
        UnreadableDrop: as `drop_pieces`.
    """
    data = path_or_bytes if isinstance(path_or_bytes, bytes) else Path(path_or_bytes).read_bytes()
    return b"".join(drop_pieces(data, drop_format, max_bytes))


def drop_pieces(data: bytes, drop_format: str, max_bytes: int = MAX_DROP_BYTES) -> Iterator[bytes]:
    """Yield a drop's bytes, JSON Lines decompressed, in pieces of which one fits the processor's cache.

    Fifty megabytes of lines that are read once need not be in memory at once; half of what decompressing
    them in one piece costs is the system handing out that memory.

    The first bytes decide between plain and gzip, whatever the name says: a gateway that stores a file
    uncompressed under `.jsonl.gz` loses nothing. Several gzip members in one file are concatenated.

    Args:
        data: The file's bytes.
        drop_format: "jsonl", "jsonl.gz" or "parquet", as the name says.
        max_bytes: refuse what decompresses to more than this.

    Raises:
        UnreadableDrop: truncated or corrupt gzip (which shows when its piece is reached), corrupt Parquet, or
            a container that contradicts the name.
    """
    if drop_format not in FORMATS:
        raise UnreadableDrop(f"format {drop_format!r} is none of {', '.join(FORMATS)}")
    is_parquet = data[:4] == _PARQUET_MAGIC
    if drop_format == "parquet":
        if not is_parquet or len(data) < 12 or data[-4:] != _PARQUET_MAGIC:
            raise UnreadableDrop("not a whole Parquet file: the PAR1 mark is missing at its start or end")
        yield data
        return
    if is_parquet:
        raise UnreadableDrop(f"a Parquet file is named .{drop_format}")
    if data[:2] == _GZIP_MAGIC:
        yield from _gunzip(data, max_bytes)
        return
    if drop_format == "jsonl.gz" and not data:
        raise UnreadableDrop("empty file: gzip has a header even when it holds nothing")
    yield data


def _gunzip(data: bytes, max_bytes: int) -> Iterator[bytes]:
    size = 0
    at = 0
    while at < len(data):
        inflater = isal_zlib.decompressobj(wbits=31)
        while at < len(data) and not inflater.eof:
            given = data[at : at + _PIECE_BYTES]
            at += len(given)
            try:
                piece = inflater.decompress(given)
            except isal_zlib.error as error:  # type: ignore[misc]  # its stub calls the class an instance
                raise UnreadableDrop(f"corrupt gzip after {size} bytes: {error}") from error
            size += len(piece)
            if size > max_bytes:
                raise UnreadableDrop(f"decompresses to more than {max_bytes} bytes")
            yield piece
        if not inflater.eof:
            raise UnreadableDrop(f"truncated gzip: it ends after {size} decompressed bytes")
        at -= len(inflater.unused_data)
        # Tapes and some uploaders pad a member with zero bytes; gzip(1) ignores them too.
        while at < len(data) and data[at] == 0:
            at += 1
