"""The delivery ledger: what was to be told, what was tried, what arrived.

Belongs here: an append-only SQLite file and deduplication. Does not belong here: what is worth telling
(`notifications`), whether a page leaves now (`attempts`) and how (`channels`).

The ledger is never rebuilt: partitions may be recomputed at will, but a nurse's phone has rung or it has not.
Sending comes before marking, so a crash between the two sends again, with the same idempotency key: at least
once, and a receiver that knows the key sees it once.
"""

import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fallrisk_assets.alerts.attempts import (
    FAILED,
    PENDING,
    SENT,
    SUPPRESSED_DUPLICATE,
    SUPPRESSED_STALE,
    WITHDRAWN,
    Delivery,
    attempt,
)
from fallrisk_assets.alerts.channels import Channel
from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.escalation import Ladder
from fallrisk_assets.alerts.notifications import Page
from fallrisk_assets.alerts.outbox_schema import (
    LADDERS,
    NAMES,
    OUTDONE,
    REFERENCE_FROM,
    SAME_AS,
    SCHEMA,
    TWIN,
)
from fallrisk_assets.alerts.rules import RAISED

CRITICAL, STOPPED, HELD = "CRITICAL", "STOPPED", "HELD"
"""Notes about an alert: it escalates; nobody else is to be told; nobody before some time."""


class OutboxBusy(RuntimeError):
    """Another process is delivering from the same outbox."""


