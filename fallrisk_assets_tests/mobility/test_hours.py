"""An hour of a device as rows: the contract, quality, and what must not change the rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.mobility.contract import FIRST_FEATURE_ID, WindowFeatures
from fallrisk_assets.mobility.feature_names import FEATURE_NAMES, FEATURES
from fallrisk_assets.mobility.features import features_for_windows
from fallrisk_assets.mobility.hours import hour_features
from fallrisk_assets.mobility.samples import Wearer, device_samples, split_devices
from fallrisk_assets.mobility.windows import WindowConfig
from fallrisk_assets.validation import validate
from fallrisk_assets_tests.mobility.motion import (
    EIGHT,
    HOUR_US,
    device,
    keep,
    standing,
    still,
    telemetry_rows,
    times,
)

CONFIG = WindowConfig()
S = 1_000_000


def values(table: pa.Table) -> np.ndarray:
    return np.stack([table[name].to_numpy() for name in FEATURE_NAMES], axis=1)


def test_an_hour_keeps_its_contract():
    table = hour_features(standing(), EIGHT, CONFIG)
    assert table.schema == arrow_schema(WindowFeatures)
    report = validate(WindowFeatures, table)
    assert report.passed, report.counts
    assert table.num_rows == 720
    assert table["quality"].null_count == 720
    assert pc.all(table["worn"]).as_py()


def test_the_rows_hold_the_features_of_their_samples():
    samples = standing(EIGHT - 10 * S, 70)
    table = hour_features(samples, EIGHT, CONFIG)
    row = table.filter(pc.equal(table["window_start"].cast(pa.int64()), EIGHT + 20 * S))
    part = samples.between(EIGHT + 20 * S, EIGHT + 30 * S)
    wanted = features_for_windows(part.accel_g.T[None], part.gyro_dps.T[None], 50.0)
    np.testing.assert_allclose(values(row), wanted, rtol=2e-3, atol=2e-4)


def test_field_ids_of_features_are_their_places_in_the_list():
    columns = WindowFeatures.to_schema().columns
    assert [columns[n].metadata["field_id"] for n in FEATURE_NAMES] == list(
        range(FIRST_FEATURE_ID, FIRST_FEATURE_ID + len(FEATURES))
    )
    # Written down once: a column that moved or was renamed would take over another's identity.
    assert columns["sd_accel_norm"].metadata["field_id"] == 153
    assert columns["correlation_accel_xy"].metadata["field_id"] == 237
    assert columns["rms_gyro_vertical"].metadata["field_id"] == 250


def test_a_longer_tail_gives_the_same_rows():
    samples = standing(EIGHT - 3600 * S, 7200)
    tail = samples.between(EIGHT - 10 * S, EIGHT + HOUR_US)
    assert hour_features(samples, EIGHT, CONFIG).equals(hour_features(tail, EIGHT, CONFIG))


def test_an_hour_moved_in_time_has_the_same_features():
    here = standing(EIGHT - 10 * S, 1000)
    there = device(here.time_us + 5 * HOUR_US, here.accel_g, here.gyro_dps)
    one, other = hour_features(here, EIGHT, CONFIG), hour_features(there, EIGHT + 5 * HOUR_US, CONFIG)
    assert one.select(FEATURE_NAMES).equals(other.select(FEATURE_NAMES))


def test_a_window_with_a_gap_has_a_reason_and_no_features():
    whole = standing(EIGHT, 300)
    lost = (whole.time_us > EIGHT + 100 * S) & (whole.time_us < EIGHT + 103 * S)
    table = hour_features(keep(whole, ~lost), EIGHT, CONFIG)
    gap = table.filter(pc.equal(table["quality"], "GAP"))
    assert gap.num_rows >= 3
    assert np.isnan(values(gap)).all()
    good = table.filter(pc.is_null(table["quality"]))
    assert not np.isnan(values(good)).any()
    assert validate(WindowFeatures, table).passed


def test_a_device_on_a_table_is_not_worn_but_described():
    t = times(EIGHT, 3600)
    accel = still(len(t))
    lying_there = (t >= EIGHT + 600 * S) & (t < EIGHT + 1800 * S)
    accel[:, lying_there] = still(int(lying_there.sum()), noise_g=0.002)
    table = hour_features(device(t, accel), EIGHT, CONFIG)
    unworn = table.filter(pc.invert(table["worn"]))
    assert 235 <= unworn.num_rows <= 240
    assert unworn["quality"].unique().to_pylist() == ["NOT_WORN"]
    assert unworn["sd_accel_x"].null_count == 0


def test_a_gyroscope_that_fails_for_a_moment_is_missing_from_the_windows_that_hold_it():
    samples = standing(EIGHT, 120)
    samples.gyro_dps[1, 3000] = np.nan
    table = hour_features(samples, EIGHT, CONFIG).filter(pc.field("quality").is_null())
    without = table.filter(pc.is_null(table["mean_gyro_x"]))
    assert without["window_start"].cast(pa.int64()).to_pylist() == [EIGHT + 55 * S, EIGHT + 60 * S]
    assert without["mean_accel_x"].null_count == 0


@pytest.mark.parametrize("rate_hz", [20, 50, 100, 200])
def test_the_same_movement_has_the_same_features_at_any_rate(rate_hz):
    t = times(EIGHT, 40, rate_hz)
    seconds = (t - EIGHT) / S
    accel = np.stack(
        [0.1 * np.sin(2 * np.pi * 0.9 * seconds), 0 * seconds, 1 + 0.3 * np.sin(2 * np.pi * 1.8 * seconds)]
    )
    table = hour_features(device(t, accel), EIGHT, CONFIG).filter(pc.field("quality").is_null())
    assert table["dominant_frequency_accel_norm"].to_numpy() == pytest.approx(1.8, abs=0.05)
    assert table["sd_accel_z"].to_numpy() == pytest.approx(0.3 / np.sqrt(2), rel=0.01)
    assert table["locomotor_power_accel_z"].to_numpy() == pytest.approx(0.045, rel=0.02)
    assert table["autocorrelation_peak_accel_z"].to_numpy() == pytest.approx(1, abs=0.06)


def test_rows_of_the_lake_become_the_same_samples_in_any_order():
    samples = standing(EIGHT, 30)
    rows = telemetry_rows(samples)
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    for found in (device_samples(rows), device_samples(shuffled)):
        assert np.array_equal(found.time_us, samples.time_us)
        assert np.array_equal(found.accel_g, samples.accel_g)
        assert np.array_equal(found.gyro_dps, samples.gyro_dps)
        assert found.wearers == (Wearer("pt-1", "waist"),)


def test_devices_of_a_bucket_are_told_apart_in_any_order():
    parts = [telemetry_rows(standing(EIGHT, 5, device_id=f"imu-{i}")) for i in (3, 1, 2)]
    rows = pa.concat_tables(parts)
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    for table in (rows, shuffled):
        found = [part["device_id"].unique().to_pylist() for part in split_devices(table)]
        assert found == [["imu-1"], ["imu-2"], ["imu-3"]]


def test_samples_of_two_devices_are_refused():
    rows = telemetry_rows(standing(EIGHT, 1))
    with pytest.raises(ValueError, match="several devices"):
        device_samples(pa.concat_tables([rows, telemetry_rows(standing(EIGHT, 1, device_id="imu-2"))]))


def test_of_two_samples_at_one_time_the_first_stays_and_the_hour_goes_on():
    rows = telemetry_rows(standing(EIGHT, 1))
    twice = device_samples(pa.concat_tables([rows, rows]))
    once = device_samples(rows)
    assert np.array_equal(twice.time_us, once.time_us)
    assert np.array_equal(twice.accel_g, once.accel_g)
