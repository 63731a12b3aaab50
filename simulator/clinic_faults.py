"""Mistakes of the clinic's systems, on request and with known counts.

What belongs here: lines that are wrong, and what must be said of them where. What does not: lines that are
right.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from simulator.appointments import COMPLETED, Visit
from simulator.clinic_day import Line, event_line, iso, record_line

IN_LINES, IN_STATES, IN_TABLES = "operations_quarantine", "appointment_quarantine", "tables"


@dataclass(frozen=True)
class ClinicFault:
    """A row of `clinic_faults.csv`: what is wrong, in how many places it must show, where, and as what.

    `expected_in` is a table of refused lines or states; `tables` where nothing is refused and the tables must
    be as if there had been no fault.
    """

    fault: str
    appointment_id: str
    expected_in: str
    expected_reason: str
    count: int


@dataclass(frozen=True)
class Mistake:
    """Lines of the log and of the feedback that make one fault, and the truth of it."""

    truth: ClinicFault
    log: tuple[Line, ...] = ()
    feedback: tuple[str, ...] = ()


Maker = Callable[[Visit, datetime], Mistake | None]


def _fault(name: str, visit: Visit, where: str, reason: str) -> ClinicFault:
    return ClinicFault(name, visit.appointment_id, where, reason, 1)


def _booked(visit: Visit, at: datetime, **fields: object) -> Line:
    starts_at = {"scheduled_start_at": iso(at + timedelta(days=2)), **fields}
    return event_line(visit, 1, "appointment_scheduled", at, appointment_type=visit.type, **starts_at)


def _broken_line(visit: Visit, at: datetime) -> Mistake:
    line = _booked(visit, at)
    return Mistake(
        _fault("broken_line", visit, IN_LINES, "JSON_INVALID"), (replace(line, text=line.text[:-9]),)
    )


def _unknown_event(visit: Visit, at: datetime) -> Mistake:
    line = event_line(visit, 1, "appointment_teleported", at)
    return Mistake(_fault("unknown_event", visit, IN_LINES, "VALUE_INVALID"), (line,))


def _no_zone(visit: Visit, at: datetime) -> Mistake:
    stranger = replace(visit, provider=replace(visit.provider, provider_id="PROV9999"))
    line = _booked(stranger, at, timestamp=iso(at).rstrip("Z"))
    return Mistake(_fault("no_zone", visit, IN_LINES, "TIME_ZONE_UNKNOWN"), (line,))


def _future_event(visit: Visit, at: datetime) -> Mistake:
    line = _booked(visit, at, timestamp=iso(at + timedelta(days=1)))
    return Mistake(_fault("future_event", visit, IN_LINES, "TIME_IN_FUTURE"), (line,))


def _wait_on_cancelled(visit: Visit, at: datetime) -> Mistake:
    text = record_line(replace(visit, starts_at=at), status="Cancelled", wait_time_minutes=12)
    return Mistake(_fault("wait_on_cancelled", visit, IN_LINES, "WAIT_WITHOUT_VISIT"), (Line(at, text),))


def _wrong_rating(visit: Visit, at: datetime) -> Mistake:
    answer = {
        "feedback_id": f"FB-{visit.appointment_id}",
        "appointment_id": visit.appointment_id,
        "patient_id": visit.visitor.clinic_id,
        "feedback_date": at.date().isoformat(),
        "overall_satisfaction": 7,
        "timestamp": iso(at),
    }
    return Mistake(_fault("wrong_rating", visit, IN_LINES, "RATING_INVALID"), feedback=(json.dumps(answer),))


def _unknown_patient(visit: Visit, at: datetime) -> Mistake:
    stranger = replace(visit, visitor=replace(visit.visitor, clinic_id="PAT999999"))
    return Mistake(_fault("unknown_patient", visit, IN_STATES, "PATIENT_UNKNOWN"), (_booked(stranger, at),))


def _before_registration(visit: Visit, at: datetime) -> Mistake:
    early = datetime.combine(visit.visitor.registered_on, at.timetz()) - timedelta(days=9)
    line = _booked(visit, early, scheduled_start_at=iso(early + timedelta(days=2)))
    return Mistake(
        _fault("before_registration", visit, IN_STATES, "BEFORE_REGISTRATION"), (replace(line, at=at),)
    )


def _inactive_provider(visit: Visit, at: datetime) -> Mistake | None:
    if visit.provider.active:
        return None
    return Mistake(_fault("inactive_provider", visit, IN_STATES, "PROVIDER_INACTIVE"), (_booked(visit, at),))


def _after_cancellation(visit: Visit, at: datetime) -> Mistake:
    lines = (
        _booked(visit, at),
        event_line(visit, 2, "appointment_cancelled", at + timedelta(seconds=5), reason="Ill"),
        event_line(visit, 3, "session_started", at + timedelta(seconds=10)),
    )
    return Mistake(_fault("after_cancellation", visit, IN_STATES, "AFTER_CANCELLATION"), lines)


def _before_scheduling(visit: Visit, at: datetime) -> Mistake:
    early = event_line(visit, 2, "session_started", at - timedelta(hours=1))
    return Mistake(
        _fault("before_scheduling", visit, IN_STATES, "BEFORE_SCHEDULING"),
        (_booked(visit, at), replace(early, at=at)),
    )


MAKERS: dict[str, Maker] = {
    "broken_line": _broken_line,
    "unknown_event": _unknown_event,
    "no_zone": _no_zone,
    "future_event": _future_event,
    "wait_on_cancelled": _wait_on_cancelled,
    "wrong_rating": _wrong_rating,
    "unknown_patient": _unknown_patient,
    "before_registration": _before_registration,
    "inactive_provider": _inactive_provider,
    "after_cancellation": _after_cancellation,
    "before_scheduling": _before_scheduling,
}
"""Faults that are appointments of their own, made from a visit with an id of its own and a time."""
REPEATED_LINE, LATE_LINE, RECORD_BESIDE_EVENTS = "repeated_line", "late_line", "record_beside_events"
"""Faults of appointments that happened: a line twice, a line a day late, and a record that says otherwise."""
CLINIC_FAULTS = (*MAKERS, REPEATED_LINE, LATE_LINE, RECORD_BESIDE_EVENTS)


def parse_clinic_faults(text: str) -> dict[str, int]:
    """Return how many faults of each kind are wanted.

    Args:
        text: `none`, `all` (two of each), or counts such as `broken_line=3,late_line=1`.

    Raises:
        ValueError: a fault is not known, or its count is no number.
    """
    if text in ("none", ""):
        return {}
    if text == "all":
        return dict.fromkeys(CLINIC_FAULTS, 2)
    wanted = {}
    for part in text.split(","):
        name, _, count = part.partition("=")
        if name not in CLINIC_FAULTS or not count.isdigit():
            raise ValueError(f"clinic fault {part!r}: write name=count, of {', '.join(CLINIC_FAULTS)}")
        wanted[name] = int(count)
    return wanted


def late(lines: list[Line], by: timedelta) -> list[Line]:
    """Return the events of a held visit with its beginning told later."""
    return [
        replace(line, at=line.at + by) if json.loads(line.text)["event_type"] == "session_started" else line
        for line in lines
    ]


def other_record(visit: Visit) -> Line:
    """Return a record of the older form beside the events of a held visit, with another duration."""
    assert visit.status == COMPLETED
    assert visit.ended_at is not None
    text = record_line(visit, duration_minutes=round((visit.duration_minutes or 0.0) + 10.0, 2))
    return Line(visit.ended_at, text)
