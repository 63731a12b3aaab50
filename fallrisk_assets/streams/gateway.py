"""A gateway of devices: messages are judged by the registry, spooled, and landed as drops.

What belongs here: what becomes of a message between its arrival and the landing zone. What does not: the
connection (`mqtt.py`), the disk (`spool.py`), who may publish (`registry.py`).

`take` returns when the disk has confirmed; only then is a message acknowledged, so that a crash loses nothing
that the broker thinks is ours. A redelivered message stands in a drop twice, and cleaning knows its samples
by (device, boot, seq).
"""

import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from isal import igzip

from fallrisk_assets.lake.landing import RECEIVED_AT_FORMAT, Landing
from fallrisk_assets.streams.log_drops import Drop
from fallrisk_assets.streams.registry import DEVICE_ID, Refused, Registry
from fallrisk_assets.streams.spool import Record, Spool, read_segment
from fallrisk_assets.telemetry.drops import drop_key_for

logger = logging.getLogger(__name__)

TELEMETRY, STATUS, CONFIG = "telemetry", "status", "config"
EVENTS_FOLDER = "device_events"
ONLINE, OFFLINE, LOST = "online", "offline", "lost"
#: Ten minutes of one device at 100 Hz; whatever is larger is no telemetry.
MAX_PAYLOAD_BYTES = 16 << 20
_REFUSALS = "$refused"
_MINUTE_US = 60_000_000
_GZIP_LEVEL = 1


def topic_of(device_id: str, kind: str) -> str:
    """The topic of a device: `devices/<device>/telemetry`, `…/status`, `…/config`."""
    return f"devices/{device_id}/{kind}"


def device_of_topic(topic: str) -> tuple[str, str] | None:
    """Return device and kind of a topic; None for one that is no device's."""
    parts = topic.split("/")
    if len(parts) != 3 or parts[0] != "devices" or not DEVICE_ID.fullmatch(parts[1]):
        return None
    return parts[1], parts[2]


class Gateway:
    """Takes messages and lands them.

    `take` and `seal` belong to one thread, `land` may be called by another.

    Args:
        spool: Where messages wait on disk.
        landing: Where drops are put.
        registry: Gives the registry as it is now.
        listener: Is told of each telemetry message once it is on disk: device, receipt (us) and payload.
    """

    def __init__(
        self,
        spool: Spool,
        landing: Landing,
        registry: Callable[[], Registry],
        listener: Callable[[str, int, bytes], None] | None = None,
    ) -> None:
        self._spool, self._landing, self._registry = spool, landing, registry
        self._listener = listener
        self._states: dict[str, str] = {}
        self.taken = 0
        self.refused: Counter[tuple[str, str]] = Counter()

    def take(self, messages: Sequence[Record]) -> None:
        """Judge messages, and have those that may come in on disk; then all of them may be acknowledged.

        Raises:
            SpoolFull, OSError: nothing was taken, and nothing may be acknowledged.
        """
        registry = self._registry()
        kept: list[Record] = []
        heard: list[tuple[str, Record]] = []
        refused: dict[tuple[str, Refused], list[int]] = defaultdict(lambda: [0, 0])
        states = dict(self._states)
        for message in messages:
            found = device_of_topic(message.topic)
            device, kind = found or ("", "")
            reason = self._refusal(registry, device, kind, message)
            if reason is not None:
                counted = refused[device, reason]
                counted[0] += 1
                counted[1] += len(message.payload)
            elif kind == TELEMETRY:
                kept.append(message)
                heard.append((device, message))
            elif kind == STATUS and states.get(device) != (state := _state(message.payload)):
                # The broker tells the last state again at each connection: that is no news.
                states[device] = state
                kept.append(message)
        now_us = max((m.received_us for m in messages), default=0)
        for (device, reason), (count, size) in sorted(refused.items()):
            told = {"device_id": device, "reason": reason.value, "messages": count, "bytes": size}
            kept.append(Record(now_us, _REFUSALS, json.dumps(told, separators=(",", ":")).encode()))
        if kept:
            self._spool.append(kept)
        self._states = states
        self.taken += len(heard)
        self.refused.update({(d, r.value): n for (d, r), (n, _) in refused.items()})
        if self._listener is not None:
            for device, message in heard:
                self._listener(device, message.received_us, message.payload)

    def seal(self) -> None:
        """Let what was taken so far be landed."""
        self._spool.seal()

    def land(self) -> int:
        """Put sealed segments into the landing zone; returns how many drops were new.

        A segment that is landed again after a crash gives the same names and bytes.

        Raises:
            OSError: the landing zone cannot be written; what was not landed stays in the spool.
        """
        put = 0
        for segment in self._spool.sealed():
            for drop in drops_of(read_segment(segment)):
                put += self._landing.put_if_absent(drop.key, drop.content)
            self._spool.retire(segment)
        return put

    @staticmethod
    def _refusal(registry: Registry, device: str, kind: str, message: Record) -> Refused | None:
        if not device:
            return Refused.UNKNOWN_DEVICE
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            return Refused.TOO_LARGE
        return registry.refusal(device, message.payload if kind == TELEMETRY else b"")


def drops_of(records: Iterable[Record]) -> list[Drop]:
    """Return a drop for each device and minute, and a file of events for each minute."""
    telemetry: dict[tuple[str, int], list[Record]] = defaultdict(list)
    events: dict[int, list[tuple[Record, bytes]]] = defaultdict(list)
    for record in records:
        minute = record.received_us // _MINUTE_US
        found = device_of_topic(record.topic)
        if found is not None and found[1] == TELEMETRY:
            telemetry[found[0], minute].append(record)
        else:
            events[minute].append((record, _event_line(record)))
    drops = []
    for (device, _), mine in sorted(telemetry.items()):
        content = igzip.compress(b"".join(_lines(r.payload) for r in mine), _GZIP_LEVEL, mtime=0)
        drops.append(Drop(drop_key_for(_at(mine), device, content), content))
    for _, told in sorted(events.items()):
        content = b"".join(line for _, line in told)
        stamp = _at([record for record, _ in told]).strftime(RECEIVED_AT_FORMAT)
        sha8 = hashlib.sha256(content).hexdigest()[:8]
        drops.append(Drop(f"{EVENTS_FOLDER}/{stamp}-gateway-{sha8}.jsonl", content))
    return drops


def _at(records: Sequence[Record]) -> datetime:
    return datetime.fromtimestamp(max(r.received_us for r in records) // 1_000_000, UTC)


def _lines(payload: bytes) -> bytes:
    """The lines of a payload; one without any content is a line that no reader takes for a sample."""
    lines = [line for line in payload.split(b"\n") if line.strip()] or [b"null"]
    return b"".join(line + b"\n" for line in lines)


def _state(payload: bytes) -> str:
    """What a status message says: online, offline, lost (its last will), or else unknown."""
    try:
        state = json.loads(payload)["state"]
    except (ValueError, KeyError, TypeError):
        return "unknown"
    return state if state in (ONLINE, OFFLINE, LOST) else "unknown"


def _event_line(record: Record) -> bytes:
    at = datetime.fromtimestamp(record.received_us / 1e6, UTC).isoformat()
    if record.topic == _REFUSALS:
        told = {"at": at, "event": "refused", **json.loads(record.payload)}
    else:
        device, _ = device_of_topic(record.topic) or ("", "")
        told = {"at": at, "event": "state", "device_id": device, "state": _state(record.payload)}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"
