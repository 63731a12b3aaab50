"""Laws of the fall detector: what holds for any motion, sensor, rate and way of feeding it."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fallrisk_assets.recordings.recording import Trial
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.detector import LOOKBACK_S, REFRACTORY_S, detect_falls, released_model
from fallrisk_assets.risk.fall_stream import FallStream
from fallrisk_assets.risk.training_impacts import synthetic_trials

MODEL = released_model()
G_MPS2 = 9.80665
POSITION = {"trunk": "waist", "wrist": "wrist", "limb": "pocket"}
groups = st.sampled_from(sorted(POSITION))
seeds = st.integers(0, 2**32 - 1)
law = settings(max_examples=40, deadline=None)


@functools.cache
def drawn(group: str) -> list[Trial]:
    """Scripted falls and everyday movements that trained nothing, each at its own rate."""
    return synthetic_trials(group, 60, 99)


def told(events):
    return [(e.impact_us, e.decided_us) for e in events]


@law
@given(groups, st.integers(0, 59), seeds)
def test_how_the_sensor_is_turned_does_not_matter(group, k, seed):
    trial = drawn(group)[k]
    turn = Rotation.random(random_state=np.random.default_rng(seed)).as_matrix().T
    turned = (trial.accel_g @ turn).astype(np.float32), (trial.gyro_dps @ turn).astype(np.float32)
    plain = detect_falls(trial.ts_us, trial.accel_g, trial.gyro_dps, POSITION[group], MODEL)
    other = detect_falls(trial.ts_us, *turned, POSITION[group], MODEL)
    assert told(plain) == told(other)
    for a, b in zip(plain, other, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=1e-3)


@law
@given(groups, st.integers(0, 59))
def test_the_unit_it_was_recorded_in_does_not_matter(group, k):
    trial = drawn(group)[k]
    mps2, radps = trial.accel_g * np.float32(G_MPS2), np.radians(trial.gyro_dps)
    back = (mps2 / np.float32(G_MPS2)).astype(np.float32), np.degrees(radps).astype(np.float32)
    plain = detect_falls(trial.ts_us, trial.accel_g, trial.gyro_dps, POSITION[group], MODEL)
    other = detect_falls(trial.ts_us, *back, POSITION[group], MODEL)
    assert told(plain) == told(other)


@law
@given(
    st.floats(20.0, 200.0),
    st.floats(4.0, 7.0),
    st.floats(75.0, 110.0),
    st.floats(0.0, 360.0),
    st.sampled_from(sorted(POSITION.values())),
)
def test_a_fall_is_one_at_any_rate(rate_hz, peak_g, angle_deg, azimuth_deg, position):
    m = motion.fall(at_s=6.0, peak_g=peak_g, angle_deg=angle_deg, azimuth_deg=azimuth_deg)
    (event,) = detect_falls(*m.sample(rate_hz), position, MODEL)
    (dense,) = detect_falls(*m.sample(200.0), position, MODEL)
    assert abs(event.impact_us - dense.impact_us) <= 60_000
    assert event.probability == pytest.approx(dense.probability, abs=0.1)


@law
@given(st.floats(20.0, 200.0), st.floats(1.6, 3.0), st.sampled_from(sorted(POSITION.values())))
def test_sitting_down_is_no_fall_at_any_rate(rate_hz, peak_g, position):
    assert detect_falls(*motion.sitting_hard(peak_g=peak_g).sample(rate_hz), position, MODEL) == []


def jolts(seed: int, rate_hz: float, seconds: float = 40.0):
    """Anything at all: jolts up to 16 g, posture thrown about, gaps, a gyroscope that comes and goes."""
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.uniform(0.5, 1.5, int(seconds * rate_hz)) * 1e6 / rate_hz).astype(np.int64)
    ts += np.cumsum(np.where(rng.random(len(ts)) < 0.002, rng.uniform(0.2e6, 4e6), 0.0)).astype(np.int64)
    turns = np.cumsum(rng.random(len(ts)) < 0.5 / rate_hz)
    lying = rng.normal(size=(turns[-1] + 1, 3))
    lying /= np.sqrt((lying**2).sum(axis=1, keepdims=True))
    hard = np.where(rng.random(len(ts)) < 0.6 / rate_hz, rng.uniform(1.0, 16.0, len(ts)), 1.0)
    accel = np.clip(lying[turns] * hard[:, None] + rng.normal(0, 0.02, (len(ts), 3)), -16, 16)
    gyro = rng.normal(0, 100, (len(ts), 3))
    gyro[rng.random(len(ts)) < 0.3] = np.nan
    return ts, accel.astype(np.float32), gyro.astype(np.float32)


@law
@given(seeds, st.sampled_from([20.0, 50.0, 100.0]), groups)
def test_one_fall_fires_once_and_in_time_whatever_happens(seed, rate_hz, group):
    events = detect_falls(*jolts(seed, rate_hz), POSITION[group], MODEL, at_end=True)
    for event in events:
        assert 0 < event.decided_us - event.impact_us <= 4_000_000
        assert MODEL.threshold(POSITION[group]) <= event.probability <= 1.0
        assert 0.0 <= event.posture_change_deg <= 180.0
    for a, b in itertools.pairwise(events):
        assert b.impact_us - a.impact_us > REFRACTORY_S * 1e6


def test_jolts_do_fire_or_the_law_above_says_nothing():
    found = [len(detect_falls(*jolts(seed, 50.0), "waist", MODEL, at_end=True)) for seed in range(20)]
    assert sum(found) >= 20


@law
@given(seeds, st.sampled_from([20.0, 50.0]), st.lists(st.integers(1, 1999), max_size=30), groups)
def test_pieces_of_any_stream_give_what_the_whole_gives(seed, rate_hz, cuts, group):
    ts, accel, gyro = jolts(seed, rate_hz)
    stream = FallStream(POSITION[group], MODEL)
    pieces = []
    edges = [0, *sorted({c for c in cuts if c < len(ts)}), len(ts)]
    for a, b in itertools.pairwise(edges):
        pieces += stream.push(ts[a:b], accel[a:b], gyro[a:b])
        assert stream.held_samples <= 1.5 * (LOOKBACK_S + 4.0) * rate_hz + 2
    pieces += stream.close()
    assert pieces == detect_falls(ts, accel, gyro, POSITION[group], MODEL, at_end=True)


@law
@given(seeds, st.lists(st.integers(0, 39), min_size=1, max_size=5, unique=True), groups)
def test_pieces_that_come_late_leave_no_fall_of_the_whole_out(seed, late, group):
    """Each second is a piece; late ones come up to 20 s after their time."""
    ts, accel, gyro = jolts(seed, 50.0)
    second = (ts - ts[0]) // 1_000_000
    delay = np.random.default_rng(seed).integers(2, 21, 400)
    order = sorted(range(int(second[-1]) + 1), key=lambda s: (s + (int(delay[s]) if s in late else 0), s))
    stream = FallStream(POSITION[group], MODEL, late_s=30.0)
    found = []
    for s in order:
        part = np.flatnonzero(second == s)
        if len(part) == 0:
            continue
        take = stream.amend if ts[part[0]] < stream.decided_to_us else stream.push
        found += take(ts[part], accel[part], gyro[part])
        assert stream.held_samples <= 1.5 * (LOOKBACK_S + 34.0) * 50 + 2
    found += stream.close()
    whole = detect_falls(ts, accel, gyro, POSITION[group], MODEL, at_end=True)
    assert {(e.impact_us, e.probability) for e in whole} <= {(e.impact_us, e.probability) for e in found}


@law
@given(seeds, st.floats(0.0, 45.0), groups)
def test_hours_of_any_stream_tell_what_the_whole_tells(seed, edge_s, group):
    ts, accel, gyro = jolts(seed, 50.0)
    position, edge = POSITION[group], int(ts[0]) + int(edge_s * 1e6)
    end = int(ts[-1]) + 5_000_000
    before, after = ts < edge, ts >= edge - int(LOOKBACK_S * 1e6)
    first = detect_falls(ts[before], accel[before], gyro[before], position, MODEL, None, edge)
    second = detect_falls(ts[after], accel[after], gyro[after], position, MODEL, edge, end)
    assert first + second == detect_falls(ts, accel, gyro, position, MODEL, None, end)


@pytest.mark.parametrize("group", sorted(POSITION))
@pytest.mark.parametrize("value", [0.0, 1.0, 16.0, -16.0])
def test_a_flat_or_saturated_sensor_is_no_fall_and_no_error(group, value):
    ts = np.arange(500, dtype=np.int64) * 20_000
    flat = np.full((500, 3), value, np.float32)
    assert detect_falls(ts, flat, None, POSITION[group], MODEL, at_end=True) == []


@law
@given(groups, seeds)
def test_a_device_that_is_turned_around_while_nothing_hits_it_is_no_fall(group, seed):
    turn = Rotation.random(random_state=np.random.default_rng(seed)).as_matrix().T
    ts, accel, gyro = motion.walking(amplitude_g=0.3).sample(50.0)
    half = len(ts) // 2
    accel[half:], gyro[half:] = accel[half:] @ turn, gyro[half:] @ turn
    assert detect_falls(ts, accel, gyro, POSITION[group], MODEL, at_end=True) == []
