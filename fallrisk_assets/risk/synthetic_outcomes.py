"""Who falls in a year, drawn for people who do not exist: a test of the index's arithmetic, not of its truth.

Here: a stated model of falls. Not here: the people (`reference_population.py`) and how an index is judged
(`index_evaluation.py`).

The model of falls is not the index. It is the logistic model whose *univariate* odds ratios, in the
correlated reference population, are the published ones: coefficients are found from the population alone,
without outcomes. An index that counts correlated factors twice is too extreme against it (calibration slope
below 1), one that shrinks too much is too flat.

Whatever is computed from these outcomes is synthetic and must be called so: it shows that the numbers are put
together as they were meant to be, and nothing about real patients.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.index import Gait, History, gait_z
from fallrisk_assets.risk.reference_population import reference_population

_POPULATION = 20_000
_ROUNDS = 40
_STEP = 0.7


@dataclass(frozen=True, slots=True)
class FallModel:
    """A logistic model of falling at least once in a year.

    Attributes:
        intercept: On the logit scale, at the reference.
        coefficients: One for each column of `risk_factors`.
    """

    intercept: float
    coefficients: tuple[float, ...]

    def probability(self, factors: np.ndarray) -> np.ndarray:
        """Probability of a fall, shape (n,), of centred factors, shape (n, terms)."""
        return 1.0 / (1.0 + np.exp(-(self.intercept + factors @ np.array(self.coefficients))))


def risk_factors(people: Sequence[tuple[History, Gait]]) -> np.ndarray:
    """Centred risk factors, shape (people, terms): answers, medicines, gait; what is unknown is 0."""
    rows = []
    for history, gait in people:
        answers = [getattr(history, t.name) for t in model.YES_NO_TERMS]
        row = [
            0.0 if a is None else float(bool(a)) - t.prevalence
            for a, t in zip(answers, model.YES_NO_TERMS, strict=True)
        ]
        count = history.medicine_count
        row.append(0.0 if count is None else min(count, model.MEDICINE_MOST) - model.MEDICINE_MEAN)
        row += [gait_z(t, gait) or 0.0 for t in model.GAIT_TERMS]
        rows.append(row)
    return np.array(rows)


def fall_model(seed: int) -> FallModel:
    """Find the model whose univariate log odds ratios are the published ones and whose mean is the base rate.

    The univariate log odds ratio of a yes-or-no factor follows from the mean risks with and without it; of
    a measure it is the weighted regression slope of the risk on it (one step of logistic regression).

    Args:
        seed: Of the population on which the coefficients are found.
    """
    factors = risk_factors(reference_population(_POPULATION, seed))
    wanted = np.array(
        [math.log(t.odds_ratio) for t in model.YES_NO_TERMS]
        + [math.log(model.MEDICINE_ODDS_RATIO)]
        + [t.log_odds_per_sd for t in model.GAIT_TERMS]
    )
    coefficients, intercept = wanted.copy(), model.INTERCEPT
    for _ in range(_ROUNDS):
        risk = 1.0 / (1.0 + np.exp(-(intercept + factors @ coefficients)))
        intercept += (model.BASE_RATE - risk.mean()) / (risk * (1.0 - risk)).mean()
        found = np.array([_univariate(factors[:, k], risk) for k in range(factors.shape[1])])
        coefficients += _STEP * (wanted - found)
    return FallModel(float(intercept), tuple(float(c) for c in coefficients))


def _univariate(factor: np.ndarray, risk: np.ndarray) -> float:
    """Log odds ratio of a fall for one unit of one factor alone, by logistic regression on the risks."""
    if len(np.unique(factor)) == 2:
        high = factor == factor.max()
        return _logit(float(risk[high].mean())) - _logit(float(risk[~high].mean()))
    slope, level = 0.0, _logit(float(risk.mean()))
    for _ in range(6):
        fitted = 1.0 / (1.0 + np.exp(-(level + slope * factor)))
        weight = fitted * (1.0 - fitted)
        design = np.stack([np.ones_like(factor), factor])
        step = np.linalg.solve(design * weight @ design.T, design @ (risk - fitted))
        level, slope = level + float(step[0]), slope + float(step[1])
    return slope


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def draw_falls(people: Sequence[tuple[History, Gait]], falls: FallModel, seed: int) -> np.ndarray:
    """Draw who falls within a year, booleans of shape (people,)."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.random(len(people)) < falls.probability(risk_factors(people)))
