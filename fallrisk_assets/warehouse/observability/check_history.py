"""The latest outcome of each asset check for a day, from the history that Dagster keeps.

Belongs here: reading check evaluations of partitions and folding 24 hours into one sentence. Does
not belong here: what is checked. This is the only place that touches Dagster's event
storage, whose partition-aware part is a preview interface.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from fallrisk_assets.partitions import hours_of_day
from fallrisk_assets.warehouse.observability.data_quality import CheckOutcome

_PASSED = AssetCheckExecutionRecordStatus.SUCCEEDED
_FAILED = AssetCheckExecutionRecordStatus.FAILED


def day_outcomes(
    instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey], day: str
) -> list[CheckOutcome]:
    """Return the outcome of each check for a day.

    Args:
        instance: whose event storage is read.
        checks: the checks, hourly or daily.
        day: daily partition key; an hourly check is folded over the day's hours.

    Returns:
        One outcome a check, sorted by asset and name: failed when any partition's latest run failed,
        passed when at least one passed and none failed, None when it has not run for the day.
    """
    keys = sorted(checks, key=lambda key: (key.asset_key.to_user_string(), key.name))
    partitions = [*hours_of_day(day), day]
    found: dict[dg.AssetCheckKey, dict[str, AssetCheckExecutionRecordStatus | None]] = defaultdict(dict)
    if keys:
        storage = instance.event_log_storage
        for info in storage.get_asset_check_partition_info(keys, partition_keys=partitions):
            if info.partition_key is not None:
                found[info.check_key][info.partition_key] = info.latest_execution_status
    return [_outcome(instance, key, found[key]) for key in keys]


def _outcome(
    instance: dg.DagsterInstance,
    key: dg.AssetCheckKey,
    by_partition: dict[str, AssetCheckExecutionRecordStatus | None],
) -> CheckOutcome:
    failed = sorted(p for p, status in by_partition.items() if status == _FAILED)
    passed = sorted(p for p, status in by_partition.items() if status == _PASSED)
    table = key.asset_key.to_user_string()
    if not failed and not passed:
        return CheckOutcome(table, key.name, None, "ERROR", "")
    severity, sentence = _latest(instance, key, (failed or passed)[-1])
    return CheckOutcome(table, key.name, not failed, severity, _fold(failed, passed, sentence))


def _latest(instance: dg.DagsterInstance, key: dg.AssetCheckKey, partition: str) -> tuple[str, str]:
    """Return severity and sentence of the newest evaluation of a partition."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, partition_filter=PartitionKeyFilter(key=partition)
    )
    for record in records:
        event = record.event.dagster_event if record.event else None
        evaluation = event.event_specific_data if event else None
        if isinstance(evaluation, dg.AssetCheckEvaluation):
            return evaluation.severity.value, evaluation.description or ""
    return "ERROR", ""


def _fold(failed: Sequence[str], passed: Sequence[str], sentence: str) -> str:
    total = len(failed) + len(passed)
    if total == 1:
        return sentence
    if failed:
        return f"{len(failed)} of {total} hours failed: {', '.join(failed)}. The last: {sentence}".strip()
    return f"{total} hours passed. The last: {sentence}".strip()
