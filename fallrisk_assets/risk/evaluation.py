"""How good the fall detector is, event by event, on recordings and on streams with known truth.

`python -m fallrisk_assets.risk.evaluation --source FOLDER` prints the table. A folder with the UMAFall
Parquet gives subject-grouped cross-validation: every trial is judged by a model that never saw its person.
A folder that the simulator wrote (drops and truth) judges the released model, which never saw a simulator.
The two are always reported apart.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.recording import Trial, read_trials
from fallrisk_assets.recordings.umafall import FILES
from fallrisk_assets.risk.detector import (
    FallEvent,
    FallModel,
    LogisticModel,
    detect_falls,
    released_model,
    score_candidates,
)
from fallrisk_assets.risk.impact_kernels import find_candidates, impact_features
from fallrisk_assets.risk.streams import Stream, read_drops, read_truth
from fallrisk_assets.risk.training import (
    SYNTHETIC_WEIGHT,
    THRESHOLDS,
    fit,
    gather_impacts,
    group_terms,
    join,
    synthetic_trials,
)

#: An event within this many seconds of a true impact is that fall.
TOLERANCE_S = 5.0
_GROUP = {"waist": "trunk", "wrist": "wrist"}


@dataclass(frozen=True, slots=True)
class Matching:
    """True falls and events, paired one to one.

    Attributes:
        hits: (index of truth, index of event).
        missed: Indices of truths without event.
        false_alarms: Indices of events without truth.
    """

    hits: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false_alarms: tuple[int, ...]


def match_events(
    truth_us: Sequence[int], event_us: Sequence[int], tolerance_s: float = TOLERANCE_S
) -> Matching:
    """Pair true impacts with detected ones, nearest in time first, each used once.

    Args:
        truth_us: True impact times, epoch microseconds.
        event_us: Detected impact times.
        tolerance_s: Largest distance of a pair.
    """
    pairs = sorted(
        (abs(t - e), i, j)
        for i, t in enumerate(truth_us)
        for j, e in enumerate(event_us)
        if abs(t - e) <= tolerance_s * 1e6
    )
    used_truth: set[int] = set()
    used_event: set[int] = set()
    hits = []
    for _, i, j in pairs:
        if i not in used_truth and j not in used_event:
            used_truth.add(i)
            used_event.add(j)
            hits.append((i, j))
    return Matching(
        tuple(sorted(hits)),
        tuple(i for i in range(len(truth_us)) if i not in used_truth),
        tuple(j for j in range(len(event_us)) if j not in used_event),
    )


def wilson_interval(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion (JASA 1927, 22:209); (0, 1) without observations."""
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def area_under_curve(scores: np.ndarray, is_fall: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a fall scores above a non-fall, ties half."""
    a, b = scores[is_fall], scores[~is_fall]
    above = (a[:, None] > b[None, :]).sum() + 0.5 * (a[:, None] == b[None, :]).sum()
    return float(above / (len(a) * len(b)))


def trial_score(trial: Trial, position: str, model: FallModel, use_gyro: bool = True) -> float:
    """Largest probability among a trial's impacts, 0 without any."""
    found = find_candidates(trial.ts_us, trial.accel_g)
    gyro = trial.gyro_dps if use_gyro else np.empty((0, 3), np.float32)
    p = score_candidates(impact_features(trial.ts_us, trial.accel_g, gyro, found), position, model)
    return float(np.nanmax(p)) if len(p) and not np.isnan(p).all() else 0.0


def cross_validate(trials: list[Trial], position: str, use_gyro: bool = True, folds: int = 6) -> np.ndarray:
    """Scores (trials,) from models that never saw the trial's subject.

    Args:
        trials: Trials of one position.
        position: "waist" or "wrist".
        use_gyro: Whether the gyroscope may be used.
        folds: Subjects are dealt to this many folds, those with most falls first.
    """
    kind = "gyro" if use_gyro else "accel"
    group = _GROUP[position]
    real = gather_impacts(trials)
    extra = gather_impacts(synthetic_trials(position), weight=SYNTHETIC_WEIGHT)
    falls: dict[str, int] = defaultdict(int)
    for t in trials:
        falls[t.subject] += t.is_fall
    order = sorted(falls, key=lambda s: (-falls[s], s))
    fold_of = {subject: k % folds for k, subject in enumerate(order)}
    models: list[LogisticModel] = []
    for k in range(folds):
        seen = np.array([fold_of[str(s)] != k for s in real.group])
        models.append(fit(join([real.take(seen), extra]), group_terms(group, gyro=use_gyro)))
    scores = np.empty(len(trials))
    for i, t in enumerate(trials):
        model = models[fold_of[t.subject]]
        held_out = FallModel("cv", dict(THRESHOLDS), {group: {"accel": model, kind: model}})
        scores[i] = trial_score(t, position, held_out, use_gyro)
    return scores


def threshold_scores(trials: list[Trial]) -> np.ndarray:
    """Baseline: the largest acceleration norm of each trial, to be compared with 2.5 g."""
    return np.array([float(np.sqrt((t.accel_g.astype(float) ** 2).sum(axis=1)).max()) for t in trials])


def rule_scores(trials: list[Trial]) -> np.ndarray:
    """Baseline: an impact of 2.5 g followed by a posture change of 45° and rest (1 or 0)."""
    scores = np.zeros(len(trials))
    for i, t in enumerate(trials):
        f = impact_features(
            t.ts_us, t.accel_g, np.empty((0, 3), np.float32), find_candidates(t.ts_us, t.accel_g)
        )
        hit = (f[:, 0] > 2.5) & (f[:, 6] > 45.0) & (f[:, 8] < 0.25)
        scores[i] = float(hit.any())
    return scores


@dataclass(frozen=True, slots=True)
class TrialTable:
    """Per-trial figures of one method."""

    method: str
    sensitivity: float
    sensitivity_interval: tuple[float, float]
    specificity: float
    specificity_interval: tuple[float, float]
    auc: float
    alarms_by_movement: dict[str, tuple[int, int]]

    def line(self) -> str:
        """One printed line."""
        (a, b), (c, d) = self.sensitivity_interval, self.specificity_interval
        return (
            f"{self.method:<44} {self.sensitivity:.3f} [{a:.3f}, {b:.3f}]  {self.specificity:.3f} "
            f"[{c:.3f}, {d:.3f}]  {self.auc:.4f}"
        )


def tabulate(method: str, trials: list[Trial], scores: np.ndarray, threshold: float) -> TrialTable:
    """Sensitivity and specificity per trial at a threshold, with intervals."""
    fall = np.array([t.is_fall for t in trials])
    alarm = scores >= threshold
    tp, tn = int((alarm & fall).sum()), int((~alarm & ~fall).sum())
    by_movement: dict[str, tuple[int, int]] = {}
    for t, a in zip(trials, alarm, strict=True):
        n, k = by_movement.get(t.movement, (0, 0))
        by_movement[t.movement] = (n + 1, k + int(a))
    n_fall, n_other = int(fall.sum()), int((~fall).sum())
    return TrialTable(
        method,
        tp / n_fall,
        wilson_interval(tp, n_fall),
        tn / n_other,
        wilson_interval(tn, n_other),
        area_under_curve(scores, fall),
        by_movement,
    )


def umafall_tables(folder: Path, position: str) -> list[TrialTable]:
    """Cross-validated tables of UMAFall for one position, baselines included."""
    trials = read_trials("umafall", folder, position)
    threshold = THRESHOLDS[_GROUP[position]]
    return [
        tabulate(
            f"UMAFall {position}, held-out subjects", trials, cross_validate(trials, position), threshold
        ),
        tabulate(
            f"UMAFall {position}, held-out, no gyroscope",
            trials,
            cross_validate(trials, position, use_gyro=False),
            threshold,
        ),
        tabulate(f"UMAFall {position}, baseline 2.5 g", trials, threshold_scores(trials), 2.5),
        tabulate(f"UMAFall {position}, baseline impact + posture", trials, rule_scores(trials), 0.5),
    ]


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

    def lines(self) -> list[str]:
        """Printed lines."""
        low, high = wilson_interval(self.found, self.falls)
        lines = [
            f"falls {self.falls}, found {self.found}: sensitivity "
            f"{self.found / max(self.falls, 1):.3f} [{low:.3f}, {high:.3f}]; events {self.events}",
            f"false alarms {self.false_alarms} in {self.days:.2f} patient-days = "
            f"{self.false_alarms / max(self.days, 1e-9):.3f} a patient-day",
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
) -> StreamTable:
    """Run the detector over streams and match its events with the truth.

    Args:
        streams: One per device.
        truth: device → (impact_us, kind) of the falls.
        activities: device → [start_us, end_us) and name, for the breakdown of false alarms.
        model: The detector's numbers.
    """
    falls = found = alarms = n_events = 0
    covered_us = 0
    kinds: dict[str, tuple[int, int]] = {}
    by_activity: dict[str, int] = defaultdict(int)
    for stream in streams:
        events: list[FallEvent] = detect_falls(
            stream.ts_us, stream.accel_g, stream.gyro_dps, stream.position, model
        )
        here = truth.get(stream.device_id, [])
        matching = match_events([t for t, _ in here], [e.impact_us for e in events])
        falls += len(here)
        found += len(matching.hits)
        alarms += len(matching.false_alarms)
        n_events += len(events)
        step = np.diff(stream.ts_us)
        covered_us += int(step[step <= 1_000_000].sum())
        for i, (_, kind) in enumerate(here):
            n, missed = kinds.get(kind, (0, 0))
            kinds[kind] = (n + 1, missed + (i in matching.missed))
        for j in matching.false_alarms:
            at = events[j].impact_us
            names = [a for start, end, a in activities.get(stream.device_id, []) if start <= at < end]
            by_activity[names[-1] if names else "unlabelled"] += 1
    return StreamTable(falls, found, alarms, n_events, covered_us / 86400e6, kinds, dict(by_activity))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table for a folder."""
    parser = argparse.ArgumentParser(
        description="Evaluate the fall detector on recordings or simulated drops."
    )
    parser.add_argument(
        "--source", type=Path, required=True, help="folder: UMAFall Parquet, or drops with truth files"
    )
    parser.add_argument("--position", choices=("waist", "wrist", "both"), default="both")
    options = parser.parse_args(arguments)
    if all((options.source / name).exists() for name in FILES):
        print(f"{'per trial':<44} sensitivity             specificity             AUC")
        positions = ("waist", "wrist") if options.position == "both" else (options.position,)
        for position in positions:
            tables = umafall_tables(options.source, position)
            for table in tables:
                print(table.line())
            for movement, (n, k) in sorted(tables[0].alarms_by_movement.items()):
                print(f"    {movement:<28} {k:>3} of {n:>3} alarm")
        return
    truth, activities = read_truth(options.source)
    streams = read_drops(options.source)
    if not streams:
        parser.error(f"{options.source} holds neither {', '.join(FILES)} nor any drop")
    model = released_model()
    print(f"{model.version} on {len(streams)} simulated streams (held out: never used in training)")
    for line in judge_streams(streams, truth, activities, model).lines():
        print(line)


if __name__ == "__main__":
    main()
