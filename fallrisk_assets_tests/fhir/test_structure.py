"""The cheap check finds each fault that it names, in the place where it is."""

import copy

import numpy as np
import pytest

from fallrisk_assets.fhir.models import model_errors, sample, stratum
from fallrisk_assets.fhir.patient_day import patient_days
from fallrisk_assets.fhir.structure import REQUIRED, faults
from fallrisk_assets_tests.fhir.rows import (
    DAY,
    day_rows,
    gait_row,
    index_row,
    not_scored_row,
    patient_row,
)


@pytest.fixture(scope="module")
def resources():
    return patient_days(DAY, day_rows(), test_data=True).resources["PAT000001"]


@pytest.fixture(scope="module")
def known(resources):
    return {f"{r['resourceType']}/{r['id']}" for r in resources}


def first(resources, kind):
    return copy.deepcopy(next(r for r in resources if r["resourceType"] == kind))


def reasons(resource, known):
    return {f.reason for f in faults(resource, known)}


def test_what_we_write_has_no_fault(resources, known):
    assert [f for r in resources for f in faults(r, known)] == []


@pytest.mark.parametrize("kind", sorted(set(REQUIRED) - {"Provenance"}))
def test_each_required_element_is_missed(resources, known, kind):
    for element in REQUIRED[kind]:
        broken = first(resources, kind)
        del broken[element]
        assert "ELEMENT_MISSING" in reasons(broken, known)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "VALUE_NULL"),
        (float("nan"), "VALUE_NOT_FINITE"),
        (float("inf"), "VALUE_NOT_FINITE"),
        (np.float32(1), "VALUE_NOT_JSON"),
        ("", "VALUE_EMPTY"),
        ("  ", "VALUE_EMPTY"),
        ([], "VALUE_EMPTY"),
        ({}, "VALUE_EMPTY"),
        ("2026-01-05T07:00:00", "TIME_NAIVE"),
        ("2026-01-05T07:00:00.020", "TIME_NAIVE"),
    ],
)
def test_a_value_that_fhir_does_not_know_is_found_however_deep(resources, known, value, reason):
    broken = first(resources, "Observation")
    broken["category"][0]["coding"][0]["display"] = value
    (fault,) = faults(broken, known)
    assert fault.reason == reason
    assert fault.where == "Observation.category[0].coding[0].display"


def test_a_date_alone_and_a_time_with_offset_are_no_naive_times(resources, known):
    fine = first(resources, "Observation")
    fine["effectivePeriod"] = {"start": "2026-01-05", "end": "2026-01-06T00:00:00-05:00"}
    assert faults(fine, known) == []


def test_a_reference_to_nothing_is_found(resources, known):
    broken = first(resources, "Observation")
    broken["subject"] = {"reference": "Patient/nobody"}
    assert reasons(broken, known) == {"REFERENCE_UNRESOLVED"}


def test_a_percentage_beyond_100_is_found(resources, known):
    broken = first(resources, "RiskAssessment")
    broken["prediction"][0]["probabilityDecimal"] = 3700
    assert reasons(broken, known) == {"PERCENT_OUT_OF_RANGE"}


def test_an_observation_without_value_and_without_reason_is_found(resources, known):
    broken = first(resources, "Observation")
    del broken["valueQuantity"]
    assert reasons(broken, known) == {"ELEMENT_MISSING"}


def test_a_type_that_we_do_not_write_is_found():
    assert [f.reason for f in faults({"resourceType": "Condition", "id": "1"}, set())] == ["TYPE_UNKNOWN"]


def test_the_sample_holds_every_kind_the_extremes_and_what_has_a_null():
    steps = {"pt-1": 500, "pt-2": 3, "pt-3": 700, "pt-4": 9000, "pt-5": None}
    rows = day_rows(
        patients=[patient_row(f"PAT00000{n}", f"pt-{n}") for n in range(1, 6)],
        gait=[gait_row(wearable, steps=n) for wearable, n in steps.items()],
        index=[index_row(), not_scored_row("pt-2")],
    )
    everything = [r for of in patient_days(DAY, rows, test_data=True).resources.values() for r in of]
    chosen = sample(everything)
    of_steps = [r for r in chosen if r.get("code", {}).get("coding", [{}])[0].get("code") == "41950-7"]
    assert {stratum(r) for r in chosen} == {stratum(r) for r in everything}
    assert {r["valueQuantity"]["value"] for r in of_steps if "valueQuantity" in r} == {500, 3, 9000}
    assert any("dataAbsentReason" in r for r in of_steps)
    assert {r["status"] for r in chosen if r["resourceType"] == "RiskAssessment"} == {"final", "cancelled"}


def test_the_r4b_models_accept_everything_that_we_write(resources):
    assert [e for r in resources for e in model_errors(r)] == []


@pytest.mark.parametrize(
    ("kind", "element", "value"),
    [
        ("Patient", "birthDate", "yesterday"),
        ("Observation", "valueQuantity", {"value": "many"}),
        ("RiskAssessment", "predictions", []),
        ("Flag", "period", "always"),
    ],
)
def test_the_r4b_models_refuse_what_is_wrong(resources, kind, element, value):
    broken = first(resources, kind)
    broken[element] = value
    assert model_errors(broken)


def test_the_models_are_r4b_and_not_r5(resources):
    r5_only = first(resources, "Observation") | {"triggeredBy": [{"type": "reflex"}]}
    assert model_errors(r5_only)
