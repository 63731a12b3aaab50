"""How good a version of the fall detector is: figures with 95 % intervals.

Belongs here: what is measured, and the rows of `curated.fall_detector_evaluation`. Does not belong here: what
is good enough (`gates`), the detector and the matching of events (`risk`).
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.models.contract import (
    AUC,
    BRIER,
    CALIBRATION_ERROR,
    CANDIDATE,
    CONFUSER_ALARMS,
    FALSE_ALARMS,
    HELD_OUT_SUBJECTS,
    RECORDINGS,
    SENSITIVITY,
    SIMULATED_WEAR,
    SPECIFICITY,
    FallDetectorEvaluation,
)
from fallrisk_assets.models.held_out import HeldOut
from fallrisk_assets.recordings.recording import Trial
from fallrisk_assets.risk.cross_validation import cross_validate
from fallrisk_assets.risk.detector import FallModel
from fallrisk_assets.risk.evaluation import StreamTable, judge_streams, trial_score
from fallrisk_assets.risk.metrics import area_under_curve, poisson_interval, wilson_interval

#: (n,) probabilities and (n,) outcomes to a figure.
Score = Callable[[np.ndarray, np.ndarray], float]
ALL = "all"
_RESAMPLES = 200
_BINS = 10
_WEEK_DAYS = 7.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure; see the columns of `FallDetectorEvaluation`."""

    data: str
    position: str
    subgroup: str
    metric: str
    value: float
    lower: float
    upper: float
    n: float


def held_out_measures(trials: list[Trial], position: str, model: FallModel) -> list[Measure]:
    """Judge recordings by models that never saw their person, at a version's own threshold.

    Args:
        trials: Recordings of one position.
        position: "waist" or "wrist".
        model: The version whose threshold counts.

    Returns:
        Sensitivity and specificity of all, by age group and by movement; area under the curve, Brier score
        and calibration error of all, with bootstrap intervals over people.
    """
    scores = cross_validate(trials, position)
    found = _by_trial(HELD_OUT_SUBJECTS, trials, scores, position, model.threshold(position), detailed=True)
    of_probabilities = ((AUC, area_under_curve), (BRIER, brier_score), (CALIBRATION_ERROR, calibration_error))
    found += [
        _over_people(HELD_OUT_SUBJECTS, metric, measure, trials, scores, position)
        for metric, measure in of_probabilities
    ]
    return found


def recording_measures(trials: list[Trial], position: str, model: FallModel) -> list[Measure]:
    """Judge recordings by a version itself, which may have been trained on them: for comparing versions."""
    scores = np.array([trial_score(t, position, model) for t in trials])
    found = _by_trial(RECORDINGS, trials, scores, position, model.threshold(position), detailed=False)
    return [*found, _over_people(RECORDINGS, CALIBRATION_ERROR, calibration_error, trials, scores, position)]


def wear_measures(held_out: HeldOut, model: FallModel) -> list[Measure]:
    """Judge simulated wear, event by event; alarms during planted confusers are counted apart."""
    judged = judge_streams(held_out.streams, held_out.falls, held_out.activities, model)
    confused = sum(n for name, n in judged.alarms_by_activity.items() if name in held_out.confusers)
    found = [
        _rate(FALSE_ALARMS, judged.false_alarms - confused, judged),
        _rate(CONFUSER_ALARMS, confused, judged),
    ]
    kinds = {ALL: (judged.falls, judged.falls - judged.found), **judged.missed_by_kind}
    found += [
        _proportion(SIMULATED_WEAR, ALL, kind, SENSITIVITY, n - missed, n)
        for kind, (n, missed) in sorted(kinds.items())
        if n
    ]
    return found


def _by_trial(
    data: str, trials: list[Trial], scores: np.ndarray, position: str, threshold: float, *, detailed: bool
) -> list[Measure]:
    groups: dict[tuple[str, str], list[bool]] = {}
    for trial, score in zip(trials, scores, strict=True):
        metric, right = SPECIFICITY, bool(score < threshold)
        if trial.is_fall:
            metric, right = SENSITIVITY, not right
        names = [ALL]
        if detailed:
            names += [f"age {trial.age_group}", f"movement {trial.movement}"]
        for name in names:
            groups.setdefault((name, metric), []).append(right)
    return [
        _proportion(data, position, name, metric, sum(right), len(right))
        for (name, metric), right in sorted(groups.items())
    ]


