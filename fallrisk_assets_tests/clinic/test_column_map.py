"""Another system's export through a column map: each line is loaded or refused as it was sent."""

import os
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from fallrisk_assets.clinic.column_map import SYNTHEA_PATIENTS, ColumnMap, From, read_mapped
from fallrisk_assets.clinic.intake import PATIENT_COLUMNS, parse_patients
from fallrisk_assets.clinic.operations.contract import PROVIDER_ID
from fallrisk_assets.clinic.operations.providers import parse_providers

DAY = date(2026, 1, 5)
SHARED = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
SYNTHEA = SHARED / "synthea_csv"
PATIENT_HEADER = "Id,BIRTHDATE,DEATHDATE,SSN,FIRST,LAST,GENDER,STATE"
PROVIDER_HEADER = "Id,ORGANIZATION,NAME,GENDER,SPECIALITY,STATE"


def patients(*lines: str):
    return parse_patients("p", "\n".join([PATIENT_HEADER, *lines]).encode(), DAY)


def providers(*lines: str):
    return parse_providers("p", "\n".join([PROVIDER_HEADER, *lines]).encode(), DAY)


def test_a_patient_of_another_system_has_our_columns_and_an_id_of_ours():
    found = patients("3edac2e3-d223,1950-10-06,,999-17-5017,Maynard46,Mosciski958,M,Massachusetts")
    (row,) = found.patients.to_pylist()
    assert found.refusals.num_rows == 0
    assert (row["birth_date"], row["gender"]) == (date(1950, 10, 6), "male")
    assert (row["time_zone"], row["site_id"]) == ("America/New_York", "synthea")
    (name,) = found.identities.to_pylist()
    assert (name["given_name"], name["family_name"]) == ("Maynard46", "Mosciski958")
    assert "999-17-5017" not in str(found.patients.to_pylist() + found.identities.to_pylist())


def test_an_id_is_the_same_in_every_export_and_another_for_another_person():
    line = "{},1950-10-06,,,A,B,F,California"
    first, again, other = (patients(line.format(one)) for one in ("a-1", "a-1", "a-2"))
    ids = [found.patients["patient_id"].to_pylist() for found in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a-1,1950-10-06,,,A,B,F,Texas", "TIME_ZONE_UNKNOWN"),
        ("a-1,06/10/1950,,,A,B,F,Maine", "DATE_INVALID"),
        ("a-1,1950-10-06,,,A,B,X,Maine", "VALUE_INVALID"),
        (",1950-10-06,,,A,B,F,Maine", "FIELD_MISSING"),
        ("a-1,1950-10-06,,,A,B,F", "FIELD_COUNT_WRONG"),
    ],
)
def test_a_bad_line_costs_that_line_and_is_shown_as_it_was_sent(line, reason):
    found = patients(line, "a-2,1950-10-06,,,A,B,F,Maine")
    assert found.patients.num_rows == 1
    (refused,) = found.refusals.to_pylist()
    assert (refused["line"], refused["reason"], refused["payload"]) == (2, reason, line)


def test_a_person_on_two_lines_that_differ_is_refused_on_both():
    found = patients("a-1,1950-10-06,,,A,B,F,Maine", "a-1,1951-10-06,,,A,B,F,Maine")
    assert found.refusals["reason"].to_pylist() == ["PATIENT_DUPLICATE"] * 2


def test_a_profession_that_is_no_specialty_is_refused_and_not_guessed():
    rows, refused, received = providers(
        "b-1,o,Ludivina884 Steuber698,F,GENERAL PRACTICE,MA",
        "b-2,o,Ana Maria Lopez,F,NURSE PRACTITIONER,MA",
        "b-3,o,Cher,F,PSYCHIATRY,CA",
    )
    assert received == 3
    told = {(r["first_name"], r["last_name"], r["specialty"], r["time_zone"]) for r in rows}
    assert told == {
        ("Ludivina884", "Steuber698", "Family Medicine", "America/New_York"),
        ("Cher", None, "Psychiatry", "America/Los_Angeles"),
    }
    assert [(r.line, r.reason) for r in refused] == [(3, "VALUE_INVALID")]


def test_a_file_of_ours_is_read_as_ours_though_it_has_their_columns_too():
    mine = "patient_id,birth_date,gender,registration_date,time_zone,site_id,Id,BIRTHDATE,FIRST,LAST,STATE"
    line = "PAT000001,1950-01-01,f,2020-01-01,Europe/Madrid,S1,a-1,1960-01-01,A,B,Maine"
    records, _ = read_mapped(f"{mine}\n{line}\n".encode(), PATIENT_COLUMNS, {}, [SYNTHEA_PATIENTS])
    assert records[0].cells["patient_id"] == "PAT000001"


def test_a_header_that_fits_no_map_is_refused_by_our_columns():
    other = ColumnMap("other", {"patient_id": From("number")})
    records, refusals = read_mapped(b"name\nx\n", PATIENT_COLUMNS, {}, [other])
    assert records == []
    assert "patient_id" in refusals[0].detail


@pytest.fixture
def exported() -> Path:
    if not (SYNTHEA / "patients.csv").exists():
        pytest.skip(f"no Synthea export at {SYNTHEA}: the shared data is not there")
    return SYNTHEA


def test_synthea_patients_are_all_loaded(exported):
    found = parse_patients("s", (exported / "patients.csv").read_bytes(), DAY)
    assert (found.patients.num_rows, found.refusals.num_rows) == (27, 0)


def test_synthea_providers_are_loaded_or_refused_for_their_profession(exported):
    rows, refused, received = parse_providers("s", (exported / "providers.csv").read_bytes(), DAY)
    assert (received, len(rows), len(refused)) == (166, 100, 66)
    assert Counter(r["specialty"] for r in rows) == {
        "Family Medicine": 65,
        "Internal Medicine": 32,
        "Psychiatry": 3,
    }
    assert all(re.fullmatch(PROVIDER_ID, r["provider_id"]) for r in rows)
    assert {r.reason for r in refused} == {"VALUE_INVALID"}
    assert {r["time_zone"] for r in rows} == {"America/New_York"}
