"""Training of the fall detector: reproducible, few numbers, signs that physics allows.

`python -m fallrisk_assets.risk.training --source FOLDER` writes the artefact. The fit is a ridge
logistic regression with bounds on the signs (a harder impact may never make a fall less likely). Each source
weighs the same for falls and for other movements, so a probability is that of a fall where both are equally
frequent. Sources: recordings; the same recordings as other sensors would have seen them; scripted sketches.
Never the cohort simulator, which stays held out. Terms, ridge and weights were chosen on transfers (trained
on sketches alone and judged on recordings, and the other way round), not on one source's cross-validation:
see docs/detection.md.

Not here: which impacts are labelled how (`training_impacts.py`), what a term is (`fall_model.py`).
"""

import argparse
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from fallrisk_assets.recordings.recording import Trial, read_trials
from fallrisk_assets.recordings.umafall import data_hash
from fallrisk_assets.risk import training_impacts
from fallrisk_assets.risk.fall_model import (
    GROUP_TERMS,
    POSITION_GROUPS,
    RELEASED,
    TURN_TERMS,
    FallModel,
    LogisticModel,
    design_matrix,
    parameters_hash,
)
from fallrisk_assets.risk.impact_kernels import FEATURES
from fallrisk_assets.risk.training_impacts import (
    Impacts,
    as_other_sensors_see,
    balanced,
    gather_impacts,
    join,
)

#: At the wrist falls and everyday movements lie closer, and the threshold balances the two errors; elsewhere
#: it leans towards fewer alarms, because falls are rare.
THRESHOLDS = {"trunk": 0.6, "wrist": 0.5, "limb": 0.6}
RIDGE = 0.01
#: No term may move the logit further than this over its range of about one: what has been separable in
#: training (nobody who fell was in the air for a third of a second) need not stay so.
MOST_COEFFICIENT = 8.0
SYNTHETIC_PER_GROUP = 2000
SYNTHETIC_WEIGHT = 1.0
OTHER_SENSORS_WEIGHT = 0.5
#: Waist recordings help a pocket, at half their weight: none of a pocket are held.
TRUNK_FOR_LIMB_WEIGHT = 0.5
SEED = 20260105


def fit(impacts: Impacts, terms: Sequence[tuple[str, int]], ridge: float = RIDGE) -> LogisticModel:
    """Fit a ridge logistic regression with bounded signs (L-BFGS-B, deterministic).

    Args:
        impacts: Labelled candidates.
        terms: (name, allowed sign).
        ridge: Penalty on squared coefficients of standardised terms.

    Raises:
        ValueError: the impacts are all falls, or none is.
    """
    names = tuple(name for name, _ in terms)
    use = np.ones(len(impacts.is_fall), bool)
    if set(terms) & set(TURN_TERMS):
        use = ~np.isnan(impacts.features[:, FEATURES.index("gyro_after_dps")])
    y = impacts.is_fall[use].astype(float)
    if len(y) == 0 or y.min() == y.max():
        raise ValueError(
            f"training needs falls and other impacts: of {len(y)} usable ones {int(y.sum())} are falls"
        )
    x = design_matrix(impacts.features[use], names)
    w = impacts.weight[use] / impacts.weight[use].sum()
    mean = w @ x
    sd = np.sqrt(w @ (x - mean) ** 2)
    # A term that is the same everywhere (nobody was airborne) says nothing and gets nothing.
    z = np.where(sd > 1e-9, (x - mean) / np.where(sd > 1e-9, sd, 1.0), 0.0)

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        logit = beta[0] + z @ beta[1:]
        value = float(w @ (np.logaddexp(0.0, logit) - y * logit) + 0.5 * ridge * beta[1:] @ beta[1:])
        slope = w * (1.0 / (1.0 + np.exp(-logit)) - y)
        return value, np.concatenate([[slope.sum()], z.T @ slope + ridge * beta[1:]])

    most = MOST_COEFFICIENT * sd
    bounds: list[tuple[float | None, float | None]] = [(None, None)]
    bounds += [(0.0, m) if sign > 0 else (-m, 0.0) for (_, sign), m in zip(terms, most, strict=True)]
    beta = minimize(loss, np.zeros(1 + len(terms)), jac=True, method="L-BFGS-B", bounds=bounds).x
    raw = np.where(sd > 1e-9, beta[1:] / np.where(sd > 1e-9, sd, 1.0), 0.0)
    intercept = float(beta[0] - raw @ mean)
    return LogisticModel(names, round(intercept, 6), tuple(round(float(b), 6) + 0.0 for b in raw))


def group_of(position: str) -> str:
    """Position group of a wearing position, or a group's own name.

    Raises:
        ValueError: neither.
    """
    if position in GROUP_TERMS:
        return position
    if position not in POSITION_GROUPS:
        raise ValueError(f"position {position!r} is unknown; use one of {sorted(POSITION_GROUPS)}")
    return POSITION_GROUPS[position]


