"""Units against gravity: what is recognised, what is left undecided, and which seconds are refused for it."""

import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fallrisk_assets.telemetry.drops import parse_drop_name
from fallrisk_assets.telemetry.parse import parse_drop
from fallrisk_assets.telemetry.units import (
    STANDARD_GRAVITY,
    declared_unit,
    judge_unit,
    out_of_range,
    recognise_unit,
)
from simulator.cohort import CohortOptions, simulate_cohort

SHARED = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
UMAFALL = SHARED / "umafall" / "umafall_waist_wrist_acc_gyr.parquet"
HOUR_US = 1_767_596_400_000_000


def samples(seconds: float, rate_hz: float = 50.0, noise_g: float = 0.004, seed: int = 0):
    """Times and acceleration (n, 3) in g of somebody quiet, gravity in a skewed direction."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate_hz)
    direction = np.array([0.3, -0.9, 0.316])
    accel = direction / np.linalg.norm(direction) + rng.normal(0.0, noise_g, (n, 3))
    return (np.arange(n) * 1e6 / rate_hz).astype(np.int64), accel.astype(np.float32)


@pytest.mark.parametrize(
    ("factor", "unit"),
    [
        (1.0, "g"),
        (STANDARD_GRAVITY, "m/s2"),
        (1000.0, "mg"),
        (0.1, "unknown"),
        (3.0, "unknown"),
        (0.0, "unknown"),
    ],
)
def test_gravity_tells_the_unit_of_a_quiet_minute(factor, unit):
    ts_us, accel = samples(60)
    found = recognise_unit(ts_us, accel * np.float32(factor))
    assert found.unit == unit
    assert found.from_quiet
    assert found.gravity == pytest.approx(factor, rel=0.01)
    assert unit in found.explain()


@pytest.mark.parametrize("gain", [0.85, 1.15])
def test_a_badly_calibrated_sensor_still_measures_g(gain):
    ts_us, accel = samples(60)
    assert recognise_unit(ts_us, accel * np.float32(gain)).unit == "g"


def test_a_few_quiet_seconds_among_wild_movement_are_enough():
    ts_us, accel = samples(120)
    rng = np.random.default_rng(1)
    accel[500:] += rng.normal(0.0, 4.0, (accel.shape[0] - 500, 3)).astype(np.float32)
    found = recognise_unit(ts_us, accel)
    assert found.unit == "g"
    assert found.gravity == pytest.approx(1.0, abs=0.02)
    assert found.quiet_blocks == 10


def test_without_a_quiet_second_ten_seconds_of_movement_decide_roughly():
    rng = np.random.default_rng(2)
    ts_us, accel = samples(30, noise_g=0.0)
    accel += rng.normal(0.0, 0.4, accel.shape).astype(np.float32)
    found = recognise_unit(ts_us, accel)
    assert (found.unit, found.from_quiet) == ("g", False)
    assert recognise_unit(ts_us, accel * np.float32(STANDARD_GRAVITY)).unit == "m/s2"


def test_too_little_data_is_undetermined_never_wrong():
    ts_us, accel = samples(2)
    assert recognise_unit(ts_us, accel * 9).unit == "undetermined"
    assert recognise_unit(ts_us[:0], accel[:0]).unit == "undetermined"
    assert recognise_unit(ts_us[:1], accel[:1]).unit == "undetermined"


def test_only_declared_firmware_sends_another_unit():
    assert declared_unit("0.8.12") == "m/s2"
    assert [declared_unit(fw) for fw in ("0.80.1", "10.8.1", "2.4.1", "")] == ["g"] * 4


def test_range_limits_are_inclusive_and_ignore_an_absent_gyro():
    accel = np.zeros((5, 3), np.float32)
    gyro = np.zeros((5, 3), np.float32)
    has_gyro = np.array([True, True, True, True, False])
    accel[0] = [32, -32, 32]
    accel[1, 2] = np.nextafter(np.float32(-32), np.float32(-33))
    gyro[2] = [4000, -4000, 0]
    gyro[3, 1] = 4000.5
    gyro[4] = np.nan
    assert out_of_range(accel, gyro, has_gyro).tolist() == [False, True, False, True, False]


# -- second by second


def moving(seconds: float, rate_hz: float = 50.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times from the start of an hour and acceleration (n, 3) in g of somebody who never rests."""
    ts_us, accel = samples(seconds, rate_hz, 0.0)
    accel += np.random.default_rng(seed).normal(0.0, 0.3, accel.shape).astype(np.float32)
    return ts_us + HOUR_US, accel


