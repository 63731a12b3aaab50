"""How good a version of a text model is on comments that it did not learn from: figures with intervals.

Here: what is measured. Not here: what is good enough (`gates.py`), the estimators (`risk`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallrisk_assets.clinic.feedback_text.labelled import Labelled, held_out, writers
from fallrisk_assets.clinic.feedback_text.model import SAID_FROM, SENTIMENT, TextModel
from fallrisk_assets.clinic.feedback_text.training import labelled_for
from fallrisk_assets.risk.metrics import bootstrap_of, wilson_interval

ALL = "all"
MACRO_F1 = "macro_f1"
GUESSED_F1 = "macro_f1_of_the_most_frequent_answer"
PRECISION, RECALL = "precision", "recall"
CALIBRATION = "expected_calibration_error"
JUDGED_SHARE = "judged_share"
RATING_CORRELATION = "rank_correlation_with_the_rating"
FEWEST_PEOPLE = "fewest_people_of_an_ngram"
METRICS = (
    MACRO_F1,
    GUESSED_F1,
    PRECISION,
    RECALL,
    CALIBRATION,
    JUDGED_SHARE,
    RATING_CORRELATION,
    FEWEST_PEOPLE,
)
_BINS = 10


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure; the columns of `FeedbackTextEvaluation`."""

    subgroup: str
    metric: str
    value: float
    lower: float
    upper: float
    n: int


def measures(comments: Sequence[Labelled], model: TextModel, training: dict[str, Any]) -> list[Measure]:
    """Judge a version on the held-out part of labelled comments.

    Args:
        comments: All of them; the split is that of the training.
        model: The version.
        training: What its artefact tells of its training.

    Returns:
        The share that it can judge, and of those: mean F1 over the classes beside that of always giving the
        most frequent answer (intervals over people), precision and recall of each class, expected
        calibration error (Naeini et al., AAAI 2015, 29:2901) of the answer given, and for a sentiment its
        rank correlation with the rating of the same person. A figure that the comments do not allow is left
        out.
    """
    chosen = [c for c, mine in zip(comments, held_out(comments), strict=True) if mine]
    told = labelled_for(model.name, chosen)
    can = [model.can_judge(c.text) for c in told]
    judged = [c for c, ok in zip(told, can, strict=True) if ok]
    found = [_exact(ALL, FEWEST_PEOPLE, float(training[FEWEST_PEOPLE]), int(training["people"]))]
    if not judged:
        return found
    found.append(_share(ALL, JUDGED_SHARE, len(judged), len(told)))
    said_p = model.probabilities([c.text for c in judged])
    seen, said = _seen(judged, model), _said(said_p, model)
    who = writers(judged)
    for metric, answer in ((MACRO_F1, said), (GUESSED_F1, _most_frequent(seen, model))):
        value = macro_f1(answer, seen)
        lower, upper = bootstrap_of(macro_f1, who, answer, seen)
        found.append(Measure(ALL, metric, value, min(lower, value), max(upper, value), len(judged)))
    for at, name in enumerate(model.classes):
        right = int((said[:, at] & seen[:, at]).sum())
        for metric, of in ((PRECISION, int(said[:, at].sum())), (RECALL, int(seen[:, at].sum()))):
            if of:
                found.append(_share(name, metric, right, of))
    found += _calibration(said_p, said, seen, model, who)
    if model.name == SENTIMENT:
        found += _against_rating(judged, said)
    return found


def macro_f1(said: np.ndarray, seen: np.ndarray) -> float:
    """Return the mean over k classes of 2·right / (said + seen); a class that is neither counts nowhere.

    Args:
        said: Which classes were given, shape (n, k).
        seen: Which hold, shape (n, k).
    """
    right, total = (said & seen).sum(axis=0), said.sum(axis=0) + seen.sum(axis=0)
    present = total > 0
    return float((2 * right[present] / total[present]).mean()) if present.any() else float("nan")


def _seen(comments: Sequence[Labelled], model: TextModel) -> np.ndarray:
    if model.name == SENTIMENT:
        return np.array([[c.sentiment == k for k in model.classes] for c in comments], bool)
    return np.array([[k in (c.topics or ()) for k in model.classes] for c in comments], bool)


def _said(probabilities: np.ndarray, model: TextModel) -> np.ndarray:
    if model.name == SENTIMENT:
        return np.eye(len(model.classes), dtype=bool)[probabilities.argmax(axis=1)]
    return probabilities >= SAID_FROM


def _most_frequent(seen: np.ndarray, model: TextModel) -> np.ndarray:
    """What somebody says who knows the most frequent answer only: of topics, each that half of them have."""
    guess = seen.mean(axis=0) >= SAID_FROM
    if model.name == SENTIMENT or not guess.any():
        guess = np.eye(seen.shape[1], dtype=bool)[seen.mean(axis=0).argmax()]
    return np.tile(guess, (len(seen), 1))


def _calibration(
    p: np.ndarray, said: np.ndarray, seen: np.ndarray, model: TextModel, who: Sequence[str]
) -> Iterator[Measure]:
    if model.name == SENTIMENT:
        scores, right, people = p[said], seen[said].astype(float), list(who)
    else:
        scores, right = p.ravel(), seen.ravel().astype(float)
        people = [one for one in who for _ in model.classes]
    value = _calibration_error(scores, right)
    lower, upper = bootstrap_of(_calibration_error, people, scores, right)
    yield Measure(ALL, CALIBRATION, value, min(lower, value), max(upper, value), len(who))


def _calibration_error(scores: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(bins, scores, _BINS) - np.bincount(bins, right, _BINS)
    return float(np.abs(gap).sum() / len(scores))


def _against_rating(comments: Sequence[Labelled], said: np.ndarray) -> Iterator[Measure]:
    rated = np.array([c.rating is not None for c in comments], bool)
    ratings = np.array([c.rating or 0 for c in comments], float)[rated]
    tone = said.argmax(axis=1).astype(float)[rated]  # negative, neutral, positive
    value = rank_correlation(tone, ratings)
    if not np.isnan(value):
        people = [who for who, has in zip(writers(comments), rated, strict=True) if has]
        lower, upper = bootstrap_of(rank_correlation, people, tone, ratings)
        yield Measure(ALL, RATING_CORRELATION, value, min(lower, value), max(upper, value), len(ratings))


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation of n values (ties share their mean rank); NaN without spread."""
    ranks = [_ranks(values) for values in (first, second)]
    if len(first) < 3 or min(r.std() for r in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(np.stack(ranks))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _share(subgroup: str, metric: str, events: int, n: int) -> Measure:
    return Measure(subgroup, metric, events / n, *wilson_interval(events, n), n)


def _exact(subgroup: str, metric: str, value: float, n: int) -> Measure:
    return Measure(subgroup, metric, value, value, value, n)
