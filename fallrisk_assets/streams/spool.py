"""Messages on disk before they are acknowledged: what a gateway has taken outlasts its crash.

What belongs here: segments of records, synced to disk, and what a crash may leave of them. What does not:
what is in a message, and what becomes of it (`gateway.py`).

A record is written whole or it was never taken: each carries a checksum, and what a crash cut off at the end
of a segment was not acknowledged, so the broker has it still. A segment is open (`.open`), sealed (`.sealed`:
it only waits to be landed) or landed (`.landed`: kept a while for who wants to look back); it never changes
when it is not open, so that landing it twice gives the same files.
"""

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("<IIqH")  # payload bytes, CRC-32 of the rest, receipt in us, topic bytes
OPEN, SEALED, LANDED = ".open", ".sealed", ".landed"


class SpoolFull(OSError):
    """The spool holds as much as it may: nothing is taken, hence acknowledged, until something has landed."""


class SpoolDamaged(ValueError):
    """A sealed segment that does not hold what was written: the disk lost it, no crash of ours."""


class SpoolBusy(RuntimeError):
    """Another process writes this spool: two would mix up each other's segments."""


@contextmanager
def alone_in(folder: Path) -> Iterator[Path]:
    """Hold the right to write a spool; the system takes it back when the process dies.

    Raises:
        SpoolBusy: see there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise SpoolBusy(f"{folder}: another gateway has this spool; give each one of its own") from held
        yield folder
    finally:
        os.close(lock)


@dataclass(frozen=True, slots=True)
class Record:
    """A message as it came: when, microseconds since the epoch, under which topic, and its bytes."""

    received_us: int
    topic: str
    payload: bytes


class Spool:
    """A folder of segments; one process writes it. One thread appends and seals, another may land.

    Args:
        folder: Where; made if it is not there.
        max_bytes: How much may wait there.
    """

    def __init__(self, folder: Path, max_bytes: int = 4 << 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        for left in sorted(folder.glob(f"*{OPEN}")):
            self._recover(left)
        numbers = [int(path.stem) for path in folder.iterdir() if path.stem.isdigit()]
        self._next = max(numbers, default=-1) + 1
        self._waiting_bytes = sum(path.stat().st_size for path in self.sealed())
        self._counting = threading.Lock()
        self._open: Path | None = None
        self._file: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the open segment holds nothing."""
        return self._open is None

    def append(self, records: Iterable[Record]) -> None:
        """Write records and have the disk confirm them; when this returns, they may be acknowledged.

        Raises:
            SpoolFull: nothing was written.
        """
        raw = b"".join(_framed(record) for record in records)
        if self._waiting_bytes + len(raw) > self._max_bytes:
            raise SpoolFull(
                f"{self._folder}: {self._waiting_bytes} bytes wait to be landed, nothing more fits"
            )
        if self._file is None:
            self._open = self._folder / f"{self._next:020}{OPEN}"
            self._next += 1
            self._file = os.open(self._open, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            self._sync_folder()
        before = os.fstat(self._file).st_size
        try:
            rest = memoryview(raw)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, before)  # else half a record would hide all that follow it
            raise
        self._count(len(raw))

    def seal(self) -> None:
        """End the open segment: it may be landed."""
        if self._file is not None and self._open is not None:
            os.close(self._file)
            self._open.rename(self._open.with_suffix(SEALED))
            self._sync_folder()
            self._file = self._open = None

    def sealed(self) -> list[Path]:
        """Segments that wait to be landed, oldest first."""
        return sorted(self._folder.glob(f"*{SEALED}"))

    def landed(self) -> list[Path]:
        """Landed segments that are still kept, oldest first."""
        return sorted(self._folder.glob(f"*{LANDED}"))

    def retire(self, segment: Path) -> None:
        """Mark a segment as landed."""
        size = segment.stat().st_size
        segment.rename(segment.with_suffix(LANDED))
        self._sync_folder()
        self._count(-size)

    def forget_before(self, received_us: int) -> None:
        """Delete landed segments that were last written before a time."""
        for segment in self.landed():
            if segment.stat().st_mtime_ns // 1000 < received_us:
                segment.unlink()

    def _count(self, more_bytes: int) -> None:
        with self._counting:
            self._waiting_bytes += more_bytes

    def close(self) -> None:
        """Seal what is open."""
        self.seal()

    def _recover(self, left: Path) -> None:
        """Cut off what a crash left of a record, and seal the segment."""
        whole = sum(_HEAD.size + len(r.topic.encode()) + len(r.payload) for r in _records(left.read_bytes()))
        if whole == 0:
            left.unlink()
            return
        with left.open("r+b") as file:
            file.truncate(whole)
            os.fsync(file.fileno())
        left.rename(left.with_suffix(SEALED))
        self._sync_folder()

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_segment(segment: Path) -> list[Record]:
    """Return the records of a segment that is not open.

    Raises:
        SpoolDamaged: not all of it can be read.
    """
    raw = segment.read_bytes()
    records = list(_records(raw))
    size = sum(_HEAD.size + len(r.topic.encode()) + len(r.payload) for r in records)
    if size != len(raw):
        raise SpoolDamaged(
            f"{segment}: unreadable from byte {size} of {len(raw)}; restore it or set it aside"
        )
    return records


def latest_records(spool: Spool, seconds: float) -> list[Record]:
    """Return what was spooled last, landed or not, in order: what is needed to go on where a process ended.

    Args:
        spool: Nothing in it is open.
        seconds: How far back of the newest record.
    """
    found: list[Record] = []
    for segment in sorted([*spool.landed(), *spool.sealed()], key=lambda path: path.stem, reverse=True):
        records = read_segment(segment)
        found = records + found
        since_us = found[-1].received_us - int(seconds * 1e6)
        if records[0].received_us < since_us:
            return [record for record in found if record.received_us >= since_us]
    return found


def _framed(record: Record) -> bytes:
    topic = record.topic.encode()
    body = struct.pack("<qH", record.received_us, len(topic)) + topic + record.payload
    return _HEAD.pack(len(record.payload), zlib.crc32(body), record.received_us, len(topic)) + body[10:]


def _records(raw: bytes) -> Iterator[Record]:
    """Yield records up to the first that is not whole."""
    at = 0
    while at + _HEAD.size <= len(raw):
        payload_size, checksum, received_us, topic_size = _HEAD.unpack_from(raw, at)
        end = at + _HEAD.size + topic_size + payload_size
        body = raw[at + 8 : at + _HEAD.size] + raw[at + _HEAD.size : end]
        if end > len(raw) or zlib.crc32(body) != checksum:
            return
        text = raw[at + _HEAD.size : at + _HEAD.size + topic_size]
        yield Record(received_us, text.decode(), raw[end - payload_size : end])
        at = end
