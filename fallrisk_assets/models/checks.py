"""The gates and the licence as blocking checks: what people see in the UI, and what stops the job.

Here: the Dagster side. Not here: what a gate asks (`gates.py`), promotion, which asks the gates anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from fallrisk_assets.lake import Lake
from fallrisk_assets.models.contract import FallDetectorEvaluation, FallTrainingSet
from fallrisk_assets.models.gates import (
    Row,
    Verdict,
    bearable_alarms,
    calibrated,
    not_worse,
    sensitive_and_specific,
)
from fallrisk_assets.models.kinds import FALL_DETECTOR
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import daily

LICENCE = "every_source_may_train_a_shipped_model"


def licence_verdict(lake: Lake, key: str) -> Verdict:
    """Whether each source of a day's training set lets a model out.

    Raises:
        MissingPartition: there is no training set of this day.
    """
    from fallrisk_assets.models.training_set import forbidden_sources

    rows = lake.read(FallTrainingSet, [key], columns=["source", "licence", "may_ship_model"])
    forbidden = forbidden_sources(rows)
    sources = sorted(set(zip(rows["source"].to_pylist(), rows["licence"].to_pylist(), strict=True)))
    said = [
        f"{name} ({licence}) may {'NOT ' if name in forbidden else ''}train a shipped model"
        for name, licence in sources
    ]
    return Verdict(LICENCE, bool(sources) and not forbidden, tuple(said))


@dataclass(frozen=True, slots=True)
class _Gate:
    name: str
    description: str
    ask: Callable[[Sequence[Row], str], Verdict]


_GATES = (
    _Gate(
        "falls_are_found_and_other_movements_are_not",
        "Sensitivity and specificity reach their floors, on people held out and on simulated wear.",
        lambda rows, _: sensitive_and_specific(rows),
    ),
    _Gate(
        "false_alarms_can_be_borne",
        "Ordinary wear raises at most one false alarm in a patient-week.",
        lambda rows, _: bearable_alarms(rows),
    ),
    _Gate(
        "probabilities_mean_what_they_say",
        "Of the recordings with a probability of a fall of 0.8, about eight in ten are falls.",
        lambda rows, _: calibrated(rows),
    ),
    _Gate(
        "no_worse_than_the_version_in_use",
        "No figure is worse than that of the version in use on the same data, beyond a margin.",
        not_worse,
    ),
)


def verdict_check(
    asset: str, name: str, description: str, judge: Callable[[Lake, str], Verdict]
) -> dg.AssetChecksDefinition:
    """Make a blocking check that judges each day of a run."""

    @dg.asset_check(
        asset=asset,
        name=name,
        partitions_def=daily,
        blocking=True,
        description=description,
        required_resource_keys={"lake"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        run = context.op_execution_context
        found = {key: judge(context.resources.lake, key) for key in run.partition_keys}
        if not run.has_partition_key:  # a range: its own result would be recorded without a partition
            for key, verdict in found.items():
                run.log_event(
                    dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                        asset_key=dg.AssetKey(asset),
                        check_name=name,
                        passed=verdict.passed,
                        metadata={"verdict": verdict.sentence()},
                        partition=key,
                        blocking=True,
                    )
                )
        lines = [f"- {line}" for verdict in found.values() for line in verdict.found]
        return dg.AssetCheckResult(
            passed=all(verdict.passed for verdict in found.values()),
            metadata={
                "verdict": "; ".join(verdict.sentence() for verdict in found.values()),
                "figures": dg.MetadataValue.md("\n".join(lines)),
            },
        )

    return check


def _gate(gate: _Gate) -> dg.AssetChecksDefinition:
    def judge(lake: Lake, key: str) -> Verdict:
        rows = lake.read(FallDetectorEvaluation, [key]).to_pylist()
        return gate.ask(rows, registry_of(lake, FALL_DETECTOR).in_use())

    return verdict_check("fall_detector_evaluation", gate.name, gate.description, judge)


licence_check = verdict_check(
    "fall_training_set",
    LICENCE,
    "The licence of each source allows shipping a model that was trained on it.",
    licence_verdict,
)
gate_checks = [_gate(gate) for gate in _GATES]
