"""Parquet drops: the same rules and values as JSON Lines."""

import io
import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.telemetry.drops import UnreadableDrop
from fallrisk_assets.telemetry.parse import COLUMNS, parse_drop
from fallrisk_assets.telemetry.parse_parquet import OPTIONAL, REQUIRED, row_payloads
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


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("ticks", [2**60, -(2**60), 2**63 - 1, -(2**63) + 1, -1, 253_402_300_800_000_000])
def test_a_time_that_no_calendar_holds_costs_its_row_not_the_run(ticks, unit):
    good = HOUR_START_US // 1_000_000 * {"ms": 10**3, "us": 10**6}[unit]
    times = pa.array([ticks, good, good]).cast(pa.timestamp(unit, "UTC"))
    drop = parse_drop(as_parquet({**flat(walk(3)), "ts": times}), NAME)
    assert drop.ts_us.tolist() == [HOUR_START_US] * 2
    (bad,) = drop.bad_lines
    assert (bad.line_number, bad.reason, bad.ts_us) == (1, Reason.TIME_IMPLAUSIBLE, None)
    assert '"ts":' in bad.payload


def test_a_bad_row_under_a_time_zone_that_nobody_knows_costs_that_row():
    times = pa.array([HOUR_START_US] * 3).cast(pa.timestamp("us", "Mars/Olympus"))
    drop = parse_drop(as_parquet({**flat(walk(3)), "ts": times, "seq": [-1, 1, 2]}), NAME)
    assert [(bad.line_number, bad.reason) for bad in drop.bad_lines] == [(1, Reason.VALUE_OUT_OF_RANGE)]
    assert '"ts":"2026-01-05T07:00:00.000000Z"' in drop.bad_lines[0].payload


@pytest.mark.parametrize("name", [*REQUIRED, "fw", "gyro_x"])
def test_a_column_that_is_there_twice_makes_the_file_unreadable_by_name(name):
    columns = flat(walk(3))
    arrays = [pa.array(values) for values in (*columns.values(), columns[name])]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, names=[*columns, name]), sink)
    with pytest.raises(UnreadableDrop, match=f"{name} is there more than once"):
        parse_drop(sink.getvalue(), NAME)


def test_an_optional_column_of_nothing_but_nulls_is_absent_and_a_required_one_is_missing():
    nothing = pa.nulls(3)
    absent = dict.fromkeys(OPTIONAL, nothing)
    drop = parse_drop(as_parquet({**flat(walk(3)), **absent}), NAME)
    assert (drop.rows, drop.has_gyro.any(), drop.firmwares) == (3, False, [""])
    for name in ("seq", "accel_x", "deviceId"):
        drop = parse_drop(as_parquet({**flat(walk(3)), name: nothing}), NAME)
        assert [bad.reason for bad in drop.bad_lines] == [Reason.FIELD_MISSING] * 3


