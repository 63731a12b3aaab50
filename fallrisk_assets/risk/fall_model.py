"""The numbers of the fall detector: terms, logistic models by position, and the versioned artefact.

Belongs here: how feature rows become a probability. Not here: where the features come from
(`impact_kernels.py`), when an event fires (`detector.py`), and how the numbers are found (`training.py`).
"""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from fallrisk_assets.risk.impact_kernels import FEATURES

RELEASED = "fall_detector_v2.json"
#: Terms of the logistic models: name, and the sign that physics allows.
BODY_TERMS: tuple[tuple[str, int], ...] = (
    ("impact", 1),
    ("impulse", 1),
    ("posture_change", 1),
    ("toppled", 1),
    ("unrest_after", -1),
    ("rival_before", -1),
    ("rival_after", -1),
    ("airborne", -1),
)
ARM_TERMS: tuple[tuple[str, int], ...] = (
    ("impact", 1),
    ("impulse", 1),
    ("thrown", 1),
    ("posture_change", 1),
    ("unrest_before", -1),
    ("unrest_after", -1),
    ("rival_before", -1),
    ("rival_after", -1),
    ("airborne", -1),
)
TURN_TERMS: tuple[tuple[str, int], ...] = (("turn_rate", 1), ("rotation", 1), ("gyro_after", -1))
#: group → kind of model → terms. At the trunk and in a pocket the gyroscope proved itself nowhere: models
#: with it did better on the people they were trained on and worse on every other source.
GROUP_TERMS: dict[str, dict[str, tuple[tuple[str, int], ...]]] = {
    "trunk": {"accel": BODY_TERMS},
    "wrist": {"accel": ARM_TERMS, "gyro": (*ARM_TERMS, *TURN_TERMS)},
    "limb": {"accel": BODY_TERMS},
}
POSITION_GROUPS = {
    "waist": "trunk",
    "lowback": "trunk",
    "chest": "trunk",
    "wrist": "wrist",
    "pocket": "limb",
    "ankle": "limb",
}
_LEAST_GYRO_SHARE = 0.8
_COLUMN = {name: i for i, name in enumerate(FEATURES)}
_Columns = Mapping[str, np.ndarray]


def _step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((x - low) / (high - low), 0.0, 1.0)


def _toppled(f: _Columns) -> np.ndarray:
    """Body turned over AND stopped hard: either alone is everyday life (lying down, a jump's landing)."""
    return _step(f["posture_change_deg"], 15.0, 60.0) * _step(f["impulse_g_s"], 0.1, 0.3)


