"""Rows of the clinic's operations for the warehouse, with everything that a test does not name plain."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.operations.contract import Appointments, Feedback, Providers
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.calendar import dim_date
from fallrisk_assets.warehouse.contract import DimDate, DimPatient
from fallrisk_assets.warehouse.dimensions import dim_patient, patient_versions
from fallrisk_assets.warehouse.operations import dimensions, facts, kpis
from fallrisk_assets.warehouse.operations.contract import (
    DimAppointmentType,
    DimKpi,
    DimProvider,
    DimStatus,
    DimTime,
    FactAppointment,
    FactFeedback,
)
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse
from fallrisk_assets_tests.warehouse.rows import patient, patients

MONDAY = date(2026, 1, 5)


def at(day: int, hour: float = 9) -> datetime:
    """Return an instant of January 2026."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour)


def provider(provider_id: str = "PROV0001", day: int = 5, **columns: Any) -> dict:
    plain = {
        "received_date": date(2026, 1, day),
        "file": "p",
        "line": 2,
        "provider_id": provider_id,
        "specialty": "Cardiology",
        "hourly_rate": 120.0,
        "available_hours_per_week": 10.0,
        "active": True,
        "time_zone": "Europe/Madrid",
    }
    return {**dict.fromkeys(arrow_schema(Providers).names), **plain, **columns}


def providers(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(Providers))


def state(appointment_id: str = "APT1", status: str = "Completed", day: int = 5, **columns: Any) -> dict:
    """Return a state as it stood at the end of a day of January, of a visit on that day."""
    held = status == "Completed"
    plain = {
        "day": date(2026, 1, day),
        "appointment_id": appointment_id,
        "patient_id": "PAT000001",
        "provider_id": "PROV0001",
        "source": "events",
        "status": status,
        "booked_at": at(1),
        "scheduled_start_at": at(day),
        "scheduled_date": date(2026, 1, day),
        "scheduled_time_id": "1000",
        "time_zone": "Europe/Madrid",
        "planned_minutes": 30.0,
        "reschedule_count": 0,
        "patient_arrived": held,
        "session_started_at": at(day, 9.1) if held else None,
        "wait_minutes": 6.0 if held else None,
        "duration_minutes": 20.0 if held else None,
        "had_technical_issue": False if held else None,
        "event_count": 3,
        "as_of": at(day, 23),
    }
    return {**dict.fromkeys(arrow_schema(Appointments).names), **plain, **columns}


def answer(feedback_id: str = "FB1", day: int = 5, **columns: Any) -> dict:
    plain = {
        "received_date": date(2026, 1, day),
        "file": "f",
        "line": 1,
        "feedback_id": feedback_id,
        "content_hash": "0" * 32,
        "appointment_id": "APT1",
        "patient_id": "PAT000001",
        "feedback_date": date(2026, 1, day),
        "overall_satisfaction": 4,
        "given_at": at(day, 12),
    }
    return {**dict.fromkeys(arrow_schema(Feedback).names), **plain, **columns}


def known(warehouse: Warehouse, *of_providers: dict, of_patients: list[dict] | None = None) -> Warehouse:
    """Fill the dimensions."""
    rows = of_patients or [patient(), patient("PAT000002", "pt-2"), patient("PAT000003", None)]
    versions = dimensions.provider_versions(providers(*(of_providers or (provider(),))))
    whole = {
        DimDate: dim_date(),
        DimPatient: dim_patient(patient_versions(patients(*rows), MONDAY)),
        DimProvider: dimensions.dim_provider(versions),
        DimTime: dimensions.dim_time(),
        DimStatus: dimensions.dim_status(),
        DimAppointmentType: dimensions.dim_appointment_type(),
        DimKpi: kpis.dim_kpi(),
    }
    for model, table in whole.items():
        warehouse.replace_slice(model, WHOLE_TABLE, table)
    return warehouse


def load(warehouse: Warehouse, *rows: dict) -> Warehouse:
    """Publish states and answers by the days on which they stood so, or were received."""
    states: dict[str, list[dict]] = {}
    answers: dict[str, list[dict]] = {}
    for row in rows:
        found, day = (answers, "received_date") if "feedback_id" in row else (states, "day")
        found.setdefault(str(row[day]), []).append(row)
    for key, found in states.items():
        found.sort(key=lambda row: row["appointment_id"])
        table = pa.Table.from_pylist(found, schema=arrow_schema(Appointments))
        warehouse.replace_slice(FactAppointment, key, facts.fact_appointment(table))
    for key, found in answers.items():
        table = pa.Table.from_pylist(found, schema=arrow_schema(Feedback))
        warehouse.replace_slice(FactFeedback, key, facts.fact_feedback(table))
    return warehouse
