"""Who wore a device at an instant has one answer, whatever order the corrections arrived in."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.contract import DeviceAssignment, Patients
from fallrisk_assets.clinic.identity import FOREVER_US, Assignment, current_patients, resolve_assignments
from fallrisk_assets.contract import arrow_schema

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
MIDNIGHT_US = int(MIDNIGHT.timestamp()) * 1_000_000
HOUR_US = 3_600_000_000


def row(device, patient, from_h, to_h, corrected_h=None, snapshot=0, position="waist") -> dict:
    return {
        "snapshot_date": date(2026, 1, 5) + timedelta(days=snapshot),
        "device_id": device,
        "patient_id": patient,
        "valid_from": MIDNIGHT + timedelta(hours=from_h),
        "valid_to": None if to_h is None else MIDNIGHT + timedelta(hours=to_h),
        "position": position,
        "corrected_at": None if corrected_h is None else MIDNIGHT + timedelta(hours=corrected_h),
        "revision": 0,
    }


def resolve(*rows: dict) -> dict[str, list[tuple]]:
    resolved = resolve_assignments(pa.Table.from_pylist(list(rows), schema=arrow_schema(DeviceAssignment)))
    return {device: [in_hours(one) for one in intervals] for device, intervals in resolved.items()}


def in_hours(one: Assignment) -> tuple:
    to_h = None if one.to_us == FOREVER_US else (one.to_us - MIDNIGHT_US) / HOUR_US
    return (one.patient_id, (one.from_us - MIDNIGHT_US) / HOUR_US, to_h)


def test_a_device_handed_over_at_noon_belongs_to_one_patient_before_and_the_other_from_noon_on():
    resolved = resolve(row("imu-1", "pt-2", 12, None), row("imu-1", "pt-1", 0, 12))
    assert resolved == {"imu-1": [("pt-1", 0, 12), ("pt-2", 12, None)]}


def test_the_latest_correction_of_an_assignment_replaces_it():
    resolved = resolve(
        row("imu-1", "pt-1", 0, None),
        row("imu-1", "pt-1", 0, 8, corrected_h=48),
        row("imu-1", "pt-1", 0, 10, corrected_h=24),
    )
    assert resolved == {"imu-1": [("pt-1", 0, 8)]}


def test_a_correction_that_moves_the_handover_earlier_takes_the_hours_from_the_patient_before():
    resolved = resolve(
        row("imu-1", "pt-1", 0, 12),
        row("imu-1", "pt-2", 12, None),
        row("imu-1", "pt-2", 10, None, corrected_h=24),
    )
    assert resolved == {"imu-1": [("pt-1", 0, 10), ("pt-2", 10, None)]}


def test_a_void_correction_withdraws_an_assignment():
    assert resolve(row("imu-1", "pt-1", 3, None), row("imu-1", "pt-1", 3, 3, corrected_h=9)) == {}


def test_a_later_snapshot_may_close_an_assignment_without_dating_a_correction():
    rows = [row("imu-1", "pt-1", 0, None), row("imu-1", "pt-1", 0, 12, snapshot=1)]
    assert resolve(*rows) == resolve(*reversed(rows)) == {"imu-1": [("pt-1", 0, 12)]}


def test_a_short_correction_in_the_middle_leaves_what_lies_around_it():
    resolved = resolve(row("imu-1", "pt-1", 0, 24), row("imu-1", "pt-2", 6, 8, corrected_h=30))
    assert resolved == {"imu-1": [("pt-1", 0, 6), ("pt-2", 6, 8), ("pt-1", 8, 24)]}


def test_a_change_of_position_is_kept_apart():
    rows = [row("imu-1", "pt-1", 0, 6), row("imu-1", "pt-1", 6, 9, position="wrist")]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(DeviceAssignment))
    assert [one.position for one in resolve_assignments(table)["imu-1"]] == ["waist", "wrist"]


hours = st.integers(0, 12)
rows_of_devices = st.lists(
    st.builds(
        lambda device, patient, a, length, open_end, corrected, snapshot: row(
            device, patient, a, None if open_end else a + length, corrected, snapshot
        ),
        st.sampled_from(["imu-1", "imu-2"]),
        st.sampled_from(["pt-1", "pt-2", "pt-3"]),
        hours,
        hours,
        st.booleans(),
        st.none() | hours,
        st.integers(0, 2),
    ),
    max_size=9,
)


@settings(deadline=None, max_examples=100)
@given(rows_of_devices, st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_rows_do_not_matter(rows, random):
    shuffled = rows + rows[:2]
    random.shuffle(shuffled)
    assert resolve(*shuffled) == resolve(*rows)


@settings(deadline=None, max_examples=100)
@given(rows_of_devices)
def test_at_any_instant_a_device_has_at_most_one_wearer(rows):
    for intervals in resolve(*rows).values():
        for patient, start, end in intervals:
            assert end is None or start < end, patient
        for before, after in itertools.pairwise(intervals):
            assert before[2] is not None
            assert before[2] <= after[1]


@settings(deadline=None, max_examples=100)
@given(rows_of_devices, hours)
def test_the_wearer_at_an_instant_is_the_one_whom_the_last_word_about_it_names(rows, hour):
    """An oracle that asks each instant alone, against the intervals painted over each other."""
    instant = MIDNIGHT + timedelta(hours=hour, minutes=30)

    def rank(r):
        corrected = r["corrected_at"] or datetime(1, 1, 1, tzinfo=UTC)
        end = r["valid_to"] or datetime(9999, 12, 31, tzinfo=UTC)
        return corrected, r["snapshot_date"], r["valid_from"], r["patient_id"], r["valid_from"], end

    standing: dict = {}
    for one in sorted(rows, key=rank):
        standing[one["device_id"], one["valid_from"]] = one
    expected = {}
    for one in sorted(standing.values(), key=rank):
        end = one["valid_to"] or datetime(9999, 12, 31, tzinfo=UTC)
        if one["valid_from"] <= instant < end:
            expected[one["device_id"]] = one["patient_id"]
    found = {
        device: patient
        for device, intervals in resolve(*rows).items()
        for patient, start, end in intervals
        if start <= hour + 0.5 < (end if end is not None else 10**6)
    }
    assert found == expected


def patient(patient_id, wearable, snapshot_day, site="SITE01") -> dict:
    empty = dict.fromkeys(arrow_schema(Patients).names)
    return empty | {
        "snapshot_date": date(2026, 1, snapshot_day),
        "patient_id": patient_id,
        "wearable_patient_id": wearable,
        "birth_date": date(1940, 1, 1),
        "gender": "female",
        "registration_date": date(2020, 1, 1),
        "time_zone": "Europe/Madrid",
        "site_id": site,
    }


def current(as_of_day: int, *rows: dict) -> dict[str, tuple]:
    snapshots = pa.Table.from_pylist(list(rows), schema=arrow_schema(Patients))
    table = current_patients(snapshots, date(2026, 1, as_of_day))
    assert table.schema == arrow_schema(Patients)
    return {r["patient_id"]: (r["wearable_patient_id"], r["site_id"]) for r in table.to_pylist()}


@pytest.mark.parametrize(("as_of", "site"), [(5, "SITE01"), (6, "SITE01"), (7, "SITE02"), (9, "SITE02")])
def test_the_newest_row_up_to_the_day_counts_whatever_the_order(as_of, site):
    rows = [patient("PAT000001", "pt-1", 7, "SITE02"), patient("PAT000001", "pt-1", 5)]
    assert current(as_of, *rows) == current(as_of, *rows[::-1]) == {"PAT000001": ("pt-1", site)}


def test_a_patient_missing_from_a_later_file_is_still_a_patient():
    assert set(current(6, patient("PAT000001", "pt-1", 5), patient("PAT000002", "pt-2", 6))) == {
        "PAT000001",
        "PAT000002",
    }


def test_a_wearable_id_given_on_belongs_to_the_patient_who_has_it_last():
    rows = [patient("PAT000002", "pt-1", 5), patient("PAT000001", "pt-1", 6)]
    assert current(6, *rows) == {"PAT000001": ("pt-1", "SITE01"), "PAT000002": (None, "SITE01")}
