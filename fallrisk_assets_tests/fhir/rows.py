"""Rows as the upstream tables give them, for the tests of this domain."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from fallrisk_assets.fhir.patient_day import DayRows

DAY = date(2026, 1, 5)
NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def patient_row(
    patient_id: str = "PAT000001", wearable: str | None = "pt-1", **changed: Any
) -> dict[str, Any]:
    """Return a row of `patients`."""
    return {
        "snapshot_date": DAY,
        "patient_id": patient_id,
        "wearable_patient_id": wearable,
        "birth_date": date(1941, 3, 9),
        "gender": "female",
        "time_zone": "America/New_York",
        "site_id": "SITE1",
    } | changed


def identity_row(
    patient_id: str = "PAT000001", wearable: str | None = "pt-1", **changed: Any
) -> dict[str, Any]:
    """Return a row of `patient_identity`."""
    return {
        "snapshot_date": DAY,
        "patient_id": patient_id,
        "wearable_patient_id": wearable,
        "given_name": "Ana",
        "family_name": "Núñez",
    } | changed


def gait_row(wearable: str = "pt-1", **changed: Any) -> dict[str, Any]:
    """Return a row of `daily_gait`."""
    return {
        "patient_id": wearable,
        "day": DAY,
        "local_day": DAY - timedelta(days=1),
        "time_zone": "America/New_York",
        "day_start": datetime(2026, 1, 4, 5, tzinfo=UTC),
        "day_end": datetime(2026, 1, 5, 5, tzinfo=UTC),
        "devices": "imu-10001",
        "position": "waist",
        "recorded_minutes": 900.0,
        "wear_minutes": 812.5,
        "walking_minutes": 41.25,
        "steps": 4210,
        "cadence_spm": 102.34567260742188,
        "stride_time_s": 1.171875,
        "stride_time_cv": 0.03799999877810478,
        "step_regularity": 0.6,
        "stride_regularity": 0.7123456597328186,
        "harmonic_ratio": 1.9,
        "walking_bouts": 31,
        "longest_bout_s": 95.5,
        "sway_g": 0.0123,
        "turns": 40,
        "turn_duration_s": 1.6,
        "turn_angle_deg": 88.0,
        "sit_to_stands": 22,
        "night_risings": 1,
        "upright_minutes": 250.0,
        "lying_minutes": 410.0,
    } | changed


def fall_row(wearable: str = "pt-1", **changed: Any) -> dict[str, Any]:
    """Return a row of `fall_events`."""
    return {
        "device_bucket": 3,
        "event_id": "6b0c1d9e-0000-5000-8000-000000000001",
        "device_id": "imu-10001",
        "patient_id": wearable,
        "position": "waist",
        "impact_at": datetime(2026, 1, 5, 11, 59, 58, 20_000, tzinfo=UTC),
        "decided_at": datetime(2026, 1, 5, 12, 0, 1, tzinfo=UTC),
        "probability": 0.9100000262260437,
        "peak_g": 4.2,
        "free_fall_s": 0.31,
        "posture_change_deg": 71.0,
        "stillness_s": 2.5,
        "recovered": False,
        "model_version": "fall-1",
    } | changed


def index_row(wearable: str = "pt-1", **changed: Any) -> dict[str, Any]:
    """Return a row of `fall_risk_index`."""
    return {
        "patient_id": wearable,
        "day": DAY,
        "probability_12m": 0.37,
        "lower_12m": 0.21,
        "upper_12m": 0.55,
        "band": "high",
        "status": "SCORED",
        "reason": None,
        "confidence": 0.8,
        "components": '{"gait_speed": 0.41, "falls_past_12_months": 1.2}',
        "model_version": "index-1",
    } | changed


def not_scored_row(wearable: str = "pt-1", **changed: Any) -> dict[str, Any]:
    """Return a row of `fall_risk_index` of a day that could not be scored."""
    return (
        index_row(
            wearable,
            probability_12m=None,
            lower_12m=None,
            upper_12m=None,
            band="NOT_SCORED",
            status="NOT_SCORED",
            reason="TOO_LITTLE_WEAR",
            confidence=None,
            components=None,
        )
        | changed
    )


def alert_row(wearable: str | None = "pt-1", **changed: Any) -> dict[str, Any]:
    """Return a row of `alerts`."""
    return {
        "hour": datetime(2026, 1, 5, 12, tzinfo=UTC),
        "as_of": datetime(2026, 1, 5, 13, tzinfo=UTC),
        "alert_id": "aaaaaaaa-0000-5000-8000-000000000001",
        "patient_id": wearable,
        "device_id": "imu-10001",
        "rule": "FALL_DETECTED",
        "severity": "critical",
        "opened_at": datetime(2026, 1, 5, 12, 0, 1, tzinfo=UTC),
        "last_seen_at": datetime(2026, 1, 5, 12, 0, 1, tzinfo=UTC),
        "n": 1,
        "state": "OPEN",
        "escalation_level": 0,
        "acknowledged_at": None,
        "closed_at": None,
        "source_ids": '["6b0c1d9e-0000-5000-8000-000000000001"]',
        "transitions": "[]",
    } | changed


def index_alert_row(wearable: str = "pt-1", **changed: Any) -> dict[str, Any]:
    """Return a row of `index_alerts`."""
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    row = alert_row(
        wearable,
        alert_id="aaaaaaaa-0000-5000-8000-000000000002",
        device_id=None,
        rule="INDEX_LEVEL",
        severity="high",
        opened_at=midnight,
        last_seen_at=midnight,
        source_ids='["pt-1|2026-01-05|level"]',
        day=DAY,
    )
    del row["hour"]
    return row | changed


def appointment_row(appointment_id: str = "APT0001", **changed: Any) -> dict[str, Any]:
    """Return a row of `appointments`: a video visit that was held."""
    return {
        "day": DAY,
        "appointment_id": appointment_id,
        "patient_id": "PAT000001",
        "provider_id": "PROV0001",
        "source": "events",
        "refusal": None,
        "status": "Completed",
        "booked_at": datetime(2026, 1, 2, 9, tzinfo=UTC),
        "scheduled_start_at": datetime(2026, 1, 5, 15, tzinfo=UTC),
        "scheduled_time_id": "1000",
        "appointment_type": "Follow-up",
        "mode": "Video/Online",
        "planned_minutes": 20.0,
        "cancellation_reason": None,
        "session_started_at": datetime(2026, 1, 5, 15, 4, tzinfo=UTC),
        "session_ended_at": datetime(2026, 1, 5, 15, 26, 30, tzinfo=UTC),
        "duration_minutes": 22.5,
    } | changed


def provider_row(provider_id: str = "PROV0001", **changed: Any) -> dict[str, Any]:
    """Return a row of `providers`."""
    return {
        "received_date": DAY,
        "line": 2,
        "provider_id": provider_id,
        "first_name": "Meredith",
        "last_name": "Grey",
        "specialty": "Neurology",
        "active": True,
    } | changed


def feedback_row(feedback_id: str = "FB0001", **changed: Any) -> dict[str, Any]:
    """Return a row of `feedback`: one question is without an answer."""
    return {
        "received_date": DAY,
        "line": 1,
        "feedback_id": feedback_id,
        "content_hash": "ab" * 16,
        "appointment_id": "APT0001",
        "patient_id": "PAT000001",
        "provider_id": "PROV0001",
        "feedback_date": DAY,
        "provider_rating": 5,
        "ease_of_use_rating": 4,
        "audio_quality_rating": 3,
        "video_quality_rating": None,
        "overall_satisfaction": 4,
        "would_recommend": True,
        "comments": "Dr. Grey was kind to my wife Ida",
        "given_at": datetime(2026, 1, 5, 18, tzinfo=UTC),
    } | changed


def day_rows(**changed: Any) -> DayRows:
    """Return a day with one of everything: one alert is acknowledged, one is not."""
    acknowledged_at = datetime(2026, 1, 5, 12, 20, tzinfo=UTC)
    rows: dict[str, Any] = {
        "patients": [patient_row()],
        "identities": [identity_row()],
        "gait": [gait_row()],
        "falls": [fall_row()],
        "index": [index_row()],
        "index_history": [index_row(day=DAY - timedelta(days=1))],
        "alerts": [alert_row(state="ACKNOWLEDGED", acknowledged_at=acknowledged_at)],
        "index_alerts": [index_alert_row()],
        "appointments": [appointment_row()],
        "feedback": [feedback_row()],
        "specialties": {"PROV0001": "Neurology"},
    }
    return DayRows(**(rows | changed))
