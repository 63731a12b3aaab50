"""Which models score people, what of each ships with the package, and how an artefact proves to be whole.

Belongs here: the list of models, and reading an artefact's version. Does not belong here: which version is in
use (`registry`), and what a model computes (`risk`).

An artefact is plain JSON: `name`, `version`, `parameters`, `parameters_sha256`, and what it was trained on.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from types import ModuleType
from typing import Any

from fallrisk_assets.risk import index_model, window_scores
from fallrisk_assets.risk.detector import parameters_hash, released_model

FALL_DETECTOR = "fall_detector"


class ArtefactDamaged(ValueError):
    """An artefact is not what its hashes say."""


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


def version_of(text: str) -> str:
    """Return the version that an artefact's rows carry, after verifying its hash.

    Raises:
        ArtefactDamaged: it is no artefact, or its parameters are not those that were released.
    """
    try:
        raw = json.loads(text)
        name, version = raw["name"], raw["version"]
        parameters, recorded = raw["parameters"], raw["parameters_sha256"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ArtefactDamaged(f"not an artefact ({type(error).__name__}: {error}); train it again") from error
    digest = parameters_hash(parameters)
    if digest != recorded:
        raise ArtefactDamaged(
            f"{name} {version}: its parameters hash to {digest[:12]}, it says {str(recorded)[:12]}; it was "
            "edited or damaged: train it again, or take it from where it was made"
        )
    return f"{name}-{version}+{digest[:8]}"


def text_hash(text: str) -> str:
    """sha256 of an artefact's text."""
    return hashlib.sha256(text.encode()).hexdigest()


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
    )
}
