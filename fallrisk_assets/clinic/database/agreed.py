"""What the clinic's database shows us: views, their columns, and how far a view may differ.

Here: the agreement, and comparing it with what is there. Not here: asking the database (`source.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fallrisk_assets.clinic.files import (
    APPOINTMENT_LOG,
    CARE_CONTACTS,
    DEVICE_ASSIGNMENT,
    FEEDBACK,
    PATIENTS,
    PROVIDERS,
)

TEXT, DATE, INSTANT, NUMBER, FLAG = "text", "date", "timestamp", "number", "boolean"
_KINDS = {
    "text": TEXT,
    "varchar": TEXT,
    "bpchar": TEXT,
    "uuid": TEXT,
    "date": DATE,
    "timestamptz": INSTANT,
    "int2": NUMBER,
    "int4": NUMBER,
    "int8": NUMBER,
    "numeric": NUMBER,
    "float4": NUMBER,
    "float8": NUMBER,
    "bool": FLAG,
}
"""Kind of a PostgreSQL type (`udt_name`). A time without a zone is none: nobody could say when it was."""


@dataclass(frozen=True, slots=True)
class View:
    """One view that the clinic's database shows us.

    Attributes:
        name: Of the view.
        kind: What its rows are, as the landing zone calls it.
        suffix: Of the drops' names.
        key: Columns that tell rows apart.
        changed_at: Column with the time of a row's last change, for a log; None for a list that is short
            enough to be read whole and dropped when it differs from the last drop.
        required: Columns that must be there, with their kinds.
        optional: Columns that are taken where they are.
    """

    name: str
    kind: str
    suffix: str
    key: tuple[str, ...]
    changed_at: str | None
    required: Mapping[str, str]
    optional: Mapping[str, str]


VIEWS: Mapping[str, View] = {
    view.name: view
    for view in (
        View(
            "patients",
            PATIENTS,
            ".csv",
            ("patient_id",),
            None,
            {
                "patient_id": TEXT,
                "birth_date": DATE,
                "gender": TEXT,
                "registration_date": DATE,
                "time_zone": TEXT,
                "site_id": TEXT,
            },
            {
                "wearable_patient_id": TEXT,
                "given_name": TEXT,
                "family_name": TEXT,
                "has_insurance": FLAG,
                "expected_wear_hours": NUMBER,
                "falls_past_12_months": NUMBER,
                "walking_aid": FLAG,
                "gait_problem": FLAG,
                "vertigo": FLAG,
                "fear_of_falling": FLAG,
                "parkinsons_disease": FLAG,
                "medicine_count": NUMBER,
                "living_alone": FLAG,
            },
        ),
        View(
            "device_assignment",
            DEVICE_ASSIGNMENT,
            ".csv",
            ("device_id", "patient_id", "valid_from"),
            None,
            {
                "device_id": TEXT,
                "patient_id": TEXT,
                "valid_from": INSTANT,
                "valid_to": INSTANT,
                "position": TEXT,
            },
            {"corrected_at": INSTANT},
        ),
        View(
            "care_contacts",
            CARE_CONTACTS,
            ".csv",
            ("patient_id", "contact_order"),
            None,
            {"patient_id": TEXT, "role": TEXT, "channel": TEXT, "address": TEXT, "contact_order": NUMBER},
            {"quiet_from": TEXT, "quiet_to": TEXT},
        ),
        View(
            "providers",
            PROVIDERS,
            ".csv",
            ("provider_id",),
            None,
            {"provider_id": TEXT, "specialty": TEXT, "active": FLAG},
            {
                "first_name": TEXT,
                "last_name": TEXT,
                "years_experience": NUMBER,
                "state": TEXT,
                "hourly_rate": NUMBER,
                "available_hours": NUMBER,
                "time_zone": TEXT,
            },
        ),
        View(
            "appointments",
            APPOINTMENT_LOG,
            ".jsonl",
            ("appointment_id",),
            "updated_at",
            {
                "appointment_id": TEXT,
                "provider_id": TEXT,
                "patient_id": TEXT,
                "scheduled_start_at": INSTANT,
                "status": TEXT,
                "updated_at": INSTANT,
            },
            {
                "appointment_type": TEXT,
                "mode": TEXT,
                "wait_minutes": NUMBER,
                "duration_minutes": NUMBER,
                "device_type": TEXT,
                "operating_system": TEXT,
                "browser": TEXT,
                "connection_quality": TEXT,
                "had_technical_issues": FLAG,
                "issue_type": TEXT,
                "timestamp": INSTANT,
            },
        ),
        View(
            "feedback",
            FEEDBACK,
            ".jsonl",
            ("feedback_id",),
            "updated_at",
            {
                "feedback_id": TEXT,
                "appointment_id": TEXT,
                "patient_id": TEXT,
                "provider_id": TEXT,
                "timestamp": INSTANT,
                "updated_at": INSTANT,
            },
            {
                "provider_rating": NUMBER,
                "ease_of_use_rating": NUMBER,
                "audio_quality_rating": NUMBER,
                "video_quality_rating": NUMBER,
                "overall_satisfaction": NUMBER,
                "would_recommend": FLAG,
                "comments": TEXT,
            },
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a view is not as agreed.

    Attributes:
        view: The view.
        column: The column; empty where the whole view is missing.
        agreed: What it should be.
        found: What it is.
    """

    view: str
    column: str
    agreed: str
    found: str


def differences(view: View, found: Mapping[str, str]) -> list[Difference]:
    """Compare a view's columns with the agreement.

    Args:
        view: The agreement.
        found: PostgreSQL's type (`udt_name`) of each column that is there; none: no such view.

    Returns:
        What keeps the view from being read. A column that nobody agreed on is none of it: it is not read.
    """
    if not found:
        return [Difference(view.name, "", "a view or table", "nothing of that name, or no right to read it")]
    wrong = []
    for column, kind in {**view.required, **view.optional}.items():
        there = found.get(column)
        if there is None:
            if column in view.required:
                wrong.append(Difference(view.name, column, kind, "nothing"))
        elif _KINDS.get(there) != kind:
            wrong.append(Difference(view.name, column, kind, there))
    return wrong


def not_agreed(view: View, found: Mapping[str, str]) -> list[str]:
    """Return the columns that are there and that nobody agreed on: they are not read."""
    return sorted(found.keys() - view.required.keys() - view.optional.keys())
