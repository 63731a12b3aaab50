"""How an artefact proves to be whole.

Belongs here: an artefact's version and hashes. Does not belong here: which models there are (`kinds`),
keeping artefacts (`registry`).

An artefact is plain JSON: `name`, `version`, `parameters`, `parameters_sha256`, and what it was trained on.
"""

import hashlib
import json

from fallrisk_assets.risk.fall_model import parameters_hash

__all__ = ["ArtefactDamaged", "parameters_hash", "text_hash", "version_of"]


class ArtefactDamaged(ValueError):
    """An artefact is not what its hashes say."""


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
