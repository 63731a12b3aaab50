"""How the index behaves, as rows of `curated.fall_index_evaluation`.

Here: which cohorts are judged by which measures. Not here: the measures (`prediction_statistics.py`) and the
synthetic falls (`synthetic_outcomes.py`).

Calibration and discrimination are of synthetic falls, for nobody's year has passed: they show that the index
is put together as it was meant to be, and validate nothing. Stability is of the patients' own days.
"""

import functools
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.risk.contract import FallIndexEvaluation
from fallrisk_assets.risk.index import SCORED, Gait, History, fall_risk_index
from fallrisk_assets.risk.index_model import VERSION
from fallrisk_assets.risk.metrics import wilson_interval
from fallrisk_assets.risk.prediction_statistics import (
    Estimate,
    brier,
    calibration,
    calibration_curve,
    discrimination,
    enough,
    stability,
)
from fallrisk_assets.risk.reference_population import reference_population
from fallrisk_assets.risk.synthetic_outcomes import FallModel, draw_falls, fall_model

SYNTHETIC_PEOPLE, SYNTHETIC_FALLS, PATIENT_DAYS = "SYNTHETIC_PEOPLE", "SYNTHETIC_FALLS", "PATIENT_DAYS"
TOO_FEW_PEOPLE, TOO_FEW_FALLS = "TOO_FEW_PEOPLE", "TOO_FEW_FALLS"
TOO_FEW_DAYS = "TOO_FEW_DAYS"

ALL = "all"
FIFTHS = 5
STABILITY_DAYS = 28
LEAST_PATIENTS = 30
"""Fewest scored patients whose synthetic years are judged."""

_SEED = 20260101
_PEOPLE = 4_000
_YEARS = 200

Row = dict[str, Any]


def _row(cohort: str, measure: str, found: Estimate | None, *, part: str = ALL, **known: Any) -> Row:
    return {
        "cohort": cohort,
        "measure": measure,
        "part": part,
        "value": found.value if found else None,
        "lower": found.lower if found else None,
        "upper": found.upper if found else None,
        "people": found.n if found else known.get("people", 0),
        "events": found.events if found else known.get("events"),
        "reason": None if found else known["reason"],
    }


@functools.cache
def _falls() -> FallModel:
    return fall_model(_SEED)


@functools.cache
def synthetic_people_rows() -> tuple[Row, ...]:
    """Index against drawn falls of the drawn reference population: the same for a version of the model."""
    people = reference_population(_PEOPLE, _SEED + 1)
    p = _probabilities(people)
    fell = draw_falls(people, _falls(), _SEED + 2)
    fitted = calibration(p, fell)
    assert fitted is not None
    rows = [
        _row(SYNTHETIC_PEOPLE, "auc", discrimination(p, fell), reason=TOO_FEW_FALLS),
        _row(SYNTHETIC_PEOPLE, "brier", brier(p, fell), reason=TOO_FEW_FALLS),
        _row(SYNTHETIC_PEOPLE, "calibration_in_the_large", fitted.in_the_large),
        _row(SYNTHETIC_PEOPLE, "calibration_slope", fitted.slope),
        _row(SYNTHETIC_PEOPLE, "observed_over_expected", fitted.observed_over_expected),
    ]
    for k, group in enumerate(calibration_curve(p, fell, FIFTHS), start=1):
        n, events = group.observed.n, group.observed.events
        foretold = Estimate(group.predicted, group.predicted, group.predicted, n, events)
        rows.append(_row(SYNTHETIC_PEOPLE, "predicted_rate", foretold, part=f"fifth {k}"))
        rows.append(_row(SYNTHETIC_PEOPLE, "observed_rate", group.observed, part=f"fifth {k}"))
    return tuple(rows)


def _probabilities(people: Sequence[tuple[History, Gait]]) -> np.ndarray:
    found = [fall_risk_index(history, gait).probability_12m for history, gait in people]
    return np.array(found, dtype=float)


