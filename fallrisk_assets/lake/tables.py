"""Iceberg tables of contracts: create, replace slices in one commit, list files, look back.

What belongs here: everything that speaks to pyiceberg. What does not: validation and the ledger.
"""

import datetime as dt
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.conversions import to_bytes
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError
from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThan,
    Or,
)
from pyiceberg.manifest import DataFile as IcebergDataFile
from pyiceberg.manifest import DataFileContent, FileFormat
from pyiceberg.table import ManifestGroupPlanner, TableProperties, Transaction
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import update_table_metadata
from pyiceberg.typedef import Record

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.partitions import hour_key, window_of
from fallrisk_assets.schemas import iceberg_partition_spec, iceberg_schema

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_COMMIT_ATTEMPTS = 4
"""Each is pyiceberg's own retries, by the table's properties: twenty requests in some seconds at most."""
_SECOND_HALF = "fallrisk.second-half"

# Emptying a partition that is empty already is no news.
warnings.filterwarnings("ignore", message="Delete operation did not match any records")
_TABLE_PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "commit.retry.num-retries": "4",
    "commit.retry.max-wait-ms": "2000",
}


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a table: where it is, which partition and device bucket it holds, how many rows."""

    path: str
    key: str
    bucket: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file about to become part of a table: its address, what it holds, and its size in bytes."""

    uri: str
    key: str
    bucket: int | None
    rows: int
    size: int


def open_table(catalog: Catalog, model: ContractType) -> IcebergTable:
    """Load a table, creating it (and its namespace) from the contract where it does not exist."""
    identifier = model.spec.identifier
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        pass
    try:
        catalog.create_namespace(model.spec.namespace)
    except NamespaceAlreadyExistsError:
        pass
    return catalog.create_table_if_not_exists(
        identifier,
        iceberg_schema(model),
        partition_spec=iceberg_partition_spec(model),
        properties={**_TABLE_PROPERTIES, "comment": (model.__doc__ or "").strip().splitlines()[0]},
    )


def evolve(table: IcebergTable, model: ContractType) -> IcebergTable:
    """Add columns that the contract has gained, and let be null what may be now.

    An incompatible change is refused by pyiceberg.
    """
    # By name: a catalog numbers the columns of a new table itself.
    required = {field.name: field.required for field in table.schema().fields}
    if all(f.name in required and not (f.nullable and required[f.name]) for f in arrow_schema(model)):
        return table
    with table.update_schema() as update:
        update.union_by_name(iceberg_schema(model))
    return table.refresh()


def slice_filter(
    model: ContractType, keys: Sequence[str], buckets: Iterable[int] | None
) -> BooleanExpression:
    """Return the predicate of whole partitions (and device buckets): contiguous keys become one range."""
    column = model.spec.slice_column
    predicate: BooleanExpression = AlwaysTrue()
    if column is not None:
        spans: list[list[dt.datetime]] = []
        for start, end in sorted(window_of(k) for k in keys):
            if spans and spans[-1][1] == start:
                spans[-1][1] = end
            else:
                spans.append([start, end])
        ranges: list[BooleanExpression] = []
        for start, end in spans:
            if model.spec.slicing == "hour":
                low, high = start.isoformat(), end.isoformat()
            else:
                low, high = start.date().isoformat(), end.date().isoformat()
            ranges.append(And(GreaterThanOrEqual(column, low), LessThan(column, high)))
        predicate = ranges[0] if len(ranges) == 1 else Or(*ranges)
    if buckets is not None:
        chosen = sorted(set(buckets))
        one = EqualTo("device_bucket", chosen[0]) if len(chosen) == 1 else In("device_bucket", chosen)
        predicate = And(predicate, one)
    return predicate


