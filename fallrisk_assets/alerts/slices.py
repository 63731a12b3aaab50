"""The alerts of one hour or one day, as rows.

Belongs here: which alerts a slice shows, what it has to read for them, and their table form. Does not belong
here: the fold itself (`episodes`).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import pyarrow as pa

from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.contract import AlertActions, OperationsAlerts
from fallrisk_assets.alerts.episodes import Alert, Observation, fold
from fallrisk_assets.contract import ContractType, conform


def late_ends(
    actions: Iterable[Action], *, start: datetime, end: datetime, look_back: timedelta
) -> list[datetime]:
    """Where else a slice has to look, because somebody acted on an alert that is older than the look-back.

    Args:
        actions: actions of the slice, of its own rules.
        start: start of the slice, UTC.
        end: its end.
        look_back: what the slice reads anyway.

    Returns:
        Ends of further windows of `look_back`, ascending: for each such alert one that surely sees its
        opening, and a later one that sees its end too if its run's start is in sight there.
    """
    step = end - start
    oldest = end - 2 * look_back / 3
    ends = set()
    for a in actions:
        if start <= a.at < end and a.opened_at < oldest:
            for reach in (a.opened_at + 2 * look_back / 3, a.opened_at + 5 * look_back / 6):
                ends.add(min(reach - (reach - start) % step, start))
    return sorted(ends)


def slice_alerts(
    model: ContractType,
    observations: Collection[Observation],
    actions: Sequence[Action],
    *,
    start: datetime,
    end: datetime,
    as_of: datetime,
    look_back: timedelta,
    known_before: datetime | None = None,
) -> pa.Table:
    """Fold and keep what the slice `[start, end)` shows: alerts that are unfinished or changed in it.

    Args:
        model: one of `ALERT_TABLES`.
        observations: of the look-back before `end` and of the windows that `late_ends` names.
        actions: all actions before `end` on alerts of those windows.
        start: start of the slice, UTC.
        end: its end.
        as_of: min(end, watermark).
        look_back: fixed for the model; see `rules`.
        known_before: as-of time of the slice before, `start` by default. What happened since then was not
            certain yet when that slice was made, so it is news in this one.

    Returns:
        Table in the model's schema, ordered by opening and id.
    """
    acted = [a for a in actions if a.at < end]
    shown = {
        alert.alert_id: alert
        for alert in fold(observations, acted, end=end, as_of=as_of, look_back=look_back)
        if alert.matters_in(min(start, known_before or start), end)
    }
    oldest = end - 2 * look_back / 3
    # Of an alert in several windows the last one has seen the most.
    for late_end in reversed(late_ends(acted, start=start, end=end, look_back=look_back)):
        for alert in fold(observations, acted, end=late_end, as_of=as_of, look_back=look_back):
            if alert.opened_at < oldest and any(start <= t.at < end for t in alert.transitions):
                shown.setdefault(alert.alert_id, alert)
    return alerts_table(model, shown.values(), start=start, as_of=as_of)


def alerts_table(
    model: ContractType, alerts: Iterable[Alert], *, start: datetime, as_of: datetime
) -> pa.Table:
    """The table form of alerts; `start` is the slice's start, UTC."""
    rows = sorted(alerts, key=lambda a: (a.opened_at, a.alert_id))
    plain = [
        "alert_id",
        "patient_id",
        "device_id",
        "rule",
        "severity",
        "opened_at",
        "last_seen_at",
        "n",
        "state",
        "escalation_level",
        "acknowledged_at",
        "assigned_to",
        "snoozed_until",
        "closed_at",
        "notes",
    ]
    if model is OperationsAlerts:
        plain.append("scope")
    columns: dict[str, list] = {name: [getattr(a, name) for a in rows] for name in plain}
    columns["source_ids"] = [json.dumps(a.source_ids, separators=(",", ":")) for a in rows]
    columns["transitions"] = [a.transitions_json() for a in rows]
    columns["as_of"] = [max(as_of, a.opened_at) for a in rows]
    slice_column = model.spec.slice_column or ""
    columns[slice_column] = [start if slice_column == "hour" else start.date()] * len(rows)
    return conform(model, columns)


def actions_table(actions: Iterable[Action]) -> pa.Table:
    """The `alert_actions` table of actions, ordered by time and id, each once."""
    rows = sorted({a.action_id: a for a in actions}.items(), key=lambda item: (item[1].at, item[0]))
    names = list(Action.__dataclass_fields__)
    columns: dict[str, list] = {name: [getattr(a, name) for _, a in rows] for name in names}
    return conform(AlertActions, {"action_id": [i for i, _ in rows], **columns})
