"""Dagster's event log in SQLite with its connections kept open: a range run writes a thousand events.

What belongs here: how connections to the log's files are made. What does not: what is stored (Dagster's
own class decides that, the files are the same and either class reads what the other wrote).

Dagster opens every file anew for each statement: a new engine (whose compiled statements are then compiled
again), and on closing a checkpoint of the write-ahead log, some 25 ms of CPU an event. Kept open it is about
a tenth (measured, see `docs/benchmarks.md`).
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as db
from dagster import StringSource
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

#: Files held open: the index, and the logs of the runs at hand.
_OPEN_FILES = 8


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
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def has_table(self, table_name: str) -> bool:
        """Tell whether the index has a table; one that was there stays there."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close the files."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
