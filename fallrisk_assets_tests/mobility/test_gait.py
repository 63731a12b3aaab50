"""Gait of a day: known walks are found, counted and judged; what is no walk is not."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.mobility.daily import day_measures, stride_time_cv
from fallrisk_assets.mobility.gait import device_gait
from fallrisk_assets.mobility.gait_config import Bout, GaitConfig
from fallrisk_assets.mobility.gait_postures import count_night_risings, count_sit_to_stands
from fallrisk_assets.mobility.gait_signal import GRID_HZ, GRID_US, add_samples, empty_grid, fill_holes
from fallrisk_assets.mobility.gait_steps import autocorrelation, find_turns
from fallrisk_assets.mobility.local_days import local_day
from fallrisk_assets_tests.mobility.motion import EIGHT, device, keep, rotation, still, times, walk

DAY = local_day(dt.date(2026, 1, 5), "UTC")
S = 1_000_000
UPRIGHT, SEATED, LYING = 0, 1, 2


def gait_of(accel, rate_hz=50.0, position="waist", gyro=None, keep_mask=None, start_us=EIGHT):
    t = times(start_us, accel.shape[1] / rate_hz, rate_hz)[: accel.shape[1]]
    samples = device(t, accel, gyro)
    if keep_mask is not None:
        samples = keep(samples, keep_mask(samples.time_us))
    grid = empty_grid(start_us, int(t[-1]) + 1)
    add_samples(grid, samples)
    return device_gait(grid, "imu-1", position, DAY.nights_us())


def measures(*args, **kw) -> dict:
    return day_measures("pt-1", DAY, [gait_of(*args, **kw)])


@settings(max_examples=25, deadline=None)
@given(
    steps=st.integers(8, 150),
    cadence=st.floats(65, 135),
    strength=st.floats(0.12, 0.4),
    turn=st.integers(0, 99),
    seed=st.integers(0, 99),
)
def test_steps_and_cadence_of_a_walk_are_found_however_the_device_is_worn(
    steps, cadence, strength, turn, seed
):
    accel = rotation(turn) @ walk(steps, cadence, strength_g=strength, seed=seed)
    found = gait_of(accel)
    assert abs(sum(b.steps for b in found.bouts) - steps) <= max(1, 0.03 * steps)
    n, seconds = found.step_intervals
    assert 60 * n / seconds == pytest.approx(cadence, abs=2)


@pytest.mark.parametrize("rate_hz", [20, 25, 50, 64, 100, 200])
def test_a_walk_is_the_same_at_any_rate(rate_hz):
    one = measures(walk(200, 108, rate_hz, cv=0.03, seed=4), rate_hz)
    assert one["steps"] == pytest.approx(200, abs=2)
    assert one["cadence_spm"] == pytest.approx(108, abs=1)
    # Steps of a stride vary independently here, so a stride varies by the step's share over root two.
    assert one["stride_time_cv"] == pytest.approx(0.03 / np.sqrt(2), abs=0.006)
    assert one["stride_time_s"] == pytest.approx(120 / 108, abs=0.02)


def test_a_steadier_walk_is_more_regular_more_harmonic_and_less_variable():
    steady, unsteady = (measures(walk(300, 105, cv=cv, seed=1)) for cv in (0.005, 0.08))
    assert steady["stride_regularity"] > unsteady["stride_regularity"] + 0.1
    assert steady["step_regularity"] > unsteady["step_regularity"] + 0.05
    assert steady["harmonic_ratio"] > unsteady["harmonic_ratio"]
    assert steady["stride_time_cv"] < unsteady["stride_time_cv"] / 3


def test_two_walks_are_two_bouts_and_their_minutes_add_up():
    pause = still(50 * 60, noise_g=0.005)
    m = measures(np.concatenate([walk(100, 100), pause, walk(50, 100)], axis=1))
    assert m["walking_bouts"] == 2
    assert m["steps"] == pytest.approx(150, abs=3)
    assert m["walking_minutes"] == pytest.approx(1.5, abs=0.05)
    assert m["longest_bout_s"] == pytest.approx(60, abs=1.5)


def test_a_walk_across_a_gap_is_two_bouts():
    accel = walk(200, 100)
    hole = lambda t: (t < EIGHT + 50 * S) | (t > EIGHT + 60 * S)  # noqa: E731
    found = gait_of(accel, keep_mask=hole)
    assert len(found.bouts) == 2
    assert all(b.end_s <= 50 or b.start_s >= 60 for b in found.bouts)


def test_lost_packets_do_not_cost_steps():
    accel = walk(200, 100)
    lossy = lambda t: np.random.default_rng(0).random(len(t)) > 0.05  # noqa: E731
    assert sum(b.steps for b in gait_of(accel, keep_mask=lossy).bouts) == pytest.approx(200, abs=3)


@pytest.mark.parametrize("what", ["standing", "shaking", "a ride", "one jolt", "bending"])
def test_what_is_no_walk_has_no_steps(what):
    rng = np.random.default_rng(0)
    n = 50 * 300
    t = np.arange(n) / 50
    accel = still(n, noise_g=0.01)
    if what == "shaking":
        accel[2] += 0.3 * np.sin(2 * np.pi * 6.5 * t)
    elif what == "a ride":
        accel += rng.normal(0, 0.12, (3, n))
    elif what == "one jolt":
        accel[2, 7000:7010] += 3
    elif what == "bending":
        accel[0] += 0.5 * np.sin(2 * np.pi * 0.2 * t)
    assert gait_of(accel).bouts == []


def test_regular_movement_in_bed_is_no_walk_once_walking_says_what_upright_is():
    up, bed = walk(100, 100), walk(30, 130)[[2, 1, 0]]
    assert sum(b.steps for b in gait_of(np.concatenate([up, bed], axis=1)).bouts) == pytest.approx(100, abs=2)


def test_an_arm_that_swings_once_a_stride_counts_two_steps():
    t = np.arange(50 * 60) / 50
    accel = still(len(t), noise_g=0.005)
    accel[2] += 0.25 * np.sin(2 * np.pi * 0.9 * t)
    m = measures(accel, position="wrist")
    assert m["steps"] == pytest.approx(108, abs=4)
    assert m["cadence_spm"] == pytest.approx(108, abs=1)
    assert m["stride_time_s"] == pytest.approx(1 / 0.9, abs=0.02)


def test_the_order_in_which_hours_arrive_does_not_matter():
    t = times(EIGHT, 400)
    accel = np.concatenate([walk(300, 100), still(50 * 400)], axis=1)[:, : len(t)]
    samples = device(t, accel)
    cut = EIGHT + 100 * S
    parts = [samples.between(0, cut), samples.between(cut, 1 << 62)]
    grids = [empty_grid(EIGHT, EIGHT + 400 * S) for _ in range(2)]
    for part in parts:
        add_samples(grids[0], part)
    for part in reversed(parts):
        add_samples(grids[1], part)
    assert np.array_equal(grids[0].accel_g, grids[1].accel_g, equal_nan=True)


def test_a_device_between_grid_points_loses_nothing_where_two_hours_meet():
    t = times(EIGHT, 20) + 7_000
    samples = device(t, still(len(t)))
    grid = empty_grid(EIGHT, EIGHT + 20 * S)
    cut = EIGHT + 10 * S
    add_samples(grid, samples.between(0, cut))
    add_samples(grid, samples.between(cut, 1 << 62))
    fill_holes(grid.accel_g, 12)
    assert not np.isnan(grid.accel_g[0, 1:-1]).any()


def test_a_position_that_cannot_carry_a_measure_leaves_it_unknown():
    wrist, ankle = measures(walk(100, 100), position="wrist"), measures(walk(100, 100), position="ankle")
    assert wrist["steps"] == pytest.approx(100, abs=2)
    for name in ("stride_regularity", "harmonic_ratio", "sway_g", "sit_to_stands", "night_risings", "turns"):
        assert wrist[name] is None
    assert ankle["steps"] is None
    assert ankle["walking_minutes"] is None
    assert ankle["wear_minutes"] > 0


def test_a_day_with_too_few_strides_has_steps_and_no_quality():
    m = measures(walk(12, 100))
    assert m["steps"] == pytest.approx(12, abs=1)
    assert m["stride_time_cv"] is None
    assert m["cadence_spm"] is None


def test_turns_while_walking_are_counted_with_their_angle():
    accel = walk(200, 100)
    t = np.arange(accel.shape[1]) / 50
    gyro = np.random.default_rng(0).normal(0, 0.5, (3, len(t)))
    for at in (30, 60, 90):
        gyro[2] += (90 / 2) * (1 - np.cos(np.pi * np.clip(t - at, 0, 2))) * 1.0
    m = measures(accel, gyro=gyro)
    assert m["turns"] == 3
    assert m["turn_angle_deg"] == pytest.approx(90, abs=4)
    assert m["turn_duration_s"] == pytest.approx(2, abs=0.4)
    r = rotation(7)
    assert measures(r @ accel, gyro=r @ gyro)["turns"] == 3


def test_a_glance_aside_is_no_turn():
    yaw = np.zeros(1000, np.float32)
    yaw[200:250] = 40 * np.sin(np.linspace(0, np.pi, 50))
    assert len(find_turns(yaw)[0]) == 0


def test_autocorrelation_of_a_sine_is_a_cosine_of_the_lag():
    x = np.sin(2 * np.pi * np.arange(500) / 50).astype(np.float32)
    r = np.empty(60, np.float32)
    autocorrelation(x, 500, 0, 60, r)
    assert r == pytest.approx(np.cos(2 * np.pi * np.arange(60) / 50), abs=0.03)


def test_sitting_must_last_before_standing_up_counts():
    state = np.array(
        [SEATED] * 20 + [UPRIGHT] * 10 + [SEATED] * 2 + [UPRIGHT] * 10 + [SEATED] * 30 + [UPRIGHT] * 5
    )
    assert count_sit_to_stands(state, GaitConfig()) == 2
    assert count_sit_to_stands(np.array([LYING] * 50 + [UPRIGHT] * 9), GaitConfig()) == 0


def test_walking_twice_in_one_rising_is_one_and_only_at_night():
    state = np.full(4000, LYING)
    state[1000:1400] = SEATED
    state[2000:2100] = UPRIGHT
    walks = [Bout(1010, 1040, 40), Bout(1300, 1330, 40), Bout(2010, 2050, 50)]
    assert count_night_risings(state, walks, [(0, 4000)], GaitConfig()) == 2
    assert count_night_risings(state, walks, [(0, 1500)], GaitConfig()) == 1
    assert count_night_risings(state, walks, [(3000, 4000)], GaitConfig()) == 0


def test_a_day_from_chair_to_bed_has_its_postures():
    lean = np.array([[np.cos(0.4), 0, np.sin(0.4)], [0, 1, 0], [-np.sin(0.4), 0, np.cos(0.4)]])
    chair = lean @ still(50 * 600, noise_g=0.006)
    bed = still(50 * 1200, seed=2, noise_g=0.006)[[2, 1, 0]]
    stance = still(50 * 12, seed=3, noise_g=0.006)
    pieces = [chair, walk(100, 100), stance, chair, walk(60, 100), stance, bed]
    m = measures(np.concatenate(pieces, axis=1))
    assert m["sit_to_stands"] == 2
    assert m["lying_minutes"] == pytest.approx(20, abs=0.3)
    assert m["upright_minutes"] == pytest.approx(2.2, abs=0.3)
    assert m["sway_g"] == pytest.approx(0.006 * np.sqrt(2 / 10), rel=0.5), "two axes, mean of ten samples"


def test_a_device_left_on_a_table_is_recorded_and_not_worn():
    n = 50 * 3600
    accel = np.concatenate([still(n, noise_g=0.02), still(n, noise_g=0.002)], axis=1)
    m = measures(accel)
    assert m["recorded_minutes"] == pytest.approx(120, abs=0.1)
    assert m["wear_minutes"] == pytest.approx(60, abs=0.5)


def test_variability_is_within_bouts_and_blind_to_a_change_of_pace():
    rng = np.random.default_rng(0)
    slow, fast = 1.3 + 0.02 * rng.standard_normal(200), 1.0 + 0.02 * rng.standard_normal(200)
    bout = np.repeat([0, 1], 200)
    cv = stride_time_cv(np.concatenate([slow, fast]), bout)
    assert cv == pytest.approx(0.02 / 1.15, rel=0.15)
    with_missed_steps = np.concatenate([slow, fast])
    with_missed_steps[::50] *= 2
    assert stride_time_cv(with_missed_steps, bout) == pytest.approx(cv, rel=0.1)


def test_two_devices_worn_one_after_the_other_add_up():
    one, other = gait_of(walk(100, 100)), gait_of(walk(60, 120), position="wrist", start_us=EIGHT + 3600 * S)
    m = day_measures("pt-1", DAY, [other, one])
    assert m["steps"] == pytest.approx(160, abs=3)
    assert m["position"] == "waist"
    assert m == day_measures("pt-1", DAY, [one, other])


def test_the_grid_is_anchored_to_the_epoch():
    assert empty_grid(EIGHT + 1, EIGHT + S).start_us % GRID_US == 0
    assert empty_grid(EIGHT, EIGHT + S).accel_g.shape == (3, GRID_HZ)
