"""Messages of a log (Kafka) to drops: whose they are, when they were received, under which name.

What belongs here: what becomes of messages, whatever is in them. What does not: reading the log, and writing
the landing zone (`kafka_landing.py`).

A pure function of the messages: the same range gives the same names and bytes, so that putting them again
changes nothing. Ranges that overlap give other names; then every line's origin says what is repeated
(`lake/origins.py`). A message is received when the log's time stamp says (the broker's clock, with
`message.timestamp.type=LogAppendTime`), and drops are cut at full minutes of it, so that a line is received
in the same hour and on the same day however the ranges lie.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from isal import igzip

from fallrisk_assets.clinic.files import FOLDER as CLINIC_FOLDER
from fallrisk_assets.lake.landing import RECEIVED_AT_FORMAT
from fallrisk_assets.lake.origins import with_origin
from fallrisk_assets.telemetry.drops import drop_key_for

_GZIP_LEVEL = 1
_DEVICE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICE_IN_TEXT = re.compile(rb'"deviceId"\s*:\s*"([A-Za-z0-9][A-Za-z0-9._-]{0,63})"')
_BOM = b"\xef\xbb\xbf"
_MINUTE_MS = 60_000
#: A message without any content: a tombstone, or blanks. No reader takes it for anything.
_NOTHING = b"null"


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a log; `timestamp_ms` is when the log received it, milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Drop:
    """A file for the landing zone: its key and its bytes."""

    key: str
    content: bytes


def device_of(message: Message) -> str:
    """Whose drop a telemetry message goes into: its key, else the device that its text names first.

    A message that names neither goes into a drop of its partition, `kafka-<topic>-<partition>`, whose lines
    the quarantine then shows: nothing is lost because nobody can say whose it is.
    """
    if message.key is not None and _DEVICE.fullmatch(message.key):
        return message.key.decode()
    found = _DEVICE_IN_TEXT.search(message.value or b"")
    if found is not None:
        return found[1].decode()
    name = f"kafka-{message.topic}-{message.partition}"
    if len(name) > 64:
        name = f"kafka-{hashlib.sha256(message.topic.encode()).hexdigest()[:16]}-{message.partition}"
    return name


def lines_of(message: Message) -> list[bytes]:
    """The lines of a message: JSON Lines, one or several, each with the message's origin."""
    value = (message.value or b"").removeprefix(_BOM)
    lines = [line for line in value.split(b"\n") if line.strip()] or [_NOTHING]
    return [with_origin(line, message.topic, message.partition, message.offset) for line in lines]


def telemetry_drops(messages: Iterable[Message]) -> list[Drop]:
    """Return a drop for each device and minute of receipt, its lines in the order of the log."""
    groups: dict[tuple[str, int, int, str], list[Message]] = defaultdict(list)
    for message in messages:
        minute = message.timestamp_ms // _MINUTE_MS
        groups[message.topic, message.partition, minute, device_of(message)].append(message)
    drops = []
    for (_, _, _, device), mine in sorted(groups.items()):
        content = igzip.compress(_joined(mine), _GZIP_LEVEL, mtime=0)
        drops.append(Drop(drop_key_for(_received_at(mine), device, content), content))
    return drops


def appointment_drops(messages: Iterable[Message]) -> list[Drop]:
    """Return a drop of the clinic's log for each partition and minute of receipt."""
    groups: dict[tuple[str, int, int], list[Message]] = defaultdict(list)
    for message in messages:
        groups[message.topic, message.partition, message.timestamp_ms // _MINUTE_MS].append(message)
    drops = []
    for _, mine in sorted(groups.items()):
        content = _joined(mine)
        stamp = _received_at(mine).strftime(RECEIVED_AT_FORMAT)
        sha8 = hashlib.sha256(content).hexdigest()[:8]
        drops.append(Drop(f"{CLINIC_FOLDER}/{stamp}-appointment_events-{sha8}.jsonl", content))
    return drops


def _joined(messages: Iterable[Message]) -> bytes:
    ordered = sorted(messages, key=lambda m: m.offset)
    return b"".join(line + b"\n" for message in ordered for line in lines_of(message))


def _received_at(messages: Iterable[Message]) -> datetime:
    return datetime.fromtimestamp(max(m.timestamp_ms for m in messages) // 1000, UTC)
