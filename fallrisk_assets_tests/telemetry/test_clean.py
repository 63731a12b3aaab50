"""Judging a device-hour: whose sample, which copies, which units; and that every line is accounted for."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.telemetry.clean import Assignment, CleanedHour, assigned_patient, clean_device_hour
from fallrisk_assets.telemetry.drops import DropName
from fallrisk_assets.telemetry.gather import gather_device_hour, line_payloads
from fallrisk_assets.telemetry.parse import parse_drop
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets_tests.telemetry.messages import (
    DEVICE,
    HOUR,
    HOUR_START_US,
    PATIENT,
    RECEIVED,
    as_drop,
    drop_name,
    line,
    walk,
)
from fallrisk_assets_tests.telemetry.test_parse_parquet import as_parquet, flat

WORN = [Assignment(PATIENT, 0, None, "waist")]
SECOND_US = 1_000_000


def clean(*drops: list[str], assignments: list[Assignment] | None = None) -> CleanedHour:
    """The hour from drops given as lines, named so that they are in the order given."""
    parsed = []
    for i, lines in enumerate(drops):
        name = drop_name()
        parsed.append((f"drop-{i}", parse_drop(as_drop(lines), name)))
    rows = gather_device_hour(DEVICE, parsed, HOUR_START_US)
    return clean_device_hour(rows, WORN if assignments is None else assignments, HOUR_START_US)


def reasons(hour: CleanedHour) -> list[tuple[int, int, str]]:
    """(drop, line, reason) of each quarantined line."""
    q = hour.quarantine
    return [
        (int(drop), int(number), q.findings[code][0].value)
        for drop, number, code in zip(q.drop_index, q.line_number, q.finding, strict=True)
    ]


def assert_conserved(hour: CleanedHour) -> None:
    """Lines in = clean + duplicates + quarantined, in sum and per patient."""
    assert hour.received_lines == hour.rows + hour.duplicate_lines + len(hour.quarantine.patient)
    assert sum(c.received for c in hour.lines.values()) == hour.received_lines
    for patient, counts in hour.lines.items():
        kept = 0
        if patient in hour.patients:
            kept = int((hour.patient_code == hour.patients.index(patient)).sum())
        assert counts.received == kept + counts.duplicates + counts.quarantined, patient


def test_clean_samples_are_sorted_by_time_and_named_by_the_assignment():
    hour = clean([line(i) for i in (5, 3, 4, 0)], [line(i) for i in (2, 1)])
    assert hour.seq.tolist() == [0, 1, 2, 3, 4, 5]
    assert (np.diff(hour.ts_us) > 0).all()
    assert [hour.patients[code] for code in hour.patient_code] == [PATIENT] * 6
    assert [hour.positions[code] for code in hour.position_code] == ["waist"] * 6
    assert (hour.duplicate_lines, reasons(hour)) == (0, [])
    assert_conserved(hour)


def test_samples_with_the_same_time_are_ordered_by_boot_then_counter():
    at = "2026-01-05T07:00:00Z"
    hour = clean([line(s, ts=at, meta_boot=b) for b, s in ((2, 1), (1, 9), (2, 0), (1, 8))])
    assert list(zip(hour.boot.tolist(), hour.seq.tolist(), strict=True)) == [(1, 8), (1, 9), (2, 0), (2, 1)]


def test_a_file_sent_twice_counts_its_lines_as_duplicates_and_keeps_the_first_copy():
    lines = walk(100)
    hour = clean(lines, lines)
    assert (hour.rows, hour.duplicate_lines, reasons(hour)) == (100, 100, [])
    assert hour.lines[PATIENT].duplicates == 100
    assert_conserved(hour)


def test_the_counter_starts_anew_after_a_restart_without_being_a_duplicate():
    hour = clean([line(0), line(1), line(0, meta_boot=2, ts="2026-01-05T07:00:01Z")])
    assert (hour.rows, hour.duplicate_lines) == (3, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"accel": {"x": 0.0124, "y": -0.9981, "z": 0.0411}},
        {"gyro": {"x": 1.25, "y": -0.5, "z": 0.07}},
        {"gyro": None},
        {"ts": "2026-01-05T07:00:00.021Z"},
        {"meta_fw": "2.4.2"},
        {"meta_battery": 0.5},
    ],
)
def test_lines_that_disagree_about_the_same_sample_are_all_quarantined(change):
    hour = clean([line(0), line(1), line(1, **change), line(1), line(2)])
    assert hour.seq.tolist() == [0, 2]
    assert reasons(hour) == [(0, n, "DUPLICATE_CONFLICT") for n in (2, 3, 4)]
    assert hour.quarantine.findings[0][1] == "lines with the same device, boot and seq differ"
    assert hour.duplicate_lines == 0
    assert_conserved(hour)


def test_a_message_of_another_device_is_quarantined():
    hour = clean([line(0), line(1, deviceId="imu-666")])
    assert reasons(hour) == [(0, 2, "DEVICE_MISMATCH")]
    assert "imu-666" in hour.quarantine.findings[0][1]
    assert_conserved(hour)


def test_a_device_that_no_assignment_knows_gives_nothing_clean():
    hour = clean([line(0), line(1)], assignments=[])
    assert (hour.rows, reasons(hour)) == (0, [(0, 1, "UNKNOWN_DEVICE"), (0, 2, "UNKNOWN_DEVICE")])
    assert list(hour.lines) == [""]
    assert_conserved(hour)


def test_samples_outside_every_assignment_are_not_assigned_and_its_ends_are_half_open():
    start, end = HOUR_START_US + 2 * 20_000, HOUR_START_US + 4 * 20_000
    hour = clean([line(i) for i in range(6)], assignments=[Assignment(PATIENT, start, end, "wrist")])
    assert hour.seq.tolist() == [2, 3]
    assert {reason for _, _, reason in reasons(hour)} == {"DEVICE_NOT_ASSIGNED"}
    assert hour.lines[""].quarantined == 4
    assert_conserved(hour)


def test_a_device_reassigned_in_the_hour_serves_both_patients_and_neither_gets_the_others_samples():
    noon = HOUR_START_US + 5 * 20_000
    both = [Assignment("pt-1", 0, noon, "waist"), Assignment("pt-2", noon, None, "wrist")]
    lines = [line(i, patientId="pt-1" if i < 5 else "pt-2") for i in range(10)]
    lines[7] = line(7, patientId="pt-1")
    hour = clean(lines, assignments=both)
    assert [hour.patients[c] for c in hour.patient_code] == ["pt-1"] * 5 + ["pt-2"] * 4
    assert [hour.positions[c] for c in hour.position_code] == ["waist"] * 5 + ["wrist"] * 4
    assert reasons(hour) == [(0, 8, "PATIENT_MISMATCH")]
    assert hour.quarantine.patient == ["pt-1"]
    assert (hour.lines["pt-1"].received, hour.lines["pt-2"].received) == (5, 5)
    assert_conserved(hour)


def test_where_assignments_contradict_nobody_is_guessed():
    both = [Assignment("pt-1", 0, None, "waist"), Assignment("pt-2", HOUR_START_US + 20_000, None, "waist")]
    hour = clean([line(0), line(1)], assignments=both)
    assert hour.seq.tolist() == [0]
    assert reasons(hour) == [(0, 2, "DEVICE_NOT_ASSIGNED")]
    assert "more than one patient" in hour.quarantine.findings[0][1]
    assert assigned_patient(both, HOUR_START_US) == "pt-1"
    assert assigned_patient(both, HOUR_START_US + 20_000) == ""


def test_metres_per_second_squared_are_quarantined_unless_the_firmware_is_declared():
    lines = walk(1000, scale=9.80665)
    hour = clean(lines)
    assert hour.rows == 0
    assert hour.quarantine.by_reason() == {"UNIT_MISMATCH": 1000}
    assert "reads as m/s2" in hour.quarantine.findings[0][1]
    assert hour.lines[PATIENT].unit_mismatches == 1000
    assert_conserved(hour)

    declared = clean(walk(1000, scale=9.80665, meta_fw="0.8.3"))
    assert declared.rows == 1000
    assert declared.units["0.8.3"].unit == "m/s2"
    np.testing.assert_allclose(declared.accel_g, clean(walk(1000)).accel_g, rtol=0, atol=6e-6)


def test_a_declared_firmware_that_sends_g_after_all_is_not_converted_into_nonsense():
    hour = clean(walk(1000, meta_fw="0.8.3"))
    assert hour.quarantine.by_reason() == {"UNIT_MISMATCH": 1000}


def test_a_firmware_update_in_the_hour_costs_only_the_firmware_with_wrong_units():
    old, new = walk(600, scale=9.80665), walk(1200, meta_fw="2.5.0")[600:]
    hour = clean(old + new)
    assert hour.rows == 600
    assert hour.quarantine.by_reason() == {"UNIT_MISMATCH": 600}
    assert hour.seq.min() == 600


def test_a_firmware_that_changes_its_unit_within_the_hour_costs_only_the_seconds_in_the_wrong_unit():
    in_g, in_ms2 = walk(6000)[:4500], walk(6000, scale=9.80665)[4500:]
    for drops in ([in_g, in_ms2], [in_g + in_ms2], [in_ms2, in_g]):
        hour = clean(*drops)
        assert (hour.rows, hour.seq.max()) == (4500, 4499)
        assert hour.quarantine.by_reason() == {"UNIT_MISMATCH": 1500}
        (detail,) = {detail for _, detail in hour.quarantine.findings}
        assert "should send g" in detail
        assert "reads as m/s2" in detail
        assert np.linalg.norm(hour.accel_g, axis=1).max() < 2.0
        assert_conserved(hour)


@pytest.mark.parametrize(("samples", "scale", "firmware"), [(450, 9.80665, "2.4.1"), (450, 1.0, "0.8.3")])
def test_a_few_seconds_in_a_plainly_wrong_unit_are_refused_although_gravity_was_not_measured(
    samples, scale, firmware
):
    hour = clean(walk(samples, scale=scale, meta_fw=firmware))
    assert (hour.rows, hour.quarantine.by_reason()) == (0, {"UNIT_MISMATCH": samples})


def test_one_absurd_value_costs_its_row_and_not_its_second():
    lines = walk(1000, rate_hz=20.0)
    lines[500] = line(500, ts="2026-01-05T07:00:25.000Z", accel={"x": 999.5, "y": 0.0, "z": 0.0})
    assert reasons(clean(lines)) == [(0, 501, "VALUE_OUT_OF_RANGE")]


def test_values_beyond_any_sensor_are_refused_row_by_row_after_conversion():
    lines = walk(1000)
    lines[10] = line(10, accel={"x": 32.5, "y": 0.0, "z": 0.0})
    lines[20] = line(20, accel={"x": 32.0, "y": -32.0, "z": 0.0})
    lines[30] = line(30, gyro={"x": 0.0, "y": -4000.5, "z": 0.0})
    assert reasons(clean(lines)) == [(0, 11, "VALUE_OUT_OF_RANGE"), (0, 31, "VALUE_OUT_OF_RANGE")]
    declared = walk(1000, scale=9.80665, meta_fw="0.8.1")
    declared[10] = line(10, accel={"x": 300.0, "y": 0.0, "z": 0.0}, meta_fw="0.8.1")
    declared[20] = line(20, accel={"x": 320.0, "y": 0.0, "z": 0.0}, meta_fw="0.8.1")
    assert reasons(clean(declared)) == [(0, 21, "VALUE_OUT_OF_RANGE")]


def test_bad_and_unplaceable_lines_are_quarantined_under_their_hour_and_the_hour_of_receipt():
    lines = [line(0), line(1)[:100], "garbage", line(2, ts="2031-01-05T07:00:00Z"), line(3)]
    drop = parse_drop(as_drop(lines), drop_name())
    receipt_us = HOUR_START_US + 3_600 * SECOND_US

    own = clean_device_hour(gather_device_hour(DEVICE, [("a", drop)], HOUR_START_US), WORN, HOUR_START_US)
    assert own.rows == 2
    assert reasons(own) == [(0, 2, "LINE_NOT_JSON")]
    receipt = clean_device_hour(gather_device_hour(DEVICE, [("a", drop)], receipt_us), WORN, receipt_us)
    assert receipt.rows == 0
    assert reasons(receipt) == [(0, 3, "LINE_NOT_JSON"), (0, 4, "TIME_IMPLAUSIBLE")]
    assert receipt.quarantine.payload == ["garbage", None]
    assert "after receivedAt" in receipt.quarantine.findings[receipt.quarantine.finding[1]][1]
    assert own.received_lines + receipt.received_lines == drop.lines
    for hour in (own, receipt):
        assert_conserved(hour)


def test_the_text_of_any_line_can_be_found_again_for_the_quarantine():
    data = as_drop([line(0), "", "é" * 700, line(2)]) + b"last"
    assert line_payloads(data, np.array([4, 1, 5, 3])) == [line(2), line(0), "last", "é" * 500]
    assert line_payloads(data, np.array([], np.int32)) == []


def test_a_row_of_a_parquet_drop_can_be_found_again_as_json():
    data = as_parquet(flat([line(0), line(1), line(2)]))
    texts = line_payloads(data, np.array([3, 1]), "parquet")
    assert [json.loads(text)["seq"] for text in texts] == [2, 0]
    assert line_payloads(data, np.array([3]), "parquet", chars=20) == ['{"deviceId":"imu-100']


def test_an_hour_without_drops_is_empty_and_conserved():
    hour = clean()
    assert (hour.rows, hour.received_lines, hour.lines) == (0, 0, {})
    assert hour.accel_g.shape == (0, 3)
    assert_conserved(hour)


def test_a_drop_of_another_device_is_a_mistake_of_the_caller():
    drop = parse_drop(as_drop([line(0)]), drop_name(device_id="imu-2"))
    with pytest.raises(ValueError, match="imu-2"):
        gather_device_hour(DEVICE, [("a", drop)], HOUR_START_US)


# -- laws

_ROW = st.fixed_dictionaries(
    {
        "seq": st.integers(0, 12),
        "boot": st.integers(1, 2),
        "late": st.integers(0, 1),
        "x": st.sampled_from([0.1, 0.1, 0.1, 0.2, 99.0]),
        "patient": st.sampled_from(["pt-1", "pt-1", "pt-1", "pt-2"]),
        "device": st.sampled_from([DEVICE, DEVICE, DEVICE, "imu-2"]),
        "gyro": st.booleans(),
        "kind": st.sampled_from(["good", "good", "good", "cut", "year"]),
    }
)
_ASSIGNMENTS = st.sampled_from(
    [
        WORN,
        [],
        [Assignment("pt-1", HOUR_START_US + 60_000, HOUR_START_US + 200_000, "waist")],
        [
            Assignment("pt-1", 0, HOUR_START_US + 100_000, "waist"),
            Assignment("pt-2", HOUR_START_US + 120_000, None, "wrist"),
        ],
        [Assignment("pt-1", 0, None, "waist"), Assignment("pt-2", HOUR_START_US + 100_000, None, "waist")],
    ]
)


def _write(row: dict) -> str:
    # Time follows from the counter, as on a device; `late` makes a conflicting time.
    ms = 20 * row["seq"] + row["late"]
    changes: dict = {
        "ts": HOUR_START_US // 1000 + ms if row["kind"] != "year" else 4_000_000_000_000,
        "patientId": row["patient"],
        "deviceId": row["device"],
        "accel": {"x": row["x"], "y": -1.0, "z": 0.0},
        "meta_boot": row["boot"],
    }
    if not row["gyro"]:
        changes["gyro"] = None
    text = line(row["seq"], **changes)
    return text[:150] if row["kind"] == "cut" else text


def _content(hour: CleanedHour) -> tuple:
    """All of a cleaned hour that must not depend on how its rows came."""
    columns = [
        getattr(hour, name).tobytes()
        for name in ("ts_us", "boot", "seq", "accel_g", "gyro_dps", "has_gyro", "battery")
    ]
    texts = [
        [hour.patients[c] for c in hour.patient_code],
        [hour.positions[c] for c in hour.position_code],
        [hour.firmwares[c] for c in hour.firmware_code],
    ]
    counts = hour.quarantine.by_reason()
    return columns, texts, counts, hour.duplicate_lines, hour.lines, hour.received_lines


@settings(max_examples=150, deadline=None)
@given(st.lists(_ROW, max_size=40), _ASSIGNMENTS)
def test_law_every_line_in_is_clean_a_duplicate_or_quarantined(rows, assignments):
    hour = clean([_write(row) for row in rows], assignments=assignments)
    assert_conserved(hour)
    keys = list(zip(hour.boot.tolist(), hour.seq.tolist(), strict=True))
    assert len(set(keys)) == len(keys)
    order = list(zip(hour.ts_us.tolist(), hour.boot.tolist(), hour.seq.tolist(), strict=True))
    assert order == sorted(order)
    lines = [
        (int(d), int(n)) for d, n in zip(hour.quarantine.drop_index, hour.quarantine.line_number, strict=True)
    ]
    assert lines == sorted(set(lines))


@settings(max_examples=150, deadline=None)
@given(st.lists(_ROW, max_size=40), _ASSIGNMENTS, st.data())
def test_law_the_result_does_not_depend_on_how_lines_were_split_over_drops(rows, assignments, data):
    lines = [_write(row) for row in rows]
    whole = clean(lines, assignments=assignments)
    shuffled = data.draw(st.permutations(lines))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=4)))
    drops = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    reordered = data.draw(st.permutations(assignments))
    assert _content(clean(*drops, assignments=reordered)) == _content(whole)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(_ROW, max_size=12), min_size=1, max_size=5), st.data())
def test_law_the_order_in_which_drops_are_given_changes_nothing_at_all(groups, data):
    drops = []
    for i, group in enumerate(groups):
        name = DropName(RECEIVED.replace(minute=i // 2), DEVICE, "0a1b2c3d", "jsonl")
        drops.append((f"drop-{i}", parse_drop(as_drop([_write(row) for row in group]), name)))
    hours = []
    for order in (drops, data.draw(st.permutations(drops)), [*drops, drops[0]]):
        hours.append(clean_device_hour(gather_device_hour(DEVICE, order, HOUR_START_US), WORN, HOUR_START_US))
    for other in hours[1:]:
        assert _content(other) == _content(hours[0])
        assert reasons(other) == reasons(hours[0])
        assert other.drop_keys == hours[0].drop_keys
        assert other.quarantine.patient == hours[0].quarantine.patient


def test_the_lines_quarantined_at_every_stage_are_the_ones_that_were_spoilt():
    lines = walk(2000, seed=3)
    spoilt = {
        100: (lines[99][:150], Reason.LINE_NOT_JSON),
        200: (lines[199].replace("pt-1", "pt-9"), Reason.PATIENT_MISMATCH),
        300: (json.dumps({**json.loads(lines[299]), "seq": "x"}), Reason.FIELD_WRONG_TYPE),
        400: (lines[399].replace("imu-10001", "imu-2"), Reason.DEVICE_MISMATCH),
    }
    for number, (text, _) in spoilt.items():
        lines[number - 1] = text
    hour = clean(lines)
    assert [(n, r) for _, n, r in reasons(hour)] == [(n, r.value) for n, (_, r) in spoilt.items()]
    assert hour.rows == 1996
    assert round(HOUR.timestamp()) * SECOND_US == HOUR_START_US
