"""The warehouse as a resource: a DuckDB file that one writer at a time replaces slices of.

Here: connections, locks, transactions, the ledger inside the file, and the snapshot for readers. Not here:
what the rows are (`dimensions.py`, `facts.py`), Dagster events (`publishing.py`).

DuckDB lets one process at a time write to a file, and no other even read it meanwhile. So connections here
are short, a busy file is waited for, and people and pages read a copy (`snapshot.duckdb`) that is replaced
in one step.
"""

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import duckdb
import pyarrow as pa

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import LedgerEntry, MissingPartition, SliceRefused
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.schemas import duckdb_ddl
from fallrisk_assets.warehouse.store import (
    EVERY_TABLE,
    WHOLE_TABLE,
    Exported,
    SchemaConflictError,
    WarehouseBusyError,
    entries_of,
    entry_of,
    judge,
    views,
)

__all__ = ["WHOLE_TABLE", "SchemaConflictError", "Warehouse", "WarehouseBusyError", "judge", "open_snapshot"]

_R = TypeVar("_R")
_LEDGER = """
CREATE TABLE IF NOT EXISTS partition_ledger (
    table_name VARCHAR NOT NULL, partition_key VARCHAR NOT NULL, rows BIGINT NOT NULL,
    content_hash VARCHAR NOT NULL, run_id VARCHAR NOT NULL, PRIMARY KEY (table_name, partition_key)
);
CREATE TABLE IF NOT EXISTS applied_schema (fingerprint VARCHAR NOT NULL)
"""
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5