@functools.cache
def synthetic_trials(position: str, n: int = SYNTHETIC_PER_GROUP, seed: int = SEED) -> list[Trial]:
    """Scripted falls and everyday movements for a position (or group) that training adds to recordings."""
    return training_impacts.synthetic_trials(group_of(position), n, seed)


@functools.cache
def synthetic_impacts(group: str, n: int = SYNTHETIC_PER_GROUP, seed: int = SEED) -> Impacts:
    """Impacts of :func:`synthetic_trials`, as a source of weight `SYNTHETIC_WEIGHT`."""
    return balanced(gather_impacts(synthetic_trials(group, n, seed)), SYNTHETIC_WEIGHT)


def recorded_impacts(trials: Iterable[Trial], weight: float = 1.0) -> list[Impacts]:
    """Impacts of recordings, and of the same recordings as other sensors would have seen them."""
    trials = list(trials)
    if not trials:
        return []
    others = gather_impacts(as_other_sensors_see(trials, SEED))
    return [
        balanced(gather_impacts(trials), weight),
        balanced(others, OTHER_SENSORS_WEIGHT * weight),
    ]


def fit_group(group: str, parts: Sequence[Impacts], ridge: float = RIDGE) -> dict[str, LogisticModel]:
    """Fit the models of one position group on some sources."""
    rows = join(parts)
    return {kind: fit(rows, terms, ridge) for kind, terms in GROUP_TERMS[group].items()}


def fit_model(
    trials: Mapping[str, Sequence[Trial]],
    version: str = "cv",
    *,
    synthetic_per_group: int = SYNTHETIC_PER_GROUP,
) -> FallModel:
    """Fit all position groups.

    Args:
        trials: Wearing position → recordings; positions of one group are pooled. The synthetic ones are
            added; without any recordings the model is that of the sketches alone.
        version: Name of the result.
        synthetic_per_group: How many scripted motions a group gets; 0 for recordings alone, and then groups
            without recordings are left out.
    """
    recorded: dict[str, list[Trial]] = {group: [] for group in GROUP_TERMS}
    for position, some in sorted(trials.items()):
        recorded[group_of(position)] += some
    models = {}
    for group in GROUP_TERMS:
        parts = recorded_impacts(recorded[group])
        if group == "limb":
            parts += recorded_impacts(recorded["trunk"], TRUNK_FOR_LIMB_WEIGHT)
        if synthetic_per_group:
            parts.append(synthetic_impacts(group, synthetic_per_group))
        if parts:
            models[group] = fit_group(group, parts)
    return FallModel(version, dict(THRESHOLDS), models)


def artefact(model: FallModel, source_hash: str, counts: dict[str, int]) -> dict[str, Any]:
    """The artefact's JSON content of a fitted model.

    Args:
        model: A fitted model.
        source_hash: sha256 of the recordings.
        counts: Wearing position → number of recordings.
    """
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
            "other_sensors_weight": OTHER_SENSORS_WEIGHT,
            "synthetic_per_group": SYNTHETIC_PER_GROUP,
            "synthetic_weight": SYNTHETIC_WEIGHT,
            "trunk_for_limb_weight": TRUNK_FOR_LIMB_WEIGHT,
            "ridge": RIDGE,
            "most_coefficient": MOST_COEFFICIENT,
            "seed": SEED,
            "calibration": "logistic, falls and other impacts weigh the same",
        },
        "card": {
            "intended_use": "Decision support for staff who call the person; not a diagnosis.",
            "cite": "Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017) 32-39",
            "limits": "Falls acted by healthy people at about 20 Hz, and sketches of falls. Pocket and ankle "
            "are trained on waist recordings and sketches and were never tried on recordings of their own. "
            "A probability holds where falls and other impacts are equally frequent, not in daily life, "
            "where falls are rare. Slow slides to the floor without an impact are not seen.",
        },
    }


def artefact_text(content: dict[str, Any]) -> str:
    """An artefact as it is written: the same content gives the same bytes."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and write the artefact."""
    parser = argparse.ArgumentParser(description="Train the fall detector on UMAFall and scripted motions.")
    parser.add_argument("--source", type=Path, required=True, help="folder with the UMAFall Parquet")
    parser.add_argument("--version", default="2", help="name of the version (2)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "models" / RELEASED)
    options = parser.parse_args(arguments)
    trials = {position: read_trials("umafall", options.source, position) for position in ("waist", "wrist")}
    model = fit_model(trials, version=options.version)
    content = artefact(model, data_hash(options.source), {p: len(t) for p, t in trials.items()})
    options.out.write_text(artefact_text(content), encoding="utf-8")
    print(f"wrote {options.out}: {content['parameters_sha256'][:12]}")


if __name__ == "__main__":
    main()
