"""The text models' cards: what they are for and made from, how good they are, where not to trust them.

Here: Markdown from an artefact and evaluation rows (after Mitchell et al., FAT* 2019, Model cards for model
reporting). Not here: the figures themselves.
"""

import json
from collections.abc import Sequence

import numpy as np

from fallrisk_assets.clinic.feedback_text.gates import (
    CANDIDATE,
    better_than_guessing,
    calibrated,
    no_word_is_one_persons,
)
from fallrisk_assets.clinic.feedback_text.model import (
    LEAST_KNOWN_SHARE,
    NAMES,
    SENTIMENT,
    TITLES,
    TextModel,
    released,
    shipped,
)
from fallrisk_assets.clinic.feedback_text.releasing import released_evaluation
from fallrisk_assets.clinic.feedback_text.training import LEAST_PEOPLE
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED
from fallrisk_assets.models.gates import Row

_SHOWN_WORDS = 8
_TASK = {
    SENTIMENT: "In which tone a comment was written: negative, neutral (neither, or both), positive.",
}
_ENDS = " The label ends when it is evaluated on a supplied set of labelled comments."
_OTHER_TASK = "What a comment is about; several topics can hold, or none."


def text_card(artefact: str, evaluation: Sequence[Row]) -> str:
    """Return the card of a version.

    Args:
        artefact: The artefact's text.
        evaluation: Rows of `FeedbackTextEvaluation` with the version as candidate; empty if nobody judged it.

    Raises:
        ArtefactDamaged: the artefact is not whole.
    """
    model, content = TextModel.from_json(artefact), json.loads(artefact)
    mine = [row for row in evaluation if row["role"] == CANDIDATE and row["model_version"] == model.version]
    told = {k: v for k, v in content["training"].items() if k != "basis"}
    return "\n".join(
        [
            f"# {TITLES[model.name]}: `{model.version}`",
            "",
            f"**This version was {model.basis}.**{_ENDS if model.basis == ON_SIMULATED else ''}",
            "",
            f"**Intended use.** {_TASK.get(model.name, _OTHER_TASK)} For counting over many comments, "
            "and for finding those that somebody should read.",
            "",
            "**Not for.** Judging a single person, patient or provider; replacing the reading of a "
            "complaint; standing in for a rating, from which it is never made and which it never makes.",
            "",
            "**Words.** Single words and pairs of them. Addresses, numbers, what stands behind a title and "
            "capitalised words inside a sentence are not seen; a word is known only if at least "
            f"{LEAST_PEOPLE} different people wrote it. Of several people's common name in lower case this "
            "does not protect.",
            "",
            f"**Limits.** English. A comment of which less than {LEAST_KNOWN_SHARE:.0%} of the words are "
            "known is NOT_SCORED. Irony, and a negation further off than one word, are not understood.",
            "",
            "## Made from",
            "",
            *(f"- {name.replace('_', ' ')}: {_plain(value)}" for name, value in told.items()),
            f"- parameters sha256: `{content['parameters_sha256']}`",
            "",
            "| class | words that speak most for it |",
            "|---|---|",
            *(
                f"| {name.replace('_', ' ')} | {_strongest(model, at)} |"
                for at, name in enumerate(model.classes)
            ),
            "",
            "## How good it is, on comments that it did not learn from",
            "",
            *(
                _figures(mine, model.name)
                if mine
                else ["Nobody has judged this version: no evaluation is on record."]
            ),
            "",
        ]
    )


def released_text_card(name: str) -> str:
    """Return the card of the version of a model that ships with the package."""
    version = released(name).version
    return text_card(shipped(name)[version], released_evaluation(version))


def released_text_cards() -> list[str]:
    """Return the cards of both models' versions that ship."""
    return [released_text_card(name) for name in NAMES]


def _strongest(model: TextModel, at: int) -> str:
    words = list(model.index)
    order = np.argsort(-model.coefficients[:, at] * model.idf, kind="stable")
    return ", ".join(words[place] for place in order[:_SHOWN_WORDS])


def _figures(rows: Sequence[Row], model: str) -> list[str]:
    gates = [ask(rows, model) for ask in (no_word_is_one_persons, better_than_guessing, calibrated)]
    whose = "simulated comments" if rows[0]["source"] == "simulated" else "a supplied set"
    return [
        f"Judged on {whose}.",
        "",
        "| figure | of | value | 95 % interval | n |",
        "|---|---|---:|---|---:|",
        *(
            f"| {row['metric'].replace('_', ' ')} | {row['subgroup'].replace('_', ' ')} | {row['value']:.3f} "
            f"| {row['lower']:.3f} to {row['upper']:.3f} | {row['n']} |"
            for row in rows
        ),
        "",
        "Gates:",
        "",
        *(f"- {v.gate.replace('_', ' ')}: {'passed' if v.passed else 'REFUSED'}" for v in gates),
    ]


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {inner}" for name, inner in value.items())
    return str(value)
