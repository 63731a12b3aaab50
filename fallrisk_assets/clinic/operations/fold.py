"""The state of an appointment, folded from its events in whatever order they were received.

Here: which events can follow each other, and what they add up to. Not here: judging lines (`log.py`),
patients and providers (`references.py`), days (`states.py`).

The result depends on the set of events and on `as_of` only: repeated events count once, and a late one takes
its place in time as if it had never been late.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fallrisk_assets.clinic.operations.vocabulary import (
    APPOINTMENT_CANCELLED,
    APPOINTMENT_RESCHEDULED,
    APPOINTMENT_SCHEDULED,
    CANCELLED,
    COMPLETED,
    EVENT_TYPES,
    IN_PROGRESS,
    LONGEST_VISIT_MINUTES,
    NO_SHOW,
    PATIENT_LOGIN,
    PROVIDER_LOGIN,
    RESCHEDULED,
    SCHEDULED,
    SESSION_ENDED,
    SESSION_STARTED,
    SEVERITIES,
    TECHNICAL_ISSUE,
)

ABSENT_AFTER = timedelta(minutes=30)
"""A patient of whom nothing was seen for so long after the scheduled time did not come."""
NOT_SEEN_AFTER = timedelta(hours=4)
"""A patient who came, and whose visit did not begin for so long after the scheduled time, was not seen."""
UNFINISHED_AFTER = timedelta(hours=24)
"""A visit whose end is not told for so long after its beginning is over; how long it took is not known."""
SILENCES: tuple[tuple[str, str | None, timedelta], ...] = (
    ("scheduled_start_at", None, ABSENT_AFTER),
    ("scheduled_start_at", None, NOT_SEEN_AFTER),
    ("occurred_at", SESSION_STARTED, UNFINISHED_AFTER),
)
"""When silence can change a state: an event's column, its type (None for any), and how long after it."""
NOT_SEEN = "Patient was not seen"
"""Reason of a cancellation that nobody sent: it is no no-show, for the patient came."""

WHAT_TO_DO = {
    "EVENT_ID_CONFLICT": "one event id has two contents; send the event again under an id of its own",
    "NOT_SCHEDULED": "no event schedules the appointment; send it, and this one counts",
    "BEFORE_SCHEDULING": "it happened before the appointment was scheduled; mend one of the times",
    "SCHEDULED_TWICE": "the appointment is scheduled already; a new time is an appointment_rescheduled",
    "PATIENT_MISMATCH": "it names another patient than the scheduling; mend the id",
    "PROVIDER_MISMATCH": "it names another provider than the scheduling; mend the id",
    "AFTER_CANCELLATION": "the appointment was cancelled before; mend the times, or withdraw one of the two",
    "AFTER_RESCHEDULING": "another appointment took its place before; send it for that one",
    "AFTER_END": "the visit had ended before; mend the times",
    "AFTER_START": "the visit had begun before; mend the times",
    "STARTED_TWICE": "the visit had begun before; a visit begins once",
    "NOT_STARTED": "no event begins the visit; send it, and this one counts",
    "DURATION_IMPLAUSIBLE": f"the visit took more than {LONGEST_VISIT_MINUTES} minutes; mend the times",
}
"""Reasons for which an event is refused, and the way out."""

_RANK = {name: rank for rank, name in enumerate(EVENT_TYPES)}
_FIRST_OF = ("device_type", "operating_system", "browser")


@dataclass(frozen=True)
class RefusedEvent:
    """An event that cannot have happened as told."""

    event: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class Folded:
    """What the events of one appointment add up to.

    Attributes:
        state: columns of `Appointments` that follow from events alone; None where no event schedules it.
        refused: events that are no part of it.
    """

    state: Mapping[str, Any] | None
    refused: tuple[RefusedEvent, ...] = ()


@dataclass
class _Visit:
    """An appointment while its events are taken one after the other."""

    state: dict[str, Any]
    times: dict[str, datetime] = field(default_factory=dict)
    issues: list[Mapping[str, Any]] = field(default_factory=list)
    events: int = 1


