"""Which devices there are, who wears them when, and which session of samples follows from that.

What belongs here: the plan of a cohort, cheap and complete before the first sample is made. What does not:
samples.
"""

import math
import zlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator.day import DayPlan
from simulator.phenotypes import ORDER, PHENOTYPES, Person, draw_person

ZONES = ("Europe/Madrid", "America/New_York")
SITES = {"Europe/Madrid": "SITE01", "America/New_York": "SITE02"}
_POSITION_OF = ("waist", "waist", "waist", "wrist", "waist", "waist", "pocket", "waist")
# UTC hour at which the k-th wearer's session starts: nights, mornings and evenings in both zones.
_STARTS_H = (3.5, 1.0, 9.0, 9.5, 15.0, 0.5, 19.0, 12.0)
FIRMWARE = "2.4.1"
FIRMWARE_MS2 = "0.9.4"
STANDARD_GRAVITY = 9.80665


@dataclass(frozen=True)
class Wearer:
    """One patient of the cohort with the device given to them."""

    index: int
    patient_id: str
    clinic_id: str
    device_id: str
    person: Person
    position: str
    time_zone: str
    has_gyro: bool
    hours_per_day: float


@dataclass(frozen=True, eq=False)
class Session:
    """A stretch of samples between switching a device on and off, worn by one person (`boot` counts them).

    `labelled` is false for devices that only exist as a fault: they have no truth.
    """

    device_id: str
    wearer: Wearer
    boot: int
    start_ms: int
    samples: int
    rate_hz: float
    plan: DayPlan
    seed: int
    mount: np.ndarray
    bias: np.ndarray
    battery: float
    drain_per_h: float
    firmware: str = FIRMWARE
    unit: float = 1.0
    position: str = "waist"
    labelled: bool = True
    fault: str = ""

    def ts_ms(self, first: int, n: int) -> np.ndarray:
        """(n,) epoch ms of the samples from `first` on."""
        return self.start_ms + sample_ms(np.arange(first, first + n), self.rate_hz)

    @property
    def end_ms(self) -> int:
        """Time of the first sample that is no longer there."""
        return self.start_ms + int(sample_ms(np.array([self.samples]), self.rate_hz)[0])


@dataclass(frozen=True)
class Assignment:
    """A row of `device_assignment.csv`: `[from, to)`; an open end is None."""

    device_id: str
    patient_id: str
    from_ms: int
    to_ms: int | None
    position: str


@dataclass
class Plan:
    """A cohort before its first sample."""

    wearers: list[Wearer]
    sessions: list[Session]
    assignments: list[Assignment] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Samples that the sessions hold before faults."""
        return sum(session.samples for session in self.sessions)


def sample_ms(index: np.ndarray, rate_hz: float) -> np.ndarray:
    """Milliseconds of sample numbers since the start of the session, rounded as a device's clock does."""
    return np.floor(index * (1000.0 / rate_hz) + 0.5).astype(np.int64)


