"""Promises of the evaluation: synthetic is called so, a broken index fails, noise is measured, few say so."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.checks import arithmetic_verdict, steadiness_verdict
from fallrisk_assets.risk.contract import FallIndexEvaluation
from fallrisk_assets.risk.index_evaluation import (
    PATIENT_DAYS,
    SYNTHETIC_FALLS,
    evaluation_table,
    stability_rows,
    synthetic_falls_rows,
    synthetic_people_rows,
)
from fallrisk_assets.risk.reference_population import reference_population
from fallrisk_assets.validation import validate
from fallrisk_assets_tests.risk.test_trend import DAY, index_rows


def days_of(noise, people=12, n_days=20, version=model.VERSION):
    rng = np.random.default_rng(4)
    levels = rng.uniform(0.15, 0.5, people)
    return pa.concat_tables(
        [
            index_rows(
                {n: float(np.clip(level + noise * rng.standard_normal(), 0.01, 0.99)) for n in range(n_days)},
                patient=f"pt-{i}",
                version=version,
            )
            for i, level in enumerate(levels)
        ]
    )


def of(rows, measure):
    (row,) = [r for r in rows if r["measure"] == measure and r["part"] == "all"]
    return row


def test_a_days_rows_keep_the_contract_and_say_what_is_synthetic():
    table = evaluation_table(reference_population(40, 1), days_of(0.01), DAY)
    assert validate(FallIndexEvaluation, table).passed
    rows = table.to_pylist()
    drawn = {r["cohort"] for r in rows if r["measure"] in ("auc", "brier", "calibration_slope")}
    assert all(cohort.startswith("SYNTHETIC") for cohort in drawn)
    assert {r["part"] for r in rows} == {"all", *(f"fifth {k}" for k in range(1, 6))}
    assert table == evaluation_table(list(reversed(reference_population(40, 1))), days_of(0.01), DAY)


def test_the_shipped_index_adds_up():
    verdict = arithmetic_verdict(synthetic_people_rows())
    assert verdict.passed, verdict.sentence
    assert "validates nothing" in verdict.sentence
    slope = of(synthetic_people_rows(), "calibration_slope")
    assert slope["lower"] < 1 < slope["upper"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("INTERCEPT", model.INTERCEPT + 0.6, "calibration_in_the_large"),
        ("YES_NO_TERMS", tuple(replace(t, odds_ratio=t.odds_ratio**2) for t in model.YES_NO_TERMS), "slope"),
        ("YES_NO_TERMS", tuple(replace(t, odds_ratio=1 / t.odds_ratio) for t in model.YES_NO_TERMS), "auc"),
    ],
)
def test_an_index_with_broken_numbers_fails_the_check(monkeypatch, name, value, said):
    synthetic_people_rows()  # the falls are those of the model as it was made
    monkeypatch.setattr(model, name, value)
    verdict = arithmetic_verdict(synthetic_people_rows.__wrapped__())
    assert not verdict.passed
    assert said in verdict.sentence


def test_a_measure_that_is_missing_fails_the_check():
    verdict = arithmetic_verdict([r for r in synthetic_people_rows() if r["measure"] != "auc"])
    assert (verdict.passed, "auc was not measured" in verdict.sentence) == (False, True)


def test_the_patients_synthetic_years_are_judged_from_thirty_patients_on():
    few = synthetic_falls_rows(reference_population(29, 2))
    assert {r["reason"] for r in few} == {"TOO_FEW_PEOPLE"}
    assert {r["cohort"] for r in few} == {SYNTHETIC_FALLS}
    many = synthetic_falls_rows(reference_population(150, 2))
    assert 0.58 < of(many, "auc")["value"] < 0.75
    assert of(many, "observed_over_expected")["lower"] < 1 < of(many, "observed_over_expected")["upper"]


def test_stability_is_the_noise_that_was_planted():
    rows = stability_rows(days_of(0.02), DAY)
    assert of(rows, "within_person_sd")["value"] == pytest.approx(0.02, abs=0.003)
    assert of(rows, "detectable_change")["value"] == pytest.approx(0.055, abs=0.008)
    assert of(rows, "icc")["value"] > 0.9
    assert (of(rows, "icc")["people"], of(rows, "icc")["events"]) == (12, 240)
    assert steadiness_verdict(rows).passed


def test_an_index_that_jumps_fails_the_check():
    verdict = steadiness_verdict(stability_rows(days_of(0.08), DAY))
    assert not verdict.passed
    assert "above the change of 0.15 that alerts" in verdict.sentence


def test_few_days_and_days_of_another_version_are_not_judged():
    for rows in (days_of(0.02, people=3), days_of(0.02, version="fall_index-0")):
        found = stability_rows(rows, DAY)
        assert of(found, "icc")["reason"] == "TOO_FEW_DAYS"
        verdict = steadiness_verdict(found)
        assert verdict.passed
        assert verdict.sentence.startswith("Not judged")


def test_an_index_that_never_moves_has_no_day_to_day_noise():
    rows = stability_rows(days_of(0.0), DAY)
    assert of(rows, "within_person_sd")["value"] == pytest.approx(0.0, abs=1e-9)
    assert of(rows, "same_band_next_day")["value"] is not None
    same_everywhere = pa.concat_tables([index_rows({0: 0.3, 1: 0.3}, patient=f"pt-{i}") for i in range(6)])
    assert of(stability_rows(same_everywhere, DAY), "icc")["value"] is None


def test_only_four_weeks_count():
    old = [index_rows(dict.fromkeys(range(28, 40), 0.3), patient=f"pt-{i}") for i in range(8)]
    rows = stability_rows(pa.concat_tables(old), DAY)
    assert {r["reason"] for r in rows} == {"TOO_FEW_DAYS"}
    assert {r["cohort"] for r in rows} == {PATIENT_DAYS}
