"""Telemetry as it comes in to falls: the detector of the hourly assets on live streams, in bounded memory.

What belongs here: what becomes of a message's samples: whose they are, their order, when a device is waited
for. What does not: brokers, how a fall is found (`risk/detector.py`), who is told (`live_alerts.py`).

Samples are judged as cleaning judges them (wearer by assignment, unit by firmware and gravity, range). What a
jump of `seq` says is missing is waited for, a moment only; what comes later still makes the decisions that it
touches be made anew, as long as the device's memory reaches back (`LATE_S`). So a fall is found here that the
hourly assets find in the same samples; what comes later than that, they alone see.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from fallrisk_assets.risk.detector import FallEvent, FallModel
from fallrisk_assets.risk.fall_stream import FallStream
from fallrisk_assets.risk.falls import event_id
from fallrisk_assets.streams.registry import Registry
from fallrisk_assets.telemetry.drops import DropName
from fallrisk_assets.telemetry.parse import parse_drop
from fallrisk_assets.telemetry.parsed import ParsedDrop, place_rows
from fallrisk_assets.telemetry.units import G_PER_UNIT, declared_unit, judge_unit, out_of_range

#: How much later than those after them samples may come and still count.
LATE_S = 30.0
#: How long missing samples are waited for before a decision is made without them.
REORDER_S = 1.0
#: After so long without a sample a device's last impacts are decided with what there is.
SILENT_S = 10.0
FORGET_S = 600.0
#: Two impacts of one device closer than this are one fall.
SAME_IMPACT_US = 2_000_000
#: More samples than this within a device's memory are no person's movement (500 Hz).
MOST_HELD = 25_000
_AT_A_TIME = 2_048
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class LiveFall:
    """A fall that was decided on from a stream; times in microseconds since the epoch.

    Attributes:
        received_us: When the message was received without which it could not have been decided.
    """

    event_id: str
    device_id: str
    patient_id: str
    position: str
    impact_us: int
    decided_us: int
    probability: float
    received_us: int


@dataclass(frozen=True, slots=True)
class _Samples:
    """Samples of one wearer in time order; `ts_us`, `boot`, `seq` (n,), `accel_g`, `gyro_dps` (n, 3)."""

    ts_us: np.ndarray
    boot: np.ndarray
    seq: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray

    def __len__(self) -> int:
        return len(self.ts_us)

    def __getitem__(self, chosen: slice | np.ndarray) -> "_Samples":
        return _Samples(*(getattr(self, name)[chosen] for name in self.__slots__))

    def joined(self, other: "_Samples") -> "_Samples":
        """Both in time order; of one time the first."""
        both = [np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__]
        _, first = np.unique(both[0], return_index=True)
        return _Samples(*(values[first] for values in both))


class _Worn:
    """One device on one person: a stream of the detector, what waits for missing samples, what was told."""

    def __init__(self, patient_id: str, position: str, model: FallModel) -> None:
        self.patient_id, self.position = patient_id, position
        self.stream = FallStream(position, model, LATE_S)
        self.waiting: _Samples | None = None
        self.waits_since_us = self.received_us = 0
        self.is_closed = False
        self._last: tuple[int, int] | None = None
        self._told: list[int] = []

    def feed(self, samples: _Samples, received_us: int) -> tuple[list[FallEvent], int]:
        """Take samples; returns the falls that they decide and how many samples came too late."""
        self.received_us, self.is_closed = max(received_us, self.received_us), False
        decided = self.stream.decided_to_us
        late = int(np.searchsorted(samples.ts_us, decided)) if samples.ts_us[0] < decided else 0
        events: list[FallEvent] = []
        forgotten = 0
        if late:
            part = samples[:late]
            forgotten = int((part.ts_us < self.stream.oldest_us).sum())
            events += self.stream.amend(part.ts_us, part.accel_g, part.gyro_dps)
            if self.stream.latest_us == part.ts_us[-1]:
                self._last = int(part.boot[-1]), int(part.seq[-1])
            samples = samples[late:]
        if self.waiting is not None:
            samples = self.waiting.joined(samples)
        n = self._unbroken(samples)
        if n and n == len(samples):
            self.waiting = None
        elif len(samples):
            if n or self.waiting is None:
                self.waits_since_us = received_us
            self.waiting = samples[n:]
        events += self._push(samples[:n])
        if self.waiting is not None and len(self.waiting) > _AT_A_TIME:
            events += self.go_on()
        return events, forgotten

    def go_on(self) -> list[FallEvent]:
        """Wait no longer for what is missing."""
        waiting, self.waiting = self.waiting, None
        return self._push(waiting) if waiting is not None else []

    def close(self) -> list[FallEvent]:
        """Nothing more comes, for all that is known: decide with what there is."""
        self.is_closed = True
        return [*self.go_on(), *self.stream.close()]

    def are_news(self, events: Sequence[FallEvent]) -> list[FallEvent]:
        """Return the falls that were not told yet, and remember them."""
        self._told = [t for t in self._told if t >= self.stream.oldest_us - SAME_IMPACT_US]
        found = []
        for event in events:
            if all(abs(event.impact_us - told) > SAME_IMPACT_US for told in self._told):
                self._told.append(event.impact_us)
                found.append(event)
        return found

    def has_unit(self, impact_us: int) -> bool:
        """Whether gravity says g in the minute of an impact, as far as it is remembered."""
        ts_us, accel_g = self.stream.remembered
        wrong, _ = judge_unit(ts_us, accel_g, "g")
        return wrong is None or not wrong[np.searchsorted(ts_us, impact_us)]

    def _unbroken(self, samples: _Samples) -> int:
        """How many samples follow on the ones before, none missing between them."""
        if len(samples) == 0:
            return 0
        boot, seq = samples.boot, samples.seq
        jumps = np.flatnonzero((np.diff(seq) != 1) & (np.diff(boot) == 0))
        if self._last is not None and self._last[0] == boot[0] and self._last[1] + 1 != seq[0]:
            return 0
        return int(jumps[0]) + 1 if len(jumps) else len(samples)

    def _push(self, samples: _Samples) -> list[FallEvent]:
        events: list[FallEvent] = []
        for start in range(0, len(samples), _AT_A_TIME):
            part = samples[start : start + _AT_A_TIME]
            events += self.stream.push(part.ts_us, part.accel_g, part.gyro_dps)
        if len(samples):
            self._last = int(samples.boot[-1]), int(samples.seq[-1])
        return events


class LiveDetector:
    """All devices of a process.

    Args:
        registry: Gives the registry as it is now: who wears what.
        model: The detector's numbers.

    Attributes:
        left_out: Samples (lines) that were not looked at, by reason.
    """

    def __init__(self, registry: Callable[[], Registry], model: FallModel) -> None:
        self._registry, self._model = registry, model
        self._worn: dict[str, _Worn] = {}
        self.left_out: Counter[str] = Counter()
        self.samples = 0

    def take(self, device_id: str, received_us: int, payload: bytes) -> list[LiveFall]:
        """Take a device's message, JSON Lines; returns the falls that it decides."""
        at = datetime.fromtimestamp(received_us / _US, UTC)
        parsed = parse_drop(payload, DropName(at, device_id, "00000000", "jsonl"))
        self.left_out["UNREADABLE"] += len(parsed.bad_lines)
        found: list[LiveFall] = []
        for patient_id, position, samples in self._wearers(device_id, parsed):
            self.samples += len(samples)
            worn = self._worn.get(device_id)
            if worn is None or (worn.patient_id, worn.position) != (patient_id, position):
                if worn is not None and samples.ts_us[-1] < worn.stream.decided_to_us:
                    self.left_out["TOO_LATE"] += len(samples)  # of who wore it before
                    continue
                if worn is not None:
                    found += self._falls(device_id, worn, worn.close())
                worn = self._worn[device_id] = _Worn(patient_id, position, self._model)
            events, forgotten = worn.feed(samples, received_us)
            self.left_out["TOO_LATE"] += forgotten
            found += self._falls(device_id, worn, events)
            if worn.stream.held_samples > MOST_HELD:
                self.left_out["TOO_DENSE"] += worn.stream.held_samples
                del self._worn[device_id]
        return found

    def tick(self, now_us: int) -> list[LiveFall]:
        """Let time pass: end waits, decide about devices that fell silent, forget those long silent."""
        found: list[LiveFall] = []
        for device_id, worn in list(self._worn.items()):
            silent_s = (now_us - worn.received_us) / _US
            if worn.waiting is not None and now_us - worn.waits_since_us >= REORDER_S * _US:
                found += self._falls(device_id, worn, worn.go_on())
            if silent_s >= SILENT_S and not worn.is_closed:
                found += self._falls(device_id, worn, worn.close())
            if silent_s >= FORGET_S:
                del self._worn[device_id]
        return found

    @property
    def devices(self) -> int:
        """How many devices are remembered."""
        return len(self._worn)

    @property
    def held_bytes(self) -> int:
        """Bytes of all buffers."""
        return sum(worn.stream.held_bytes for worn in self._worn.values())

    def _falls(self, device_id: str, worn: _Worn, events: Sequence[FallEvent]) -> list[LiveFall]:
        found = []
        for event in worn.are_news(events):
            if not worn.has_unit(event.impact_us):
                self.left_out["UNIT_MISMATCH"] += 1
                continue
            found.append(
                LiveFall(
                    event_id(device_id, event.impact_us),
                    device_id,
                    worn.patient_id,
                    worn.position,
                    event.impact_us,
                    event.decided_us,
                    event.probability,
                    worn.received_us,
                )
            )
        return found

    def _wearers(self, device_id: str, parsed: ParsedDrop) -> Iterator[tuple[str, str, _Samples]]:
        """Yield the clean samples of each stretch of wear in time order; count the others."""
        _, bad = place_rows(parsed)
        self.left_out["TIME_IMPLAUSIBLE"] += int(bad.sum())
        own = parsed.devices.index(device_id) if device_id in parsed.devices else -1
        foreign = ~bad & (parsed.device_code != own)
        self.left_out["DEVICE_MISMATCH"] += int(foreign.sum())
        open_rows = ~bad & ~foreign
        accel_g = _in_g(parsed)
        outside = open_rows & out_of_range(accel_g, parsed.gyro_dps, parsed.has_gyro)
        for one in self._registry().assignments.get(device_id, ()):
            mine = open_rows & (parsed.ts_us >= one.from_us) & (parsed.ts_us < one.to_us)
            if not mine.any():
                continue
            open_rows &= ~mine
            claimed = parsed.patients.index(one.patient_id) if one.patient_id in parsed.patients else -1
            wrong = mine & (parsed.patient_code != claimed)
            self.left_out["PATIENT_MISMATCH"] += int(wrong.sum())
            mine &= ~wrong
            self.left_out["VALUE_OUT_OF_RANGE"] += int((mine & outside).sum())
            rows = np.flatnonzero(mine & ~outside)
            rows = rows[np.lexsort((parsed.seq[rows], parsed.boot[rows], parsed.ts_us[rows]))]
            rows = rows[np.flatnonzero(np.diff(parsed.ts_us[rows], prepend=-1))]
            if len(rows):
                chosen = (parsed.ts_us, parsed.boot, parsed.seq, accel_g, parsed.gyro_dps)
                yield one.patient_id, one.position, _Samples(*(values[rows] for values in chosen))
        self.left_out["DEVICE_NOT_ASSIGNED"] += int(open_rows.sum())


def _in_g(parsed: ParsedDrop) -> np.ndarray:
    """Acceleration in g, as each row's firmware is declared to send it; (n, 3) float32."""
    factors = np.array([G_PER_UNIT[declared_unit(f)] for f in parsed.firmwares], np.float32)
    if (factors == 1).all():
        return parsed.accel_g
    return parsed.accel_g * factors[parsed.firmware_code][:, None]
