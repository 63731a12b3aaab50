"""One pull of the clinic's database: what changed since the last one, as drops.

Here: what is asked for, what is dropped, the marks. Not here: SQL (`source.py`), judging rows, which is the
same as for any file.

Lists (patients, providers …) are read whole and dropped when they differ from the last drop. Logs
(appointments, feedback) are read from their mark on, and from an hour before it: a transaction that was long
may commit a row with an earlier time of change. Rows of that hour that were dropped already are known by
their hash and left out.

`clinic_database/mark.json` in the landing zone is written after the drops. A pull that stops between them
drops the same rows again the next time, under another name, which changes nothing: repeated rows count once.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fallrisk_assets.clinic.database.agreed import VIEWS, Difference, View, differences, not_agreed
from fallrisk_assets.clinic.database.source import Database, as_csv, as_line
from fallrisk_assets.clinic.files import FOLDER
from fallrisk_assets.lake import objects
from fallrisk_assets.lake.landing import RECEIVED_AT_FORMAT, Landing

PLACE = "clinic_database"
OVERLAP = dt.timedelta(hours=1)
DROP_ROWS = 50_000
"""Rows of a log in one drop at most: a first pull of years is not one file."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull gave.

    Attributes:
        drops: Keys of the new drops.
        rows: Rows in them, by view; views that were read and had nothing new have 0.
        differences: Ways in which views are not as agreed: these views were left alone.
        not_read: Columns that nobody agreed on, by view.
    """

    drops: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    not_read: dict[str, list[str]] = field(default_factory=dict)


def pull(
    database: Database,
    landing: Landing,
    views: Sequence[str],
    received_at: dt.datetime,
    drop_rows: int = DROP_ROWS,
) -> Pulled:
    """Read every view that is as agreed, and drop what is new of it.

    Args:
        database: One moment of the clinic's database.
        landing: Where drops go.
        views: Names of the views.
        received_at: Time of receipt of the drops.
        drop_rows: Rows of a log in one drop at most.

    Raises:
        DatabaseUnavailable: it stopped answering; what was dropped so far is marked.
        KeyError: there is no such view in the agreement.
    """
    filesystem, base = landing.located
    found = Pulled()
    with objects.locked(filesystem, f"{base}/{PLACE}/.lock") as still_mine:
        marks = json.loads(objects.read_whole(filesystem, f"{base}/{PLACE}/mark.json") or b"{}")
        there = database.columns(views)
        for name in views:
            view = VIEWS[name]
            wrong = differences(view, there[name])
            found.differences.extend(wrong)
            if wrong:
                continue
            if unread := not_agreed(view, there[name]):
                found.not_read[name] = unread
            columns = [one for one in (*view.required, *view.optional) if one in there[name]]
            read = _pull_log if view.changed_at else _pull_list
            still_mine()
            marks[name] = read(
                database, landing, view, columns, received_at, marks.get(name, {}), found, drop_rows
            )
            still_mine()
            objects.write_whole(filesystem, f"{base}/{PLACE}/mark.json", json.dumps(marks).encode())
    return found


def _pull_list(
    database: Database,
    landing: Landing,
    view: View,
    columns: Sequence[str],
    received_at: dt.datetime,
    mark: dict[str, Any],
    found: Pulled,
    _: int,
) -> dict[str, Any]:
    content = as_csv(columns, database.rows(view, columns))
    sha256 = hashlib.sha256(content).hexdigest()
    found.rows[view.name] = 0
    if content.count(b"\n") == 1:  # dropped, it would say that there is nobody any more
        if mark:
            found.differences.append(Difference(view.name, "", "rows, as before", "no rows"))
        return mark
    if mark.get("sha256") != sha256:
        _drop(landing, view, content, received_at, found)
        found.rows[view.name] = content.count(b"\n") - 1
    return {"sha256": sha256}


def _pull_log(
    database: Database,
    landing: Landing,
    view: View,
    columns: Sequence[str],
    received_at: dt.datetime,
    mark: dict[str, Any],
    found: Pulled,
    drop_rows: int,
) -> dict[str, Any]:
    assert view.changed_at is not None
    up_to = dt.datetime.fromisoformat(mark["up_to"]) if mark else None
    known = set(mark.get("known", ()))
    recent: dict[str, dt.datetime] = {}
    lines: list[str] = []
    found.rows[view.name] = 0

    def drop() -> None:
        found.rows[view.name] += len(lines)
        _drop(landing, view, "".join(f"{line}\n" for line in lines).encode(), received_at, found)
        lines.clear()

    since = None if up_to is None else up_to - OVERLAP
    for row in database.rows(view, columns, since):
        changed_at: dt.datetime = row[view.changed_at]
        up_to = changed_at if up_to is None else max(up_to, changed_at)
        line = as_line({name: value for name, value in row.items() if name != view.changed_at})
        seen = hashlib.sha256(f"{changed_at.isoformat()}{line}".encode()).hexdigest()[:32]
        recent[seen] = changed_at
        if seen in known:
            continue
        lines.append(line)
        if len(lines) == drop_rows:
            drop()
    if lines:
        drop()
    if up_to is None:
        return {}
    return {
        "up_to": up_to.isoformat(),
        "known": sorted(seen for seen, changed_at in recent.items() if changed_at >= up_to - OVERLAP),
    }


def _drop(landing: Landing, view: View, content: bytes, received_at: dt.datetime, found: Pulled) -> None:
    stamp = received_at.astimezone(dt.UTC).strftime(RECEIVED_AT_FORMAT)
    sha8 = hashlib.sha256(content).hexdigest()[:8]
    key = f"{FOLDER}/{stamp}-{view.kind}-{sha8}{view.suffix}"
    landing.put_if_absent(key, content)
    found.drops.append(key)
