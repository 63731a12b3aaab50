"""Whether a day's patients and their measures are still those that the index was made for.

Here: a day against the frozen reference (`index_model`). Not here: how the verdict becomes a check
(`checks.py`).

A shift counts where it is large *and* certain: the standardised difference of the mean is at least 0.25
(Stuart, Stat Sci 2010, 25:1) and at least four standard errors, or for a yes-or-no factor as improbable by
the exact binomial distribution; of the index's distribution the population stability index is at least 0.25
(the usual limit of credit scoring: Yurdakul & Naranjo, J Risk Model Valid 2020, 14:89) and its chi-square at
least 25. So chance alone gives a wrong alarm on about one day in a thousand, whatever the number of patients.
What nobody asked or measured is counted, not judged.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.index import Gait, History, fall_risk_index, gait_z

LEAST_PEOPLE = 30
LARGE = 0.25
STANDARD_ERRORS = 4.0
#: Probability of being as far on one side as four standard errors.
_ONE_TAIL = 3.17e-5
CHI_SQUARE = 25.0
INDEX = "index"
#: Amounts of a day count from half of the waking hours on.
LEAST_WEAR_MINUTES = model.WAKING_MINUTES / 2


@dataclass(frozen=True, slots=True)
class Shift:
    """One feature of a day against the reference.

    Attributes:
        feature: Name of the risk factor or measure, or `INDEX`.
        known: People of whom it is known.
        unknown: Share of people of whom it is not.
        size: Standardised difference of the mean (of `INDEX`: the population stability index); None with
            fewer than `LEAST_PEOPLE` known.
        shifted: Whether the shift is large and certain.
    """

    feature: str
    known: int
    unknown: float
    size: float | None
    shifted: bool


def shifts(people: Sequence[tuple[History, Gait]]) -> list[Shift]:
    """Compare the scored patients of a day with the reference, feature by feature.

    Args:
        people: History and gait of each; the order does not matter.
    """
    found = [
        _share_shift(term, [getattr(history, term.name) for history, _ in people])
        for term in model.YES_NO_TERMS
    ]
    counts = [h.medicine_count for h, _ in people if h.medicine_count is not None]
    known = [(min(n, model.MEDICINE_MOST) - model.MEDICINE_MEAN) / model.MEDICINE_SD for n in counts]
    found.append(_mean_shift("medicine_count", known, len(people)))
    for gait_term in model.GAIT_TERMS:
        measured = [_measured(gait_term, gait) for _, gait in people]
        found.append(_mean_shift(gait_term.name, [z for z in measured if z is not None], len(people)))
    found.append(_index_shift(people))
    return found


def _share_shift(term: model.YesNoTerm, answers: Sequence[int | bool | None]) -> Shift:
    from scipy.special import bdtr

    known = [bool(a) for a in answers if a is not None]
    n, present = len(known), sum(known)
    unknown = 1.0 - n / len(answers) if answers else 1.0
    if n < LEAST_PEOPLE:
        return Shift(term.name, n, unknown, None, False)
    size = (present / n - term.prevalence) / math.sqrt(term.prevalence * (1.0 - term.prevalence))
    as_few, fewer = bdtr(present, n, term.prevalence), bdtr(present - 1, n, term.prevalence)
    tail = min(float(as_few), 1.0 - float(fewer) if present else 1.0)
    return Shift(term.name, n, unknown, size, abs(size) >= LARGE and tail <= _ONE_TAIL)


def _measured(term: model.GaitTerm, gait: Gait) -> float | None:
    """Distance from the reference; an amount that was scaled up from a short wear is no evidence."""
    short = term.amount and gait.wear_minutes < LEAST_WEAR_MINUTES
    return None if short else gait_z(term, gait)


def _mean_shift(feature: str, standardised: Sequence[float], people: int) -> Shift:
    n = len(standardised)
    unknown = 1.0 - n / people if people else 1.0
    if n < LEAST_PEOPLE:
        return Shift(feature, n, unknown, None, False)
    size = math.fsum(standardised) / n
    certain = abs(size) * math.sqrt(n) >= STANDARD_ERRORS
    return Shift(feature, n, unknown, size, certain and abs(size) >= LARGE)


def _index_shift(people: Sequence[tuple[History, Gait]]) -> Shift:
    """Population stability index over the fifths of the reference, half a person added to each."""
    all_p = [fall_risk_index(history, gait).probability_12m for history, gait in people]
    p = [value for value in all_p if value is not None]
    n, unknown = len(p), 1.0 - len(p) / len(people) if people else 1.0
    if n < LEAST_PEOPLE:
        return Shift(INDEX, n, unknown, None, False)
    groups = len(model.REFERENCE_FIFTHS) + 1
    counts = np.bincount(np.searchsorted(model.REFERENCE_FIFTHS, p, side="right"), minlength=groups)
    share, expected = (counts + 0.5) / (n + 0.5 * groups), 1.0 / groups
    size = float(((share - expected) * np.log(share / expected)).sum())
    chi_square = float(((counts - n * expected) ** 2 / (n * expected)).sum())
    return Shift(INDEX, n, unknown, size, size >= LARGE and chi_square >= CHI_SQUARE)
