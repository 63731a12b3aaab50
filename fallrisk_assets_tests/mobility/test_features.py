"""Features: what each is on signals whose answer is known, and that the compiled ones are the reference."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.mobility import features, features_numba
from fallrisk_assets.mobility.feature_names import (
    CHANNELS,
    FEATURE_INDEX,
    FEATURE_NAMES,
    FEATURES,
    STATISTICS,
)
from fallrisk_assets_tests.mobility.motion import rotation

BOTH = pytest.mark.parametrize(
    "describe",
    [features.features_for_windows, features_numba.features_for_windows],
    ids=["reference", "numba"],
)


def movement(windows: int, n: int, rate_hz: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate_hz
    frequency = rng.uniform(0.6, 6, (windows, 1, 3))
    wave = rng.uniform(0, 0.6, (windows, 1, 3)) * np.sin(2 * np.pi * frequency * t[None, :, None])
    acc = wave + rng.normal(0, 0.05, (windows, n, 3)) + [0.1, -0.2, 0.97]
    gyr = 60 * wave + rng.normal(0, 5, (windows, n, 3))
    return acc.astype(np.float32), gyr.astype(np.float32)


def sine(hz: float, amplitude_g: float, rate_hz: float, seconds: float = 10) -> np.ndarray:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    acc = np.zeros((1, len(t), 3), np.float32)
    acc[0, :, 2] = 1 + amplitude_g * np.sin(2 * np.pi * hz * t)
    return acc


def close(a: np.ndarray, b: np.ndarray) -> None:
    """Equal within single precision; scaled by the size of each feature."""
    assert (np.isnan(a) == np.isnan(b)).all()
    # What has no unit is compared on a scale of its own: a skewness near 0 is the difference of large sums.
    floor = np.array([0.05 if f.unit == "1" else 1e-3 for f in FEATURES])
    scale = np.nan_to_num(np.abs(b)).max(axis=0) + floor
    worst = (np.nan_to_num(np.abs(a - b)) / scale).max(axis=0)
    bad = {FEATURE_NAMES[i]: worst[i] for i in np.flatnonzero(worst > 2e-4)}
    assert not bad


def test_there_are_seventeen_statistics_of_eight_channels_and_fourteen_across():
    assert len(STATISTICS) == 17
    assert len(CHANNELS) == 8
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 150
    assert FEATURE_NAMES[0] == "mean_accel_x"
    assert all(f.unit and f.description for f in FEATURES)


@pytest.mark.parametrize(
    ("n", "rate_hz"), [(200, 20), (250, 25), (499, 50), (500, 50), (501, 50), (1000, 100), (2000, 200)]
)
def test_the_compiled_features_are_the_reference(n, rate_hz):
    acc, gyr = movement(70, n, rate_hz, seed=n)
    close(
        features_numba.features_for_windows(acc, gyr, rate_hz),
        features.features_for_windows(acc, gyr, rate_hz),
    )


@settings(max_examples=30, deadline=None)
@given(n=st.integers(180, 620), rate_hz=st.floats(18, 60), seed=st.integers(0, 99), gyro=st.booleans())
def test_the_compiled_features_are_the_reference_for_any_length_and_rate(n, rate_hz, seed, gyro):
    acc, gyr = movement(3, n, rate_hz, seed)
    gyr = gyr if gyro else None
    close(
        features_numba.features_for_windows(acc, gyr, rate_hz),
        features.features_for_windows(acc, gyr, rate_hz),
    )


@BOTH
def test_windows_do_not_depend_on_their_neighbours(describe):
    acc, gyr = movement(130, 500, 50)
    together = describe(acc, gyr, 50.0)
    order = np.random.default_rng(0).permutation(130)
    assert np.array_equal(describe(acc[order], gyr[order], 50.0), together[order], equal_nan=True)


@BOTH
@pytest.mark.parametrize("rate_hz", [20, 50, 100, 200])
def test_a_sine_shows_its_frequency_power_and_period_at_any_rate(describe, rate_hz):
    row = describe(sine(1.8, 0.3, rate_hz), None, rate_hz)[0]
    of = {name: row[i] for name, i in FEATURE_INDEX.items()}
    assert of["dominant_frequency_accel_z"] == pytest.approx(1.8, abs=0.01)
    assert of["sd_accel_z"] == pytest.approx(0.3 / np.sqrt(2), rel=1e-3)
    assert of["rms_accel_z"] == pytest.approx(np.sqrt(1 + 0.045), rel=1e-3)
    assert of["range_accel_z"] == pytest.approx(0.6, rel=0.03)
    assert of["locomotor_power_accel_z"] == pytest.approx(0.045, rel=0.01)
    assert of["tremor_power_accel_z"] == pytest.approx(0, abs=1e-5)
    assert of["crossing_rate_accel_z"] == pytest.approx(3.6, abs=0.15)
    assert of["autocorrelation_peak_accel_z"] == pytest.approx(1, abs=0.05)
    assert of["kurtosis_accel_z"] == pytest.approx(-1.5, abs=0.01)
    assert of["skewness_accel_z"] == pytest.approx(0, abs=0.01)
    assert of["spectral_entropy_accel_z"] == pytest.approx(0, abs=0.05)
    assert of["sd_accel_vertical"] == pytest.approx(of["sd_accel_z"], rel=1e-4)
    assert of["jerk_rms_accel"] == pytest.approx(2 * np.pi * 1.8 * 0.3 / np.sqrt(2), rel=0.03)


@BOTH
def test_tremor_is_told_from_walking_by_its_band(describe):
    row = describe(sine(5.2, 0.1, 50), None, 50.0)[0]
    assert row[FEATURE_INDEX["tremor_power_accel_z"]] == pytest.approx(0.005, rel=0.01)
    assert row[FEATURE_INDEX["locomotor_power_accel_z"]] == pytest.approx(0, abs=1e-5)


@BOTH
def test_noise_has_the_moments_of_its_distribution(describe):
    rng = np.random.default_rng(3)
    acc = rng.exponential(1, (1, 20_000, 3)).astype(np.float32)
    of = dict(zip(FEATURE_NAMES, describe(acc, None, 100.0)[0], strict=True))
    assert of["skewness_accel_x"] == pytest.approx(2, rel=0.1)
    assert of["kurtosis_accel_x"] == pytest.approx(6, rel=0.2)
    assert of["median_accel_x"] == pytest.approx(np.log(2), rel=0.03)
    assert of["iqr_accel_x"] == pytest.approx(np.log(3), rel=0.03)
    assert of["mad_accel_x"] == pytest.approx(0.4812, rel=0.03)
    assert of["spectral_entropy_accel_x"] > 0.9


@BOTH
def test_a_constant_channel_has_no_shape(describe):
    acc = np.zeros((2, 500, 3), np.float32)
    acc[:, :, 2] = 0.9981
    row = describe(acc, np.zeros_like(acc), 50.0)[0]
    for name in ("skewness", "kurtosis", "dominant_frequency", "spectral_entropy", "autocorrelation_peak"):
        assert np.isnan(row[FEATURE_INDEX[f"{name}_accel_z"]])
    assert np.isnan(row[FEATURE_INDEX["correlation_accel_xy"]])
    assert row[FEATURE_INDEX["mad_accel_z"]] == 0
    assert row[FEATURE_INDEX["median_accel_z"]] == pytest.approx(0.9981)


@BOTH
def test_without_a_gyroscope_its_features_are_unknown_and_the_others_the_same(describe):
    acc, gyr = movement(5, 500, 50)
    without, with_it = describe(acc, None, 50.0), describe(acc, gyr, 50.0)
    needs = np.array([f.needs_gyro for f in FEATURES])
    assert np.isnan(without[:, needs]).all()
    assert not np.isnan(with_it).any()
    assert np.array_equal(without[:, ~needs], with_it[:, ~needs])


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.25, 4), seed=st.integers(0, 99))
def test_gain_scales_sizes_and_leaves_shapes(gain, seed):
    acc, gyr = movement(2, 500, 50, seed)
    one = features_numba.features_for_windows(acc, gyr, 50.0)
    many = features_numba.features_for_windows(acc * np.float32(gain), gyr, 50.0)
    for name in ("sd", "range", "iqr", "mad", "rms"):
        i = FEATURE_INDEX[f"{name}_accel_x"]
        assert many[:, i] == pytest.approx(one[:, i] * gain, rel=1e-3)
    for name in ("locomotor_power", "tremor_power"):
        i = FEATURE_INDEX[f"{name}_accel_x"]
        assert many[:, i] == pytest.approx(one[:, i] * gain**2, rel=2e-3)
    for name in ("skewness", "kurtosis", "spectral_entropy", "autocorrelation_peak", "dominant_frequency"):
        i = FEATURE_INDEX[f"{name}_accel_x"]
        assert many[:, i] == pytest.approx(one[:, i], rel=2e-3, abs=2e-3)


@settings(max_examples=20, deadline=None)
@given(turn=st.integers(0, 999), seed=st.integers(0, 99))
def test_norms_and_vertical_features_do_not_depend_on_how_the_device_is_worn(turn, seed):
    acc, gyr = movement(2, 500, 50, seed)
    r = rotation(turn).astype(np.float32)
    one = features_numba.features_for_windows(acc, gyr, 50.0)
    turned = features_numba.features_for_windows(acc @ r.T, gyr @ r.T, 50.0)
    for i, name in enumerate(FEATURE_NAMES):
        if name.endswith("_norm") or name in (
            "tilt_change",
            "sd_accel_vertical",
            "rms_gyro_vertical",
            "jerk_rms_accel",
        ):
            # Crossings and lines of a spectrum are counted: rounding may move one.
            slack = 0.21 if name.startswith(("crossing_rate", "dominant")) else 2e-3
            assert turned[:, i] == pytest.approx(one[:, i], rel=5e-3, abs=slack), name


@BOTH
def test_a_bent_trunk_shows_as_a_change_of_tilt(describe):
    acc = np.zeros((1, 500, 3), np.float32)
    angle = np.linspace(0, np.radians(70), 500)
    acc[0, :, 0], acc[0, :, 2] = np.sin(angle), np.cos(angle)
    assert describe(acc, None, 50.0)[0, FEATURE_INDEX["tilt_change"]] == pytest.approx(63, abs=1)


@BOTH
def test_windows_too_short_to_describe_are_refused(describe):
    with pytest.raises(ValueError, match="too short"):
        describe(np.zeros((1, 8, 3), np.float32), None, 50.0)


_DESCRIBE = """
import hashlib
import numpy as np
from fallrisk_assets.mobility.features_numba import features_for_windows
rng = np.random.default_rng(0)
acc, gyr = rng.normal(0, 0.3, (320, 500, 3)), rng.normal(0, 30, (320, 500, 3))
print(hashlib.sha256(features_for_windows(acc, gyr, 50.0).tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_process_that_compiles_the_kernels_gives_the_bits_that_all_later_ones_give(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    cold, warm = (
        subprocess.run([sys.executable, "-c", _DESCRIBE], env=environment, capture_output=True, check=True)
        for _ in range(2)
    )
    assert list(tmp_path.rglob("*.nbc")), "the second process had nothing to load"
    assert cold.stdout == warm.stdout