def rng_of(seed: int, *path: int | str) -> np.random.Generator:
    """An independent generator for each path under a seed: no draw depends on how many others were made."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in path]
    return np.random.default_rng([seed, *words])


def mounting(rng: np.random.Generator, position: str) -> tuple[np.ndarray, np.ndarray]:
    """(mount (3, 3), bias (6,)): how the case sits on the body, and the sensor's offsets (g, deg/s).

    The case hangs with its y axis down or up, or lies on its side, each with some degrees of slant.
    """
    down = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    turn = _rotation(np.array([0.0, 0.0, 1.0]), float(rng.choice([0.0, np.pi / 2, np.pi])))
    if position == "waist" and rng.uniform() < 0.7:
        turn = np.eye(3)
    axis = rng.normal(size=3)
    slant = _rotation(axis / np.linalg.norm(axis), float(np.deg2rad(rng.uniform(0.0, 12.0))))
    bias = np.concatenate([rng.uniform(-0.008, 0.008, 3), rng.uniform(-0.4, 0.4, 3)])
    return slant @ turn @ down, bias


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * k + (1 - math.cos(angle)) * (k @ k)


def midnight_ms(day: date) -> int:
    """Epoch ms of 00:00 UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def plan_cohort(
    patients: int,
    days: int,
    rate_hz: float,
    seed: int,
    start: date,
    hours_per_day: tuple[float, ...],
    falls_per_day: float,
    phenotypes: tuple[str, ...] = ORDER,
) -> Plan:
    """Draw the wearers and their sessions; sessions stay inside `[start, start + days)` UTC.

    `hours_per_day` gives each wearer's hours, the last value going to all that follow. `falls_per_day` is
    the mean for 16 h of wear of a pre-frail person; phenotypes scale it.
    """
    wearers = []
    sessions = []
    assignments = []
    for k in range(patients):
        rng = rng_of(seed, "person", k)
        patient_id = f"pt-{k + 1}"
        person = draw_person(patient_id, PHENOTYPES[phenotypes[k % len(phenotypes)]], rng)
        hours = hours_per_day[min(k, len(hours_per_day) - 1)]
        wearer = Wearer(
            index=k,
            patient_id=patient_id,
            clinic_id=f"PAT{k + 1:06d}",
            device_id=f"imu-{10001 + k}",
            person=person,
            position=_POSITION_OF[k % len(_POSITION_OF)],
            time_zone=ZONES[k % len(ZONES)],
            has_gyro=k % 6 != 5,
            hours_per_day=hours,
        )
        wearers.append(wearer)
        assignments.append(
            Assignment(
                wearer.device_id, patient_id, midnight_ms(start) - 30 * 86400000, None, wearer.position
            )
        )
        for day in range(days):
            sessions.append(
                plan_session(wearer, seed, start + timedelta(days=day), day, hours, rate_hz, falls_per_day)
            )
    return Plan(wearers, sessions, assignments)


def _charge(wearer: Wearer, rng: np.random.Generator) -> float:
    """Battery level when the device is switched on; one wearer in five often forgets to charge."""
    forgets = 0.6 if wearer.index % 5 == 2 else 0.03
    return float(rng.uniform(0.14, 0.19)) if rng.uniform() < forgets else float(rng.uniform(0.93, 1.0))


def plan_session(
    wearer: Wearer, seed: int, day: date, boot: int, hours: float, rate_hz: float, falls_per_day: float
) -> Session:
    """One day's session of one wearer."""
    rng = rng_of(seed, "session", wearer.index, day.toordinal())
    latest_h = max(0.0, 24.0 - hours)
    k = wearer.index
    start_h = min(_STARTS_H[k] if k < len(_STARTS_H) else float(rng.uniform(0.0, latest_h)), latest_h)
    step_ms = 1000.0 / rate_hz
    # A device's clock has no reason to start on a whole second.
    start_ms = midnight_ms(day) + int(start_h * 3600000) + int(rng.integers(0, max(1, int(step_ms))))
    samples = int(hours * 3600 * rate_hz)
    if hours >= 24.0 - 1e-9:
        start_ms = midnight_ms(day)
    local = datetime.fromtimestamp(start_ms / 1000, ZoneInfo(wearer.time_zone))
    weight = wearer.person.phenotype.fall_weight
    expected = falls_per_day * weight * hours / 16.0
    falls = int(expected) + int(rng.uniform() < expected - int(expected))
    if falls_per_day > 0 and hours >= 1.0 and (k == 0 or weight > 1.0):
        falls = max(1, falls)
    mount, bias = mounting(rng_of(seed, "mount", wearer.index), wearer.position)
    return Session(
        device_id=wearer.device_id,
        wearer=wearer,
        boot=boot + 1,
        start_ms=start_ms,
        samples=samples,
        rate_hz=rate_hz,
        plan=DayPlan(
            length_s=samples / rate_hz,
            local_start_h=local.hour + local.minute / 60,
            falls=falls,
            near_falls=int(rng.poisson(wearer.person.phenotype.near_falls_per_16h * hours / 16.0)),
            confuser_rounds=max(1, round(hours / 4.0)) if hours >= 0.5 else 0,
            shower=hours >= 6.0,
            position=wearer.position,
        ),
        seed=int(rng.integers(0, 2**63)),
        mount=mount,
        bias=bias,
        battery=_charge(wearer, rng),
        drain_per_h=float(rng.uniform(0.018, 0.03)),
        position=wearer.position,
    )
