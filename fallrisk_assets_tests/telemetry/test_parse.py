"""Reading drops: every line is a row or a bad line, with the right reason."""

import json

import numpy as np
import pytest

from fallrisk_assets.telemetry import parse_strict
from fallrisk_assets.telemetry.parse import parse_drop, place_rows
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets_tests.telemetry.messages import (
    DEVICE,
    HOUR_START_US,
    PATIENT,
    RECEIVED,
    as_drop,
    drop_name,
    line,
    message,
    walk,
)


def parse(*lines: str):
    return parse_drop(as_drop(list(lines)), drop_name())


def test_a_line_becomes_a_row_with_what_it_says():
    drop = parse(line(7))
    assert (drop.rows, drop.lines, drop.bad_lines) == (1, 1, [])
    assert drop.line_number.tolist() == [1]
    assert drop.ts_us.tolist() == [HOUR_START_US + 140_000]
    assert (drop.seq.tolist(), drop.boot.tolist()) == ([7], [1])
    assert drop.accel_g.tolist() == np.array([[0.0123, -0.9981, 0.0411]], np.float32).tolist()
    assert drop.gyro_dps.tolist() == np.array([[1.25, -0.5, 0.06]], np.float32).tolist()
    assert drop.has_gyro.tolist() == [True]
    assert drop.battery.tolist() == [np.float32(0.934)]
    assert (drop.devices, drop.patients) == ([DEVICE], [PATIENT])
    assert (drop.firmwares, drop.positions) == (["2.4.1"], ["waist"])


def test_columns_have_the_types_that_the_interface_promises():
    drop = parse(line())
    types = {
        "line_number": "int32",
        "ts_us": "int64",
        "seq": "int64",
        "boot": "int32",
        "accel_g": "float32",
        "gyro_dps": "float32",
        "has_gyro": "bool",
        "battery": "float32",
        "device_code": "int16",
        "patient_code": "int16",
        "firmware_code": "int16",
        "position_code": "int16",
    }
    assert {name: str(getattr(drop, name).dtype) for name in types} == types


def test_an_accelerometer_only_device_has_no_gyro_and_is_read_all_the_same():
    drop = parse(line(0, gyro=None), line(1))
    assert drop.has_gyro.tolist() == [False, True]
    assert np.isnan(drop.gyro_dps[0]).all()
    assert not np.isnan(drop.gyro_dps[1]).any()


def test_optional_fields_may_be_absent_or_null():
    bare = line(0, meta_fw=None, meta_battery=None, meta_position=None)
    null = line(1).replace('"battery":0.934', '"battery":null').replace('"2.4.1"', "null")
    drop = parse(bare, null)
    assert drop.bad_lines == []
    assert np.isnan(drop.battery).all()
    assert [drop.firmwares[code] for code in drop.firmware_code] == ["", ""]
    assert [drop.positions[code] for code in drop.position_code] == ["", "waist"]


@pytest.mark.parametrize(
    ("ts", "after_us"),
    [
        ("2026-01-05T07:00:00Z", 0),
        ("2026-01-05T07:00:00.1Z", 100_000),
        ("2026-01-05T07:00:00.020Z", 20_000),
        ("2026-01-05T07:00:00.000001Z", 1),
        ("2026-01-05T07:00:00.123456789Z", 123_456),
        ("2026-01-05T08:30:00+01:30", 0),
        ("2026-01-05T02:00:00.5-05:00", 500_000),
        (1767596400020, 20_000),
    ],
)
def test_a_time_is_iso_with_a_zone_or_epoch_milliseconds(ts, after_us):
    assert parse(line(0, ts=ts)).ts_us.tolist() == [HOUR_START_US + after_us]


@pytest.mark.parametrize(
    "ts",
    [
        "",
        "yesterday",
        "2026-01-05T07:00:00",
        "2026-01-05 07:00:00Z",
        "2026-02-29T07:00:00Z",
        "2026-13-01T07:00:00Z",
        "2026-00-01T07:00:00Z",
        "2026-01-00T07:00:00Z",
        "2026-04-31T07:00:00Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T07:60:00Z",
        "2026-01-05T07:00:60Z",
        "2026-01-05T07:00:00.Z",
        "2026-01-05T07:00:00+24:00",
        "1969-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        -1,
        4102444800000,
        10**30,
    ],
)
def test_a_time_that_does_not_exist_or_has_no_zone_is_implausible(ts):
    drop = parse(line(0, ts=ts))
    assert [(bad.reason, bad.ts_us) for bad in drop.bad_lines] == [(Reason.TIME_IMPLAUSIBLE, None)]