class Warehouse(dg.ConfigurableResource):
    """The DuckDB warehouse.

    Attributes:
        folder: Its folder; empty means `<data folder>/warehouse`.
        wait_s: Seconds for which a busy warehouse is waited for.
    """

    folder: str = ""
    wait_s: float = 60.0

    @property
    def path(self) -> Path:
        """The file that is written to."""
        return Path(self.folder or Path(data_folder()) / "warehouse").absolute() / "warehouse.duckdb"

    @property
    def address(self) -> str:
        """The file, for people."""
        return str(self.path)

    @property
    def snapshot_path(self) -> Path:
        """The copy for readers, replaced in one step by `export_snapshot`."""
        return self.path.parent / "snapshot.duckdb"

    def replace_slice(
        self, model: ContractType, partition_key: str, rows: pa.Table, run_id: str = ""
    ) -> LedgerEntry:
        """Validate rows and put them in the place of a slice's rows, in one transaction.

        Args:
            model: A table of the warehouse.
            partition_key: The day, for a table sliced by day; `WHOLE_TABLE` for one without slices.
            rows: All rows of the slice, in the contract's schema.
            run_id: Who writes.

        Raises:
            SliceRefused: the contract refuses rows; nothing was changed.
            WarehouseBusyError: another writer did not finish in time; nothing was changed.
        """
        report = judge(model, partition_key, rows)
        if not report.passed:
            raise SliceRefused(model, {partition_key: report})
        return self.replace_slices(model, {partition_key: rows}, run_id)[partition_key]

    def replace_slices(
        self, model: ContractType, slices: Mapping[str, pa.Table], run_id: str = ""
    ) -> dict[str, LedgerEntry]:
        """Replace validated slices of one table in one transaction; see `replace_slice`."""
        spec = model.spec
        entries = entries_of(model, slices, run_id)

        def write(connection: duckdb.DuckDBPyConnection) -> None:
            for key, rows in slices.items():
                if spec.slice_column is None:
                    connection.execute(f'DELETE FROM "{spec.name}"')
                else:
                    where = f'"{spec.slice_column}" = ?'
                    connection.execute(f'DELETE FROM "{spec.name}" WHERE {where}', [date.fromisoformat(key)])
                connection.register("incoming", rows)
                connection.execute(f'INSERT INTO "{spec.name}" BY NAME SELECT * FROM incoming')
                connection.unregister("incoming")
                connection.execute(
                    "INSERT OR REPLACE INTO partition_ledger VALUES (?, ?, ?, ?, ?)",
                    [spec.identifier, key, rows.num_rows, entries[key].content_hash, run_id],
                )

        self.transact(write)
        return entries

    def read(self, model: ContractType, keys: Sequence[str] | None = None) -> pa.Table:
        """Read slices of a table (all of it by default), sorted as the contract says.

        Raises:
            MissingPartition: one of the keys (any, by default) has never been published.
        """
        spec = model.spec
        sliced = [spec.slice_column] if spec.slice_column else []
        order = ", ".join(f'"{name}"' for name in [*sliced, *(spec.sort or spec.key)])
        names = ", ".join(f'"{name}"' for name in arrow_schema(model).names)

        def fetch(connection: duckdb.DuckDBPyConnection) -> pa.Table:
            published = connection.execute(
                "SELECT partition_key FROM partition_ledger WHERE table_name = ?", [spec.identifier]
            ).fetchall()
            for key in keys or [WHOLE_TABLE] * (not published):
                if (key,) not in published:
                    raise MissingPartition(spec.identifier, key)
            query = f'SELECT {names} FROM "{spec.name}"'
            if keys is None or spec.slice_column is None:
                return connection.sql(f"{query} ORDER BY {order}").to_arrow_table()
            days = [date.fromisoformat(key) for key in keys]
            where = f'list_contains(?, "{spec.slice_column}")'
            found = connection.sql(f"{query} WHERE {where} ORDER BY {order}", params=[days])
            return found.to_arrow_table()

        return self.transact(fetch).cast(arrow_schema(model))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Return the result of a query on the file that is written to; for checks inside a run."""
        return self.transact(lambda connection: connection.sql(sql, params=list(parameters)).to_arrow_table())

    def query_each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[pa.Table]:
        """Return the results of a query asked several times, in one transaction: opening the file costs more.

        Args:
            sql: The query.
            parameters: Its parameters, for each time.
        """
        asked = [list(one) for one in parameters]
        return self.transact(
            lambda connection: [connection.sql(sql, params=one).to_arrow_table() for one in asked]
        )

    def ledger(self) -> dict[tuple[str, str], LedgerEntry]:
        """Return what has been published, by table and partition key."""
        rows = self.query("SELECT * FROM partition_ledger ORDER BY table_name, partition_key").to_pylist()
        return {
            (row["table_name"], row["partition_key"]): entry_of(
                row["table_name"], row["partition_key"], row["rows"], row["content_hash"], row["run_id"]
            )
            for row in rows
        }

    def transact(self, work: Callable[[duckdb.DuckDBPyConnection], _R]) -> _R:
        """Do some work in one transaction, waiting for another writer and beginning anew after a conflict.

        Raises:
            WarehouseBusyError: others kept the warehouse for `wait_s`.
            SchemaConflictError: a table differs from its contract.
        """
        return self._patiently(lambda: self._transact_once(work))

    def export_snapshot(self) -> Path:
        """Copy the warehouse into a fresh file and put it in the snapshot's place in one step.

        Who has the old snapshot open goes on reading it undisturbed.

        Returns:
            The snapshot's path.
        """
        fresh = self.snapshot_path.with_name(f".snapshot-{uuid.uuid4().hex}.duckdb")

        def copy() -> None:
            fresh.unlink(missing_ok=True)
            with self._connection() as connection:
                _prepare(connection)
                (name,) = connection.execute("SELECT current_database()").fetchall()[0]
                connection.execute("ATTACH ? AS fresh_snapshot", [str(fresh)])
                connection.execute(f'COPY FROM DATABASE "{name}" TO fresh_snapshot')
                connection.execute("DETACH fresh_snapshot")

        try:
            self._patiently(copy)
            os.replace(fresh, self.snapshot_path)
        finally:
            fresh.unlink(missing_ok=True)
        return self.snapshot_path

    def export(self) -> Exported:
        """Export the snapshot; see `export_snapshot`."""
        path = self.export_snapshot()
        return Exported(str(path), path.stat().st_size)

    def query_export(self, sql: str) -> pa.Table | None:
        """Return the result of a query on the snapshot; None where none was exported yet."""
        return self.read_snapshot(sql) if self.snapshot_path.exists() else None

    @contextmanager
    def open_export(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the snapshot to read; see `open_snapshot`."""
        with open_snapshot(self.snapshot_path) as connection:
            yield connection

    def read_snapshot(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Return the result of a query on the snapshot; never waits for a writer, never makes one wait.

        Raises:
            FileNotFoundError: no snapshot has been exported yet.
        """
        with open_snapshot(self.snapshot_path) as connection:
            return connection.sql(sql, params=list(parameters)).to_arrow_table()

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(self.path, config={"autoinstall_known_extensions": "false"})
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    def _transact_once(self, work: Callable[[duckdb.DuckDBPyConnection], _R]) -> _R:
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                _prepare(connection)
                result = work(connection)
                connection.execute("COMMIT")
            except duckdb.TransactionException:  # DuckDB has rolled back by itself
                raise
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            return result

    def _patiently(self, attempt: Callable[[], _R]) -> _R:
        deadline = time.monotonic() + self.wait_s
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return attempt()
            except (duckdb.IOException, duckdb.TransactionException) as error:
                locked = isinstance(error, duckdb.TransactionException) or "lock" in str(error)
                if not locked:
                    raise
                if time.monotonic() + pause_s > deadline:
                    message = (
                        f"{self.path}: busy for {self.wait_s:g} s; run again when the other writer is done"
                    )
                    raise WarehouseBusyError(f"{message} ({error})") from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


@contextmanager
def open_snapshot(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the snapshot to read; nothing that is typed into it can reach another file.

    Raises:
        FileNotFoundError: no snapshot has been exported yet.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no snapshot yet; materialise warehouse_snapshot (make run DAY=…) and ask again"
        )
    connection = duckdb.connect(path, read_only=True, config={"enable_external_access": "false"})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Create tables and views; add columns that a contract has gained, and let be null what may be now."""
    statements = [*(duckdb_ddl(model) for model in EVERY_TABLE), *views()]
    wanted = combined_hash(statements)
    connection.execute(_LEDGER)
    if connection.execute("SELECT fingerprint FROM applied_schema").fetchall() == [(wanted,)]:
        return
    for model in EVERY_TABLE:
        _migrate(connection, model)
    for statement in views():
        connection.execute(statement)
    connection.execute("DELETE FROM applied_schema")
    connection.execute("INSERT INTO applied_schema VALUES (?)", [wanted])


def _migrate(connection: duckdb.DuckDBPyConnection, model: ContractType) -> None:
    connection.execute(duckdb_ddl(model))
    name = model.spec.name
    connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS FROM ({_typed_empty(model)})")
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = ?"
    has = dict(connection.execute(columns, [name]).fetchall())
    wanted = dict(connection.execute(columns, ["wanted"]).fetchall())
    connection.execute("DROP TABLE wanted")
    required = {field.name for field in arrow_schema(model) if not field.nullable}
    for column, kind in wanted.items():
        if column not in has and column not in required:
            connection.execute(f'ALTER TABLE "{name}" ADD COLUMN "{column}" {kind}')
            has[column] = kind
    strict = "SELECT column_name FROM information_schema.columns WHERE table_name = ? AND is_nullable = 'NO'"
    for (column,) in connection.execute(strict, [name]).fetchall():
        if column in wanted and column not in required:
            connection.execute(f'ALTER TABLE "{name}" ALTER COLUMN "{column}" DROP NOT NULL')
    if has != wanted:
        differing = sorted(c for c in {*has, *wanted} if has.get(c) != wanted.get(c))
        raise SchemaConflictError(
            f"warehouse.{name}: columns {', '.join(differing)} differ from the contract, and not only by "
            "optional columns to add; move the file away and materialise the warehouse again"
        )


def _typed_empty(model: ContractType) -> str:
    """Return a query for no rows with the contract's columns, as the DDL types them."""
    body = duckdb_ddl(model).split("(\n", 1)[1].rsplit("\n)", 1)[0]
    parts = [line.strip().rstrip(",").removesuffix(" NOT NULL").split(" ", 1) for line in body.splitlines()]
    return "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in parts) + " LIMIT 0"
