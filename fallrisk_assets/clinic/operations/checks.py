"""Checks across the tables of the clinic's operations: what was received and what became of it add up.

Here: the Dagster side of the law of conservation, drop by drop. Not here: a single table's contract.
"""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentRecords,
    ClinicDrops,
    Feedback,
    OperationsQuarantine,
    Providers,
)
from fallrisk_assets.contract import ContractType
from fallrisk_assets.event_log import written_together
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import daily

CONSERVATION = "every_line_of_a_drop_is_accounted_for"
_TOLD: tuple[ContractType, ...] = (
    Providers,
    AppointmentEvents,
    AppointmentRecords,
    Feedback,
    OperationsQuarantine,
)


def lost_lines(lake: Lake, key: str) -> dict[str, int]:
    """Return, by drop of a day, lines that are in no table (negative: too many).

    Drops that add up are left out. Clean and refused lines are counted in their own tables, not taken from
    the drop's row.

    Raises:
        MissingPartition: a table has nothing published for the day.
    """
    balance: Counter[str] = Counter()
    for drop in lake.read(ClinicDrops, [key]).to_pylist():
        gone = drop["duplicate_lines"] + drop["superseded_lines"]
        balance[drop["file"]] += drop["received_lines"] - gone
    for model in _TOLD:
        balance.subtract(Counter(lake.read(model, [key], columns=["file"])["file"].to_pylist()))
    return {file: lost for file, lost in sorted(balance.items()) if lost}


@dg.asset_check(
    asset="clinic_drops",
    name=CONSERVATION,
    partitions_def=daily,
    blocking=True,
    additional_deps=[
        "operations_quarantine",
        "providers",
        "appointment_events",
        "appointment_records",
        "feedback",
    ],
    description="Lines of a drop are in a table, duplicates, superseded or quarantined: none is lost.",
    required_resource_keys={"lake"},
)
def drops_are_conserved(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Add up the tables of each day of the run, drop by drop."""
    lake: Lake = context.resources.lake
    run = context.op_execution_context
    lost = {key: lost_lines(lake, key) for key in run.partition_keys}
    if not run.has_partition_key:  # a range: its own result would be recorded without a partition
        with written_together(context.instance):
            for key, of_day in lost.items():
                run.log_event(
                    dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                        asset_key=dg.AssetKey("clinic_drops"),
                        check_name=CONSERVATION,
                        passed=not of_day,
                        metadata={"verdict": _sentence([of_day])},
                        partition=key,
                        blocking=True,
                    )
                )
    return dg.AssetCheckResult(
        passed=not any(lost.values()), metadata={"verdict": _sentence(list(lost.values()))}
    )


def _sentence(lost: Sequence[dict[str, int]]) -> str:
    wrong = [f"{file}: {n:+,}" for of_day in lost for file, n in of_day.items()]
    return f"Lines unaccounted for: {', '.join(wrong)}." if wrong else "Every line is accounted for."
