"""Promises of the 12-month index: it adds up, history counts, unknown is not absent, no ground no number."""

import json
import math
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.risk.index import (
    IMPLAUSIBLE_INPUT,
    INDEX_REASONS,
    NO_HISTORY_AND_NO_GAIT,
    NOT_WORN,
    TOO_LITTLE_WEAR,
    TOO_YOUNG,
    UNKNOWN_PATIENT,
    Gait,
    History,
    fall_risk_index,
)
from fallrisk_assets.risk.patient_index import GAIT_COLUMNS, HISTORY_COLUMNS, age_on, index_table
from fallrisk_assets.risk.reference_population import reference_population
from fallrisk_assets.risk.synthetic_outcomes import draw_falls, fall_model
from fallrisk_assets.validation import validate

YES_NO = [t.name for t in model.YES_NO_TERMS if t.name != "falls_past_12_months"]
maybe = st.none() | st.booleans()
histories = st.builds(
    History,
    falls_past_12_months=st.none() | st.integers(0, 20),
    medicine_count=st.none() | st.integers(0, 30),
    **dict.fromkeys(YES_NO, maybe),
)
walked = st.builds(
    Gait,
    wear_minutes=st.floats(60, 1440),
    walking_minutes=st.none() | st.floats(0, 300),
    cadence_spm=st.none() | st.floats(30, 200),
    stride_time_cv=st.none() | st.floats(0, 1),
    stride_regularity=st.none() | st.floats(-1.5, 1.5),
    sit_to_stands=st.none() | st.integers(0, 200),
)
anything = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**9), 10**9)
TYPICAL = Gait(
    840.0,
    walking_minutes=60.0,
    cadence_spm=102.0,
    stride_time_cv=0.03,
    stride_regularity=0.65,
    sit_to_stands=64,
)
HEALTHY = History(0, *[False] * 6, medicine_count=2)


@given(histories, walked)
def test_the_components_sum_to_the_logit(history, gait):
    index = fall_risk_index(history, gait)
    if index.probability_12m is None:
        assert index.reason == NO_HISTORY_AND_NO_GAIT
        return
    parts = json.loads(index.components_json())
    assert index.probability_12m == 1.0 / (1.0 + math.exp(-math.fsum(parts.values())))
    assert parts["base"] == model.INTERCEPT


@given(histories, walked)
def test_the_interval_holds_the_probability_and_confidence_is_a_share(history, gait):
    index = fall_risk_index(history, gait)
    if index.probability_12m is not None:
        assert 0 < index.lower_12m < index.probability_12m < index.upper_12m < 1
        assert 0 <= index.confidence <= 1


@given(histories, walked, st.sampled_from(YES_NO))
def test_a_risk_factor_never_lowers_the_risk(history, gait, factor):
    without = fall_risk_index(replace(history, **{factor: False}), gait)
    present = fall_risk_index(replace(history, **{factor: True}), gait)
    assert present.probability_12m > without.probability_12m


@given(histories, walked, st.integers(0, 13))
def test_more_medicines_and_falls_never_lower_the_risk(history, gait, n):
    def risk(**known):
        return fall_risk_index(replace(history, **known), gait).probability_12m

    assert risk(medicine_count=n + 1) > risk(medicine_count=n)
    assert risk(falls_past_12_months=1) > risk(falls_past_12_months=0)
    assert risk(falls_past_12_months=n + 2) >= risk(falls_past_12_months=1)


@given(walked, st.sampled_from(YES_NO))
def test_unknown_is_not_absent(gait, factor):
    absent = fall_risk_index(HEALTHY, gait)
    unknown = fall_risk_index(replace(HEALTHY, **{factor: None}), gait)
    present = fall_risk_index(replace(HEALTHY, **{factor: True}), gait)
    assert absent.probability_12m < unknown.probability_12m < present.probability_12m
    assert factor not in unknown.components
    assert unknown.confidence < absent.confidence


def width(index):
    lower, upper = (math.log(p / (1 - p)) for p in (index.lower_12m, index.upper_12m))
    return upper - lower


@given(histories, walked, st.sampled_from([*YES_NO, "falls_past_12_months", "medicine_count"]))
def test_an_answer_nobody_gave_widens_the_interval(history, gait, factor):
    absent = fall_risk_index(replace(history, **{factor: 0}), gait)
    unknown = fall_risk_index(replace(history, **{factor: None}), gait)
    if unknown.probability_12m is not None:
        assert width(unknown) > width(absent)


