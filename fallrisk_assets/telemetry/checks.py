"""Checks across the telemetry tables: what was received and what became of it add up.

Here: the Dagster side of the law of conservation. Not here: a single table's contract.
"""

from collections.abc import Sequence

import dagster as dg
import pyarrow.compute as pc

from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import hourly
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)

CONSERVATION = "every_line_is_accounted_for"


def line_balances(lake: Lake, keys: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return what each hour received and what became of it, each counted in its own table.

    Raises:
        MissingPartition: a table has nothing published for an hour.
    """
    balances = {
        key: {"received": 0, "clean": entry.rows, "duplicates": 0, "quarantined": 0}
        for key, entry in lake.ledger.get_all(Telemetry, keys).items()
    }
    for file in lake.files(TelemetryDrops, keys):
        index = lake.read_file(TelemetryDrops, file, columns=["rows", "unplaceable"])
        balances[file.key]["received"] += pc.sum(index["rows"]).as_py() + pc.sum(index["unplaceable"]).as_py()
    for file in lake.files(DeviceHourCoverage, keys):
        coverage = lake.read_file(DeviceHourCoverage, file, columns=["duplicate_lines"])
        balances[file.key]["duplicates"] += pc.sum(coverage["duplicate_lines"]).as_py()
    for file in lake.files(TelemetryQuarantine, keys):
        refused = lake.read_file(TelemetryQuarantine, file, columns=["line_number"])
        balances[file.key]["quarantined"] += pc.sum(pc.greater(refused["line_number"], 0)).as_py()
    return balances


def lost_lines(balance: dict[str, int]) -> int:
    """Return received lines that are neither clean nor duplicate nor quarantined (negative: too many)."""
    return balance["received"] - balance["clean"] - balance["duplicates"] - balance["quarantined"]


@dg.asset_check(
    asset="telemetry",
    name=CONSERVATION,
    partitions_def=hourly,
    blocking=True,
    additional_deps=["raw_telemetry", "telemetry_quarantine", "device_hour_coverage"],
    description="Lines received are clean samples, duplicates or quarantined lines: none is lost.",
    required_resource_keys={"lake"},
)
def lines_are_conserved(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Add up four tables of each hour of the run."""
    lake: Lake = context.resources.lake
    run = context.op_execution_context
    balances = line_balances(lake, list(run.partition_keys))
    lost = {key: lost_lines(balance) for key, balance in balances.items()}
    if not run.has_partition_key:  # a range: its own result would be recorded without a partition
        for key, balance in balances.items():
            run.log_event(
                dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                    asset_key=dg.AssetKey("telemetry"),
                    check_name=CONSERVATION,
                    passed=lost[key] == 0,
                    metadata={"verdict": _sentence(balance), **balance},
                    partition=key,
                    blocking=True,
                )
            )
    total = {name: sum(b[name] for b in balances.values()) for name in next(iter(balances.values()))}
    wrong = {key: n for key, n in lost.items() if n}
    return dg.AssetCheckResult(
        passed=not wrong,
        metadata={
            "verdict": _sentence(total),
            **(total if run.has_partition_key else {}),  # sums of a range would dwarf the plots by hour
            "hours that do not add up": ", ".join(wrong) or "none",
        },
    )


def _sentence(balance: dict[str, int]) -> str:
    lost = lost_lines(balance)
    parts = " + ".join(f"{balance[name]:,} {name}" for name in ("clean", "duplicates", "quarantined"))
    verdict = "nothing is lost" if lost == 0 else f"{lost:,} lines are unaccounted for"
    return f"{balance['received']:,} lines received = {parts}: {verdict}."
