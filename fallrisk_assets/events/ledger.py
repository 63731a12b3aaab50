"""What was told to which sink: tables of the outbox's SQLite file that only grow.

What belongs here: noting events once, and what a sink has not taken yet. What does not: what an event says
(`stages.py`), pages and their contacts (`alerts/outbox.py`, same file).

Sending comes before marking: a crash between the two sends again, under the same event id. A sink that is new
is told what happens from then on, not what happened before.
"""

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from fallrisk_assets.events.stages import StageEvent

_SCHEMA = """
create table if not exists stage_events (
    id integer primary key, event_id text not null unique, stage text not null, at text not null,
    detail text not null
) strict;
create table if not exists stage_sinks (sink text primary key, after_id integer not null) strict;
create table if not exists stage_taken (
    sink text not null references stage_sinks, event_id text not null references stage_events (event_id),
    at text not null, primary key (sink, event_id)
) strict;
create trigger if not exists stage_events_stay before delete on stage_events
    begin select raise(abort, 'the outbox is append-only'); end;
create trigger if not exists stage_taken_stays before delete on stage_taken
    begin select raise(abort, 'the outbox is append-only'); end;
"""
_WAITING = """
    select e.* from stage_events e join stage_sinks s on s.sink = :sink and e.id > s.after_id
    where not exists (select 1 from stage_taken t where t.sink = :sink and t.event_id = e.event_id)
    order by e.id limit :limit
"""


class EventLedger:
    """The events' part of the outbox. One object belongs to one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=30)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> "EventLedger":
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._db.close()

    def meet(self, sinks: Iterable[str]) -> None:
        """Note sinks that are new: they are told what is noted from now on."""
        with self._db:
            self._db.executemany(
                "insert or ignore into stage_sinks select ?, coalesce(max(id), 0) from stage_events",
                [(sink,) for sink in sinks],
            )

    def note(self, events: Iterable[StageEvent]) -> int:
        """Note events that are not in the ledger yet; returns how many were not."""
        rows = [
            (e.event_id, e.stage, _text(e.at), json.dumps(dict(e.detail), sort_keys=True)) for e in events
        ]
        with self._db:
            before = self._db.total_changes
            self._db.executemany(
                "insert or ignore into stage_events (event_id, stage, at, detail) values (?, ?, ?, ?)", rows
            )
            return self._db.total_changes - before

    def waiting(self, sink: str, limit: int) -> list[StageEvent]:
        """Return the oldest events that a sink has not taken yet."""
        rows = self._db.execute(_WAITING, {"sink": sink, "limit": limit})
        return [
            StageEvent(
                row["event_id"],
                row["stage"],
                datetime.fromisoformat(row["at"]),
                json.loads(row["detail"]),
            )
            for row in rows
        ]

    def taken(self, sink: str, events: Iterable[StageEvent], now: datetime) -> None:
        """Note that a sink has taken events."""
        with self._db:
            self._db.executemany(
                "insert or ignore into stage_taken (sink, event_id, at) values (?, ?, ?)",
                [(sink, e.event_id, _text(now)) for e in events],
            )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
