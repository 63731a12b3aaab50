"""Promises of the figures: pairing, proportions, ranking, calibration, intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.risk.metrics import (
    area_under_curve,
    bootstrap_of,
    match_events,
    poisson_interval,
    proportion_interval,
    rate_interval,
    reliability,
    wilson_interval,
)


@given(st.lists(st.integers(0, 60), max_size=8), st.lists(st.integers(0, 60), max_size=8))
def test_matching_uses_each_fall_and_each_event_once(truth_s, event_s):
    truth, events = [t * 1_000_000 for t in truth_s], [e * 1_000_000 for e in event_s]
    found = match_events(truth, events, tolerance_s=5.0)
    assert len(found.hits) + len(found.missed) == len(truth)
    assert len(found.hits) + len(found.false_alarms) == len(events)
    assert len({i for i, _ in found.hits}) == len({j for _, j in found.hits}) == len(found.hits)
    assert all(abs(truth[i] - events[j]) <= 5_000_000 for i, j in found.hits)


def test_figures_of_the_evaluation_are_those_of_the_textbook():
    assert wilson_interval(9, 10) == pytest.approx((0.596, 0.982), abs=0.001)
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=0.001)
    assert poisson_interval(10) == pytest.approx((4.795, 18.39), abs=0.01)
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    assert area_under_curve(scores, np.array([False, False, True, True])) == 0.75
    assert area_under_curve(np.ones(4), np.array([False, False, True, True])) == 0.5
    assert np.isnan(area_under_curve(scores, np.ones(4, bool)))


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40), st.integers(0, 3))
def test_an_interval_over_people_holds_its_estimate(observations, seed):
    people = [person for person, _ in observations]
    hits, n = np.array([hit for _, hit in observations], float), np.ones(len(observations))
    low, high = proportion_interval(people, hits, n, seed)
    assert 0.0 <= low <= hits.mean() <= high <= 1.0
    low, high = rate_interval(people, hits, n, seed)
    assert 0.0 <= low <= hits.mean() < high


def test_recordings_of_one_person_are_not_counted_as_independent():
    hits, n = np.array([1.0] * 50 + [0.0] * 50), np.ones(100)
    low, high = proportion_interval(["a"] * 50 + ["b"] * 50, hits, n)
    assert (low, high) == (0.0, 1.0), "two people, one of whom always fails, tell next to nothing"
    low, high = proportion_interval([str(k) for k in range(100)], hits, n)
    assert 0.39 < low < high < 0.61
    low, high = rate_interval(["a"] * 50 + ["b"] * 50, hits, n)
    assert (low, high) == (0.0, 1.0)


def test_one_person_alone_is_no_certainty():
    low, high = proportion_interval(["a"] * 4, np.array([1.0, 1.0, 0.0, 0.0]), np.ones(4))
    assert (low, high) == pytest.approx(wilson_interval(2, 4))
    low, high = rate_interval(["a"], np.array([2.0]), np.array([0.5]))
    assert (low, high) == pytest.approx((0.484, 14.45), abs=0.01)


def test_people_who_all_succeed_leave_doubt_that_shrinks_with_their_number():
    few, _ = proportion_interval(["a", "b", "c"] * 20, np.ones(60), np.ones(60))
    many, _ = proportion_interval([str(k) for k in range(60)], np.ones(60), np.ones(60))
    assert few == pytest.approx(wilson_interval(3, 3)[0])
    assert few < many < 1.0


def test_no_alarm_in_a_short_time_tells_little_about_a_rate():
    assert rate_interval(["a", "b"], np.zeros(2), np.full(2, 0.005)) == pytest.approx((0.0, 368.9), abs=0.1)
    assert rate_interval([], np.empty(0), np.empty(0)) == (0.0, np.inf)
    assert proportion_interval([], np.empty(0), np.empty(0)) == (0.0, 1.0)


def test_any_measure_has_an_interval_over_people():
    rng = np.random.default_rng(4)
    fall = rng.random(200) < 0.5
    scores = np.where(fall, rng.normal(1.0, 1.0, 200), rng.normal(0.0, 1.0, 200))
    low, high = bootstrap_of(area_under_curve, (np.arange(200) // 10).tolist(), scores, fall)
    assert low < area_under_curve(scores, fall) < high
    assert high - low < 0.25


def test_calibration_weighs_falls_and_everything_else_the_same():
    fall = np.array([True] * 10 + [False] * 990)
    bins = reliability(np.full(1000, 0.5), fall)
    (only,) = bins
    assert (only.n, only.said, only.seen) == (1000, 0.5, pytest.approx(0.5))
    assert sum(b.n for b in reliability(np.linspace(0.0, 1.0, 1000), fall)) == 1000
