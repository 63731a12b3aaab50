"""Each resource says what its row says, in FHIR's terms and not in ours."""

import json
import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.fhir import mapping
from fallrisk_assets.fhir.identifiers import instant, period, resource_id
from fallrisk_assets.fhir.mapping.resource import decimal, percent
from fallrisk_assets.fhir.terminology import MEASURES, code_systems
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.mobility.local_days import local_day_ending_in
from fallrisk_assets_tests.fhir.rows import (
    DAY,
    alert_row,
    fall_row,
    gait_row,
    identity_row,
    index_row,
    not_scored_row,
    patient_row,
)

PATIENT = mapping.patient(patient_row(), identity_row(), test_data=True)
WEARABLE = mapping.wearable("imu-10001", test_data=True)
MODEL = mapping.model_software("12-month fall risk index", "index-1", test_data=True)
LOCAL = local_day_ending_in(DAY, "America/New_York")
MORSE = {"59460-6", "59461-4", "59453-1"}


def measure(column: str):
    return next(m for m in MEASURES if m.column == column)


def gait(column: str, device=WEARABLE, **changed):
    row = gait_row(**changed)
    return mapping.gait_observation(row, measure(column), PATIENT, device, test_data=True)


def risk(row):
    return mapping.risk_assessment(row, LOCAL, PATIENT, MODEL, [gait("steps")], test_data=True)


def fall(review=None, **changed):
    return mapping.fall_observation(fall_row(**changed), PATIENT, WEARABLE, review, test_data=True)


def everything():
    row = alert_row()
    request = mapping.communication_request(row, PATIENT, MODEL, [fall()], test_data=True)
    return [
        PATIENT,
        WEARABLE,
        MODEL,
        *(gait(m.column) for m in MEASURES),
        fall(),
        risk(index_row()),
        risk(not_scored_row()),
        mapping.high_risk_flag(PATIENT, MODEL, DAY, test_data=True),
        request,
        mapping.communication(row, request, PATIENT, MODEL, row["opened_at"], test_data=True),
        mapping.detected_issue(
            ("a",), "high-fall-risk", "high", row["opened_at"], PATIENT, MODEL, [fall()], test_data=True
        ),
    ]


def codes_in(value) -> set[str]:
    if isinstance(value, dict):
        own = {value["code"]} if isinstance(value.get("code"), str) else set()
        return own.union(*(codes_in(v) for v in value.values()))
    if isinstance(value, list):
        return set().union(*(codes_in(v) for v in value))
    return set()


def test_a_probability_of_0_37_is_written_as_37_percent():
    assert risk(index_row(probability_12m=0.37))["prediction"][0]["probabilityDecimal"] == 37


def test_a_probability_of_one_is_written_as_100_and_not_more():
    assert risk(index_row(probability_12m=1.0))["prediction"][0]["probabilityDecimal"] == 100


@pytest.mark.parametrize("already_percent", [37.0, 1.01, -0.01])
def test_a_probability_that_is_no_probability_is_refused(already_percent):
    with pytest.raises(ValueError, match="outside 0 to 1"):
        percent(already_percent)


@given(st.floats(0, 1))
def test_percent_is_a_hundred_times_the_probability_to_two_decimals(probability):
    assert percent(probability) == pytest.approx(100 * probability, abs=0.005001)
    assert 0 <= percent(probability) <= 100


def test_the_interval_in_the_rationale_is_in_percent_too():
    said = risk(index_row(lower_12m=0.21, upper_12m=0.55))["prediction"][0]["rationale"]
    assert "Interval 21.0 to 55.0 %." in said


def test_the_components_of_the_score_are_told_with_their_sign():
    said = risk(index_row(components='{"b": -0.5, "a": 1}'))["prediction"][0]["rationale"]
    assert "a +1.000, b -0.500" in said


def test_a_day_that_was_not_scored_has_a_reason_and_no_prediction():
    found = risk(not_scored_row())
    assert found["status"] == "cancelled"
    assert "prediction" not in found
    assert found["note"] == [{"text": "Not scored: TOO_LITTLE_WEAR"}]


