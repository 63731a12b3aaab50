"""The set of labelled comments that a training reads: a supplied file, or simulated text.

Here: choosing and reading it, and its hash. Not here: what is learnt from it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fallrisk_assets.clinic.feedback_text.labelled import Labelled
from fallrisk_assets.clinic.feedback_text.labelled_file import WHAT_TO_DO, read_labelled_file
from fallrisk_assets.clinic.feedback_text.simulated import Simulation, simulated_comments
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED, ON_SUPPLIED, SIMULATED, SUPPLIED


class SetMissing(FileNotFoundError):
    """The file that was named is not there."""


class SetUnusable(ValueError):
    """The file that was named holds no labelled comment."""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Labelled comments of one origin.

    Attributes:
        source: One of `vocabulary.SOURCES`.
        comments: The comments.
        left_out: Line and reason of what was left out.
        sha256: Of everything, words included.
    """

    source: str
    comments: list[Labelled]
    left_out: list[tuple[int, str]]
    sha256: str

    @property
    def basis(self) -> str:
        """What a version is that is trained on it."""
        return ON_SUPPLIED if self.source == SUPPLIED else ON_SIMULATED


def read_set(place: str, simulation: Simulation) -> LabelledSet:
    """Read the set of labelled comments.

    Args:
        place: A labelled CSV; empty for simulated comments.
        simulation: How much is simulated then.

    Raises:
        SetMissing: there is no such file.
        SetUnusable: no line of it can be used; says the reasons, not the words.
    """
    if not place:
        comments = simulated_comments(simulation)
        digest = hashlib.sha256("\n".join(map(repr, _ordered(comments))).encode()).hexdigest()
        return LabelledSet(SIMULATED, comments, [], digest)
    path = Path(place)
    if not path.is_file():
        raise SetMissing(f"{place}: no such file; name a CSV of labelled comments")
    found = read_labelled_file(path.read_bytes())
    if not found.comments:
        reasons = sorted({reason for _, reason in found.left_out})
        said = "; ".join(f"{reason}: {WHAT_TO_DO[reason]}" for reason in reasons) or "it has no lines"
        raise SetUnusable(f"{place}: no labelled comment in it ({said})")
    return LabelledSet(SUPPLIED, found.comments, found.left_out, found.sha256)


def _ordered(comments: list[Labelled]) -> list[tuple]:
    return [
        (c.item, c.text, c.person, c.sentiment, sorted(c.topics or ()), c.rating, c.unseen) for c in comments
    ]
