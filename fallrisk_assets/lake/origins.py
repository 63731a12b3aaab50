r"""Where a line of a drop stood in a log (Kafka): written behind the line, taken off before it is read.

What belongs here: that mark and nothing else. What does not: who writes drops from a log (`streams/`), and
which of two lines with one origin counts (`telemetry/gather.py`, `clinic/operations/day.py`).

A log's consumers write at least once: after a crash, a rebalance or a reset offset the same message stands
in two drops. Topic, partition and offset say that it is one message, whatever is in it. A line that looks
like a JSON object gets one more field, so that the drop stays JSON Lines; to any other, which no reader
takes for a sample anyway, the mark is added behind a tab. Taking it off gives the line back to the byte:

    {"deviceId":"imu-7", … ,"boot":0},"origin":{"topic":"telemetry","partition":3,"offset":41}}
    some garbage\t{"origin":{"topic":"telemetry","partition":3,"offset":42}}
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: What Kafka allows: `Topic.LEGAL_CHARS` and `MAX_NAME_LENGTH` in its code.
TOPIC = r"[A-Za-z0-9._-]{1,249}"
_NAME = b'"origin":{'
_MARK = re.compile(
    rb'(?:(?P<field>,)|\t\{)"origin":\{"topic":"(?P<topic>' + TOPIC.encode() + rb')",'
    rb'"partition":(?P<partition>\d{1,9}),"offset":(?P<offset>\d{1,18})\}\}$'
)


@dataclass(frozen=True, slots=True)
class Origins:
    """Origin of each line of a drop, line 1 first; code -1 where a line has none.

    Attributes:
        logs: Topic and partition by code.
        log_code: (n,) int32.
        offset: (n,) int64.
    """

    logs: list[tuple[str, int]]
    log_code: np.ndarray
    offset: np.ndarray

    def named(self, line_number: int) -> str:
        """A line's origin in words, such as `telemetry[3] at 41`; empty where it has none."""
        code = int(self.log_code[line_number - 1])
        if code < 0:
            return ""
        topic, partition = self.logs[code]
        return f"{topic}[{partition}] at {self.offset[line_number - 1]}"


class SeenOrigins:
    """Origins of the lines of some drops, one after the other: the first one with a message holds it."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, int], np.ndarray] = {}

    def repeated(self, origins: Origins) -> np.ndarray:
        """Tell which lines of the next drop belong to messages that an earlier one held; (n,) bool."""
        found = np.zeros(len(origins.offset), np.bool_)
        for code, log in enumerate(origins.logs):
            mine = origins.log_code == code
            offsets = origins.offset[mine]
            known = self._offsets.get(log)
            if known is not None:
                found[mine] = np.isin(offsets, known)
                offsets = np.concatenate([known, offsets])
            self._offsets[log] = np.unique(offsets)
        return found


def with_origin(line: bytes, topic: str, partition: int, offset: int) -> bytes:
    """Return a line (no newline in it) with its origin."""
    mark = f'"origin":{{"topic":"{topic}","partition":{partition},"offset":{offset}}}}}'.encode()
    if line.startswith(b'{"') and line.endswith(b"}"):
        return line[:-1] + b"," + mark
    return line + b"\t{" + mark


def has_origin(data: bytes) -> bool:
    """Tell whether the first line has an origin (or begins with one that is cut off here)."""
    end = data.find(b"\n")
    first = data[:end] if end >= 0 else data
    return _NAME in first and (end < 0 or _mark_of(first) is not None)


def _mark_of(line: bytes) -> re.Match[bytes] | None:
    at = line.rfind(_NAME)
    if at < 1:
        return None
    return _MARK.match(line, at - 1 if line[at - 1 : at] == b"," else max(0, at - 2))


def without_origins(data: bytes) -> tuple[bytes, Origins | None]:
    """Take the origins off a drop's lines.

    A drop is a log's if its first line says so; any other is returned as it is, which costs one look.

    Returns:
        The lines as they were before `with_origin`, and their origins; None for a drop that is no log's.
    """
    if not has_origin(data):
        return data, None
    lines = data.split(b"\n")
    codes: dict[tuple[bytes, bytes], int] = {}
    log_code, offset = np.full(len(lines), -1, np.int32), np.zeros(len(lines), np.int64)
    for i, line in enumerate(lines):
        mark = _mark_of(line)
        if mark is None:
            continue
        log_code[i] = codes.setdefault((mark["topic"], mark["partition"]), len(codes))
        offset[i] = int(mark["offset"])
        lines[i] = line[: mark.start()] + (b"}" if mark["field"] else b"")
    logs = [(topic.decode(), int(partition)) for topic, partition in codes]
    return b"\n".join(lines), Origins(logs, log_code, offset)


def only_new(data: bytes, seen: SeenOrigins) -> tuple[bytes, int, Origins | None]:
    """Take the origins off a drop, and empty the lines whose messages an earlier drop held.

    Returns:
        The lines, numbered as before; how many were emptied; and the origins.
    """
    content, origins = without_origins(data)
    if origins is None:
        return content, 0, None
    again = seen.repeated(origins)
    if not again.any():
        return content, 0, origins
    lines: Sequence[bytes] = content.split(b"\n")
    emptied = sum(bool(line.strip()) for line, gone in zip(lines, again, strict=True) if gone)
    kept = (b"" if gone else line for line, gone in zip(lines, again, strict=True))
    return b"\n".join(kept), emptied, origins
