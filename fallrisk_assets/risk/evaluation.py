"""How good a method is on recordings and on streams with known truth: its table.

Belongs here: the judgement of one recording, the table of a method over trials, that of a detector over
streams. Not here: arithmetic (`metrics.py`), who trains what judges whom (`cross_validation.py`), the methods
it is compared with (`baselines.py`), reading data and printing (`benchmark.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fallrisk_assets.recordings.recording import Trial
from fallrisk_assets.risk.detector import FallModel, detect_falls
from fallrisk_assets.risk.fall_model import score_candidates
from fallrisk_assets.risk.metrics import (
    area_under_curve,
    match_events,
    proportion_interval,
    rate_interval,
)
from fallrisk_assets.risk.streams import Stream, activity_at
from fallrisk_assets.risk.training_impacts import usable_candidates

Interval = tuple[float, float]


def trial_score(trial: Trial, position: str, model: FallModel) -> float:
    """Largest probability among a trial's impacts, 0 without any."""
    _, rows = usable_candidates(trial)
    return float(score_candidates(rows, position, model).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a method says about one record.

    Attributes:
        score: Of the whole record; falls should score higher.
        events: (time of impact, time of decision) of each alarm, microseconds.
    """

    score: float
    events: tuple[tuple[int, int], ...]


def judge_with(trial: Trial, position: str, model: FallModel) -> Judged:
    """The detector's judgement of one recording, its end being the end of the record."""
    events = detect_falls(trial.ts_us, trial.accel_g, trial.gyro_dps, position, model, at_end=True)
    return Judged(trial_score(trial, position, model), tuple((e.impact_us, e.decided_us) for e in events))


@dataclass(frozen=True, slots=True)
class Group:
    """Trials of one movement or age group: number, and how many of them alarmed."""

    falls: int
    falls_found: int
    others: int
    others_alarmed: int


@dataclass(frozen=True, slots=True)
class TrialTable:
    """Per-trial and event-wise figures of one method; intervals by drawing people."""

    method: str
    trials: int
    falls: int
    events: int
    sensitivity: float
    sensitivity_interval: Interval
    specificity: float
    specificity_interval: Interval
    auc: float
    hours: float
    false_alarms: int
    false_alarms_per_hour: float
    false_alarms_interval: Interval
    second_events: int
    latency_s: tuple[float, float, float]
    by_movement: dict[str, Group] = field(default_factory=dict)
    by_age: dict[str, Group] = field(default_factory=dict)


def _groups(names: Sequence[str], fall: np.ndarray, alarm: np.ndarray) -> dict[str, Group]:
    labels = np.array(names)
    return {
        str(name): Group(
            int((fall & here).sum()),
            int((fall & alarm & here).sum()),
            int((~fall & here).sum()),
            int((~fall & alarm & here).sum()),
        )
        for name in sorted(set(names))
        for here in [labels == name]
    }


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else float("nan")


def tabulate(method: str, trials: Sequence[Trial], judged: Sequence[Judged]) -> TrialTable:
    """Figures of a method over trials: a fall with an alarm is found, another with one is a false alarm.

    Where a recording labels its impact only alarms near it find the fall. False alarms an hour count alarms
    in recordings without a fall, over the hours of these.
    """
    fall = np.array([t.is_fall for t in trials], bool)
    alarm = np.zeros(len(trials), bool)
    second = 0
    latencies: list[float] = []
    for i, (trial, said) in enumerate(zip(trials, judged, strict=True)):
        events = said.events
        truth = trial.impact_us if trial.is_fall else None
        if truth is not None:
            hits = match_events([truth], [t for t, _ in events]).hits
            alarm[i] = bool(hits)
            latencies += [(events[j][1] - truth) * 1e-6 for _, j in hits]
        else:
            alarm[i] = bool(events)
            latencies += [(decided - impact) * 1e-6 for impact, decided in events[:1] if trial.is_fall]
        second += max(0, len(events) - 1) if trial.is_fall else 0
    people = [t.subject for t in trials]
    hours = np.array([_seconds(t) / 3600.0 for t in trials])
    count = np.array([len(j.events) for j in judged])
    rate = _ratio(float(count[~fall].sum()), float(hours[~fall].sum()))
    spread = np.percentile(latencies, (50, 95, 100)) if latencies else np.full(3, np.nan)
    return TrialTable(
        method=method,
        trials=len(trials),
        falls=int(fall.sum()),
        events=int(count.sum()),
        sensitivity=_ratio(float((alarm & fall).sum()), float(fall.sum())),
        sensitivity_interval=proportion_interval(people, alarm & fall, fall),
        specificity=_ratio(float((~alarm & ~fall).sum()), float((~fall).sum())),
        specificity_interval=proportion_interval(people, ~alarm & ~fall, ~fall),
        auc=area_under_curve(np.array([j.score for j in judged]), fall),
        hours=float(hours[~fall].sum()),
        false_alarms=int(count[~fall].sum()),
        false_alarms_per_hour=rate,
        false_alarms_interval=rate_interval(people, np.where(fall, 0, count), np.where(fall, 0.0, hours)),
        second_events=second,
        latency_s=(float(spread[0]), float(spread[1]), float(spread[2])),
        by_movement=_groups([t.movement for t in trials], fall, alarm),
        by_age=_groups([t.age_group for t in trials], fall, alarm),
    )


def _seconds(trial: Trial) -> float:
    return float(trial.ts_us[-1] - trial.ts_us[0]) * 1e-6 if len(trial.ts_us) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class StreamTable:
    """Event-wise figures over streams."""

    falls: int
    found: int
    false_alarms: int
    events: int
    days: float
    missed_by_kind: dict[str, tuple[int, int]]
    alarms_by_activity: dict[str, int]
    sensitivity_interval: Interval = (0.0, 1.0)
    false_alarms_per_day_interval: Interval = (0.0, 1.0)
    latency_s: tuple[float, float, float] = (float("nan"), float("nan"), float("nan"))

    def lines(self) -> list[str]:
        """Printed lines."""
        (a, b), (c, d) = self.sensitivity_interval, self.false_alarms_per_day_interval
        lines = [
            f"falls {self.falls}, found {self.found}: sensitivity "
            f"{self.found / max(self.falls, 1):.3f} [{a:.3f}, {b:.3f}]; events {self.events}",
            f"false alarms {self.false_alarms} in {self.days:.2f} patient-days = "
            f"{self.false_alarms / max(self.days, 1e-9):.3f} [{c:.3f}, {d:.3f}] a patient-day = "
            f"{self.false_alarms / max(self.days * 24, 1e-9):.3f} an hour",
            "seconds from true impact to decision, median / 95 % / most: "
            + " / ".join(f"{s:.2f}" for s in self.latency_s),
        ]
        lines += [
            f"  falls of kind {kind:<16} {n - missed} of {n} found"
            for kind, (n, missed) in sorted(self.missed_by_kind.items())
        ]
        lines += [
            f"  false alarms during {activity:<18} {n}"
            for activity, n in sorted(self.alarms_by_activity.items())
        ]
        return lines


def judge_streams(
    streams: Sequence[Stream],
    truth: dict[str, list[tuple[int, str]]],
    activities: dict[str, list[tuple[int, int, str]]],
    model: FallModel,
    find: Callable[[Stream], Sequence[tuple[int, int]]] | None = None,
) -> StreamTable:
    """Run a detector over streams and match its events with the truth.

    Args:
        streams: One per device.
        truth: device → (impact_us, kind) of the falls.
        activities: device → [start_us, end_us) and name, for the breakdown of false alarms.
        model: The detector's numbers.
        find: Another method instead of the detector: stream → (impact_us, decided_us) of its events.
    """
    kinds: dict[str, tuple[int, int]] = {}
    by_activity: dict[str, int] = defaultdict(int)
    people: list[str] = []
    counts: list[tuple[int, int, int, float]] = []
    latencies: list[float] = []
    n_events = 0
    for stream in streams:
        if find is None:
            found = detect_falls(
                stream.ts_us, stream.accel_g, stream.gyro_dps, stream.position, model, at_end=True
            )
            events = [(e.impact_us, e.decided_us) for e in found]
        else:
            events = list(find(stream))
        here = truth.get(stream.device_id, [])
        matching = match_events([t for t, _ in here], [t for t, _ in events])
        n_events += len(events)
        latencies += [(events[j][1] - here[i][0]) * 1e-6 for i, j in matching.hits]
        step = np.diff(stream.ts_us)
        days = float(step[step <= 1_000_000].sum()) / 86400e6
        people.append(stream.patient_id)
        counts.append((len(matching.hits), len(here), len(matching.false_alarms), days))
        for i, (_, kind) in enumerate(here):
            n, missed = kinds.get(kind, (0, 0))
            kinds[kind] = (n + 1, missed + (i in matching.missed))
        for j in matching.false_alarms:
            by_activity[activity_at(activities.get(stream.device_id, []), events[j][0])] += 1
    table = np.array(counts, float).reshape(len(counts), 4)
    spread = np.percentile(latencies, (50, 95, 100)) if latencies else np.full(3, np.nan)
    return StreamTable(
        int(table[:, 1].sum()),
        int(table[:, 0].sum()),
        int(table[:, 2].sum()),
        n_events,
        float(table[:, 3].sum()),
        kinds,
        dict(by_activity),
        proportion_interval(people, table[:, 0], table[:, 1]),
        rate_interval(people, table[:, 2], table[:, 3]),
        (float(spread[0]), float(spread[1]), float(spread[2])),
    )
