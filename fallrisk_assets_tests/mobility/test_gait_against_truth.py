"""Gait of simulated people of every phenotype against what they really did."""

import datetime as dt

import numpy as np
import pytest

from fallrisk_assets.mobility.daily import day_measures
from fallrisk_assets.mobility.gait import device_gait
from fallrisk_assets.mobility.gait_signal import add_samples, empty_grid
from fallrisk_assets.mobility.local_days import local_day
from fallrisk_assets_tests.mobility.motion import device, times
from simulator.day import DayPlan, live_through
from simulator.devices import mounting
from simulator.imu_stream import body_of, synthesise
from simulator.phenotypes import PHENOTYPES, draw_person

DAY = local_day(dt.date(2026, 1, 5), "UTC")
HOURS = 6.0


def lived(phenotype: str, position: str, rate_hz: float, from_hour: float, seed: int = 5):
    """A stretch of a simulated day: measures, and the truth as a list of activities."""
    rng = np.random.default_rng(seed)
    person = draw_person("pt-1", PHENOTYPES[phenotype], rng)
    plan = DayPlan(HOURS * 3600, from_hour, 1, 2, 1, True, position)
    line = live_through(person, plan, rate_hz, rng)
    mount, bias = mounting(rng, position)
    n = round(plan.length_s * rate_hz)
    accel, gyro = synthesise(
        *line.record(), 0, n, rate_hz, body_of(person, position), mount, bias, np.uint64(seed), 1.0
    )
    start_us = DAY.start_us + round(from_hour * 3.6e9)
    samples = device(times(start_us, plan.length_s, rate_hz), accel.T * 1e-4, gyro.T * 1e-2)
    grid = empty_grid(start_us, start_us + round(plan.length_s * 1e6))
    add_samples(grid, samples)
    found = day_measures("pt-1", DAY, [device_gait(grid, "imu-1", position, DAY.nights_us())])
    return found, line.activities


def count(activities, name: str) -> int:
    return sum(a.activity == name for a in activities)


def check_steps_and_cadence(found, activities):
    walks = [a for a in activities if a.steps]
    steps, seconds = sum(a.steps for a in walks), sum(a.end_s - a.start_s for a in walks)
    assert found["steps"] == pytest.approx(steps, rel=0.05)
    assert found["cadence_spm"] == pytest.approx(60 * steps / seconds, abs=3)
    assert found["walking_minutes"] == pytest.approx(seconds / 60, rel=0.05)


@pytest.mark.parametrize("position", ["waist", "wrist", "pocket"])
@pytest.mark.parametrize("phenotype", PHENOTYPES)
def test_steps_are_within_five_percent_and_cadence_within_three_a_minute(phenotype, position):
    check_steps_and_cadence(*lived(phenotype, position, 50.0, 9.0))


@pytest.mark.parametrize("rate_hz", [20.0, 100.0])
def test_so_they_are_at_other_rates(rate_hz):
    check_steps_and_cadence(*lived("frail", "waist", rate_hz, 9.0))


@pytest.mark.parametrize("phenotype", PHENOTYPES)
def test_the_trunk_tells_variability_turns_and_standing_up(phenotype):
    found, activities = lived(phenotype, "waist", 50.0, 9.0)
    strides = [a for a in activities if a.steps > 20]
    weights = [a.steps for a in strides]
    cv = np.sqrt(np.average([a.stride_time_cv**2 for a in strides], weights=weights))
    assert found["stride_time_cv"] == pytest.approx(cv, rel=0.2)
    assert found["turns"] == pytest.approx(count(activities, "turn"), rel=0.1)
    assert found["sit_to_stands"] == pytest.approx(count(activities, "sit_to_stand"), rel=0.15, abs=1)
    not_worn_s = sum(a.end_s - a.start_s for a in activities if a.activity == "not_worn")
    assert found["wear_minutes"] == pytest.approx(HOURS * 60 - not_worn_s / 60, abs=2)


def test_robust_people_walk_more_steadily_than_frail_ones():
    robust, _ = lived("robust", "waist", 50.0, 9.0)
    frail, _ = lived("parkinsonian", "waist", 50.0, 9.0)
    assert robust["stride_regularity"] > frail["stride_regularity"]
    assert robust["harmonic_ratio"] > frail["harmonic_ratio"]
    assert robust["sway_g"] < frail["sway_g"]
    assert robust["stride_time_cv"] < frail["stride_time_cv"]


def risings(activities) -> int:
    """How often somebody walked after having lain for a minute."""
    lain, found = False, 0
    for a in sorted(activities, key=lambda a: a.start_s):
        if a.activity.startswith("lying") and a.end_s - a.start_s >= 60:
            lain = True
        elif a.steps and lain:
            lain, found = False, found + 1
    return found


def test_nights_have_their_risings():
    found, activities = lived("frail", "waist", 50.0, 0.0, seed=3)
    assert count(activities, "night_rising") > 0
    assert found["night_risings"] == pytest.approx(risings(activities), abs=1)
