"""Dagster's event log in SQLite with its connections kept open: a range run writes thousands of events.

What belongs here: how connections to the log's files are made. What does not: what is stored (Dagster's
own class decides that, the files are the same and either class reads what the other wrote).

Dagster opens every file anew for each statement: a new engine (whose compiled statements are then compiled
again), and on closing a checkpoint of the write-ahead log, some 25 ms of CPU an event. Kept open it is about
a tenth (measured, see `docs/benchmarks.md`), and a third of that where many events are one batch: those that
Dagster hands over as one (DAGSTER_EVENT_BATCH_SIZE), and those within `written_together`. Dagster's own class
stores the events of a batch one by one.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as db
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterInvariantViolationError,
    EventLogEntry,
    StringSource,
)
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from dagster_shared.serdes import serialize_value
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

#: Files held open: the index, and the logs of the runs at hand.
_OPEN_FILES = 8


@dataclass(frozen=True)
class _Together:
    """Transactions that a thread has begun, by file, and what ends them."""

    thread: int
    ends: ExitStack
    begun: dict[str, Connection] = field(default_factory=dict)


class _Gathered(threading.local):
    """Events that a thread keeps for the end of what it writes together; None outside of it."""

    events: list[EventLogEntry] | None = None


_INDEXED = {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
"""Types of events that stand in the file of all runs, too."""


class KeptOpenSqliteEventLogStorage(SqliteEventLogStorage):
    """The default event log (a file for each run, and an index), whose files stay open.

    Args:
        home: Dagster's home; the files are in its `history/runs`, where the default class has them too.
        inst_data: How the class was configured, for processes that load the same instance.
    """

    def __init__(self, home: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._process = os.getpid()
        self._tables: set[str] = set()
        self._asset_keys_have_times = False
        self._together: _Together | None = None
        self._gathered = _Gathered()
        super().__init__(os.path.join(home, "history", "runs"), inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return the configuration: `home`, as text or `env: DAGSTER_HOME`."""
        return {"home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptOpenSqliteEventLogStorage":
        """Return the storage that `dagster.yaml` describes."""
        return cls(inst_data=inst_data, **config_value)

    def _engine(self, shard: str) -> Engine:
        if self._process != os.getpid():  # a forked child must not use its parent's connections
            self._engines, self._process = OrderedDict(), os.getpid()
        engine = self._engines.get(shard)
        if engine is None:
            while len(self._engines) >= _OPEN_FILES:
                self._engines.popitem(last=False)[1].dispose()
            engine = db.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,  # one connection: `_db_lock` lets one thread at a time have it
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            # With a write-ahead log this cannot corrupt the file; a power cut may cost the last events,
            # and the lake's ledger, not the event log, vouches for what is published.
            db.event.listen(engine, "connect", _relax)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        return engine

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        together = self._together
        if together is not None and together.thread == threading.get_ident():
            if shard not in together.begun:
                together.begun[shard] = together.ends.enter_context(self._begin(shard))
            yield together.begun[shard]
        else:
            with self._db_lock, self._begin(shard) as connection:
                yield connection

    @contextmanager
    def _begin(self, shard: str) -> Iterator[Connection]:
        engine = self._engine(shard)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _one_transaction_a_file(self) -> Iterator[None]:
        with self._db_lock, ExitStack() as ends:
            self._together = _Together(threading.get_ident(), ends)
            try:
                yield
            finally:
                self._together = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store what this thread stores within as one batch at the end, and none of it after an error."""
        if self._gathered.events is not None:
            yield  # within another one, whose end is the end
            return
        events = self._gathered.events = []
        try:
            yield
        finally:
            self._gathered.events = None
        if events:
            self.store_event_batch(events)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event, or keep it for the end of what this thread writes together."""
        if self._gathered.events is not None:
            self._gathered.events.append(event)
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store some events in one transaction a file, with one statement for many rows.

        Afterwards every table says what it says after `store_event` of one after the other.
        """
        rows = [self._event_to_row(event) for event in events]
        of_runs: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            of_runs.setdefault(row["run_id"], []).append(row)
        indexed = [n for n, event in enumerate(events) if event.dagster_event_type in _INDEXED]
        with self._one_transaction_a_file():
            for run_id, its_rows in of_runs.items():
                with self.run_connection(run_id) as connection:
                    connection.execute(SqlEventLogStorageTable.insert(), its_rows)
            if indexed:
                self._index([events[n] for n in indexed], [rows[n] for n in indexed])

    def _index(self, events: Sequence[EventLogEntry], rows: Sequence[dict[str, Any]]) -> None:
        """Store events in the file that is asked across runs, and what it keeps of assets and checks."""
        events_table = SqlEventLogStorageTable
        with self.index_connection() as connection:
            insertion = events_table.insert().returning(events_table.c.id, sort_by_parameter_order=True)
            ids = connection.execute(insertion, rows).scalars().all()
            stored = list(zip(events, ids, strict=True))
            of_assets = [
                (event, number) for event, number in stored if event.dagster_event_type in ASSET_EVENTS
            ]
            if of_assets:
                self._store_asset_event_tags(connection, *zip(*of_assets, strict=True))
                self._update_assets(connection, of_assets)
            evaluations = []
            for event, number in stored:
                if event.dagster_event_type is DagsterEventType.ASSET_CHECK_EVALUATION and event.run_id:
                    evaluations.append((event, number))
                elif event.dagster_event_type in ASSET_CHECK_EVENTS:
                    self.store_asset_check_event(event, number)
            self._update_checks(connection, evaluations)

    def _update_assets(self, connection: Connection, stored: Sequence[tuple[EventLogEntry, int]]) -> None:
        """Keep each asset's newest event, and its newest materialisation."""
        newest: dict[str, dict[bool, tuple[EventLogEntry, int]]] = {}
        for event, number in stored:
            found = event.get_dagster_event()
            if found.asset_key is not None:
                of_asset = newest.setdefault(found.asset_key.to_string(), {})
                of_asset.pop(found.is_step_materialization, None)  # so that the newest stands last
                of_asset[found.is_step_materialization] = (event, number)
        has_times = self._has_asset_key_index_cols_on_connection(connection)
        for asset_key, of_asset in newest.items():
            values: dict[str, Any] = {}
            for event, number in of_asset.values():
                values |= self._get_asset_entry_values(event, number, has_times)
            insertion = sqlite.insert(AssetKeyTable).values(asset_key=asset_key, **values)
            connection.execute(
                insertion.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=values)
            )

    def _update_checks(self, connection: Connection, stored: Sequence[tuple[EventLogEntry, int]]) -> None:
        """Record evaluations in the rows that planned them, or in new ones where none did."""
        table = AssetCheckExecutionsTable
        newest: dict[tuple[str, ...], dict[str | None, dict[str, Any]]] = {}
        for event, number in stored:
            row = self._evaluation_row(event, number)
            check = tuple(row[name] for name in ("run_id", "asset_key", "check_name"))
            newest.setdefault(check, {})[row["partition"]] = row
        names = [table.c.run_id, table.c.asset_key, table.c.check_name]
        updates, insertions = [], []
        for check, by_partition in newest.items():
            same = [column == value for column, value in zip(names, check, strict=True)]
            planned: dict[str | None, list[int]] = {}
            for partition, number in connection.execute(
                db.select(table.c.partition, table.c.id).where(*same)
            ):
                planned.setdefault(partition, []).append(number)
            for partition, row in by_partition.items():
                places = planned.get(partition, [])
                if len(places) > 1:
                    raise DagsterInvariantViolationError(f"{check} of {partition} was planned twice")
                if places:
                    updates.append({**row, "planned_row": places[0]})
                else:
                    insertions.append(row)
        if updates:
            changed: dict[str, Any] = {
                name: db.bindparam(name) for name in updates[0] if name != "planned_row"
            }
            connection.execute(
                table.update().where(table.c.id == db.bindparam("planned_row")).values(changed), updates
            )
        if insertions:
            connection.execute(table.insert(), insertions)

    def _evaluation_row(self, event: EventLogEntry, number: int) -> dict[str, Any]:
        evaluation = event.get_dagster_event().asset_check_evaluation_data
        target = evaluation.target_materialization_data
        status = AssetCheckExecutionRecordStatus
        return {
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "partition": evaluation.partition,
            "run_id": event.run_id,
            "execution_status": (status.SUCCEEDED if evaluation.passed else status.FAILED).value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": number,
            "materialization_event_storage_id": target.storage_id if target else None,
        }

    def has_table(self, table_name: str) -> bool:
        """Tell whether the index has a table; one that was there stays there."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        # Asked for every event of an asset; a column that was there stays there.
        if not self._asset_keys_have_times:
            self._asset_keys_have_times = super()._has_asset_key_index_cols_on_connection(conn)
        return self._asset_keys_have_times

    def dispose(self) -> None:
        """Close the files."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def written_together(instance: DagsterInstance) -> AbstractContextManager[None]:
    """Return a context within which events are stored in one transaction; other logs are as they are."""
    storage = instance.event_log_storage
    return storage.together() if isinstance(storage, KeptOpenSqliteEventLogStorage) else nullcontext()


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
