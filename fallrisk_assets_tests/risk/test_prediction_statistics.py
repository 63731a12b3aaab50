"""Promises of the statistics: right on known cases, intervals that cover, None where there is too little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from fallrisk_assets.risk.prediction_statistics import (
    brier,
    calibration,
    calibration_curve,
    decision_curve,
    discrimination,
    stability,
)


def drawn(n, seed, slope=1.0, level=-0.9, extreme=1.0, too_low=0.0):
    """Probabilities and outcomes; the probabilities may be too extreme or too low."""
    rng = np.random.default_rng(seed)
    logit = level + 0.8 * slope * rng.standard_normal(n)
    fell = rng.random(n) < 1 / (1 + np.exp(-logit))
    shown = level + extreme * (logit - level) - too_low
    return 1 / (1 + np.exp(-shown)), fell


def test_the_estimates_are_those_of_a_second_implementation():
    p, fell = drawn(600, 1)
    p = np.round(p, 2)  # ties
    assert discrimination(p, fell).value == pytest.approx(roc_auc_score(fell, p))
    assert brier(p, fell).value == pytest.approx(brier_score_loss(fell, p))
    logit = np.log(p / (1 - p))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-10).fit(logit, fell).coef_[0, 0]
    assert calibration(p, fell).slope.value == pytest.approx(slope, abs=1e-4)


def test_the_intervals_cover_the_truth_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    truth = roc_auc_score(*reversed(drawn(200_000, 99)))
    covered = np.zeros(3)
    for seed in rng.integers(0, 2**31, 300):
        p, fell = drawn(300, seed)
        area, fit = discrimination(p, fell), calibration(p, fell)
        covered += [
            area.lower <= truth <= area.upper,
            fit.slope.lower <= 1.0 <= fit.slope.upper,
            fit.in_the_large.lower <= 0.0 <= fit.in_the_large.upper,
        ]
    assert np.all(np.abs(covered / 300 - 0.95) < 0.04)


@given(st.integers(0, 10_000))
def test_the_area_does_not_change_with_the_scale_and_turns_round_with_the_sign(seed):
    p, fell = drawn(80, seed)
    found = discrimination(p, fell)
    if found is not None:
        assert discrimination(np.log(p), fell) == found
        assert discrimination(-p, fell).value == pytest.approx(1 - found.value)
        assert 0.0 <= found.lower <= found.value <= found.upper <= 1.0


def test_a_planted_miscalibration_is_seen():
    extreme = calibration(*drawn(4_000, 2, extreme=2.0))
    assert extreme.slope.upper < 0.7
    low = calibration(*drawn(4_000, 3, too_low=0.7))
    assert low.in_the_large.lower > 0.4
    assert low.observed_over_expected.lower > 1.2
    right = calibration(*drawn(4_000, 4))
    assert right.slope.lower < 1 < right.slope.upper
    assert right.observed_over_expected.lower < 1 < right.observed_over_expected.upper


def test_too_few_falls_and_perfect_separation_give_no_number():
    p, fell = drawn(200, 5)
    few = fell & (np.cumsum(fell) <= 9)
    assert discrimination(p, few) is None
    assert calibration(p, few) is None
    assert brier(p, np.zeros(200, bool)) is None
    apart = p > np.median(p)
    assert calibration(p, apart) is None
    perfect = discrimination(p, apart)
    assert perfect.value == 1.0
    assert perfect.lower < 1.0


def test_the_groups_of_the_calibration_curve_hold_everybody_once_and_equal_risks_together():
    p, fell = drawn(500, 6)
    p = np.round(p, 1)
    groups = calibration_curve(p, fell)
    assert sum(g.observed.n for g in groups) == 500
    assert sum(g.observed.events for g in groups) == fell.sum()
    assert [g.predicted for g in groups] == sorted(g.predicted for g in groups)
    assert all(g.observed.lower <= g.observed.value <= g.observed.upper for g in groups)


def test_net_benefit_of_a_known_case():
    p = np.array([0.9, 0.8, 0.2, 0.1])
    fell = np.array([True, False, True, False])
    (at,) = decision_curve(p, fell, [0.5])
    assert at.model == pytest.approx(0.25 - 0.25)
    assert at.everybody == pytest.approx(0.5 - 0.5)
    (low,) = decision_curve(p, fell, [0.2])
    assert low.model == pytest.approx(0.5 - 0.25 * 0.25)
    assert low.everybody == pytest.approx(0.5 - 0.25 * 0.5)


def test_stability_finds_the_planted_share_of_noise():
    rng = np.random.default_rng(7)
    people = rng.normal(0, 1.0, 300)
    days = {f"pt-{i}": list(m + 0.5 * rng.standard_normal(rng.integers(2, 15))) for i, m in enumerate(people)}
    found = stability(days, seed=1)
    assert found.within_sd.value == pytest.approx(0.5, abs=0.03)
    assert found.icc.lower < 0.8 < found.icc.upper
    assert found.detectable_change.value == pytest.approx(1.386, abs=0.09)
    assert stability(days, seed=1) == found


def test_stability_needs_people_with_more_than_one_day():
    assert stability({f"pt-{i}": [0.3] for i in range(50)}, seed=1) is None
    assert stability({f"pt-{i}": [0.3, 0.31] for i in range(4)}, seed=1) is None
