"""The two text models: what an artefact holds, and from text to probabilities.

Here: reading an artefact and applying it. Not here: words (`words.py`), the fit (`training.py`), which
version is in use (`models.registry`).

Both are logistic regressions on weighted counts of words and pairs of words (tf-idf, length 1), as
scikit-learn fits them; a version is its words and their weights, in plain JSON that people can read. A
sentiment is one class of three (softmax); topics are asked one by one, and a comment can have several.
"""

import functools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Self

import numpy as np

from fallrisk_assets.clinic.feedback_text.vocabulary import SENTIMENTS, TOPICS
from fallrisk_assets.clinic.feedback_text.words import ngrams, tokens
from fallrisk_assets.models.sealing import parameters_hash, version_of

SENTIMENT, TOPIC = "feedback_sentiment", "feedback_topics"
NAMES = (SENTIMENT, TOPIC)
TITLES = {SENTIMENT: "Sentiment of feedback", TOPIC: "Topics of feedback"}
CLASSES = {SENTIMENT: SENTIMENTS, TOPIC: TOPICS}

LEAST_KNOWN_SHARE = 0.5
"""Of the words that can be seen, so many must be known to a model, or it says nothing."""
LEAST_KNOWN_WORDS = 2
SAID_FROM = 0.5
"""A topic is said to be in a comment from this probability on."""


@dataclass(frozen=True, slots=True)
class TextModel:
    """A version of one of the two models.

    Attributes:
        name: `SENTIMENT` or `TOPIC`.
        version: As rows carry it.
        basis: What it was trained on, one of `vocabulary.BASES`.
        classes: Sentiments or topics that it knows, k of them.
        index: Place of each of v n-grams.
        idf: Weights of the n-grams, shape (v,).
        intercepts: Log odds of a comment without words, shape (k,).
        coefficients: Log odds a unit of weighted n-gram, shape (v, k).
    """

    name: str
    version: str
    basis: str
    classes: tuple[str, ...]
    index: dict[str, int]
    idf: np.ndarray
    intercepts: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read an artefact.

        Raises:
            ArtefactDamaged: its parameters are not those that were released.
            ValueError: it is of another kind, or has classes that this release does not know.
        """
        version, content = version_of(text), json.loads(text)
        name, parameters = content["name"], content["parameters"]
        if name not in NAMES:
            raise ValueError(f"{version}: is none of {', '.join(NAMES)}")
        classes = tuple(parameters["classes"])
        if unknown := set(classes) - set(CLASSES[name]):
            raise ValueError(f"{version}: has the classes {', '.join(sorted(unknown))}; train it again")
        weights = parameters["ngrams"]
        rows = np.array(list(weights.values()), float).reshape(len(weights), 1 + len(classes))
        return cls(
            name,
            version,
            content["training"]["basis"],
            classes,
            {ngram: place for place, ngram in enumerate(weights)},
            rows[:, 0],
            np.array(parameters["intercepts"], float),
            rows[:, 1:],
        )

    def can_judge(self, text: str) -> bool:
        """Whether enough of a comment's words are known: another language, or a name alone, is not judged."""
        seen = [word for word in tokens(text) if word]
        known = [word for word in seen if word in self.index]
        return len(known) >= LEAST_KNOWN_WORDS and len(known) >= LEAST_KNOWN_SHARE * len(seen)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Return the probability of each class for n comments, shape (n, k).

        Those of a sentiment add up to 1; those of topics stand for themselves.
        """
        scores = np.array([self._scores(text) for text in texts], float).reshape(-1, len(self.classes))
        if self.name == TOPIC:
            return 1.0 / (1.0 + np.exp(-scores))
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def _scores(self, text: str) -> np.ndarray:
        counts = Counter(self.index[ngram] for ngram in ngrams(text) if ngram in self.index)
        if not counts:
            return self.intercepts
        places = np.array(sorted(counts))
        weights = np.array([1.0 + math.log(counts[place]) for place in places]) * self.idf[places]
        return self.intercepts + (weights / np.linalg.norm(weights)) @ self.coefficients[places]


def sealed(
    name: str,
    version: str,
    classes: Sequence[str],
    intercepts: np.ndarray,
    weights: dict[str, Sequence[float]],
    training: dict[str, Any],
) -> str:
    """Return an artefact as text: plain JSON with the hash of its parameters.

    Args:
        name: `SENTIMENT` or `TOPIC`.
        version: Name of the version, without the model's.
        classes: k classes.
        intercepts: Shape (k,).
        weights: By n-gram its idf and k log odds; rounded to four places, as the intercepts.
        training: What it was made from; `basis` is one of `vocabulary.BASES`.
    """
    parameters = {
        "classes": list(classes),
        "intercepts": [round(float(value), 4) for value in intercepts],
        "ngrams": {ngram: [round(float(v), 4) for v in weights[ngram]] for ngram in sorted(weights)},
    }
    content = {
        "name": name,
        "version": version,
        "parameters": parameters,
        "parameters_sha256": parameters_hash(parameters),
        "training": training,
    }
    flat = json.dumps(content["parameters"], ensure_ascii=False)
    head = {**content, "parameters": "PARAMETERS"}
    lines = flat.replace('"ngrams": {', '"ngrams": {\n').replace("], ", "],\n ")
    return json.dumps(head, indent=1, ensure_ascii=False).replace('"PARAMETERS"', lines) + "\n"


@functools.cache
def shipped(name: str) -> dict[str, str]:
    """Return the artefacts of a model that ship with the package: version to text."""
    folder = resources.files("fallrisk_assets.clinic.feedback_text") / "models"
    paths = sorted((p for p in folder.iterdir() if p.name.startswith(name)), key=lambda p: p.name)
    return {version_of(text): text for text in (path.read_text() for path in paths)}


@functools.cache
def released(name: str) -> TextModel:
    """Return the version of a model that ships with the package."""
    (text,) = shipped(name).values()
    return TextModel.from_json(text)
