"""From the day's tables to the page's model: reduce, fold and downsample.

Belongs here: pure functions from Arrow tables to `model.DayModel`. Does not belong here: reading
the lake (`assets.py`), drawing (`figures.py`), words and HTML (`page.py`), the data-quality part
(`quality.py`), what is reduced already while reading (`reductions.py`).

Only pseudonyms are read: no function here asks for a column with a name, an address or a payload.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.dashboards.model import (
    BANDS,
    BASE_NAMES,
    Alert,
    Component,
    DayInputs,
    DayModel,
    Fall,
    GaitMeasure,
    Hour,
    Measured,
    Patient,
    Score,
    Signal,
    Trend,
)
from fallrisk_assets.dashboards.quality import build_quality
from fallrisk_assets.dashboards.reductions import downsample_norm
from fallrisk_assets.dashboards.values import finite, natural, share
from fallrisk_assets.dashboards.wording import component_label

AROUND_IMPACT_S = 10.0
"""Seconds of signal shown before and after an impact."""


def build_day(inputs: DayInputs) -> DayModel:
    """Return the model of a day's page.

    Args:
        inputs: the day's tables; None where a table was not there.

    Returns:
        Patients in the order of the page (open critical alerts, falls, band, probability, id) and
        the data quality of the day. The order of rows in the tables does not matter.
    """
    coverage = _by_patient(inputs.coverage)
    falls = _by_patient(inputs.fall_events)
    alerts = _by_patient(inputs.alerts)
    gait = _by_patient(inputs.daily_gait)
    index = _by_patient(inputs.fall_risk_index)
    trend = _by_patient(inputs.fall_risk_trend)
    scores = _by_patient(inputs.scores)
    walking = _by_patient(inputs.walking)
    signals = _signals(inputs.fall_events, inputs.samples)
    people = sorted(
        {*coverage, *falls, *alerts, *gait, *index, *scores, *walking} - {""},
        key=natural,
    )
    patients = [
        _patient(
            person,
            coverage=coverage.get(person, []),
            scores=scores.get(person, []),
            walking=walking.get(person, []),
            gait=gait.get(person, []),
            index=index.get(person, []),
            trend=trend.get(person, []),
            falls=None if inputs.fall_events is None else falls.get(person, []),
            alerts=None if inputs.alerts is None else alerts.get(person, []),
            signals=signals,
            gait_measures=inputs.gait_measures,
        )
        for person in people
    ]
    patients.sort(key=_urgency)
    nobody = None if inputs.alerts is None else _fold_alerts(alerts.get("", []))
    return DayModel(inputs.day, tuple(patients), nobody, build_quality(inputs))


def parse_components(text: str | None) -> tuple[Component, ...]:
    """Return the components of an index, largest contribution first, the intercept before all.

    Args:
        text: JSON, either {name: logit} or [{"name": …, "logit": …, "label": …}].

    Raises:
        ValueError: the text is not such JSON.
    """
    if not text:
        return ()
    parsed = json.loads(text)
    if isinstance(parsed, Mapping):
        items = [
            (str(name), component_label(str(name), float(value)), value) for name, value in parsed.items()
        ]
    elif isinstance(parsed, list):
        items = [(str(item["name"]), _label(item), item["logit"]) for item in parsed]
    else:
        raise ValueError(f"components: expected an object or a list, got {type(parsed).__name__}")
    components = [Component(name, label, float(value)) for name, label, value in items]
    return tuple(
        sorted(components, key=lambda part: (part.name not in BASE_NAMES, -abs(part.logit), part.name))
    )


def _label(item: Mapping[str, Any]) -> str:
    return str(item.get("label") or component_label(str(item["name"]), float(item["logit"])))


def _by_patient(table: pa.Table | None) -> dict[str, list[dict[str, Any]]]:
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if table is not None:
        for row in table.to_pylist():
            grouped[str(row.get("patient_id") or "")].append(row)
    return grouped


def _patient(
    patient_id: str,
    *,
    coverage: list[dict[str, Any]],
    scores: list[dict[str, Any]],
    walking: list[dict[str, Any]],
    gait: list[dict[str, Any]],
    index: list[dict[str, Any]],
    trend: list[dict[str, Any]],
    falls: list[dict[str, Any]] | None,
    alerts: list[dict[str, Any]] | None,
    signals: Mapping[str, Signal],
    gait_measures: Sequence[GaitMeasure],
) -> Patient:
    gait_row = gait[-1] if gait else {}
    found = None if falls is None else tuple(_fall(row, signals) for row in sorted(falls, key=_by_impact))
    devices = {str(row["device_id"]) for row in [*coverage, *(falls or [])] if row.get("device_id")}
    hours = _hours(coverage, scores, walking)
    worn = [hour.worn_share for hour in hours if hour.worn_share is not None]
    steps = gait_row.get("steps")
    return Patient(
        patient_id=patient_id,
        devices=tuple(sorted(devices, key=natural)),
        score=_score(index[-1], trend[-1] if trend else None) if index else None,
        falls=found,
        alerts=None if alerts is None else _fold_alerts(alerts),
        wear_minutes=60.0 * sum(worn) if worn else None,
        walking_minutes=finite(gait_row.get("walking_minutes")),
        steps=None if steps is None else int(steps),
        time_zone=gait_row.get("time_zone"),
        local_day=gait_row.get("local_day"),
        measures=tuple(_measured(measure, gait_row) for measure in gait_measures if gait),
        hours=hours,
    )


def _measured(measure: GaitMeasure, row: dict[str, Any]) -> Measured:
    value = finite(row.get(measure.column))
    return Measured(measure.label, measure.unit, None if value is None else value * measure.factor)


def _score(row: dict[str, Any], trend: dict[str, Any] | None) -> Score:
    probability = finite(row.get("probability_12m"))
    status = str(row.get("status") or "NOT_SCORED")
    band = str(row.get("band") or "NOT_SCORED")
    scored = status == "SCORED" and probability is not None and band in BANDS and band != "NOT_SCORED"
    confidence = row.get("confidence")
    return Score(
        band=band if scored else "NOT_SCORED",
        status="SCORED" if scored else "NOT_SCORED",
        reason=row.get("reason"),
        probability=probability if scored else None,
        lower=finite(row.get("lower_12m")) if scored else None,
        upper=finite(row.get("upper_12m")) if scored else None,
        confidence=confidence if isinstance(confidence, str) else finite(confidence),
        model_version=row.get("model_version"),
        components=parse_components(row.get("components")) if scored else (),
        trend=None if trend is None else _trend(trend),
    )


def _trend(row: dict[str, Any]) -> Trend:
    return Trend(
        week=finite(row.get("probability_7d")),
        month=finite(row.get("probability_28d")),
        baseline=finite(row.get("baseline_12m")),
        change=finite(row.get("change")),
        change_lower=finite(row.get("change_lower")),
        change_upper=finite(row.get("change_upper")),
        direction=str(row.get("trend") or "NOT_JUDGED"),
        reason=row.get("reason"),
    )


def _fall(row: dict[str, Any], signals: Mapping[str, Signal]) -> Fall:
    return Fall(
        event_id=str(row["event_id"]),
        device_id=str(row["device_id"]),
        position=row.get("position"),
        impact_at=row["impact_at"],
        decided_at=row.get("decided_at"),
        probability=finite(row.get("probability")),
        peak_g=finite(row.get("peak_g")),
        free_fall_s=finite(row.get("free_fall_s")),
        posture_change_deg=finite(row.get("posture_change_deg")),
        stillness_s=finite(row.get("stillness_s")),
        recovered=row.get("recovered"),
        model_version=row.get("model_version"),
        signal=signals.get(str(row["event_id"])),
    )


def _by_impact(row: dict[str, Any]) -> tuple[dt.datetime, str]:
    return row["impact_at"], str(row["event_id"])


def _fold_alerts(rows: Iterable[dict[str, Any]]) -> tuple[Alert, ...]:
    """Keep the latest row of each alert: an alert has a row in every hour that it lasts."""
    latest: dict[str, dict[str, Any]] = {}
    for row in rows:
        kept = latest.get(str(row["alert_id"]))
        if kept is None or _alert_time(row) > _alert_time(kept):
            latest[str(row["alert_id"])] = row
    folded = []
    for alert_id, row in latest.items():
        state = str(row.get("state") or "OPEN")
        folded.append(
            Alert(
                alert_id=alert_id,
                device_id=row.get("device_id"),
                rule=str(row.get("rule") or ""),
                severity=str(row.get("severity") or ""),
                state=state,
                is_open=not state.startswith(("RESOLVED", "CLOSED")),
                opened_at=row.get("opened_at"),
                last_seen_at=row.get("last_seen_at"),
                n=row.get("n"),
            )
        )
    early = dt.datetime.min.replace(tzinfo=dt.UTC)
    return tuple(
        sorted(folded, key=lambda alert: (not alert.is_open, alert.opened_at or early, alert.alert_id))
    )


def _alert_time(row: dict[str, Any]) -> tuple[dt.datetime, dt.datetime, str]:
    early = dt.datetime.min.replace(tzinfo=dt.UTC)
    return row.get("as_of") or early, row.get("last_seen_at") or early, str(row.get("state"))


def _hours(
    coverage: list[dict[str, Any]], scores: list[dict[str, Any]], walking: list[dict[str, Any]]
) -> tuple[Hour, ...]:
    best: dict[int, dict[str, Any]] = {}
    for row in sorted(coverage, key=lambda row: str(row["device_id"])):
        hour = row["hour"].hour
        if hour not in best or (row.get("clean_samples") or 0) > (best[hour].get("clean_samples") or 0):
            best[hour] = row
    scored = {row["hour"].hour: row for row in scores}
    walked = {row["hour"].hour: finite(row["walking_minutes"]) for row in walking}
    hours = []
    for hour in sorted({*best, *scored, *walked}):
        row, windows = best.get(hour, {}), scored.get(hour, {})
        received = share(row.get("clean_samples"), row.get("expected_samples"))
        worn = finite(row.get("wear_fraction"))
        hours.append(
            Hour(
                hour=hour,
                verdict=str(row.get("verdict") or "NO_DATA"),
                worn_share=None if worn is None or received is None else worn * min(received, 1.0),
                received_share=received,
                gap_s=finite(row.get("gap_s")),
                walking_minutes=walked.get(hour),
                score_max=finite(windows.get("score_max")),
                windows_scored=int(windows.get("windows_scored") or 0),
                windows_not_scored=int(windows.get("windows_not_scored") or 0),
            )
        )
    return tuple(hours)


def _signals(fall_events: pa.Table | None, samples: pa.Table | None) -> dict[str, Signal]:
    if fall_events is None or samples is None or samples.num_rows == 0:
        return {}
    devices = samples["device_id"].cast(pa.string())
    signals = {}
    for row in fall_events.select(["event_id", "device_id", "impact_at"]).to_pylist():
        own = samples.filter(pc.equal(devices, row["device_id"]))
        at_us = own["ts"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        impact_us = int(pa.scalar(row["impact_at"], pa.timestamp("us", "UTC")).value)
        offset_s = (at_us - impact_us) / 1e6
        near = np.flatnonzero(np.abs(offset_s) <= AROUND_IMPACT_S)
        near = near[np.argsort(offset_s[near], kind="stable")]
        if near.size == 0:
            continue
        axes = [own[name].to_numpy().astype(np.float64)[near] for name in _AXES]
        norm = np.sqrt(sum(axis * axis for axis in axes))
        signals[str(row["event_id"])] = downsample_norm(offset_s[near], norm)
    return signals


_AXES = ("accel_x_g", "accel_y_g", "accel_z_g")


def _urgency(patient: Patient) -> tuple[Any, ...]:
    critical = sum(alert.is_open and alert.severity == "critical" for alert in patient.alerts or ())
    probability = patient.score.probability if patient.score else None
    return (
        -critical,
        -len(patient.falls or ()),
        BANDS.index(patient.band),
        -(probability if probability is not None else 0.0),
        natural(patient.patient_id),
    )
