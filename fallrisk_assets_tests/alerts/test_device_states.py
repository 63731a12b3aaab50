"""The judgement on a device's hour."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute

from fallrisk_assets.alerts.contract import DeviceStates
from fallrisk_assets.alerts.device_states import Assigned, ExpectedWear, device_states, watermark
from fallrisk_assets.alerts.observations import state_observations
from fallrisk_assets.validation import validate

HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
LONG_AGO = datetime(2025, 12, 1, tzinfo=UTC)
WORN = Assigned("imu-1", "pt-1", LONG_AGO, None)


def covered(hours: dict[int, dict], device: str = "imu-1", patient: str = "pt-1") -> pa.Table:
    """Coverage rows by hours before noon (0 is the hour of noon)."""
    rows = [
        {
            "device_id": device,
            "patient_id": patient,
            "hour": NOON - before * HOUR,
            "received_lines": 180_000,
            "wear_fraction": 1.0,
            "battery_fraction": 0.8,
            "watermark_at": NOON - (before - 1) * HOUR,
            **more,
        }
        for before, more in hours.items()
    ]
    fields = [
        ("device_id", pa.string()),
        ("patient_id", pa.string()),
        ("hour", pa.timestamp("us", "UTC")),
        ("received_lines", pa.int64()),
        ("wear_fraction", pa.float32()),
        ("battery_fraction", pa.float32()),
        ("watermark_at", pa.timestamp("us", "UTC")),
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def judge(coverage: pa.Table, assigned: list[Assigned] | None = None, **more: object) -> list[dict]:
    options = {"wear": {}, "unregistered": {}, "hour": NOON, "as_of": NOON + HOUR} | more
    table = device_states(coverage, [WORN] if assigned is None else assigned, **options)  # type: ignore[arg-type]
    assert validate(DeviceStates, table).passed
    return table.to_pylist()


def state_of(coverage: pa.Table, assigned: list[Assigned] | None = None, **more: object) -> str:
    (row,) = judge(coverage, assigned, **more)
    return row["state"]


def test_a_worn_device_that_sends_is_in_order() -> None:
    assert state_of(covered({i: {} for i in range(48)})) == "OK"


def test_six_hours_of_expected_wear_without_samples_are_silence() -> None:
    (five,) = judge(covered({i: {} for i in range(5, 48)}))
    (six,) = judge(covered({i: {} for i in range(6, 48)}))
    assert five["state"] == "OK"
    assert (six["state"], six["since"]) == ("SILENT", NOON - 5 * HOUR)


def test_hours_in_which_nobody_expects_wear_are_no_silence() -> None:
    # Last heard at 05:00 UTC, midnight in New York, where the day of wear has only begun an hour ago at noon.
    zone = {"pt-1": ExpectedWear("America/New_York", 16)}
    night = {i: {} for i in range(8, 48)}
    assert state_of(covered(night), wear=zone) == "OK"
    assert state_of(covered(night)) == "SILENT"


def test_a_few_hours_of_wear_a_day_need_more_than_a_day_of_silence() -> None:
    few = {"pt-1": ExpectedWear("UTC", 4)}
    assert state_of(covered({i: {} for i in range(20, 24)}), wear=few) == "OK"
    assert state_of(covered({i: {} for i in range(44, 48)}), wear=few) == "SILENT"


def test_nobody_is_silent_or_unworn_of_whom_no_wear_is_expected() -> None:
    none = {"pt-1": ExpectedWear("UTC", 0)}
    heard_once: dict[int, dict] = {47: {}}
    (row,) = judge(covered(heard_once), wear=none)
    assert (row["state"], row["since"]) == ("OK", NOON - 46 * HOUR)
    assert state_of(covered({}), wear=none) == "OK"
    assert state_of(covered({i: {"wear_fraction": 0.0} for i in range(48)}), wear=none) == "OK"


def test_silence_is_not_told_before_the_watermark_has_passed() -> None:
    coverage = covered({i: {} for i in range(6, 48)})
    assert state_of(coverage, as_of=NOON + HOUR / 2) == "OK"
    assert state_of(coverage, as_of=NOON + HOUR) == "SILENT"


def test_a_row_that_says_nothing_was_received_is_as_silent_as_no_row() -> None:
    hours: dict[int, dict] = {i: {"received_lines": 0, "wear_fraction": None} for i in range(6)}
    assert state_of(covered(hours | {i: {} for i in range(6, 48)})) == "SILENT"


def test_quarantined_lines_are_a_device_that_is_heard() -> None:
    assert (
        state_of(covered({i: {"wear_fraction": None, "battery_fraction": None} for i in range(48)})) == "OK"
    )


def test_a_device_assigned_an_hour_ago_is_not_silent() -> None:
    assert state_of(covered({}), [Assigned("imu-1", "pt-1", NOON - HOUR, None)]) == "OK"


def test_a_battery_under_fifteen_percent_is_low_since_it_fell_there() -> None:
    levels: dict[int, dict] = {i: {"battery_fraction": 0.10 + 0.01 * i} for i in range(48)}
    (row,) = judge(covered(levels))
    assert (row["state"], row["since"]) == ("LOW_BATTERY", NOON - 4 * HOUR)
    assert state_of(covered({0: {"battery_fraction": 0.15}})) == "OK"


def test_a_battery_level_of_half_a_day_ago_says_nothing_any_more() -> None:
    none = {"pt-1": ExpectedWear("UTC", 0)}
    low = {"battery_fraction": 0.1}
    assert state_of(covered({11: low}), wear=none) == "LOW_BATTERY"
    assert state_of(covered({12: low}), wear=none) == "OK"


def test_two_days_on_the_table_are_not_worn() -> None:
    lying = {i: {"wear_fraction": 0.0} for i in range(48)}
    assert state_of(covered(lying)) == "NOT_WORN"
    assert state_of(covered(lying | {40: {"wear_fraction": 0.5}})) == "OK"
    assert state_of(covered({i: {"wear_fraction": 0.0} for i in range(20)})) == "OK"


def test_an_hour_in_which_a_device_changes_hands_has_a_row_for_each_patient() -> None:
    reassigned = [
        Assigned("imu-1", "pt-1", LONG_AGO, NOON + HOUR / 2),
        Assigned("imu-1", "pt-2", NOON + HOUR / 2, None),
    ]
    assert [r["patient_id"] for r in judge(covered({0: {}}), reassigned)] == ["pt-1", "pt-2"]


def test_a_returned_device_has_no_state() -> None:
    assert judge(covered({}), [Assigned("imu-1", "pt-1", LONG_AGO, NOON)]) == []


def test_an_unregistered_device_shows_without_a_patient_and_silences_nobody() -> None:
    rows = judge(covered({i: {} for i in range(48)}), unregistered={"imu-9": 4})
    assert [(r["device_id"], r["patient_id"], r["state"]) for r in rows] == [
        ("imu-1", "pt-1", "OK"),
        ("imu-9", None, "UNREGISTERED"),
    ]


def test_the_order_of_coverage_rows_does_not_matter() -> None:
    coverage = covered({i: {"battery_fraction": 0.10 + 0.01 * i} for i in range(48)})
    backwards = coverage.take(list(range(47, -1, -1)))
    assert judge(coverage) == judge(backwards)


def test_the_watermark_is_the_newest_of_the_hours_up_to_the_slice_but_not_beyond_its_end() -> None:
    assert watermark(covered({1: {}, 2: {}}), NOON + HOUR) == NOON
    assert watermark(covered({-5: {}, 2: {}}), NOON + HOUR) == NOON - HOUR
    assert watermark(covered({0: {"watermark_at": NOON + 9 * HOUR}}), NOON + HOUR) == NOON + HOUR
    assert watermark(covered({}), NOON + HOUR).year == 1970


def test_a_state_clears_only_what_is_graver_than_itself() -> None:
    low = device_states(covered({0: {"battery_fraction": 0.1}}), [WORN], {}, {}, hour=NOON, as_of=NOON + HOUR)
    told = {(o.rule, o.clear) for o in state_observations(low)}
    assert told == {
        ("DEVICE_LOW_BATTERY", False),
        ("DEVICE_SILENT", True),
        ("DEVICE_NOT_WORN", True),
        ("DEVICE_UNREGISTERED", True),
    }


def test_the_facts_kept_beside_the_states_judge_later_hours_as_the_coverage_does() -> None:
    levels: dict[int, dict] = {i: {"battery_fraction": 0.10 + 0.01 * i} for i in range(9, 48)}
    coverage = covered(levels)
    kept = [
        device_states(
            coverage.filter(pa.compute.less_equal(coverage["hour"], NOON - i * HOUR)),
            [WORN],
            {},
            {},
            hour=NOON - i * HOUR,
            as_of=NOON - (i - 1) * HOUR,
        )
        for i in range(47, -1, -1)
    ]
    assert judge(pa.concat_tables(kept)) == judge(coverage)