@given(histories, walked, st.sampled_from(model.GAIT_TERMS), st.floats(0, 1), st.floats(0, 1))
def test_worse_gait_never_lowers_the_risk(history, gait, term, one, other):
    low, high = max(term.least, -1.0), min(term.most, 200.0)
    better, worse = sorted((low + one * (high - low), low + other * (high - low)))
    if term.log_odds_per_sd < 0:
        better, worse = worse, better
    # Walking minutes also say how far the other measures are trusted: alone they must do what they say.
    alone = Gait(gait.wear_minutes) if term.amount else gait
    at_ease = fall_risk_index(replace(history, vertigo=True), replace(alone, **{term.name: better}))
    unsteady = fall_risk_index(replace(history, vertigo=True), replace(alone, **{term.name: worse}))
    assert unsteady.probability_12m >= at_ease.probability_12m


@given(
    st.builds(
        Gait,
        wear_minutes=st.floats(60, 1501) | anything.filter(lambda v: v is not None),
        **dict.fromkeys(GAIT_COLUMNS[1:], anything),
    ),
    st.builds(History, falls_past_12_months=anything, medicine_count=anything, vertigo=maybe),
)
def test_no_input_however_wild_gives_a_number_without_ground(gait, history):
    index = fall_risk_index(history, gait)
    if index.probability_12m is None:
        assert index.reason in INDEX_REASONS
        return
    assert model.LEAST_WEAR_MINUTES <= gait.wear_minutes <= model.MOST_WEAR_MINUTES
    assert 0 < index.lower_12m < index.probability_12m < index.upper_12m < 1
    for term in model.GAIT_TERMS:
        value = getattr(gait, term.name)
        possible = value is not None and term.least <= value <= term.most
        assert possible or term.name not in index.components


