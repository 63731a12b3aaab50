"""A small made-up day for the tests of the pages: seeded, no files, no lake.

Five patients: one with a fall and a high index, one medium with a gappy device, one low, one who is
NOT_SCORED because the device was not worn, one whose firmware sends wrong units.
"""

import datetime as dt
import json
import uuid

import numpy as np
import pyarrow as pa

from fallrisk_assets.dashboards.model import DayInputs, GaitMeasure, RowCount
from fallrisk_assets.dashboards.quality import quarantine_counts
from fallrisk_assets.dashboards.reductions import hourly_scores, hourly_walking
from fallrisk_assets.warehouse.observability.data_quality import CheckOutcome

DAY = dt.date(2026, 1, 5)
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TIMESTAMP = pa.timestamp("us", "UTC")

HOSTILE = '<img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script>&amp;"\''
DETAIL = "expected a number, got text"
NAMES = ("Agathe", "Musterfrau", "0171-5550199")

MEASURES = (
    GaitMeasure("cadence_spm", "Cadence", "steps/min"),
    GaitMeasure("stride_time_s", "Stride time", "s"),
    GaitMeasure("stride_time_cv", "Stride time variability", "%", 100.0),
    GaitMeasure("stride_regularity", "Stride regularity", ""),
)


def patients(n: int) -> list[tuple[str, str]]:
    """Return (patient_id, device_id) pairs."""
    return [(f"pt-{i + 1}", f"imu-{10001 + i}") for i in range(n)]


def coverage(people: list[tuple[str, str]], hours: range = range(24)) -> pa.Table:
    """Return coverage rows: the second device is gappy, the fourth not worn, the fifth in m/s²."""
    rows = []
    for number, (patient, device) in enumerate(people):
        for hour in hours:
            asleep = hour < 7 or hour >= 22
            verdict, worn, gap = "OK", 0.97, 0.0
            if number % 5 == 3:
                verdict, worn = "NOT_WORN", 0.0
            elif number % 5 == 1 and hour in (9, 10, 14):
                verdict, gap = "GAPPY", 60.0 * hour
            elif number % 5 == 4 and hour == 12:
                verdict = "WRONG_UNITS"
            elif asleep and number % 5 != 0:
                verdict, worn = "NOT_WORN", 0.02
            expected = 180_000
            clean = int(expected * (1 - gap / 3600))
            rows.append(
                {
                    "device_bucket": number % 32,
                    "device_id": device,
                    "patient_id": patient,
                    "hour": START + hour * HOUR,
                    "expected_samples": expected,
                    "received_lines": clean + 12,
                    "clean_samples": clean,
                    "duplicate_lines": 7 if number == 0 and hour == 8 else 0,
                    "quarantined_lines": 5 if number == 0 else 0,
                    "gap_count": int(gap > 0),
                    "gap_s": gap,
                    "wear_fraction": worn,
                    "battery_fraction": 0.95 - 0.02 * hour,
                    "firmware": "2.4.1",
                    "state": "PROVISIONAL" if hour == 23 else "FINAL",
                    "verdict": verdict,
                }
            )
    return pa.Table.from_pylist(rows).set_column(
        3, "hour", pa.array([row["hour"] for row in rows], TIMESTAMP)
    )


