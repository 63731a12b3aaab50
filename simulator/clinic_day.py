"""What the clinic's systems write of its appointments: events, records of the older form, and drops of them.

What belongs here: lines and the drops that hold them. What does not: what happened (`appointments.py`),
mistakes of these systems (`clinic_faults.py`).
"""

import json
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from simulator.appointments import CANCELLED, COMPLETED, RESCHEDULED, Visit
from simulator.drops import stamp, write_atomically

LOG_DROPS = (time(6), time(12), time(18), time(23, 50))
"""UTC times at which the appointment log is dropped."""
FEEDBACK_DROP = time(23, 55)
EXPORT_DROP = time(0, 2)
"""UTC time of the first day at which the older system's appointments are exported."""


@dataclass(frozen=True)
class Line:
    """A line of the log and when the log has it."""

    at: datetime
    text: str


@dataclass
class Drops:
    """Lines by drop, in the order in which they stand there.

    `at` finds the drop that a line belongs to: the first of the log's drops that is not before it.
    """

    first_day: date
    days: int
    lines: dict[datetime, list[str]] = field(default_factory=dict)

    @property
    def times(self) -> list[datetime]:
        """Times of all drops of the log."""
        days = [self.first_day + timedelta(days=n) for n in range(self.days)]
        return [datetime.combine(day, at, UTC) for day in days for at in LOG_DROPS]

    def put(self, lines: Iterable[Line]) -> None:
        """Put lines into their drops; what comes after the last drop is not known yet."""
        times = self.times
        for line in sorted(lines, key=lambda line: (line.at, line.text)):
            drop = bisect_left(times, line.at)
            if drop < len(times):
                self.lines.setdefault(times[drop], []).append(line.text)


def iso(moment: datetime) -> str:
    """Return a UTC time as the log writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def event_line(visit: Visit, number: int, event_type: str, at: datetime, **fields: Any) -> Line:
    """Return an event of an appointment as the log writes it; fields without a value are left out."""
    content = {
        "event_id": f"{visit.appointment_id}-{number}",
        "event_type": event_type,
        "appointment_id": visit.appointment_id,
        "patient_id": visit.visitor.clinic_id,
        "provider_id": visit.provider.provider_id,
        "timestamp": iso(at),
        **fields,
    }
    return Line(at, json.dumps({k: v for k, v in content.items() if v not in (None, "")}))


def event_lines(visit: Visit) -> list[Line]:
    """Return all events of an appointment."""
    found: list[Line] = []

    def add(event_type: str, at: datetime | None, **fields: Any) -> None:
        if at is not None:
            found.append(event_line(visit, len(found) + 1, event_type, at, **fields))

    add(
        "appointment_scheduled",
        visit.booked_at,
        scheduled_start_at=iso(visit.moved_from_at or visit.starts_at),
        appointment_type=visit.type,
        mode=visit.mode,
        planned_minutes=visit.planned_minutes,
        rescheduled_from=visit.rescheduled_from,
    )
    add("appointment_rescheduled", visit.moved_at, scheduled_start_at=iso(visit.starts_at))
    if visit.status == RESCHEDULED:
        moved = {"new_appointment_id": visit.rescheduled_to, "reason": visit.reason}
        add("appointment_rescheduled", visit.changed_at, **moved)
    elif visit.status == CANCELLED:
        add("appointment_cancelled", visit.changed_at, reason=visit.reason)
    device, system, browser = visit.device or ("", "", "")
    add("patient_login", visit.login_at, device_type=device, operating_system=system, browser=browser)
    add("provider_login", visit.provider_login_at)
    add("session_started", visit.began_at, connection_quality=visit.connection)
    for issue in visit.issues:
        assert visit.began_at is not None
        at = visit.began_at + timedelta(seconds=round(issue.after_minutes * 60))
        add("technical_issue", at, issue_type=issue.type, severity=issue.severity, resolved=issue.resolved)
    add("session_ended", visit.ended_at)
    return found


def record_line(visit: Visit, **fields: Any) -> str:
    """Return an appointment in the older form: one record, with the local times of the provider."""
    zone = ZoneInfo(visit.provider.time_zone)
    local = visit.starts_at.astimezone(zone)
    completed = visit.status == COMPLETED
    device, system, browser = visit.device or (None, None, None)
    written = (visit.ended_at or visit.starts_at + timedelta(hours=4)).astimezone(zone)
    content = {
        "appointment_id": visit.appointment_id,
        "provider_id": visit.provider.provider_id,
        "patient_id": visit.visitor.clinic_id,
        "appointment_date": local.date().isoformat(),
        "scheduled_time": local.strftime("%H%M"),
        "appointment_type": visit.type,
        "mode": visit.mode or None,
        "status": visit.status,
        "wait_time_minutes": _rounded(visit.wait_minutes) if completed else None,
        "duration_minutes": _rounded(visit.duration_minutes) if completed else None,
        "device_type": device,
        "operating_system": system,
        "browser": browser,
        "connection_quality": visit.connection,
        "had_technical_issues": bool(visit.issues) if completed else None,
        "technical_issue_type": visit.issues[0].type if visit.issues and completed else None,
        "timestamp": written.strftime("%Y-%m-%dT%H:%M:%S"),
        **fields,
    }
    return json.dumps(content)


def _rounded(minutes: float | None) -> float | None:
    return None if minutes is None else round(minutes, 2)


def write_lines(landing: Path, at: datetime, name: str, lines: list[str]) -> str:
    """Write a drop of JSON Lines; returns its key."""
    return _write(landing, at, name, "".join(f"{line}\n" for line in lines))


def write_array(landing: Path, at: datetime, name: str, elements: list[str]) -> str:
    """Write a drop that is one JSON array; returns its key."""
    return _write(landing, at, name, "[\n" + ",\n".join(elements) + "\n]\n")


def _write(landing: Path, at: datetime, name: str, text: str) -> str:
    key = f"clinic/{stamp(int(at.timestamp()))}-{name}"
    write_atomically(landing / key, text.encode())
    return key
