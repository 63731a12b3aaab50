"""Facts of a day: risk scores, alerts and device-days, keyed for the warehouse.

Here: curated rows of one day to fact rows. Not here: dimensions (`dimensions.py`), the joins
(`views/*.sql`). A measure that was not taken stays null.
"""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.identity import Assignment
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.calendar import date_id
from fallrisk_assets.warehouse.contract import FactAlert, FactDeviceDay, FactRiskScore
from fallrisk_assets.warehouse.dimensions import Wearers, instant_of
from fallrisk_assets.warehouse.history import midnight, natural_key

_HOUR = timedelta(hours=1)
_FAULTY = ("IMPLAUSIBLE_RATE", "WRONG_UNITS")
_ALERT_COLUMNS = (
    "alert_id",
    "rule",
    "severity",
    "state",
    "escalation_level",
    "n",
    "opened_at",
    "last_seen_at",
    "acknowledged_at",
    "closed_at",
)
_SCORE_COLUMNS = (
    "status",
    "reason",
    "probability_12m",
    "lower_12m",
    "upper_12m",
    "band",
    "confidence",
    "model_version",
)


def fact_risk_score(index: pa.Table, day: date, wearers: Wearers) -> pa.Table:
    """Return the `FactRiskScore` rows of a day.

    Args:
        index: `FallRiskIndex` rows of that day.
        day: the patients' local day.
        wearers: who is meant by a wearable id.
    """
    event_at = midnight(day)
    rows = [
        {
            "day": day,
            "date_id": date_id(day),
            "event_at": event_at,
            "patient_key": wearers.patient_key(row["patient_id"], event_at),
            "wearable_patient_id": row["patient_id"],
            **{name: row[name] for name in _SCORE_COLUMNS},
        }
        for row in sorted(index.to_pylist(), key=lambda row: row["patient_id"])
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(FactRiskScore))


def fact_alert(
    hourly: pa.Table, index: pa.Table, operations: pa.Table, day: date, wearers: Wearers
) -> pa.Table:
    """Return the `FactAlert` rows of a day: the last row of each alert on it.

    Args:
        hourly: `Alerts` rows of the day's hours.
        index: `IndexAlerts` rows of the day.
        operations: `OperationsAlerts` rows of the day.
        day: UTC day.
        wearers: who is meant by a wearable id.
    """
    last: dict[str, tuple[str, dict[str, Any]]] = {}
    for row in sorted(hourly.to_pylist(), key=lambda row: row["hour"]):
        last[row["alert_id"]] = ("hourly", row)
    for origin, daily in (("index", index), ("operations", operations)):
        last |= {row["alert_id"]: (origin, row) for row in daily.to_pylist()}
    rows = [
        {
            "day": day,
            "date_id": date_id(day),
            "event_at": row["opened_at"],
            "patient_key": wearers.patient_key(row["patient_id"], row["opened_at"]),
            "wearable_patient_id": row["patient_id"],
            "device_key": None if row["device_id"] is None else natural_key(row["device_id"]),
            "device_id": row["device_id"],
            "origin": origin,
            "scope": row.get("scope"),
            **{name: row[name] for name in _ALERT_COLUMNS},
        }
        for origin, row in last.values()
    ]
    rows.sort(key=lambda row: (row["opened_at"], row["alert_id"]))
    return pa.Table.from_pylist(rows, schema=arrow_schema(FactAlert))