def list_files(
    table: IcebergTable,
    model: ContractType,
    keys: Sequence[str],
    buckets: Iterable[int] | None = None,
    snapshot_id: int | None = None,
) -> list[DataFile]:
    """Return the files of whole partitions, sorted by key, bucket and path."""
    snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    if snapshot is None or not keys:
        return []
    # A scan would also work out, for 3 ms a file, which part of the filter is left inside each file: none.
    planner = ManifestGroupPlanner(table.metadata, table.io, slice_filter(model, keys, buckets))
    entries = planner.plan_manifest_entries(snapshot.manifests(table.io))
    found = []
    for file in (entry.data_file for entry in chain.from_iterable(entries)):
        if file.content != DataFileContent.DATA:
            raise NotImplementedError(
                f"{model.spec.identifier}: {file.file_path} deletes rows; only we write here"
            )
        values = list(file.partition)
        key = ""
        if model.spec.slicing == "hour":
            key = hour_key(_EPOCH + dt.timedelta(hours=values[0]))
        elif model.spec.slicing == "day":
            day = values[0]
            key = str(day if isinstance(day, dt.date) else (_EPOCH + dt.timedelta(days=day)).date())
        bucket = int(values[1]) if model.spec.bucketed else None
        found.append(DataFile(file.file_path, key, bucket, file.record_count))
    return sorted(found, key=lambda f: (f.key, f.bucket or 0, f.path))