def test_the_middle_band_is_moderate_in_fhir():
    (prediction,) = risk(index_row(band="medium"))["prediction"]
    assert prediction["qualitativeRisk"]["coding"][0]["code"] == "moderate"


def test_the_score_is_about_the_patients_local_day_and_the_year_after_it():
    found = risk(index_row())
    assert found["occurrencePeriod"] == {
        "start": "2026-01-04T00:00:00-05:00",
        "end": "2026-01-05T00:00:00-05:00",
    }
    assert found["prediction"][0]["whenPeriod"] == {"start": "2026-01-04", "end": "2027-01-04"}


def test_a_steps_observation_has_loinc_code_and_a_unit_per_day():
    found = gait("steps", steps=4210)
    assert found["code"]["coding"][0]["code"] == "41950-7"
    assert found["valueQuantity"] == {
        "value": 4210,
        "unit": "steps per day",
        "system": "http://unitsofmeasure.org",
        "code": "/d",
    }


def test_zero_steps_are_a_value_and_no_steps_are_none():
    assert gait("steps", steps=0)["valueQuantity"]["value"] == 0
    absent = gait("steps", steps=None)
    assert "valueQuantity" not in absent
    assert absent["dataAbsentReason"]["coding"][0]["code"] == "not-performed"


def test_the_variability_of_strides_is_written_in_percent():
    quantity = gait("stride_time_cv", stride_time_cv=0.038)["valueQuantity"]
    assert (quantity["value"], quantity["code"]) == (3.8, "%")


def test_float32_noise_is_not_shown_as_precision():
    assert gait("cadence_spm", cadence_spm=102.34567260742188)["valueQuantity"]["value"] == 102.35


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(number):
    with pytest.raises(ValueError, match="finite"):
        gait("cadence_spm", cadence_spm=number)


def test_a_day_with_two_devices_names_none_of_them():
    assert "device" not in gait("steps", device=None)
    assert gait("steps")["device"] == {"reference": f"Device/{WEARABLE['id']}"}


def test_every_measure_is_a_column_of_the_daily_table():
    assert {m.column for m in MEASURES} <= set(DailyGait.to_schema().columns)


def test_a_detected_fall_is_preliminary_until_a_person_has_looked():
    assert fall()["status"] == "preliminary"
    assert "valueCodeableConcept" not in fall()
    assert fall("false")["status"] == "entered-in-error"
    assert "217082002" not in codes_in(fall("false"))
    assert fall("confirmed")["status"] == "final"
    assert fall("confirmed")["valueCodeableConcept"]["coding"][0]["code"] == "217082002"


def test_a_review_does_not_change_the_identity_of_the_fall():
    assert fall()["id"] == fall("confirmed")["id"] == fall("false")["id"]


def test_a_fall_carries_what_was_measured_and_leaves_out_what_was_not():
    found = {c["code"]["coding"][0]["code"]: c for c in fall(free_fall_s=None)["component"]}
    assert "free-fall-duration" not in found
    assert found["peak-acceleration"]["valueQuantity"]["code"] == "[g]"
    assert found["detection-probability"]["valueQuantity"]["value"] == 91
    assert found["recovered"]["valueBoolean"] is False


def test_an_unknown_review_is_refused():
    with pytest.raises(KeyError):
        fall("perhaps")


@pytest.mark.parametrize(
    ("state", "request_status"),
    [
        ("OPEN", "active"),
        ("SNOOZED", "on-hold"),
        ("RESOLVED", "completed"),
        ("CLOSED_FALSE", "revoked"),
    ],
)
def test_the_state_of_an_alert_is_the_status_of_its_request(state, request_status):
    found = mapping.communication_request(alert_row(state=state), PATIENT, MODEL, test_data=True)
    assert found["status"] == request_status


