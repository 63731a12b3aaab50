"""Promises of the drift check: quiet on the reference, loud on a planted shift, silent about few."""

from dataclasses import replace

import numpy as np
import pytest

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.checks import population_verdict
from fallrisk_assets.risk.drift import INDEX, LEAST_PEOPLE, shifts
from fallrisk_assets.risk.reference_population import reference_population


@pytest.fixture(scope="module")
def people():
    return reference_population(24_000, seed=21)


def moved(people):
    return {shift.feature for shift in shifts(people) if shift.shifted}


@pytest.mark.parametrize(("size", "days"), [(30, 150), (100, 80), (1_000, 24)])
def test_days_drawn_from_the_reference_raise_no_alarm(people, size, days):
    assert [moved(people[k * size : (k + 1) * size]) for k in range(days)] == [set()] * days


def test_every_risk_factor_and_measure_is_compared(people):
    names = [t.name for t in (*model.YES_NO_TERMS, *model.GAIT_TERMS)]
    assert {s.feature for s in shifts(people[:200])} == {*names, "medicine_count", INDEX}
    assert all(abs(s.size) < 0.1 for s in shifts(people))


def test_a_planted_shift_is_named(people):
    rng = np.random.default_rng(1)
    with_aids = [
        (replace(h, walking_aid=h.walking_aid or bool(rng.random() < 0.4)), g) for h, g in people[:250]
    ]
    assert moved(with_aids) == {"walking_aid"}
    other_sensor = [(h, replace(g, stride_regularity=g.stride_regularity - 0.08)) for h, g in people[:250]]
    assert moved(other_sensor) == {"stride_regularity"}
    pills = [(replace(h, medicine_count=h.medicine_count + 2), g) for h, g in people[:250]]
    assert "medicine_count" in moved(pills)


def test_a_frail_clinic_shows_in_the_index_itself(people):
    frail = [
        (replace(h, gait_problem=True, walking_aid=True, fear_of_falling=True), g) for h, g in people[:200]
    ]
    assert {INDEX, "gait_problem", "walking_aid", "fear_of_falling"} <= moved(frail)
    verdict = population_verdict(shifts(frail))
    assert not verdict.passed
    assert "walking_aid (+1.78)" in verdict.sentence


def test_three_rare_illnesses_among_thirty_people_are_no_shift(people):
    three = [(replace(h, parkinsons_disease=i < 3), g) for i, (h, g) in enumerate(people[:30])]
    assert "parkinsons_disease" not in moved(three)


def test_few_patients_are_not_judged_and_the_verdict_says_so(people):
    few = population_verdict(
        shifts([(replace(h, walking_aid=True), g) for h, g in people[: LEAST_PEOPLE - 1]])
    )
    assert few.passed
    assert few.sentence == "Not judged: 29 patients, fewer than 30."
    nobody = population_verdict(shifts([]))
    assert nobody.passed
    assert nobody.sentence == "Not judged: 0 patients, fewer than 30."


def test_what_nobody_asked_is_counted_and_not_judged(people):
    asked = [(replace(h, vertigo=None if i % 10 else True), g) for i, (h, g) in enumerate(people[:200])]
    (shift,) = [s for s in shifts(asked) if s.feature == "vertigo"]
    assert (shift.known, shift.size, shift.shifted) == (20, None, False)
    assert shift.unknown == pytest.approx(0.9)
    assert "Known of too few to judge: vertigo." in population_verdict(shifts(asked)).sentence


def test_the_order_of_patients_changes_nothing(people):
    assert shifts(people[:100]) == shifts(list(reversed(people[:100])))


def test_amounts_scaled_up_from_a_short_wear_are_no_evidence_of_a_shift(people):
    short = [(h, replace(g, wear_minutes=120.0, walking_minutes=2.0)) for h, g in people[:200]]
    (shift,) = [s for s in shifts(short) if s.feature == "walking_minutes"]
    assert (shift.known, shift.shifted) == (0, False)
    still = [(h, replace(g, walking_minutes=10.0)) for h, g in people[:200]]
    assert "walking_minutes" in moved(still)
