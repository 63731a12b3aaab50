"""Dimensions with history: what held at an instant can be told for every instant."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.identity import resolve_assignments
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.contract import DimDevice, DimPatient, DimSite
from fallrisk_assets.warehouse.dimensions import (
    FirmwareSeen,
    Wearers,
    age_group,
    birthday,
    device_versions,
    dim_device,
    dim_patient,
    dim_site,
    patient_versions,
)
from fallrisk_assets.warehouse.history import natural_key
from fallrisk_assets_tests.warehouse.rows import DAY, assignment, assignments, at, patient, patients

HORIZON = date(2026, 1, 31)


def history(*rows: dict, horizon: date = HORIZON) -> list[tuple]:
    table = dim_patient(patient_versions(patients(*rows), horizon))
    assert validate(DimPatient, table).passed, validate(DimPatient, table).sentence()
    return [
        (
            r["patient_id"],
            r["valid_from"].date(),
            r["valid_to"] and r["valid_to"].date(),
            r["site_id"],
            r["age_group"],
        )
        for r in table.to_pylist()
    ]


@pytest.mark.parametrize(
    ("years", "group"),
    [
        (17, "Under 18"),
        (18, "18-34"),
        (34, "18-34"),
        (35, "35-49"),
        (49, "35-49"),
        (50, "50-64"),
        (64, "50-64"),
        (65, "65+"),
        (99, "65+"),
    ],
)
def test_the_age_group_changes_on_the_birthday_itself(years, group):
    assert age_group(date(2026 - years, 1, 5), DAY) == group
    if years in (18, 35, 50, 65):
        assert age_group(date(2026 - years, 1, 6), DAY) != group


def test_who_is_born_on_29_february_has_a_birthday_in_every_year():
    assert birthday(date(2008, 2, 29), 18) == date(2026, 3, 1)
    assert birthday(date(2008, 2, 29), 20) == date(2028, 2, 29)


def test_a_patient_holds_from_the_registration_and_a_move_begins_a_version():
    rows = [patient(day=5), patient(day=6), patient(day=8, site_id="SITE02")]
    assert history(*rows) == [
        ("PAT000001", date(2025, 1, 1), date(2026, 1, 8), "SITE01", "65+"),
        ("PAT000001", date(2026, 1, 8), None, "SITE02", "65+"),
    ]


def test_a_65th_birthday_between_two_snapshots_begins_a_version_on_that_day():
    rows = [patient(day=5, birth_date=date(1961, 1, 7)), patient(day=9, birth_date=date(1961, 1, 7))]
    assert [(r[1], r[4]) for r in history(*rows)] == [
        (date(2025, 1, 1), "50-64"),
        (date(2026, 1, 7), "65+"),
    ]
    assert len(history(*rows, horizon=date(2026, 1, 6))) == 2, "a later snapshot proves the birthday"
    assert len(history(rows[0], horizon=date(2026, 1, 6))) == 1


def test_a_patient_missing_from_a_later_snapshot_stays_current():
    rows = [patient(day=5), patient("PAT000002", "pt-2", day=6)]
    assert [(r[0], r[2]) for r in history(*rows)] == [("PAT000001", None), ("PAT000002", None)]


snapshot_rows = st.lists(
    st.builds(
        lambda pid, day, site, wearable, year: patient(
            f"PAT00000{pid}", wearable, day, site_id=site, birth_date=date(year, 1, 7)
        ),
        st.integers(1, 3),
        st.integers(1, 9),
        st.sampled_from(["SITE01", "SITE02"]),
        st.sampled_from(["pt-1", "pt-2", None]),
        st.sampled_from([1961, 1976, 2008]),
    ),
    max_size=12,
    unique_by=lambda row: (row["patient_id"], row["snapshot_date"]),
)


@settings(deadline=None, max_examples=25)
@given(snapshot_rows, st.randoms(use_true_random=False))
def test_snapshots_in_any_order_give_the_same_dimension(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    expected = dim_patient(patient_versions(patients(*rows), HORIZON))
    assert dim_patient(patient_versions(patients(*shuffled), HORIZON)).equals(expected)


@settings(deadline=None, max_examples=25)
@given(snapshot_rows)
def test_the_dimension_keeps_its_contract_and_each_patient_has_one_current_row(rows):
    table = dim_patient(patient_versions(patients(*rows), HORIZON))
    assert validate(DimPatient, table).passed
    current = [r["patient_id"] for r in table.to_pylist() if r["is_current"]]
    assert sorted(current) == sorted({r["patient_id"] for r in rows})


def test_an_answer_that_becomes_known_or_unknown_again_begins_a_version():
    answers = [None, None, True, True, None, False]
    rows = [patient(day=day, walking_aid=answer) for day, answer in enumerate(answers, start=1)]
    table = dim_patient(patient_versions(patients(*rows), HORIZON))
    assert table["walking_aid"].to_pylist() == [None, True, None, False]
    assert [at.day for at in table["valid_from"].to_pylist()[1:]] == [3, 5, 6]


def test_unknown_answers_stay_null_and_no_birth_date_reaches_the_warehouse():
    [row] = dim_patient(patient_versions(patients(patient()), HORIZON)).to_pylist()
    assert row["walking_aid"] is None
    assert row["medicine_count"] is None
    assert row["birth_year"] == 1940
    assert "birth_date" not in row


def test_a_wearable_id_means_whoever_had_it_then():
    rows = [patient(day=5), patient("PAT000002", None, 5), patient("PAT000002", "pt-1", 8)]
    rows.append(patient("PAT000001", None, 8))
    wearers = Wearers(patient_versions(patients(*rows), HORIZON))
    assert wearers.patient_id("pt-1", datetime(2026, 1, 7, 23, tzinfo=UTC)) == "PAT000001"
    assert wearers.patient_id("pt-1", datetime(2026, 1, 8, tzinfo=UTC)) == "PAT000002"
    assert wearers.patient_id("pt-1", datetime(2024, 12, 31, tzinfo=UTC)) is None
    assert wearers.patient_key("pt-9", at(0)) is None
    assert wearers.patient_key(None, at(0)) is None


def test_a_site_is_named_once_with_the_zone_of_most_of_its_patients():
    rows = [
        patient("PAT000001", "pt-1", 5),
        patient("PAT000002", "pt-2", 5, time_zone="Atlantic/Canary"),
        patient("PAT000003", "pt-3", 5),
        patient("PAT000004", "pt-4", 6, site_id="SITE02", time_zone="America/New_York"),
    ]
    table = dim_site(patients(*rows))
    assert validate(DimSite, table).passed
    assert [(r["site_id"], r["time_zone"], r["first_seen"].day) for r in table.to_pylist()] == [
        ("SITE01", "Europe/Madrid", 5),
        ("SITE02", "America/New_York", 6),
    ]


def test_the_newest_file_that_names_a_site_tells_its_zone_and_of_equals_the_first_by_name_holds():
    rows = [
        patient("PAT000001", "pt-1", 5),
        patient("PAT000002", "pt-2", 5),
        patient("PAT000001", "pt-1", 6, time_zone="Europe/Rome"),
        patient("PAT000002", "pt-2", 6, time_zone="Europe/Paris"),
        patient("PAT000003", "pt-3", 7, site_id="SITE02"),
    ]
    table = dim_site(patients(*rows))
    assert [(r["site_id"], r["time_zone"], r["first_seen"].day) for r in table.to_pylist()] == [
        ("SITE01", "Europe/Paris", 5),
        ("SITE02", "Europe/Madrid", 7),
    ]


def devices(assigned: list[dict], *firmware: tuple) -> list[tuple]:
    seen = [FirmwareSeen(device, at(hours), version) for device, hours, version in firmware]
    wearers = Wearers(patient_versions(patients(patient(), patient("PAT000002", "pt-2")), HORIZON))
    table = dim_device(device_versions(resolve_assignments(assignments(*assigned)), seen), wearers)
    assert validate(DimDevice, table).passed, validate(DimDevice, table).sentence()
    return [
        (r["device_id"], r["valid_from"], r["valid_to"], r["wearable_patient_id"], r["firmware"])
        for r in table.to_pylist()
    ]


def test_a_device_changes_its_version_with_its_wearer_and_with_its_firmware():
    assigned = [assignment(end=12), assignment(patient="pt-2", start=12)]
    assert devices(assigned, ("imu-1", 2, "2.4.1"), ("imu-1", 20, "2.5.0"), ("imu-1", 22, "2.5.0")) == [
        ("imu-1", at(0), at(2), "pt-1", None),
        ("imu-1", at(2), at(12), "pt-1", "2.4.1"),
        ("imu-1", at(12), at(20), "pt-2", "2.4.1"),
        ("imu-1", at(20), None, "pt-2", "2.5.0"),
    ]


def test_a_device_that_was_given_back_belongs_to_nobody_until_it_is_given_out_again():
    assigned = [assignment(end=4), assignment(patient="pt-2", start=6)]
    assert [(v[1], v[3]) for v in devices(assigned)] == [(at(0), "pt-1"), (at(4), None), (at(6), "pt-2")]


def test_a_device_that_nobody_was_ever_given_is_still_a_device():
    assert devices([], ("imu-9", 3, "1.0")) == [("imu-9", at(3), None, None, "1.0")]


def test_the_wearer_of_a_device_is_known_to_the_clinic_by_key():
    wearers = Wearers(patient_versions(patients(patient()), HORIZON))
    versions = device_versions(resolve_assignments(assignments(assignment())), [])
    [row] = dim_device(versions, wearers).to_pylist()
    assert row["patient_key"] == natural_key("PAT000001")


@settings(deadline=None, max_examples=25)
@given(
    st.permutations(
        [("imu-1", 2, "2.4.1"), ("imu-1", 9, "2.5.0"), ("imu-1", 5, "2.4.1"), ("imu-2", 1, "1.0")]
    )
)
def test_reports_of_firmware_in_any_order_give_the_same_devices(reports):
    assert devices([assignment()], *reports) == devices([assignment()], *sorted(reports))
