"""How a person's index moves: smoothed over a week and four weeks, and its change against the own baseline.

Here: the rows of `curated.fall_risk_trend`. Not here: what a baseline is (`baseline.py`), and from which
change on somebody is told (`alerts/rules.py`).

A day without a number is not a day of low risk: it is left out, and too few days give no number. Days of
another model version are left out as well: a new version moves everybody's number at once.
"""

import hashlib
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.risk.baseline import (
    BASELINE_DAYS,
    BASELINE_GAP_DAYS,
    BASELINE_MIN_DAYS,
    baseline_values,
    window_values,
)
from fallrisk_assets.risk.contract import FallRiskTrend
from fallrisk_assets.risk.index import SCORED, logistic

WEEK_DAYS, WEEK_MIN_DAYS = 7, 3
MONTH_DAYS, MONTH_MIN_DAYS = 28, 7

#: How far back a day's trend looks.
LOOK_BACK_DAYS = BASELINE_GAP_DAYS + BASELINE_DAYS

#: A smaller change of the probability is not worth a word, however certain it is.
LEAST_CHANGE = 0.03
#: The day-to-day standard deviation is taken to be at least this: days that happen to be equal prove nothing.
LEAST_SD = 0.005
_COVERAGE = 0.90

RISING, FALLING, STEADY, NOT_JUDGED = "RISING", "FALLING", "STEADY", "NOT_JUDGED"
DAY_NOT_SCORED, SHORT_BASELINE = "DAY_NOT_SCORED", "SHORT_BASELINE"


def smoothed(values: list[float], fewest: int) -> float | None:
    """Mean on the logit scale, back as a probability; None with fewer values than `fewest`."""
    if len(values) < fewest:
        return None
    return logistic(statistics.fmean(math.log(p / (1.0 - p)) for p in values))


@dataclass(frozen=True, slots=True)
class Change:
    """A day against the person's own baseline, in probability.

    Attributes:
        baseline: Median of the baseline's days.
        change: The day minus the baseline.
        lower: Lower end of its 90 % interval.
        upper: Upper end.
    """

    baseline: float
    change: float
    lower: float
    upper: float

    @property
    def trend(self) -> str:
        """RISING or FALLING where the interval excludes no change and the change is worth a word."""
        if self.lower > 0.0 and self.change >= LEAST_CHANGE:
            return RISING
        return FALLING if self.upper < 0.0 and self.change <= -LEAST_CHANGE else STEADY


def change_of(probability: float, before: list[float]) -> Change | None:
    """Compare a day with its baseline; None with fewer than `BASELINE_MIN_DAYS` days.

    The interval is a prediction interval for one more day of an unchanged person: the day varies as the
    baseline's days do, the median of n days has the variance pi / (2 n) of one day's, and with few days
    Student's t takes the place of the normal. What is uncertain of the model (base rate, odds ratios) is the
    same on all days and drops out.
    """
    from scipy.special import stdtrit

    n = len(before)
    if n < BASELINE_MIN_DAYS:
        return None
    middle = statistics.median(before)
    sd = max(statistics.stdev(before), LEAST_SD)
    t = float(stdtrit(n - 1, 0.5 + _COVERAGE / 2))
    half = t * sd * math.sqrt(1.0 + math.pi / (2 * n))
    change = probability - middle
    return Change(middle, change, change - half, change + half)


def trend_table(index: pa.Table, day: date) -> pa.Table:
    """Trend of every patient who has a row of the index on a day.

    Args:
        index: Rows of `fall_risk_index` of the day and of the `LOOK_BACK_DAYS` before, in any order; columns
            patient_id, day, probability_12m, status, model_version.
        day: The day.

    Returns:
        Rows of `FallRiskTrend` by patient id.
    """
    today: dict[str, dict[str, Any]] = {}
    scored: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    names = ["patient_id", "day", "probability_12m", "status", "model_version"]
    for row in index.select(names).to_pylist():
        if row["day"] == day:
            today[row["patient_id"]] = row
        if row["status"] == SCORED and row["day"] <= day:
            scored[row["patient_id"], row["model_version"]][row["day"]] = row["probability_12m"]
    columns: dict[str, list[Any]] = {name: [] for name in FallRiskTrend.to_schema().columns}
    for patient in sorted(today):
        days = scored[patient, today[patient]["model_version"]]
        for name, value in _row(today[patient], days, day).items():
            columns[name].append(value)
    return conform(FallRiskTrend, columns)


def _row(today: Mapping[str, Any], days: Mapping[date, float], day: date) -> dict[str, Any]:
    week, month = window_values(days, day, WEEK_DAYS), window_values(days, day, MONTH_DAYS)
    before = baseline_values(days, day)
    change = change_of(days[day], before) if day in days else None
    reason = None
    if change is None:
        reason = SHORT_BASELINE if day in days else DAY_NOT_SCORED
    used = sorted((d.isoformat(), p) for d, p in days.items() if (day - d).days <= LOOK_BACK_DAYS)
    return {
        "patient_id": today["patient_id"],
        "day": day,
        "probability_7d": smoothed(week, WEEK_MIN_DAYS),
        "days_7d": len(week),
        "probability_28d": smoothed(month, MONTH_MIN_DAYS),
        "days_28d": len(month),
        "baseline_12m": change.baseline if change else None,
        "baseline_days": len(before),
        "change": change.change if change else None,
        "change_lower": change.lower if change else None,
        "change_upper": change.upper if change else None,
        "trend": change.trend if change else NOT_JUDGED,
        "reason": reason,
        "model_version": today["model_version"],
        "input_hash": hashlib.sha256(json.dumps(used).encode()).hexdigest(),
    }
