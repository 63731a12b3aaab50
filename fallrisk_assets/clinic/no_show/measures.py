"""How good a version of the no-show model is on visits later than all it learnt from: figures with intervals.

Here: what is measured. Not here: what is good enough (`gates.py`), the estimators (`risk`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from fallrisk_assets.clinic.no_show.facts import Facts
from fallrisk_assets.clinic.no_show.model import NoShowModel
from fallrisk_assets.clinic.no_show.training import TrainingSet
from fallrisk_assets.risk.metrics import area_under_curve, bootstrap_of, wilson_interval
from fallrisk_assets.risk.prediction_statistics import (
    Estimate,
    brier,
    calibration,
    calibration_curve,
)

ALL = "all"
AUC = "area_under_curve"
FACT_AUC = "area_under_curve_of_one_fact"
BRIER = "brier_score"
BRIER_OF_RATE = "brier_score_of_the_mean_rate"
SLOPE = "calibration_slope"
IN_THE_LARGE = "calibration_in_the_large"
OBSERVED_OVER_EXPECTED = "observed_over_expected"
SAID, SEEN = "said_rate", "seen_rate"
METRICS = (
    AUC,
    FACT_AUC,
    BRIER,
    BRIER_OF_RATE,
    SLOPE,
    IN_THE_LARGE,
    OBSERVED_OVER_EXPECTED,
    SAID,
    SEEN,
)
_TENTHS = 10
_RESAMPLES = 200
_AGES = ((0, 18, "age under 18"), (18, 65, "age 18 to 64"), (65, 999, "age 65+"))
_LEADS = (
    (0, 1, "lead same day"),
    (1, 8, "lead 1 to 7 d"),
    (8, 29, "lead 8 to 28 d"),
    (29, 9999, "lead 29+ d"),
)
_LEAST_OF_EACH = 10


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure; the columns of `NoShowEvaluation`."""

    subgroup: str
    metric: str
    value: float
    lower: float
    upper: float
    n: int
    missed: int


def measures(of: TrainingSet, model: NoShowModel) -> list[Measure]:
    """Judge a version on the later part of a training set.

    Returns:
        Of all: discrimination (interval over people), that of each fact by itself (in its better direction),
        Brier score beside that of the part's own mean rate, calibration (slope, in the large, observed over
        expected), and the said and seen rate by tenths of the probability. By age group and lead time:
        discrimination and observed over expected. A figure that the visits do not allow is left out.
    """
    rows = of.is_test
    facts, missed = of.facts.take(rows), of.missed[rows]
    people = of.bookings.patient_id[rows].astype(str)
    said = model.probability(facts)
    found = [*_discrimination(ALL, AUC, said, missed, people)]
    found += [m for f in fields(Facts) for m in _of_fact(f.name, getattr(facts, f.name), missed, people)]
    found += [*_probabilities(said, missed), *_tenths(said, missed)]
    for name, part in _groups(facts):
        found += _discrimination(name, AUC, said[part], missed[part], people[part])
        found += _observed_over_expected(name, said[part], missed[part])
    return found


def _discrimination(
    subgroup: str, metric: str, score: np.ndarray, missed: np.ndarray, people: np.ndarray
) -> Iterator[Measure]:
    n, events = len(missed), int(missed.sum())
    if min(events, n - events) < _LEAST_OF_EACH:
        return
    value = area_under_curve(score, missed)
    lower, upper = bootstrap_of(area_under_curve, people.tolist(), score, missed, resamples=_RESAMPLES)
    yield Measure(subgroup, metric, value, min(lower, value), max(upper, value), n, events)


def _of_fact(name: str, values: np.ndarray, missed: np.ndarray, people: np.ndarray) -> Iterator[Measure]:
    score = values.astype(float)
    for found in _discrimination(name, FACT_AUC, score, missed, people):
        if found.value < 0.5:
            yield from _discrimination(name, FACT_AUC, -score, missed, people)
        else:
            yield found


def _probabilities(said: np.ndarray, missed: np.ndarray) -> Iterator[Measure]:
    rate = np.full(len(missed), missed.mean())
    for metric, estimate in ((BRIER, brier(said, missed)), (BRIER_OF_RATE, brier(rate, missed))):
        if estimate is not None:
            yield _measure(ALL, metric, estimate)
    fitted = calibration(said, missed)
    if fitted is not None:
        yield _measure(ALL, SLOPE, fitted.slope)
        yield _measure(ALL, IN_THE_LARGE, fitted.in_the_large)
        yield _measure(ALL, OBSERVED_OVER_EXPECTED, fitted.observed_over_expected)


def _tenths(said: np.ndarray, missed: np.ndarray) -> Iterator[Measure]:
    for k, group in enumerate(calibration_curve(said, missed, _TENTHS), start=1):
        seen, name = group.observed, f"tenth {k:02d}"
        yield Measure(name, SAID, group.predicted, group.predicted, group.predicted, seen.n, seen.events)
        yield _measure(name, SEEN, seen)


def _observed_over_expected(name: str, said: np.ndarray, missed: np.ndarray) -> Iterator[Measure]:
    n, events = len(missed), int(missed.sum())
    if events >= _LEAST_OF_EACH:
        expected = float(said.mean())
        low, high = wilson_interval(events, n)
        yield Measure(
            name, OBSERVED_OVER_EXPECTED, events / n / expected, low / expected, high / expected, n, events
        )


def _groups(facts: Facts) -> Iterator[tuple[str, np.ndarray]]:
    for values, classes in ((facts.age_years, _AGES), (facts.lead_time_days, _LEADS)):
        for low, high, name in classes:
            yield name, (values >= low) & (values < high)


def _measure(subgroup: str, metric: str, found: Estimate) -> Measure:
    return Measure(subgroup, metric, found.value, found.lower, found.upper, found.n, found.events)