def synthetic_falls_rows(people: Sequence[tuple[History, Gait]]) -> list[Row]:
    """Index of the day's scored patients against many drawn years of theirs: mean and central 95 %.

    Args:
        people: History and gait of the patients who were scored; the order does not matter.
    """
    measures = ("auc", "observed_over_expected")
    if len(people) < LEAST_PATIENTS:
        return [_row(SYNTHETIC_FALLS, m, None, people=len(people), reason=TOO_FEW_PEOPLE) for m in measures]
    ordered = sorted(people, key=repr)
    p = _probabilities(ordered)
    found: dict[str, list[float]] = {m: [] for m in measures}
    falls = []
    for year in range(_YEARS):
        fell = draw_falls(ordered, _falls(), _SEED + 3 + year)
        falls.append(int(fell.sum()))
        found["observed_over_expected"].append(fell.sum() / p.sum())
        if enough(fell) and (area := discrimination(p, fell)) is not None:
            found["auc"].append(area.value)
    rows, events = [], round(float(np.mean(falls)))
    for measure, values in found.items():
        estimate = None
        if len(values) >= _YEARS // 2:
            low, high = np.quantile(values, [0.025, 0.975])
            estimate = Estimate(float(np.mean(values)), float(low), float(high), len(people), events)
        rows.append(
            _row(SYNTHETIC_FALLS, measure, estimate, people=len(people), events=events, reason=TOO_FEW_FALLS)
        )
    return rows


def stability_rows(index: pa.Table, day: date) -> list[Row]:
    """How much the patients' indices move from day to day in the last `STABILITY_DAYS` days.

    Args:
        index: Rows of `fall_risk_index`, in any order; columns patient_id, day, probability_12m, band,
            status, model_version. Only days of the current version count.
        day: The last day.
    """
    oldest = day - timedelta(days=STABILITY_DAYS)
    days: dict[str, dict[date, tuple[float, str]]] = defaultdict(dict)
    for row in index.to_pylist():
        current = row["status"] == SCORED and row["model_version"] == VERSION
        if current and oldest < row["day"] <= day:
            days[row["patient_id"]][row["day"]] = row["probability_12m"], row["band"]
    found = stability({who: [days[who][d][0] for d in sorted(days[who])] for who in days}, _SEED)
    n_people, n_days = len(days), sum(map(len, days.values()))
    why: dict[str, Any] = {"people": n_people, "events": n_days, "reason": TOO_FEW_DAYS}
    icc = None if found is None or np.isnan(found.icc.value) else found.icc
    pairs = [
        (mine[d][1], mine[d + timedelta(days=1)][1])
        for mine in days.values()
        for d in mine
        if d + timedelta(days=1) in mine
    ]
    same = sum(one == other for one, other in pairs)
    share = (
        Estimate(same / len(pairs), *wilson_interval(same, len(pairs)), n_people, len(pairs))
        if pairs
        else None
    )
    return [
        _row(PATIENT_DAYS, "icc", icc, **why),
        _row(PATIENT_DAYS, "within_person_sd", found.within_sd if found else None, **why),
        _row(PATIENT_DAYS, "detectable_change", found.detectable_change if found else None, **why),
        _row(PATIENT_DAYS, "same_band_next_day", share, **why),
    ]


def evaluation_table(people: Sequence[tuple[History, Gait]], index: pa.Table, day: date) -> pa.Table:
    """Rows of `FallIndexEvaluation` of a day.

    Args:
        people: History and gait of the day's scored patients.
        index: See `stability_rows`.
        day: The day.
    """
    rows = [*synthetic_people_rows(), *synthetic_falls_rows(people), *stability_rows(index, day)]
    rows.sort(key=lambda row: (row["cohort"], row["measure"], row["part"]))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    same = {"day": [day] * len(rows), "model_version": [VERSION] * len(rows)}
    return conform(FallIndexEvaluation, {**columns, **same})
