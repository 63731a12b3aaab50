"""The artefact of a trained detector: what it was made from, so that it can be made again.

Belongs here: the hash of the training's code, and the facts that training adds to an artefact. Does not
belong here: the parameters (`risk.training`), keeping artefacts (`registry`).
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fallrisk_assets.models.sources import Corpus, trials_at
from fallrisk_assets.risk import training

_ROOT = "fallrisk_assets.risk.training"
#: Libraries whose numbers decide the fit.
_LIBRARIES = ("numpy", "scipy", "numba")


@functools.cache
def training_code_hash(root: str = _ROOT, libraries: tuple[str, ...] = _LIBRARIES) -> str:
    """sha256 of the source of a training and of all that it imports from here, and of numeric libraries.

    Another hash need not mean another model, but the same hash and the same training set do mean the same.
    """
    digest = hashlib.sha256()
    for name in training_modules(root):
        digest.update(name.encode() + b"\0" + _source(name).read_bytes())
    for library in libraries:
        digest.update(f"{library}=={importlib.metadata.version(library)}".encode())
    return digest.hexdigest()


def training_modules(root: str = _ROOT) -> list[str]:
    """Names of the modules of this package that training needs, sorted: found by their imports."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(_source(name).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fallrisk_assets."):
                module = node.module or ""
                inner = [f"{module}.{a.name}" for a in node.names if _is_module(f"{module}.{a.name}")]
                waiting += inner or [module]
    return sorted(found)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def _source(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name}: no source to hash; install the package with its sources")
    return Path(spec.origin)


def train(day: str, corpora: Sequence[Corpus], training_set_sha256: str) -> dict[str, Any]:
    """Fit the detector and return its artefact.

    The version's name holds the day and the inputs (training set and code), so that another training of the
    same day is another version.

    Args:
        day: Day of training, "2026-01-05".
        corpora: The recordings.
        training_set_sha256: Content hash of the training set that was made from them.
    """
    code = training_code_hash()
    inputs = hashlib.sha256(f"{training_set_sha256}{code}".encode()).hexdigest()
    trials = {position: trials_at(corpora, position) for position in ("waist", "wrist")}
    model = training.fit_model(trials, version=f"{day}.{inputs[:6]}")
    sources = hashlib.sha256("".join(c.sha256 for c in corpora).encode()).hexdigest()
    hashed = corpora[0].sha256 if len(corpora) == 1 else sources
    content = training.artefact(model, hashed, {p: len(t) for p, t in trials.items()})
    content["training"] |= {
        "trained_on": day,
        "training_set_sha256": training_set_sha256,
        "code_sha256": code,
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "sources": [
            {
                "name": corpus.dataset.title,
                "licence": corpus.dataset.licence,
                "citation": corpus.dataset.citation,
                "sha256": corpus.sha256,
                "recordings": {position: len(found) for position, found in sorted(corpus.trials.items())},
            }
            for corpus in corpora
        ],
    }
    return content


def as_text(content: dict[str, Any]) -> str:
    """Return an artefact as it is stored."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
