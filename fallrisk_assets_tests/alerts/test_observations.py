"""Falls and the index as observations."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from fallrisk_assets.alerts.observations import fall_observations, index_observations

DAY = date(2026, 2, 20)


def index(values: dict[int, float | None], new_version_days: int = 99) -> pa.Table:
    """Index rows by days before `DAY`; None was not scored; older days have an older version."""
    rows = [
        {
            "patient_id": "pt-1",
            "day": DAY - timedelta(days=before),
            "probability_12m": p,
            "status": "NOT_SCORED" if p is None else "SCORED",
            "model_version": "old" if before >= new_version_days else "new",
        }
        for before, p in values.items()
    ]
    fields = [
        ("patient_id", pa.string()),
        ("day", pa.date32()),
        ("probability_12m", pa.float64()),
        ("status", pa.string()),
        ("model_version", pa.string()),
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def told(values: dict[int, float | None]) -> set[tuple[str, bool]]:
    return {(o.rule, o.clear) for o in index_observations(index(values), first=DAY, last=DAY)}


def test_a_high_level_alerts_and_a_low_one_clears() -> None:
    assert told({0: 0.5}) == {("INDEX_LEVEL", False)}
    assert told({0: 0.44}) == {("INDEX_LEVEL", True)}


def test_between_the_thresholds_nothing_changes() -> None:
    assert told({0: 0.47}) == set()


def test_a_day_that_is_not_scored_neither_alerts_nor_clears() -> None:
    assert told({0: None}) == set()


def test_a_rise_above_the_persons_own_baseline_alerts_below_the_level() -> None:
    before: dict[int, float | None] = dict.fromkeys(range(3, 20), 0.1)
    assert ("INDEX_CHANGE", False) in told(before | {0: 0.26})
    assert ("INDEX_CHANGE", True) in told(before | {0: 0.15})


def test_the_baseline_leaves_out_the_last_days_and_needs_a_week() -> None:
    rising: dict[int, float | None] = dict.fromkeys(range(3, 20), 0.1) | {1: 0.26, 2: 0.26}
    assert ("INDEX_CHANGE", False) in told(rising | {0: 0.26})
    assert not any(rule == "INDEX_CHANGE" for rule, _ in told(dict.fromkeys(range(3, 9), 0.1) | {0: 0.26}))


@pytest.mark.parametrize(("probability", "severity"), [(0.5, "critical"), (0.49, "high")])
def test_a_detected_fall_is_critical_from_the_threshold_on(probability: float, severity: str) -> None:
    falls = pa.table(
        {
            "event_id": ["e"],
            "device_id": ["imu-1"],
            "patient_id": ["pt-1"],
            "decided_at": pa.array([datetime(2026, 1, 5, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "probability": [probability],
        }
    )
    (observation,) = fall_observations(falls)
    assert observation.severity == severity


def test_a_new_version_of_the_model_is_nobodys_change() -> None:
    steady_then_higher = {0: 0.40} | dict.fromkeys(range(1, 30), 0.2)
    assert ("INDEX_CHANGE", False) in told(steady_then_higher)
    days = index(steady_then_higher, new_version_days=1)
    assert not {o.rule for o in index_observations(days, first=DAY, last=DAY)} & {"INDEX_CHANGE"}
