"""Promises of the window score: walking is not high, rate and length do not matter, no ground no number."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.mobility.feature_names import FEATURE_INDEX
from fallrisk_assets.mobility.features import features_for_windows
from fallrisk_assets.mobility.windows import QUALITY_REASONS
from fallrisk_assets.partitions import device_bucket
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.contract import WindowScores
from fallrisk_assets.risk.window_scores import INPUTS, band_of, instability, score_table
from fallrisk_assets.validation import validate

HOUR = dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC)


def score(m, rate_hz=50.0, length_s=10.0, start_s=2.0, seed=1):
    _, accel, gyro = m.sample(rate_hz, seed=seed)
    rows = slice(int(start_s * rate_hz), int((start_s + length_s) * rate_hz))
    found = features_for_windows(accel[rows][None], gyro[rows][None], rate_hz)[0]
    return float(instability(*(found[FEATURE_INDEX[name]] for name in INPUTS)))


@pytest.mark.parametrize("amplitude_g", [0.1, 0.2, 0.4, 0.7])
@pytest.mark.parametrize("cadence_hz", [1.4, 1.8, 2.2])
def test_steady_walking_is_low(amplitude_g, cadence_hz):
    assert score(motion.walking(amplitude_g=amplitude_g, cadence_hz=cadence_hz)) < 0.5


def test_rest_and_lying_down_are_low_sitting_hard_is_medium_and_a_fall_is_high():
    assert score(motion.Motion(20.0)) < 0.1
    assert score(motion.lying_down()) < 0.5
    assert 0.5 <= score(motion.sitting_hard()) < 0.8
    assert score(motion.fall(at_s=8.0, peak_g=4.0)) >= 0.8


@pytest.mark.parametrize(
    "m", [motion.walking(duration_s=40.0), motion.Motion(40.0, tremor_g=0.05)], ids=["walking", "swaying"]
)
def test_neither_the_rate_nor_the_length_of_a_window_changes_the_score(m):
    by_rate = [score(m, rate_hz) for rate_hz in (20.0, 50.0, 100.0, 200.0)]
    by_length = [score(m, length_s=length_s) for length_s in (5.0, 10.0, 20.0, 30.0)]
    assert max(by_rate) - min(by_rate) < 0.05
    assert max(by_length) - min(by_length) < 0.12


@given(st.floats(0, 5), st.floats(-1, 1), st.floats(0, 180))
def test_a_score_is_a_share_and_grows_with_disorder(sd_g, repetition, tilt_deg):
    value = instability(sd_g, repetition, tilt_deg)
    assert 0 <= value <= 1
    assert instability(sd_g, repetition, min(180.0, tilt_deg + 10)) >= value - 1e-12
    assert instability(sd_g, max(-1.0, repetition - 0.1), tilt_deg) >= value - 1e-12


def test_every_band_is_populated():
    assert band_of(np.array([0.1, 0.5, 0.79, 0.8, np.nan])).tolist() == [
        "low",
        "medium",
        "medium",
        "high",
        "NOT_SCORED",
    ]


def features(rows):
    n = len(rows)
    return pa.table(
        {
            "device_bucket": pa.array([device_bucket("imu-1")] * n, pa.int32()),
            "device_id": ["imu-1"] * n,
            "patient_id": ["pt-1"] * n,
            "window_end": pa.array([HOUR + dt.timedelta(seconds=5 * (i + 1)) for i in range(n)]).cast(
                pa.timestamp("us", "UTC")
            ),
            "hour": pa.array([HOUR] * n).cast(pa.timestamp("us", "UTC")),
            "worn": [r.get("worn", True) for r in rows],
            "quality": pa.array([r.get("quality") for r in rows], pa.string()),
            **{
                name: pa.array([r.get("inputs", (0.2, 0.9, 1.0))[k] for r in rows], pa.float32())
                for k, name in enumerate(INPUTS)
            },
        }
    )


def test_a_window_without_ground_has_a_reason_and_never_a_number():
    rows = [{"quality": reason} for reason in QUALITY_REASONS]
    rows += [{"worn": False}, {"inputs": (0.2, None, 1.0)}, {"inputs": (0.2, 0.9, None)}, {}]
    table = score_table(features(rows))
    assert validate(WindowScores, table).passed
    *unscored, scored = table.to_pylist()
    assert all(r["score"] is None for r in unscored)
    assert all(r["band"] == "NOT_SCORED" for r in unscored)
    assert {r["reason"] for r in unscored} >= {"NOT_WORN", "GAP", "IMPLAUSIBLE_RATE", "TOO_LITTLE_DATA"}
    assert scored["band"] == "low"
    assert scored["reason"] is None
    assert 0 < scored["score"] < 0.5


def test_no_windows_are_no_scores():
    assert score_table(features([])).num_rows == 0