REFUSED = {
    "cut off": (line()[:100], Reason.LINE_NOT_JSON, ""),
    "garbage": ("\x00\x01garbage", Reason.LINE_NOT_JSON, ""),
    "two messages": (line() + line(), Reason.LINE_NOT_JSON, "trailing"),
    "a list": ("[1,2]", Reason.LINE_NOT_JSON, "list"),
    "a number": ("42", Reason.LINE_NOT_JSON, "int"),
    "null": ("null", Reason.LINE_NOT_JSON, "NoneType"),
    "deep": ('{"deviceId":' + "[" * 5000, Reason.LINE_NOT_JSON, ""),
    "no seq": (line(0, seq=None), Reason.FIELD_MISSING, "seq"),
    "no ts": (line(0, ts=None), Reason.FIELD_MISSING, "ts"),
    "no device": (line(0, deviceId=None), Reason.FIELD_MISSING, "deviceId"),
    "no patient": (line(0, patientId=None), Reason.FIELD_MISSING, "patientId"),
    "no accel": (line(0, accel=None), Reason.FIELD_MISSING, "accel"),
    "no accel.z": (line(0, accel={"x": 0, "y": 1}), Reason.FIELD_MISSING, "accel.z"),
    "half a gyro": (line(0, gyro={"x": 0}), Reason.FIELD_MISSING, "gyro.y"),
    "no meta": (line(0, meta=None), Reason.FIELD_MISSING, "meta"),
    "no version": (line(0, meta_schemaVersion=None), Reason.FIELD_MISSING, "meta.schemaVersion"),
    "no boot": (line(0, meta_boot=None), Reason.FIELD_MISSING, "meta.boot"),
    "seq is text": (line(0, seq="12"), Reason.FIELD_WRONG_TYPE, 'seq is "12"'),
    "seq is fractional": (line(0, seq=12.5), Reason.FIELD_WRONG_TYPE, "seq is 12.5"),
    "seq is true": (line(0, seq=True), Reason.FIELD_WRONG_TYPE, "seq is true"),
    "device is a number": (line(0, deviceId=10001), Reason.FIELD_WRONG_TYPE, "deviceId"),
    "accel is a list": (line(0, accel=[0, 0, 1]), Reason.FIELD_WRONG_TYPE, "accel"),
    "accel.x is text": (line(0, accel={"x": "0", "y": 0, "z": 1}), Reason.FIELD_WRONG_TYPE, "accel.x"),
    "accel.x is null": (
        line().replace('"x":0.0123', '"x":null'),
        Reason.FIELD_WRONG_TYPE,
        "accel.x is null",
    ),
    "battery is text": (line(0, meta_battery="full"), Reason.FIELD_WRONG_TYPE, "meta.battery"),
    "time is fractional": (line(0, ts=1767596400020.5), Reason.FIELD_WRONG_TYPE, "ts"),
    "accel.x is NaN": (line().replace("0.0123", "NaN"), Reason.VALUE_NOT_FINITE, "accel.x is NaN"),
    "gyro.y is -Infinity": (line().replace("-0.5", "-Infinity"), Reason.VALUE_NOT_FINITE, "gyro.y"),
    "accel.x overflows": (line().replace("0.0123", "1e39"), Reason.VALUE_OUT_OF_RANGE, "accel"),
    "accel.x overflows all": (line().replace("0.0123", "1e999"), Reason.VALUE_OUT_OF_RANGE, "accel.x"),
    "seq is negative": (line(0, seq=-1), Reason.VALUE_OUT_OF_RANGE, "seq"),
    "seq is huge": (line(0, seq=2**63), Reason.VALUE_OUT_OF_RANGE, "seq"),
    "boot is huge": (line(0, meta_boot=2**31), Reason.VALUE_OUT_OF_RANGE, "boot"),
    "another version": (line(0, meta_schemaVersion=99), Reason.SCHEMA_VERSION_UNKNOWN, "99"),
    "another version, other fields": (
        '{"meta":{"schemaVersion":2},"v":[]}',
        Reason.SCHEMA_VERSION_UNKNOWN,
        "2",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_bad_line_costs_that_line_and_says_why(fault):
    text, reason, words = REFUSED[fault]
    drop = parse(line(0), text, line(2))
    assert (drop.lines, drop.line_number.tolist()) == (3, [1, 3])
    (bad,) = drop.bad_lines
    assert (bad.line_number, bad.reason) == (2, reason)
    assert words in bad.detail
    assert bad.payload == text[:500]


def test_a_detail_never_repeats_an_identifier():
    drop = parse(line(0, patientId=4711), line(0, patientId=["pt-4711"]))
    assert [bad.reason for bad in drop.bad_lines] == [Reason.FIELD_WRONG_TYPE] * 2
    assert not any("4711" in bad.detail for bad in drop.bad_lines)


def test_a_line_in_other_words_means_the_same():
    content = message(3)
    reordered = dict(reversed(content.items()))
    spaced = json.dumps({**reordered, "extra": {"a": [1, None]}}, indent=None)
    escaped = line(3).replace("imu", "\\u0069mu")
    drop = parse(line(3), spaced, escaped, "  " + line(3) + "\t\r")
    assert drop.bad_lines == []
    for name in ("ts_us", "seq", "boot", "battery", "device_code", "patient_code", "firmware_code"):
        assert len(set(getattr(drop, name).tolist())) == 1, name
    assert (drop.accel_g == drop.accel_g[0]).all()
    assert (drop.gyro_dps == drop.gyro_dps[0]).all()


def test_blank_lines_keep_their_number_but_are_no_lines():
    drop = parse_drop(f"\n{line(0)}\r\n \t\r\n\n{line(1)}".encode(), drop_name())
    assert (drop.lines, drop.rows, drop.bad_lines) == (2, 2, [])
    assert drop.line_number.tolist() == [2, 5]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\n", b" \r\n", b"\xef\xbb\xbf"])
def test_a_drop_without_lines_is_empty_not_an_error(data):
    drop = parse_drop(data, drop_name())
    assert (drop.lines, drop.rows, drop.bad_lines) == (0, 0, [])
    hours, unplaceable = place_rows(drop)
    assert hours.size == unplaceable.size == 0


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    drop = parse_drop(b"\xef\xbb\xbf" + as_drop([line(0), "x"]), drop_name())
    assert drop.line_number.tolist() == [1]
    assert [bad.line_number for bad in drop.bad_lines] == [2]


def test_lines_that_are_not_utf8_are_bad_and_can_still_be_shown():
    drop = parse_drop(line(0).encode().replace(b"waist", b"wa\xffst") + b"\n", drop_name())
    (bad,) = drop.bad_lines
    assert bad.reason is Reason.LINE_NOT_JSON
    assert "wa\ufffdst" in bad.payload


def test_a_cut_off_line_still_tells_its_time_where_it_can():
    drop = parse(line(50)[:120], line(50)[:60], line(0, ts="junk")[:120])
    assert [bad.ts_us for bad in drop.bad_lines] == [HOUR_START_US + 1_000_000, None, None]


def test_a_payload_is_cut_to_500_characters_not_bytes():
    drop = parse("é" * 2000)
    assert drop.bad_lines[0].payload == "é" * 500


def test_many_patients_and_devices_in_one_drop_are_coded_in_sorted_order():
    names = [f"pt-{(7 * i) % 100}" for i in range(100)]
    lines = [line(i, patientId=name) for i, name in enumerate(names)]
    lines[50] = json.dumps(json.loads(lines[50]))
    drop = parse(*lines)
    assert drop.patients == sorted(set(names))
    assert [drop.patients[code] for code in drop.patient_code] == names


def test_more_texts_than_codes_refuses_lines_not_the_drop():
    lines = [json.dumps(message(0, patientId=f"p{i}")) for i in range(32_780)]
    drop = parse(*lines)
    assert (drop.rows, len(drop.bad_lines), len(drop.patients)) == (32_767, 13, 32_767)
    assert {bad.reason for bad in drop.bad_lines} == {Reason.VALUE_OUT_OF_RANGE}


def test_which_lines_are_beyond_the_limit_does_not_depend_on_how_they_are_written():
    lines = [json.dumps(message(0, patientId=f"p{i}")) for i in range(32_767)]
    drop = parse(*lines, line(1, patientId="one-more"))
    assert (drop.rows, [bad.line_number for bad in drop.bad_lines]) == (32_767, [32_768])


def test_a_long_drop_reads_to_its_last_line_with_and_without_a_newline():
    data = as_drop(walk(3000))
    whole, cut = parse_drop(data, drop_name()), parse_drop(data[:-1], drop_name())
    assert whole.rows == cut.rows == 3000
    assert whole.seq.tolist() == cut.seq.tolist() == list(range(3000))


def test_rows_belong_to_their_own_hour_and_implausible_ones_to_the_hour_of_receipt():
    received_us = round(RECEIVED.timestamp()) * 1_000_000
    day_us = 24 * 3_600_000_000
    first, last = received_us - 30 * day_us, received_us + 300_000_000 - 1000
    drop = parse(
        *(line(i, ts=ts_us // 1000) for i, ts_us in enumerate([first, last, first - 1000, last + 1000]))
    )
    hours, unplaceable = place_rows(drop)
    assert hours.dtype == np.int64
    assert unplaceable.tolist() == [False, False, True, True]
    here = received_us // 3_600_000_000
    assert hours.tolist() == [first // 3_600_000_000, here, here, here]


def test_selecting_rows_keeps_every_column_in_step():
    drop = parse(*(line(i) for i in range(10)))
    odd = drop.select(drop.seq % 2 == 1)
    assert odd.rows == 5
    assert odd.line_number.tolist() == [2, 4, 6, 8, 10]
    assert odd.accel_g.shape == (5, 3)
    assert odd.patient_code.shape == (5,)
    assert (odd.lines, odd.patients) == (10, drop.patients)


@pytest.mark.parametrize(
    ("usual", "repeated", "key"),
    [
        ('"seq":0', '"seq":0,"seq":77', "seq"),
        ('"seq":0', '"seq":0,"s\\u0065q":0', "seq"),
        ('"accel":{', '"accel":{"x":9.5,', "x"),
        ('"gyro":{', '"gyro":null,"gyro":{', "gyro"),
        ('"meta":{', '"meta":{"fw":null,', "fw"),
        ('"boot":1', '"boot":1,"boot":1', "boot"),
        ('"seq":0', '"seq":0,"further":[{"a":{"b":1,"b":2}}]', "b"),
        ('"seq":0', '"seq":"x","seq":"y"', "seq"),
        ('"seq":0', '"seq":-1,"seq":-2', "seq"),
        ('"x":0.0123', '"x":NaN,"x":0.5', "x"),
        ('"seq":0', '"further":' + "9" * 5000 + ',"seq":0,"seq":1', "seq"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_name_never_decided_by_the_last_one(usual, repeated, key):
    text = line(0)
    assert usual in text
    drop = parse(text.replace(usual, repeated), line(1))
    assert drop.seq.tolist() == [1]
    (bad,) = drop.bad_lines
    assert (bad.line_number, bad.reason) == (1, Reason.LINE_NOT_JSON)
    assert bad.detail == f"key {key!r} stands twice in one object"


@pytest.mark.parametrize(
    "text",
    [
        line(0).replace('"seq":0', '"further":{"seq":1,"x":{"x":2}},"seq":0,"more":[{"a":1},{"a":2}]'),
        line(0).replace('"fw":"2.4.1"', '"fw":"seq\\"seq\\"x"'),
        line(0).replace('"seq":0', '"further":' + "9" * 5000 + ',"seq":0'),
        line(0).replace('"gyro":{', '"note":null,"gyro":{'),
        json.dumps(dict(reversed(message(0).items()))),
    ],
)
def test_the_same_key_in_different_objects_or_texts_is_no_repetition(text):
    drop = parse(text)
    assert (drop.seq.tolist(), drop.bad_lines) == ([0], [])


def test_every_line_of_the_devices_own_form_is_known_to_have_no_key_twice_without_looking_again(monkeypatch):
    looked: list[bytes] = []
    monkeypatch.setattr(parse_strict, "_refuse_repeated_keys", looked.append)
    for changes in ({}, {"gyro": None}, {"ts": 1767596400020}, {"meta_fw": None, "meta_battery": None}):
        parse_strict.read_line(json.dumps(message(0, **changes)).encode())
    assert looked == []
