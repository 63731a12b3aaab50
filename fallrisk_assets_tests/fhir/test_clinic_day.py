"""The clinic's part of a patient's day: nobody's visit is lost, and nothing personal leaves with it."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.operations.vocabulary import MODES, STATUSES
from fallrisk_assets.fhir.bundle import to_json
from fallrisk_assets.fhir.mapping.feedback import RATINGS, questionnaire
from fallrisk_assets.fhir.models import model_errors
from fallrisk_assets.fhir.patient_day import PatientDays, patient_days
from fallrisk_assets.fhir.resources import judge, ndjson, resources_table
from fallrisk_assets_tests.fhir.rows import DAY, appointment_row, day_rows, feedback_row, patient_row

OTHERS = ("gait", "falls", "index", "index_history", "alerts", "index_alerts")
PATIENTS = ("PAT000001", "PAT000002")


def clinic_only(appointments=(), feedback=(), **changed) -> PatientDays:
    rows = day_rows(
        **dict.fromkeys(OTHERS, ()), appointments=list(appointments), feedback=list(feedback), **changed
    )
    return patient_days(DAY, rows, test_data=True)


def of_kind(found: PatientDays, kind: str) -> list[dict]:
    return [r for of in found.resources.values() for r in of if r["resourceType"] == kind]


def one(found: PatientDays, kind: str) -> dict:
    (resource,) = of_kind(found, kind)
    return resource


def test_a_patient_without_a_wearable_has_a_bundle_of_the_visits():
    found = clinic_only([appointment_row()], patients=[patient_row(wearable=None)])
    kinds = [r["resourceType"] for r in found.resources["PAT000001"]]
    assert kinds == [
        "Patient",
        "Device",
        "Practitioner",
        "Appointment",
        "AppointmentResponse",
        "AppointmentResponse",
        "Encounter",
    ]


@pytest.mark.parametrize(
    ("status", "booked", "held"),
    [
        ("Scheduled", "booked", None),
        ("In progress", "arrived", "in-progress"),
        ("Completed", "fulfilled", "finished"),
        ("Cancelled", "cancelled", None),
        ("Rescheduled", "cancelled", None),
        ("No-show", "noshow", None),
    ],
)
def test_a_state_has_the_words_of_r4_and_an_encounter_only_where_a_visit_began(status, booked, held):
    found = clinic_only([appointment_row(status=status)])
    assert one(found, "Appointment")["status"] == booked
    assert [e["status"] for e in of_kind(found, "Encounter")] == ([held] if held else [])


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("Video/Online", "VR"),
        ("Telephone", "VR"),
        ("Face-to-Face", "AMB"),
        ("Home Visit", "HH"),
        (None, "UNK"),
    ],
)
def test_the_class_of_an_encounter_follows_the_mode_and_an_unknown_one_is_said_to_be(mode, code):
    assert one(clinic_only([appointment_row(mode=mode)]), "Encounter")["class"]["code"] == code


def test_an_appointment_ends_after_the_booked_minutes_or_those_that_it_took():
    booked = one(clinic_only([appointment_row()]), "Appointment")
    assert (booked["start"], booked["end"]) == ("2026-01-05T15:00:00.000Z", "2026-01-05T15:20:00.000Z")
    taken = one(clinic_only([appointment_row(planned_minutes=None)]), "Appointment")
    assert taken["end"] == "2026-01-05T15:22:30.000Z"


@pytest.mark.parametrize("status", ["Scheduled", "In progress", "No-show"])
def test_an_end_is_not_invented_and_the_row_is_counted(status):
    found = clinic_only([appointment_row(status=status, planned_minutes=None, duration_minutes=None)])
    assert of_kind(found, "Appointment") == of_kind(found, "AppointmentResponse") == []
    assert found.unplaced == {"appointments: NO_END": 1}
    assert judge(found).passed


def test_a_visit_that_was_called_off_without_an_end_keeps_when_it_was_to_begin():
    off = one(
        clinic_only([appointment_row(status="Cancelled", planned_minutes=None, duration_minutes=None)]),
        "Appointment",
    )
    assert off["requestedPeriod"] == [{"start": "2026-01-05T15:00:00.000Z"}]
    assert not {"start", "end"} & off.keys()


def test_what_is_refused_or_of_nobody_is_counted_and_becomes_no_resource():
    found = clinic_only(
        [appointment_row(refusal="PROVIDER_UNKNOWN"), appointment_row("APT0002", patient_id="PAT000404")],
        [feedback_row(patient_id="PAT000404")],
    )
    assert found.resources == {}
    assert found.unplaced == {
        "appointments: REFUSED": 1,
        "appointments: NO_PATIENT_RECORD": 1,
        "feedback: NO_PATIENT_RECORD": 1,
    }


def test_a_row_that_is_neither_a_resource_nor_counted_keeps_the_day_from_being_published():
    found = clinic_only([appointment_row()], [feedback_row()])
    assert judge(found).passed
    found.resources["PAT000001"] = [
        r for r in found.resources["PAT000001"] if r["resourceType"] != "QuestionnaireResponse"
    ]
    assert judge(found).counts == {"content: ROW_LOST": 1}


def test_two_contents_under_one_id_of_an_answer_are_two_responses():
    found = clinic_only(
        feedback=[feedback_row(), feedback_row(content_hash="cd" * 16, overall_satisfaction=1)]
    )
    assert len({r["id"] for r in of_kind(found, "QuestionnaireResponse")}) == 2


def test_an_answer_answers_questions_that_are_asked_and_one_without_answer_is_left_out():
    found = clinic_only(feedback=[feedback_row()])
    asked = {item["linkId"] for item in one(found, "Questionnaire")["item"]}
    answered = {i["linkId"]: i["answer"][0] for i in one(found, "QuestionnaireResponse")["item"]}
    assert asked == {*RATINGS, "would_recommend"}
    assert answered == {
        "provider_rating": {"valueInteger": 5},
        "ease_of_use_rating": {"valueInteger": 4},
        "audio_quality_rating": {"valueInteger": 3},
        "overall_satisfaction": {"valueInteger": 4},
        "would_recommend": {"valueBoolean": True},
    }
    assert one(found, "QuestionnaireResponse")["questionnaire"] == "{url}|{version}".format(
        **questionnaire(test_data=True)
    )


def test_no_word_that_a_person_wrote_and_no_practitioners_name_is_in_a_bundle():
    found = clinic_only(
        [appointment_row(status="Cancelled", cancellation_reason="my husband Aldo died")], [feedback_row()]
    )
    written = b"".join(to_json(r) for of in found.resources.values() for r in of)
    for word in (b"Aldo", b"husband", b"Ida", b"Grey", b"kind"):
        assert word not in written


moments = st.timedeltas(timedelta(0), timedelta(days=30)).map(datetime(2026, 1, 1, tzinfo=UTC).__add__)
minutes = st.one_of(st.none(), st.floats(0.5, 700))
appointments = st.builds(
    appointment_row,
    patient_id=st.sampled_from([*PATIENTS, "PAT000404"]),
    provider_id=st.sampled_from(["PROV0001", "PROV0002"]),
    refusal=st.sampled_from([None, None, None, "PROVIDER_UNKNOWN"]),
    status=st.sampled_from(STATUSES),
    booked_at=st.one_of(st.none(), moments),
    scheduled_start_at=moments,
    mode=st.sampled_from([None, *MODES]),
    appointment_type=st.sampled_from([None, "Follow-up"]),
    planned_minutes=minutes,
    duration_minutes=minutes,
    session_started_at=st.one_of(st.none(), moments),
    session_ended_at=st.none(),
)
answers = st.builds(
    feedback_row,
    patient_id=st.sampled_from([*PATIENTS, "PAT000404"]),
    given_at=st.one_of(st.none(), moments),
    would_recommend=st.sampled_from([None, True, False]),
    **{column: st.one_of(st.none(), st.integers(1, 5)) for column in RATINGS},
)


@settings(max_examples=60, deadline=None)
@given(st.lists(appointments, max_size=5), st.lists(answers, max_size=3))
def test_each_row_of_any_day_is_one_sound_resource_or_counted(visits, answered):
    visits = [{**row, "appointment_id": f"APT{n:04}"} for n, row in enumerate(visits)]
    answered = [{**row, "feedback_id": f"FB{n:04}"} for n, row in enumerate(answered)]
    found = clinic_only(visits, answered, patients=[patient_row(one, wearable=None) for one in PATIENTS])
    assert judge(found).passed, judge(found).examples
    resources = [r for of in found.resources.values() for r in of]
    assert [error for r in resources for error in model_errors(r)] == []
    told = len(of_kind(found, "Appointment")) + len(of_kind(found, "QuestionnaireResponse"))
    assert told + found.unplaced.total() == len(visits) + len(answered)
    for booked in of_kind(found, "Appointment"):
        assert ("start" in booked) == ("end" in booked)  # app-2
        assert "start" in booked or booked["status"] == "cancelled"  # app-3
        assert booked.get("start", "") <= booked.get("end", "")
    ndjson(resources_table(DAY, found))  # raises where a shared resource differs between patients


def test_a_practitioner_of_two_patients_is_written_once_and_says_the_specialty():
    rows = [appointment_row(), appointment_row("APT0002", patient_id="PAT000002")]
    found = clinic_only(rows, patients=[patient_row(), patient_row("PAT000002", "pt-2")])
    lines = ndjson(resources_table(DAY, found))["Practitioner"].splitlines()
    assert len(of_kind(found, "Practitioner")) == 2
    assert len(lines) == 1
    assert b"Neurology" in lines[0]


def test_the_day_is_the_same_bytes_when_it_is_made_again():
    rows = day_rows()
    again = dataclasses.replace(rows, appointments=list(rows.appointments))
    made = [resources_table(DAY, patient_days(DAY, r, test_data=True)) for r in (rows, again)]
    assert made[0].equals(made[1])