def refused(ts_us: np.ndarray, accel: np.ndarray, declared: str = "g") -> np.ndarray:
    wrong, _ = judge_unit(ts_us, accel, declared)
    return np.zeros(ts_us.size, np.bool_) if wrong is None else wrong


@pytest.mark.parametrize("rate_hz", [15.0, 20.0, 25.0, 50.0, 100.0, 200.0])
@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize("changes_s", [(1800.0, 3000.0), (1810.0, 1840.0), (30.0, 3590.0), (2.0, 3590.0)])
def test_seconds_in_another_unit_are_refused_and_the_others_stay_at_any_rate(rate_hz, quiet, changes_s):
    ts_us, accel = moving(3600.0, rate_hz)
    if quiet:
        accel[:] = samples(3600.0, rate_hz)[1]
    there = (ts_us >= HOUR_US + changes_s[0] * 1e6) & (ts_us < HOUR_US + changes_s[1] * 1e6)
    accel[there] *= np.float32(STANDARD_GRAVITY)
    wrong, found = judge_unit(ts_us, accel, "g")
    np.testing.assert_array_equal(wrong, there)
    assert found.unit == "m/s2"
    accel = np.where(
        there[:, None], accel / np.float32(STANDARD_GRAVITY), accel * np.float32(STANDARD_GRAVITY)
    )
    wrong, found = judge_unit(ts_us, accel, "m/s2")
    np.testing.assert_array_equal(wrong, there)
    assert found.unit == "g"


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_change_within_a_second_leaves_no_value_in_the_wrong_unit(fraction):
    ts_us, accel = moving(300.0)
    change_us = HOUR_US + 95_000_000 + int(fraction * 1e6)
    accel[ts_us >= change_us] *= np.float32(STANDARD_GRAVITY)
    wrong = refused(ts_us, accel)
    assert wrong[ts_us >= change_us].all()
    assert not wrong[ts_us < HOUR_US + 95_000_000].any()


@pytest.mark.parametrize(("seconds", "quiet"), [(9, False), (2, True), (2, False), (5, True)])
@pytest.mark.parametrize(("factor", "declared"), [(STANDARD_GRAVITY, "g"), (1.0, "m/s2"), (1000.0, "g")])
def test_a_few_seconds_are_enough_where_the_unit_is_plainly_wrong(seconds, quiet, factor, declared):
    ts_us, accel = samples(seconds) if quiet else moving(seconds)
    assert refused(ts_us + HOUR_US, accel * np.float32(factor), declared).all()


def test_a_rest_too_short_to_tell_goes_with_the_refused_minutes_around_it():
    ts_us, accel = moving(60.2)
    assert refused(ts_us, accel * np.float32(STANDARD_GRAVITY)).all()


def test_movement_without_a_quiet_second_goes_with_the_quiet_minutes_that_measure_another_gravity():
    ts_us, accel = samples(600)
    accel[3000:] = moving(540)[1]
    assert refused(ts_us + HOUR_US, accel * np.float32(1.6)).all()
    assert not refused(ts_us + HOUR_US, accel).any()


@pytest.mark.parametrize("rate_hz", [15.0, 20.0, 50.0, 100.0, 200.0])
@pytest.mark.parametrize("begin_s", [0.0, 10.3, 57.0, 59.6])
def test_a_free_fall_and_its_impact_are_movement_not_a_unit(rate_hz, begin_s):
    for length_s in (0.0, 3.0, 120.0):
        ts_us, accel = samples(length_s + 3.0, rate_hz, 0.01)
        ts_us += HOUR_US + int(begin_s * 1e6)
        at_s = (ts_us - ts_us[0]) / 1e6
        accel[(at_s > 0.5) & (at_s < 1.3)] *= np.float32(0.05)
        accel[(at_s >= 1.3) & (at_s < 1.5)] *= np.float32(12.0)
        assert not refused(ts_us, accel).any()
        assert not refused(ts_us, accel * np.float32(STANDARD_GRAVITY), "m/s2").any()


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 200.0])
@pytest.mark.parametrize("peak_g", [2.5, 6.0, 12.0])
def test_running_with_flight_and_landing_is_movement_not_a_unit(rate_hz, peak_g):
    ts_us, accel = samples(600, rate_hz, 0.02)
    phase = (ts_us / 1e6 * 2.8) % 1.0
    accel *= np.where(phase < 0.3, 1 + (peak_g - 1) * np.sin(np.pi * phase / 0.3), 0.25)[:, None]
    assert not refused(ts_us + HOUR_US, accel.astype(np.float32)).any()


