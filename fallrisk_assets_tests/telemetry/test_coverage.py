"""What an hour is worth: rate, gaps, wear, and the verdict that decides whether it is scored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.telemetry.clean import Assignment, clean_device_hour
from fallrisk_assets.telemetry.coverage import (
    device_hour_coverage,
    find_gaps,
    gap_limit_s,
    judge_hour,
    sampling_rate_hz,
    worn_fraction,
)
from fallrisk_assets.telemetry.gather import gather_device_hour
from fallrisk_assets.telemetry.parse import parse_drop
from fallrisk_assets_tests.telemetry.messages import (
    DEVICE,
    HOUR_START_US,
    PATIENT,
    as_drop,
    drop_name,
    line,
    walk,
)

HOUR_US = 3_600_000_000
END_US = HOUR_START_US + HOUR_US
WORN = [Assignment(PATIENT, 0, None, "waist")]


def cover(lines, assignments=WORN, watermark_us=END_US, **more):
    drops = [("a", parse_drop(as_drop(lines), drop_name()))] if lines else []
    rows = gather_device_hour(DEVICE, drops, HOUR_START_US)
    cleaned = clean_device_hour(rows, assignments, HOUR_START_US)
    return device_hour_coverage(cleaned, HOUR_START_US, watermark_us, **more)


def hour_of(kind: str, rate_hz: float = 20.0, seed: int = 0):
    """Times and acceleration of an hour: 12 blocks of 5 min, `w` worn, `t` on a table, `.` absent."""
    rng = np.random.default_rng(seed)
    n = int(3600 * rate_hz)
    ts_us = HOUR_START_US + (np.arange(n) * 1e6 / rate_hz).astype(np.int64)
    block = (np.arange(n) // (300 * rate_hz)).astype(int)
    state = np.array(list(kind))[block]
    noise = np.where(state == "w", 0.03, 0.003)[:, None]
    accel = (rng.normal(0.0, 1.0, (n, 3)) * noise + [0.0, -1.0, 0.0]).astype(np.float32)
    seen = state != "."
    return ts_us[seen], accel[seen]


@pytest.mark.parametrize("rate_hz", [20, 31.25, 50, 60, 100, 128, 200])
def test_the_rate_comes_from_timestamps_rounded_to_milliseconds(rate_hz):
    ts_us = (np.round(np.arange(2000) * 1000 / rate_hz) * 1000).astype(np.int64)
    assert sampling_rate_hz(ts_us) == pytest.approx(rate_hz, rel=1e-3)


def test_the_rate_withstands_gaps_bursts_and_jitter():
    rng = np.random.default_rng(0)
    ts_us = np.arange(5000) * 20_000 + rng.integers(-2000, 2000, 5000)
    ts_us[2500:] += 600_000_000
    ts_us = np.sort(np.r_[ts_us, ts_us[::10], ts_us[::17] + 1])
    assert sampling_rate_hz(ts_us) == pytest.approx(50, rel=0.02)


def test_no_rate_is_made_up():
    assert sampling_rate_hz(np.array([], np.int64)) is None
    assert sampling_rate_hz(np.array([5])) is None
    assert sampling_rate_hz(np.array([5, 5, 5])) is None


@given(st.lists(st.integers(1, 10_000_000), min_size=1, max_size=40))
def test_a_rate_lies_between_the_shortest_and_the_longest_pause(steps):
    rate = sampling_rate_hz(np.cumsum([0, *steps]))
    assert 1e6 / max(steps) <= rate * (1 + 1e-9)
    assert rate <= 1e6 / min(steps) * (1 + 1e-9)


def test_a_gap_is_longer_than_five_samples_and_a_quarter_second():
    assert gap_limit_s(50) == 0.25
    assert gap_limit_s(20) == 0.25
    assert gap_limit_s(15) == pytest.approx(1 / 3)
    ts_us = np.array([0, 20_000, 270_000, 290_000, 540_001, 560_000])
    gaps, gap_s = find_gaps(ts_us, 50.0)
    assert gaps == 1
    assert gap_s == pytest.approx(0.250001 - 0.02)


@pytest.mark.parametrize(
    ("kind", "worn"),
    [
        ("wwwwwwwwwwww", 1.0),
        ("tttttttttttt", 0.0),
        ("wwwwwwtttttt", 0.5),
        ("wwwwtttttwww", 1.0),
        ("ttttttwwwwww", 0.5),
        ("tttttwwttttt", 1.0),
        ("wwwttttttwww", 0.5),
        ("......tttttt", 0.0),
        ("......wwwwww", 1.0),
        ("tttttttttwww", 0.25),
    ],
)
def test_half_an_hour_of_stillness_is_not_worn_and_less_is_sitting_still(kind, worn):
    ts_us, accel = hour_of(kind)
    assert worn_fraction(ts_us, accel, 20.0, HOUR_START_US) == pytest.approx(worn, abs=1e-9)


def test_one_moving_axis_is_not_enough_to_be_worn_but_two_are():
    ts_us, accel = hour_of("tttttttttttt")
    rng = np.random.default_rng(5)
    accel[:, 0] += rng.normal(0.0, 0.05, ts_us.size).astype(np.float32)
    assert worn_fraction(ts_us, accel, 20.0, HOUR_START_US) == 0.0
    accel[:, 2] += rng.normal(0.0, 0.05, ts_us.size).astype(np.float32)
    assert worn_fraction(ts_us, accel, 20.0, HOUR_START_US) == 1.0


def test_a_turn_in_every_block_is_wear_although_its_deviation_is_small():
    ts_us, accel = hour_of("tttttttttttt")
    step = (ts_us - HOUR_START_US) % 300_000_000 < 1_000_000
    accel[step] += np.float32(0.06)
    assert worn_fraction(ts_us, accel, 20.0, HOUR_START_US) == 1.0


def test_sparse_blocks_are_never_called_not_worn():
    ts_us, accel = hour_of("tttttttttttt")
    few = (ts_us - HOUR_START_US) % 300_000_000 < 100_000_000
    assert worn_fraction(ts_us[few], accel[few], 20.0, HOUR_START_US) == 1.0
    assert worn_fraction(ts_us[:0], accel[:0], 20.0, HOUR_START_US) is None


def test_the_row_of_an_ordinary_device_hour():
    lines = [*walk(3000), line(5)[:100], *walk(3000)[10:12]]
    (row,) = cover(lines)
    assert list(row) == [
        "device_id",
        "patient_id",
        "hour",
        "expected_samples",
        "received_lines",
        "clean_samples",
        "duplicate_lines",
        "quarantined_lines",
        "rate_hz",
        "gap_count",
        "gap_s",
        "wear_fraction",
        "battery_fraction",
        "clock_skew_s",
        "position",
        "firmware",
        "first_ts",
        "last_ts",
        "watermark_at",
        "state",
        "verdict",
        "verdict_detail",
    ]
    assert (row["device_id"], row["patient_id"], row["hour"]) == (DEVICE, PATIENT, HOUR_START_US)
    assert (row["received_lines"], row["clean_samples"]) == (3003, 3000)
    assert (row["duplicate_lines"], row["quarantined_lines"]) == (2, 1)
    assert row["rate_hz"] == pytest.approx(50)
    assert row["expected_samples"] == 180_000
    assert (row["gap_count"], row["gap_s"]) == (0, 0.0)
    assert row["wear_fraction"] == 1.0
    assert row["battery_fraction"] == pytest.approx(0.934)
    assert (row["position"], row["firmware"]) == ("waist", "2.4.1")
    assert (row["first_ts"], row["last_ts"]) == (HOUR_START_US, HOUR_START_US + 2999 * 20_000)
    assert row["clock_skew_s"] == pytest.approx(63 * 60 - 59.98)
    assert (row["state"], row["verdict"]) == ("FINAL", "OK")


@pytest.mark.parametrize(
    ("watermark_us", "state", "complete_us"),
    [
        (END_US, "FINAL", END_US),
        (END_US + 1, "FINAL", END_US),
        (END_US - 1, "PROVISIONAL", END_US - 1),
        (HOUR_START_US - 5, "PROVISIONAL", HOUR_START_US),
    ],
)
def test_an_hour_is_final_once_the_watermark_has_passed_its_end(watermark_us, state, complete_us):
    (row,) = cover(walk(100), watermark_us=watermark_us)
    assert (row["state"], row["watermark_at"]) == (state, complete_us)


def test_an_unfinished_hour_expects_samples_up_to_its_watermark_only():
    (row,) = cover(walk(500), watermark_us=HOUR_START_US + 60_000_000)
    assert row["expected_samples"] == 3000
    (early,) = cover(walk(500), watermark_us=HOUR_START_US)
    assert early["expected_samples"] == 499


def test_samples_are_expected_only_while_the_patient_is_assigned():
    middle = HOUR_START_US + HOUR_US // 2
    both = [Assignment("pt-1", 0, middle, "waist"), Assignment("pt-2", middle, None, "wrist")]
    rows = cover(walk(500), both)
    assert [(r["patient_id"], r["expected_samples"], r["verdict"]) for r in rows] == [
        ("pt-1", 90_000, "OK"),
        ("pt-2", None, "NO_DATA"),
    ]
    assert rows[1]["verdict_detail"] == "no lines received"


def test_lines_of_nobody_have_a_row_of_their_own_so_that_all_lines_are_counted():
    late = [Assignment(PATIENT, HOUR_START_US + 200_000, None, "waist")]
    rows = cover(walk(500), late)
    assert [(r["patient_id"], r["received_lines"], r["verdict"]) for r in rows] == [
        ("", 10, "NO_DATA"),
        (PATIENT, 490, "OK"),
    ]
    (unknown,) = cover(walk(500), [])
    assert (unknown["patient_id"], unknown["quarantined_lines"]) == ("", 500)
    assert unknown["verdict_detail"] == "all 500 lines received were refused"


def test_a_silent_hour_of_a_worn_device_has_a_row_that_says_so():
    (row,) = cover([])
    assert (row["verdict"], row["received_lines"]) == ("NO_DATA", 0)
    for name in (
        "expected_samples",
        "rate_hz",
        "wear_fraction",
        "battery_fraction",
        "first_ts",
        "last_ts",
        "clock_skew_s",
    ):
        assert row[name] is None
    assert cover([], [Assignment(PATIENT, 0, HOUR_START_US, "waist")]) == []
    assert cover([], [Assignment(PATIENT, END_US, None, "waist")]) == []


def test_one_second_timestamps_at_twenty_samples_a_second_are_an_implausible_rate():
    lines = [line(i, ts=HOUR_START_US // 1000 + i // 20 * 1000) for i in range(400)]
    (row,) = cover(lines)
    assert (row["verdict"], row["clean_samples"]) == ("IMPLAUSIBLE_RATE", 400)
    (single,) = cover([line(0)])
    assert (single["verdict"], single["verdict_detail"]) == ("IMPLAUSIBLE_RATE", "1 samples tell no rate")


@pytest.mark.parametrize(
    ("rate_hz", "verdict"), [(10, "IMPLAUSIBLE_RATE"), (20, "OK"), (200, "OK"), (400, "IMPLAUSIBLE_RATE")]
)
def test_rates_from_15_to_220_hz_are_plausible(rate_hz, verdict):
    (row,) = cover([line(i, ts=HOUR_START_US // 1000 + i * 1000 // rate_hz) for i in range(1000)])
    assert row["verdict"] == verdict


def test_data_in_another_unit_is_the_verdict_whatever_else_is_wrong():
    (row,) = cover(walk(1000, scale=9.80665))
    assert (row["verdict"], row["clean_samples"], row["quarantined_lines"]) == ("WRONG_UNITS", 0, 1000)
    assert "m/s2" in row["verdict_detail"]


def test_gaps_of_more_than_a_tenth_make_an_hour_gappy():
    lines = walk(4000)
    (row,) = cover(lines[:1000] + lines[1500:])
    assert (row["verdict"], row["gap_count"]) == ("GAPPY", 1)
    assert row["gap_s"] == pytest.approx(10.0)
    (fine,) = cover(lines[:1000] + lines[1300:])
    assert (fine["verdict"], fine["gap_count"]) == ("OK", 1)


def test_a_battery_reading_outside_0_to_1_is_no_reading():
    lines = [line(0, meta_battery=0.5), line(1, meta_battery=1.5), line(2, meta_battery=None)]
    (row,) = cover(lines)
    assert row["battery_fraction"] == 0.5


def test_clock_skew_is_the_smallest_delay_of_the_drops_of_the_hour_and_negative_for_a_clock_ahead():
    received = drop_name().received_at
    late = parse_drop(as_drop(walk(3000)), drop_name(received.replace(hour=12)))
    ahead = parse_drop(as_drop(walk(100)), drop_name(received.replace(hour=7, minute=0)))
    elsewhere = parse_drop(
        as_drop([line(0, ts=HOUR_START_US // 1000 - 60_000)]), drop_name(received.replace(hour=7, minute=0))
    )

    def skew(*drops):
        rows = gather_device_hour(DEVICE, [(str(i), drop) for i, drop in enumerate(drops)], HOUR_START_US)
        (row,) = device_hour_coverage(clean_device_hour(rows, WORN, HOUR_START_US), HOUR_START_US, END_US)
        return row["clock_skew_s"]

    assert skew(late, elsewhere) == pytest.approx(5 * 3600 + 180 - 59.98)
    assert skew(late, ahead) == pytest.approx(-1.98)


def test_the_first_verdict_that_holds_is_given():
    row = {
        "clean_samples": 100,
        "received_lines": 300,
        "rate_hz": 5.0,
        "wear_fraction": 0.0,
        "gap_count": 3,
        "gap_s": 50.0,
        "first_ts": 0,
        "last_ts": 100_000_000,
    }
    assert judge_hour(row, 101)[0] == "WRONG_UNITS"
    assert judge_hour(row, 100)[0] == "IMPLAUSIBLE_RATE"
    assert judge_hour({**row, "rate_hz": 50.0}, 0)[0] == "NOT_WORN"
    assert judge_hour({**row, "rate_hz": 50.0, "wear_fraction": 0.2}, 0)[0] == "GAPPY"
    assert judge_hour({**row, "rate_hz": 50.0, "wear_fraction": 0.2, "gap_s": 10.0}, 0)[0] == "OK"
    assert judge_hour({**row, "clean_samples": 0}, 0)[0] == "NO_DATA"
