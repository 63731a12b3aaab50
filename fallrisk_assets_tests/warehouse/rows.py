"""Rows of the inputs of the warehouse, with everything that a test does not name left out or plain."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from fallrisk_assets.alerts.contract import Alerts, IndexAlerts, OperationsAlerts
from fallrisk_assets.clinic.contract import DeviceAssignment, Patients
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.partitions import device_bucket
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.telemetry.contract import DeviceHourCoverage

DAY = date(2026, 1, 5)
MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Return the instant so many hours after midnight of the day."""
    return MIDNIGHT + timedelta(hours=hours)


def patient(patient_id: str = "PAT000001", wearable: str | None = "pt-1", day: int = 5, **columns) -> dict:
    empty = dict.fromkeys(arrow_schema(Patients).names)
    plain = {
        "snapshot_date": date(2026, 1, day),
        "patient_id": patient_id,
        "wearable_patient_id": wearable,
        "birth_date": date(1940, 6, 1),
        "gender": "female",
        "registration_date": date(2025, 1, 1),
        "time_zone": "Europe/Madrid",
        "site_id": "SITE01",
    }
    return {**empty, **plain, **columns}


def patients(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(Patients))


def assignment(
    device: str = "imu-1", patient: str = "pt-1", start: float = 0, end: float | None = None
) -> dict:
    return {
        "snapshot_date": DAY,
        "device_id": device,
        "patient_id": patient,
        "valid_from": at(start),
        "valid_to": None if end is None else at(end),
        "position": "waist",
        "corrected_at": None,
        "revision": 0,
    }


def assignments(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(DeviceAssignment))


def device_hour(device: str = "imu-1", patient: str = "pt-1", hour: int = 0, **columns) -> dict:
    plain = {
        "device_bucket": device_bucket(device),
        "device_id": device,
        "patient_id": patient,
        "hour": at(hour),
        "expected_samples": 180_000,
        "received_lines": 180_010,
        "clean_samples": 180_000,
        "duplicate_lines": 6,
        "quarantined_lines": 4,
        "rate_hz": 50.0,
        "gap_count": 0,
        "gap_s": 0.0,
        "wear_fraction": 1.0,
        "battery_fraction": 0.9,
        "clock_skew_s": 0.5,
        "position": "waist",
        "firmware": "2.4.1",
        "first_ts": at(hour),
        "last_ts": at(hour + 1) - timedelta(milliseconds=20),
        "watermark_at": at(hour + 1),
        "state": "FINAL",
        "verdict": "OK",
        "verdict_detail": "complete",
    }
    return {**plain, **columns}


def silent_hour(device: str = "imu-1", patient: str = "pt-1", hour: int = 0) -> dict:
    nothing = dict.fromkeys(
        (
            "expected_samples",
            "rate_hz",
            "wear_fraction",
            "battery_fraction",
            "clock_skew_s",
            "firmware",
            "first_ts",
            "last_ts",
        )
    )
    zero = dict.fromkeys(("received_lines", "clean_samples", "duplicate_lines", "quarantined_lines"), 0)
    return device_hour(device, patient, hour, **nothing, **zero, verdict="NO_DATA", verdict_detail="silent")


def coverage(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(DeviceHourCoverage))


def index(
    patient: str = "pt-1", day: date = DAY, probability: float | None = 0.3, band: str = "medium"
) -> dict:
    scored = probability is not None
    return {
        "patient_id": patient,
        "day": day,
        "probability_12m": probability,
        "lower_12m": probability and probability - 0.1,
        "upper_12m": probability and probability + 0.1,
        "band": band if scored else "NOT_SCORED",
        "status": "SCORED" if scored else "NOT_SCORED",
        "reason": None if scored else "WEAR_TOO_SHORT",
        "confidence": 0.8 if scored else None,
        "components": "{}",
        "model_version": "1.0.0",
        "input_hash": "0" * 64,
    }


def indices(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(FallRiskIndex))


def alert(
    alert_id: str = "a1", patient: str | None = "pt-1", device: str | None = "imu-1", **columns
) -> dict:
    plain = {
        "alert_id": alert_id,
        "patient_id": patient,
        "device_id": device,
        "rule": "FALL_DETECTED",
        "severity": "critical",
        "opened_at": at(3.5),
        "last_seen_at": at(3.5),
        "n": 1,
        "state": "OPEN",
        "escalation_level": 0,
        "acknowledged_at": None,
        "assigned_to": None,
        "snoozed_until": None,
        "closed_at": None,
        "notes": 0,
        "source_ids": "[]",
        "transitions": "[]",
        "as_of": at(4),
        "hour": at(3),
    }
    return {**plain, **columns}


def alerts(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(Alerts))


def index_alerts(*rows: dict) -> pa.Table:
    named = [{"day": DAY, **{k: v for k, v in row.items() if k != "hour"}} for row in rows]
    return pa.Table.from_pylist(named, schema=arrow_schema(IndexAlerts))


def operations_alerts(*rows: dict) -> pa.Table:
    named = [
        {"day": DAY, **{k: v for k, v in row.items() if k != "hour"}, "patient_id": None, "device_id": None}
        for row in rows
    ]
    return pa.Table.from_pylist(named, schema=arrow_schema(OperationsAlerts))
