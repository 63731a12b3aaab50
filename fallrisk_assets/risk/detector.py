"""The fall detector: candidate impact, physics of the seconds around it, calibrated probability.

One causal algorithm for hourly assets and for a live stream. A candidate is the largest peak of its
neighbourhood; what is asked about it are quantities of mechanics (Casilari et al., Sensors 2015,
15:17827; Noury et al., EMBS 2007): how hard was it, how much falling went before, did the body's posture
change, does it lie still, does this impact stand out. A logistic model turns them into a probability;
its numbers live in a versioned JSON artefact.

Every decision is a pure function of the samples in ``[impact - LOOKBACK, impact + DECIDE_S)``. So chunks do
not matter, an event belongs to the hour of ``decided_us``, and an hour needs just ``LOOKBACK_S`` of
the hour before.
"""

import functools
import hashlib
import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np

from fallrisk_assets.risk.impact_kernels import (
    BEFORE_S,
    DECIDE_S,
    FEATURES,
    find_candidates,
    impact_features,
)

#: One fall fires once: after a convincing impact the next this many seconds belong to it.
REFRACTORY_S = 4.0
#: How far back of its own start a stretch must be read so that it decides as the whole stream would.
LOOKBACK_S = DECIDE_S + REFRACTORY_S + BEFORE_S

#: Terms of the logistic model: name, and the sign that physics allows (0: either).
ACCEL_TERMS: tuple[tuple[str, int], ...] = (
    ("impact", 1),
    ("impulse", 1),
    ("free_fall", 1),
    ("posture_change", 1),
    ("unrest_after", -1),
    ("rival", -1),
    ("weightless", -1),
)
GYRO_TERMS: tuple[tuple[str, int], ...] = (*ACCEL_TERMS, ("rotation", 1), ("gyro_after", -1))
POSITION_GROUPS = {
    "waist": "trunk",
    "lowback": "trunk",
    "chest": "trunk",
    "wrist": "wrist",
    "pocket": "limb",
    "ankle": "limb",
}
_LEAST_GYRO_SHARE = 0.8
_UPRIGHT_AGAIN_DEG = 40.0
_COLUMN = {name: i for i, name in enumerate(FEATURES)}


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
        """The logistic model of a wearing position.

        Raises:
            ValueError: the position is not one that devices are worn at.
        """
        if position not in POSITION_GROUPS:
            raise ValueError(f"position {position!r} is unknown; use one of {sorted(POSITION_GROUPS)}")
        return self.models[POSITION_GROUPS[position]]["gyro" if gyro else "accel"]


def parameters_hash(parameters: dict[str, Any]) -> str:
    """sha256 of parameters in canonical JSON."""
    return hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()


@functools.cache
def released_model() -> FallModel:
    """The detector's released version, shipped with the package."""
    path = resources.files("fallrisk_assets.risk") / "models" / "fall_detector_v1.json"
    return FallModel.from_json(path.read_text())


@dataclass(frozen=True, slots=True)
class FallEvent:
    """A fall that was decided on.

    Attributes:
        impact_us: Time of the impact peak, epoch microseconds.
        decided_us: When the decision could be made; at most 4 s later.
        probability: Calibrated on the training mix of impacts.
        peak_g: Largest acceleration norm, gravity-scaled.
        free_fall_s: Seconds below 0.7 g in the second before.
        posture_change_deg: Angle between gravity before and after.
        stillness_s: Still seconds up to the decision.
        recovered: Back in the old posture within the second before the decision.
    """

    impact_us: int
    decided_us: int
    probability: float
    peak_g: float
    free_fall_s: float
    posture_change_deg: float
    stillness_s: float
    recovered: bool


def design_matrix(features: np.ndarray, terms: tuple[str, ...]) -> np.ndarray:
    """Model terms of feature rows: saturated, so that no single quantity decides alone.

    Args:
        features: (k, len(FEATURES)) rows of :func:`impact_features`.
        terms: Names from ``ACCEL_TERMS`` or ``GYRO_TERMS``.

    Returns:
        (k, len(terms)) float64.
    """
    f = {name: features[:, i] for name, i in _COLUMN.items()}
    columns = {
        "impact": np.log(np.clip(f["smooth_peak_g"], 1.0, 4.0)),
        "impulse": np.log(np.clip(f["impulse_g_s"], 0.02, 0.7) + 0.05),
        "free_fall": np.clip(f["free_fall_g_s"], 0.0, 0.5),
        "posture_change": np.clip(f["posture_change_deg"], 0.0, 90.0) / 90.0,
        "unrest_after": np.log(np.clip(f["activity_after_g"], 0.05, 3.0)),
        "rival": np.clip(np.maximum(f["rival_before_ratio"], f["rival_after_ratio"]), 0.0, 1.2),
        # A body that topples turns about its feet and keeps part of its weight; an object that drops or a
        # person in the air after a jump has none.
        "weightless": np.clip((0.2 - f["trough_g"]) / 0.2, 0.0, 1.0),
        "rotation": np.log(np.clip(f["rotation_deg"], 0.0, 400.0) + 10.0),
        "gyro_after": np.log(np.clip(f["gyro_after_dps"], 0.0, 400.0) + 2.0),
    }
    return np.stack([columns[name] for name in terms], axis=1)


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


