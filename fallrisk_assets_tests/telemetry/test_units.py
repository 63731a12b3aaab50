"""Units against gravity: what is recognised, and what is left undecided."""

import numpy as np
import pytest

from fallrisk_assets.telemetry.units import (
    STANDARD_GRAVITY,
    declared_unit,
    out_of_range,
    recognise_unit,
)


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
