"""A few devices that keep dropping small files, so that somebody can watch sensors start runs.

What belongs here: one round of drops after the other, simulated time moving on. What does not: waiting
between rounds (the command line does that) and the samples themselves.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulator.clinic_log import draw_patient, write_clinic_files
from simulator.devices import Plan, Session, plan_cohort, plan_session, rng_of
from simulator.drops import JSONL_GZ
from simulator.truth import ActivityTruth, FallTruth, FaultTruth, session_truth, write_truth
from simulator.windows import rehearse, windows_of, write_window

CHAPTER_H = 2


@dataclass(frozen=True)
class LiveOptions:
    """What drops: `devices`, each a drop of `drop_minutes` a round, from `start` (aware, whole minute) on."""

    start: datetime
    devices: int = 3
    rate_hz: float = 50.0
    seed: int = 7
    drop_minutes: int = 1
    falls_per_hour: float = 4.0
    stop_after: int | None = None


@dataclass(frozen=True)
class Round:
    """One round: the simulated time up to which samples have arrived, and the keys that were written."""

    number: int
    until: datetime
    keys: list[str]


def live_rounds(landing: Path, truth: Path | None, options: LiveOptions) -> Iterator[Round]:
    """Write the clinic's files, then one round of drops for each `next()`; endless without `stop_after`.

    Raises:
        ValueError: An option makes no sense.
    """
    if (
        options.devices < 1
        or options.start.tzinfo is None
        or options.start.second
        or options.start.microsecond
    ):
        raise ValueError("live needs at least one device and a start on a whole minute, with its zone")
    if options.drop_minutes < 1 or CHAPTER_H * 60 % options.drop_minutes:
        raise ValueError(f"drop minutes {options.drop_minutes} must divide {CHAPTER_H} hours")
    start = options.start.astimezone(UTC)
    plan = plan_cohort(
        options.devices, 1, options.rate_hz, options.seed, start.date(), (float(CHAPTER_H),), 0.0
    )
    midnight = int(start.replace(hour=0, minute=0).timestamp()) * 1000
    write_clinic_files(
        landing,
        [start.date()],
        [midnight],
        [draw_patient(wearer, options.seed, start.date()) for wearer in plan.wearers],
        plan.assignments,
        options.seed,
    )
    falls: list[FallTruth] = []
    activities: list[ActivityTruth] = []
    faults: list[FaultTruth] = []
    number = 0
    chapter = 0
    while True:
        sessions = [_chapter(plan, k, chapter, start, options) for k in range(options.devices)]
        for session in sessions:
            new_falls, new_activities = session_truth(session, rehearse(session))
            falls += new_falls
            activities += new_activities
        if truth is not None:
            about: dict[str, object] = {"live": True, "seed": options.seed, "start": start.isoformat()}
            write_truth(truth, falls, activities, faults, about)
        windows = windows_of(Plan(plan.wearers, sessions), options.drop_minutes)
        for index in sorted({w.index for w in windows}):
            if options.stop_after is not None and number >= options.stop_after:
                return
            keys = []
            for window in windows:
                if window.index == index:
                    keys += write_window(window, landing, options.seed, JSONL_GZ).keys
            number += 1
            until = datetime.fromtimestamp((index + 1) * options.drop_minutes * 60, UTC)
            yield Round(number, until, keys)
        chapter += 1


def _chapter(plan: Plan, k: int, chapter: int, start: datetime, options: LiveOptions) -> Session:
    """Two hours of one device's life, beginning on a whole minute."""
    wearer = plan.wearers[k]
    begin = start + timedelta(hours=CHAPTER_H * chapter)
    session = plan_session(
        wearer, options.seed, begin.date(), chapter, float(CHAPTER_H), options.rate_hz, 0.0
    )
    rng = rng_of(options.seed, "live", k, chapter)
    falls = int(rng.poisson(options.falls_per_hour * CHAPTER_H))
    return replace(
        session,
        start_ms=int(begin.timestamp()) * 1000,
        seed=int(rng.integers(0, 2**63)),
        # Whoever watches wants movement: the wearers live through a day that never ends.
        plan=replace(session.plan, falls=falls, confuser_rounds=1, local_start_h=10.0),
    )