def _as_entry(table: TableMetadata, model: ContractType, new: NewFile) -> IcebergDataFile:
    """Describe a file that we wrote to Iceberg: its partition, and bounds that follow from the partition.

    Reading all statistics back from the footers, as pyiceberg's `add_files` does, costs 26 ms for a table of
    160 columns and prunes nothing that the partition does not prune; only the columns that a replacement
    filters by need bounds.
    """
    schema, spec = table.schema(), model.spec
    partition: list[int] = []
    bounds: dict[int, tuple[bytes, bytes]] = {}

    def bound(name: str, low: int, high: int) -> None:
        found = schema.find_field(name)
        bounds[found.field_id] = to_bytes(found.field_type, low), to_bytes(found.field_type, high)

    if spec.slice_column is not None:
        start, end = (moment - _EPOCH for moment in window_of(new.key))
        if spec.slicing == "hour":
            partition.append(start // dt.timedelta(hours=1))
            microsecond = dt.timedelta(microseconds=1)
            bound(spec.slice_column, start // microsecond, end // microsecond - 1)
        else:
            partition.append(start.days)
            bound(spec.slice_column, start.days, start.days)
    if new.bucket is not None:
        partition.append(new.bucket)
        bound("device_bucket", new.bucket, new.bucket)
    return IcebergDataFile.from_args(
        content=DataFileContent.DATA,
        file_path=new.uri,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        record_count=new.rows,
        file_size_in_bytes=new.size,
        value_counts=dict.fromkeys(bounds, new.rows),
        null_value_counts=dict.fromkeys(bounds, 0),
        lower_bounds={i: low for i, (low, _) in bounds.items()},
        upper_bounds={i: high for i, (_, high) in bounds.items()},
        spec_id=table.default_spec_id,
        sort_order_id=None,
        equality_ids=None,
        key_metadata=None,
    )


class _Transaction(Transaction):
    """A transaction that computes its metadata once for each change, not at each of some twenty looks.

    Each computation is a deep copy of the whole schema: 20 ms for a table of 160 columns.
    """

    _seen: tuple[object, object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's metadata with the changes staged so far; nobody alters it in place."""
        base, updates = self._table.metadata, self._updates
        if self._seen is None or self._seen[0] is not base or self._seen[1] is not updates:
            self._seen = base, updates, update_table_metadata(base, updates)
        return self._seen[2]


def replace_slices(
    load: Callable[[], IcebergTable],
    model: ContractType,
    predicate: BooleanExpression,
    files: Sequence[NewFile],
    properties: dict[str, str],
) -> int | None:
    """Replace the rows of whole partitions by files, in one transaction.

    Args:
        load: Returns the table freshly loaded; called again when another writer came first.
        model: The table's contract.
        predicate: Whole partitions that are replaced.
        files: Files with the new rows; none empties the partitions.
        properties: Written into the snapshot's summary.

    Returns:
        The snapshot that a reader sees now, or None where the table has never had rows.

    Raises:
        CommitFailedException: other writers kept coming first.
        ValidationException: another writer changed the same partitions meanwhile.
    """
    for attempt in range(_COMMIT_ATTEMPTS):
        table = load()
        if table.current_snapshot() is None and not files:
            return None
        try:
            with _Transaction(table) as transaction:
                before = table.current_snapshot()
                if before is not None:
                    transaction.delete(predicate, snapshot_properties=properties)
                if files:
                    deleted = transaction.table_metadata.current_snapshot_id
                    halved = before is not None and deleted != before.snapshot_id
                    known = transaction.table_metadata
                    if known.name_mapping() is None:  # the files carry names, not Iceberg's column ids
                        mapping = known.schema().name_mapping.model_dump_json()
                        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: mapping})
                    update = transaction.update_snapshot({**properties, _SECOND_HALF: str(halved).lower()})
                    with update.fast_append() as append:
                        for file in files:
                            append.append_data_file(_as_entry(known, model, file))
        except CommitFailedException:
            if attempt == _COMMIT_ATTEMPTS - 1:
                raise
            continue
        snapshot = table.current_snapshot()
        return snapshot.snapshot_id if snapshot else None
    raise AssertionError("unreachable")


def tag_days(table: IcebergTable, before: dt.datetime, keep: dt.timedelta) -> list[str]:
    """Tag the last snapshot of each day that ended before a moment as `audit-<day>`, kept for `keep`.

    Lineage names every publication; what a day ended with stays readable for the audit period, the steps in
    between expire. A tag for each single publication would slow every later commit.

    Returns:
        The new tags.
    """
    last: dict[str, int] = {}
    for row in summary_of(table):
        if row["committed_at"] < before.replace(hour=0, minute=0, second=0, microsecond=0):
            last[f"audit-{row['committed_at']:%Y-%m-%d}"] = row["snapshot_id"]
    new = sorted(set(last) - set(table.metadata.refs))
    for tag in new:
        age_ms = int(keep.total_seconds() * 1000)
        table.manage_snapshots().create_tag(last[tag], tag, max_ref_age_ms=age_ms).commit()
    return new


def drop_old_tags(table: IcebergTable, older_than: dt.datetime) -> list[str]:
    """Remove audit tags of days before a moment; returns them."""
    limit = f"audit-{older_than:%Y-%m-%d}"
    old = sorted(name for name in table.metadata.refs if name.startswith("audit-") and name < limit)
    for tag in old:
        table.manage_snapshots().remove_tag(tag).commit()
    return old


def expire(table: IcebergTable, older_than: dt.datetime) -> int:
    """Forget untagged snapshots older than a moment; return how many."""
    named = {ref.snapshot_id for ref in table.metadata.refs.values()}
    old = [
        s.snapshot_id
        for s in table.metadata.snapshots
        if s.timestamp_ms < older_than.timestamp() * 1000 and s.snapshot_id not in named
    ]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return len(old)


def summary_of(table: IcebergTable) -> list[dict[str, Any]]:
    """Return one row for each snapshot that readers have seen: id, time, operation, rows, run.

    A replacement leaves two snapshots in one commit; the first (rows deleted, none added yet) was never
    current and is left out.
    """
    rows = []
    snapshots = table.metadata.snapshots
    halves = {
        s.parent_snapshot_id
        for s in snapshots
        if s.summary is not None and s.summary.additional_properties.get(_SECOND_HALF) == "true"
    }
    for snapshot in snapshots:
        if snapshot.snapshot_id in halves:
            continue
        summary = snapshot.summary
        extra = dict(summary.additional_properties) if summary else {}
        rows.append(
            {
                "snapshot_id": snapshot.snapshot_id,
                "committed_at": dt.datetime.fromtimestamp(snapshot.timestamp_ms / 1000, dt.UTC),
                "operation": summary.operation.value if summary else "",
                "total_records": int(extra.get("total-records", 0)),
                "run_id": extra.get("fallrisk.run-id", ""),
            }
        )
    return rows
