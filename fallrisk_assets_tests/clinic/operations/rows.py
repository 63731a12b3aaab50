"""Lines of the clinic's drops, with everything that a test does not name left out or plain."""

import json
from datetime import UTC, date, datetime

DAY = date(2026, 1, 6)
RECEIVED_AT = datetime(2026, 1, 6, 20, tzinfo=UTC)
ZONES = {"PROV0001": "Europe/Madrid", "PROV0002": "America/New_York"}
PROVIDERS_HEADER = (
    "provider_id,first_name,last_name,specialty,years_experience,state,hourly_rate,available_hours,active"
)
PROVIDER = "PROV0001,Ines,Roca,Cardiology,12,NY,150.5,30,true"


def event(event_type: str = "appointment_scheduled", **fields) -> dict:
    plain = {
        "event_type": event_type,
        "appointment_id": "APT1",
        "patient_id": "PAT000001",
        "provider_id": "PROV0001",
        "timestamp": "2026-01-02T10:00:00Z",
    }
    if event_type == "appointment_scheduled":
        plain |= {"scheduled_start_at": "2026-01-06T09:00:00Z", "appointment_type": "Follow-up"}
    if event_type == "technical_issue":
        plain |= {"issue_type": "Audio Problems", "severity": "low", "resolved": True}
    return {**plain, **fields}


def record(**fields) -> dict:
    plain = {
        "appointment_id": "APT9",
        "provider_id": "PROV0001",
        "patient_id": "PAT000001",
        "appointment_date": "2026-01-05",
        "scheduled_time": "0815",
        "appointment_type": "Urgent Care",
        "status": "Completed",
        "wait_time_minutes": 7.5,
        "duration_minutes": 22,
        "device_type": "Tablet",
        "connection_quality": "Very Poor",
        "had_technical_issues": False,
        "technical_issue_type": None,
        "timestamp": "2026-01-05T09:00:00",
    }
    return {**plain, **fields}


def answer(**fields) -> dict:
    plain = {
        "feedback_id": "FB1",
        "appointment_id": "APT1",
        "patient_id": "PAT000001",
        "provider_id": "PROV0001",
        "feedback_date": "2026-01-06",
        "provider_rating": 5,
        "overall_satisfaction": 4,
        "would_recommend": True,
        "comments": "Clear sound.",
        "timestamp": "2026-01-06T08:00:00Z",
    }
    return {**plain, **fields}


def lines(*found: dict | str) -> bytes:
    """Return a drop of JSON Lines; a text is a line as it is."""
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in found).encode()
