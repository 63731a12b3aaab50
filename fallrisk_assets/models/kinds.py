"""Which models score people, and what of each ships with the package.

Belongs here: the list of models. Does not belong here: how an artefact proves to be whole (`sealing`), which
version is in use (`registry`), and what a model computes (`risk`, `clinic`).
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from types import ModuleType
from typing import Any

from fallrisk_assets.clinic.feedback_text import model as feedback_text
from fallrisk_assets.clinic.no_show import model as no_show
from fallrisk_assets.models.sealing import ArtefactDamaged, parameters_hash, text_hash, version_of
from fallrisk_assets.risk import index_model, window_scores
from fallrisk_assets.risk.detector import released_model

__all__ = [
    "FALL_DETECTOR",
    "KINDS",
    "NO_SHOW",
    "ArtefactDamaged",
    "Kind",
    "text_hash",
    "version_of",
]

FALL_DETECTOR = "fall_detector"
NO_SHOW = no_show.NAME


@dataclass(frozen=True, slots=True)
class Kind:
    """A model that scores people.

    Attributes:
        name: As in the artefact.
        title: For people.
        trainable: Whether versions come from training and can be promoted; else the numbers are constants of
            the package, and another version is another release of it.
        released: Returns the version that ships with the package.
        shipped: Returns all artefacts that ship with the package: version to text.
    """

    name: str
    title: str
    trainable: bool
    released: Callable[[], str]
    shipped: Callable[[], dict[str, str]]


def _detectors() -> dict[str, str]:
    folder = resources.files("fallrisk_assets.risk") / "models"
    texts = [
        path.read_text()
        for path in sorted(folder.iterdir(), key=lambda p: p.name)
        if path.name.startswith(FALL_DETECTOR) and path.name.endswith(".json")
    ]
    artefacts = [text for text in texts if "parameters_sha256" in json.loads(text)]
    return {version_of(text): text for text in artefacts}


def _constants(module: ModuleType) -> dict[str, Any]:
    """The public numbers of a module, as JSON has them."""
    return json.loads(
        json.dumps(
            {name: value for name, value in sorted(vars(module).items()) if _is_constant(name, value)},
            default=dataclasses.asdict,
        )
    )


def _is_constant(name: str, value: Any) -> bool:
    return name.isupper() and not name.startswith("_") and isinstance(value, int | float | str | tuple)


def _package_model(name: str, module: ModuleType) -> Callable[[], dict[str, str]]:
    def shipped() -> dict[str, str]:
        parameters = _constants(module)
        version: str = module.VERSION
        content = {
            "name": name,
            "version": version.rpartition("-")[2],
            "parameters": parameters,
            "parameters_sha256": parameters_hash(parameters),
        }
        return {version: json.dumps(content, indent=1, ensure_ascii=False) + "\n"}

    return shipped


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(FALL_DETECTOR, "Fall detector", True, lambda: released_model().version, _detectors),
        Kind(
            "fall_index",
            "12-month fall-risk index",
            False,
            lambda: index_model.VERSION,
            _package_model("fall_index", index_model),
        ),
        Kind(
            "window_score",
            "Window score",
            False,
            lambda: window_scores.VERSION,
            _package_model("window_score", window_scores),
        ),
        Kind(NO_SHOW, "No-show model", True, lambda: no_show.released().version, no_show.shipped),
        *(
            Kind(
                name,
                title,
                True,
                partial(lambda of: feedback_text.released(of).version, name),
                partial(feedback_text.shipped, name),
            )
            for name, title in feedback_text.TITLES.items()
        ),
    )
}
