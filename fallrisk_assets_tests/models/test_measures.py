"""Figures against cases that can be worked out by hand; confusers are counted apart; wear is repeatable."""

import dataclasses
import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.models import measures
from fallrisk_assets.models.artefacts import training_modules
from fallrisk_assets.models.contract import CANDIDATE, FallDetectorEvaluation
from fallrisk_assets.models.held_out import Wear, simulated_wear
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.validation import judge_rows


def test_calibration_error_is_the_distance_of_said_and_seen():
    said = np.array([0.85] * 10 + [0.15] * 10)
    seen = np.array([True] * 8 + [False] * 2 + [False] * 10)
    assert measures.calibration_error(said, seen) == pytest.approx((0.05 + 0.15) / 2)
    assert measures.brier_score(np.array([1.0, 0.0]), np.array([True, True])) == 0.5


def test_poisson_intervals_are_garwoods():
    assert measures.poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert measures.poisson_interval(10) == pytest.approx((4.795, 18.390), abs=1e-3)


@given(seed=st.integers(0, 1000))
def test_an_interval_is_drawn_over_people_and_is_repeatable(seed):
    draw = np.random.default_rng(seed)
    fall = draw.random(40) < 0.5
    fall[:2] = True, False
    scores, subject = draw.random(40), np.repeat(np.arange(8), 5)
    first = measures.bootstrap_interval(measures.brier_score, scores, fall, subject)
    assert first == measures.bootstrap_interval(measures.brier_score, scores, fall, subject)
    assert 0 <= first[0] <= first[1] <= 1


def test_one_person_who_differs_widens_the_interval_more_than_recordings_would():
    fall = np.tile([True, False], 40)
    subject = np.repeat(np.arange(8), 10)
    scores = np.where(subject == 0, 1.0 - fall, fall.astype(float))
    alone = np.arange(80)
    people = measures.bootstrap_interval(measures.brier_score, scores, fall, subject)
    recordings = measures.bootstrap_interval(measures.brier_score, scores, fall, alone)
    assert people[1] - people[0] > recordings[1] - recordings[0]


def test_recordings_of_falls_only_have_no_interval():
    with pytest.raises(ValueError, match="only one of them"):
        measures.bootstrap_interval(measures.brier_score, np.ones(3), np.ones(3, bool), np.arange(3))


def test_alarms_during_planted_confusers_are_counted_apart(wear):
    model = released_model()
    (device, falls), *_ = sorted(wear.falls.items())
    impact_us = falls[0][0]
    during = {device: [(impact_us - 5_000_000, impact_us + 5_000_000, "clapping")]}
    untold = {d: f for d, f in wear.falls.items() if d != device}
    confused = dataclasses.replace(wear, falls=untold, activities=during)
    found = {m.metric: m.value for m in measures.wear_measures(confused, model) if m.subgroup == "all"}
    assert found["confuser_alarms_per_patient_week"] == pytest.approx(7 / 15, rel=0.01)
    assert found["false_alarms_per_patient_week"] == 0
    ordinary = dataclasses.replace(confused, activities={})
    found = {m.metric: m.value for m in measures.wear_measures(ordinary, model) if m.subgroup == "all"}
    assert found["confuser_alarms_per_patient_week"] == 0
    assert found["false_alarms_per_patient_week"] == pytest.approx(7 / 15, rel=0.01)


def test_an_evaluation_keeps_its_contract_in_any_order_of_figures(wear):
    found = measures.wear_measures(wear, released_model())
    day = dt.date(2026, 1, 5)
    table = measures.evaluation_table(day, [("v", CANDIDATE, found)])
    assert table == measures.evaluation_table(day, [("v", CANDIDATE, found[::-1])])
    assert judge_rows(FallDetectorEvaluation, table).passed


def test_the_hash_of_the_training_covers_every_module_that_decides():
    found = training_modules()
    for name in (
        "training",
        "training_impacts",
        "fall_model",
        "impact_kernels",
        "scripted_falls",
        "sensor_effects",
    ):
        assert f"fallrisk_assets.risk.{name}" in found
    assert "fallrisk_assets.recordings.umafall" in found
    assert "fallrisk_assets.risk.assets" not in found


def test_simulated_wear_is_the_same_every_time_and_holds_falls_and_confusers():
    settings = Wear(patients=2, days=1, hours_per_day=2.0, rate_hz=20.0)
    one, other = simulated_wear(settings), simulated_wear(settings)
    assert one.falls == other.falls
    for a, b in zip(one.streams, other.streams, strict=True):
        assert np.array_equal(a.ts_us, b.ts_us)
        assert np.array_equal(a.accel_g, b.accel_g)
    assert sum(map(len, one.falls.values())) > 0
    named = {name for spans in one.activities.values() for _, _, name in spans}
    assert named & set(one.confusers)
