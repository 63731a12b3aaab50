"""The warehouse on Redshift: the same slices, ledger and views as in DuckDB, loaded through S3.

Here: transactions, the order of statements in them, and what is staged on S3. Not here: the statements
(`redshift_sql.py`), the driver (`redshift_session.py`), rows (`dimensions.py`, `facts.py`).

A slice is written as Parquet to S3, loaded into a temporary table and put in the old rows' place, with its
entry in the ledger, in one transaction. So whatever fails on the way, a lost connection included, leaves the
old rows or the new; where nobody can tell which, the step is tried again and ends with the new.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pydantic import Field, PrivateAttr

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import LedgerEntry, MissingPartition, SliceRefused, objects, s3
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.secrets import revealed, without_passwords
from fallrisk_assets.warehouse import exported
from fallrisk_assets.warehouse import redshift_sql as sql
from fallrisk_assets.warehouse.redshift_session import (
    Address,
    ConflictError,
    LoginRefusedError,
    RedshiftUnreachable,
    Session,
    TookTooLongError,
    connected,
)
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

ADDRESS_VARIABLE = "FALLRISK_REDSHIFT"
PASSWORD_VARIABLE = "FALLRISK_REDSHIFT_PASSWORD"
ROLE_VARIABLE = "FALLRISK_REDSHIFT_ROLE"
STAGING_VARIABLE = "FALLRISK_REDSHIFT_STAGING"
_R = TypeVar("_R")
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_VIEW = re.compile(r"CREATE OR REPLACE VIEW (\w+)")
_PAUSE_S = 0.1


class RedshiftWarehouse(dg.ConfigurableResource):
    """The Redshift warehouse.

    Attributes:
        address: `redshift://user@host:5439/database/schema`; options of the driver (`sslmode`) after a `?`.
        password: Of the user; better a reference to it (`secrets.py`), which is asked for when it is used.
        role: ARN of the role with which Redshift reads and writes what is staged.
        staging: `s3://bucket/prefix` for what is being loaded and for exports.
        wait_s: Seconds for which another writer is waited for.
    """

    address: str
    password: str = Field(repr=False)
    role: str
    staging: str
    wait_s: float = 60.0

    _ready: bool = PrivateAttr(default=False)
    _revealed: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look whether the warehouse lets us in before a step runs."""
        self.check()

    def check(self) -> None:
        """Find out whether the warehouse can be used as it is configured.

        Raises:
            Misconfigured: it cannot; names the resource, the variable and what is wrong.
        """
        try:
            import psycopg2
        except ImportError as error:
            what = "needs the driver psycopg2: pip install psycopg2-binary"
            raise Misconfigured("warehouse", ADDRESS_VARIABLE, what) from error
        if not _ROLE.fullmatch(self.role):
            raise Misconfigured("warehouse", ROLE_VARIABLE, f"{self.role!r} is no ARN of a role")
        if not s3.is_s3(self.staging):
            raise Misconfigured("warehouse", STAGING_VARIABLE, f"{self.staging!r} is not on S3")
        s3.check(self.staging, "warehouse", STAGING_VARIABLE)
        where = self._where
        try:
            with self._connected() as session:
                session.execute("SELECT 1")
        except (RedshiftUnreachable, psycopg2.Error) as error:
            wrong = PASSWORD_VARIABLE if "password" in str(error) else ADDRESS_VARIABLE
            said = str(error).strip()
            raise Misconfigured("warehouse", wrong, f"{where} does not let us in: {said}") from error

    @cached_property
    def _where(self) -> Address:
        try:
            return Address.parse(self.address)
        except ValueError as error:
            shown = without_passwords(self.address)
            raise Misconfigured("warehouse", ADDRESS_VARIABLE, f"{shown!r} {error}") from error

    @cached_property
    def _located(self) -> tuple[pafs.FileSystem, str]:
        return s3.locate(self.staging, "warehouse", STAGING_VARIABLE)

    def replace_slice(
        self, model: ContractType, partition_key: str, rows: pa.Table, run_id: str = ""
    ) -> LedgerEntry:
        """Validate rows and put them in the place of a slice's rows, in one transaction.

        Raises:
            SliceRefused: the contract refuses rows; nothing was changed.
            WarehouseBusyError: another writer did not finish in time; nothing was changed.
            RedshiftUnreachable: the connection was lost; the old rows are there, or the new.
        """
        report = judge(model, partition_key, rows)
        if not report.passed:
            raise SliceRefused(model, {partition_key: report})
        return self.replace_slices(model, {partition_key: rows}, run_id)[partition_key]

    def replace_slices(
        self, model: ContractType, slices: Mapping[str, pa.Table], run_id: str = ""
    ) -> dict[str, LedgerEntry]:
        """Replace validated slices of one table in one transaction; see `replace_slice`."""
        entries = entries_of(model, slices, run_id)
        rows = pa.concat_tables(part.cast(arrow_schema(model)) for part in slices.values())
        days = [date.fromisoformat(key) for key in slices] if model.spec.slice_column else []
        with self._staged(model, rows) as address:

            def write(session: Session) -> None:
                if rows.num_rows:
                    session.execute(sql.staging_ddl(model))
                    session.execute(sql.copy(address, self.role))
                    ((loaded,),) = session.execute(f"SELECT COUNT(*) FROM {sql.STAGING_TABLE}").fetchall()
                    if loaded != rows.num_rows:
                        raise RuntimeError(f"{address}: {loaded} of {rows.num_rows} rows were loaded")
                session.execute(sql.delete_slices(model, len(days)), days)
                if rows.num_rows:
                    session.execute(sql.insert_staged(model))
                for entry in entries.values():
                    session.execute(sql.FORGET_ENTRY, [entry.table, entry.key])
                    values = [entry.table, entry.key, entry.rows, entry.content_hash, run_id]
                    session.execute(sql.ADD_ENTRY, values)

            self.transact(write)
        return entries

    def read(self, model: ContractType, keys: Sequence[str] | None = None) -> pa.Table:
        """Read slices of a table (all of it by default), sorted as the contract says.

        Raises:
            MissingPartition: one of the keys (any, by default) has never been published.
        """
        spec = model.spec
        with self._session() as session:
            published = {
                key for table, key, *_ in session.execute(sql.LEDGER).fetchall() if table == spec.identifier
            }
            for key in keys or [WHOLE_TABLE] * (not published):
                if key not in published:
                    raise MissingPartition(spec.identifier, key)
            sliced = keys is not None and spec.slice_column is not None
            days = [date.fromisoformat(key) for key in keys or []] if sliced else []
            rows = session.execute(sql.select(model, len(days) if sliced else None), days).arrow()
        # In the machine's order of texts, as on every engine; Redshift has its own.
        order = [*([spec.slice_column] if spec.slice_column else []), *(spec.sort or spec.key)]
        return rows.cast(arrow_schema(model)).sort_by([(name, "ascending") for name in order])

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Return the result of a query; writers are neither waited for nor made to wait."""
        with self._session() as session:
            return session.execute(sql, parameters).arrow()

    def query_each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[pa.Table]:
        """Return the results of a query asked several times, in one session."""
        with self._session() as session:
            return [session.execute(sql, list(one)).arrow() for one in parameters]

    def ledger(self) -> dict[tuple[str, str], LedgerEntry]:
        """Return what has been published, by table and partition key."""
        with self._session() as session:
            found = session.execute(sql.LEDGER).fetchall()
        return {
            (table, key): entry_of(table, key, rows, content, run) for table, key, rows, content, run in found
        }

    def transact(self, work: Callable[[Session], _R]) -> _R:
        """Do some work in one transaction, when it is this writer's turn.

        Raises:
            WarehouseBusyError: others kept the warehouse for `wait_s`.
            SchemaConflictError: a table differs from its contract.
            RedshiftUnreachable: the connection was lost.
        """
        self._prepare()
        return self._patiently(lambda: self._transact_once(work))

    def export(self) -> Exported:
        """Unload every table as Parquet to a fresh prefix, which `exports/current.json` then names.

        Who still reads the export before can finish: it goes with the next one.
        """
        filesystem, base = self._located
        name = f"exports/{uuid.uuid4().hex}"
        here = f"{self.staging.rstrip('/')}/{name}"

        def unload(session: Session) -> None:
            for model in EVERY_TABLE:
                session.execute(sql.unload(sql.exported(model), f"{here}/{model.spec.name}/", self.role))
            session.execute(sql.unload(sql.LEDGER, f"{here}/{exported.LEDGER}/", self.role))

        self.transact(unload)
        pointer = f"{base}/exports/current.json"
        before = json.loads(objects.read_whole(filesystem, pointer) or b"{}")
        content = json.dumps({"current": name, "previous": before.get("current")}).encode()
        objects.write_whole(filesystem, pointer, content)
        if before.get("previous"):
            filesystem.delete_dir(f"{base}/{before['previous']}")
        selector = pafs.FileSelector(f"{base}/{name}", recursive=True)
        return Exported(here, sum(info.size or 0 for info in filesystem.get_file_info(selector)))

    def query_export(self, sql: str) -> pa.Table:
        """Return the result of a query on what people read, which is the warehouse itself."""
        return self.query(sql)

    @contextmanager
    def open_export(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open what was unloaded last, in DuckDB, to read.

        Raises:
            FileNotFoundError: nothing has been exported yet.
        """
        filesystem, base = self._located
        pointer = objects.read_whole(filesystem, f"{base}/exports/current.json")
        if pointer is None:
            what = "nothing was exported yet; materialise warehouse_snapshot and ask again"
            raise FileNotFoundError(f"{self.staging}/exports: {what}")
        with exported.open_exported(filesystem, f"{base}/{json.loads(pointer)['current']}") as connection:
            yield connection

    @contextmanager
    def _staged(self, model: ContractType, rows: pa.Table) -> Iterator[str]:
        """Write rows to S3 for as long as they are loaded; yields the address that loads them."""
        filesystem, base = self._located
        name = f"loading/{model.spec.name}-{uuid.uuid4().hex}"
        if not rows.num_rows:
            yield ""
            return
        instants = [
            field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
            for field in rows.schema
        ]
        try:
            with filesystem.open_output_stream(f"{base}/{name}/rows.parquet") as sink:
                pq.write_table(rows.cast(pa.schema(instants)), sink, compression="snappy")
            yield f"{self.staging.rstrip('/')}/{name}/"
        finally:
            filesystem.delete_dir(f"{base}/{name}")

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """Open a session on a warehouse that has its tables."""
        self._prepare()
        with self._connected() as session:
            yield session

    @contextmanager
    def _connected(self) -> Iterator[Session]:
        """Connect with the password that was asked for first; with a fresh one where it is refused."""
        with ExitStack() as stack:
            try:
                self._revealed = self._revealed or self._ask()
                session = stack.enter_context(connected(self._where, self._revealed))
            except LoginRefusedError:
                before, self._revealed = self._revealed, self._ask()
                if self._revealed == before:
                    raise
                session = stack.enter_context(connected(self._where, self._revealed))
            yield session

    def _ask(self) -> str:
        return revealed(self.password, "warehouse", PASSWORD_VARIABLE)

    def _transact_once(self, work: Callable[[Session], _R]) -> _R:
        with self._connected() as session:
            session.execute(f"SET statement_timeout TO {max(1, int(1000 * self.wait_s))}")
            session.execute(sql.LOCK)
            session.execute("SET statement_timeout TO 0")
            return work(session)

    def _patiently(self, attempt: Callable[[], _R]) -> _R:
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                return attempt()
            except (ConflictError, TookTooLongError) as error:
                if isinstance(error, TookTooLongError) or time.monotonic() + _PAUSE_S > deadline:
                    what = f"busy for {self.wait_s:g} s; run again when the other writer is done"
                    raise WarehouseBusyError(f"{self._where}: {what} ({error})") from error
            time.sleep(_PAUSE_S)

    def _prepare(self) -> None:
        """Create tables and views where they are not as the contracts say; looked at once."""
        if self._ready:
            return
        self._patiently(self._begin_schema)
        self._patiently(lambda: self._transact_once(self._apply_schema))
        self._ready = True

    def _begin_schema(self) -> None:
        with self._connected() as session:
            if not session.execute(sql.COLUMNS, [self._where.schema, "writer_turn"]).fetchall():
                session.execute(f"CREATE SCHEMA IF NOT EXISTS {sql.name_of(self._where.schema)}")
                session.execute(sql.LOCK_TABLE)

    def _apply_schema(self, session: Session) -> None:
        statements = sql.schema_statements(EVERY_TABLE, views())
        wanted = combined_hash(statements)
        for statement in sql.BOOKKEEPING:
            session.execute(statement)
        if session.execute("SELECT fingerprint FROM applied_schema").fetchall() == [(wanted,)]:
            return
        for name in reversed([_VIEW.findall(view)[0] for view in views()]):
            session.execute(f"DROP VIEW IF EXISTS {name}")
        for model in EVERY_TABLE:
            self._migrate(session, model)
        for view in views():
            session.execute(view)
        session.execute("DELETE FROM applied_schema")
        session.execute("INSERT INTO applied_schema (fingerprint) VALUES (?)", [wanted])

    def _migrate(self, session: Session, model: ContractType) -> None:
        name = model.spec.name
        session.execute(sql.table_ddl(model))
        has = dict(session.execute(sql.COLUMNS, [self._where.schema, name]).fetchall())
        wanted = sql.standard_types(model)
        required = {field.name for field in arrow_schema(model) if not field.nullable}
        for column, kind in wanted.items():
            if column not in has and column not in required:
                session.execute(sql.add_column(model, column))
                has[column] = kind
        if has != wanted:
            differing = sorted(c for c in {*has, *wanted} if has.get(c) != wanted.get(c))
            raise SchemaConflictError(
                f"warehouse.{name} at {self._where}: columns {', '.join(differing)} differ from the "
                "contract, and not only by optional columns to add; rename the schema and materialise "
                "the warehouse again"
            )
