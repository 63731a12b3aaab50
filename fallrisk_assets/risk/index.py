"""The fall-risk index of a patient-day: the probability of a fall within 12 months, as a readable sum.

The logit is the reference intercept plus one term for each piece of history and each measure of gait,
centred on the reference population (`index_model`). What is not known adds no term of its own, because the
average person's term is zero, but widens the interval: unknown is not absent. A day without ground (nobody
wore the device) has no number.

Intended use: decision support for staff. Not a diagnosis.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from fallrisk_assets.risk import index_model as model

SCORED = "SCORED"
NOT_SCORED = "NOT_SCORED"
NOT_WORN = "NOT_WORN"
TOO_LITTLE_WEAR = "TOO_LITTLE_WEAR"
NO_HISTORY_AND_NO_GAIT = "NO_HISTORY_AND_NO_GAIT"
UNKNOWN_PATIENT = "UNKNOWN_PATIENT"
TOO_YOUNG = "TOO_YOUNG"
IMPLAUSIBLE_INPUT = "IMPLAUSIBLE_INPUT"
INDEX_REASONS = (
    NOT_WORN,
    TOO_LITTLE_WEAR,
    NO_HISTORY_AND_NO_GAIT,
    UNKNOWN_PATIENT,
    TOO_YOUNG,
    IMPLAUSIBLE_INPUT,
)
BASE = "base"
NOT_KNOWN = "not_known"
"""Component of what nobody asked or measured: it brings the probability to its mean over all answers."""

_DECIMALS = 6
_AMOUNTS = {term.name for term in model.GAIT_TERMS if term.amount}
(_WALKING,) = (term for term in model.GAIT_TERMS if term.name == "walking_minutes")


@dataclass(frozen=True, slots=True)
class History:
    """What the clinic knows of a person; None is "nobody asked", never "no"."""

    falls_past_12_months: int | None = None
    gait_problem: bool | None = None
    walking_aid: bool | None = None
    vertigo: bool | None = None
    parkinsons_disease: bool | None = None
    fear_of_falling: bool | None = None
    living_alone: bool | None = None
    medicine_count: int | None = None

    @property
    def known(self) -> int:
        """How many answers there are."""
        return sum(getattr(self, f.name) is not None for f in fields(self))

    @property
    def plausible(self) -> bool:
        """Whether every count that is known is a number, and not below zero."""
        counts = (self.falls_past_12_months, self.medicine_count)
        return all(n is None or (math.isfinite(n) and n >= 0) for n in counts)


@dataclass(frozen=True, slots=True)
class Gait:
    """A day's wear and walking; None where it could not be measured."""

    wear_minutes: float
    walking_minutes: float | None = None
    cadence_spm: float | None = None
    stride_time_cv: float | None = None
    stride_regularity: float | None = None
    sit_to_stands: float | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """The index of one patient-day.

    Attributes:
        status: SCORED or NOT_SCORED.
        reason: Why there is no number; None if there is.
        probability_12m: Probability of at least one fall in 12 months.
        lower_12m: Lower end of the 90 % interval.
        upper_12m: Upper end.
        band: low, medium, high or NOT_SCORED.
        confidence: Share of the index's spread in the reference population that was observed, 0 to 1.
        components: Name → contribution to the logit; their sum is the logit of the probability.
    """

    status: str
    reason: str | None
    probability_12m: float | None
    lower_12m: float | None
    upper_12m: float | None
    band: str
    confidence: float | None
    components: Mapping[str, float]

    def components_json(self) -> str:
        """Components as JSON, in the order of the model."""
        return json.dumps(dict(self.components))


def logistic(logit: float) -> float:
    """Probability of a logit."""
    return 1.0 / (1.0 + math.exp(-logit))


def band_of(probability: float) -> str:
    """Band of a probability by the frozen cut-points."""
    if probability >= model.HIGH_FROM:
        return "high"
    return "medium" if probability >= model.MEDIUM_FROM else "low"


def _not_scored(reason: str) -> Index:
    return Index(NOT_SCORED, reason, None, None, None, NOT_SCORED, None, {})


@dataclass(slots=True)
class _Sum:
    """Terms of one block (history or gait) and what they leave open.

    Attributes:
        terms: Name → contribution.
        variance: Of the contributions: published intervals, and what a short day leaves open.
        missing: Reference spreads (standard deviations) of terms without an answer.
        seen: Reference variance that was observed.
        total: Reference variance of all terms.
    """

    terms: dict[str, float]
    missing: list[float]
    variance: float = 0.0
    seen: float = 0.0
    total: float = 0.0

    def missing_variance(self, correlation: float) -> float:
        """Variance of the sum of the missing terms, which are correlated."""
        return _sum_variance(self.missing, correlation)


def _sum_variance(spreads: Sequence[float], correlation: float) -> float:
    squares = math.fsum(s * s for s in spreads)
    return (1.0 - correlation) * squares + correlation * math.fsum(spreads) ** 2


