"""Dagster's event log in SQLite with its connections kept open: a range run writes thousands of events.

What belongs here: how connections to the log's files are made. What does not: what is stored (Dagster's
own class decides that, the files are the same and either class reads what the other wrote).

Dagster opens every file anew for each statement: a new engine (whose compiled statements are then compiled
again), and on closing a checkpoint of the write-ahead log, some 25 ms of CPU an event. Kept open it is about
a tenth (measured, see `docs/benchmarks.md`), and less where many events are one transaction: those that
Dagster hands over as a batch (DAGSTER_EVENT_BATCH_SIZE), and those within `written_together`.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as db
from dagster import DagsterInstance, EventLogEntry, StringSource
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
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
    def together(self) -> Iterator[None]:
        """Make one transaction a file of all that this thread stores within; an error undoes it all.

        Other threads wait for the end, and other processes that write; nobody reads half of it.
        """
        if self._together is not None and self._together.thread == threading.get_ident():
            yield  # within another one, whose end is the end
            return
        with self._db_lock, ExitStack() as ends:
            self._together = _Together(threading.get_ident(), ends)
            try:
                yield
            finally:
                self._together = None

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store some events in one transaction a file."""
        with self.together():
            super().store_event_batch(events)

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