def _over_people(
    data: str, metric: str, measure: Score, trials: list[Trial], scores: np.ndarray, position: str
) -> Measure:
    """A figure of all recordings with its interval, from which a bias of the draws never leaves it out."""
    fall, subject = np.array([t.is_fall for t in trials]), np.array([t.subject for t in trials])
    lower, upper = bootstrap_interval(measure, scores, fall, subject)
    value = measure(scores, fall)
    return Measure(data, position, ALL, metric, value, min(lower, value), max(upper, value), len(trials))


def _proportion(data: str, position: str, subgroup: str, metric: str, right: int, n: int) -> Measure:
    lower, upper = wilson_interval(right, n)
    return Measure(data, position, subgroup, metric, right / n, lower, upper, n)


def _rate(metric: str, events: int, judged: StreamTable) -> Measure:
    weeks = judged.days / _WEEK_DAYS
    lower, upper = poisson_interval(events)
    return Measure(
        SIMULATED_WEAR, ALL, ALL, metric, events / weeks, lower / weeks, upper / weeks, judged.days
    )


def brier_score(scores: np.ndarray, is_fall: np.ndarray) -> float:
    """Mean squared distance of probabilities and outcomes (Brier, Mon Weather Rev 1950, 78:1)."""
    return float(((scores - is_fall) ** 2).mean())


def calibration_error(scores: np.ndarray, is_fall: np.ndarray) -> float:
    """Expected calibration error: mean distance of said and seen share of falls over ten equal bins.

    (Naeini, Cooper, Hauskrecht, AAAI 2015, 29:2901.)
    """
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    said = np.bincount(bins, scores, _BINS)
    seen = np.bincount(bins, is_fall.astype(float), _BINS)
    return float(np.abs(said - seen).sum() / len(scores))


def bootstrap_interval(
    measure: Score,
    scores: np.ndarray,
    is_fall: np.ndarray,
    subject: np.ndarray,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % percentile interval of a measure, drawing people with replacement, not recordings.

    Args:
        measure: Of (n,) scores and (n,) outcomes.
        scores: Probabilities.
        is_fall: Outcomes.
        subject: (n,) whose recordings they are.
        seed: Decides the draws; a draw without falls, or of falls only, is drawn again.
    """
    draw = np.random.default_rng(seed)
    people = [np.flatnonzero(subject == s) for s in np.unique(subject)]
    if is_fall.all() or not is_fall.any():
        raise ValueError("an interval needs falls and other movements: the recordings hold only one of them")
    values: list[float] = []
    while len(values) < _RESAMPLES:
        rows = np.concatenate([people[i] for i in draw.integers(0, len(people), len(people))])
        if 0 < is_fall[rows].sum() < len(rows):
            values.append(measure(scores[rows], is_fall[rows]))
    lower, upper = np.percentile(values, (2.5, 97.5))
    return float(lower), float(upper)


def evaluation_table(day: dt.date, judged: Iterable[tuple[str, str, Sequence[Measure]]]) -> pa.Table:
    """Return rows of `FallDetectorEvaluation`.

    Args:
        day: Day of training of the candidate.
        judged: Version, role and figures of each version that was judged.
    """
    rows = [
        {"evaluated_on": day, "model_version": version, "role": role, **asdict(measure)}
        for version, role, measures in judged
        for measure in measures
    ]
    rows.sort(key=lambda r: tuple(r[name] for name in FallDetectorEvaluation.spec.sort))
    names = list(FallDetectorEvaluation.to_schema().columns)
    return conform(FallDetectorEvaluation, {name: [row[name] for row in rows] for name in names})


def release_rows(version: str, found: Sequence[Measure]) -> list[dict]:
    """Return the figures of a version as the package ships them beside its artefact, rounded, in order."""
    rows = []
    for measure in found:
        figures = {name: round(getattr(measure, name), 6) for name in ("value", "lower", "upper", "n")}
        rows.append({"model_version": version, "role": CANDIDATE, **asdict(measure), **figures})
    return sorted(rows, key=lambda r: [str(r[c]) for c in ("data", "position", "metric", "subgroup")])
