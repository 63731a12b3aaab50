"""Promises of the 12-month index: it adds up, history counts, unknown is not absent, no ground no number."""

import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.risk.index import (
    INDEX_REASONS,
    NO_HISTORY_AND_NO_GAIT,
    NOT_WORN,
    TOO_LITTLE_WEAR,
    UNKNOWN_PATIENT,
    Gait,
    History,
    fall_risk_index,
    reference_population,
)
from fallrisk_assets.risk.patient_index import GAIT_COLUMNS, HISTORY_COLUMNS, index_table
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
)
TYPICAL = Gait(840.0, walking_minutes=60.0, cadence_spm=106.0, stride_time_cv=0.03, stride_regularity=0.65)
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


def test_the_less_is_known_the_wider_the_interval():
    def width(index):
        logit = [math.log(p / (1 - p)) for p in (index.lower_12m, index.upper_12m)]
        return logit[1] - logit[0]

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


@pytest.fixture(scope="module")
def reference():
    return [fall_risk_index(h, g) for h, g in reference_population(8_000, seed=5)]


def test_the_reference_population_falls_at_the_base_rate(reference):
    assert np.mean([i.probability_12m for i in reference]) == pytest.approx(model.BASE_RATE, abs=0.008)


def test_every_band_is_populated_by_the_reference_population(reference):
    share = {band: np.mean([i.band == band for i in reference]) for band in model.BANDS}
    assert 0.4 < share["low"] < 0.6
    assert 0.2 < share["medium"] < 0.4
    assert 0.12 < share["high"] < 0.28


def test_the_index_discriminates_as_published_models_do_and_not_better(reference):
    p = np.array([i.probability_12m for i in reference])
    falls = np.random.default_rng(1).random(len(p)) < p
    rank = p.argsort().argsort() + 1
    n = falls.sum()
    auc = (rank[falls].sum() - n * (n + 1) / 2) / (n * (len(p) - n))
    assert 0.62 < auc < 0.75


def _patients(*rows):
    blank = dict.fromkeys(HISTORY_COLUMNS)
    return pa.Table.from_pylist([{"wearable_patient_id": None, **blank, **row} for row in rows])


def _gait(*rows):
    blank = dict.fromkeys(GAIT_COLUMNS)
    schema = pa.schema([("patient_id", pa.string()), *((c, pa.float32()) for c in GAIT_COLUMNS)])
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema=schema)


def test_every_patient_of_either_world_has_a_row_that_keeps_the_contract():
    patients = _patients(
        {"wearable_patient_id": "pt-1", "falls_past_12_months": 2, "walking_aid": True},
        {"wearable_patient_id": "pt-2", "falls_past_12_months": 0},
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
        {"patient_id": "pt-9", "wear_minutes": 800.0, **measures},
    )
    table = index_table(patients, gait, date(2026, 1, 5))
    assert validate(FallRiskIndex, table).passed
    rows = {r["patient_id"]: r for r in table.to_pylist()}
    assert sorted(rows) == ["pt-1", "pt-2", "pt-9"]
    assert rows["pt-1"]["status"] == "SCORED"
    assert rows["pt-2"]["reason"] == NOT_WORN
    assert rows["pt-9"]["reason"] == UNKNOWN_PATIENT
    assert table == index_table(patients, gait, date(2026, 1, 5))
    assert len({r["input_hash"] for r in rows.values()}) == 3


def test_a_day_without_patients_is_an_empty_table():
    empty = _patients({}).slice(0, 0)
    assert index_table(empty, _gait(), date(2026, 1, 5)).num_rows == 0
