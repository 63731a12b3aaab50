"""The states of appointments, day by day: which appointments a day concerns, and how their states changed.

Here: from everything received up to a day to `Appointments` and `AppointmentQuarantine` rows. Not here: what
events of one appointment add up to (`fold.py`), patients and providers (`references.py`), the lake
(`assets.py`).

A day's rows are a function of what was received up to that day. They are those appointments whose state
became another on it: because something was received, because a time passed in silence, or because a patient
or provider became known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.local_time import quarter_hour_id
from fallrisk_assets.clinic.operations import fold as folding
from fallrisk_assets.clinic.operations import references as refs
from fallrisk_assets.clinic.operations.concerned import DayEnd, appointments_silent, appointments_told
from fallrisk_assets.clinic.operations.contract import AppointmentQuarantine, Appointments
from fallrisk_assets.clinic.operations.fold import Folded, fold
from fallrisk_assets.clinic.operations.references import References
from fallrisk_assets.clinic.operations.vocabulary import (
    BY_API,
    BY_EVENTS,
    BY_RECORD,
    COMPLETED,
    IN_PROGRESS,
    SCHEDULED,
    SOURCES,
)
from fallrisk_assets.contract import arrow_schema

APPOINTMENTS_AT_ONCE = 4_000
"""Appointments whose events are in memory as rows at one time."""

_OPEN = (SCHEDULED, IN_PROGRESS)
"""States that silence can change."""
_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_COMPARED = (
    "patient_id",
    "provider_id",
    "scheduled_start_at",
    "appointment_type",
    "mode",
    "status",
    "wait_minutes",
    "duration_minutes",
    "device_type",
    "operating_system",
    "browser",
    "connection_quality",
    "issue_type",
)
"""Columns in which two sources of one appointment can disagree; what one lacks is no disagreement."""
_NOT_IN_RECORDS = (
    "booked_at",
    "planned_minutes",
    "cancelled_at",
    "cancellation_reason",
    "rescheduled_from",
    "rescheduled_to",
    "patient_login_at",
    "provider_login_at",
    "session_started_at",
    "session_ended_at",
    "issue_severity",
    "unresolved_issues",
)


@dataclass(frozen=True)
class _State:
    """What is told of an appointment at the end of a day: its row without the day, and what was refused."""

    row: Mapping[str, Any] | None
    refused: tuple[tuple[str, str, str | None, str], ...] = ()


def day_states(
    ends: Sequence[DayEnd],
    before: DayEnd,
    events: pa.Table,
    records: pa.Table,
    references: References,
) -> Iterator[tuple[date, pa.Table, pa.Table]]:
    """Yield, piece by piece, the rows of some days that follow each other.

    Args:
        ends: the days, in order.
        before: the day before the first of them.
        events: `AppointmentEvents` rows received up to the last of them.
        records: `AppointmentRecords` rows received up to the last of them.
        references: patients and providers.

    Yields:
        A day with `Appointments` and `AppointmentQuarantine` rows of it; the pieces of a day follow each
        other by appointment. A day on which nothing changed is not among them.
    """
    told = appointments_told(ends, events, records, references)
    silent = appointments_silent(ends, before, events)
    concerned = {end.day: told[end.day] | silent[end.day] for end in ends}
    ids = sorted(set().union(*concerned.values()))
    events_of, records_of = _ByAppointment(events, ids), _ByAppointment(records, ids)
    pieces: dict[int, list[tuple[DayEnd, DayEnd, list[str]]]] = {}
    place = {one: at // APPOINTMENTS_AT_ONCE for at, one in enumerate(ids)}
    for previous, end in pairwise((before, *ends)):
        of_pieces: dict[int, list[str]] = {}
        for one in sorted(concerned[end.day]):
            of_pieces.setdefault(place[one], []).append(one)
        for piece, of_piece in of_pieces.items():
            pieces.setdefault(piece, []).append((previous, end, of_piece))
    for piece in sorted(pieces):
        first = piece * APPOINTMENTS_AT_ONCE
        its_events = events_of.rows(first, first + APPOINTMENTS_AT_ONCE)
        its_records = records_of.rows(first, first + APPOINTMENTS_AT_ONCE)
        known: dict[str, _State] = {}
        for previous, end, of_piece in pieces[piece]:
            rows: list[dict[str, Any]] = []
            refused: list[dict[str, Any]] = []
            for one in of_piece:
                of_one = its_events.get(one, []), its_records.get(one, [])
                old = known.get(one)
                if old is None:
                    old = _state(*of_one, previous, references)
                elif one not in told[end.day] and old.row and old.row["status"] not in _OPEN:
                    continue
                new = known[one] = _state(*of_one, end, references)
                if new != old:
                    if row := new.row or _withdrawn(old):
                        rows.append({"day": end.day, **row, "as_of": end.as_of})
                    refused += _quarantined(end.day, one, new, old)
            if rows or refused:
                yield (
                    end.day,
                    pa.Table.from_pylist(rows, schema=arrow_schema(Appointments)),
                    pa.Table.from_pylist(refused, schema=arrow_schema(AppointmentQuarantine)),
                )


def _withdrawn(old: _State) -> Mapping[str, Any] | None:
    """Return the row by which an appointment that was told counts nowhere any more."""
    return old.row and {**old.row, "refusal": "NOT_SCHEDULED"}


class _ByAppointment:
    """The rows of a table by appointment, a piece of the appointments at a time.

    Args:
        table: rows with an `appointment_id`.
        ids: the appointments that are wanted, sorted.
    """

    def __init__(self, table: pa.Table, ids: Sequence[str]) -> None:
        at = pc.index_in(table["appointment_id"], pa.array(ids, pa.string())).combine_chunks()
        places = np.asarray(at.fill_null(len(ids)))
        self._order = np.argsort(places, kind="stable")
        self._places = places[self._order]
        self._table = table
        self._ids = len(ids)

    def rows(self, first: int, end: int) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of the appointments from one place in the ids to another, `[first, end)`."""
        low, high = np.searchsorted(self._places, [first, min(end, self._ids)])
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self._table.take(pa.array(self._order[low:high])).to_pylist():
            found.setdefault(row["appointment_id"], []).append(row)
        return found


