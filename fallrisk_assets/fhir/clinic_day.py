"""The clinic's part of a patient's day: rows of appointments and feedback in, resources out.

Here: which rows become which resources, and which become none. Not here: what a resource looks like
(`mapping/`), the wearable's part and the bundle as a whole (`patient_day.py`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fallrisk_assets.fhir import mapping

Row = Mapping[str, Any]
Resource = dict[str, Any]

REFUSED, NO_PATIENT_RECORD, NO_END = "REFUSED", "NO_PATIENT_RECORD", "NO_END"
"""Why a row becomes no resource: it counts nowhere, its patient is on no list, R4 wants an end of it."""


@dataclass(slots=True)
class ClinicDay:
    """Rows of one patient-day."""

    appointments: list[Row] = field(default_factory=list)
    feedback: list[Row] = field(default_factory=list)


def placed(
    appointments: Iterable[Row], feedback: Iterable[Row], patients: Mapping[str, Row]
) -> tuple[dict[str, ClinicDay], Counter[str]]:
    """Give each row to its patient.

    Args:
        appointments: Rows of `appointments` of the day.
        feedback: Rows of `feedback` of the day.
        patients: Rows of `patients` by the clinic's id.

    Returns:
        Rows by patient, in the order of their ids; and "table: reason" → rows that become no resource.
    """
    found: dict[str, ClinicDay] = {}
    left_out: Counter[str] = Counter()
    for row in sorted(appointments, key=lambda r: r["appointment_id"]):
        if row["refusal"] is not None:
            left_out[f"appointments: {REFUSED}"] += 1
        elif row["patient_id"] not in patients:
            left_out[f"appointments: {NO_PATIENT_RECORD}"] += 1
        else:
            found.setdefault(row["patient_id"], ClinicDay()).appointments.append(row)
    for row in sorted(feedback, key=lambda r: (r["feedback_id"], r["content_hash"])):
        if row["patient_id"] in patients:
            found.setdefault(row["patient_id"], ClinicDay()).feedback.append(row)
        else:
            left_out[f"feedback: {NO_PATIENT_RECORD}"] += 1
    return found, left_out


def resources(
    day: ClinicDay,
    patient: Mapping[str, Any],
    specialties: Mapping[str, str],
    left_out: Counter[str],
    *,
    test_data: bool,
) -> Iterator[Resource]:
    """Yield a patient's resources, referred-to before referring.

    Args:
        day: The rows.
        patient: The Patient resource.
        specialties: Specialty by provider.
        left_out: Counts the appointments that R4 cannot tell.
        test_data: Whether the data are simulated.
    """
    ids = sorted({row["provider_id"] for row in day.appointments})
    providers = {one: mapping.practitioner(one, specialties.get(one), test_data=test_data) for one in ids}
    yield from providers.values()
    for row in day.appointments:
        provider = providers[row["provider_id"]]
        booked = mapping.appointment(row, patient, provider, test_data=test_data)
        if booked is None:
            left_out[f"appointments: {NO_END}"] += 1
        else:
            yield booked
            for actor in (patient, provider):
                yield mapping.appointment_response(booked, actor, test_data=test_data)
        if (held := mapping.encounter(row, patient, provider, booked, test_data=test_data)) is not None:
            yield held
    if day.feedback:
        yield mapping.questionnaire(test_data=test_data)
    for row in day.feedback:
        yield mapping.questionnaire_response(row, patient, test_data=test_data)
