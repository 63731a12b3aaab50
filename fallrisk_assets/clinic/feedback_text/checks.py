"""The text models' gates as blocking checks: what people see in the UI, and what stops the job.

Here: the Dagster side. Not here: what a gate asks (`gates.py`), promotion, which asks the gates anew.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from fallrisk_assets.clinic.feedback_text import gates
from fallrisk_assets.clinic.feedback_text.contract import FeedbackTextEvaluation
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.checks import verdict_check
from fallrisk_assets.models.gates import Row, Verdict
from fallrisk_assets.models.registry import registry_of


def _gate(
    name: str, description: str, ask: Callable[[Sequence[Row], str, str], Verdict]
) -> dg.AssetChecksDefinition:
    def judge(lake: Lake, key: str) -> Verdict:
        rows = lake.read(FeedbackTextEvaluation, [key]).to_pylist()
        found = [
            (model, ask(rows, model, registry_of(lake, model).in_use()))
            for model in sorted({row["model"] for row in rows})
        ]
        lines = tuple(f"{model}: {line}" for model, verdict in found for line in verdict.found)
        return Verdict(name, bool(found) and all(verdict.passed for _, verdict in found), lines)

    return verdict_check("feedback_text_evaluation", name, description, judge)


feedback_text_gates = [
    _gate(
        f"feedback_text_{gates.NOBODY}",
        "Each word that a version knows was written by several people: none tells of one person.",
        lambda rows, model, _: gates.no_word_is_one_persons(rows, model),
    ),
    _gate(
        f"feedback_text_is_{gates.BETTER}",
        "A version tells more than the most frequent answer does, and of most comments.",
        lambda rows, model, _: gates.better_than_guessing(rows, model),
    ),
    _gate(
        f"feedback_text_{gates.CALIBRATED}",
        "Of the answers with a probability of 0.8, about eight in ten are right.",
        lambda rows, model, _: gates.calibrated(rows, model),
    ),
    _gate(
        f"feedback_text_is_{gates.NOT_WORSE}",
        "On the same comments a version is no worse than the one in use, beyond a margin.",
        gates.not_worse,
    ),
]