def _state(
    events: Iterable[Mapping[str, Any]],
    records: Iterable[Mapping[str, Any]],
    end: DayEnd,
    references: References,
) -> _State:
    """Return the state of one appointment at the end of a day, as the strongest of its sources tells it."""
    if end.as_of is None:
        return _State(None)
    received = [event for event in events if event["received_date"] <= end.day]
    folded = fold(received, end.as_of) if received else Folded(None)
    refused = [
        (e.event["event_id"], e.event["content_hash"], e.event["event_type"], e.reason)
        for e in folded.refused
    ]
    known = [r for r in records if r["received_date"] <= end.day]
    told = {
        BY_EVENTS: folded.state,
        BY_RECORD: _record_state([r for r in known if r["source"] is None]),
        BY_API: _record_state([r for r in known if r["source"] == BY_API]),
    }
    sources = [source for source in SOURCES if told[source] is not None]
    if not sources:
        return _State(None, tuple(sorted(refused)))
    winner = told[sources[0]] or {}
    row = {**winner, "source": sources[0], **_loser(winner, told, sources[1:])}
    zone = references.zone(row, end.day)
    row |= _local(row, zone)
    row["refusal"] = references.refusal(row, zone, end.day)
    if row["refusal"] is not None:
        refused.append(("", "", None, row["refusal"]))
    return _State(row, tuple(sorted(refused, key=lambda one: one[:2])))


def _record_state(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return what the newest record of an appointment says, in the columns of `Appointments`."""
    if not records:
        return None
    newest = max(records, key=lambda row: (row["recorded_at"] or _NEVER, row["content_hash"]))
    completed = newest["status"] == COMPLETED
    return {
        **{
            k: v
            for k, v in newest.items()
            if k not in ("received_date", "file", "line", "content_hash", "source")
        },
        **dict.fromkeys(_NOT_IN_RECORDS),
        "reschedule_count": 0,
        "event_count": 0,
        "patient_arrived": None if newest["status"] == SCHEDULED else completed,
        "had_technical_issue": newest["had_technical_issues"] if completed else None,
    }


def _loser(
    state: Mapping[str, Any], told: Mapping[str, Mapping[str, Any] | None], weaker: Sequence[str]
) -> dict[str, Any]:
    """Return the strongest of the weaker sources, and in what it says otherwise."""
    record = told[weaker[0]] if weaker else None
    if record is None:
        return {"superseded_source": None, "disagreements": None}
    differing = [
        name
        for name in _COMPARED
        if state[name] is not None and record[name] is not None and state[name] != record[name]
    ]
    return {"superseded_source": weaker[0], "disagreements": ",".join(differing) or None}


def _local(row: Mapping[str, Any], zone: str) -> dict[str, Any]:
    local = row["scheduled_start_at"].astimezone(ZoneInfo(zone))
    lead = None
    if row["booked_at"] is not None:
        days = (local.date() - row["booked_at"].astimezone(ZoneInfo(zone)).date()).days
        lead = days if days >= 0 else None
    return {
        "scheduled_date": local.date(),
        "scheduled_time_id": quarter_hour_id(local),
        "time_zone": zone,
        "lead_time_days": lead,
    }


def _quarantined(day: date, appointment_id: str, new: _State, old: _State) -> Iterator[dict[str, Any]]:
    """Yield what is refused on a day and was not before."""
    for event_id, content, event_type, reason in new.refused:
        if (event_id, content, event_type, reason) not in old.refused:
            yield {
                "day": day,
                "appointment_id": appointment_id,
                "event_id": event_id,
                "content_hash": content,
                "event_type": event_type,
                "reason": reason,
                "detail": WHAT_TO_DO[reason],
                "patient_id": new.row["patient_id"] if new.row else None,
            }


WHAT_TO_DO = {**folding.WHAT_TO_DO, **refs.WHAT_TO_DO}
"""Reasons in `AppointmentQuarantine`, and the way out."""