def fact_device_day(
    coverage: pa.Table, day: date, wearers: Wearers, assignments: Mapping[str, Sequence[Assignment]]
) -> pa.Table:
    """Return the `FactDeviceDay` rows of a day: the hours of each device and wearer added up.

    Args:
        coverage: `DeviceHourCoverage` rows of the day's hours; patient_id is empty where nobody was assigned.
        day: UTC day.
        wearers: who is meant by a wearable id.
        assignments: disjoint intervals by device; a wearer's day begins when the device is handed over.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    reports: dict[str, list[tuple[datetime, str, str]]] = {}
    for row in coverage.to_pylist():
        device_id, wearable = row["device_id"], row["patient_id"] or ""
        groups.setdefault((device_id, wearable), []).append(row)
        if row["firmware"] is not None:
            begin = _begin_of_wear([row], wearable, assignments.get(device_id, ()))
            since = begin if wearable else row["first_ts"]  # nobody's time begins within an hour untold
            reports.setdefault(device_id, []).append((since, wearable, row["firmware"]))
    changes = {device_id: _firmware_changes(seen) for device_id, seen in reports.items()}
    rows = []
    for (device_id, wearable), hours in sorted(groups.items()):
        hours.sort(key=lambda row: row["hour"])
        event_at = _begin_of_wear(hours, wearable, assignments.get(device_id, ()))
        rows.append(
            {
                "day": day,
                "date_id": date_id(day),
                "event_at": event_at,
                "device_key": natural_key(device_id),
                "device_id": device_id,
                "patient_key": wearers.patient_key(wearable, event_at),
                "wearable_patient_id": wearable,
                **_sums(hours, wearable, assignments.get(device_id, ())),
                **_states(hours),
                "firmware_changes": changes.get(device_id, {}).get(wearable),
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(FactDeviceDay))


def _firmware_changes(reports: Sequence[tuple[datetime, str, str]]) -> dict[str, str]:
    """Return by wearer the changes of one device's firmware as JSON, `[[instant, firmware], …]` in order.

    They are looked for across wearers: who wears a device again may find another firmware on it.

    Args:
        reports: Since when, worn by whom, which firmware; an hour each, in any order.
    """
    changes: dict[str, list[tuple[str, str]]] = {}
    before = None
    for since, wearable, firmware in sorted(reports):
        if firmware != before:
            changes.setdefault(wearable, []).append((since.astimezone(UTC).isoformat(), firmware))
        before = firmware
    return {wearable: json.dumps(found) for wearable, found in changes.items()}


def _begin_of_wear(
    hours: Sequence[Mapping[str, Any]], wearable: str, intervals: Sequence[Assignment]
) -> datetime:
    first, end = hours[0]["hour"], hours[-1]["hour"] + _HOUR
    for one in intervals:
        if one.patient_id == wearable and instant_of(one.from_us) < end and first < instant_of(one.to_us):
            return max(first, instant_of(one.from_us))
    return first


def _sums(
    hours: Sequence[Mapping[str, Any]], wearable: str, intervals: Sequence[Assignment]
) -> dict[str, Any]:
    expected = _expected_samples(hours, wearable, intervals)
    clean = sum(row["clean_samples"] for row in hours)
    worn = [row["wear_fraction"] for row in hours if row["wear_fraction"] is not None]
    return {
        "expected_samples": expected,
        "received_lines": sum(row["received_lines"] for row in hours),
        "clean_samples": clean,
        "duplicate_lines": sum(row["duplicate_lines"] for row in hours),
        "quarantined_lines": sum(row["quarantined_lines"] for row in hours),
        "completeness": clean / expected if expected else None,
        "gap_count": sum(row["gap_count"] for row in hours),
        "gap_s": sum(row["gap_s"] for row in hours),
        "wear_hours": sum(worn) if worn else None,
    }


def _expected_samples(
    hours: Sequence[Mapping[str, Any]], wearable: str, intervals: Sequence[Assignment]
) -> int | None:
    """Return the samples of gapless hours; an hour that tells no rate is one at the day's median rate.

    A silent hour lacks the samples of the time for which the device was assigned, instead of expecting none.
    """
    rates = [row["rate_hz"] for row in hours if row["rate_hz"] is not None]
    if not rates:
        return None
    rate_hz = statistics.median(rates)
    mine = [one for one in intervals if one.patient_id == wearable]
    silent = [row for row in hours if row["expected_samples"] is None]
    silent_s = sum(_overlap_s(row["hour"], row["watermark_at"], one) for row in silent for one in mine)
    known = sum(row["expected_samples"] for row in hours if row["expected_samples"] is not None)
    return known + round(rate_hz * silent_s)


def _overlap_s(start: datetime, end: datetime, one: Assignment) -> float:
    """Return the seconds of `[start, end)` that lie in an assignment."""
    begin, finish = max(start, instant_of(one.from_us)), min(end, instant_of(one.to_us))
    return max((finish - begin).total_seconds(), 0.0)


def _states(hours: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    verdicts = Counter(row["verdict"] for row in hours)
    rates = [row["rate_hz"] for row in hours if row["rate_hz"] is not None]
    batteries = [row["battery_fraction"] for row in hours if row["battery_fraction"] is not None]
    sent = [(row["hour"], row["firmware"]) for row in hours if row["firmware"] is not None]
    firmware = sent[-1][1] if sent else None
    since = None
    for hour, reported in reversed(sent):
        if reported != firmware:
            break
        since = hour
    return {
        "hours": len(hours),
        "hours_ok": verdicts["OK"],
        "hours_not_worn": verdicts["NOT_WORN"],
        "hours_gappy": verdicts["GAPPY"],
        "hours_faulty": sum(verdicts[verdict] for verdict in _FAULTY),
        "hours_no_data": verdicts["NO_DATA"],
        "battery_lowest": min(batteries) if batteries else None,
        "battery_last": batteries[-1] if batteries else None,
        "rate_hz": statistics.median(rates) if rates else None,
        "firmware": firmware,
        "firmware_since": since,
        "position": next((row["position"] for row in reversed(hours) if row["position"] is not None), None),
        "is_final": all(row["state"] == "FINAL" for row in hours),
    }
