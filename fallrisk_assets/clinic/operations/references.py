"""What the clinic knows of patients and providers when it looks at an appointment.

Here: registrations, activity and clocks as known by a day, and why an appointment counts nowhere. Not here:
events (`fold.py`).
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from fallrisk_assets.clinic.operations.vocabulary import COMPLETED, NO_SHOW
from fallrisk_assets.clinic.snapshots import changes

WHAT_TO_DO = {
    "PATIENT_UNKNOWN": "no patients.csv received so far names the patient; it counts once one does",
    "PROVIDER_UNKNOWN": "no providers.csv received so far names the provider; it counts once one does",
    "BOOKED_AFTER_VISIT": "it was booked after the day of the visit; mend one of the times",
    "BEFORE_REGISTRATION": "the visit is before the patient's registration; mend one of the days",
    "PROVIDER_INACTIVE": "the provider was not active when it was booked or held; mend the id or the file",
}
"""Reasons for which an appointment counts nowhere, and the way out."""

_UTC = "UTC"


class References:
    """Patients and providers of all snapshots; every question names the day by which it must be known.

    Args:
        patients: `Patients` rows (patient_id, snapshot_date, registration_date, time_zone), in any order.
        providers: `Providers` rows (provider_id, received_date, active, time_zone), in any order.
    """

    def __init__(self, patients: pa.Table, providers: pa.Table) -> None:
        self._patients = _history(patients, "patient_id", "snapshot_date", ("registration_date", "time_zone"))
        self._providers = _history(providers, "provider_id", "received_date", ("active", "time_zone"))
        self._changed: dict[date, set[str]] = {}
        for who, rows in self._patients.items():
            for row in rows:
                self._changed.setdefault(row[0], set()).add(who)
        for who, rows in self._providers.items():
            self._changed.setdefault(rows[0][0], set()).add(who)

    def changed_on(self, day: date) -> set[str]:
        """Return patients that became known or another on a day, and providers that became known.

        Whether a provider is active from that day on changes no visit that was.
        """
        return self._changed.get(day, set())

    def zone(self, state: Mapping[str, Any], known_by: date) -> str:
        """Return by whose clock an appointment has its local day: the provider's, the patient's, or UTC."""
        provider = _newest(self._providers.get(state["provider_id"], []), known_by)
        patient = _newest(self._patients.get(state["patient_id"], []), known_by)
        return str((provider and provider[2]) or (patient and patient[2]) or _UTC)

    def refusal(self, state: Mapping[str, Any], zone: str, known_by: date) -> str | None:
        """Return why an appointment counts nowhere, or None.

        Args:
            state: scheduled_start_at, booked_at, session_started_at, status, patient_id, provider_id.
            zone: IANA zone of its local day.
            known_by: the last day on which a snapshot counts.
        """
        clock = ZoneInfo(zone)
        visit_day = state["scheduled_start_at"].astimezone(clock).date()
        booked_on = state["booked_at"] and state["booked_at"].astimezone(clock).date()
        patient = _newest(self._patients.get(state["patient_id"], []), known_by)
        providers = self._providers.get(state["provider_id"], [])
        if patient is None:
            return "PATIENT_UNKNOWN"
        if _newest(providers, known_by) is None:
            return "PROVIDER_UNKNOWN"
        if booked_on is not None and booked_on > visit_day:
            return "BOOKED_AFTER_VISIT"
        if visit_day < patient[1]:
            return "BEFORE_REGISTRATION"
        held = state["session_started_at"]
        days = [booked_on, held and held.astimezone(clock).date()]
        if booked_on is None and state["status"] in (COMPLETED, NO_SHOW):
            days.append(visit_day)
        if not all(_active(providers, day, known_by) for day in days if day is not None):
            return "PROVIDER_INACTIVE"
        return None


_Row = tuple[date, Any, Any]


def _history(rows: pa.Table, who: str, at: str, columns: tuple[str, str]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for row in changes(rows, who, at, columns).to_pylist():
        found.setdefault(row[who], []).append((row[at], row[columns[0]], row[columns[1]]))
    return found


def _newest(rows: list[_Row], known_by: date) -> _Row | None:
    known = bisect_right(rows, known_by, key=lambda row: row[0])
    return rows[known - 1] if known else None


def _active(rows: list[_Row], on: date, known_by: date) -> bool:
    """Tell whether a provider was active on a day; before the first snapshot, as in the first snapshot."""
    found = _newest(rows, min(on, known_by)) or rows[0]
    return bool(found[1])
