"""Laws of the clock that readers make of what files hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.timing import (
    JITTER_US,
    increasing,
    is_bursty,
    join_nearest,
    order_by_time,
    spread_bursts,
    to_us,
)

stamps = st.lists(st.integers(0, 20_000_000), max_size=60).map(lambda values: np.array(values, np.int64))


@given(stamps)
def test_an_order_holds_every_row_once_or_is_refused(ts_us: np.ndarray) -> None:
    try:
        order = order_by_time(ts_us)
    except Unusable as error:
        found = error
    else:
        assert sorted(order.tolist()) == list(range(len(ts_us)))
        assert (ts_us[order] >= np.maximum.accumulate(ts_us[order]) - JITTER_US).all()
        return
    assert found.reason == Reason.TIME_BACKWARDS
    assert found.bad_rows >= 1


@given(stamps)
def test_kept_rows_increase_strictly_and_lose_no_time(ts_us: np.ndarray) -> None:
    try:
        kept = increasing(ts_us)
    except Unusable:
        return
    assert (np.diff(ts_us[kept]) > 0).all()
    assert set(ts_us[kept].tolist()) == set(ts_us.tolist())


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=80))
def test_spreading_keeps_the_order_never_looks_ahead_and_never_goes_back_beyond_a_burst(
    steps: list[int],
) -> None:
    ts_us = np.cumsum(np.array(steps, np.int64))
    spread = spread_bursts(ts_us)
    assert (np.diff(spread) >= 0).all()
    assert (spread <= ts_us + JITTER_US).all()
    assert spread[-1] == ts_us[-1]


@pytest.mark.parametrize("period_us", [5_000, 10_000, 20_000, 50_000])
def test_regular_stamps_are_kept_as_they_are(period_us: int) -> None:
    rng = np.random.default_rng(0)
    ts_us = np.cumsum(rng.integers(period_us * 7 // 10, period_us * 13 // 10, 400))
    assert not is_bursty(ts_us)
    assert (spread_bursts(ts_us) == ts_us).all()


def test_a_backlog_that_comes_after_a_gap_fills_the_gap() -> None:
    true_us = np.arange(400, dtype=np.int64) * 25_000
    delivered = (true_us // 100_000 + 1) * 100_000
    late = (delivered > 3_000_000) & (delivered < 4_900_000)
    delivered[late] = 4_900_000
    spread = spread_bursts(delivered)
    assert np.abs(spread - true_us - 25_000).max() <= 50_000
    assert np.diff(spread).max() <= 50_000


def test_values_are_joined_within_25_ms_and_never_further() -> None:
    ts_us = np.array([0, 10_000, 100_000, 200_000])
    joined = join_nearest(ts_us, np.array([12_000, 125_000, 225_001]), np.array([[1.0], [2.0], [3.0]]))
    assert joined[:3, 0].tolist() == [1.0, 1.0, 2.0]
    assert np.isnan(joined[3, 0])
    assert np.isnan(join_nearest(ts_us, np.empty(0, np.int64), np.empty((0, 3)))).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e18])
def test_stamps_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(Unusable):
        to_us(np.array([0.0, bad]), 1e6)


def test_nanoseconds_since_boot_lose_nothing_that_matters() -> None:
    stamps_ns = 2_318_294_309_000.0 + np.array([0.0, 4_799_000.0])
    assert to_us(stamps_ns, 1e-3).tolist() == [0, 4_799]
