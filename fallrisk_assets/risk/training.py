"""Training of the fall detector: reproducible, few numbers, signs that physics allows.

`python -m fallrisk_assets.risk.training --source FOLDER` writes the artefact. The fit is a ridge
logistic regression with bounds on the signs (a harder impact may never make a fall less likely), each
source weighing the same for falls and for other movements. Trained on UMAFall and on the sketches of
`synthetic_motion`; never on the cohort simulator, which stays held out.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from fallrisk_assets.recordings.recording import Trial, read_trials
from fallrisk_assets.recordings.umafall import data_hash
from fallrisk_assets.risk.detector import (
    ACCEL_TERMS,
    GYRO_TERMS,
    FallModel,
    LogisticModel,
    design_matrix,
    parameters_hash,
)
from fallrisk_assets.risk.impact_kernels import FEATURES, find_candidates, impact_features
from fallrisk_assets.risk.synthetic_motion import training_motions

#: At the wrist falls and other movements lie closer: there the threshold balances the two errors.
THRESHOLDS = {"trunk": 0.5, "wrist": 0.35, "limb": 0.5}
RIDGE = 0.01
SYNTHETIC_PER_POSITION = 400
SYNTHETIC_WEIGHT = 0.5
_POSTURE = FEATURES.index("posture_change_deg")


@dataclass(frozen=True, slots=True)
class Impacts:
    """Candidate impacts with labels.

    Attributes:
        features: (k, len(FEATURES)).
        is_fall: (k,) bool.
        group: (k,) str, the subject; "nobody" for synthetic ones.
        weight: (k,) weights of the fit.
    """

    features: np.ndarray
    is_fall: np.ndarray
    group: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> "Impacts":
        """The chosen rows."""
        return Impacts(self.features[rows], self.is_fall[rows], self.group[rows], self.weight[rows])


def gather_impacts(trials: Iterable[Trial], weight: float = 1.0) -> Impacts:
    """Candidates of trials; of a fall only its largest impact is a positive, its others are left out."""
    features, labels, groups = [], [], []
    for trial in trials:
        found = find_candidates(trial.ts_us, trial.accel_g)
        rows = impact_features(trial.ts_us, trial.accel_g, trial.gyro_dps, found)
        rows = rows[~np.isnan(rows[:, _POSTURE])]
        if trial.is_fall and len(rows):
            rows = rows[[int(np.argmax(rows[:, 1]))]]
        features.append(rows)
        labels.append(np.full(len(rows), trial.is_fall))
        groups.append(np.full(len(rows), trial.subject))
    table = np.concatenate(features) if features else np.empty((0, len(FEATURES)))
    return Impacts(table, np.concatenate(labels), np.concatenate(groups), np.full(len(table), weight))


def synthetic_trials(position: str, n: int = SYNTHETIC_PER_POSITION, seed: int = 20260105) -> list[Trial]:
    """Sketched falls and confusers at several rates, as trials of nobody."""
    trials = []
    for k, (motion, is_fall, rate) in enumerate(training_motions(n, seed, wrist=position == "wrist")):
        ts, accel, gyro = motion.sample(rate, seed=seed + k)
        trials.append(
            Trial(
                dataset="synthetic",
                name=f"synthetic-{k}",
                subject="nobody",
                age=None,
                sex=None,
                movement="synthetic",
                description="sketched motion",
                is_fall=is_fall,
                position=position,
                ts_us=ts,
                accel_g=accel,
                gyro_dps=gyro,
            )
        )
    return trials


def join(parts: Sequence[Impacts]) -> Impacts:
    """All impacts of several sources."""
    return Impacts(
        np.concatenate([p.features for p in parts]),
        np.concatenate([p.is_fall for p in parts]),
        np.concatenate([p.group for p in parts]),
        np.concatenate([p.weight for p in parts]),
    )


def fit(impacts: Impacts, terms: Sequence[tuple[str, int]]) -> LogisticModel:
    """Fit a ridge logistic regression with bounded signs (L-BFGS-B, deterministic).

    Args:
        impacts: Labelled candidates.
        terms: (name, allowed sign).
    """
    names = tuple(name for name, _ in terms)
    use = np.ones(len(impacts.is_fall), bool)
    if "rotation" in names:
        use = ~np.isnan(impacts.features[:, FEATURES.index("gyro_after_dps")])
    x = design_matrix(impacts.features[use], names)
    y = impacts.is_fall[use].astype(float)
    w = impacts.weight[use].copy()
    w /= w.sum()
    mean = w @ x
    sd = np.sqrt(w @ (x - mean) ** 2)
    z = (x - mean) / sd

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        logit = beta[0] + z @ beta[1:]
        value = float(w @ (np.logaddexp(0.0, logit) - y * logit) + 0.5 * RIDGE * beta[1:] @ beta[1:])
        slope = w * (1.0 / (1.0 + np.exp(-logit)) - y)
        return value, np.concatenate([[slope.sum()], z.T @ slope + RIDGE * beta[1:]])

    bounds: list[tuple[float | None, float | None]] = [(None, None)]
    bounds += [{1: (0.0, None), -1: (None, 0.0), 0: (None, None)}[sign] for _, sign in terms]
    beta = minimize(loss, np.zeros(1 + len(terms)), jac=True, method="L-BFGS-B", bounds=bounds).x
    raw = beta[1:] / sd
    intercept = float(beta[0] - raw @ mean)
    return LogisticModel(names, round(intercept, 6), tuple(round(float(b), 6) + 0.0 for b in raw))


def group_terms(group: str, gyro: bool) -> tuple[tuple[str, int], ...]:
    """Terms of a position group: on a limb the angle says nothing about the trunk and is left out."""
    terms = GYRO_TERMS if gyro else ACCEL_TERMS
    return tuple(t for t in terms if group != "limb" or t[0] != "posture_change")


def fit_model(trials: dict[str, list[Trial]], version: str = "cv") -> FallModel:
    """Fit all position groups.

    Args:
        trials: "waist" and "wrist" → training trials (real ones; the synthetic ones are added).
        version: Name of the result.
    """
    impacts = {
        position: join(
            [gather_impacts(real), gather_impacts(synthetic_trials(position), weight=SYNTHETIC_WEIGHT)]
        )
        for position, real in trials.items()
    }
    sources = {"trunk": impacts["waist"], "wrist": impacts["wrist"], "limb": join(list(impacts.values()))}
    models = {
        group: {
            "accel": fit(rows, group_terms(group, gyro=False)),
            "gyro": fit(rows, group_terms(group, gyro=True)),
        }
        for group, rows in sources.items()
    }
    return FallModel(version, dict(THRESHOLDS), models)


def artefact(model: FallModel, source_hash: str, counts: dict[str, int]) -> dict[str, Any]:
    """The artefact's JSON content of a fitted model."""
    parameters = {
        "thresholds": model.thresholds,
        "models": {
            group: {
                kind: {"terms": m.terms, "intercept": m.intercept, "coefficients": m.coefficients}
                for kind, m in kinds.items()
            }
            for group, kinds in model.models.items()
        },
    }
    parameters = json.loads(json.dumps(parameters))
    return {
        "name": "fall_detector",
        "version": model.version,
        "parameters": parameters,
        "parameters_sha256": parameters_hash(parameters),
        "training": {
            "umafall_sha256": source_hash,
            "umafall_trials": counts,
            "synthetic_per_position": SYNTHETIC_PER_POSITION,
            "synthetic_weight": SYNTHETIC_WEIGHT,
            "ridge": RIDGE,
        },
        "card": {
            "intended_use": "Decision support for staff who call the person; not a diagnosis.",
            "cite": "Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017) 32-39",
            "limits": "Falls acted by 12 healthy people at about 20 Hz; pocket and ankle use a model "
            "without posture that was never tried on such recordings; the probability is calibrated on "
            "the mix of impacts in training, not on the rarity of falls in daily life.",
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the artefact."""
    parser = argparse.ArgumentParser(description="Train the fall detector on UMAFall and synthetic motions.")
    parser.add_argument("--source", type=Path, required=True, help="folder with the UMAFall Parquet")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "models" / "fall_detector_v1.json"
    )
    options = parser.parse_args(arguments)
    trials = {position: read_trials("umafall", options.source, position) for position in ("waist", "wrist")}
    model = fit_model(trials, version="1")
    content = artefact(model, data_hash(options.source), {p: len(t) for p, t in trials.items()})
    options.out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {options.out}: {content['parameters_sha256'][:12]}")


if __name__ == "__main__":
    main()
