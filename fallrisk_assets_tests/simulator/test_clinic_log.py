import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from fallrisk_assets.clinic.intake import parse_care_contacts, parse_device_assignment, parse_patients
from fallrisk_assets_tests.simulator.conftest import SMALL, Cohort


def newest(cohort: Cohort, name: str) -> Path:
    return max((cohort.landing / "clinic").glob(f"*Z-{name}.csv"))


def test_the_clinic_accepts_every_line_of_its_files(faulty: Cohort) -> None:
    day = date(2026, 1, 6)
    patients = parse_patients("p", newest(faulty, "patients").read_bytes(), day)
    assert (patients.patients.num_rows, patients.refusals.num_rows) == (3, 0)
    assert patients.identities["wearable_patient_id"].to_pylist() == ["pt-1", "pt-2", "pt-3"]
    ids = patients.patients["patient_id"].to_pylist()
    assert ids == ["PAT000001", "PAT000002", "PAT000003"]
    assigned, refused = parse_device_assignment(
        "a", newest(faulty, "device_assignment").read_bytes(), day, ["pt-1", "pt-2", "pt-3"]
    )
    assert refused.num_rows == 0
    assert {"imu-10001", "imu-10002", "imu-10003"} <= set(assigned["device_id"].to_pylist())
    contacts, refused = parse_care_contacts("c", newest(faulty, "care_contacts").read_bytes(), day, ids)
    assert (contacts.num_rows, refused.num_rows) == (9, 0)


def test_there_is_a_snapshot_of_each_file_for_each_day(faulty: Cohort) -> None:
    names = {(key[7:15], key.split("-", 1)[1]) for key in faulty.result.clinic_keys}
    assert names == {
        (day, f"{name}.csv")
        for day in ("20260105", "20260106")
        for name in ("patients", "device_assignment", "care_contacts")
    }


def test_a_snapshot_does_not_know_what_happens_later(faulty: Cohort) -> None:
    for path in (faulty.landing / "clinic").glob("*device_assignment.csv"):
        stamp = path.name[:15]
        for row in csv.DictReader(io.StringIO(path.read_text())):
            for moment in (row["from"], row["to"], row["corrected_at"]):
                assert moment.replace("-", "").replace(":", "")[:15] <= stamp, (path.name, row)


def test_parkinsons_disease_is_known_for_parkinsonian_people(make_cohort: Callable[..., Cohort]) -> None:
    cohort = make_cohort(
        replace(SMALL, faults="none", hours_per_day=(0.01,), days=1, phenotypes=("parkinsonian", "robust"))
    )
    rows = list(csv.DictReader(newest(cohort, "patients").open()))
    assert [row["parkinsons_disease"] for row in rows] == ["true", "false", "true"]