def fold(events: Iterable[Mapping[str, Any]], as_of: datetime) -> Folded:
    """Fold the events of one appointment.

    Args:
        events: `AppointmentEvents` rows of one appointment, in any order, repeated or not.
        as_of: up to when silence means that nothing happened: the newest receipt of the log.

    Returns:
        The state, and the events that were refused, in order of time. `WHAT_TO_DO` explains the reasons.
    """
    ordered, refused = _unique_in_order(events)
    visit: _Visit | None = None
    if not any(event["event_type"] == APPOINTMENT_SCHEDULED for event in ordered):
        refused += [RefusedEvent(event, "NOT_SCHEDULED") for event in ordered]
        return Folded(None, tuple(refused))
    for event in ordered:
        reason = _impossible(event, visit)
        if reason is not None:
            refused.append(RefusedEvent(event, reason))
        elif visit is None:
            visit = _Visit(_booked(event))
        else:
            _take(event, visit)
    assert visit is not None
    return Folded(_close(visit, as_of), tuple(sorted(refused, key=lambda one: _order(one.event))))


def _order(event: Mapping[str, Any]) -> tuple[Any, ...]:
    return event["occurred_at"], _RANK[event["event_type"]], event["content_hash"]


def _unique_in_order(
    events: Iterable[Mapping[str, Any]],
) -> tuple[list[Mapping[str, Any]], list[RefusedEvent]]:
    """Return each content once, in order of time; contents whose ids others have too are refused."""
    by_content: dict[str, dict[str, Mapping[str, Any]]] = {}
    contents: dict[str, set[str]] = {}
    for event in events:
        by_content.setdefault(event["content_hash"], {})[event["event_id"]] = event
        contents.setdefault(event["event_id"], set()).add(event["content_hash"])
    kept: list[Mapping[str, Any]] = []
    refused: list[RefusedEvent] = []
    for under_ids in by_content.values():
        good = [event_id for event_id in under_ids if len(contents[event_id]) == 1]
        if good:
            kept.append(under_ids[min(good)])
        else:
            refused += [RefusedEvent(event, "EVENT_ID_CONFLICT") for event in under_ids.values()]
    return sorted(kept, key=_order), refused


def _impossible(event: Mapping[str, Any], visit: _Visit | None) -> str | None:
    """Return why an event cannot follow what happened before it, or None."""
    kind = event["event_type"]
    if visit is None:
        return None if kind == APPOINTMENT_SCHEDULED else "BEFORE_SCHEDULING"
    for who in ("patient", "provider"):
        named = event[f"{who}_id"]
        if named is not None and named != visit.state[f"{who}_id"]:
            return f"{who.upper()}_MISMATCH"
    if kind == APPOINTMENT_SCHEDULED:
        return "SCHEDULED_TWICE"
    if visit.state["cancelled_at"] is not None:
        return "AFTER_CANCELLATION"
    if visit.state["rescheduled_to"] is not None:
        return "AFTER_RESCHEDULING"
    started, ended = visit.times.get(SESSION_STARTED), visit.times.get(SESSION_ENDED)
    if ended is not None and kind != TECHNICAL_ISSUE:
        return "AFTER_END"
    if started is not None and kind in (APPOINTMENT_RESCHEDULED, APPOINTMENT_CANCELLED):
        return "AFTER_START"
    if started is not None and kind == SESSION_STARTED:
        return "STARTED_TWICE"
    if kind == SESSION_ENDED:
        if started is None:
            return "NOT_STARTED"
        if event["occurred_at"] - started > timedelta(minutes=LONGEST_VISIT_MINUTES):
            return "DURATION_IMPLAUSIBLE"
    return None


