"""What the tables say, as observations that the fold understands.

Belongs here: falls, device states, index and rule states to observations and clears. Does not belong here:
time (`episodes`). Window scores are not here on purpose: they never alert.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pyarrow as pa

from fallrisk_assets.alerts.episodes import Observation
from fallrisk_assets.alerts.monitoring_rules import FIRING, OK
from fallrisk_assets.alerts.rules import (
    DEVICE_LOW_BATTERY,
    DEVICE_NOT_WORN,
    DEVICE_SILENT,
    DEVICE_UNREGISTERED,
    FALL_DETECTED,
    FALL_PROBABILITY_CRITICAL,
    INDEX_CHANGE,
    INDEX_LEVEL,
    IndexThresholds,
)
from fallrisk_assets.risk.baseline import baseline_values

_OF_STATE = {
    "SILENT": DEVICE_SILENT,
    "NOT_WORN": DEVICE_NOT_WORN,
    "LOW_BATTERY": DEVICE_LOW_BATTERY,
    "UNREGISTERED": DEVICE_UNREGISTERED,
}
_CLEARED_BY = {
    "OK": (DEVICE_SILENT, DEVICE_NOT_WORN, DEVICE_LOW_BATTERY),
    "LOW_BATTERY": (DEVICE_SILENT, DEVICE_NOT_WORN),
    "NOT_WORN": (DEVICE_SILENT,),
}
"""A state shows the gravest thing that holds, so it only clears what is graver than itself."""


def fall_observations(falls: pa.Table) -> list[Observation]:
    """One observation per detected fall, at the time it was decided.

    Args:
        falls: `fall_events`; columns event_id, device_id, patient_id, decided_at, probability.
    """
    names = ["event_id", "device_id", "patient_id", "decided_at", "probability"]
    return [
        Observation(
            at=at,
            rule=FALL_DETECTED,
            source_id=event,
            patient_id=patient,
            device_id=device,
            severity="critical" if probability >= FALL_PROBABILITY_CRITICAL else "high",
        )
        for event, device, patient, at, probability in zip(
            *(falls[name].to_pylist() for name in names), strict=True
        )
    ]


def state_observations(states: pa.Table) -> Iterator[Observation]:
    """Observations of device states, and clears for the devices that need any.

    Args:
        states: `device_states`; columns hour, device_id, patient_id, state, since.
    """
    names = ["hour", "device_id", "patient_id", "state", "since"]
    rows = list(zip(*(states[name].to_pylist() for name in names), strict=True))
    troubled = {device for _, device, _, state, _ in rows if state != "OK"}
    for hour, device, patient, state, since in rows:
        if device not in troubled:
            continue
        source = f"{device}|{hour.isoformat()}"
        if rule := _OF_STATE.get(state):
            yield Observation(hour, rule, f"{source}|{state}", patient, device, since=since)
        for cleared in _CLEARED_BY.get(state, ()):
            yield Observation(hour, cleared, f"{source}|clear", patient, device, clear=True)
        if state != "UNREGISTERED":
            yield Observation(hour, DEVICE_UNREGISTERED, f"{source}|clear", None, device, clear=True)


def index_observations(
    index: pa.Table, *, first: date, last: date, thresholds: IndexThresholds | None = None
) -> Iterator[Observation]:
    """Observations and clears of the 12-month index, by level and by change against the person's baseline.

    The baseline of a day is the one of `fall_risk_trend`: the median of the person's scored days in the
    `baseline_days` that end `baseline_gap_days` before it; with fewer than `baseline_min_days` of them change
    is not judged. Days of another model version are not compared: the day after a new version is nobody's
    change. A day that is NOT_SCORED says nothing: it neither alerts nor clears.

    Args:
        index: `fall_risk_index`; columns patient_id, day, probability_12m, status, model_version. Needs the
            days before `first` that the baseline reaches back to.
        first: first day to judge.
        last: last day to judge.
        thresholds: see `IndexThresholds`.
    """
    t = thresholds or IndexThresholds()
    by_version: dict[tuple[str, str], dict[date, float]] = defaultdict(dict)
    names = ["patient_id", "day", "probability_12m", "status", "model_version"]
    for patient, day, p, status, version in zip(*(index[name].to_pylist() for name in names), strict=True):
        if status == "SCORED" and p is not None:
            by_version[patient, version][day] = p
    for (patient, _), days in sorted(by_version.items()):
        for day, p in sorted(days.items()):
            if not first <= day <= last:
                continue
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
            source = f"{patient}|{day.isoformat()}"
            if p >= t.level:
                yield Observation(at, INDEX_LEVEL, f"{source}|level", patient)
            elif p < t.level_clear:
                yield Observation(at, INDEX_LEVEL, f"{source}|clear", patient, clear=True)
            before = baseline_values(days, day, n_days=t.baseline_days, gap_days=t.baseline_gap_days)
            if len(before) < t.baseline_min_days:
                continue
            change = p - statistics.median(before)
            if change >= t.change:
                yield Observation(at, INDEX_CHANGE, f"{source}|change", patient)
            elif change < t.change_clear:
                yield Observation(at, INDEX_CHANGE, f"{source}|clear", patient, clear=True)


def rule_observations(states: pa.Table) -> Iterator[Observation]:
    """Observations and clears of the monitoring rules; a day with too few rows, or none, says nothing.

    Args:
        states: `rule_states`; columns day, rule, scope, state.
    """
    names = ["day", "rule", "scope", "state"]
    for day, rule, scope, state in zip(*(states[name].to_pylist() for name in names), strict=True):
        if state not in (FIRING, OK):
            continue
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        source = f"{scope}|{rule}|{day.isoformat()}"
        yield Observation(at, rule, source, scope=scope, clear=state == OK)
