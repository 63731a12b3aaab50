"""What the step that reads people's actions says about files that say nothing.

Belongs here: the check's spec and results. Does not belong here: reading the files (`assets`, `actions`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from fallrisk_assets.partitions import hourly

FILES_CHECK = "every_file_is_an_action"
_MOST_NAMED = 20
"""File names that a check shows; the counts are of all."""


def files_check(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the check that the reading step itself evaluates; it blocks nothing."""
    return dg.AssetCheckSpec(
        FILES_CHECK,
        asset=asset,
        blocking=False,
        partitions_def=hourly,
        description=(
            "Every file of the hour can be read as an action, and every file of the folder has a name that "
            "says its hour. What a person did in any other file counts for nothing: write the action again."
        ),
    )


def files_verdict(
    context: dg.AssetExecutionContext,
    asset_key: dg.AssetKey,
    refused: dict[str, list[str]],
    misnamed: Sequence[str],
) -> dg.AssetCheckResult:
    """The check's result; of a range also one for each hour.

    A misnamed file belongs to no hour, so every hour that is run names it until it is gone.

    Args:
        context: of the step that read the files.
        asset_key: the asset that they make.
        refused: names of the files that could not be read as actions, by hourly key, of all keys of the run.
        misnamed: names that say no hour.
    """
    if not context.has_partition_key:  # a range: its own result would be recorded without a partition
        for key, names in refused.items():
            context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=asset_key,
                    check_name=FILES_CHECK,
                    passed=not names and not misnamed,
                    severity=dg.AssetCheckSeverity.WARN,
                    metadata={"refused": len(names), "misnamed": len(misnamed), **_named(names, misnamed)},
                    partition=key,
                    blocking=False,
                )
            )
    everything = [name for names in refused.values() for name in names]
    counts = {"refused": len(everything), "misnamed": len(misnamed)}
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=FILES_CHECK,
        passed=not everything and not misnamed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            **(counts if context.has_partition_key else {}),  # sums of a range would dwarf the plots by hour
            **_named(everything, misnamed),
        },
    )


def _named(refused: Sequence[str], misnamed: Sequence[str]) -> dict[str, Any]:
    """The files in words: names only, for what is in them may be about somebody's health."""
    found = {"refused": refused, "misnamed": misnamed}
    lines = [f"- {what}: `{name}`" for what, names in found.items() for name in names[:_MOST_NAMED]]
    counted = ", ".join(f"{len(names)} {what}" for what, names in found.items())
    return {"verdict": counted, **({"files": dg.MetadataValue.md("\n".join(lines))} if lines else {})}