def _clinical(history: History) -> _Sum:
    found = _Sum({}, [])
    for term in model.YES_NO_TERMS:
        answer = getattr(history, term.name)
        found.total += term.spread**2
        if answer is None:
            found.missing.append(term.spread)
            continue
        distance = float(bool(answer)) - term.prevalence
        found.terms[term.name] = term.weight * distance
        found.variance += (term.weight_se * distance) ** 2
        found.seen += term.spread**2
    found.total += model.MEDICINE_SPREAD**2
    if history.medicine_count is None:
        found.missing.append(model.MEDICINE_SPREAD)
    else:
        distance = min(history.medicine_count, model.MEDICINE_MOST) - model.MEDICINE_MEAN
        found.terms["medicine_count"] = model.MEDICINE_WEIGHT * distance
        found.variance += (model.MEDICINE_WEIGHT_SE * distance) ** 2
        found.seen += model.MEDICINE_SPREAD**2
    return found


def _possible(term: model.GaitTerm, gait: Gait) -> float | None:
    """Return a measure that a person can have, None for any other; NaN is not between any two numbers."""
    value = getattr(gait, term.name)
    return value if value is not None and term.least <= value <= term.most else None


def _walking_minutes(gait: Gait) -> float:
    """Return the walking that measures of its quality rest on, 0 where it is not known."""
    return _possible(_WALKING, gait) or 0.0


def gait_z(term: model.GaitTerm, gait: Gait) -> float | None:
    """Distance of a day's measure from the reference in standard deviations, within `MOST_SD`.

    Amounts of a day that was worn for less than `WAKING_MINUTES` are scaled up to it: little wear is not
    little walking.

    Returns:
        None where the day does not tell: not measured, not finite, not possible for a person, or (a quality
        of walking) hardly any walking.
    """
    value = _possible(term, gait)
    if value is None:
        return None
    if term.amount:
        value *= model.WAKING_MINUTES / min(gait.wear_minutes, model.WAKING_MINUTES)
    elif _walking_minutes(gait) < model.LEAST_WALKING_MINUTES:
        return None
    scaled = math.log(max(value, 1e-3)) if term.logarithmic else value
    return min(model.MOST_SD, max(-model.MOST_SD, (scaled - term.mean) / term.sd))


def _gait(gait: Gait) -> _Sum:
    found = _Sum({}, [])
    for term in model.GAIT_TERMS:
        spread = abs(term.weight)
        found.total += spread**2
        z = gait_z(term, gait)
        if z is None:
            found.missing.append(spread)
            continue
        seen = gait.wear_minutes if term.amount else _walking_minutes(gait)
        half = model.HALF_WEAR_MINUTES if term.amount else model.HALF_WALKING_MINUTES
        trust = seen / (seen + half)
        found.terms[term.name] = term.weight * z * trust
        found.variance += (model.GAIT_RELATIVE_SE * found.terms[term.name]) ** 2
        found.variance += spread**2 * (1.0 - trust)
        found.seen += spread**2 * trust
    return found


def reason_against(history: History | None, gait: Gait | None, age_years: int | None) -> str | None:
    """Return why a patient-day must not be scored, None if it may be as far as its inputs can tell."""
    if history is None:
        return UNKNOWN_PATIENT
    if age_years is not None and age_years < model.LEAST_AGE_YEARS:
        return TOO_YOUNG
    if gait is None or gait.wear_minutes == 0.0:
        return NOT_WORN
    if not 0.0 < gait.wear_minutes <= model.MOST_WEAR_MINUTES or not history.plausible:
        return IMPLAUSIBLE_INPUT
    return TOO_LITTLE_WEAR if gait.wear_minutes < model.LEAST_WEAR_MINUTES else None


def fall_risk_index(history: History | None, gait: Gait | None, age_years: int | None = None) -> Index:
    """Index of one patient-day.

    Args:
        history: The clinic's record, or None if the patient is not in it.
        gait: The day's wear and gait, or None if no sample came.
        age_years: Age on the day; None if it is not known.

    Returns:
        The index, or NOT_SCORED with its reason and without any number.

    Source: `index_model`. What is not known is averaged over: the mean of a logistic function of a normal
    variable is nearly the logistic of its mean divided by sqrt(1 + pi v / 8) (MacKay, Neural Comput 1992,
    4:720), so that people of whom nothing is known have the base rate.
    """
    if (reason := reason_against(history, gait, age_years)) is not None:
        return _not_scored(reason)
    assert history is not None
    assert gait is not None
    clinical, walked = _clinical(history), _gait(gait)
    if history.known == 0 and set(walked.terms) <= _AMOUNTS:
        return _not_scored(NO_HISTORY_AND_NO_GAIT)
    components = {BASE: model.INTERCEPT, **clinical.terms, **walked.terms}
    missing = clinical.missing_variance(model.CLINICAL_CORRELATION)
    missing += walked.missing_variance(model.GAIT_CORRELATION)
    if missing:
        given = math.fsum(components.values())
        components[NOT_KNOWN] = given / math.sqrt(1.0 + math.pi * missing / 8.0) - given
    components = {name: round(value, _DECIMALS) + 0.0 for name, value in components.items()}
    logit = math.fsum(components.values())
    variance = model.BASE_RATE_SE**2 + clinical.variance + walked.variance + missing
    half = model.INTERVAL_Z * math.sqrt(variance)
    probability = logistic(logit)
    return Index(
        SCORED,
        None,
        probability,
        logistic(logit - half),
        logistic(logit + half),
        band_of(probability),
        (clinical.seen + walked.seen) / (clinical.total + walked.total),
        components,
    )