def test_every_state_and_severity_of_alerts_is_mapped():
    from fallrisk_assets.alerts.rules import SEVERITIES, STATES

    for state in STATES:
        for severity in SEVERITIES:
            row = alert_row(state=state, severity=severity)
            assert mapping.communication_request(row, PATIENT, MODEL, test_data=True)


def test_a_communication_says_when_a_person_acknowledged_it_and_not_when_it_was_sent():
    row = alert_row()
    request = mapping.communication_request(row, PATIENT, MODEL, test_data=True)
    acknowledged_at = datetime(2026, 1, 5, 12, 5, tzinfo=UTC)
    told = mapping.communication(row, request, PATIENT, MODEL, acknowledged_at, test_data=True)
    assert told["status"] == "completed"
    assert told["received"] == "2026-01-05T12:05:00.000Z"
    assert told["basedOn"] == [{"reference": f"CommunicationRequest/{request['id']}"}]
    assert "sent" not in told


def test_a_flag_that_is_cleared_is_inactive_and_ends():
    standing = mapping.high_risk_flag(PATIENT, MODEL, DAY, test_data=True)
    cleared = mapping.high_risk_flag(PATIENT, MODEL, DAY, date(2026, 1, 9), test_data=True)
    assert (standing["status"], standing["period"]) == ("active", {"start": "2026-01-05"})
    assert (cleared["status"], cleared["period"]["end"]) == ("inactive", "2026-01-09")
    assert standing["id"] == cleared["id"]


def test_a_wearable_names_no_patient_because_it_changes_patients():
    assert "patient" not in WEARABLE


def test_a_patient_without_a_name_has_no_name_element():
    nameless = mapping.patient(patient_row(), identity_row(given_name=None, family_name=None), test_data=True)
    assert "name" not in nameless
    assert PATIENT["name"] == [{"use": "official", "text": "Ana Núñez", "family": "Núñez", "given": ["Ana"]}]


def test_simulated_data_say_so_in_every_resource_and_real_data_in_none():
    for resource in everything():
        assert resource["meta"]["security"][0]["code"] == "HTEST"
    assert "meta" not in mapping.patient(patient_row(), test_data=False)


def test_no_resource_carries_a_code_of_the_morse_scale():
    assert not MORSE & set().union(*(codes_in(r) for r in everything()))


def test_every_code_of_our_own_is_defined_in_our_code_systems():
    defined = {s["url"]: {c["code"] for c in s["concept"]} for s in code_systems()}

    def own_codings(value):
        if isinstance(value, dict):
            if str(value.get("system", "")).startswith("https://fallrisk.example/fhir/CodeSystem/"):
                yield value
            for child in value.values():
                yield from own_codings(child)
        elif isinstance(value, list):
            for child in value:
                yield from own_codings(child)

    found = [c for r in everything() for c in own_codings(r)]
    assert found
    for coding in found:
        assert coding["code"] in defined[coding["system"]]


def test_an_id_follows_from_the_natural_key_alone_and_fits_fhir():
    assert resource_id("Patient", "PAT000001") == PATIENT["id"]
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", PATIENT["id"])
    assert resource_id("Patient", "PAT000002") != PATIENT["id"]


def test_times_are_written_in_utc_with_milliseconds():
    assert instant(datetime(2026, 1, 5, 7, 0, 0, 20_999, tzinfo=UTC)) == "2026-01-05T07:00:00.020Z"


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="without zone"):
        instant(datetime(2026, 1, 5, 7))  # noqa: DTZ001


def test_a_local_day_with_a_change_of_clocks_shows_both_offsets():
    local = local_day_ending_in(date(2026, 3, 9), "America/New_York")
    assert period(local.start, local.end, local.time_zone) == {
        "start": "2026-03-08T00:00:00-05:00",
        "end": "2026-03-09T00:00:00-04:00",
    }


def test_a_whole_number_stays_whole_and_a_fraction_is_never_minus_zero():
    assert json.dumps(decimal(41.7, 0)) == "42"
    assert json.dumps(decimal(-0.00001, 2)) == "0.0"