def detect_falls(
    ts_us: np.ndarray,
    accel_g: np.ndarray,
    gyro_dps: np.ndarray | None,
    position: str,
    model: FallModel,
    decide_from_us: int | None = None,
    decide_to_us: int | None = None,
) -> list[FallEvent]:
    """Detect falls in one person's samples of one device.

    Args:
        ts_us: (n,) int64 epoch microseconds, strictly increasing.
        accel_g: (n, 3) float32.
        gyro_dps: (n, 3) float32 with NaN where missing, or None.
        position: Where the device is worn (a key of ``POSITION_GROUPS``).
        model: The detector's numbers.
        decide_from_us: Only events decided at or after this time.
        decide_to_us: Only events decided before this time; by default what the last sample
            already allows.

    Returns:
        Events in order of impact.

    Raises:
        ValueError: times not strictly increasing, shapes that do not fit, or an unknown position.
    """
    model.of(position, gyro=False)
    if len(ts_us) == 0:
        return []
    if accel_g.shape != (len(ts_us), 3) or (gyro_dps is not None and gyro_dps.shape != accel_g.shape):
        raise ValueError(f"shapes do not fit: {len(ts_us)} times, accel {accel_g.shape}")
    if len(ts_us) > 1 and not (ts_us[1:] > ts_us[:-1]).all():
        raise ValueError("times are not strictly increasing; sort and deduplicate first")
    candidates = find_candidates(ts_us, accel_g)
    decided = ts_us[candidates] + int(DECIDE_S * 1e6)
    end = int(ts_us[-1]) + 1 if decide_to_us is None else decide_to_us
    keep = decided < end
    if decide_from_us is not None:
        keep &= decided >= decide_from_us - int(REFRACTORY_S * 1e6)
    candidates, decided = candidates[keep], decided[keep]
    if len(candidates) == 0:
        return []
    features = impact_features(
        ts_us, accel_g, gyro_dps if gyro_dps is not None else np.empty((0, 3), np.float32), candidates
    )
    p = score_candidates(features, position, model)
    convincing = np.flatnonzero(p >= model.threshold(position))
    events = []
    previous: int | None = None
    for i in convincing:
        impact = int(ts_us[candidates[i]])
        same_fall = previous is not None and impact - previous <= REFRACTORY_S * 1e6
        previous = impact
        if same_fall or (decide_from_us is not None and decided[i] < decide_from_us):
            continue
        row = features[i]
        events.append(
            FallEvent(
                impact_us=impact,
                decided_us=int(decided[i]),
                probability=float(p[i]),
                peak_g=float(row[_COLUMN["peak_g"]]),
                free_fall_s=float(row[_COLUMN["free_fall_s"]]),
                posture_change_deg=float(row[_COLUMN["posture_change_deg"]]),
                stillness_s=float(row[_COLUMN["stillness_s"]]),
                recovered=bool(row[_COLUMN["late_posture_deg"]] < _UPRIGHT_AGAIN_DEG),
            )
        )
    return events


class FallStream:
    """The same detector fed piece by piece, with a bounded memory of ``LOOKBACK_S`` and a little."""

    def __init__(self, position: str, model: FallModel) -> None:
        """Start a stream of one device on one person."""
        self._position = position
        self._model = model
        self._ts = np.empty(0, np.int64)
        self._accel = np.empty((0, 3), np.float32)
        self._gyro = np.empty((0, 3), np.float32)
        self._decided_to: int | None = None

    def push(self, ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray | None) -> list[FallEvent]:
        """Take the next samples (later than all before) and return the falls they decide.

        Raises:
            ValueError: as :func:`detect_falls`.
        """
        if len(ts_us) == 0:
            return []
        gyro = np.full(accel_g.shape, np.nan, np.float32) if gyro_dps is None else gyro_dps
        self._ts = np.concatenate([self._ts, ts_us])
        self._accel = np.concatenate([self._accel, accel_g])
        self._gyro = np.concatenate([self._gyro, gyro])
        end = int(self._ts[-1]) + 1
        events = detect_falls(
            self._ts, self._accel, self._gyro, self._position, self._model, self._decided_to, end
        )
        self._decided_to = end
        first = int(np.searchsorted(self._ts, end - int(LOOKBACK_S * 1e6) - 1))
        # The sample before the tail tells whether a gap lies there.
        first = max(0, first - 1)
        self._ts, self._accel, self._gyro = self._ts[first:], self._accel[first:], self._gyro[first:]
        return events

    @property
    def held_samples(self) -> int:
        """Samples kept for the next piece."""
        return len(self._ts)
