"""Labelled comments: what a training learns from and is judged on.

Here: what a labelled comment is, and which side of the split it is on. Not here: where they come from
(`labelled_file.py`, `simulated.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from fallrisk_assets.clinic.feedback_text.words import tokens

LATER_SHARE = 0.3
"""About so many of the comments are judged, the others learnt from."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A comment with what people say that it says.

    Attributes:
        item: Where it stands: a line of a file, or a number of the simulation.
        text: Free text; never leaves the memory of a training.
        person: Who wrote it, as the file names them; None where it does not.
        sentiment: One of `vocabulary.SENTIMENTS`, None where nobody said.
        topics: Of `vocabulary.TOPICS`, none of them being an answer too; None where nobody said.
        rating: What the same person ticked, 1 to 5, None where not known: compared, never learnt from.
        written_on: Day, None where not known.
        date_flag: Why it is not, one of `dates.DATE_FLAGS`.
        unseen: Whether it is for judging by its making; None: the split decides.
    """

    item: str
    text: str
    person: str | None
    sentiment: str | None
    topics: frozenset[str] | None
    rating: int | None = None
    written_on: date | None = None
    date_flag: str | None = None
    unseen: bool | None = None


def writers(comments: Sequence[Labelled]) -> list[str]:
    """Return who wrote each comment: where nobody is named, equal words count as one person's."""
    return [c.person if c.person is not None else "text " + _said(c.text) for c in comments]


def held_out(comments: Sequence[Labelled]) -> np.ndarray:
    """Return which of n comments are judged, shape (n,).

    All comments of a person, and all comments of equal words, are on one side. The side follows from a hash,
    so that more comments move none of the others.
    """
    groups = _groups(comments)
    drawn = np.array([int(hashlib.sha256(g.encode()).hexdigest()[:8], 16) / 16**8 for g in groups], float)
    made = [c.unseen for c in comments]
    return np.array(
        [share < LATER_SHARE if one is None else one for share, one in zip(drawn, made, strict=True)], bool
    )


def _groups(comments: Sequence[Labelled]) -> list[str]:
    """Return one name for all comments that are joined by a person or by equal words."""
    parent: dict[str, str] = {}

    def root(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = one = parent[parent[one]]
        return one

    names = writers(comments)
    for name, comment in zip(names, comments, strict=True):
        first, second = sorted((root(name), root("text " + _said(comment.text))))
        parent[second] = first
    return [root(name) for name in names]


def _said(text: str) -> str:
    return hashlib.sha256(" ".join(tokens(text)).encode()).hexdigest()
