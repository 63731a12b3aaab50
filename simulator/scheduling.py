"""A clinic's appointments as an external scheduling system knows them at a time, with the same cohort.

What belongs here: which appointments are known at a time, in which state, and as what. What does not: HTTP
(`scheduling_server.py`), what happens to them (`appointments.py`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from simulator.appointments import CANCELLED, COMPLETED, NO_SHOW, RESCHEDULED, Visit
from simulator.clinic_day import iso, record_line

_ABSENT_AFTER = timedelta(minutes=30)
_LOCAL_COLUMNS = ("appointment_date", "scheduled_time")


@dataclass(frozen=True)
class Known:
    """An appointment as the system knows it: since when so, for when, with whom, and its record."""

    updated_at: datetime
    starts_at: datetime
    provider_id: str
    record: dict[str, Any]

    @property
    def appointment_id(self) -> str:
        """Its id."""
        return str(self.record["appointment_id"])


def known_at(visits: Iterable[Visit], at: datetime) -> list[Known]:
    """Return the appointments that are known at a time, by the time of their last change and id.

    Args:
        visits: appointments, those of later too.
        at: the time; what is booked, moved or ended after it is not known.
    """
    found = [_known(visit, at) for visit in visits if visit.booked_at <= at]
    return sorted(found, key=lambda one: (one.updated_at, one.appointment_id))


def _known(visit: Visit, at: datetime) -> Known:
    if visit.moved_at is not None and visit.moved_at > at and visit.moved_from_at is not None:
        visit = replace(visit, starts_at=visit.moved_from_at, moved_at=None)
    changes = [visit.booked_at, *([visit.moved_at] if visit.moved_at else [])]
    ended = {
        COMPLETED: visit.ended_at,
        NO_SHOW: visit.starts_at + _ABSENT_AFTER,
        CANCELLED: visit.changed_at,
        RESCHEDULED: visit.changed_at,
    }[visit.status]
    status = "Scheduled"
    if ended is not None and ended <= at:
        status, changes = visit.status, [*changes, ended]
    updated_at = max(changes)
    told = visit if status == visit.status else replace(visit, status=status, device=None, connection=None)
    record = json.loads(record_line(told, timestamp=iso(updated_at)))
    record = {k: v for k, v in record.items() if v is not None and k not in _LOCAL_COLUMNS}
    record["scheduled_start_at"] = iso(visit.starts_at)
    return Known(updated_at, visit.starts_at, visit.provider.provider_id, record)
