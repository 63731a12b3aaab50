"""Keeping the lake small and fast: old snapshots expire, orphaned files go.

What belongs here: what may be forgotten, and when. What does not: retention of rows.

What a day ended with stays readable for the audit period; a file that neither a snapshot nor the ledger
names is what a killed run left behind.
"""

import datetime as dt

import dagster as dg
import pyarrow.fs as pafs

from fallrisk_assets.contract import ContractType
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.lake import Lake, tables

#: Snapshots younger than this can always be looked back to.
KEEP_SNAPSHOTS = dt.timedelta(days=30)
#: What each day ended with can be looked back to for this long.
AUDIT_PERIOD = dt.timedelta(days=730)
#: A file younger than this may belong to a run that has not committed yet.
ORPHAN_AGE = dt.timedelta(days=1)


def keep_for_audit(lake: Lake, model: ContractType, now: dt.datetime) -> list[str]:
    """Tag what each past day ended with, drop tags older than `AUDIT_PERIOD`; returns the new tags."""
    new = tables.tag_days(lake.table(model), now, AUDIT_PERIOD)
    tables.drop_old_tags(lake.table(model), now - AUDIT_PERIOD)
    return new


def expire_snapshots(lake: Lake, model: ContractType, now: dt.datetime) -> int:
    """Forget untagged snapshots older than `KEEP_SNAPSHOTS`; returns how many."""
    return tables.expire(lake.table(model), now - KEEP_SNAPSHOTS)


def orphans(lake: Lake, model: ContractType, now: dt.datetime) -> list[str]:
    """Return data files older than `ORPHAN_AGE` that neither a kept snapshot nor the ledger names."""
    folder = f"{lake.base}/{model.spec.namespace}/{model.spec.name}"
    selector = pafs.FileSelector(folder, allow_not_found=True, recursive=True)
    table = lake.table(model)
    named = {
        task.file.file_path.removeprefix("file://").removeprefix("s3://")
        for snapshot in table.metadata.snapshots
        for task in table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
    }
    named |= lake.vouched(model)
    newest_ns = int((now - ORPHAN_AGE).timestamp() * 1e9)
    return sorted(
        info.path
        for info in lake.filesystem.get_file_info(selector)
        if info.type == pafs.FileType.File
        and info.extension == "parquet"
        and info.path not in named
        and (info.mtime_ns or 0) < newest_ns
    )


@dg.op(required_resource_keys={"lake"})
def keep_lake_small(context: dg.OpExecutionContext) -> None:
    """Expire snapshots and delete orphaned files of every table."""
    lake: Lake = context.resources.lake
    now = dt.datetime.fromtimestamp(_now(context), dt.UTC)
    for model in all_contracts():
        if model.spec.namespace == "warehouse":
            continue
        keep_for_audit(lake, model, now)
        expired = expire_snapshots(lake, model, now)
        stray = orphans(lake, model, now)
        for path in stray:
            lake.filesystem.delete_file(path)
        context.log.info(
            "%s: %s snapshots expired, %s orphaned files", model.spec.identifier, expired, len(stray)
        )


def _now(context: dg.OpExecutionContext) -> float:
    """Return when the run was created: the only clock that maintenance needs."""
    record = context.instance.get_run_record_by_id(context.run_id)
    assert record is not None
    return record.create_timestamp.timestamp()


@dg.job(executor_def=dg.in_process_executor)
def lake_maintenance() -> None:
    """Expire old snapshots and remove what killed runs left behind."""
    keep_lake_small()
