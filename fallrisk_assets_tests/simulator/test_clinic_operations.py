"""What the simulated clinic writes is read without a loss, and ends in the states that the truth tells."""

import csv
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from fallrisk_assets.clinic.files import ClinicFolder, clinic_file
from fallrisk_assets.clinic.intake import parse_patients
from fallrisk_assets.clinic.operations.concerned import DayEnd
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentRecords,
    ClinicDrops,
    Feedback,
    OperationsQuarantine,
    Providers,
)
from fallrisk_assets.clinic.operations.day import files_to_read, operations_of_day
from fallrisk_assets.clinic.operations.references import References
from fallrisk_assets.clinic.operations.states import day_states
from simulator.__main__ import main
from simulator.clinic_faults import CLINIC_FAULTS, parse_clinic_faults
from simulator.clinic_operations import OperationsOptions, simulate_clinic
from simulator.cohort import CohortOptions, simulate_cohort

START, DAYS = date(2026, 1, 5), 4
UNTIL = datetime(2026, 1, 8, 23, 50, tzinfo=UTC)


@dataclass(frozen=True)
class Clinic:
    """A simulated clinic, read: tables of all days, newest states, refused states, and the truth."""

    landing: Path
    tables: dict
    states: dict[str, dict]
    refused: list[dict]
    truth: dict[str, list[dict[str, str]]]


def read(landing: Path, truth: Path) -> Clinic:
    names = sorted(f"clinic/{path.name}" for path in (landing / "clinic").iterdir())
    content = {name: (landing / name).read_bytes() for name in names}
    days = [START + timedelta(days=n) for n in range(DAYS)]
    of_days = [operations_of_day(day, *files_to_read(ClinicFolder(names), day), content) for day in days]
    tables = {model: pa.concat_tables(of_day[model] for of_day in of_days) for model in of_days[0]}
    patients = [
        parse_patients(name, content[name], file.received_at.date()).patients
        for name in names
        if (file := clinic_file(name)) and file.kind == "patients"
    ]
    ends = [DayEnd(day, UNTIL - timedelta(days=(days[-1] - day).days)) for day in days]
    found = day_states(
        ends,
        DayEnd(START - timedelta(days=1), None),
        tables[AppointmentEvents],
        tables[AppointmentRecords],
        References(pa.concat_tables(patients), tables[Providers]),
    )
    states: dict[str, dict] = {}
    refused: list[dict] = []
    for _, rows, bad in found:
        states |= {row["appointment_id"]: row for row in rows.to_pylist()}
        refused += bad.to_pylist()
    told = {path.stem: list(csv.DictReader(path.open(newline=""))) for path in truth.glob("*.csv")}
    return Clinic(landing, tables, states, refused, told)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    def simulate(faults: str) -> Clinic:
        folder = tmp_path_factory.mktemp("clinic")
        options = OperationsOptions(START, DAYS, 5, 14, faults=parse_clinic_faults(faults))
        simulate_clinic(folder / "landing", folder / "truth", 400, options)
        return read(folder / "landing", folder / "truth")

    return simulate


@pytest.fixture(scope="module")
def clean(make) -> Clinic:
    return make("none")


@pytest.fixture(scope="module")
def faulty(make) -> Clinic:
    return make("all")


def test_nothing_is_refused_and_every_line_is_read(clean):
    assert clean.tables[OperationsQuarantine].num_rows == 0
    assert clean.refused == []
    drops = clean.tables[ClinicDrops].to_pylist()
    assert sum(drop["received_lines"] for drop in drops) == sum(drop["clean_lines"] for drop in drops) + sum(
        drop["duplicate_lines"] for drop in drops
    )
    assert {drop["kind"] for drop in drops} == {"providers", "appointment_events", "feedback"}


def test_every_appointment_ends_as_the_truth_tells_as_far_as_the_log_goes(clean):
    compared: Counter[str] = Counter()
    for row in clean.truth["appointments"]:
        booked_at = datetime.fromisoformat(row["booked_at"])
        starts_at = datetime.fromisoformat(row["scheduled_start_at"])
        if row["told_as"] == "events" and booked_at > UNTIL:
            assert row["appointment_id"] not in clean.states
            continue
        state = clean.states[row["appointment_id"]]
        assert state["source"] == ("events" if row["told_as"] == "events" else "record")
        if starts_at + timedelta(hours=5) > UNTIL:
            continue
        compared[row["status"]] += 1
        assert state["status"] == row["status"], row
        assert state["scheduled_start_at"] == starts_at
        assert (state["mode"] or "") == row["mode"]
        for name in ("wait_minutes", "duration_minutes"):
            if row["status"] == "Completed":
                assert state[name] == pytest.approx(float(row[name]), abs=0.01), row
            else:
                assert state[name] is None
    assert set(compared) == {"Completed", "Cancelled", "No-show", "Rescheduled"}
    assert compared["Completed"] > 300