def test_a_row_is_shown_as_compact_json_cut_to_500_characters():
    columns = flat(walk(3, gyro=None))
    columns["accel_x"] = pa.array([0.1, None, 0.3], pa.float32())
    columns["fw"] = ["é" * 700, "1", "2"]
    columns["ts"] = pa.array([HOUR_START_US // 1000 + i for i in range(3)]).cast(pa.timestamp("ms", "UTC"))
    long, other = row_payloads(as_parquet(columns), [1, 2])
    assert len(long) == 500
    assert long.startswith(
        '{"deviceId":"imu-10001","patientId":"pt-1","seq":0,"ts":"2026-01-05T07:00:00.000Z"'
    )
    assert '"accel_x":0.1,' in long
    shown = json.loads(other)
    assert (shown["seq"], shown["accel_x"], shown["ts"]) == (1, None, "2026-01-05T07:00:00.001Z")
    assert ": " not in other


# -- fuzz: whatever a file holds, rows and bad lines add up, or the file is unreadable

_KINDS = [
    *(pa.null(), pa.bool_(), pa.int8(), pa.uint8(), pa.int32(), pa.int64(), pa.uint64(), pa.date32()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.decimal128(20, 3), pa.string(), pa.large_string()),
    *(pa.binary(), pa.time64("us"), pa.duration("ms"), pa.date64()),
    *(pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Mars/X")),
    *(pa.timestamp("us", "+14:59"), pa.timestamp("ms", "Europe/Rome")),
    *(pa.list_(pa.int64()), pa.struct([("x", pa.float64())]), pa.map_(pa.string(), pa.int8())),
    *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.int64()), pa.string_view()),
]
_USUAL = {
    "seq": [0, 1, 2, 3, 2**63 - 1, -1],
    "boot": [1, 2**31 - 1, 2**31, -(2**63)],
    "schemaVersion": [1, 1, 1, 2],
    "ts": [HOUR_START_US // 1000, 0, -1, 2**62, -(2**62)],
}
_WHOLE = st.one_of(st.integers(-(2**63), 2**64 - 1), st.sampled_from([0, 1, 2**31, 2**53, HOUR_START_US]))
_REAL = st.one_of(st.floats(), st.floats(width=32), st.sampled_from([1e39, -0.0, 1e-320]))
_WORDS = st.one_of(st.text(max_size=5), st.sampled_from(["imu-10001", "2026-01-05T07:00:00Z", "2026", "5"]))


@st.composite
def _array(draw, name: str, n: int) -> pa.Array:
    """Values of any type, mostly one that the column can have."""
    if draw(st.integers(0, 5)):
        own = {"deviceId": _WORDS, "patientId": _WORDS, "fw": _WORDS, "position": _WORDS}.get(name, _REAL)
        values = st.sampled_from(_USUAL[name]) if name in _USUAL else own
        column = pa.array(draw(st.lists(st.none() | values, min_size=n, max_size=n)))
        if name == "ts" and draw(st.booleans()) and not pa.types.is_null(column.type):
            zone = draw(st.sampled_from(["UTC", "Mars/X", "Asia/Kolkata", "-23:59"]))
            return column.cast(pa.timestamp(draw(st.sampled_from(["s", "ms", "us", "ns"])), zone))
        return column
    kind = draw(st.sampled_from(_KINDS))
    cells = draw(st.lists(st.none() | _WHOLE | _REAL | _WORDS, min_size=n, max_size=n))
    for wanted in (cells, [c if isinstance(c, int) else None for c in cells], [None] * n):
        try:
            base = pa.array(wanted)
            return base.cast(kind, safe=False)
        except (pa.ArrowException, OverflowError):
            continue
    return pa.nulls(n, kind)


@st.composite
def _file(draw) -> tuple[int, bytes]:
    """Rows in a Parquet file, and the file: columns odd, missing, twice, or of no interest."""
    n = draw(st.integers(0, 5))
    names = [name for name in (*REQUIRED, *OPTIONAL) if draw(st.integers(0, 60))]
    if not draw(st.integers(0, 9)):
        names.append(draw(st.sampled_from([*names, "further", "accel_x.y"])))
    names = draw(st.permutations(names))
    odd = draw(st.booleans())
    usual = flat(walk(n))
    columns = [
        draw(_array(name, n)) if odd or name not in usual or not draw(st.integers(0, 5)) else usual[name]
        for name in names
    ]
    sink = io.BytesIO()
    table = pa.Table.from_arrays([pa.array(values) for values in columns], names=names)
    options = {
        "row_group_size": draw(st.sampled_from([1, 2, 1000])),
        "use_dictionary": draw(st.booleans()),
        "store_schema": draw(st.booleans()),
    }
    try:
        pq.write_table(table, sink, **options)
    except (pa.ArrowException, OverflowError):  # a type or a value that Parquet itself cannot hold
        return -1, b""
    return n, sink.getvalue()


@settings(max_examples=400, deadline=None)
@given(_file())
def test_law_a_parquet_file_gives_rows_and_bad_lines_that_add_up_or_is_unreadable(file):
    n, data = file
    if n < 0:
        return
    try:
        drop = parse_drop(data, NAME)
    except UnreadableDrop:
        return
    assert drop.lines == n == drop.rows + len(drop.bad_lines)
    numbers = [*drop.line_number.tolist(), *(bad.line_number for bad in drop.bad_lines)]
    assert sorted(numbers) == list(range(1, n + 1))
    assert ((drop.ts_us >= 0) & (drop.seq >= 0) & (drop.boot >= 0)).all()
    assert np.isfinite(drop.accel_g).all()
    assert len(row_payloads(data, range(1, n + 1))) == n
    assert all(bad.payload and len(bad.payload) <= 500 for bad in drop.bad_lines)
