"""Is anything broken that nobody repaired? Partitions that failed and were never made again.

What belongs here: checks on the platform itself. What does not: checks on data.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

PLATFORM_HEALTH = "platform_health"
NO_FAILED_PARTITION = "no_failed_partition_is_left"


def failed_partitions(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions_def: dg.PartitionsDefinition
) -> list[str]:
    """Return partitions of an asset whose last attempt failed, sorted."""
    keys = partitions_def.get_partition_keys()
    statuses = instance.get_status_by_partition(key, keys, partitions_def) or {}
    return sorted(k for k, status in statuses.items() if status == AssetPartitionStatus.FAILED)


def failed_partition_checks(assets: Iterable[dg.AssetsDefinition]) -> dg.AssetChecksDefinition:
    """Return one check for each partitioned asset: none of its partitions failed and stayed so."""
    specs: dict[dg.AssetKey, dg.AssetSpec] = {
        spec.key: spec
        for definition in assets
        for spec in definition.specs
        if spec.partitions_def is not None
    }

    @dg.multi_asset_check(
        name="look_for_failed_partitions",
        specs=[
            dg.AssetCheckSpec(
                NO_FAILED_PARTITION,
                asset=key,
                description="Every partition whose last attempt failed has been made again since.",
            )
            for key in specs
        ],
        can_subset=True,
    )
    def platform_health(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Look through the status of every partition."""
        for chosen in sorted(context.selected_asset_check_keys, key=lambda k: k.asset_key.path):
            spec = specs[chosen.asset_key]
            assert spec.partitions_def is not None
            failed = failed_partitions(context.instance, spec.key, spec.partitions_def)
            yield dg.AssetCheckResult(
                asset_key=spec.key,
                check_name=NO_FAILED_PARTITION,
                passed=not failed,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "verdict": _sentence(spec.key, failed),
                    "failed partitions": len(failed),
                    "which": ", ".join(failed[:20]) or "none",
                },
            )

    return platform_health


def _sentence(key: dg.AssetKey, failed: Sequence[str]) -> str:
    if not failed:
        return f"No partition of {key.to_user_string()} waits for repair."
    return f"{len(failed)} partitions of {key.to_user_string()} failed and were never made again."


def health_job(checks: dg.AssetChecksDefinition) -> Any:
    """Return the job that runs the checks."""
    return dg.define_asset_job(
        PLATFORM_HEALTH,
        selection=dg.AssetSelection.checks(checks),
        executor_def=dg.in_process_executor,
        description="Lists partitions that failed and were never repaired.",
    )


def error_class(event: dg.DagsterEvent) -> str:
    """Return the class of the error at the root of a failed step."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.cls_name or "error" if error is not None else "error"
