"""The public set's published layout: each kind of its dirt costs its line, and is told with a reason."""

import pytest

from fallrisk_assets.clinic.no_show.facts import facts_at_booking
from fallrisk_assets.clinic.no_show.public_set import NOT_USED, WHAT_TO_DO, read_public_set
from fallrisk_assets_tests.clinic.no_show.made import HEADER, public_file, public_line


def test_a_line_as_published_is_read():
    found = read_public_set(
        public_file(
            "29872499824296,5642903,F,2016-04-29T18:38:08Z,2016-04-29T00:00:00Z,62,REPÚBLICA,0,1,0,0,0,0,No",
            "733688164476661,5630279,F,2016-04-27T15:05:12Z,2016-04-29T00:00:00Z,23,GOIABEIRAS,0,0,0,0,0,0,Yes",
        )
    )
    assert not found.refusals
    assert found.bookings.patient_id.tolist() == ["29872499824296", "733688164476661"]
    assert found.visits.missed.tolist() == [False, True]
    facts = facts_at_booking(found.bookings, found.visits)
    assert facts.lead_time_days.tolist() == [0, 2]
    assert facts.age_years.tolist() == [62.0, 23.0]


DIRT = [
    ({"Age": "-1"}, "AGE_OUT_OF_RANGE"),
    ({"Age": "121"}, "AGE_OUT_OF_RANGE"),
    (
        {"ScheduledDay": "2016-05-10T10:51:53Z", "AppointmentDay": "2016-05-09T00:00:00Z"},
        "BOOKED_AFTER_VISIT",
    ),
    ({"PatientId": "93779.52927"}, "PATIENT_ID_NOT_INTEGER"),
    ({"PatientId": "2.98725E+13"}, "PATIENT_ID_NOT_INTEGER"),
    ({"PatientId": "2.98E+13"}, "PATIENT_ID_NOT_INTEGER"),
    ({"PatientId": "-5"}, "PATIENT_ID_NOT_INTEGER"),
    ({"PatientId": "1" * 19}, "PATIENT_ID_NOT_INTEGER"),
    ({"PatientId": ""}, "PATIENT_ID_NOT_INTEGER"),
    ({"AppointmentID": "5642903.5"}, "APPOINTMENT_ID_INVALID"),
    ({"AppointmentID": "5642904"}, "APPOINTMENT_TWICE"),
    ({"ScheduledDay": "29/04/2016"}, "DATE_UNREADABLE"),
    ({"AppointmentDay": "2016-02-30T00:00:00Z"}, "DATE_UNREADABLE"),
    ({"No_show": "maybe"}, "OUTCOME_UNKNOWN"),
    ({"Handcap": "5"}, "VALUE_INVALID"),
    ({"SMS_received": ""}, "VALUE_INVALID"),
    ({"Gender": "?"}, "VALUE_INVALID"),
]


@pytest.mark.parametrize(("cells", "reason"), DIRT)
def test_a_row_that_cannot_be_is_refused_with_its_line_and_reason_and_costs_no_other(cells, reason):
    found = read_public_set(public_file(public_line(1), public_line(2, **cells), public_line(3)))
    assert [(r.line, r.reason) for r in found.refusals] == [(3, reason)]
    assert found.refusals[0].detail == WHAT_TO_DO[reason]
    assert len(found.bookings) == len(found.visits) == 2
    assert found.received == 3


def test_lines_received_are_lines_accepted_and_lines_refused():
    bad = [public_line(i, **cells) for i, (cells, _) in enumerate(DIRT, start=100)]
    found = read_public_set(public_file(public_line(1), *bad, "short,line", public_line(2), ""))
    assert found.received == len(found.bookings) + len(found.refusals) == len(bad) + 3
    assert found.counts()["FIELD_COUNT_WRONG"] == 1
    assert sum(found.counts().values()) == len(found.refusals)
    assert [r.line for r in found.refusals] == sorted(r.line for r in found.refusals)


def test_what_a_refusal_tells_holds_nothing_of_the_person():
    found = read_public_set(public_file(public_line(1, Age="-1")))
    assert (found.refusals[0].payload, found.refusals[0].patient_id) == ("", None)


@pytest.mark.parametrize("written", ["29872499824296.0", "2.9872499824296E+13", "029872499824296"])
def test_an_id_that_a_table_program_wrote_otherwise_but_in_full_is_the_same_person(written):
    found = read_public_set(public_file(public_line(1, PatientId=written, Age="62.0")))
    assert found.bookings.patient_id.tolist() == ["29872499824296"]


def test_a_visit_at_midnight_of_the_day_of_its_booking_has_lead_time_0_and_no_time_of_day():
    same_day = public_line(1, ScheduledDay="2016-04-29T18:38:08Z")
    timed = public_line(2, AppointmentDay="2016-04-29T10:15:00Z")
    found = read_public_set(public_file(same_day, timed))
    assert not found.refusals
    assert found.without_time == 1
    assert facts_at_booking(found.bookings, found.visits).lead_time_days.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("header", "reason"), [(HEADER.replace("No-show", "Missed"), "COLUMN_MISSING"), ("", "FILE_UNREADABLE")]
)
def test_a_file_in_another_layout_is_refused_whole(header, reason):
    found = read_public_set(public_file(public_line(1), header=header))
    assert [(r.line, r.reason) for r in found.refusals] == [(0, reason)]
    assert not len(found.bookings)


def test_what_is_written_after_the_booking_or_unknown_to_the_clinic_is_not_used():
    def read(**cells):
        found = read_public_set(public_file(public_line(1, **cells)))
        return found.bookings, found.visits

    plain = facts_at_booking(*read())
    other = {**dict.fromkeys(NOT_USED, "1"), "Gender": "M", "Neighbourhood": "CENTRO", "SMS_received": "0"}
    changed = facts_at_booking(*read(**other))
    for name in ("lead_time_days", "age_years", "weekend", "earlier_kept", "earlier_missed", "last_missed"):
        assert getattr(plain, name).tolist() == getattr(changed, name).tolist()