@dataclass
class Report:
    """What one call did: deliveries by the state they came to, what failed for good, what was too old."""

    states: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    failed: list[tuple[Page, str]] = field(default_factory=list)
    stale: list[Page] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add what another call did."""
        self.states += other.states
        self.failures += other.failures
        self.failed += other.failed
        self.stale += other.stale


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class Ledger:
    """The outbox's SQLite file. One object belongs to one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("pragma journal_mode = wal")
        # WAL's usual NORMAL may lose the last mark in a power cut, and a lost mark is a second page.
        self._db.execute("pragma synchronous = full")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("begin immediate")
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def enqueue(self, pages: Iterable[Page], now: datetime) -> Report:
        """Note pages that are not in the ledger yet.

        A page whose subject, rule, transition, level and contact already have one, pending or sent, that
        covers overlapping time under another alert id is SUPPRESSED_DUPLICATE: late data may rename an
        alert, but the same fall rings once. An alert that CONTINUES another is its duplicate, and so is one
        that continues a duplicate, as long as the page at the beginning of them all was or will be sent. A
        critical page is no duplicate of one that is less: it takes the place of what still waits of that.

        Args:
            pages: any pages, known ones included.
            now: current time, UTC.

        Returns:
            Counts of the new ones by state.
        """
        report = Report()
        with self._transaction() as db:
            for page in pages:
                row = _insert(db, page, now)
                if row is None and page.severity == "critical" and _severity(db, page) != "critical":
                    page = replace(page, transition=RAISED)
                    row = _insert(db, page, now)
                if row is None:
                    continue
                twin = db.execute(TWIN, row).fetchone()
                state = SUPPRESSED_DUPLICATE if twin else PENDING
                detail = SAME_AS + twin["told_by"] if twin else ""
                _append(db, row["idempotency_key"], now, state, 0, now, page.known_at, detail)
                report.states[state] += 1
                if page.severity == "critical":
                    for less in db.execute(OUTDONE, row).fetchall():
                        _withdraw(db, less, now, "told as critical")
        return report

    def withdraw(
        self, alert_ids: Iterable[str], now: datetime, why: str = "alert is over", from_level: int = 0
    ) -> int:
        """Take back what is still pending about alerts that are over; returns how many.

        A page whose duplicate is over is taken back too: both are about the same thing. With `from_level`
        only the pages of that escalation level and above.
        """
        count = 0
        with self._transaction() as db:
            for alert_id in alert_ids:
                waiting = db.execute(
                    """select idempotency_key, attempt, fresh_from from latest
                       where state = 'PENDING' and level >= :level and (alert_id = :id or idempotency_key in (
                           select substr(state_detail, :from) from latest
                           where alert_id = :id and state = 'SUPPRESSED_DUPLICATE'))""",
                    {"id": alert_id, "from": REFERENCE_FROM, "level": from_level},
                ).fetchall()
                for row in waiting:
                    _withdraw(db, row, now, why)
                    count += 1
        return count

    def note(self, alert_id: str, kind: str, now: datetime, until: datetime | None = None) -> None:
        """Note once that an alert is CRITICAL, that its escalation is STOPPED, or HELD until a time."""
        text = _text(until) if until else None
        with self._transaction() as db:
            db.execute(
                """insert into notes (alert_id, at, kind, until) select :id, :now, :kind, :until
                   where not exists (select 1 from notes n where n.alert_id = :id and n.kind = :kind
                       and n.until is :until and n.id = (
                           select max(id) from notes where alert_id = :id and kind = :kind))""",
                {"id": alert_id, "now": _text(now), "kind": kind, "until": text},
            )

    def ladders(self, since: datetime) -> list[Ladder]:
        """Alerts that became critical after a time and that nobody has acknowledged, oldest first.

        An alert that late data renamed has its pages under the old id: it stands where those do, and what
        was noted about either of the two counts for both.
        """
        found = self._db.execute(LADDERS, (_text(since),)).fetchall()
        ladders = (self._ladder(row["alert_id"]) for row in found)
        return [ladder for ladder in ladders if ladder is not None]

    def _ladder(self, alert_id: str) -> Ladder | None:
        names = [row["alert_id"] for row in self._db.execute(NAMES, {"id": alert_id, "from": REFERENCE_FROM})]
        marks = ", ".join("?" * len(names))
        notes = self._db.execute(f"select * from notes where alert_id in ({marks}) order by id", names)
        held = None
        for note in notes.fetchall():
            if note["kind"] == STOPPED:
                return None
            held = datetime.fromisoformat(note["until"]) if note["until"] else held
        own = [d for d in self.deliveries(alert_id=alert_id) if d.page.severity == "critical"]
        top = max(d.page.level for d in own)
        tops = [self._original(d) for d in own if d.page.level == top]
        page = next(d.page for d in own if d.page.level == top)
        if sent := [d.state_at for d in tops if d.state == SENT]:
            return Ladder(page, min(sent), held_until=held)
        if all(d.state == FAILED for d in tops):
            return Ladder(page, max(d.state_at for d in tops), failed=True, held_until=held)
        # Whoever cannot be reached for so long is as good as one who does not answer.
        tried = [self._first_tried(d.page.idempotency_key) for d in tops if d.state == PENDING and d.attempt]
        return Ladder(page, min(tried, default=None), held_until=held)

    def _first_tried(self, idempotency_key: str) -> datetime:
        query = "select min(at) as at from events where idempotency_key = ? and attempt > 0"
        return datetime.fromisoformat(self._db.execute(query, (idempotency_key,)).fetchone()["at"])

    def _original(self, delivery: Delivery) -> Delivery:
        """The page that was or will be sent where this one is its duplicate."""
        while delivery.state == SUPPRESSED_DUPLICATE:
            key = delivery.detail.removeprefix(SAME_AS)
            row = self._db.execute("select * from latest where idempotency_key = ?", (key,)).fetchone()
            delivery = _delivery(row)
        return delivery

    def deliveries(
        self, state: str | None = None, alert_id: str | None = None, subject: str | None = None
    ) -> list[Delivery]:
        """Deliveries with their latest state, oldest first; all, or those of one state, alert or subject."""
        rows = self._db.execute(
            """select * from latest where (:state is null or state = :state)
               and (:alert_id is null or alert_id = :alert_id) and (:subject is null or subject = :subject)
               order by known_at, level, idempotency_key""",
            {"state": state, "alert_id": alert_id, "subject": subject},
        )
        return [_delivery(row) for row in rows]

    def first_pages(self, since: int | None) -> tuple[list[Page], int]:
        """First pages of alerts whose turn has come since a number, and the number to give the next time.

        A page that waits for its first turn is not among them yet, nor ever one that is a duplicate, stale or
        was withdrawn before: they tell nobody anything.

        Args:
            since: what was returned the last time; None: only the number is of interest.
        """
        newest = self._db.execute("select coalesce(max(id), 0) as newest from events").fetchone()["newest"]
        if since is None:
            return [], newest
        rows = self._db.execute(
            """select distinct d.* from events e join latest d on d.idempotency_key = e.idempotency_key
               where e.id > ? and e.id <= ? and d.level = 0
                 and (e.state in ('SENT', 'FAILED') or (e.state = 'PENDING' and e.detail <> ''))
               order by d.at, d.idempotency_key""",
            (since, newest),
        )
        return [_delivery(row).page for row in rows], newest

    def told(self, alert_id: str) -> Counter[str]:
        """How many contacts an alert has in each state; a duplicate counts as the page that it repeats."""
        pages = (self._original(d) for d in self.deliveries(alert_id=alert_id))
        return Counter(state for state, _ in {(d.state, d.page.contact_id) for d in pages})

    def history(self, idempotency_key: str) -> list[str]:
        """The states that one delivery went through, oldest first."""
        rows = self._db.execute(
            "select state from events where idempotency_key = ? order by id", (idempotency_key,)
        )
        return [row["state"] for row in rows]

    def counts(self) -> dict[str, int]:
        """Deliveries by state."""
        return dict(
            self._db.execute("select state, count(*) from latest group by state order by state").fetchall()
        )

    def oldest_pending(self) -> datetime | None:
        """Since when the oldest waiting page could have left; a held one: the end of its quiet hours."""
        query = "select min(fresh_from) as at from latest where state = 'PENDING'"
        row = self._db.execute(query).fetchone()
        return datetime.fromisoformat(row["at"]) if row["at"] else None

    def deliver(
        self,
        now: datetime,
        channels: Mapping[str, Channel],
        addresses: Mapping[str, Contact],
        link: str = "",
    ) -> Report:
        """Send what is due, critical pages first.

        Args:
            now: current time, UTC: it alone decides what is due, stale or in quiet hours.
            channels: by name, as in the contacts.
            addresses: contacts by id; looked up now, so that nothing is sent to an old address and the ledger
                holds none.
            link: see `message_of`.

        Returns:
            Counts by the state reached (PENDING: put off), and a line for each permanent failure.

        Raises:
            OutboxBusy: another process is delivering.
        """
        report = Report()
        with self._alone():
            due = [
                d for d in self.deliveries(PENDING) if d.next_attempt_at is None or d.next_attempt_at <= now
            ]
            due.sort(key=lambda d: d.page.severity != "critical")
            for delivery in due:
                state, next_at, fresh_from, detail = attempt(delivery, now, channels, addresses, link)
                with self._transaction() as db:
                    tries = delivery.attempt + (state in (SENT, FAILED) or detail.startswith("retry"))
                    key = delivery.page.idempotency_key
                    _append(db, key, now, state, tries, next_at, fresh_from, detail)
                report.states[state] += 1
                page = delivery.page
                if state == SUPPRESSED_STALE:
                    report.stale.append(page)
                if state == FAILED:
                    report.failed.append((page, detail))
                    report.failures.append(f"{page.rule} {page.alert_id} by {page.channel}: {detail}")
        return report

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the right to deliver; the system takes it back when the process dies."""
        lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutboxBusy(f"{self.path}: another process is delivering") from error
            yield
        finally:
            os.close(lock)


def _insert(db: sqlite3.Connection, page: Page, now: datetime) -> dict | None:
    """Note a page; None if it is there already."""
    row = _row_of(page)
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    inserted = db.execute(
        f"insert or ignore into deliveries ({names}, enqueued_at) values ({marks}, :now)",
        row | {"now": _text(now)},
    )
    return row if inserted.rowcount else None


def _severity(db: sqlite3.Connection, page: Page) -> str:
    query = "select severity from deliveries where idempotency_key = ?"
    return db.execute(query, (page.idempotency_key,)).fetchone()["severity"]


def _withdraw(db: sqlite3.Connection, row: sqlite3.Row, now: datetime, why: str) -> None:
    fresh = datetime.fromisoformat(row["fresh_from"])
    _append(db, row["idempotency_key"], now, WITHDRAWN, row["attempt"], None, fresh, why)


def _append(
    db: sqlite3.Connection,
    key: str,
    now: datetime,
    state: str,
    attempt: int,
    next_at: datetime | None,
    fresh_from: datetime,
    detail: str,
) -> None:
    db.execute(
        """insert into events (idempotency_key, at, state, attempt, next_attempt_at, fresh_from, detail)
           values (?, ?, ?, ?, ?, ?, ?)""",
        (key, _text(now), state, attempt, _text(next_at) if next_at else None, _text(fresh_from), detail),
    )


_TIMES = ("at", "known_at", "opened_at", "covers_until")


def _row_of(page: Page) -> dict:
    row = {f.name: getattr(page, f.name) for f in fields(page) if f.name != "stale_after"}
    row |= {name: _text(row[name]) for name in _TIMES}
    return row | {"idempotency_key": page.idempotency_key, "stale_after_s": page.stale_after.total_seconds()}


def _delivery(row: sqlite3.Row) -> Delivery:
    values = {f.name: row[f.name] for f in fields(Page) if f.name != "stale_after"}
    values |= {name: datetime.fromisoformat(row[name]) for name in _TIMES}
    return Delivery(
        page=Page(**values, stale_after=timedelta(seconds=row["stale_after_s"])),
        state=row["state"],
        state_at=datetime.fromisoformat(row["state_at"]),
        attempt=row["attempt"],
        next_attempt_at=datetime.fromisoformat(row["next_attempt_at"]) if row["next_attempt_at"] else None,
        fresh_from=datetime.fromisoformat(row["fresh_from"]),
        detail=row["state_detail"],
    )
