"""The fall-risk index of a patient-day: the probability of a fall within 12 months, as a readable sum.

The logit is the reference intercept plus one term for each piece of history and each measure of gait,
centred on the reference population (`index_model`). What is not known adds nothing to the sum, because
the average person's term is zero, but widens the interval: unknown is not absent. A day without ground
(nobody wore the device) has no number.

Intended use: decision support for staff. Not a diagnosis.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from fallrisk_assets.risk import index_model as model

SCORED = "SCORED"
NOT_SCORED = "NOT_SCORED"
NOT_WORN = "NOT_WORN"
TOO_LITTLE_WEAR = "TOO_LITTLE_WEAR"
NO_HISTORY_AND_NO_GAIT = "NO_HISTORY_AND_NO_GAIT"
UNKNOWN_PATIENT = "UNKNOWN_PATIENT"
INDEX_REASONS = (NOT_WORN, TOO_LITTLE_WEAR, NO_HISTORY_AND_NO_GAIT, UNKNOWN_PATIENT)
_DECIMALS = 6


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


@dataclass(frozen=True, slots=True)
class Gait:
    """A day's wear and walking; None where it could not be measured."""

    wear_minutes: float
    walking_minutes: float | None = None
    cadence_spm: float | None = None
    stride_time_cv: float | None = None
    stride_regularity: float | None = None


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


def _clinical(history: History) -> tuple[dict[str, float], float, float, float]:
    """Terms, variance of known, variance of unknown, and reference variance of what is known."""
    terms: dict[str, float] = {}
    known_var = unknown_var = seen = 0.0
    for term in model.YES_NO_TERMS:
        answer = getattr(history, term.name)
        spread = term.weight**2 * term.prevalence * (1.0 - term.prevalence)
        if answer is None:
            unknown_var += spread
            continue
        distance = float(bool(answer)) - term.prevalence
        terms[term.name] = term.weight * distance
        known_var += (model.CLINICAL_SHRINKAGE * term.se_log * distance) ** 2
        seen += spread
    weight = model.CLINICAL_SHRINKAGE * math.log(model.MEDICINE_ODDS_RATIO)
    spread = (weight * model.MEDICINE_SD) ** 2
    if history.medicine_count is None:
        unknown_var += spread
    else:
        distance = min(history.medicine_count, model.MEDICINE_MOST) - model.MEDICINE_MEAN
        terms["medicine_count"] = weight * distance
        known_var += (model.CLINICAL_SHRINKAGE * model.MEDICINE_SE_LOG * distance) ** 2
        seen += spread
    return terms, known_var, unknown_var, seen


def _gait(gait: Gait) -> tuple[dict[str, float], float, float]:
    """Terms, variance of what the day leaves open, and reference variance of what is known."""
    terms: dict[str, float] = {}
    open_var = seen = 0.0
    walking = gait.walking_minutes
    wear_trust = gait.wear_minutes / (gait.wear_minutes + model.HALF_WEAR_MINUTES)
    for term in model.GAIT_TERMS:
        value = getattr(gait, term.name)
        spread = term.weight**2
        of_walking = term.name != "walking_minutes"
        little = of_walking and (walking is None or walking < model.LEAST_WALKING_MINUTES)
        if value is None or not math.isfinite(value) or little:
            open_var += spread
            continue
        trust = wear_trust
        if of_walking and walking is not None:
            trust = walking / (walking + model.HALF_WALKING_MINUTES)
        scaled = math.log(max(value, 1e-3)) if term.logarithmic else value
        z = min(model.MOST_SD, max(-model.MOST_SD, (scaled - term.mean) / term.sd))
        terms[term.name] = term.weight * z * trust
        open_var += spread * (1.0 - trust)
        seen += spread * trust
    return terms, open_var, seen


def fall_risk_index(history: History | None, gait: Gait | None) -> Index:
    """Index of one patient-day.

    Args:
        history: The clinic's record, or None if the patient is not in it.
        gait: The day's wear and gait, or None if no sample came.

    Returns:
        The index, or NOT_SCORED with its reason and without any number.

    Source: `index_model`.
    """
    if history is None:
        return _not_scored(UNKNOWN_PATIENT)
    if gait is None or gait.wear_minutes <= 0.0:
        return _not_scored(NOT_WORN)
    if gait.wear_minutes < model.LEAST_WEAR_MINUTES:
        return _not_scored(TOO_LITTLE_WEAR)
    clinical, known_var, unknown_var, seen_clinical = _clinical(history)
    walked, open_var, seen_gait = _gait(gait)
    if history.known == 0 and set(walked) <= {"walking_minutes"}:
        return _not_scored(NO_HISTORY_AND_NO_GAIT)
    components = {"base": model.INTERCEPT, **clinical, **walked}
    components = {name: round(value, _DECIMALS) + 0.0 for name, value in components.items()}
    logit = math.fsum(components.values())
    half = model.INTERVAL_Z * math.sqrt(model.BASE_RATE_SE**2 + known_var + unknown_var + open_var)
    probability = logistic(logit)
    total = seen_clinical + seen_gait + unknown_var + open_var
    return Index(
        SCORED,
        None,
        probability,
        logistic(logit - half),
        logistic(logit + half),
        band_of(probability),
        (seen_clinical + seen_gait) / total,
        components,
    )


def reference_population(n: int, seed: int) -> list[tuple[History, Gait]]:
    """Draw people of the reference population: every factor at its prevalence, gait at its reference.

    Used to freeze the intercept and the cut-points, and to test them.
    """
    rng = np.random.default_rng(seed)
    yes = {t.name: rng.random(n) < t.prevalence for t in model.YES_NO_TERMS}
    shape = (model.MEDICINE_MEAN / model.MEDICINE_SD) ** 2
    medicines = np.round(rng.gamma(shape, model.MEDICINE_MEAN / shape, n)).astype(int)
    z = rng.standard_normal((n, len(model.GAIT_TERMS)))
    people = []
    for i in range(n):
        answers = {name: bool(v[i]) for name, v in yes.items()}
        falls = int(answers.pop("falls_past_12_months"))
        measures = {
            t.name: float(math.exp(t.mean + t.sd * z[i, k]) if t.logarithmic else t.mean + t.sd * z[i, k])
            for k, t in enumerate(model.GAIT_TERMS)
        }
        history = History(falls_past_12_months=falls, medicine_count=int(medicines[i]), **answers)
        people.append((history, Gait(wear_minutes=840.0, **measures)))
    return people
