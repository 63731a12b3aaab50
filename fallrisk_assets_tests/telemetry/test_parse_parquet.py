"""Parquet drops: the same rules and values as JSON Lines."""

import io
import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fallrisk_assets.telemetry.drops import UnreadableDrop
from fallrisk_assets.telemetry.parse import COLUMNS, parse_drop
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets_tests.telemetry.messages import HOUR_START_US, as_drop, drop_name, walk

NAME = drop_name(drop_format="parquet")


def flat(lines: list[str]) -> dict[str, list]:
    """Messages as the columns of a Parquet drop."""
    rows = [json.loads(text) for text in lines]
    columns: dict[str, list] = {
        name: [row[name] for row in rows] for name in ("deviceId", "patientId", "seq", "ts")
    }
    for sensor in ("accel", "gyro"):
        for axis in "xyz":
            columns[f"{sensor}_{axis}"] = [row[sensor][axis] if sensor in row else None for row in rows]
    for name in ("fw", "battery", "schemaVersion", "position", "boot"):
        columns[name] = [row["meta"][name] for row in rows]
    return columns


def as_parquet(columns: dict, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def with_nulls(kind: str) -> list:
    return [None, *flat(walk(3))[kind][1:]]


def test_a_parquet_drop_gives_what_the_same_json_lines_give():
    lines = walk(50, gyro=None)[:10] + walk(200)[10:]
    ours = parse_drop(as_parquet(flat(lines), row_group_size=64), NAME)
    theirs = parse_drop(as_drop(lines), drop_name())
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype
    for name in ("devices", "patients", "firmwares", "positions", "lines", "bad_lines"):
        assert getattr(ours, name) == getattr(theirs, name)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([HOUR_START_US // 1000 + i for i in range(3)]),
        pa.array([HOUR_START_US + 1000 * i for i in range(3)], pa.timestamp("us", "UTC")),
        pa.array([HOUR_START_US * 1000 + 1_000_000 * i + 999 for i in range(3)], pa.timestamp("ns", "UTC")),
        pa.array([HOUR_START_US // 1000 + i for i in range(3)], pa.timestamp("ms", "Europe/Rome")),
        pa.array([f"2026-01-05T08:00:00.00{i}+01:00" for i in range(3)]),
    ],
)
def test_a_time_may_be_a_timestamp_with_a_zone_milliseconds_or_text(times):
    drop = parse_drop(as_parquet({**flat(walk(3)), "ts": times}), NAME)
    assert drop.ts_us.tolist() == [HOUR_START_US, HOUR_START_US + 1000, HOUR_START_US + 2000]


def test_float32_and_dictionary_columns_are_read_as_they_are():
    columns = flat(walk(3))
    columns["accel_x"] = pa.array([0.1, 0.2, 0.3], pa.float32())
    columns["accel_y"] = pa.array([1, 0, -1], pa.int8())
    columns["position"] = pa.array(["wrist", "waist", "wrist"]).dictionary_encode()
    drop = parse_drop(as_parquet(columns), NAME)
    assert drop.accel_g[:, 0].tolist() == np.array([0.1, 0.2, 0.3], np.float32).tolist()
    assert drop.accel_g[:, 1].tolist() == [1.0, 0.0, -1.0]
    assert [drop.positions[code] for code in drop.position_code] == ["wrist", "waist", "wrist"]


def test_optional_columns_may_be_absent():
    columns = {
        name: values
        for name, values in flat(walk(3)).items()
        if not name.startswith(("gyro", "fw", "bat", "pos"))
    }
    drop = parse_drop(as_parquet(columns), NAME)
    assert (drop.rows, drop.has_gyro.any(), drop.firmwares, drop.positions) == (3, False, [""], [""])
    assert np.isnan(drop.battery).all()
    assert np.isnan(drop.gyro_dps).all()


FIRST_ROW = {
    "deviceId": (with_nulls("deviceId"), Reason.FIELD_MISSING),
    "patientId": (with_nulls("patientId"), Reason.FIELD_MISSING),
    "seq": (with_nulls("seq"), Reason.FIELD_MISSING),
    "ts": (with_nulls("ts"), Reason.FIELD_MISSING),
    "accel_z": (with_nulls("accel_z"), Reason.FIELD_MISSING),
    "gyro_y": (with_nulls("gyro_y"), Reason.FIELD_MISSING),
    "schemaVersion": (with_nulls("schemaVersion"), Reason.FIELD_MISSING),
    "boot": (with_nulls("boot"), Reason.FIELD_MISSING),
    "accel_x": ([float("nan"), 0.0, 0.0], Reason.VALUE_NOT_FINITE),
    "gyro_x": ([float("inf"), 0.0, 0.0], Reason.VALUE_NOT_FINITE),
    "accel_y": ([1e39, 0.0, 0.0], Reason.VALUE_OUT_OF_RANGE),
}
FURTHER = [
    ("seq", [-1, 1, 2], Reason.VALUE_OUT_OF_RANGE),
    ("seq", pa.array([2**63, 1, 2], pa.uint64()), Reason.VALUE_OUT_OF_RANGE),
    ("boot", [2**31, 1, 1], Reason.VALUE_OUT_OF_RANGE),
    ("schemaVersion", [9, 1, 1], Reason.SCHEMA_VERSION_UNKNOWN),
    ("ts", ["yesterday", "2026-01-05T07:00:00Z", "2026-01-05T07:00:00Z"], Reason.TIME_IMPLAUSIBLE),
    ("ts", pa.array([-5, 0, 1], pa.timestamp("s", "UTC")), Reason.TIME_IMPLAUSIBLE),
    ("ts", [4102444800000, 0, 1], Reason.TIME_IMPLAUSIBLE),
]


@pytest.mark.parametrize(
    ("name", "values", "reason"), [(name, *rest) for name, rest in FIRST_ROW.items()] + FURTHER
)
def test_a_bad_row_costs_that_row_and_says_why(name, values, reason):
    drop = parse_drop(as_parquet({**flat(walk(3)), name: values}), NAME)
    assert (drop.lines, drop.line_number.tolist()) == (3, [2, 3])
    (bad,) = drop.bad_lines
    assert (bad.line_number, bad.reason) == (1, reason)
    assert name.split("_")[0] in bad.detail
    assert '"deviceId"' in bad.payload
    assert (bad.ts_us is None) == (name == "ts")


@pytest.mark.parametrize("name", ["deviceId", "seq", "ts", "accel_x", "schemaVersion", "boot"])
def test_a_file_without_a_required_column_is_unreadable_by_name(name):
    columns = flat(walk(3))
    del columns[name]
    with pytest.raises(UnreadableDrop, match=name):
        parse_drop(as_parquet(columns), NAME)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seq", ["1", "2", "3"]),
        ("accel_x", ["1", "2", "3"]),
        ("deviceId", [1, 2, 3]),
        ("boot", [1.0, 1.0, 1.0]),
        ("ts", [1.5, 2.5, 3.5]),
        ("ts", [datetime(2026, 1, 5), None, None]),  # noqa: DTZ001
    ],
)
def test_a_column_of_the_wrong_type_makes_the_file_unreadable(name, values):
    with pytest.raises(UnreadableDrop, match=name):
        parse_drop(as_parquet({**flat(walk(3)), name: values}), NAME)


def test_a_naive_timestamp_is_refused_but_utc_is_read():
    with pytest.raises(UnreadableDrop, match="zone"):
        parse_drop(as_parquet({**flat(walk(1)), "ts": [datetime(2026, 1, 5, 7)]}), NAME)  # noqa: DTZ001
    aware = parse_drop(as_parquet({**flat(walk(1)), "ts": [datetime(2026, 1, 5, 7, tzinfo=UTC)]}), NAME)
    assert aware.ts_us.tolist() == [HOUR_START_US]


def test_a_corrupt_file_is_unreadable_wherever_it_is_damaged():
    whole = as_parquet(flat(walk(300)))
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[at : at + 16] = b"\xff" * len(damaged[at : at + 16])
        try:
            drop = parse_drop(bytes(damaged), NAME)
        except UnreadableDrop:
            continue
        assert drop.lines == drop.rows + len(drop.bad_lines)


def test_texts_that_are_not_utf8_make_the_file_unreadable_not_the_run_fail():
    broken = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(np.array([0, 1, 2, 3], np.int32)), pa.py_buffer(b"a\xffc")]
    )
    for name in ("deviceId", "ts"):
        with pytest.raises(UnreadableDrop):
            parse_drop(as_parquet({**flat(walk(3)), name: broken}), NAME)


def test_an_empty_file_has_no_lines():
    empty = {name: pa.array(values).slice(0, 0) for name, values in flat(walk(1)).items()}
    drop = parse_drop(as_parquet(empty), NAME)
    assert (drop.lines, drop.rows, drop.bad_lines) == (0, 0, [])