def _booked(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "appointment_id": event["appointment_id"],
        "patient_id": event["patient_id"],
        "provider_id": event["provider_id"],
        "booked_at": event["occurred_at"],
        "scheduled_start_at": event["scheduled_start_at"],
        "time_flag": event["time_flag"],
        "appointment_type": event["appointment_type"],
        "mode": event["mode"],
        "planned_minutes": event["planned_minutes"],
        "cancelled_at": None,
        "cancellation_reason": None,
        "reschedule_count": 0,
        "rescheduled_from": event["related_appointment_id"],
        "rescheduled_to": None,
        "connection_quality": None,
        **dict.fromkeys(_FIRST_OF),
    }


def _take(event: Mapping[str, Any], visit: _Visit) -> None:
    state, kind = visit.state, event["event_type"]
    visit.events += 1
    state["time_flag"] = state["time_flag"] or event["time_flag"]
    for name in _FIRST_OF:
        state[name] = state[name] or event[name]
    state["connection_quality"] = event["connection_quality"] or state["connection_quality"]
    if kind == APPOINTMENT_CANCELLED:
        state["cancelled_at"], state["cancellation_reason"] = event["occurred_at"], event["reason"]
    elif kind == APPOINTMENT_RESCHEDULED:
        if event["related_appointment_id"] is not None:
            state["rescheduled_to"] = event["related_appointment_id"]
            return
        state["reschedule_count"] += 1
        for name in ("scheduled_start_at", "appointment_type", "mode", "planned_minutes"):
            state[name] = event[name] or state[name]
    elif kind == TECHNICAL_ISSUE:
        visit.issues.append(event)
    else:
        visit.times.setdefault(kind, event["occurred_at"])


def _close(visit: _Visit, as_of: datetime) -> dict[str, Any]:
    started, ended = visit.times.get(SESSION_STARTED), visit.times.get(SESSION_ENDED)
    login = visit.times.get(PATIENT_LOGIN)
    state = {
        **visit.state,
        "patient_login_at": login,
        "provider_login_at": visit.times.get(PROVIDER_LOGIN),
        "session_started_at": started,
        "session_ended_at": ended,
        "event_count": visit.events,
        **_issues(visit.issues, started is not None),
    }
    state["status"] = _status(state, as_of)
    if state["status"] == CANCELLED and state["cancelled_at"] is None:
        state["cancellation_reason"] = NOT_SEEN
    state["patient_arrived"] = _arrived(state)
    state["wait_minutes"] = None
    if started is not None and login is not None:
        state["wait_minutes"] = max(_minutes(max(login, state["scheduled_start_at"]), started), 0.0)
    # Two events of one instant are no visit of no length: how long it took is not known.
    length = _minutes(started, ended) if started and ended else None
    state["duration_minutes"] = length or None
    return state


def _status(state: Mapping[str, Any], as_of: datetime) -> str:
    if state["cancelled_at"] is not None:
        return CANCELLED
    if state["rescheduled_to"] is not None:
        return RESCHEDULED
    if state["session_started_at"] is not None:
        over = state["session_ended_at"] is not None
        return COMPLETED if over or as_of >= state["session_started_at"] + UNFINISHED_AFTER else IN_PROGRESS
    if state["patient_login_at"] is not None:
        return CANCELLED if as_of >= state["scheduled_start_at"] + NOT_SEEN_AFTER else SCHEDULED
    return NO_SHOW if as_of >= state["scheduled_start_at"] + ABSENT_AFTER else SCHEDULED


def _arrived(state: Mapping[str, Any]) -> bool | None:
    if state["patient_login_at"] is not None or state["session_started_at"] is not None:
        return True
    return None if state["status"] == SCHEDULED else False


def _issues(issues: Sequence[Mapping[str, Any]], in_session: bool) -> dict[str, Any]:
    told = [event["severity"] for event in issues if event["severity"] is not None]
    return {
        "had_technical_issue": bool(issues) if in_session else None,
        "issue_type": issues[0]["issue_type"] if issues else None,
        "issue_severity": max(told, key=SEVERITIES.index) if told else None,
        "unresolved_issues": sum(event["resolved"] is False for event in issues) if issues else None,
    }


def _minutes(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 60
