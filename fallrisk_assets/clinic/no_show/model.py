"""The no-show model: a logistic regression whose numbers can be read, and what it does not score.

Here: from facts to a probability, and reading an artefact. Not here: facts (`facts.py`), the fit
(`training.py`), which version is in use (`models.registry`).
"""

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Self

import numpy as np

from fallrisk_assets.clinic.no_show.facts import Facts
from fallrisk_assets.models.sealing import parameters_hash, version_of

NAME = "no_show"
TERMS = (
    "same_day",
    "log_lead_days",
    "age_decades",
    "decades_under_18",
    "weekend",
    "no_earlier_visit",
    "log_earlier_kept",
    "log_earlier_missed",
    "last_missed",
)
_ADULT_YEARS = 18.0

SIMULATED = "trained on simulated bookings only, not evaluated on real ones"
OWN = "trained on the clinic's own bookings"
PUBLIC = "trained on the public medical no-show set, not on this clinic's bookings"
BASES = (SIMULATED, OWN, PUBLIC)
"""What a version was trained on: stands beside every probability."""


def terms(facts: Facts) -> np.ndarray:
    """Return the model's terms of n bookings, shape (n, 9), in the order of `TERMS`."""
    earlier = facts.earlier_kept + facts.earlier_missed
    return np.stack(
        [
            facts.lead_time_days == 0,
            np.log1p(facts.lead_time_days),
            facts.age_years / 10.0,
            np.maximum(_ADULT_YEARS - facts.age_years, 0.0) / 10.0,
            facts.weekend,
            earlier == 0,
            np.log1p(facts.earlier_kept),
            np.log1p(facts.earlier_missed),
            facts.last_missed,
        ],
        axis=1,
    ).astype(float)


@dataclass(frozen=True, slots=True)
class NoShowModel:
    """A version of the model.

    Attributes:
        version: As rows carry it.
        basis: What it was trained on, one of `BASES`.
        intercept: Log odds where every term is 0.
        coefficients: Log odds a unit of each term, shape (9,).
        longest_lead_days: Longest lead time seen in training: nothing is said beyond.
    """

    version: str
    basis: str
    intercept: float
    coefficients: np.ndarray
    longest_lead_days: int

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read an artefact.

        Raises:
            ArtefactDamaged: its parameters are not those that were released.
            ValueError: it has other terms than this code.
        """
        version, content = version_of(text), json.loads(text)
        parameters = content["parameters"]
        if tuple(parameters["coefficients"]) != TERMS:
            raise ValueError(
                f"{version}: has the terms {', '.join(parameters['coefficients'])}, this release computes "
                f"{', '.join(TERMS)}; train it again"
            )
        return cls(
            version,
            content["training"]["basis"],
            float(parameters["intercept"]),
            np.array([parameters["coefficients"][name] for name in TERMS], float),
            int(parameters["longest_lead_days"]),
        )

    def probability(self, facts: Facts) -> np.ndarray:
        """Return the probability that the patient does not come, shape (n,)."""
        return 1.0 / (1.0 + np.exp(-(self.intercept + terms(facts) @ self.coefficients)))


def shipped() -> dict[str, str]:
    """Return the artefacts that ship with the package: version to text."""
    folder = resources.files("fallrisk_assets.clinic.no_show") / "models"
    paths = sorted((p for p in folder.iterdir() if p.name.endswith(".json")), key=lambda p: p.name)
    return {version_of(text): text for text in (path.read_text() for path in paths)}


@functools.cache
def released() -> NoShowModel:
    """Return the version that ships with the package."""
    (text,) = shipped().values()
    return NoShowModel.from_json(text)


def sealed(
    version: str, intercept: float, coefficients: np.ndarray, longest_lead_days: int, training: dict
) -> str:
    """Return an artefact as text: plain JSON with the hash of its parameters.

    Args:
        version: Name of the version, without the model's.
        intercept: Log odds where every term is 0.
        coefficients: Shape (9,), in the order of `TERMS`; rounded to six places, as the intercept.
        longest_lead_days: Longest lead time seen in training.
        training: What it was made from; `basis` is one of `BASES`.
    """
    parameters = {
        "intercept": round(float(intercept), 6),
        "coefficients": {name: round(float(c), 6) for name, c in zip(TERMS, coefficients, strict=True)},
        "longest_lead_days": int(longest_lead_days),
    }
    content = {
        "name": NAME,
        "version": version,
        "parameters": parameters,
        "parameters_sha256": parameters_hash(parameters),
        "training": training,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
