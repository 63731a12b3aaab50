"""A patient's day is complete, refers to itself, and does not depend on the order of its rows."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.fhir.bundle import to_json
from fallrisk_assets.fhir.patient_day import (
    falls_reviewed_later,
    flag_history_start,
    high_risk_period,
    patient_days,
)
from fallrisk_assets_tests.fhir.rows import (
    DAY,
    alert_row,
    appointment_row,
    day_rows,
    fall_row,
    feedback_row,
    gait_row,
    identity_row,
    index_alert_row,
    index_row,
    not_scored_row,
    patient_row,
)

EARLIER = DAY - timedelta(days=2)


def resources(**changed):
    return patient_days(DAY, day_rows(**changed), test_data=True).resources


def of_kind(found, kind, patient_id="PAT000001"):
    return [r for r in found[patient_id] if r["resourceType"] == kind]


def two_patients():
    return day_rows(
        patients=[patient_row(), patient_row("PAT000002", "pt-2")],
        identities=[identity_row(), identity_row("PAT000002", "pt-2", given_name="Ben")],
        gait=[gait_row(), gait_row("pt-2", steps=12)],
        falls=[
            fall_row(),
            fall_row(event_id="6b0c1d9e-0000-5000-8000-000000000003"),
            fall_row("pt-2", event_id="6b0c1d9e-0000-5000-8000-000000000002"),
        ],
        index=[index_row(), not_scored_row("pt-2")],
        appointments=[
            appointment_row(),
            appointment_row("APT0002", patient_id="PAT000002", status="No-show"),
        ],
        feedback=[feedback_row(), feedback_row(content_hash="cd" * 16)],
    )


def written(rows):
    found = patient_days(DAY, rows, test_data=True)
    return [(patient_id, [to_json(r) for r in of]) for patient_id, of in found.resources.items()]


def test_a_day_holds_one_of_everything_for_its_patient():
    kinds = [r["resourceType"] for r in resources()["PAT000001"]]
    assert {k: kinds.count(k) for k in kinds} == {
        "Patient": 1,
        "Device": 4,
        "Observation": 20,
        "RiskAssessment": 1,
        "Flag": 1,
        "DetectedIssue": 3,
        "CommunicationRequest": 2,
        "Communication": 1,
        "Practitioner": 1,
        "Appointment": 1,
        "AppointmentResponse": 2,
        "Encounter": 1,
        "Questionnaire": 1,
        "QuestionnaireResponse": 1,
    }


def test_everything_refers_to_what_stands_before_it():
    seen = set()
    for resource in resources()["PAT000001"]:
        for reference in references_in(resource):
            assert reference in seen
        seen.add(f"{resource['resourceType']}/{resource['id']}")


def references_in(value):
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for child in value.values():
            yield from references_in(child)
    elif isinstance(value, list):
        for child in value:
            yield from references_in(child)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_show(random):
    rows = two_patients()
    shuffled = {
        f.name: random.sample(list(getattr(rows, f.name)), len(getattr(rows, f.name)))
        for f in dataclasses.fields(rows)
        if f.name != "specialties"
    }
    assert written(dataclasses.replace(rows, **shuffled)) == written(rows)


def test_a_patient_without_a_row_has_no_bundle():
    found = resources(patients=[patient_row(), patient_row("PAT000009", "pt-9")])
    assert list(found) == ["PAT000001"]


def test_rows_that_belong_to_no_patient_of_the_clinic_are_counted_and_not_dropped_in_silence():
    found = patient_days(DAY, day_rows(gait=[gait_row("pt-404")], alerts=[alert_row(None)]), test_data=True)
    assert found.unplaced == {"gait: NO_CLINIC_ID": 1, "alerts: NO_PATIENT": 1}


def test_the_wearables_id_of_a_patient_never_leaves_the_lake():
    ((_, contents),) = written(day_rows())
    assert not [content for content in contents if b"pt-1" in content]


def test_the_score_rests_on_the_measures_that_have_a_value():
    found = resources(gait=[gait_row(cadence_spm=None)])
    (risk,) = of_kind(found, "RiskAssessment")
    absent = [o for o in of_kind(found, "Observation") if "dataAbsentReason" in o]
    assert len(absent) == 1
    assert len(risk["basis"]) == 18
    assert {"reference": f"Observation/{absent[0]['id']}"} not in risk["basis"]


def test_a_day_with_two_devices_names_both_in_the_bundle_and_none_in_the_measures():
    found = resources(gait=[gait_row(devices="imu-10001,imu-10002")], falls=[], alerts=[])
    names = {d["identifier"][0]["value"] for d in of_kind(found, "Device")}
    assert {"imu-10001", "imu-10002"} <= names
    assert all("device" not in o for o in of_kind(found, "Observation"))


def test_an_alert_that_several_hours_show_is_written_once_as_the_last_hour_left_it():
    later = datetime(2026, 1, 5, 15, tzinfo=UTC)
    found = resources(
        alerts=[alert_row(state="RESOLVED", as_of=later, hour=later), alert_row()], index_alerts=[]
    )
    (request,) = of_kind(found, "CommunicationRequest")
    assert request["status"] == "completed"


def test_an_alert_has_a_communication_only_once_a_person_acknowledged_it():
    waiting = resources(alerts=[alert_row()], index_alerts=[])
    assert len(of_kind(waiting, "CommunicationRequest")) == 1
    assert of_kind(waiting, "Communication") == []
    at = datetime(2026, 1, 5, 12, 20, tzinfo=UTC)
    seen = resources(alerts=[alert_row(state="ACKNOWLEDGED", acknowledged_at=at)], index_alerts=[])
    (told,) = of_kind(seen, "Communication")
    assert (told["status"], told["received"]) == ("completed", "2026-01-05T12:20:00.000Z")
    (request,) = of_kind(seen, "CommunicationRequest")
    assert told["basedOn"] == [{"reference": f"CommunicationRequest/{request['id']}"}]


def test_an_alert_about_a_device_is_communicated_but_is_no_issue_of_the_patient():
    found = resources(alerts=[alert_row(rule="DEVICE_SILENT", source_ids="[]")], index=[], index_alerts=[])
    assert of_kind(found, "DetectedIssue") == []
    assert len(of_kind(found, "CommunicationRequest")) == 1


def test_the_issue_of_a_high_score_implicates_the_score():
    found = resources(alerts=[], index_alerts=[])
    (issue,) = of_kind(found, "DetectedIssue")
    (risk,) = of_kind(found, "RiskAssessment")
    assert issue["implicated"] == [{"reference": f"RiskAssessment/{risk['id']}"}]


def test_a_low_score_is_no_issue_and_no_flag():
    found = resources(index=[index_row(band="low")], index_history=[], alerts=[], index_alerts=[])
    assert of_kind(found, "DetectedIssue") == []
    assert of_kind(found, "Flag") == []


def test_an_alert_that_began_earlier_refers_to_the_fall_in_the_earlier_bundle():
    opened = datetime(2026, 1, 4, 23, 30, tzinfo=UTC)
    alert = alert_row(opened_at=opened, last_seen_at=opened)
    found = patient_days(DAY, day_rows(falls=[], alerts=[alert], index_alerts=[]), test_data=True)
    (request,) = of_kind(found.resources, "CommunicationRequest")
    (reference,) = (a["reference"] for a in request["about"])
    assert reference in found.known
    assert reference == f"Observation/{of_kind(resources(), 'Observation')[-1]['id']}"


def test_a_fall_that_is_confirmed_today_is_final_today():
    found = resources(alerts=[alert_row(state="CLOSED_CONFIRMED")])
    assert of_kind(found, "Observation")[-1]["status"] == "final"


def test_a_fall_of_an_earlier_day_is_written_again_on_the_day_a_person_judged_it():
    before = datetime(2026, 1, 3, 12, tzinfo=UTC)
    judged = alert_row(state="CLOSED_FALSE", opened_at=before, last_seen_at=before)
    fall = fall_row(impact_at=before, decided_at=before)
    assert falls_reviewed_later([judged], DAY) == [EARLIER]
    falls = of_kind(resources(alerts=[judged], falls=[fall], gait=[]), "Observation")
    assert [f["status"] for f in falls] == ["entered-in-error"]
    assert of_kind(resources(alerts=[], falls=[fall], gait=[]), "Observation") == []


def test_a_fall_that_nobody_judged_brings_no_earlier_day_back():
    assert falls_reviewed_later([alert_row(opened_at=datetime(2026, 1, 3, tzinfo=UTC))], DAY) == []


def bands(*found: str):
    """Rows of consecutive days up to DAY; "-" is a day that was not scored."""
    first = DAY - timedelta(days=len(found) - 1)
    return [
        (not_scored_row if band == "-" else index_row)(
            day=first + timedelta(days=n), **({} if band == "-" else {"band": band})
        )
        for n, band in enumerate(found)
    ]


@pytest.mark.parametrize(
    ("history", "since", "cleared"),
    [
        (("low", "high", "high"), DAY - timedelta(days=1), None),
        (("high", "-", "high"), EARLIER, None),
        (("high", "high", "-"), EARLIER, None),
        (("high", "medium", "high"), DAY, None),
        (("high", "high", "low"), EARLIER, DAY),
    ],
)
def test_a_high_risk_stands_until_a_scored_day_clears_it(history, since, cleared):
    assert high_risk_period(bands(*history), DAY) == (since, cleared)


@pytest.mark.parametrize("history", [("high", "low", "low"), ("low",), ("-",), ("high", "low", "-")])
def test_no_flag_is_written_when_nothing_stands_and_nothing_was_cleared_today(history):
    assert high_risk_period(bands(*history), DAY) is None


@given(st.lists(st.sampled_from(["low", "medium", "high", "-"]), min_size=1, max_size=12), st.randoms())
def test_since_when_the_risk_is_high_does_not_depend_on_the_order_of_days(found, random):
    rows = bands(*found)
    shuffled = random.sample(rows, len(rows))
    assert high_risk_period(shuffled, DAY) == high_risk_period(rows, DAY)


@given(st.dates(date(2026, 1, 1), date(2030, 1, 1)))
def test_the_flags_history_reaches_back_90_to_180_days_and_moves_once_in_90(day):
    start = flag_history_start(day)
    assert 90 <= (day - start).days < 180
    assert (flag_history_start(day + timedelta(days=1)) - start).days in (0, 90)


def test_the_alert_on_the_index_refers_to_the_scores_that_opened_it_and_last_showed_it():
    opened = datetime(2026, 1, 3, tzinfo=UTC)
    found = resources(alerts=[], index_alerts=[index_alert_row(opened_at=opened)])
    (request,) = of_kind(found, "CommunicationRequest")
    (risk,) = of_kind(found, "RiskAssessment")
    assert len(request["about"]) == 2
    assert {"reference": f"RiskAssessment/{risk['id']}"} in request["about"]
