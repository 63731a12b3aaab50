"""A bad line of a clinic file costs that line, and nobody's data goes to somebody else."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.contract import (
    CareContacts,
    DeviceAssignment,
    IdentityQuarantine,
    PatientIdentity,
    Patients,
)
from fallrisk_assets.clinic.intake import (
    parse_care_contacts,
    parse_device_assignment,
    parse_patients,
    patient_ids_in,
)
from fallrisk_assets.validation import validate

DAY = date(2026, 1, 5)
HEADER = (
    "patient_id,wearable_patient_id,given_name,family_name,birth_date,gender,has_insurance,registration_date,"
    "time_zone,site_id,expected_wear_hours,falls_past_12_months,walking_aid,gait_problem,vertigo,"
    "fear_of_falling,parkinsons_disease,medicine_count,living_alone"
)
ADA = (
    "PAT000001,pt-1,Ada,Moreno,1941-03-05,F,true,2020-02-29,Europe/Madrid,SITE01,16,2,true,,false,yes,no,7,1"
)
BEN = "PAT000002,pt-2,Ben,Ortega,1950-07-09,male,,2021-01-01,America/New_York,SITE02,8,,,,,,,,"
CONTACTS = "patient_id,role,channel,address,order,quiet_hours"
ASSIGNMENTS = "device_id,patient_id,from,to,position,corrected_at"


def patients_file(*lines: str):
    return parse_patients("patients.csv", "\n".join([HEADER, *lines, ""]).encode(), DAY)


def assignment_file(*lines: str, known=frozenset({"pt-1", "pt-2"})):
    data = "\n".join([ASSIGNMENTS, *lines, ""]).encode()
    return parse_device_assignment("device_assignment.csv", data, DAY, known)


def contacts_file(*lines: str):
    data = "\n".join([CONTACTS, *lines, ""]).encode()
    return parse_care_contacts("care_contacts.csv", data, DAY, {"PAT000001"})


def reasons(quarantine) -> dict[int, str]:
    return dict(zip(quarantine["line"].to_pylist(), quarantine["reason"].to_pylist(), strict=True))


def test_a_patient_is_read_with_every_answer_and_the_name_goes_to_the_identity_table_only():
    parsed = patients_file(ADA)
    [row] = parsed.patients.to_pylist()
    assert row == {
        "snapshot_date": DAY,
        "patient_id": "PAT000001",
        "wearable_patient_id": "pt-1",
        "birth_date": date(1941, 3, 5),
        "gender": "female",
        "has_insurance": True,
        "registration_date": date(2020, 2, 29),
        "time_zone": "Europe/Madrid",
        "site_id": "SITE01",
        "expected_wear_hours": 16.0,
        "falls_past_12_months": 2,
        "walking_aid": True,
        "gait_problem": None,
        "vertigo": False,
        "fear_of_falling": True,
        "parkinsons_disease": False,
        "medicine_count": 7,
        "living_alone": True,
    }
    [name] = parsed.identities.to_pylist()
    assert (name["given_name"], name["family_name"]) == ("Ada", "Moreno")
    assert parsed.refusals.num_rows == 0


def test_an_unanswered_history_question_is_unknown_and_not_no():
    [row] = patients_file(BEN).patients.to_pylist()
    history = ("falls_past_12_months", "walking_aid", "vertigo", "medicine_count", "living_alone")
    assert [row[column] for column in history] == [None] * 5
    assert row["has_insurance"] is None


def test_every_table_that_comes_out_keeps_its_contract():
    parsed = patients_file(ADA, BEN, "rubbish")
    assignment, refused = assignment_file("imu-1,pt-1,2026-01-05T00:00:00Z,,waist,", "imu-2,pt-9,,,waist,")
    contacts, _ = contacts_file("PAT000001,nurse,email,nurse@clinic.example,1,22:00-07:00")
    for model, rows in (
        (Patients, parsed.patients),
        (PatientIdentity, parsed.identities),
        (IdentityQuarantine, parsed.refusals),
        (IdentityQuarantine, refused),
        (DeviceAssignment, assignment),
        (CareContacts, contacts),
    ):
        assert rows.num_rows > 0
        assert validate(model, rows).passed, validate(model, rows).sentence()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("patient_id", "", "FIELD_MISSING"),
        ("patient_id", "X1", "ID_INVALID"),
        ("wearable_patient_id", "42", "ID_INVALID"),
        ("birth_date", "1941-02-30", "DATE_INVALID"),
        ("birth_date", "05/03/1941", "DATE_INVALID"),
        ("birth_date", "2026-01-06", "DATE_IMPLAUSIBLE"),
        ("birth_date", "1741-03-05", "DATE_IMPLAUSIBLE"),
        ("registration_date", "1940-01-01", "REGISTERED_BEFORE_BIRTH"),
        ("registration_date", "2026-01-06", "DATE_IMPLAUSIBLE"),
        ("gender", "x", "VALUE_INVALID"),
        ("time_zone", "Europe/Nowhere", "TIME_ZONE_UNKNOWN"),
        ("time_zone", "../etc/passwd", "TIME_ZONE_UNKNOWN"),
        ("time_zone", "Europe", "TIME_ZONE_UNKNOWN"),
        ("site_id", "", "FIELD_MISSING"),
        ("expected_wear_hours", "25", "VALUE_OUT_OF_RANGE"),
        ("expected_wear_hours", "nan", "VALUE_INVALID"),
        ("falls_past_12_months", "-1", "VALUE_OUT_OF_RANGE"),
        ("falls_past_12_months", "2.5", "VALUE_INVALID"),
        ("medicine_count", "many", "VALUE_INVALID"),
        ("living_alone", "maybe", "VALUE_INVALID"),
    ],
)
def test_a_faulty_cell_costs_its_line_with_a_reason_and_never_the_others(column, value, reason):
    cells = ADA.split(",")
    cells[HEADER.split(",").index(column)] = value
    parsed = patients_file(",".join(cells), BEN)
    assert reasons(parsed.refusals) == {2: reason}
    assert parsed.patients["patient_id"].to_pylist() == ["PAT000002"]
    assert parsed.refusals["payload"].to_pylist() == [",".join(cells)]
    assert column in parsed.refusals["detail"][0].as_py()


def test_two_patients_with_one_wearable_id_are_both_refused_even_if_one_of_them_is_faulty_anyway():
    thief = BEN.replace("pt-2", "pt-1").replace("1950-07-09", "1950-99-09")
    parsed = patients_file(ADA, thief)
    assert parsed.patients.num_rows == 0
    assert reasons(parsed.refusals) == {2: "WEARABLE_ID_NOT_UNIQUE", 3: "DATE_INVALID"}


def test_a_patient_on_two_differing_lines_is_refused_and_one_on_two_equal_lines_is_kept_once():
    differing = patients_file(ADA, ADA.replace("Ada", "Eva"), BEN)
    assert reasons(differing.refusals) == {2: "PATIENT_DUPLICATE", 3: "PATIENT_DUPLICATE"}
    equal = patients_file(ADA, ADA, BEN)
    assert equal.patients["patient_id"].to_pylist() == ["PAT000001", "PAT000002"]
    assert reasons(equal.refusals) == {3: "PATIENT_DUPLICATE"}


def test_an_unclosed_quote_costs_its_line_and_not_the_lines_below():
    parsed = patients_file('"' + ADA, BEN)
    assert reasons(parsed.refusals) == {2: "LINE_NOT_CSV"}
    assert parsed.patients["patient_id"].to_pylist() == ["PAT000002"]


def test_a_line_that_is_not_utf8_costs_that_line_and_its_bytes_can_still_be_read():
    data = (HEADER + "\n").encode() + ADA.encode("latin-1").replace(b"Ada", b"\xc1da") + f"\n{BEN}\n".encode()
    parsed = parse_patients("patients.csv", data, DAY)
    assert reasons(parsed.refusals) == {2: "LINE_NOT_CSV"}
    assert "\\xc1da" in parsed.refusals["payload"][0].as_py()


def test_a_file_from_a_spreadsheet_with_byte_order_mark_and_crlf_is_read():
    data = b"\xef\xbb\xbf" + "\r\n".join([HEADER, ADA, "", BEN, ""]).encode()
    assert parse_patients("patients.csv", data, DAY).patients.num_rows == 2


def test_quoted_commas_stay_in_their_field():
    parsed = patients_file(ADA.replace("Moreno", '"Moreno, Ruiz"'))
    assert parsed.identities["family_name"].to_pylist() == ["Moreno, Ruiz"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "FILE_UNREADABLE"),
        (b"\xff\xfe\x00", "FILE_UNREADABLE"),
        (HEADER.replace("time_zone", "zone").encode() + b"\n", "COLUMN_MISSING"),
        (HEADER.replace("site_id", "time_zone").encode() + b"\n", "COLUMN_MISSING"),
        (HEADER.encode() + b",gender\n", "FILE_UNREADABLE"),
    ],
)
def test_a_file_without_a_usable_header_is_refused_as_a_whole_on_line_0(data, reason):
    parsed = parse_patients("patients.csv", data, DAY)
    assert parsed.patients.num_rows == 0
    assert reasons(parsed.refusals) == {0: reason}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet='",\r abPAT0123-\x00é|', max_size=40).filter(str.strip), max_size=8))
def test_every_line_of_a_file_is_either_a_row_or_a_refusal(lines):
    parsed = patients_file(ADA, *lines)
    expected = 1 + sum(1 for line in lines if line.rstrip("\r").strip())
    assert parsed.patients.num_rows + parsed.refusals.num_rows == expected


def test_the_ids_of_a_file_count_even_where_the_row_is_faulty_but_not_where_two_share_one():
    lines = [HEADER, ADA.replace("1941-03-05", "soon"), BEN, BEN.replace("PAT000002", "PAT000003")]
    patients, wearables = patient_ids_in("\n".join(lines).encode())
    assert patients == {"PAT000001", "PAT000002", "PAT000003"}
    assert wearables == {"pt-1"}


def test_an_assignment_is_read_in_utc_whatever_its_offset():
    rows, refused = assignment_file("imu-1,pt-1,2026-01-05T08:00:00+01:00,2026-01-05T12:00:00Z,waist,")
    [row] = rows.to_pylist()
    assert row["valid_from"] == datetime(2026, 1, 5, 7, tzinfo=UTC)
    assert row["corrected_at"] is None
    assert row["revision"] == 0
    assert refused.num_rows == 0


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("imu-1,pt-9,2026-01-05T00:00:00Z,,waist,", "WEARABLE_ID_UNKNOWN"),
        ("imu-1,PAT000001,2026-01-05T00:00:00Z,,waist,", "ID_INVALID"),
        ("imu-1,pt-1,2026-01-05T00:00:00,,waist,", "TIME_INVALID"),
        ("imu-1,pt-1,yesterday,,waist,", "TIME_INVALID"),
        ("imu-1,pt-1,0001-01-01T00:00:00+14:00,,waist,", "TIME_INVALID"),
        ("imu-1,pt-1,,,waist,", "FIELD_MISSING"),
        ("imu-1,pt-1,2026-01-05T00:00:00Z,2026-01-04T00:00:00Z,waist,", "ASSIGNMENT_BACKWARDS"),
        ("imu-1,pt-1,2026-01-05T00:00:00Z,,head,", "VALUE_INVALID"),
        ("!,pt-1,2026-01-05T00:00:00Z,,waist,", "ID_INVALID"),
    ],
)
def test_a_faulty_assignment_is_refused_with_its_reason(line, reason):
    rows, refused = assignment_file(line)
    assert rows.num_rows == 0
    assert reasons(refused) == {2: reason}


@pytest.mark.parametrize(
    "second",
    [
        "imu-1,pt-2,2026-01-05T12:00:00Z,,waist,",
        "imu-1,pt-2,2026-01-05T00:00:00Z,2026-01-05T01:00:00Z,waist,",
        "imu-1,pt-1,2026-01-05T00:00:00Z,2026-01-05T01:00:00Z,waist,",
    ],
)
def test_two_overlapping_assignments_of_one_standing_are_both_refused(second):
    rows, refused = assignment_file("imu-1,pt-1,2026-01-05T00:00:00Z,,waist,", second)
    assert rows.num_rows == 0
    assert reasons(refused) == {2: "ASSIGNMENT_OVERLAP", 3: "ASSIGNMENT_OVERLAP"}


def test_neighbouring_assignments_other_devices_and_dated_corrections_do_not_overlap():
    rows, refused = assignment_file(
        "imu-1,pt-1,2026-01-05T00:00:00Z,2026-01-05T12:00:00Z,waist,",
        "imu-1,pt-2,2026-01-05T12:00:00Z,,waist,",
        "imu-2,pt-1,2026-01-05T00:00:00Z,,wrist,",
        "imu-1,pt-2,2026-01-05T11:00:00Z,,waist,2026-01-06T00:00:00Z",
        "imu-1,pt-2,2026-01-05T12:00:00Z,2026-01-05T12:00:00Z,waist,2026-01-06T00:00:00Z",
    )
    assert refused.num_rows == 0
    assert rows["revision"].to_pylist() == [0, 0, 0, 1, 0]


def test_an_assignment_written_twice_is_kept_once():
    line = "imu-1,pt-1,2026-01-05T00:00:00Z,,waist,"
    rows, refused = assignment_file(line, line)
    assert rows.num_rows == 1
    assert reasons(refused) == {3: "ASSIGNMENT_DUPLICATE"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("PAT000009,nurse,email,a@b.example,1,", "PATIENT_UNKNOWN"),
        ("PAT000001,neighbour,email,a@b.example,1,", "VALUE_INVALID"),
        ("PAT000001,nurse,pigeon,a@b.example,1,", "VALUE_INVALID"),
        ("PAT000001,nurse,email,,1,", "FIELD_MISSING"),
        ("PAT000001,nurse,email,a@b.example,0,", "FIELD_MISSING"),
        ("PAT000001,nurse,email,a@b.example,1,22:00", "TIME_INVALID"),
        ("PAT000001,nurse,email,a@b.example,1,22:00-25:00", "TIME_INVALID"),
    ],
)
def test_a_faulty_contact_is_refused_with_its_reason(line, reason):
    rows, refused = contacts_file(line)
    assert rows.num_rows == 0
    assert reasons(refused) == {2: reason}


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        *(
            ("email", a)
            for a in ("ward-1@", "@clinic.example", "nobody", "a@b@c", "a b@c.example", "a@[", "a@b..c")
        ),
        *(
            ("email", a)
            for a in ("a.@c.example", "<a@c.example>", "a@b.c; d@e.f", "a@" + "x" * 64, "a@-b.example")
        ),
        *(
            ("webhook", a)
            for a in ("http://[::1", "http://", "ftp://host/x", "nurse", "http://x:99999/", "http://x:y/")
        ),
        *(("webhook", a) for a in ("http://exa mple/", "https://ex.org/ü", "http://x..y/", "http://x:0/")),
    ],
)
def test_an_address_to_which_nothing_can_ever_be_sent_is_refused_and_not_quoted(channel, address):
    rows, refused = contacts_file(f"PAT000001,nurse,{channel},{address},1,")
    assert rows.num_rows == 0
    assert reasons(refused) == {2: "ADDRESS_INVALID"}
    assert address not in refused["detail"].to_pylist()[0]


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "ward-1@clinic.example"),
        ("email", "o'neil+night.ward_2@mailhost"),
        ("email", "jörg@krankenhaus-süd.example"),
        ("webhook", "https://clinic.example:8443/alerts?ward=1"),
        ("webhook", "http://[::1]:8080/"),
        ("webhook", "HTTP://127.0.0.1/x"),
        ("file", "on-call-desk"),
        ("sms", "+34600000002"),
    ],
)
def test_an_address_that_may_be_right_is_kept_as_it_is(channel, address):
    rows, _ = contacts_file(f"PAT000001,nurse,{channel},{address},1,")
    assert rows["address"].to_pylist() == [address]


def test_contacts_come_in_the_order_in_which_they_are_called():
    rows, _ = contacts_file(
        "PAT000001,on-call,sms,+34600000002,2,",
        "PAT000001,nurse,email,nurse@clinic.example,1,22:00-07:00",
    )
    assert rows["role"].to_pylist() == ["nurse", "on-call"]
    assert rows["quiet_from"].to_pylist() == ["22:00", None]
    assert rows["quiet_to"].to_pylist() == ["07:00", None]


def test_no_refusal_repeats_personal_data_in_its_detail():
    parsed = patients_file(ADA.replace("1941-03-05", "Moreno"), BEN.replace("male", "Ortega"))
    for detail in parsed.refusals["detail"].to_pylist():
        assert not {"Moreno", "Ortega", "Ada", "Ben", "1950-07-09"} & set(detail.split())