@pytest.mark.parametrize("value", [-0.01, -1e9, 1e9, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("term", model.GAIT_TERMS, ids=lambda term: term.name)
def test_a_measure_that_nobody_can_have_counts_as_not_measured(term, value):
    if term.least <= value <= term.most:
        return  # a regularity may be below zero
    impossible = fall_risk_index(HEALTHY, replace(TYPICAL, **{term.name: value}))
    unknown = fall_risk_index(HEALTHY, replace(TYPICAL, **{term.name: None}))
    assert impossible == unknown
    assert term.name not in impossible.components


def test_short_wear_is_not_little_walking():
    half_a_day = Gait(420.0, walking_minutes=30.0, sit_to_stands=32)
    index = fall_risk_index(HEALTHY, half_a_day)
    assert index.components["walking_minutes"] == pytest.approx(0.0, abs=1e-6)
    assert index.components["sit_to_stands"] == pytest.approx(0.0, abs=1e-6)


def test_the_less_is_known_the_wider_the_interval():
    full = fall_risk_index(HEALTHY, TYPICAL)
    no_history = fall_risk_index(History(), TYPICAL)
    no_gait = fall_risk_index(HEALTHY, Gait(wear_minutes=840.0))
    short = fall_risk_index(HEALTHY, replace(TYPICAL, walking_minutes=5.0))
    assert width(full) < width(short) < width(no_gait)
    assert width(full) < width(no_history)


def test_little_walking_pulls_a_gait_measure_towards_the_average():
    shaky = replace(TYPICAL, stride_time_cv=0.09)
    much = fall_risk_index(HEALTHY, shaky).components["stride_time_cv"]
    little = fall_risk_index(HEALTHY, replace(shaky, walking_minutes=4.0)).components["stride_time_cv"]
    assert 0 < little < much / 2


@pytest.mark.parametrize(
    ("history", "gait", "reason"),
    [
        (None, TYPICAL, UNKNOWN_PATIENT),
        (HEALTHY, None, NOT_WORN),
        (HEALTHY, Gait(wear_minutes=0.0), NOT_WORN),
        (HEALTHY, Gait(wear_minutes=59.0), TOO_LITTLE_WEAR),
        (HEALTHY, Gait(wear_minutes=math.nan), IMPLAUSIBLE_INPUT),
        (HEALTHY, Gait(wear_minutes=-5.0), IMPLAUSIBLE_INPUT),
        (HEALTHY, Gait(wear_minutes=9000.0), IMPLAUSIBLE_INPUT),
        (replace(HEALTHY, falls_past_12_months=-1), TYPICAL, IMPLAUSIBLE_INPUT),
        (replace(HEALTHY, medicine_count=math.nan), TYPICAL, IMPLAUSIBLE_INPUT),
        (History(), Gait(wear_minutes=600.0, walking_minutes=0.0), NO_HISTORY_AND_NO_GAIT),
    ],
)
def test_without_ground_there_is_a_reason_and_never_a_number(history, gait, reason):
    index = fall_risk_index(history, gait)
    assert index.status == index.band == "NOT_SCORED"
    assert index.reason == reason
    assert reason in INDEX_REASONS
    numbers = (index.probability_12m, index.lower_12m, index.upper_12m, index.confidence)
    assert numbers == (None,) * 4
    assert index.components_json() == "{}"


def test_who_is_younger_than_the_population_of_the_model_has_no_number():
    young = fall_risk_index(HEALTHY, TYPICAL, age_years=64)
    assert (young.reason, young.probability_12m) == (TOO_YOUNG, None)
    assert fall_risk_index(HEALTHY, TYPICAL, age_years=65).probability_12m is not None


def test_age_counts_completed_years():
    born = date(1960, 2, 29)
    assert age_on(date(2025, 2, 28), born) == 64
    assert age_on(date(2025, 3, 1), born) == 65
    assert age_on(date(2025, 3, 1), None) is None


@pytest.fixture(scope="module")
def people():
    return reference_population(12_000, seed=5)


@pytest.fixture(scope="module")
def reference(people):
    return [fall_risk_index(h, g) for h, g in people]


def _mean(indices):
    return np.mean([i.probability_12m for i in indices])


def test_the_reference_population_falls_at_the_base_rate(reference):
    assert _mean(reference) == pytest.approx(model.BASE_RATE, abs=0.005)


@pytest.mark.parametrize(
    "unknown",
    [
        ["falls_past_12_months"],
        ["gait_problem", "walking_aid", "fear_of_falling"],
        [f for f in HISTORY_COLUMNS if f != "living_alone"],
    ],
)
def test_what_is_unknown_leaves_the_mean_of_the_reference_population(people, unknown):
    asked_less = [fall_risk_index(replace(h, **dict.fromkeys(unknown)), g) for h, g in people]
    assert _mean(asked_less) == pytest.approx(model.BASE_RATE, abs=0.007)


def test_without_any_gait_the_reference_population_still_falls_at_the_base_rate(people):
    assert _mean([fall_risk_index(h, Gait(840.0)) for h, _ in people]) == pytest.approx(0.30, abs=0.006)


def test_each_term_is_centred_on_the_reference_population(reference):
    for name in reference[0].components:
        if name != "base":
            mean = np.mean([i.components[name] for i in reference])
            spread = np.std([i.components[name] for i in reference])
            assert abs(mean) < 0.08 * spread, name


def test_every_band_is_populated_by_the_reference_population(reference):
    share = {band: np.mean([i.band == band for i in reference]) for band in model.BANDS}
    assert share["low"] == pytest.approx(0.5, abs=0.03)
    assert share["medium"] == pytest.approx(0.3, abs=0.03)
    assert share["high"] == pytest.approx(0.2, abs=0.03)


def test_the_shrinkage_is_the_slope_of_adjusted_on_unadjusted_odds_ratios():
    pairs = np.log(list(model.SHRINKAGE_EVIDENCE.values()))
    slope = (pairs[:, 0] * pairs[:, 1]).sum() / (pairs[:, 0] ** 2).sum()
    assert slope == pytest.approx(model.CLINICAL_SHRINKAGE, abs=0.005)


def test_the_shrinkage_agrees_with_the_correlation_of_the_reference_population(people):
    names = [t.name for t in model.YES_NO_TERMS]
    rows = [[*(bool(getattr(h, n)) for n in names), h.medicine_count] for h, _ in people]
    found = np.corrcoef(np.array(rows, float).T)
    k = len(found)
    mean = (found.sum() - k) / (k * (k - 1))
    assert mean == pytest.approx(model.CLINICAL_CORRELATION, abs=0.01)
    assert 1 / (1 + (k - 1) * mean) == pytest.approx(model.CLINICAL_SHRINKAGE, abs=0.02)


def test_factors_that_go_together_are_not_counted_twice(people, reference):
    # Falls are drawn so that each factor alone has its published odds ratio in the correlated population.
    fell = draw_falls(people, fall_model(seed=1), seed=7)
    p = np.array([i.probability_12m for i in reference])
    logit = np.log(p / (1 - p))
    edges = np.quantile(logit, [0, 1 / 3, 2 / 3, 1])
    for low, high in pairwise(edges):
        part = (logit >= low) & (logit <= high)
        assert fell[part].mean() == pytest.approx(p[part].mean(), abs=0.025)


def test_the_index_discriminates_as_published_models_do_and_not_better(people, reference):
    p = np.array([i.probability_12m for i in reference])
    falls = draw_falls(people, fall_model(seed=1), seed=7)
    rank = p.argsort().argsort() + 1
    n = falls.sum()
    auc = (rank[falls].sum() - n * (n + 1) / 2) / (n * (len(p) - n))
    assert 0.62 < auc < 0.70


def _patients(*rows):
    blank = dict.fromkeys(HISTORY_COLUMNS)
    born = {"wearable_patient_id": None, "birth_date": date(1945, 6, 1)}
    return pa.Table.from_pylist([{**born, **blank, **row} for row in rows])


def _gait(*rows):
    blank = dict.fromkeys(GAIT_COLUMNS)
    schema = pa.schema([("patient_id", pa.string()), *((c, pa.float32()) for c in GAIT_COLUMNS)])
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema=schema)


def test_every_patient_of_either_world_has_a_row_that_keeps_the_contract():
    patients = _patients(
        {"wearable_patient_id": "pt-1", "falls_past_12_months": 2, "walking_aid": True},
        {"wearable_patient_id": "pt-2", "falls_past_12_months": 0},
        {"wearable_patient_id": "pt-3", "falls_past_12_months": 0, "birth_date": date(1961, 1, 6)},
        {"falls_past_12_months": 1},
    )
    measures = {
        "walking_minutes": 40.0,
        "cadence_spm": 90.0,
        "stride_time_cv": 0.06,
        "stride_regularity": 0.5,
    }
    gait = _gait(
        {"patient_id": "pt-1", "wear_minutes": 800.0, **measures},
        {"patient_id": "pt-3", "wear_minutes": 800.0, **measures},
        {"patient_id": "pt-9", "wear_minutes": 800.0, **measures},
    )
    table = index_table(patients, gait, date(2026, 1, 5))
    assert validate(FallRiskIndex, table).passed
    rows = {r["patient_id"]: r for r in table.to_pylist()}
    assert sorted(rows) == ["pt-1", "pt-2", "pt-3", "pt-9"]
    assert rows["pt-1"]["status"] == "SCORED"
    assert rows["pt-2"]["reason"] == NOT_WORN
    assert rows["pt-3"]["reason"] == TOO_YOUNG
    assert rows["pt-9"]["reason"] == UNKNOWN_PATIENT
    assert table == index_table(patients, gait, date(2026, 1, 5))
    assert len({r["input_hash"] for r in rows.values()}) == 4


def test_a_day_without_patients_is_an_empty_table():
    empty = _patients({}).slice(0, 0)
    assert index_table(empty, _gait(), date(2026, 1, 5)).num_rows == 0


def test_neither_order_nor_company_changes_a_persons_row():
    rng = np.random.default_rng(0)
    answers = [
        {
            "wearable_patient_id": f"pt-{i}",
            "falls_past_12_months": i % 3,
            "vertigo": [None, True, False][i % 3],
        }
        for i in range(12)
    ]
    days = [
        {"patient_id": f"pt-{i}", "wear_minutes": 500.0 + i, "walking_minutes": 5.0 * i} for i in range(12)
    ]
    together = index_table(_patients(*answers), _gait(*days), date(2026, 1, 5))
    shuffled = index_table(
        _patients(*rng.permutation(answers)), _gait(*rng.permutation(days)), date(2026, 1, 5)
    )
    assert shuffled == together
    alone = [
        index_table(_patients(a), _gait(g), date(2026, 1, 5)) for a, g in zip(answers, days, strict=True)
    ]
    assert sorted((t.to_pylist()[0] for t in alone), key=lambda r: r["patient_id"]) == together.to_pylist()