def test_the_answers_are_those_of_the_truth(clean):
    read_ids = sorted(clean.tables[Feedback]["feedback_id"].to_pylist())
    known = [row for row in clean.truth["feedback"] if datetime.fromisoformat(row["given_at"]) <= UNTIL]
    assert read_ids == sorted(row["feedback_id"] for row in known)
    assert len(set(clean.tables[Feedback]["appointment_id"].to_pylist())) < len(read_ids)  # some answer twice


def test_every_fault_shows_where_and_as_often_as_the_truth_says(faulty):
    expected: Counter[tuple[str, str]] = Counter()
    for row in faulty.truth["clinic_faults"]:
        if row["expected_in"] != "tables":
            expected[row["expected_in"], row["expected_reason"]] += int(row["count"])
    found = Counter(
        ("operations_quarantine", reason)
        for reason in faulty.tables[OperationsQuarantine]["reason"].to_pylist()
    )
    found.update(("appointment_quarantine", row["reason"]) for row in faulty.refused)
    # The event that a late beginning leaves without one is refused until the beginning is told.
    expected["appointment_quarantine", "NOT_STARTED"] += 2
    assert found == expected
    assert {row["fault"] for row in faulty.truth["clinic_faults"]} == set(CLINIC_FAULTS)


def test_faults_change_nothing_of_the_appointments_that_happened(clean, faulty):
    beside = {
        r["appointment_id"] for r in faulty.truth["clinic_faults"] if r["fault"] == "record_beside_events"
    }
    assert len(beside) == 2
    volatile = ("day", "as_of", "superseded_source", "disagreements")
    for one, state in clean.states.items():
        other = faulty.states[one]
        assert {k: v for k, v in state.items() if k not in volatile} == {
            k: v for k, v in other.items() if k not in volatile
        }
        if one in beside:
            assert (other["superseded_source"], other["disagreements"]) == ("record", "duration_minutes")
        else:
            assert other["superseded_source"] is None


def test_the_same_options_give_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        options = OperationsOptions(START, 2, 9, 3, faults=parse_clinic_faults("all"))
        simulate_clinic(tmp_path / name, tmp_path / f"truth-{name}", 30, options)
    one, other = (
        {path.name: path.read_bytes() for path in sorted((tmp_path / name / "clinic").iterdir())}
        for name in ("one", "other")
    )
    assert one == other


def test_a_fault_that_finds_no_room_is_told(tmp_path):
    options = OperationsOptions(START, 1, 9, 3, faults={"late_line": 1, "inactive_provider": 1})
    result = simulate_clinic(tmp_path / "landing", None, 30, options)
    assert result.faults_without_room == {"late_line": 1, "inactive_provider": 1}


def test_the_cohort_s_patients_are_the_clinic_s_patients_too(tmp_path):
    options = CohortOptions(
        patients=2, days=1, hours_per_day=(0.01,), faults="none", clinic_providers=4, clinic_patients=20
    )
    result = simulate_cohort(tmp_path / "landing", tmp_path / "truth", options)
    assert result.operations is not None
    assert result.operations.appointments > 0
    (path,) = (tmp_path / "landing" / "clinic").glob("*-patients.csv")
    rows = list(csv.DictReader(path.open()))
    assert [row["wearable_patient_id"] for row in rows[:3]] == ["pt-1", "pt-2", ""]
    assert len(rows) == 22
    told = {row["patient_id"] for row in csv.DictReader((tmp_path / "truth" / "appointments.csv").open())}
    assert told <= {row["patient_id"] for row in rows}


def test_without_providers_a_cohort_has_no_appointments(tmp_path):
    options = CohortOptions(patients=1, days=1, hours_per_day=(0.01,), faults="none")
    assert simulate_cohort(tmp_path / "landing", None, options).operations is None
    assert {path.name[17:] for path in (tmp_path / "landing" / "clinic").iterdir()} == {
        "patients.csv",
        "device_assignment.csv",
        "care_contacts.csv",
    }


def test_the_command_line_says_what_it_wrote_and_refuses_what_makes_no_sense(tmp_path, capsys):
    out = [
        "clinic",
        "--out",
        str(tmp_path / "landing"),
        "--days",
        "1",
        "--patients",
        "200",
        "--providers",
        "6",
    ]
    assert main([*out, "--faults", "broken_line=3"]) == 0
    assert "broken_line                 3" in capsys.readouterr().out
    assert main([*out, "--faults", "sunspots=1"]) == 2
    assert "sunspots" in capsys.readouterr().err
    assert main([*out, "--truth", str(tmp_path / "landing" / "truth")]) == 2
