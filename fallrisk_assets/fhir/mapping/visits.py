"""Practitioner, Appointment, AppointmentResponse and Encounter: a visit as it was booked, answered and held.

Left out on purpose: the practitioner's name, and why a visit was cancelled (free text).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fallrisk_assets.clinic.operations.vocabulary import (
    CANCELLED,
    COMPLETED,
    IN_PROGRESS,
    NO_SHOW,
    RESCHEDULED,
    SCHEDULED,
)
from fallrisk_assets.fhir.identifiers import instant, reference
from fallrisk_assets.fhir.mapping.resource import head, quantity
from fallrisk_assets.fhir.terminology import (
    APPOINTMENT_IDENTIFIER,
    ENCOUNTER_CLASS,
    PROVIDER_IDENTIFIER,
    UNKNOWN_CLASS,
)

APPOINTMENT_STATUS = {
    SCHEDULED: "booked",
    IN_PROGRESS: "arrived",
    COMPLETED: "fulfilled",
    CANCELLED: "cancelled",
    RESCHEDULED: "cancelled",
    NO_SHOW: "noshow",
}
"""State of an appointment → Appointment.status (required binding appointmentstatus)."""
ENCOUNTER_STATUS = {IN_PROGRESS: "in-progress", COMPLETED: "finished"}
"""State of an appointment → Encounter.status; in any other state there was no encounter."""
_ACCEPTED = "accepted"
"""Both agreed when it was booked. Who called a visit off is not told: nobody is said to have declined."""


def practitioner(provider_id: str, specialty: str | None, *, test_data: bool) -> dict[str, Any]:
    """Return the Practitioner of a provider, who is shared by bundles and so is the same bytes in each.

    Args:
        provider_id: The clinic's id.
        specialty: The specialty, None if the provider is on no list that was received.
        test_data: Whether the data are simulated.
    """
    found = head("Practitioner", provider_id, test_data=test_data) | {
        "identifier": [{"system": PROVIDER_IDENTIFIER, "value": provider_id}]
    }
    return found | {"qualification": [{"code": {"text": specialty}}]} if specialty else found


def ends_at(row: Mapping[str, Any]) -> datetime | None:
    """Return when an appointment ends: after the booked minutes, or after those that the visit took.

    None where neither is known; an end is not invented.
    """
    minutes = row["planned_minutes"] if row["planned_minutes"] is not None else row["duration_minutes"]
    return None if minutes is None else row["scheduled_start_at"] + timedelta(minutes=minutes)


def appointment(
    row: Mapping[str, Any], patient: Mapping[str, Any], provider: Mapping[str, Any], *, test_data: bool
) -> dict[str, Any] | None:
    """Return the Appointment of a state, or None where R4 cannot tell it.

    R4 wants both ends of an appointment that is booked or was held (app-3), and of any other both or neither
    (app-2): one that was called off and has no end keeps its beginning as the period that was asked for.

    Args:
        row: Row of `appointments`: appointment_id, status, scheduled_start_at, booked_at, planned_minutes,
            duration_minutes, appointment_type.
        patient: The Patient resource.
        provider: The Practitioner resource.
        test_data: Whether the data are simulated.
    """
    status = APPOINTMENT_STATUS[row["status"]]
    begins, ends = row["scheduled_start_at"], ends_at(row)
    found = head("Appointment", row["appointment_id"], test_data=test_data) | {
        "identifier": [_identifier(row)],
        "status": status,
        "participant": [
            {"actor": reference(one), "required": "required", "status": _ACCEPTED}
            for one in (patient, provider)
        ],
    }
    if ends is not None:
        found |= {"start": instant(begins), "end": instant(ends)}
    elif status == "cancelled":
        found["requestedPeriod"] = [{"start": instant(begins)}]
    else:
        return None
    if row["booked_at"] is not None:
        found["created"] = instant(row["booked_at"])
    if row["appointment_type"] is not None:
        found["appointmentType"] = {"text": row["appointment_type"]}
    return found


def appointment_response(
    booked: Mapping[str, Any], actor: Mapping[str, Any], *, test_data: bool
) -> dict[str, Any]:
    """Return what a participant answered to an appointment.

    Args:
        booked: The Appointment resource.
        actor: The Patient or the Practitioner.
        test_data: Whether the data are simulated.
    """
    identity = booked["identifier"][0]["value"]
    return head("AppointmentResponse", identity, actor["resourceType"], test_data=test_data) | {
        "appointment": reference(booked),
        "actor": reference(actor),
        "participantStatus": _ACCEPTED,
    }


def encounter(
    row: Mapping[str, Any],
    patient: Mapping[str, Any],
    provider: Mapping[str, Any],
    booked: Mapping[str, Any] | None,
    *,
    test_data: bool,
) -> dict[str, Any] | None:
    """Return the Encounter of a visit that began, or None where none did.

    Args:
        row: Row of `appointments`: appointment_id, status, mode, appointment_type, session_started_at,
            session_ended_at, duration_minutes.
        patient: The Patient resource.
        provider: The Practitioner resource.
        booked: The Appointment resource, None where R4 cannot tell it.
        test_data: Whether the data are simulated.
    """
    status = ENCOUNTER_STATUS.get(row["status"])
    if status is None:
        return None
    found = head("Encounter", row["appointment_id"], test_data=test_data) | {
        "identifier": [_identifier(row)],
        "status": status,
        "class": ENCOUNTER_CLASS.get(row["mode"], UNKNOWN_CLASS),
        "subject": reference(patient),
        "participant": [{"individual": reference(provider)}],
    }
    if row["appointment_type"] is not None:
        found["type"] = [{"text": row["appointment_type"]}]
    if booked is not None:
        found["appointment"] = [reference(booked)]
    times = (("start", row["session_started_at"]), ("end", row["session_ended_at"]))
    if told := {name: instant(moment) for name, moment in times if moment is not None}:
        found["period"] = told
    if row["duration_minutes"] is not None:
        found["length"] = quantity(row["duration_minutes"], "min", "min", 2)
    return found


def _identifier(row: Mapping[str, Any]) -> dict[str, str]:
    return {"system": APPOINTMENT_IDENTIFIER, "value": row["appointment_id"]}
