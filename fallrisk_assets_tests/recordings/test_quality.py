"""Every kind of bad recording is told by its own reason, and good ones pass whatever their rate."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fallrisk_assets.recordings.quality import check
from fallrisk_assets.recordings.reasons import WHAT_TO_DO, Reason, Unusable
from fallrisk_assets_tests.recordings.published import motion

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def arrays(rate_hz: float = 100.0, seconds: float = 8.0, fall: bool = False, seed: int = 0) -> Arrays:
    made = motion(rate_hz, seconds, fall, seed)
    return np.rint(made.t_s * 1e6).astype(np.int64), made.accel_g.copy(), made.gyro_dps.copy()


def reason(ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray) -> str:
    try:
        check(ts_us, accel_g, gyro_dps)
    except Unusable as error:
        found = error
    else:
        return "fit"
    assert found.reason in WHAT_TO_DO
    assert found.rows == len(ts_us)
    return str(found.reason)


def quiet(seconds: float = 8.0, rate_hz: float = 100.0) -> Arrays:
    """Lying still, upright."""
    rng = np.random.default_rng(1)
    n = round(seconds * rate_hz)
    ts_us = np.rint(np.arange(n) * 1e6 / rate_hz).astype(np.int64)
    return ts_us, np.array([0.0, 1.0, 0.0]) + rng.normal(0, 0.005, (n, 3)), rng.normal(0, 0.5, (n, 3))


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 87.0, 100.0, 200.0])
@pytest.mark.parametrize("fall", [False, True])
def test_falls_and_activities_are_fit_at_every_rate_with_and_without_gyroscope(
    rate_hz: float, fall: bool
) -> None:
    ts_us, accel, gyro = arrays(rate_hz, fall=fall)
    assert reason(ts_us, accel, gyro) == "fit"
    assert reason(ts_us, accel, np.full_like(gyro, np.nan)) == "fit"


def shorter(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    return ts[:100], a[:100], g[:100]


def few(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    return ts[::40], a[::40], g[::40]


def not_finite(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    a[7, 1] = np.nan
    return ts, a, g


def infinite_turn(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    g[7, 1] = np.inf
    return ts, a, g


def beyond(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    a[7, 1] = 33.0
    return ts, a, g


def slow_clock(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    return ts * 10, a, g


def fast_clock(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    return np.arange(len(ts) * 4, dtype=np.int64) * 2_500, np.tile(a, (4, 1)), np.tile(g, (4, 1))


def mostly_gaps(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    ts[400:] += 10_000_000
    return ts, a, g


def stuck(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    a[:] = a[0]
    return ts, a, g


def stuck_axis(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    a[:, 2] = 0.0
    a[:, 0] = 0.5 * np.sin(2 * np.pi * ts / 1e6)
    return ts, a, g


def metres(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    return ts, a * 9.80665 / 4, g


def metres_at_last(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    a[400:] *= 9.80665
    return ts, a, g


def no_gravity(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    return ts, a - np.array([0.0, 1.0, 0.0]), g


def cut(ts: np.ndarray, a: np.ndarray, g: np.ndarray) -> Arrays:
    a[:, 0] = np.clip(5 * np.sin(2 * np.pi * 2 * ts / 1e6), -2.0, 2.0)
    return ts, a, g


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (shorter, "TOO_SHORT"),
        (few, "TOO_SHORT"),
        (not_finite, "VALUE_NOT_FINITE"),
        (infinite_turn, "VALUE_NOT_FINITE"),
        (beyond, "VALUE_OUT_OF_RANGE"),
        (slow_clock, "RATE_IMPLAUSIBLE"),
        (fast_clock, "RATE_IMPLAUSIBLE"),
        (mostly_gaps, "RATE_IMPLAUSIBLE"),
        (stuck, "FLAT"),
        (stuck_axis, "FLAT"),
        (metres, "UNIT_MISMATCH"),
        (metres_at_last, "UNIT_MISMATCH"),
        (no_gravity, "UNIT_MISMATCH"),
        (cut, "SATURATED"),
    ],
)
def test_each_damage_is_told_by_its_reason(damage: Callable[..., Arrays], wanted: str) -> None:
    assert reason(*damage(*arrays())) == wanted


def test_metres_a_second_squared_are_recognised_by_name() -> None:
    ts_us, accel, gyro = arrays()
    with pytest.raises(Unusable, match=r"gravity measures 9\.8.* reads as m/s2"):
        check(ts_us, accel * 9.80665, gyro)


def test_a_few_cut_samples_of_an_impact_are_noted_and_kept() -> None:
    ts_us, accel, gyro = arrays(200.0, fall=True)
    accel = np.clip(accel, -1.6, 1.6)
    (note, *_) = check(ts_us, accel, gyro)
    assert note.startswith("CLIPPED: axis x is cut at 1.60 g in")


@pytest.mark.parametrize("with_gyro", [True, False])
def test_axes_that_turn_between_two_samples_at_rest_are_a_remounted_sensor(with_gyro: bool) -> None:
    ts_us, accel, gyro = quiet()
    accel[400:] = accel[400:][:, [1, 2, 0]]
    if not with_gyro:
        gyro = np.full_like(gyro, np.nan)
    assert reason(ts_us, accel, gyro) == "ORIENTATION_JUMP"


def test_a_slow_turn_that_the_gyroscope_does_not_see_is_a_remounted_sensor() -> None:
    ts_us, accel, gyro = quiet()
    turn = np.clip((ts_us / 1e6 - 3.5) / 1.0, 0, 1) * np.pi / 2
    accel = Rotation.from_rotvec(turn[:, None] * [0.0, 0.0, 1.0]).apply(accel)
    assert reason(ts_us, accel, gyro) == "ORIENTATION_JUMP"
    gyro[:, 2] += np.degrees(np.gradient(turn, ts_us / 1e6))
    assert reason(ts_us, accel, gyro) == "fit"
    # Without a gyroscope a second's turn is somebody who lies down.
    assert reason(ts_us, accel, np.full_like(gyro, np.nan)) == "fit"


def test_a_turn_during_a_gap_is_not_called_a_jump() -> None:
    ts_us, accel, gyro = quiet()
    accel[400:] = accel[400:][:, [1, 2, 0]]
    ts_us[400:] += 1_500_000
    assert reason(ts_us, accel, gyro) == "fit"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 400),
    st.floats(-1e4, 1e4, allow_nan=False),
    st.booleans(),
)
def test_whatever_the_numbers_are_a_recording_is_fit_or_has_a_reason(
    seed: int, n: int, scale: float, dirty: bool
) -> None:
    rng = np.random.default_rng(seed)
    ts_us = np.cumsum(rng.integers(1, 60_000, n)).astype(np.int64)
    accel, gyro = rng.normal(0, 1, (n, 3)) * scale, rng.normal(0, 50, (n, 3))
    if dirty and n:
        accel[rng.integers(n)] = rng.choice([np.nan, np.inf, 0.0, 1e300])
        gyro[rng.integers(n)] = np.nan
    assert reason(ts_us, accel, gyro) in ("fit", *Reason)
