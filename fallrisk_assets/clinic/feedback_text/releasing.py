"""The versions that ship: trained on simulated comments, judged on sentences that they never saw.

Here: making their artefacts and figures, always the same. Not here: the simulation (`simulated.py`), the fit
(`training.py`). Whoever changes the simulation, the words or the fit releases other versions.
"""

import json
from dataclasses import asdict
from importlib import resources
from typing import Any

from fallrisk_assets.clinic.feedback_text.gates import CANDIDATE
from fallrisk_assets.clinic.feedback_text.labelled import held_out
from fallrisk_assets.clinic.feedback_text.measures import measures
from fallrisk_assets.clinic.feedback_text.model import TextModel
from fallrisk_assets.clinic.feedback_text.simulated import Simulation, simulated_comments
from fallrisk_assets.clinic.feedback_text.training import artefact
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED, SIMULATED

VERSION = "1"
_PLACES = 6


def release(name: str, settings: Simulation | None = None) -> tuple[str, list[dict[str, Any]]]:
    """Train the version of a model that ships, and judge it.

    Args:
        name: `model.SENTIMENT` or `model.TOPIC`.
        settings: How much is simulated; None for what ships.

    Returns:
        Its artefact, and its figures as the package ships them beside it.
    """
    simulation = settings or Simulation()
    comments = simulated_comments(simulation)
    learnt = [c for c, judged in zip(comments, held_out(comments), strict=True) if not judged]
    text = artefact(name, learnt, VERSION, {"basis": ON_SIMULATED, "simulation": asdict(simulation)})
    model = TextModel.from_json(text)
    head = {"model": name, "model_version": model.version, "role": CANDIDATE}
    of = {"source": SIMULATED, "learnt_from": SIMULATED}
    rows = [
        {k: round(v, _PLACES) if isinstance(v, float) else v for k, v in asdict(measure).items()}
        for measure in measures(comments, model, json.loads(text)["training"])
    ]
    return text, [{**head, **of, **row} for row in rows]


def released_evaluation(version: str) -> list[dict[str, Any]]:
    """Return the figures that ship with the package for a version; none where there are none."""
    path = resources.files("fallrisk_assets.clinic.feedback_text") / "evaluations" / f"{version}.json"
    return json.loads(path.read_text()) if path.is_file() else []
