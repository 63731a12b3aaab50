"""Labelled comments of the simulator, from which the versions that ship are trained.

Here: how many, always the same. Not here: their sentences (`simulator.labelled_comments`), which is imported
where it is used: it is no part of what judges comments.
"""

from dataclasses import dataclass

from fallrisk_assets.clinic.feedback_text.labelled import Labelled


@dataclass(frozen=True, slots=True)
class Simulation:
    """How much is simulated."""

    comments: int = 6000
    people: int = 1500
    seed: int = 20_260_321


def simulated_comments(settings: Simulation) -> list[Labelled]:
    """Return comments whose judged part is worded in sentences that the other part does not have."""
    from simulator.labelled_comments import draw_comments

    made = draw_comments(settings.comments, settings.people, settings.seed)
    return [
        Labelled(
            f"comment {number:06d}",
            one.text,
            one.person,
            one.sentiment,
            frozenset(one.topics),
            one.rating,
            unseen=one.unseen,
        )
        for number, one in enumerate(made, start=1)
    ]
