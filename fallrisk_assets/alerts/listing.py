"""The alerts in words, for whoever looks at them on the command line.

Belongs here: which row of an alert counts, and how it reads beside what the delivery ledger says. Does not
belong here: arguments (`__main__`), and what was told (`outbox`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fallrisk_assets.alerts.attempts import FAILED, PENDING, SENT, SUPPRESSED_STALE, WITHDRAWN
from fallrisk_assets.alerts.values import subject_of

_IN_WORDS = {
    PENDING: "waiting",
    FAILED: "failed",
    SUPPRESSED_STALE: "suppressed as stale",
    WITHDRAWN: "taken back",
}


def newest_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest row of each alert, oldest opening first.

    Args:
        rows: of the tables of alerts, each table's in order of its slices.
    """
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        newest[row["alert_id"]] = row
    return sorted(newest.values(), key=lambda row: (row["opened_at"], row["alert_id"]))


def line(row: Mapping[str, Any], told: Mapping[str, int], last_slice: datetime | None = None) -> str:
    """One alert: what it is, its state, and who was told.

    Args:
        row: its newest row.
        told: contacts by the state of their pages, as the delivery ledger has them.
        last_slice: the newest slice of the row's table. An unfinished alert without a row in it is out of the
            fold's sight: nothing but a person's action changes it any more.
    """
    subject = subject_of(row)
    level = f" level {row['escalation_level']}" if row["escalation_level"] else ""
    began = json.loads(row["transitions"])[0].get("since")
    since = f" since {datetime.fromisoformat(began):%Y-%m-%d %H:%M}Z" if began else ""
    lost = row["closed_at"] is None and last_slice is not None and _slice_of(row) < last_slice
    unjudged = f", not judged since {row['as_of']:%Y-%m-%d %H:%M}Z" if lost else ""
    return (
        f"{row['alert_id']}  {row['opened_at']:%Y-%m-%d %H:%M}Z  {row['severity']:<8}  {row['rule']:<19}  "
        f"{subject:<10}  n={row['n']:<3} {row['state']}{level}{since}{unjudged}; {in_words(told)}"
    )


def in_words(told: Mapping[str, int]) -> str:
    """Whom the ledger says was told: an escalation in a row is due by time, whether or not a phone rang."""
    others = Counter({state: n for state, n in told.items() if state != SENT})
    if told.get(SENT):
        del others[SUPPRESSED_STALE], others[WITHDRAWN]
        rest = [f"{n} {_IN_WORDS.get(state, state)}" for state, n in sorted(others.items())]
        return ", ".join([f"told to {told[SENT]}", *rest])
    why = ", ".join(_IN_WORDS.get(state, state) for state in sorted(others))
    return f"told to nobody: {why or 'nothing in the delivery ledger'}"


def _slice_of(row: Mapping[str, Any]) -> datetime:
    if "hour" in row:
        return row["hour"]
    day = row["day"]
    return datetime(day.year, day.month, day.day, tzinfo=row["opened_at"].tzinfo)