def fall_events(patient: str, device: str, impact_at: dt.datetime) -> pa.Table:
    """Return one detected fall."""
    return pa.table(
        {
            "event_id": [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{device}{impact_at}"))],
            "device_id": [device],
            "patient_id": [patient],
            "position": ["waist"],
            "impact_at": pa.array([impact_at], TIMESTAMP),
            "decided_at": pa.array([impact_at + dt.timedelta(seconds=8)], TIMESTAMP),
            "probability": pa.array([0.9731], pa.float32()),
            "peak_g": pa.array([5.83], pa.float32()),
            "free_fall_s": pa.array([0.34], pa.float32()),
            "posture_change_deg": pa.array([82.0], pa.float32()),
            "stillness_s": pa.array([6.1], pa.float32()),
            "recovered": [False],
            "model_version": ["fall-detector-1"],
        }
    )


def samples_around(device: str, impact_at: dt.datetime, rate_hz: int = 50) -> pa.Table:
    """Return 24 s of samples: walking, free fall, impact of 5.83 g, lying; a gap from +6 to +7.5 s."""
    rng = np.random.default_rng(7)
    t = np.arange(-12 * rate_hz, 12 * rate_hz) / rate_hz
    norm = np.where(t < -0.4, 1 + 0.25 * np.sin(2 * np.pi * 1.8 * t), 1.0)
    norm = np.where((t >= -0.34) & (t < 0), 0.15, norm)
    norm = norm + rng.normal(0, 0.015, t.size)
    norm[np.argmin(np.abs(t))] = 5.83
    norm[np.argmin(np.abs(t)) + 1] = 3.1
    keep = (t < 6) | (t >= 7.5)
    at = [impact_at + dt.timedelta(seconds=float(value)) for value in t[keep]]
    return pa.table(
        {
            "device_id": [device] * int(keep.sum()),
            "ts": pa.array(at, TIMESTAMP),
            "accel_x_g": pa.array(np.zeros(keep.sum()), pa.float32()),
            "accel_y_g": pa.array(-norm[keep], pa.float32()),
            "accel_z_g": pa.array(np.zeros(keep.sum()), pa.float32()),
        }
    )


def window_scores(people: list[tuple[str, str]], step_s: int = 300) -> pa.Table:
    """Return sparse window scores; hours that are not worn are NOT_SCORED."""
    columns: dict[str, list] = {"patient_id": [], "device_id": [], "window_end": [], "score": [], "band": []}
    for number, (patient, device) in enumerate(people):
        for second in range(step_s, 86_400 + 1, step_s):
            hour = (second - 1) // 3600
            idle = number % 5 == 3 or (number % 5 != 0 and (hour < 7 or hour >= 22))
            value = None if idle else round(0.2 + 0.65 * ((hour * 7 + number * 3) % 24) / 24, 3)
            columns["patient_id"].append(patient)
            columns["device_id"].append(device)
            columns["window_end"].append(START + dt.timedelta(seconds=second))
            columns["score"].append(value)
            columns["band"].append(
                "NOT_SCORED"
                if value is None
                else "high"
                if value >= 0.8
                else "medium"
                if value >= 0.5
                else "low"
            )
    return pa.table(
        {
            "patient_id": columns["patient_id"],
            "device_id": columns["device_id"],
            "window_end": pa.array(columns["window_end"], TIMESTAMP),
            "score": pa.array(columns["score"], pa.float32()),
            "band": columns["band"],
        }
    )


def window_features(people: list[tuple[str, str]], step_s: int = 300) -> pa.Table:
    """Return sparse windows: walking in the first minutes of the hours from 8 to 19, else sitting."""
    rows = []
    for number, (patient, _) in enumerate(people):
        for second in range(step_s, 86_400 + 1, step_s):
            hour = (second - 1) // 3600
            walks = 8 <= hour < 20 and (second // step_s) % 12 <= (hour + number) % 5
            worn = number % 5 != 3
            rows.append((patient, START + hour * HOUR, worn, None if worn else "NOT_WORN", walks))
    return pa.table(
        {
            "patient_id": [row[0] for row in rows],
            "hour": pa.array([row[1] for row in rows], TIMESTAMP),
            "worn": [row[2] for row in rows],
            "quality": pa.array([row[3] for row in rows], pa.string()),
            "sd_accel_norm": pa.array(
                [None if not row[2] else 0.2 if row[4] else 0.01 for row in rows], pa.float32()
            ),
            "autocorrelation_peak_accel_norm": pa.array(
                [None if not row[2] else 0.8 if row[4] else 0.1 for row in rows], pa.float32()
            ),
        }
    )


def fall_risk_index(people: list[tuple[str, str]]) -> pa.Table:
    """Return index rows: high, medium, low, NOT_SCORED, low, repeating."""
    rows = []
    for number, (patient, _) in enumerate(people):
        kind = number % 5
        components = {
            "intercept": -1.9,
            "falls_past_12_months": [1.4, 0.5, -0.2, 0.0, -0.3][kind],
            "stride_time_variability": [0.9, 0.35, -0.4, 0.0, -0.1][kind],
            "walking_aid": 0.3 if kind == 0 else 0.0,
            "age": [0.4, 0.2, -0.1, 0.0, 0.1][kind],
        }
        logit = sum(components.values())
        chance = 1 / (1 + np.exp(-logit))
        scored = kind != 3
        rows.append(
            {
                "patient_id": patient,
                "day": DAY,
                "probability_12m": float(chance) if scored else None,
                "lower_12m": float(chance * 0.7) if scored else None,
                "upper_12m": float(min(chance * 1.35, 0.99)) if scored else None,
                "band": ["high", "medium", "low", "NOT_SCORED", "low"][kind],
                "status": "SCORED" if scored else "NOT_SCORED",
                "reason": None if scored else "TOO_LITTLE_WEAR",
                "confidence": 0.8 if scored else 0.0,
                "components": json.dumps(components, sort_keys=True) if scored else "{}",
                "model_version": "index-1",
            }
        )
    return pa.Table.from_pylist(rows)


def daily_gait(people: list[tuple[str, str]]) -> pa.Table:
    """Return gait rows; who did not wear the device has no measures."""
    rows = []
    for number, (patient, _) in enumerate(people):
        worn = number % 5 != 3
        rows.append(
            {
                "patient_id": patient,
                "day": DAY,
                "local_day": DAY,
                "time_zone": "Europe/Berlin",
                "wear_minutes": 905.0 - 40 * (number % 5) if worn else 0.0,
                "walking_minutes": 74.5 + number % 5 if worn else 0.0,
                "steps": 5230 + 411 * (number % 5) if worn else 0,
                "cadence_spm": 98.4 + number % 5 if worn else None,
                "stride_time_s": 1.21 if worn else None,
                "stride_time_cv": 0.034 if worn else None,
                "stride_regularity": 0.71 if worn else None,
            }
        )
    return pa.Table.from_pylist(rows)


def alerts(patient: str, device: str) -> pa.Table:
    """Return three alerts, one of them in two hours: open at 14:00 and again at 15:00."""
    rows = [
        ("a-1", "FALL_DETECTED", "critical", "OPEN", 14, 14, 1),
        ("a-1", "FALL_DETECTED", "critical", "ACKNOWLEDGED", 14, 15, 2),
        ("a-2", "LOW_BATTERY", "medium", "RESOLVED", 6, 7, 3),
        ("a-3", "SILENT_DEVICE", "high", "OPEN", 20, 21, 1),
    ]
    return pa.table(
        {
            "alert_id": [row[0] for row in rows],
            "patient_id": [patient] * len(rows),
            "device_id": [device] * len(rows),
            "rule": [row[1] for row in rows],
            "severity": [row[2] for row in rows],
            "state": [row[3] for row in rows],
            "opened_at": pa.array([START + row[4] * HOUR for row in rows], TIMESTAMP),
            "last_seen_at": pa.array([START + row[5] * HOUR for row in rows], TIMESTAMP),
            "as_of": pa.array([START + (row[5] + 1) * HOUR for row in rows], TIMESTAMP),
            "n": [row[6] for row in rows],
        }
    )


def quarantine(device: str, detail: str = DETAIL) -> pa.Table:
    """Return quarantined lines whose payload holds a person's name."""
    rows = [("LINE_NOT_JSON", 41), ("VALUE_OUT_OF_RANGE", 18), ("UNKNOWN_DEVICE", 230), ("UNIT_MISMATCH", 3)]
    reasons = [reason for reason, n in rows for _ in range(n)]
    return pa.table(
        {
            "reason": reasons,
            "device_id": [device if reason != "LINE_NOT_JSON" else None for reason in reasons],
            "patient_id": ["pt-1"] * len(reasons),
            "detail": [detail] * len(reasons),
            "payload": [f"{NAMES[0]} {NAMES[1]}"] * len(reasons),
        }
    )


def drops(people: list[tuple[str, str]]) -> pa.Table:
    """Return a drop for each device and hour; one of the first device is five hours late."""
    rows = []
    for number, (_, device) in enumerate(people):
        for hour in range(24):
            late = dt.timedelta(hours=5) if number == 0 and hour == 3 else dt.timedelta(minutes=3)
            rows.append((f"{device}-{hour}", device, START + hour * HOUR, START + (hour + 1) * HOUR + late))
    return pa.table(
        {
            "drop_key": [row[0] for row in rows],
            "device_id": [row[1] for row in rows],
            "event_hour": pa.array([row[2] for row in rows], TIMESTAMP),
            "received_at": pa.array([row[3] for row in rows], TIMESTAMP),
        }
    )


def device_states(people: list[tuple[str, str]]) -> pa.Table:
    """Return two states for each device, of which the later counts."""
    rows = [
        (device, START + hour * HOUR, state, detail)
        for _, device in people
        for hour, state, detail in ((22, "SILENT", "no samples for 6 h"), (23, "OK", None))
    ]
    return pa.table(
        {
            "device_id": [row[0] for row in rows],
            "hour": pa.array([row[1] for row in rows], TIMESTAMP),
            "state": [row[2] for row in rows],
            "detail": pa.array([row[3] for row in rows], pa.string()),
        }
    )


ROW_COUNTS = (
    RowCount("clean.telemetry", 24, 24, 8_640_113),
    RowCount("curated.window_features", 24, 24, 86_400),
    RowCount("curated.fall_events", 24, 24, 1),
    RowCount("curated.alerts", 23, 24, 4),
)
CHECKS = (
    CheckOutcome("telemetry", "keeps_its_contract", True, "ERROR", "All 8,640,113 rows keep the contract."),
    CheckOutcome("alerts", "every_fall_has_an_alert", False, "ERROR", "1 of 1 falls has no alert."),
    CheckOutcome("daily_gait", "steps_are_plausible", None, "WARN", ""),
)


def a_day(n: int = 5, *, hostile: bool = False) -> DayInputs:
    """Return the day's inputs for n patients, with texts that try to break out when hostile."""
    people = patients(n)
    if hostile:
        people[0] = (f"pt-{HOSTILE}", f"imu-{HOSTILE}")
    patient, device = people[0]
    impact_at = START + dt.timedelta(hours=14, minutes=5, seconds=9)
    return DayInputs(
        day=DAY,
        coverage=coverage(people),
        fall_events=fall_events(patient, device, impact_at),
        samples=samples_around(device, impact_at),
        scores=hourly_scores(window_scores(people)),
        walking=hourly_walking(window_features(people), hop_s=300),
        daily_gait=daily_gait(people),
        fall_risk_index=fall_risk_index(people),
        alerts=alerts(patient, device),
        device_states=device_states(people),
        quarantine=quarantine_counts(quarantine(device, HOSTILE if hostile else DETAIL)),
        drops=drops(people),
        row_counts=ROW_COUNTS,
        checks=CHECKS,
        missing=(("curated.alerts", ("2026-01-05-23:00",)),),
        gait_measures=MEASURES,
    )
