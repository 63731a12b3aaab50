"""The fit and its figures: a split in time, odds that are found again, and an artefact that is sealed."""

import json

import numpy as np
import pytest

from fallrisk_assets.clinic.no_show.facts import FACTS
from fallrisk_assets.clinic.no_show.measures import (
    AUC,
    FACT_AUC,
    IN_THE_LARGE,
    SAID,
    SEEN,
    SLOPE,
    measures,
)
from fallrisk_assets.clinic.no_show.model import SIMULATED, TERMS, NoShowModel
from fallrisk_assets.clinic.no_show.training import TooFewVisits, artefact, training_set
from fallrisk_assets.models.sealing import ArtefactDamaged
from fallrisk_assets_tests.clinic.no_show.made import made


@pytest.fixture(scope="module")
def split():
    return training_set(*made())


@pytest.fixture(scope="module")
def text(split):
    return artefact(split, "tried", {"basis": SIMULATED})


@pytest.fixture(scope="module")
def figures(split, text):
    return {(m.subgroup, m.metric): m for m in measures(split, NoShowModel.from_json(text))}


def test_every_outcome_that_is_learnt_from_lies_before_the_first_visit_that_is_judged(split, text):
    learnt = split.bookings.visit_on[~split.is_test]
    assert learnt.max() < split.first_test_day <= split.bookings.visit_on[split.is_test].min()
    assert 0.25 < split.is_test.mean() < 0.35
    training = json.loads(text)["training"]
    assert training["last_visit_on"] == str(learnt.max())
    assert training["visits"] == len(learnt)


def test_outcomes_of_judged_visits_do_not_change_the_version(split, text):
    bookings, visits = made()
    flipped = visits.missed ^ (visits.visit_on >= split.first_test_day)
    other = training_set(
        bookings, type(visits)(visits.appointment_id, visits.patient_id, visits.visit_on, flipped)
    )
    assert json.loads(artefact(other, "tried", {"basis": SIMULATED})) == json.loads(text)


def test_the_odds_that_the_visits_were_made_with_are_found_again(text):
    parameters = json.loads(text)["parameters"]
    by_lead = parameters["coefficients"]["log_lead_days"]
    assert by_lead == pytest.approx(0.6, abs=0.15)
    for name in ("age_decades", "weekend", "last_missed", "log_earlier_missed", "no_earlier_visit"):
        assert abs(parameters["coefficients"][name]) < 0.4, name
    assert parameters["longest_lead_days"] == 39


def test_the_same_bookings_in_another_order_give_the_same_artefact(text):
    bookings, visits = made()
    order = np.random.default_rng(1).permutation(len(bookings))
    again = training_set(bookings.take(order), visits.take(order[::-1]))
    assert artefact(again, "tried", {"basis": SIMULATED}) == text


def test_probabilities_mean_what_they_say_on_later_visits(figures):
    assert figures["all", SLOPE].lower < 1 < figures["all", SLOPE].upper
    assert abs(figures["all", IN_THE_LARGE].value) < 0.1
    tenths = [key for key in figures if key[1] == SAID]
    assert len(tenths) >= 8
    said = [figures[key].value for key in tenths]
    assert said == sorted(said)
    assert all(abs(figures[n, SAID].value - figures[n, SEEN].value) < 0.05 for n, _ in tenths)


def test_each_fact_is_measured_by_itself_beside_the_model(figures):
    alone = {name: figures[name, FACT_AUC].value for name in FACTS if (name, FACT_AUC) in figures}
    assert set(alone) == set(FACTS)
    assert max(alone, key=alone.get) == "lead_time_days"
    assert all(value >= 0.5 for value in alone.values())
    whole = figures["all", AUC]
    assert whole.lower <= whole.value <= whole.upper
    assert whole.value > 0.6


def test_an_artefact_that_was_edited_or_has_other_terms_is_not_read(text):
    with pytest.raises(ArtefactDamaged, match="edited or damaged"):
        NoShowModel.from_json(text.replace('"longest_lead_days": 39', '"longest_lead_days": 400'))
    content = json.loads(text)
    assert tuple(content["parameters"]["coefficients"]) == TERMS


def test_too_little_to_learn_from_is_said_with_its_numbers():
    with pytest.raises(TooFewVisits, match=r"\d+ kept and \d+ missed visits (before|from)"):
        training_set(*made(n=160))
    bookings, visits = made(n=160)
    with pytest.raises(TooFewVisits, match="no booking has an outcome"):
        training_set(bookings, visits.take(np.zeros(160, bool)))
