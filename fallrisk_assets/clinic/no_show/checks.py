"""The no-show model's gates as blocking checks: what people see in the UI, and what stops the job.

Here: the Dagster side. Not here: what a gate asks (`gates.py`), promotion, which asks the gates anew.
"""

from collections.abc import Callable, Sequence

import dagster as dg

from fallrisk_assets.clinic.no_show import gates
from fallrisk_assets.clinic.no_show.contract import NoShowEvaluation
from fallrisk_assets.clinic.no_show.model import NAME
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.checks import verdict_check
from fallrisk_assets.models.gates import Row, Verdict
from fallrisk_assets.models.registry import registry_of


def _gate(
    name: str, description: str, ask: Callable[[Sequence[Row], str], Verdict]
) -> dg.AssetChecksDefinition:
    def judge(lake: Lake, key: str) -> Verdict:
        return ask(lake.read(NoShowEvaluation, [key]).to_pylist(), registry_of(lake, NAME).in_use())

    return verdict_check("no_show_evaluation", name, description, judge)


no_show_gates = [
    _gate(
        gates.NO_LEAK,
        "Neither the model nor a fact by itself foretells so well that it must know the outcome.",
        lambda rows, _: gates.nothing_leaks(rows),
    ),
    _gate(
        gates.BETTER,
        "The model tells more than the lead time by itself, and than the mean rate.",
        lambda rows, _: gates.better_than_lead_time(rows),
    ),
    _gate(
        gates.CALIBRATED,
        "Of ten patients with a probability of 0.2, about two do not come.",
        lambda rows, _: gates.calibrated(rows),
    ),
    _gate(
        gates.NOT_WORSE,
        "On the same visits the version is no worse than the one in use, beyond a margin.",
        gates.not_worse,
    ),
]
