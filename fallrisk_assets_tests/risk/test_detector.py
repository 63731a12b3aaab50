"""Promises of the fall detector: what fires, what does not, and what may not matter."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.detector import (
    LOOKBACK_S,
    POSITION_GROUPS,
    FallModel,
    detect_falls,
    released_model,
    score_candidates,
)
from fallrisk_assets.risk.fall_model import GROUP_TERMS, RELEASED
from fallrisk_assets.risk.fall_stream import FallStream
from fallrisk_assets.risk.impact_kernels import DECIDE_S, MAX_GAP_S, find_candidates, impact_features

MODEL = released_model()
START = 1_767_600_000_000_000


def sampled(m: motion.Motion, rate_hz: float = 50.0, seed: int = 1):
    return m.sample(rate_hz, seed=seed, start_us=START)


def two_falls(rate_hz: float = 50.0, apart_s: float = 30.0):
    """Two falls in one stream, the person upright again in between."""
    first = motion.fall(at_s=6.0, peak_g=5.0, free_fall_g=0.7, recovers=True)
    second = motion.fall(at_s=6.0, peak_g=5.0)
    n = int(apart_s * rate_hz)
    pieces = []
    for k, m in enumerate((first, second)):
        ts, accel, gyro = m.sample(rate_hz, seed=k, start_us=START)
        rest = motion.Motion(40.0).sample(rate_hz, seed=9 + k, start_us=START)
        accel = np.concatenate([accel[: int(8 * rate_hz)], accel[int(8 * rate_hz) :], rest[1]])
        gyro = np.concatenate([gyro, rest[2]])
        pieces.append((accel[:n], gyro[:n]))
    accel = np.concatenate([p[0] for p in pieces])
    gyro = np.concatenate([p[1] for p in pieces])
    ts = START + np.round(np.arange(len(accel)) * 1e6 / rate_hz).astype(np.int64)
    return ts, accel, gyro


@pytest.mark.parametrize("position", ["waist", "lowback", "chest", "wrist"])
@pytest.mark.parametrize("with_gyro", [True, False])
def test_a_fall_fires_once_and_is_decided_within_four_seconds(position, with_gyro):
    ts, accel, gyro = sampled(motion.fall(at_s=6.0, bounce_g=2.0))
    events = detect_falls(ts, accel, gyro if with_gyro else None, position, MODEL)
    assert len(events) == 1
    (event,) = events
    assert abs(event.impact_us - (START + 6_000_000)) < 300_000
    assert 0 <= event.decided_us - event.impact_us <= 4_000_000
    assert event.probability >= MODEL.threshold(position)
    assert 60 < event.posture_change_deg < 110
    assert event.stillness_s > 1.5
    assert not event.recovered


def tumbling(apart_s: float = 2.0):
    """One fall with two hard impacts, each of which convinces by itself."""
    at = 6.0 + apart_s
    return motion.Motion(
        24.0,
        postures=((5.3, 0.8, 60.0), (at - 0.5, 0.6, 150.0)),
        pulses=((5.65, 0.16, -0.5), (6.0, 0.045, 6.0), (at - 0.3, 0.12, -0.5), (at, 0.045, 4.5)),
        tremor_g=0.02,
    )


@pytest.mark.parametrize("apart_s", [2.0, 4.5, 7.4])
def test_a_second_hard_impact_seconds_later_belongs_to_the_same_fall(apart_s):
    ts, accel, gyro = sampled(tumbling(apart_s))
    found = find_candidates(ts, accel)
    convincing = score_candidates(impact_features(ts, accel, gyro, found), "waist", MODEL)
    assert (convincing >= MODEL.threshold("waist")).sum() == 2, "the scene must offer two impacts"
    (event,) = detect_falls(ts, accel, gyro, "waist", MODEL)
    assert abs(event.impact_us - (START + 6_000_000)) < 100_000


@pytest.mark.parametrize(
    ("apart_s", "edge_s"), [*((2.0, edge) for edge in np.arange(9.0, 13.0, 0.25)), (7.4, 12.0), (7.4, 16.85)]
)
def test_an_hour_that_ends_within_a_fall_does_not_let_it_fire_twice(apart_s, edge_s):
    ts, accel, gyro = sampled(tumbling(apart_s))
    whole = detect_falls(ts, accel, gyro, "waist", MODEL)
    edge = START + int(edge_s * 1e6)
    before, after = ts < edge, ts >= edge - int(LOOKBACK_S * 1e6)
    first = detect_falls(ts[before], accel[before], gyro[before], "waist", MODEL, None, edge)
    second = detect_falls(ts[after], accel[after], gyro[after], "waist", MODEL, edge)
    assert first + second == whole


def test_two_falls_half_a_minute_apart_are_two_events():
    ts, accel, gyro = two_falls()
    events = detect_falls(ts, accel, gyro, "waist", MODEL)
    assert len(events) == 2
    assert events[0].recovered
    assert not events[1].recovered


CONFUSERS = {
    "slow walking": (motion.walking(amplitude_g=0.2, cadence_hz=1.5), "waist"),
    "brisk walking": (motion.walking(amplitude_g=0.6, cadence_hz=2.1), "waist"),
    "jogging": (motion.walking(amplitude_g=1.5, cadence_hz=2.7), "waist"),
    "sitting down hard": (motion.sitting_hard(peak_g=3.0), "waist"),
    "lying down": (motion.lying_down(), "waist"),
    "one jump": (motion.jumping(times=1), "waist"),
    "jumping": (motion.jumping(times=5, peak_g=5.5), "waist"),
    "clapping": (motion.clapping(), "wrist"),
    "short clapping": (motion.clapping(times=3, peak_g=5.0), "wrist"),
    "walking at the wrist": (motion.walking(amplitude_g=0.5), "wrist"),
    "standing still": (motion.Motion(20.0), "waist"),
}


@pytest.mark.parametrize("name", CONFUSERS)
@pytest.mark.parametrize("with_gyro", [True, False])
@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 200.0])
def test_everyday_movements_are_no_falls(name, with_gyro, rate_hz):
    m, position = CONFUSERS[name]
    for seed in range(3):
        ts, accel, gyro = sampled(m, rate_hz, seed)
        assert detect_falls(ts, accel, gyro if with_gyro else None, position, MODEL) == []


@pytest.mark.parametrize("azimuth_deg", [0.0, 120.0, 250.0])
def test_the_rate_does_not_matter(azimuth_deg):
    m = motion.fall(at_s=6.0, peak_g=4.5, azimuth_deg=azimuth_deg)
    seen = []
    for rate_hz in (20.0, 25.0, 50.0, 100.0, 200.0):
        (event,) = detect_falls(*sampled(m, rate_hz), "waist", MODEL)
        seen.append((event.impact_us, event.probability, event.posture_change_deg))
    impacts, probabilities, angles = zip(*seen, strict=True)
    assert max(impacts) - min(impacts) <= 60_000
    assert max(probabilities) - min(probabilities) < 0.1
    assert max(angles) - min(angles) < 5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["fall", "sit", "walk"]))
def test_the_axes_do_not_matter(seed, kind):
    m = {
        "fall": motion.fall(at_s=6.0, peak_g=3.0),
        "sit": motion.sitting_hard(peak_g=3.0),
        "walk": motion.walking(amplitude_g=0.6),
    }[kind]
    ts, accel, gyro = sampled(m)
    turn = Rotation.random(random_state=np.random.default_rng(seed)).as_matrix().T
    plain = detect_falls(ts, accel, gyro, "waist", MODEL)
    turned = detect_falls(
        ts, (accel @ turn).astype(np.float32), (gyro @ turn).astype(np.float32), "waist", MODEL
    )
    assert len(plain) == len(turned) == (kind == "fall")
    for a, b in zip(plain, turned, strict=True):
        assert a.impact_us == b.impact_us
        assert a.probability == pytest.approx(b.probability, abs=1e-3)
        assert a.posture_change_deg == pytest.approx(b.posture_change_deg, abs=0.1)


@pytest.mark.parametrize("gain", [0.9, 0.95, 1.05, 1.1])
def test_a_sensor_with_some_percent_of_gain_sees_the_same_fall(gain):
    ts, accel, gyro = sampled(motion.fall(at_s=6.0, peak_g=3.0))
    (plain,) = detect_falls(ts, accel, gyro, "waist", MODEL)
    (scaled,) = detect_falls(ts, (accel * gain).astype(np.float32), gyro, "waist", MODEL)
    assert scaled.probability == pytest.approx(plain.probability, abs=0.02)
    assert scaled.peak_g == pytest.approx(plain.peak_g, rel=0.02)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 2999), max_size=12), st.sampled_from([20.0, 50.0]))
def test_pieces_of_a_stream_give_what_the_whole_gives(cuts, rate_hz):
    ts, accel, gyro = two_falls(rate_hz)
    whole = detect_falls(ts, accel, gyro, "waist", MODEL)
    stream = FallStream("waist", MODEL)
    pieces = []
    edges = [0, *sorted({c for c in cuts if c < len(ts)}), len(ts)]
    for a, b in itertools.pairwise(edges):
        pieces += stream.push(ts[a:b], accel[a:b], gyro[a:b])
        assert stream.held_samples <= (LOOKBACK_S + MAX_GAP_S) * rate_hz + 2
    assert pieces == whole
    assert len(whole) == 2


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 59.5))
def test_an_hour_with_the_tail_of_the_hour_before_decides_as_the_stream_does(edge_s):
    ts, accel, gyro = two_falls()
    edge = START + int(edge_s * 1e6)
    whole = detect_falls(ts, accel, gyro, "waist", MODEL)
    end = int(ts[-1]) + 1
    before = ts < edge
    after = ts >= edge - int(LOOKBACK_S * 1e6)
    first = detect_falls(ts[before], accel[before], gyro[before], "waist", MODEL, None, edge)
    second = detect_falls(ts[after], accel[after], gyro[after], "waist", MODEL, edge, end)
    assert first + second == whole
    assert all(e.decided_us < edge for e in first)
    assert all(e.decided_us >= edge for e in second)


def test_an_event_belongs_to_the_hour_in_which_it_was_decided():
    hour = START + 6_500_000
    ts, accel, gyro = sampled(motion.fall(at_s=6.0))
    before = ts < hour
    assert detect_falls(ts[before], accel[before], gyro[before], "waist", MODEL, None, hour) == []
    (event,) = detect_falls(ts, accel, gyro, "waist", MODEL, hour, hour + 3_600_000_000)
    assert event.impact_us < hour <= event.decided_us
    assert event.decided_us == event.impact_us + int(DECIDE_S * 1e6)


def without(samples, start_s, end_s):
    ts, accel, gyro = samples
    kept = (ts < START + start_s * 1e6) | (ts >= START + end_s * 1e6)
    return ts[kept], accel[kept], gyro[kept]


def test_beyond_a_long_gap_nothing_is_seen():
    samples = sampled(motion.fall(at_s=6.0))
    after = 6.1 + MAX_GAP_S + 0.05
    assert detect_falls(*without(samples, 6.1, after), "waist", MODEL) == [], (
        "the gap hides all that followed"
    )
    before = 5.9 - MAX_GAP_S - 0.05
    assert detect_falls(*without(samples, before, 5.9), "waist", MODEL) == [], "… all that went before"


@pytest.mark.parametrize("gap_s", [0.3, 1.0, 1.9])
def test_a_gap_beside_the_impact_does_not_hide_the_fall(gap_s):
    samples = sampled(motion.fall(at_s=6.0))
    assert len(detect_falls(*without(samples, 6.7, 6.7 + gap_s), "waist", MODEL)) == 1
    assert len(detect_falls(*without(samples, 5.1 - gap_s, 5.1), "waist", MODEL)) == 1


def test_a_gap_at_the_impact_leaves_no_ground():
    samples = sampled(motion.fall(at_s=6.0))
    assert detect_falls(*without(samples, 5.1, 5.95), "waist", MODEL) == []


def test_the_moment_of_an_impact_alone_is_no_ground_for_a_decision():
    ts, accel, gyro = sampled(motion.fall(at_s=6.0))
    late = ts >= START + 5_900_000
    assert detect_falls(ts[late], accel[late], gyro[late], "waist", MODEL) == []
    early = ts < START + 6_200_000
    assert detect_falls(ts[early], accel[early], gyro[early], "waist", MODEL, at_end=True) == []


@pytest.mark.parametrize("seconds_after", [1.0, 2.0, 3.0])
def test_a_fall_near_the_end_of_a_record_is_decided_on_what_there_is(seconds_after):
    ts, accel, gyro = sampled(motion.fall(at_s=6.0))
    early = ts < START + 6_000_000 + int(seconds_after * 1e6)
    record = ts[early], accel[early], gyro[early]
    assert detect_falls(*record, "waist", MODEL) == [], "more samples may come"
    (event,) = detect_falls(*record, "waist", MODEL, at_end=True)
    assert event.decided_us == event.impact_us + int(DECIDE_S * 1e6)
    stream = FallStream("waist", MODEL)
    assert stream.push(*record) == []
    assert stream.close() == [event]
    assert stream.close() == [], "an event is told once"


@pytest.mark.parametrize("seconds_before", [1.0, 2.0])
def test_a_fall_near_the_start_of_a_record_is_decided_on_what_there_is(seconds_before):
    ts, accel, gyro = sampled(motion.fall(at_s=6.0))
    late = ts >= START + 6_000_000 - int(seconds_before * 1e6)
    assert len(detect_falls(ts[late], accel[late], gyro[late], "waist", MODEL)) == 1


def test_a_device_without_gyroscope_and_one_that_loses_it_midway_still_detect():
    ts, accel, gyro = sampled(motion.fall(at_s=6.0, peak_g=5.0))
    none = detect_falls(ts, accel, None, "wrist", MODEL)
    lost = gyro.copy()
    lost[100:] = np.nan
    midway = detect_falls(ts, accel, lost, "wrist", MODEL)
    assert none == midway
    assert len(none) == 1
    assert detect_falls(ts, accel, gyro, "wrist", MODEL)[0].probability != none[0].probability


@pytest.mark.parametrize("position", sorted(POSITION_GROUPS))
@pytest.mark.parametrize("with_gyro", [True, False])
def test_every_position_has_its_numbers(position, with_gyro):
    ts, accel, gyro = sampled(motion.fall(at_s=6.0, peak_g=6.0))
    assert len(detect_falls(ts, accel, gyro if with_gyro else None, position, MODEL)) == 1


def test_an_unknown_position_and_unordered_times_are_refused():
    ts, accel, gyro = sampled(motion.fall())
    with pytest.raises(ValueError, match="position 'elbow' is unknown"):
        detect_falls(ts, accel, gyro, "elbow", MODEL)
    with pytest.raises(ValueError, match="not strictly increasing"):
        detect_falls(ts[::-1].copy(), accel, gyro, "waist", MODEL)
    with pytest.raises(ValueError, match="shapes do not fit"):
        detect_falls(ts, accel[:-1], gyro, "waist", MODEL)


def test_no_samples_are_no_falls():
    nothing = np.empty(0, np.int64), np.empty((0, 3), np.float32)
    assert detect_falls(*nothing, None, "waist", MODEL) == []
    assert FallStream("waist", MODEL).push(*nothing, None) == []


def test_an_edited_artefact_is_refused(tmp_path):
    from importlib import resources

    text = (resources.files("fallrisk_assets.risk") / "models" / RELEASED).read_text()
    content = json.loads(text)
    assert FallModel.from_json(text) == MODEL
    content["parameters"]["thresholds"]["trunk"] = 0.9
    with pytest.raises(ValueError, match="artefact was edited"):
        FallModel.from_json(json.dumps(content))


def test_physics_signs_hold_in_the_released_model():
    assert set(MODEL.models) == set(GROUP_TERMS)
    for group, kinds in GROUP_TERMS.items():
        assert set(MODEL.models[group]) == set(kinds)
        for kind, terms in kinds.items():
            fitted = MODEL.models[group][kind]
            assert fitted.terms == tuple(name for name, _ in terms)
            for (name, sign), b in zip(terms, fitted.coefficients, strict=True):
                assert sign * b >= 0.0, f"{group} {kind}: {name} has {b}"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(5_000, 900_000), st.floats(0.0, 4.0, width=32)), min_size=1, max_size=120)
)
def test_candidates_are_the_largest_of_their_neighbourhood(steps):
    ts = np.cumsum([s for s, _ in steps]).astype(np.int64)
    accel = np.zeros((len(ts), 3), np.float32)
    accel[:, 2] = [v for _, v in steps]
    v = accel[:, 2].astype(np.float64)
    expected = [
        i
        for i in range(len(ts))
        if v[i] ** 2 >= 1.6 * 1.6
        and not (v[(ts >= ts[i] - 1_500_000) & (ts < ts[i])] >= v[i]).any()
        and not (v[(ts > ts[i]) & (ts <= ts[i] + 1_500_000)] > v[i]).any()
    ]
    assert find_candidates(ts, accel).tolist() == expected
