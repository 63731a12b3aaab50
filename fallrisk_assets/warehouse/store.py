"""What a warehouse is, whatever engine keeps it: slices replaced whole, read by name, asked in SQL.

Here: the interface that assets, checks and reports use, and what both engines have in common. Not here:
DuckDB (`resource.py`), Redshift (`redshift.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import LedgerEntry
from fallrisk_assets.lake.files import combined_hash, content_hash
from fallrisk_assets.validation import OUTSIDE_SLICE, ContractReport, judge_rows, validate
from fallrisk_assets.warehouse.contract import TABLES
from fallrisk_assets.warehouse.monitoring.contract import TABLES as MONITORING_TABLES
from fallrisk_assets.warehouse.observability.contract import TABLES as OBSERVABILITY_TABLES
from fallrisk_assets.warehouse.operations.contract import TABLES as OPERATIONS_TABLES
from fallrisk_assets.warehouse.planning.contract import TABLES as PLANNING_TABLES

_R = TypeVar("_R")
_VIEWS = Path(__file__).parent / "views"
EVERY_TABLE: tuple[ContractType, ...] = (
    *TABLES,
    *OPERATIONS_TABLES,
    *OBSERVABILITY_TABLES,
    *PLANNING_TABLES,
    *MONITORING_TABLES,
)
WHOLE_TABLE = "all"
"""Partition key of a table without slices."""


class WarehouseBusyError(TimeoutError):
    """Another writer kept the warehouse for longer than we wait."""


class SchemaConflictError(RuntimeError):
    """A table of the warehouse differs from its contract in a way that nobody may mend silently."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What people read while others write.

    Attributes:
        address: File, or `s3://` address.
        size: bytes.
    """

    address: str
    size: int


class Session(Protocol):
    """One open transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run a statement with `?` where parameters are; the result has `fetchall()`."""
        ...


class AnyWarehouse(Protocol):
    """A warehouse."""

    @property
    def address(self) -> str:
        """Where it is, for people: a file, or `redshift://…` without the password."""
        ...

    def replace_slice(
        self, model: ContractType, partition_key: str, rows: pa.Table, run_id: str = ""
    ) -> LedgerEntry:
        """Validate rows and put them in the place of a slice's rows, in one transaction."""
        ...

    def replace_slices(
        self, model: ContractType, slices: Mapping[str, pa.Table], run_id: str = ""
    ) -> dict[str, LedgerEntry]:
        """Replace validated slices of one table in one transaction."""
        ...

    def read(self, model: ContractType, keys: Sequence[str] | None = None) -> pa.Table:
        """Read slices of a table (all of it by default), sorted as the contract says."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Return the result of a query."""
        ...

    def query_each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[pa.Table]:
        """Return the results of a query asked several times, once for each set of parameters."""
        ...

    def ledger(self) -> dict[tuple[str, str], LedgerEntry]:
        """Return what has been published, by table and partition key."""
        ...

    def transact(self, work: Callable[[Any], _R]) -> _R:
        """Do some work in one transaction, of which work gets the `Session`."""
        ...

    def export(self) -> Exported:
        """Put a copy of everything where people read it, in one step."""
        ...

    def query_export(self, sql: str) -> pa.Table | None:
        """Return the result of a query on what people read; None where nothing was exported yet."""
        ...

    def open_export(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the last export in DuckDB, to read; raises FileNotFoundError where there is none."""
        ...


def views() -> list[str]:
    """Return the statements that create the views, in an order in which each finds those that it needs."""
    return [path.read_text() for path in sorted(_VIEWS.glob("*.sql"))]


def judge(
    model: ContractType, partition_key: str, rows: pa.Table, *, ask_pandera: bool = True
) -> ContractReport:
    """Judge the rows of a slice by the contract; rows outside the slice are refused (OUTSIDE_SLICE).

    Args:
        model: The table.
        partition_key: The day, or `WHOLE_TABLE`.
        rows: All rows of the slice.
        ask_pandera: Let pandera see a sample; False where the caller has it see one of several slices.

    Raises:
        ValueError: the table has no such partition.
    """
    spec = model.spec
    report = validate(model, rows) if ask_pandera else judge_rows(model, rows)
    if spec.slice_column is None:
        if partition_key != WHOLE_TABLE:
            raise ValueError(f"{spec.identifier}: not sliced; its only partition is {WHOLE_TABLE!r}")
    elif report.passed:
        day = date.fromisoformat(partition_key)
        outside = pc.sum(pc.not_equal(rows[spec.slice_column], pa.scalar(day, pa.date32()))).as_py() or 0
        if outside:
            report.counts[f"{spec.slice_column}: {OUTSIDE_SLICE}"] = outside
            report.failed_rows = outside
    return report


def entries_of(model: ContractType, slices: Mapping[str, pa.Table], run_id: str) -> dict[str, LedgerEntry]:
    """Return the ledger's entries for new contents of slices."""
    return {
        key: entry_of(
            model.spec.identifier,
            key,
            rows.num_rows,
            combined_hash([content_hash(rows.cast(arrow_schema(model)).combine_chunks())]),
            run_id,
        )
        for key, rows in slices.items()
    }


def entry_of(table: str, key: str, rows: int, content: str, run_id: str) -> LedgerEntry:
    """Return a ledger entry of the warehouse, which has neither buckets nor snapshots."""
    return LedgerEntry(
        table=table,
        key=key,
        content_hash=content,
        rows=rows,
        buckets={},
        snapshot_id=None,
        run_id=run_id,
        inputs={},
    )
