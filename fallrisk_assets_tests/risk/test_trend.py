"""Promises of the trend: missing days are not zero, noise is no rise, one definition of the baseline."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.alerts.observations import index_observations
from fallrisk_assets.alerts.rules import INDEX_CHANGE, IndexThresholds
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.risk.contract import FallRiskIndex, FallRiskTrend
from fallrisk_assets.risk.trend import (
    DAY_NOT_SCORED,
    FALLING,
    NOT_JUDGED,
    RISING,
    SHORT_BASELINE,
    STEADY,
    change_of,
    smoothed,
    trend_table,
)
from fallrisk_assets.validation import validate

DAY = date(2026, 3, 20)


def index_rows(values, patient="pt-1", version="fall_index-2"):
    """Index rows by days before `DAY`; None is a day that was not scored."""
    rows = [
        {
            "patient_id": patient,
            "day": DAY - timedelta(days=before),
            "probability_12m": p,
            "lower_12m": p,
            "upper_12m": p,
            "band": "NOT_SCORED" if p is None else "medium",
            "status": "NOT_SCORED" if p is None else "SCORED",
            "components": "{}",
            "model_version": version,
            "input_hash": "0" * 64,
        }
        for before, p in values.items()
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(FallRiskIndex))


def row_of(values, **options):
    table = trend_table(index_rows(values, **options), DAY)
    assert validate(FallRiskTrend, table).passed
    (row,) = table.to_pylist()
    return row


def test_missing_and_unscored_days_are_left_out_and_are_not_zero():
    row = row_of({0: 0.3, 2: None, 4: 0.3, 6: 0.3})
    assert row["probability_7d"] == pytest.approx(0.3)
    assert row["days_7d"] == 3
    assert row["probability_28d"] is None
    assert row["days_28d"] == 3
    assert (row["trend"], row["reason"], row["baseline_days"]) == (NOT_JUDGED, SHORT_BASELINE, 2)


def test_a_day_without_a_number_has_no_change_but_keeps_its_week():
    row = row_of({0: None} | dict.fromkeys(range(1, 20), 0.3))
    assert row["probability_7d"] == pytest.approx(0.3)
    assert (row["change"], row["trend"], row["reason"]) == (None, NOT_JUDGED, DAY_NOT_SCORED)


@pytest.mark.parametrize(("today", "trend"), [(0.45, RISING), (0.31, STEADY), (0.12, FALLING)])
def test_a_change_beyond_the_persons_own_noise_is_a_trend(today, trend):
    rng = np.random.default_rng(3)
    before = {n: 0.30 + 0.02 * rng.standard_normal() for n in range(1, 31)}
    row = row_of({0: today} | before)
    assert row["trend"] == trend
    assert row["change"] == pytest.approx(today - row["baseline_12m"])
    assert row["change_lower"] < row["change"] < row["change_upper"]


def test_the_week_before_is_not_part_of_what_it_is_compared_with():
    row = row_of({0: 0.5, 1: 0.5, 2: 0.5} | dict.fromkeys(range(3, 31), 0.2))
    assert row["baseline_12m"] == pytest.approx(0.2)
    assert row["trend"] == RISING


def test_only_days_of_the_same_model_version_count():
    mixed = pa.concat_tables(
        [index_rows(dict.fromkeys(range(1, 31), 0.2), version="fall_index-1"), index_rows({0: 0.5})]
    )
    (row,) = trend_table(mixed, DAY).to_pylist()
    assert (row["baseline_days"], row["days_28d"], row["trend"]) == (0, 1, NOT_JUDGED)


def test_the_interval_of_a_change_covers_an_unchanged_person_nine_times_in_ten():
    rng = np.random.default_rng(1)
    for n in (7, 14, 28):
        inside = 0
        for _ in range(1_500):
            days = 0.3 + 0.02 * rng.standard_normal(n + 1)
            change = change_of(float(days[0]), [float(v) for v in days[1:]])
            inside += change.lower <= 0.0 <= change.upper
        assert inside / 1_500 == pytest.approx(0.90, abs=0.025)


def test_days_that_happen_to_be_equal_do_not_make_a_tiny_step_a_trend():
    assert change_of(0.305, [0.3] * 20).trend == STEADY
    assert change_of(0.32, [0.3] * 20).trend == STEADY  # certain, but not worth a word
    assert change_of(0.35, [0.3] * 20).trend == RISING


@given(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=28))
def test_the_smoothed_index_lies_between_its_days(values):
    assert min(values) - 1e-12 <= smoothed(values, 3) <= max(values) + 1e-12
    assert smoothed(values[:2], 3) is None


@given(
    st.dictionaries(st.integers(0, 40), st.none() | st.floats(0.05, 0.95), min_size=1).filter(
        lambda d: 0 in d
    )
)
def test_what_the_alerts_call_a_change_is_the_trends_change(values):
    table = index_rows(values)
    change = trend_table(table, DAY).to_pylist()[0]["change"]
    told = {o.rule: o.clear for o in index_observations(table, first=DAY, last=DAY)}
    limits = IndexThresholds()
    if change is None:
        assert INDEX_CHANGE not in told
    else:
        assert (told.get(INDEX_CHANGE) is False) == (change >= limits.change)
        assert (told.get(INDEX_CHANGE) is True) == (change < limits.change_clear)


def test_neither_order_nor_other_patients_change_a_trend():
    one, other = index_rows({n: 0.2 + n / 100 for n in range(31)}), index_rows({0: 0.4}, patient="pt-2")
    both = trend_table(pa.concat_tables([other, one.slice(5), one.slice(0, 5)]), DAY)
    assert both["patient_id"].to_pylist() == ["pt-1", "pt-2"]
    assert both.slice(0, 1) == trend_table(one, DAY)
