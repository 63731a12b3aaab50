"""People of the reference population, drawn: factors at their prevalence, gait at its reference, correlated.

Here: who they are. Not here: their index (`index.py`) and whether they fall (`synthetic_outcomes.py`). Used
to freeze the intercept and the cut-points, to test them, and for the synthetic evaluation.
"""

from statistics import NormalDist

import numpy as np

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.index import Gait, History

#: Correlation of the normal variables behind two risk factors; after cutting at the prevalences the factors
#: themselves are correlated at `CLINICAL_CORRELATION` on average (tested).
_LATENT_CORRELATION = 0.25
#: Correlation of what is common to the risk factors with what is common to the gait measures (assumed).
_CLINIC_TO_GAIT = 0.5


def reference_population(n: int, seed: int) -> list[tuple[History, Gait]]:
    """Draw people whose history and gait share a common frailty.

    A normal variable behind each factor is the square root of the correlation times the common frailty, plus
    noise of its own (a one-factor Gaussian copula), and is cut at the published prevalence.

    Args:
        n: How many.
        seed: Of everything that is drawn.

    Returns:
        History and gait of each person, a full day worn.
    """
    rng = np.random.default_rng(seed)
    frailty = rng.standard_normal(n)

    def behind(common: np.ndarray, correlation: float) -> np.ndarray:
        return np.sqrt(correlation) * common + np.sqrt(1.0 - correlation) * rng.standard_normal(n)

    normal = NormalDist()
    yes = {
        t.name: behind(frailty, _LATENT_CORRELATION) > normal.inv_cdf(1.0 - t.prevalence)
        for t in model.YES_NO_TERMS
    }
    medicines = _gamma_like(behind(frailty, _LATENT_CORRELATION), model.MEDICINE_MEAN, model.MEDICINE_SD)
    common = _CLINIC_TO_GAIT * frailty + np.sqrt(1.0 - _CLINIC_TO_GAIT**2) * rng.standard_normal(n)
    measures = {}
    for term in model.GAIT_TERMS:
        z = np.sign(term.log_odds_per_sd) * behind(common, model.GAIT_CORRELATION)
        value = term.mean + term.sd * z
        measures[term.name] = np.exp(value) if term.logarithmic else np.clip(value, term.least, term.most)
    people = []
    for i in range(n):
        answers = {name: bool(v[i]) for name, v in yes.items()}
        falls = int(answers.pop("falls_past_12_months"))
        history = History(falls_past_12_months=falls, medicine_count=int(medicines[i]), **answers)
        walked = {name: float(v[i]) for name, v in measures.items()}
        people.append((history, Gait(wear_minutes=model.WAKING_MINUTES, **walked)))
    return people


def _gamma_like(z: np.ndarray, mean: float, sd: float) -> np.ndarray:
    """Whole counts with the mean and spread of a gamma distribution, in the order of normal variables."""
    from scipy.special import gammaincinv, ndtr

    shape = (mean / sd) ** 2
    return np.round(gammaincinv(shape, ndtr(z)) * mean / shape).astype(int)
