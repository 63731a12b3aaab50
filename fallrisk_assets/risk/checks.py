"""Checks of the 12-month index: does it add up, is it steady, are the patients those that it was made for.

Here: verdicts and the Dagster side. Not here: what is measured (`index_evaluation.py`, `drift.py`). They are
for those who answer for the model and only warn: no day is kept from anybody. They are declared blocking
because that makes what comes after them, the page that shows them, wait.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from fallrisk_assets.alerts.rules import IndexThresholds
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import daily
from fallrisk_assets.risk.contract import FallIndexEvaluation
from fallrisk_assets.risk.drift import INDEX, LEAST_PEOPLE, Shift, shifts
from fallrisk_assets.risk.index_assets import scored_people
from fallrisk_assets.risk.index_evaluation import PATIENT_DAYS, SYNTHETIC_PEOPLE
from fallrisk_assets.risk.index_model import MOST_PLAUSIBLE_AUC

ADDS_UP = "the_index_adds_up_as_it_was_made"
STEADY = "an_unchanged_person_raises_no_alert"
SAME_PEOPLE = "the_patients_are_those_of_the_reference"

#: Against synthetic falls the whole interval of 4,000 people must touch these.
SLOPE_RANGE = (0.85, 1.15)
IN_THE_LARGE_RANGE = (-0.1, 0.1)
LEAST_AUC = 0.60


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of a check on a day, in words, and its numbers."""

    passed: bool
    sentence: str
    numbers: Mapping[str, float | int]


Rows = Sequence[Mapping[str, Any]]


def arithmetic_verdict(rows: Rows) -> Verdict:
    """Judge the index against synthetic falls.

    Args:
        rows: Rows of `fall_index_evaluation` of a day.
    """
    found = {r["measure"]: r for r in rows if r["cohort"] == SYNTHETIC_PEOPLE and r["part"] == "all"}
    wrong = []
    for measure, (low, high) in (
        ("calibration_slope", SLOPE_RANGE),
        ("calibration_in_the_large", IN_THE_LARGE_RANGE),
        ("auc", (LEAST_AUC, MOST_PLAUSIBLE_AUC)),
    ):
        row = found.get(measure)
        if row is None or row["value"] is None:
            wrong.append(f"{measure} was not measured")
        elif not low <= row["value"] <= high:
            wrong.append(f"{measure} is {row['value']:.3f}, not {low:g} to {high:g}")
    numbers = {name: row["value"] for name, row in sorted(found.items()) if row["value"] is not None}
    said = "; ".join(wrong) or "calibration and discrimination on synthetic falls are as they were made"
    return Verdict(not wrong, f"{said}. Synthetic: this validates nothing.", numbers)


def steadiness_verdict(rows: Rows) -> Verdict:
    """Judge whether two days of an unchanged person differ by less than what alerts call a change."""
    limit = IndexThresholds().change
    (row,) = [r for r in rows if r["cohort"] == PATIENT_DAYS and r["measure"] == "detectable_change"]
    if row["value"] is None:
        return Verdict(True, f"Not judged: {row['reason']} ({row['people']} patients).", {})
    passed = row["value"] <= limit
    said = "below" if passed else "above"
    sentence = (
        f"Two days of an unchanged person differ by up to {row['value']:.3f}, {said} the change of {limit:g} "
        f"that alerts ({row['people']} patients, {row['events']} days)."
    )
    return Verdict(passed, sentence, {"detectable change": row["value"], "limit": limit})


def population_verdict(found: Sequence[Shift]) -> Verdict:
    """Judge a day's shifts against the reference."""
    judged = [shift for shift in found if shift.size is not None]
    people = max((shift.known for shift in found), default=0)
    if not judged:
        return Verdict(
            True, f"Not judged: {people} patients, fewer than {LEAST_PEOPLE}.", {"patients": people}
        )
    moved = [f"{s.feature} ({s.size:+.2f})" for s in judged if s.shifted]
    few = [s.feature for s in found if s.size is None]
    sentence = (
        f"{len(moved)} of {len(judged)} features are not as in the reference: {', '.join(moved)}."
        if moved
        else f"{len(judged)} features are as in the reference."
    )
    if few:
        sentence += f" Known of too few to judge: {', '.join(few)}."
    numbers: dict[str, float | int] = {"patients": people, "shifted features": len(moved)}
    numbers |= {s.feature: round(s.size, 3) for s in judged if s.size is not None}
    numbers |= {f"{s.feature}: unknown": round(s.unknown, 3) for s in found if s.feature != INDEX}
    return Verdict(not moved, sentence, numbers)


def _report(
    context: dg.AssetCheckExecutionContext,
    asset: str,
    check: str,
    judge: Callable[[str], Verdict],
) -> dg.AssetCheckResult:
    """Judge each day of the run; in a range also record each, for its own result would have no partition."""
    run = context.op_execution_context
    verdicts = {key: judge(key) for key in run.partition_keys}
    if not run.has_partition_key:
        for key, verdict in verdicts.items():
            run.log_event(
                dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                    asset_key=dg.AssetKey(asset),
                    check_name=check,
                    passed=verdict.passed,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"verdict": verdict.sentence, **verdict.numbers},
                    partition=key,
                    description=verdict.sentence,
                    blocking=True,
                )
            )
    failed = {key: verdict for key, verdict in verdicts.items() if not verdict.passed}
    newest = verdicts[max(verdicts)]
    shown = newest if run.has_partition_key or not failed else failed[max(failed)]
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=shown.sentence,
        metadata={
            "verdict": shown.sentence,
            **(shown.numbers if run.has_partition_key else {}),
            "days that fail": ", ".join(sorted(failed)) or "none",
        },
    )


@dg.asset_check(
    asset="fall_index_evaluation",
    name=ADDS_UP,
    partitions_def=daily,
    blocking=True,
    description="Against synthetic falls the index is calibrated and discriminates as it was made to.",
    required_resource_keys={"lake"},
)
def index_adds_up(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Look at the synthetic rows of each day."""
    lake: Lake = context.resources.lake
    return _report(
        context,
        "fall_index_evaluation",
        ADDS_UP,
        lambda key: arithmetic_verdict(lake.read(FallIndexEvaluation, [key]).to_pylist()),
    )


@dg.asset_check(
    asset="fall_index_evaluation",
    name=STEADY,
    partitions_def=daily,
    blocking=True,
    description="Two days of an unchanged person differ by less than the change that alerts.",
    required_resource_keys={"lake"},
)
def index_is_steady(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Look at the stability of each day."""
    lake: Lake = context.resources.lake
    return _report(
        context,
        "fall_index_evaluation",
        STEADY,
        lambda key: steadiness_verdict(lake.read(FallIndexEvaluation, [key]).to_pylist()),
    )


@dg.asset_check(
    asset="fall_risk_index",
    name=SAME_PEOPLE,
    partitions_def=daily,
    blocking=True,
    additional_deps=["daily_gait", "patients"],
    description="The day's patients, their gait and their index are distributed as in the model's reference.",
    required_resource_keys={"lake"},
)
def patients_are_those_of_the_reference(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Compare each day's scored patients with the frozen reference."""
    lake: Lake = context.resources.lake
    return _report(
        context,
        "fall_risk_index",
        SAME_PEOPLE,
        lambda key: population_verdict(shifts(scored_people(lake, key))),
    )
