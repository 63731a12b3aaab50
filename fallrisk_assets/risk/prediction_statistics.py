"""How well probabilities foretell what happened: discrimination, calibration, net benefit, stability.

Here: estimates with their intervals, from arrays. Not here: whose probabilities they are
(`index_evaluation.py`, `person_years.py`).

An estimate that the data do not allow is None, never a number: one class only, too few events, perfect
separation.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fallrisk_assets.risk.metrics import wilson_interval

_Z95 = 1.959964
#: Fewest people with and without a fall from which anything is estimated.
LEAST_OF_EACH = 10
#: Beyond this slope the fit separates the classes and means nothing.
_MOST_SLOPE = 30.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes:
        value: The estimate.
        lower: Lower end.
        upper: Upper end.
        n: People that it is from.
        events: Of them with a fall.
    """

    value: float
    lower: float
    upper: float
    n: int
    events: int


def enough(fell: np.ndarray) -> bool:
    """Whether there are `LEAST_OF_EACH` people with and without a fall."""
    events = int(fell.sum())
    return LEAST_OF_EACH <= events <= len(fell) - LEAST_OF_EACH


def discrimination(score: np.ndarray, fell: np.ndarray) -> Estimate | None:
    """Area under the ROC curve with its interval; ties count half.

    Args:
        score: Higher is riskier, shape (n,), finite.
        fell: Booleans, shape (n,).

    Source: variance of DeLong et al., Biometrics 1988, 44:837, by ranks (Sun & Xu, IEEE Signal Process Lett
    2014, 21:1389); the interval is on the logit scale, so that it stays inside 0 to 1.
    """
    if not enough(fell):
        return None
    from scipy.stats import rankdata

    positive, negative = score[fell], score[~fell]
    m, n = len(positive), len(negative)
    ranks = rankdata(score)
    of_positive = (ranks[fell] - rankdata(positive)) / n
    of_negative = 1.0 - (ranks[~fell] - rankdata(negative)) / m
    area = float(of_positive.mean())
    variance = float(of_positive.var(ddof=1)) / m + float(of_negative.var(ddof=1)) / n
    if not 0.0 < area < 1.0:
        bound = 1.0 - 3.0 / min(m, n)  # rule of three
        return Estimate(area, bound if area else 0.0, 1.0 if area else 1.0 - bound, m + n, m)
    logit = math.log(area / (1.0 - area))
    half = _Z95 * math.sqrt(variance) / (area * (1.0 - area))
    return Estimate(area, _logistic(logit - half), _logistic(logit + half), m + n, m)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How probabilities compare with what happened (Van Calster et al., BMC Med 2019, 17:230).

    Attributes:
        in_the_large: Intercept of the outcome on the index's logit with slope 1; 0 is right, above 0 the
            index is too low.
        slope: Of the outcome on the logit; 1 is right, below 1 the index is too extreme.
        observed_over_expected: Falls that happened for each that was foretold.
    """

    in_the_large: Estimate
    slope: Estimate
    observed_over_expected: Estimate


def calibration(p: np.ndarray, fell: np.ndarray) -> Calibration | None:
    """Compare probabilities with outcomes; None where they do not allow it.

    Args:
        p: Probabilities inside (0, 1), shape (n,).
        fell: Booleans, shape (n,).
    """
    if not enough(fell):
        return None
    logit = np.log(p / (1.0 - p))
    y = fell.astype(float)
    n, events = len(y), int(fell.sum())
    level = _newton(np.ones((n, 1)), y, logit)
    both = _newton(np.stack([np.ones(n), logit], axis=1), y, np.zeros(n))
    if level is None or both is None or abs(both[0][1]) > _MOST_SLOPE:
        return None
    ratio = events / float(p.sum())
    factor = math.exp(_Z95 * math.sqrt((1.0 - events / n) / events))
    return Calibration(
        _normal(level[0][0], level[1][0], n, events),
        _normal(both[0][1], both[1][1], n, events),
        Estimate(ratio, ratio / factor, ratio * factor, n, events),
    )


def _newton(design: np.ndarray, y: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Coefficients and standard errors of a logistic regression; None if it does not converge."""
    beta = np.zeros(design.shape[1])
    for _ in range(60):
        p = 1.0 / (1.0 + np.exp(-np.clip(offset + design @ beta, -500, 500)))
        information = (design * (p * (1.0 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (y - p))
        beta = beta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            return beta, np.sqrt(np.diag(np.linalg.inv(information)))
    return None


def _normal(value: float, se: float, n: int, events: int) -> Estimate:
    return Estimate(float(value), float(value - _Z95 * se), float(value + _Z95 * se), n, events)


def brier(p: np.ndarray, fell: np.ndarray) -> Estimate | None:
    """Mean squared difference of probability and outcome (Brier, Mon Weather Rev 1950, 78:1)."""
    if not enough(fell):
        return None
    squares = (p - fell) ** 2
    se = float(squares.std(ddof=1)) / math.sqrt(len(p))
    return _normal(float(squares.mean()), se, len(p), int(fell.sum()))


@dataclass(frozen=True, slots=True)
class Group:
    """People of similar risk: what was foretold on average, and the share that fell."""

    predicted: float
    observed: Estimate


def calibration_curve(p: np.ndarray, fell: np.ndarray, groups: int = 10) -> list[Group]:
    """Compare foretold and observed in groups of equal size by risk; equal risks stay together.

    Args:
        p: Probabilities, shape (n,).
        fell: Booleans, shape (n,).
        groups: At most so many; none has fewer than `LEAST_OF_EACH` people where the total allows it.
    """
    wanted = max(1, min(groups, len(p) // LEAST_OF_EACH))
    edges = np.unique(np.quantile(p, np.linspace(0, 1, wanted + 1)[1:-1])) if len(p) else np.empty(0)
    which = np.searchsorted(edges, p, side="left")
    found = []
    for k in np.unique(which):
        part = which == k
        n, events = int(part.sum()), int(fell[part].sum())
        found.append(
            Group(float(p[part].mean()), Estimate(events / n, *wilson_interval(events, n), n, events))
        )
    return found


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """What acting above a threshold is worth, in true positives for each person.

    Attributes:
        threshold: Probability from which one would act.
        model: Acting on the index.
        everybody: Acting on everybody; nobody is 0.
    """

    threshold: float
    model: float
    everybody: float


def decision_curve(p: np.ndarray, fell: np.ndarray, thresholds: Sequence[float]) -> list[NetBenefit]:
    """Net benefit over thresholds inside (0, 1) (Vickers & Elkin, Med Decis Making 2006, 26:565)."""
    n, rate = len(p), float(fell.mean())
    curve = []
    for threshold in thresholds:
        odds = threshold / (1.0 - threshold)
        acted = p >= threshold
        hits, misses = float((acted & fell).sum()) / n, float((acted & ~fell).sum()) / n
        curve.append(NetBenefit(threshold, hits - odds * misses, rate - odds * (1.0 - rate)))
    return curve


@dataclass(frozen=True, slots=True)
class Stability:
    """How much an unchanged person's value moves from day to day.

    Attributes:
        icc: Intraclass correlation of single days, one-way random effects (Shrout & Fleiss, Psychol Bull
            1979, 86:420), with a bootstrap interval over people.
        within_sd: Standard deviation of a person's days.
        detectable_change: Smallest difference of two days that is more than noise: 1.96 sqrt(2) within_sd
            (Weir, J Strength Cond Res 2005, 19:231).
        days: Days of all people.
    """

    icc: Estimate
    within_sd: Estimate
    detectable_change: Estimate
    days: int


def stability(
    days: Mapping[str, Sequence[float]], seed: int, *, least_people: int = 5, draws: int = 400
) -> Stability | None:
    """Split the variance of repeated days into between and within people; None with too few of either.

    Args:
        days: Values of each person's days; people with one day say nothing and are left out.
        seed: Of the bootstrap.
        least_people: Fewest people with two days or more.
        draws: Bootstrap draws.
    """
    people = [np.asarray(days[name], float) for name in sorted(days) if len(days[name]) >= 2]
    if len(people) < least_people:
        return None
    sums = np.array([[len(v), v.mean(), ((v - v.mean()) ** 2).sum()] for v in people])
    rng = np.random.default_rng(seed)
    icc, within = _one_way(sums)
    drawn = np.array([_one_way(sums[rng.integers(0, len(sums), len(sums))]) for _ in range(draws)])
    drawn = drawn[np.isfinite(drawn).all(axis=1)] if math.isfinite(icc) else drawn
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    n, total, factor = len(people), int(sums[:, 0].sum()), _Z95 * math.sqrt(2.0)
    low, high = np.minimum(low, [icc, within]), np.maximum(high, [icc, within])
    return Stability(
        Estimate(icc, float(low[0]), float(high[0]), n, total),
        Estimate(within, float(low[1]), float(high[1]), n, total),
        Estimate(within * factor, float(low[1]) * factor, float(high[1]) * factor, n, total),
        total,
    )


def _one_way(sums: np.ndarray) -> tuple[float, float]:
    """ICC and within-person standard deviation from each person's number, mean and sum of squares."""
    count, mean, squares = sums.T
    k, total = len(count), count.sum()
    within = squares.sum() / (total - k)
    between = (count * (mean - (count * mean).sum() / total) ** 2).sum() / (k - 1)
    size = (total - (count**2).sum() / total) / (k - 1)
    spread = between + (size - 1.0) * within
    if spread <= 0.0:  # everybody alike on all days: nothing to tell apart
        return math.nan, float(math.sqrt(within))
    return float(max(0.0, (between - within) / spread)), float(math.sqrt(within))


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
