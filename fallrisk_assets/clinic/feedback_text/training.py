"""Fitting the text models: which words they may know, and two logistic regressions.

Here: the choice of n-grams and the fit. Not here: where comments come from (`labelled_file.py`,
`simulated.py`), judging (`measures.py`). scikit-learn is imported where it is used: daily runs load this
package too.

A model remembers an n-gram only if `LEAST_PEOPLE` different people wrote it: what one person writes, however
often, is about that person. Common words of many people are about nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallrisk_assets.clinic.feedback_text.labelled import Labelled, writers
from fallrisk_assets.clinic.feedback_text.model import SENTIMENT, sealed
from fallrisk_assets.clinic.feedback_text.vocabulary import SENTIMENTS, TOPICS
from fallrisk_assets.clinic.feedback_text.words import ngrams

LEAST_PEOPLE = 5
"""Fewest different people who wrote an n-gram that a model may know."""
LEAST_OF_A_CLASS = 20
"""Fewest comments of a class, and of all others, that it can be learnt from."""
RIDGE_C = 3.0
"""Inverse strength of the penalty."""


class TooFewComments(ValueError):
    """There is too little to learn from."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """N-grams that a model may know.

    Attributes:
        ngrams: The n-grams, sorted.
        fewest_people: Least number of different people who wrote any of them.
        left_out: N-grams that fewer than `LEAST_PEOPLE` wrote.
    """

    ngrams: tuple[str, ...]
    fewest_people: int
    left_out: int


def vocabulary(comments: Sequence[Labelled], least_people: int = LEAST_PEOPLE) -> Vocabulary:
    """Choose the n-grams that enough different people wrote.

    Raises:
        TooFewComments: there is none.
    """
    people: dict[str, set[str]] = {}
    for who, comment in zip(writers(comments), comments, strict=True):
        for ngram in ngrams(comment.text):
            people.setdefault(ngram, set()).add(who)
    kept = {ngram: len(who) for ngram, who in people.items() if len(who) >= least_people}
    if not kept:
        raise TooFewComments(f"no word was written by {least_people} different people; give more comments")
    return Vocabulary(tuple(sorted(kept)), min(kept.values()), len(people) - len(kept))


def labelled_for(name: str, comments: Sequence[Labelled]) -> list[Labelled]:
    """Return the comments that have a label for a model."""
    return [c for c in comments if (c.sentiment if name == SENTIMENT else c.topics) is not None]


def artefact(name: str, comments: Sequence[Labelled], version: str, training: dict[str, Any]) -> str:
    """Fit a version of a model and return its artefact.

    Args:
        name: `model.SENTIMENT` or `model.TOPIC`.
        comments: What is learnt from; those without a label of this model are left aside.
        version: Name of the version, without the model's.
        training: What the artefact tells besides; has `basis`.

    Raises:
        TooFewComments: a sentiment has too few, or no topic has enough.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    told = labelled_for(name, comments)
    labels = _labels(name, told)
    words = vocabulary(told)
    counts = CountVectorizer(analyzer=ngrams, vocabulary=list(words.ngrams)).transform([c.text for c in told])
    tfidf = TfidfTransformer(sublinear_tf=True)
    features = tfidf.fit_transform(counts)
    intercepts, coefficients = _fit(name, features, labels)
    facts = {
        **training,
        "comments": len(told),
        "comments_of_each_class": {k: int(v.sum()) for k, v in labels.items()},
        "people": len(set(writers(told))),
        "ngrams": len(words.ngrams),
        "ngrams_left_out": words.left_out,
        "fewest_people_of_an_ngram": words.fewest_people,
        "ridge_c": RIDGE_C,
    }
    weights: dict[str, Sequence[float]] = {
        ngram: (tfidf.idf_[place], *coefficients[place]) for place, ngram in enumerate(words.ngrams)
    }
    return sealed(name, version, tuple(labels), intercepts, weights, facts)


def _labels(name: str, comments: Sequence[Labelled]) -> dict[str, np.ndarray]:
    """Return, by class that can be learnt, which comments have it."""
    values = SENTIMENTS if name == SENTIMENT else TOPICS
    found = {k: np.array([_has(name, c, k) for c in comments], bool) for k in values}
    enough = {k: v for k, v in found.items() if min(int(v.sum()), int((~v).sum())) >= LEAST_OF_A_CLASS}
    if name == SENTIMENT:
        scarce = [k for k, v in found.items() if v.any() and k not in enough]
        if scarce or len(enough) < 2:
            of = ", ".join(scarce) or "of a second sentiment"
            raise TooFewComments(f"{name}: fewer than {LEAST_OF_A_CLASS} comments are {of}; label more")
    elif not enough:
        raise TooFewComments(f"{name}: no topic is in {LEAST_OF_A_CLASS} comments; give more, or label them")
    return enough


def _has(name: str, comment: Labelled, value: str) -> bool:
    return comment.sentiment == value if name == SENTIMENT else value in (comment.topics or ())


def _fit(name: str, features: Any, labels: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return intercepts (k,) and coefficients (v, k)."""
    from sklearn.linear_model import LogisticRegression

    def regression() -> LogisticRegression:
        return LogisticRegression(C=RIDGE_C, tol=1e-8, max_iter=2000)

    if name == SENTIMENT:
        classes = np.argmax(np.stack(list(labels.values())), axis=0)
        model = regression().fit(features, classes)
        if len(labels) == 2:  # scikit-learn gives the second's log odds against the first
            half = model.intercept_[0] / 2, model.coef_[0] / 2
            return np.array([-half[0], half[0]]), np.stack([-half[1], half[1]], axis=1)
        return model.intercept_, model.coef_.T
    fitted = [regression().fit(features, has) for has in labels.values()]
    return np.array([m.intercept_[0] for m in fitted]), np.stack([m.coef_[0] for m in fitted], axis=1)
