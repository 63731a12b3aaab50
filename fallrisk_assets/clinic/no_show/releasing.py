"""The version that ships: trained on simulated bookings, and judged on later ones of the same simulation.

Here: making its artefact and its figures, always the same. Not here: the simulation (`simulated.py`), the fit
(`training.py`). Whoever changes the simulation, the facts or the terms releases another version.
"""

import json
from dataclasses import asdict
from importlib import resources
from typing import Any

from fallrisk_assets.clinic.no_show.measures import measures
from fallrisk_assets.clinic.no_show.model import SIMULATED, NoShowModel
from fallrisk_assets.clinic.no_show.simulated import Simulation, simulated_bookings
from fallrisk_assets.clinic.no_show.training import artefact, training_set

VERSION = "1"
_PLACES = 6


def release(settings: Simulation | None = None) -> tuple[str, list[dict[str, Any]]]:
    """Train the version that ships, and judge it.

    Returns:
        Its artefact, and its figures as the package ships them beside it.
    """
    simulation = settings or Simulation()
    of = training_set(*simulated_bookings(simulation))
    told = {name: str(value) for name, value in asdict(simulation).items()}
    text = artefact(of, VERSION, {"basis": SIMULATED, "simulation": told})
    model = NoShowModel.from_json(text)
    rows = [
        {name: round(v, _PLACES) if isinstance(v, float) else v for name, v in asdict(measure).items()}
        for measure in measures(of, model)
    ]
    return text, [{"model_version": model.version, **row} for row in rows]


def released_evaluation(version: str) -> list[dict[str, Any]]:
    """Return the figures that ship with the package for a version; none where there are none."""
    path = resources.files("fallrisk_assets.clinic.no_show") / "evaluations" / f"{version}.json"
    return json.loads(path.read_text()) if path.is_file() else []
