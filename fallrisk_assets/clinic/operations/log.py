"""The appointment log judged line by line: life-cycle events, and records of the older form.

Here: a line of the log to a row or a refusal. Not here: JSON itself (`json_file.py`), repeated lines
(`day.py`), what the events of an appointment mean together (`fold.py`).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from fallrisk_assets.clinic.contract import PATIENT_ID
from fallrisk_assets.clinic.csv_file import CellError, Cells, Record, Refusal, refusal
from fallrisk_assets.clinic.json_file import read_json_lines
from fallrisk_assets.clinic.operations.contract import APPOINTMENT_ID, PROVIDER_ID, TEXT_ID
from fallrisk_assets.clinic.operations.lines import (
    check_past,
    check_schedule,
    content_hash,
    instant,
    scheduled_start,
)
from fallrisk_assets.clinic.operations.vocabulary import (
    API_STATUSES,
    APPOINTMENT_RESCHEDULED,
    APPOINTMENT_SCHEDULED,
    APPOINTMENT_TYPES,
    BY_API,
    COMPLETED,
    CONNECTIONS,
    DEVICES,
    EVENT_TYPES,
    FINAL_STATUSES,
    ISSUE_TYPES,
    LONGEST_VISIT_MINUTES,
    MODES,
    SEVERITIES,
    TECHNICAL_ISSUE,
)

_NAMESPACE = uuid.UUID("6f0a8f5e-3b1d-5c57-9a43-1c6f2c0b7d11")
"""Of the uuid5 of events that came without an id."""
_LONGEST_NAME = 60
_LONGEST_REASON = 500
_LONGEST_WAIT_MINUTES = 1440
_ALIASES = {
    "event": "event_type",
    "occurred_at": "timestamp",
    "event_time": "timestamp",
    "scheduled_start": "scheduled_start_at",
    "scheduled_for": "scheduled_start_at",
    "new_scheduled_start": "scheduled_start_at",
    "new_appointment_id": "related_appointment_id",
    "rescheduled_to": "related_appointment_id",
    "rescheduled_from": "related_appointment_id",
    "duration_planned": "planned_minutes",
    "cancellation_reason": "reason",
    "technical_issue_type": "issue_type",
    "os": "operating_system",
    "wait_time_minutes": "wait_minutes",
}
_STATUS_ALIASES = {"no show": "No-show", "noshow": "No-show", "no_show": "No-show", "canceled": "Cancelled"}
_NO_ISSUE = frozenset({"none", "no", "n/a"})


@dataclass(frozen=True)
class LogFile:
    """What a drop of the log holds: rows of both forms, refused lines, and how many lines there were."""

    received_lines: int
    events: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def parse_log(
    file: str,
    data: bytes,
    received_date: date,
    received_at: datetime,
    zones: Mapping[str, str],
    by_api: bool = False,
) -> LogFile:
    """Judge a drop of the appointment log.

    A line with an `event_type` is an event, one with a `status` a record of the older form; any other is
    LINE_KIND_UNKNOWN. A time without an offset is one of the provider's clock.

    Args:
        file: name of the drop.
        data: its bytes, JSON Lines.
        received_date: UTC day of its receipt.
        received_at: time of its receipt: nothing in it can have happened later.
        zones: IANA zone by provider.
        by_api: whether it is what the scheduling API told: records only, the weakest source.

    Returns:
        Rows of `AppointmentEvents` and of `AppointmentRecords` and the refused lines: each line of the drop
        that is not blank is one of them, and only one.
    """
    lines, refusals = read_json_lines(data, _ALIASES)
    found = LogFile(len(lines) + len(refusals), refusals=refusals)
    for line in lines:
        place = {"received_date": received_date, "file": file, "line": line.line}
        cells = Cells(line)
        try:
            if cells.optional_text("event_type") is not None and not by_api:
                found.events.append({**place, **_event(cells, received_at, zones)})
            elif cells.optional_text("status") is not None:
                found.records.append({**place, **_record(cells, received_at, zones, by_api)})
            else:
                raise CellError("LINE_KIND_UNKNOWN", "neither an event_type nor a status")
        except CellError as refused:
            found.refusals.append(_refusal(line, refused))
    return found


def _refusal(line: Record, refused: CellError) -> Refusal:
    return refusal(line, refused.reason, refused.detail, "patient_id")


def _event(cells: Cells, received_at: datetime, zones: Mapping[str, str]) -> dict[str, Any]:
    event_type = cells.choice("event_type", EVENT_TYPES)
    provider_id = cells.optional_matching("provider_id", PROVIDER_ID)
    patient_id = cells.optional_matching("patient_id", PATIENT_ID)
    zone = zones.get(provider_id or "")
    occurred_at, flag = instant(cells, "timestamp", zone)
    check_past("timestamp", occurred_at, received_at)
    row: dict[str, Any] = {
        "event_type": event_type,
        "appointment_id": cells.matching("appointment_id", APPOINTMENT_ID),
        "occurred_at": occurred_at,
        "time_flag": flag,
        "patient_id": patient_id,
        "provider_id": provider_id,
        "connection_quality": cells.optional_choice("connection_quality", tuple(CONNECTIONS)),
        **_device(cells),
        **dict.fromkeys(("scheduled_start_at", "planned_minutes", "reason", "related_appointment_id")),
        **dict.fromkeys(("appointment_type", "mode", "issue_type", "severity", "resolved")),
    }
    if event_type in (APPOINTMENT_SCHEDULED, APPOINTMENT_RESCHEDULED):
        row |= _schedule(cells, event_type, zone, received_at, row)
    if event_type == TECHNICAL_ISSUE:
        row["issue_type"] = cells.choice("issue_type", ISSUE_TYPES)
        row["severity"] = cells.optional_choice("severity", SEVERITIES)
        row["resolved"] = cells.optional_flag("resolved")
    row["reason"] = cells.short_text("reason", _LONGEST_REASON)
    row["content_hash"] = content_hash(row)
    row["event_id"] = cells.optional_matching("event_id", TEXT_ID) or str(
        uuid.uuid5(_NAMESPACE, row["content_hash"])
    )
    return row


def _schedule(
    cells: Cells, event_type: str, zone: str | None, received_at: datetime, row: Mapping[str, Any]
) -> dict[str, Any]:
    starts_at, flag = scheduled_start(cells, zone)
    related = cells.optional_matching("related_appointment_id", APPOINTMENT_ID)
    if event_type == APPOINTMENT_SCHEDULED:
        for name in ("patient_id", "provider_id"):
            cells.text(name)
    if starts_at is None and (event_type == APPOINTMENT_SCHEDULED or related is None):
        raise CellError("FIELD_MISSING", "no scheduled_start_at, nor appointment_date with scheduled_time")
    if starts_at is not None:
        check_schedule(starts_at, received_at)
    if related == row["appointment_id"]:
        raise CellError("VALUE_INVALID", "an appointment cannot take its own place")
    planned = cells.optional_quantity("planned_minutes", LONGEST_VISIT_MINUTES)
    if planned == 0:
        raise CellError("VALUE_OUT_OF_RANGE", "planned_minutes is 0")
    return {
        "scheduled_start_at": starts_at,
        "time_flag": row["time_flag"] or flag,
        "related_appointment_id": related,
        "appointment_type": cells.optional_choice("appointment_type", APPOINTMENT_TYPES),
        "mode": cells.optional_choice("mode", MODES),
        "planned_minutes": planned,
    }


def _device(cells: Cells) -> dict[str, str | None]:
    return {
        "device_type": cells.optional_choice("device_type", DEVICES),
        "operating_system": cells.short_text("operating_system", _LONGEST_NAME),
        "browser": cells.short_text("browser", _LONGEST_NAME),
    }


def _record(cells: Cells, received_at: datetime, zones: Mapping[str, str], by_api: bool) -> dict[str, Any]:
    provider_id = cells.matching("provider_id", PROVIDER_ID)
    zone = zones.get(provider_id)
    starts_at, flag = scheduled_start(cells, zone)
    if starts_at is None:
        raise CellError("FIELD_MISSING", "appointment_date and scheduled_time are empty")
    check_schedule(starts_at, received_at)
    status = cells.choice("status", API_STATUSES if by_api else FINAL_STATUSES, _STATUS_ALIASES)
    wait = cells.optional_quantity("wait_minutes", _LONGEST_WAIT_MINUTES)
    duration = cells.optional_quantity("duration_minutes", LONGEST_VISIT_MINUTES)
    if status != COMPLETED:
        for name, value in (("WAIT", wait), ("DURATION", duration)):
            if value is not None:
                detail = f"a visit that is {status} has a {name.lower()}; mend the status or leave it out"
                raise CellError(f"{name}_WITHOUT_VISIT", detail)
    elif starts_at > received_at:
        raise CellError("TIME_IN_FUTURE", "a completed visit was to begin after the receipt of the drop")
    if duration == 0:
        raise CellError("VALUE_OUT_OF_RANGE", "duration_minutes is 0; leave it out where it is not known")
    recorded_at = None
    if cells.optional_text("timestamp") is not None:
        recorded_at, other = instant(cells, "timestamp", zone)
        check_past("timestamp", recorded_at, received_at)
        flag = flag or other
    row = {
        "appointment_id": cells.matching("appointment_id", APPOINTMENT_ID),
        "patient_id": cells.matching("patient_id", PATIENT_ID),
        "provider_id": provider_id,
        "scheduled_start_at": starts_at,
        "time_flag": flag,
        "appointment_type": cells.optional_choice("appointment_type", APPOINTMENT_TYPES),
        "mode": cells.optional_choice("mode", MODES),
        "status": status,
        "wait_minutes": wait,
        "duration_minutes": duration,
        **_device(cells),
        "connection_quality": cells.optional_choice("connection_quality", tuple(CONNECTIONS)),
        **_issues(cells),
        "recorded_at": recorded_at,
        "source": BY_API if by_api else None,
    }
    return {**row, "content_hash": content_hash(row)}


def _issues(cells: Cells) -> dict[str, Any]:
    said = cells.optional_text("issue_type")
    issue = None if said is None or said.lower() in _NO_ISSUE else cells.choice("issue_type", ISSUE_TYPES)
    had = cells.optional_flag("had_technical_issues")
    if issue is not None and had is False:
        raise CellError(
            "ISSUE_CONTRADICTION", "a technical issue is named, and it is said that there was none"
        )
    return {"had_technical_issues": True if issue is not None else had, "issue_type": issue}
