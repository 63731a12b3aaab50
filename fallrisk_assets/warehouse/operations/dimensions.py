"""Dimensions of the clinic's operations: providers with their history, and small fixed ones.

Here: which attributes are tracked, and the rows of fixed dimensions. Not here: the fold (`../history.py`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa

from fallrisk_assets.clinic.operations.vocabulary import (
    APPOINTMENT_TYPES,
    CANCELLED,
    COMPLETED,
    FINAL_STATUSES,
    IN_PROGRESS,
    NO_SHOW,
    RESCHEDULED,
    SCHEDULED,
    STATUSES,
)
from fallrisk_assets.clinic.snapshots import changes
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.history import Observation, Version, fold, midnight, natural_key, validity
from fallrisk_assets.warehouse.operations.contract import DimAppointmentType, DimProvider, DimStatus, DimTime

BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
"""From when the first version of a provider holds: of before, the first snapshot is the best guess."""

_TRACKED = (
    "specialty",
    "years_experience",
    "state",
    "hourly_rate",
    "available_hours_per_week",
    "active",
    "time_zone",
)
_MEANING = {
    SCHEDULED: "Booked, and its time has not come",
    IN_PROGRESS: "Begun, and its end is not told",
    COMPLETED: "Held",
    CANCELLED: "Cancelled, or the patient who came was not seen",
    NO_SHOW: "The patient did not come",
    RESCHEDULED: "Another appointment took its place",
}
_PARTS = ((6, "night"), (12, "morning"), (18, "afternoon"), (22, "evening"), (24, "night"))


def provider_versions(snapshots: pa.Table) -> list[Version]:
    """Fold all snapshots of the providers into versions.

    The first version holds from `BEGINNING` on. A provider absent from a later snapshot stays as he was.

    Args:
        snapshots: `Providers` rows of any number of days, in any order.
    """
    seen: set[str] = set()
    observations = []
    for row in changes(snapshots, "provider_id", "received_date", _TRACKED).to_pylist():
        who = row["provider_id"]
        since = midnight(row["received_date"]) if who in seen else BEGINNING
        seen.add(who)
        observations.append(Observation(who, since, {name: row[name] for name in _TRACKED}))
    return fold(observations)


def dim_provider(versions: Iterable[Version]) -> pa.Table:
    """Return the `DimProvider` rows of folded versions."""
    rows = [
        {
            **version.attributes,
            **validity(version, "provider_version_key"),
            "provider_key": natural_key(version.member),
            "provider_id": version.member,
        }
        for version in versions
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimProvider))


def dim_time() -> pa.Table:
    """Return the 96 `DimTime` rows."""
    rows = [
        {
            "time_id": f"{hour:02d}{minute:02d}",
            "hour": hour,
            "minute": minute,
            "label": f"{hour:02d}:{minute:02d}",
            "part_of_day": next(part for end, part in _PARTS if hour < end),
        }
        for hour in range(24)
        for minute in (0, 15, 30, 45)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimTime))


def dim_status() -> pa.Table:
    """Return the `DimStatus` rows."""
    rows = [
        {
            "status_key": natural_key(status),
            "status": status,
            "is_final": status in FINAL_STATUSES,
            "is_kept": status in (COMPLETED, NO_SHOW),
            "description": _MEANING[status],
        }
        for status in sorted(STATUSES)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimStatus))


def dim_appointment_type() -> pa.Table:
    """Return the `DimAppointmentType` rows."""
    rows = [
        {"appointment_type_key": natural_key(name), "appointment_type": name}
        for name in sorted(APPOINTMENT_TYPES)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimAppointmentType))
