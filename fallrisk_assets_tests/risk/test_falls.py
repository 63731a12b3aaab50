"""Promises of the hourly falls: whose fall, which hour, which id."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.detector import LOOKBACK_S, released_model
from fallrisk_assets.risk.falls import SAMPLE_COLUMNS, device_falls, event_id
from fallrisk_assets.risk.preview import fall_svg
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.telemetry.ingest import TAIL_S
from fallrisk_assets.validation import validate

MODEL = released_model()
HOUR_US = 3_600_000_000
START = int(dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC).timestamp()) * 1_000_000


def rows_of(ts, accel, gyro, device="imu-1", patient="pt-1", position="waist"):
    n = len(ts)
    patients = [patient] * n if isinstance(patient, str) else patient
    columns = {
        "device_id": [device] * n,
        "patient_id": patients,
        "position": [position] * n,
        "ts": pa.array(ts, pa.int64()).cast(pa.timestamp("us", "UTC")),
        **{f"accel_{x}_g": accel[:, k] for k, x in enumerate("xyz")},
        **{f"gyro_{x}_dps": gyro[:, k] for k, x in enumerate("xyz")},
    }
    schema = arrow_schema(Telemetry)
    return pa.table(columns).cast(pa.schema([schema.field(name) for name in SAMPLE_COLUMNS]))


def a_fall(at_us=START + 60_000_000, **about):
    ts, accel, gyro = motion.fall(at_s=6.0).sample(50.0, seed=3, start_us=at_us - 6_000_000)
    return rows_of(ts, accel, gyro, **about)


def test_a_fall_becomes_a_row_that_keeps_the_contract():
    table, around = device_falls(a_fall(), MODEL, START, START + HOUR_US)
    assert validate(FallEvents, table).passed
    (row,) = table.to_pylist()
    assert row["device_id"] == "imu-1"
    assert row["patient_id"] == "pt-1"
    assert row["model_version"] == MODEL.version
    assert row["impact_at"] <= row["decided_at"] <= row["impact_at"] + dt.timedelta(seconds=4)
    (event, t_s, norm_g) = around[0]
    assert norm_g[np.argmin(np.abs(t_s))] == pytest.approx(norm_g.max())
    assert event.probability == pytest.approx(row["probability"], abs=1e-6)


def test_an_impact_before_the_hour_that_is_decided_in_it_is_a_row_of_the_hour():
    rows = a_fall(START - 2_000_000)
    before, _ = device_falls(rows, MODEL, START - HOUR_US, START)
    of_hour, _ = device_falls(rows, MODEL, START, START + HOUR_US)
    assert before.num_rows == 0
    (row,) = of_hour.to_pylist()
    assert row["impact_at"] < dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC) <= row["decided_at"]


def test_the_same_fall_has_the_same_id_however_often_it_is_computed():
    first, _ = device_falls(a_fall(), MODEL, START, START + HOUR_US)
    again, _ = device_falls(a_fall(), MODEL, START, START + HOUR_US)
    assert first == again
    assert event_id("imu-1", 5_000_400) == event_id("imu-1", 5_000_900)
    assert event_id("imu-1", 5_000_400) != event_id("imu-2", 5_000_400)
    assert event_id("imu-1", 5_000_400) != event_id("imu-1", 5_001_400)


def test_two_patients_of_one_device_are_never_bridged():
    rows = a_fall()
    ts = rows["ts"].cast(pa.int64()).to_numpy()
    impact = START + 60_000_000
    owners = {-1.0: ["pt-2"], 0.0: [], 0.1: [], 1.0: ["pt-1"], 5.0: ["pt-1"]}
    for handed_over_s, owner in owners.items():
        mine = ts < impact + handed_over_s * 1e6
        mixed = rows.set_column(
            1, rows.schema.field("patient_id"), pa.array(np.where(mine, "pt-1", "pt-2").tolist())
        )
        table, _ = device_falls(mixed, MODEL, START, START + HOUR_US)
        alone = [
            device_falls(mixed.filter(pa.array(part)), MODEL, START, START + HOUR_US)[0]
            for part in (mine, ~mine)
        ]
        assert table == pa.concat_tables(alone), "each has the events of its own samples"
        assert table["patient_id"].to_pylist() == owner


def test_an_unfinished_hour_decides_nothing_beyond_its_last_sample():
    rows = a_fall()
    ts = rows["ts"].cast(pa.int64()).to_numpy()
    for seconds in (2.5, 3.0, 3.45):
        part = rows.filter(pa.array(ts <= START + 60_000_000 + seconds * 1e6))
        table, _ = device_falls(part, MODEL, START, START + HOUR_US, final=False)
        assert table.num_rows == 0
    complete = rows.filter(pa.array(ts <= START + 63_600_000))
    live, _ = device_falls(complete, MODEL, START, START + HOUR_US, final=False)
    later, _ = device_falls(rows, MODEL, START, START + HOUR_US, final=True)
    assert live == later
    assert live.num_rows == 1


def test_a_restarted_device_that_repeats_a_time_costs_one_sample_and_no_exception():
    rows = a_fall()
    doubled = pa.concat_tables([rows.slice(0, 101), rows.slice(100)])
    table, _ = device_falls(doubled, MODEL, START, START + HOUR_US)
    expected, _ = device_falls(rows, MODEL, START, START + HOUR_US)
    assert table == expected


def test_the_tail_that_an_hour_watches_holds_all_that_a_decision_looks_back_on():
    assert LOOKBACK_S <= TAIL_S


def test_no_samples_are_an_empty_table():
    table, around = device_falls(a_fall().slice(0, 0), MODEL, START, START + HOUR_US)
    assert table.schema == arrow_schema(FallEvents)
    assert (table.num_rows, around) == (0, [])


def test_the_drawing_shows_the_peak_breaks_at_a_gap_and_repeats_byte_for_byte():
    t_s = np.arange(-6.0, 6.0, 0.005)
    norm_g = np.ones_like(t_s)
    norm_g[np.argmin(np.abs(t_s))] = 7.0
    kept = (t_s < 2.0) | (t_s > 4.0)
    svg = fall_svg(t_s[kept], norm_g[kept], 3.5, "a <b>")
    assert svg == fall_svg(t_s[kept], norm_g[kept], 3.5, "a <b>")
    assert svg.count("M") == 2
    assert "7 g" in svg
    assert "a &lt;b&gt;" in svg
    assert len(svg) < 6000
    assert fall_svg(np.empty(0), np.empty(0), 3.5).endswith("</svg>")