def test_single_absurd_values_say_nothing_about_the_unit_of_their_second():
    ts_us, accel = samples(120, 20.0)
    accel[::20, 0] = 999.5
    assert not refused(ts_us + HOUR_US, accel).any()


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 200.0])
def test_one_second_of_a_fall_far_from_1_g_is_no_unit(rate_hz):
    ts_us, accel = moving(30.0, rate_hz)
    accel[(ts_us >= HOUR_US + 12_000_000) & (ts_us < HOUR_US + 13_000_000)] *= np.float32(3.5)
    assert not refused(ts_us, accel).any()


def test_a_lonely_sample_between_refused_seconds_goes_with_them():
    ts_us, accel = moving(60.0)
    accel *= np.float32(STANDARD_GRAVITY)
    kept = np.ones(ts_us.size, np.bool_)
    kept[1000:1050] = False
    kept[1020] = True
    accel[1020] = [0.0, 1.0, 0.0]
    assert refused(ts_us[kept], accel[kept]).all()


def test_movement_stays_where_a_quiet_minute_measures_1_g_whatever_another_one_measures():
    ts_us, accel = samples(180)
    accel[3000:6000] *= np.float32(1.6)
    accel[6000:] = moving(60)[1] * np.float32(1.4)
    np.testing.assert_array_equal(np.flatnonzero(refused(ts_us + HOUR_US, accel)), np.arange(3000, 6000))


@pytest.mark.parametrize("rate_hz", [1.0, 2.0, 4.0])
def test_a_unit_is_told_at_rates_too_low_for_a_second_of_five_samples(rate_hz):
    ts_us, accel = moving(30.0, rate_hz)
    assert not refused(ts_us, accel).any()
    assert refused(ts_us, accel * np.float32(STANDARD_GRAVITY)).all()


def test_a_resting_device_is_judged_by_its_gravity_whichever_way_it_lies():
    for axis in range(3):
        accel = np.zeros((50 * 600, 3), np.float32)
        accel[:, axis] = -1.0
        assert not refused(HOUR_US + np.arange(accel.shape[0]) * 20_000, accel).any()


@pytest.fixture(scope="module", params=[20.0, 50.0])
def simulated(request, tmp_path_factory):
    """Times and acceleration in g of each drop of a cohort: all phenotypes, many falls, confusers."""
    root = tmp_path_factory.mktemp("units")
    options = CohortOptions(
        patients=4,
        days=1,
        rate_hz=request.param,
        seed=11,
        hours_per_day=(1.0,),
        falls_per_day=150.0,
        faults="none",
        phenotypes=("robust", "pre-frail", "frail", "parkinsonian"),
    )
    result = simulate_cohort(root, None, options)
    assert result.falls > 20
    drops = [
        parse_drop(gzip.decompress((root / key).read_bytes()), parse_drop_name(key)) for key in result.keys
    ]
    return [(drop.ts_us, drop.accel_g) for drop in drops]


def test_nothing_that_simulated_people_do_is_refused_in_their_unit_and_all_of_it_in_another(simulated):
    for ts_us, accel in simulated:
        assert not refused(ts_us, accel).any()
        assert refused(ts_us, accel * np.float32(STANDARD_GRAVITY)).all()
        assert refused(ts_us, accel, "m/s2").all()
        for length in (10, 40, 150, 450):
            for begin in range(0, ts_us.size - length, max(length, 900)):
                piece = slice(begin, begin + length)
                assert not refused(ts_us[piece], accel[piece]).any()


@pytest.mark.slow
@pytest.mark.skipif(not UMAFALL.exists(), reason=f"UMAFall is not at {UMAFALL}; set FALLRISK_SHARED_DATA")
def test_no_trial_of_real_people_is_refused_falls_jogging_and_clapping_included():
    table = pq.read_table(UMAFALL, filters=[("type", "=", 0)]).to_pandas()
    trials = 0
    for _, trial in table.groupby(["trial", "pos"], observed=True):
        trial = trial.sort_values("t_ms", kind="stable")
        accel = trial[["x", "y", "z"]].to_numpy(np.float32)
        for shift_us in (0, 52_000_000):  # in one minute, and over two
            ts_us = HOUR_US + shift_us + trial["t_ms"].to_numpy(np.int64) * 1000
            assert not refused(ts_us, accel).any()
            assert refused(ts_us, accel * np.float32(STANDARD_GRAVITY)).mean() > 0.99
        trials += 1
    assert trials > 1000