#: Every term saturates, so that no single quantity decides alone. How much falling went before an impact is
#: no term: with the others at hand it added nothing on any source.
_TERMS: dict[str, Callable[[_Columns], np.ndarray]] = {
    "impact": lambda f: np.log(np.clip(f["smooth_peak_g"], 1.0, 4.0)),
    "impulse": lambda f: np.log(np.clip(f["impulse_g_s"], 0.02, 0.7) + 0.05),
    "thrown": lambda f: _step(f["impulse_g_s"], 0.2, 0.5),
    "posture_change": lambda f: np.clip(f["posture_change_deg"], 0.0, 90.0) / 90.0,
    "toppled": _toppled,
    "unrest_before": lambda f: np.log(np.clip(f["activity_before_g"], 0.05, 2.0)),
    "unrest_after": lambda f: np.log(np.clip(f["activity_after_g"], 0.05, 3.0)),
    "rival_before": lambda f: np.clip(f["rival_before_ratio"], 0.0, 1.2),
    "rival_after": lambda f: np.clip(f["rival_after_ratio"], 0.0, 1.2),
    # A body that topples turns about its feet and keeps part of its weight; an object that drops and a
    # person in the air have none for a third of a second.
    "airborne": lambda f: _step(f["airborne_s"], 0.2, 0.35),
    "turn_rate": lambda f: np.log(np.clip(f["turn_rate_dps"], 20.0, 500.0)),
    "rotation": lambda f: np.log(np.clip(f["rotation_deg"], 0.0, 400.0) + 10.0),
    "gyro_after": lambda f: np.log(np.clip(f["gyro_after_dps"], 0.0, 400.0) + 2.0),
}


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Intercept and one coefficient per term."""

    terms: tuple[str, ...]
    intercept: float
    coefficients: tuple[float, ...]

    def probability(self, design: np.ndarray) -> np.ndarray:
        """Probabilities (k,) of design rows (k, terms)."""
        logit = np.full(design.shape[0], self.intercept)
        # Term by term: a matrix product may round differently for other numbers of rows.
        for j, b in enumerate(self.coefficients):
            logit = logit + b * design[:, j]
        return 1.0 / (1.0 + np.exp(-logit))


@dataclass(frozen=True, slots=True)
class FallModel:
    """A version of the detector's numbers.

    Attributes:
        version: Name and content of the artefact, as written to rows.
        thresholds: group → probability from which an impact is a fall.
        models: group → ("accel" | "gyro") → logistic model.
        card: What it was trained on, as in the artefact.
    """

    version: str
    thresholds: dict[str, float]
    models: dict[str, dict[str, LogisticModel]]
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> "FallModel":
        """Read an artefact.

        Raises:
            ValueError: the artefact's own hash does not fit its parameters.
        """
        raw = json.loads(text)
        digest = parameters_hash(raw["parameters"])
        if digest != raw["parameters_sha256"]:
            raise ValueError(
                f"fall detector {raw['version']}: parameters hash {digest[:12]} differs from the recorded "
                f"{raw['parameters_sha256'][:12]}; the artefact was edited, train it again"
            )
        models = {
            group: {
                kind: LogisticModel(tuple(m["terms"]), m["intercept"], tuple(m["coefficients"]))
                for kind, m in kinds.items()
            }
            for group, kinds in raw["parameters"]["models"].items()
        }
        version = f"{raw['name']}-{raw['version']}+{digest[:8]}"
        return cls(version, raw["parameters"]["thresholds"], models, {**raw["training"], **raw["card"]})

    def threshold(self, position: str) -> float:
        """Probability from which an impact at a wearing position is a fall."""
        return self.thresholds[POSITION_GROUPS[position]]

    def of(self, position: str, gyro: bool) -> LogisticModel:
        """The logistic model of a wearing position; where no gyroscope is used, the plain one.

        Raises:
            ValueError: the position is not one that devices are worn at.
        """
        if position not in POSITION_GROUPS:
            raise ValueError(f"position {position!r} is unknown; use one of {sorted(POSITION_GROUPS)}")
        kinds = self.models[POSITION_GROUPS[position]]
        return kinds["gyro"] if gyro and "gyro" in kinds else kinds["accel"]


def parameters_hash(parameters: dict[str, Any]) -> str:
    """sha256 of parameters in canonical JSON."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


@functools.cache
def released_model() -> FallModel:
    """The version of the detector that ships with the package."""
    path = resources.files("fallrisk_assets.risk") / "models" / RELEASED
    return FallModel.from_json(path.read_text(encoding="utf-8"))


def design_matrix(features: np.ndarray, terms: tuple[str, ...]) -> np.ndarray:
    """Model terms of feature rows.

    Args:
        features: (k, len(FEATURES)) rows of :func:`impact_kernels.impact_features`.
        terms: Names of terms.

    Returns:
        (k, len(terms)) float64.
    """
    columns = {name: features[:, i] for name, i in _COLUMN.items()}
    return np.stack([_TERMS[name](columns) for name in terms], axis=1)


def score_candidates(features: np.ndarray, position: str, model: FallModel) -> np.ndarray:
    """Probabilities (k,) of candidates; NaN where the samples give no ground for one."""
    p = np.full(features.shape[0], np.nan)
    known = ~np.isnan(features[:, _COLUMN["posture_change_deg"]])
    gyro = known & (features[:, _COLUMN["gyro_share"]] >= _LEAST_GYRO_SHARE)
    gyro &= ~np.isnan(features[:, _COLUMN["gyro_after_dps"]])
    for use_gyro, rows in ((True, gyro), (False, known & ~gyro)):
        if rows.any():
            m = model.of(position, use_gyro)
            p[rows] = m.probability(design_matrix(features[rows], m.terms))
    return p
