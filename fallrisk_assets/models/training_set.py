"""The training set: every labelled impact, whose it is, and whether its licence lets the model out.

Belongs here: rows of `curated.fall_training_set`. Does not belong here: reading recordings (`sources`), the
fit (`risk.training`).
"""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import conform
from fallrisk_assets.models.artefacts import training_code_hash
from fallrisk_assets.models.contract import FallTrainingSet
from fallrisk_assets.models.sources import TRAINED_POSITIONS, Corpus
from fallrisk_assets.recordings.recording import Trial
from fallrisk_assets.risk.impact_kernels import FEATURES
from fallrisk_assets.risk.training import OTHER_SENSORS_WEIGHT, SEED, SYNTHETIC_WEIGHT, synthetic_trials
from fallrisk_assets.risk.training_impacts import as_other_sensors_see, gather_impacts

SYNTHETIC = "synthetic_motion"
SYNTHETIC_LICENCE = "Apache-2.0 (part of this package)"
NOBODY = "nobody"


class LicenceForbids(ValueError):
    """A source's licence does not allow shipping a model trained on it."""


def training_set_table(day: dt.date, corpora: Sequence[Corpus]) -> pa.Table:
    """Return the impacts of recordings and of the synthetic motions.

    Args:
        day: Day of training.
        corpora: Recordings, at all trained positions each.

    Returns:
        Rows of `FallTrainingSet` by impact id.
    """
    columns: dict[str, list] = {name: [] for name in FallTrainingSet.to_schema().columns}
    code = training_code_hash()
    for position in TRAINED_POSITIONS:
        for corpus in corpora:
            facts = (corpus.name, corpus.dataset.licence, corpus.dataset.may_ship_model, corpus.sha256)
            trials = corpus.trials[position]
            for weight, some in ((1.0, trials), (OTHER_SENSORS_WEIGHT, as_other_sensors_see(trials, SEED))):
                for trial in some:
                    _add(columns, day, facts, position, trial, f"{corpus.name}:{trial.subject}", weight)
        facts = (SYNTHETIC, SYNTHETIC_LICENCE, True, code)
        for trial in synthetic_trials(position):
            _add(columns, day, facts, position, trial, NOBODY, SYNTHETIC_WEIGHT)
    return conform(FallTrainingSet, columns).sort_by("impact_id")


def _add(
    columns: dict[str, list],
    day: dt.date,
    facts: tuple[str, str, bool, str],
    position: str,
    trial: Trial,
    subject: str,
    weight: float,
) -> None:
    source, licence, may_ship, sha256 = facts
    impacts = gather_impacts([trial], weight)
    for number, row in enumerate(impacts.features):
        values = {
            "trained_on": day,
            "impact_id": f"{source}/{position}/{trial.name}/{number}",
            "source": source,
            "licence": licence,
            "may_ship_model": may_ship,
            "source_sha256": sha256,
            "position": position,
            "recording": trial.name,
            "subject": subject,
            "movement": trial.movement,
            "is_fall": bool(impacts.is_fall[number]),
            "weight": float(impacts.weight[number]),
            **{f: None if np.isnan(v) else float(v) for f, v in zip(FEATURES, row, strict=True)},
        }
        for name, value in values.items():
            columns[name].append(value)


def forbidden_sources(rows: pa.Table) -> dict[str, str]:
    """Return the sources of training rows whose licence does not let a model out: name to licence."""
    found = rows.filter(pc.invert(rows["may_ship_model"]))
    return dict(sorted(zip(found["source"].to_pylist(), found["licence"].to_pylist(), strict=True)))


def refuse_forbidden(rows: pa.Table) -> None:
    """Refuse to train on what may not be shipped.

    Raises:
        LicenceForbids: naming each source and its licence.
    """
    if forbidden := forbidden_sources(rows):
        named = ", ".join(f"{name} ({licence})" for name, licence in forbidden.items())
        raise LicenceForbids(
            f"a model trained on {named} may not be shipped: leave the source out of the training set, "
            "it can still be used to evaluate"
        )
