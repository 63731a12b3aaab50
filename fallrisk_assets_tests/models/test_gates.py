"""What the gates let pass and what not, figure by figure; what was not measured does not pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.models import gates
from fallrisk_assets.models.contract import (
    CALIBRATION_ERROR,
    CANDIDATE,
    FALSE_ALARMS,
    HELD_OUT_SUBJECTS,
    IN_USE,
    RECORDINGS,
    SENSITIVITY,
    SIMULATED_WEAR,
    SPECIFICITY,
)

GOOD = {
    **{
        (data, position, metric): 0.97
        for data in (HELD_OUT_SUBJECTS, RECORDINGS)
        for position in ("waist", "wrist")
        for metric in (SENSITIVITY, SPECIFICITY)
    },
    **{
        (data, position, CALIBRATION_ERROR): 0.03
        for data in (HELD_OUT_SUBJECTS, RECORDINGS)
        for position in ("waist", "wrist")
    },
    (SIMULATED_WEAR, "all", SENSITIVITY): 0.96,
    (SIMULATED_WEAR, "all", FALSE_ALARMS): 0.4,
}


def rows(figures, role=CANDIDATE, version="new", n=40.0):
    return [
        {
            "model_version": version,
            "role": role,
            "data": data,
            "position": position,
            "subgroup": "all",
            "metric": metric,
            "value": value,
            "lower": value,
            "upper": value,
            "n": n,
        }
        for (data, position, metric), value in figures.items()
    ]


def closed(figures, others=GOOD, in_use="old", n=40.0):
    found = gates.verdicts([*rows(figures, n=n), *rows(others, IN_USE, "old")], in_use)
    return [v.gate for v in found if not v.passed]


def test_a_version_like_the_one_in_use_passes_every_gate():
    assert closed(GOOD) == []


@pytest.mark.parametrize(
    ("figure", "value", "gate"),
    [
        ((HELD_OUT_SUBJECTS, "waist", SENSITIVITY), 0.949, "falls_are_found_and_other_movements_are_not"),
        ((RECORDINGS, "wrist", SPECIFICITY), 0.92, "falls_are_found_and_other_movements_are_not"),
        ((SIMULATED_WEAR, "all", SENSITIVITY), 0.89, "falls_are_found_and_other_movements_are_not"),
        ((SIMULATED_WEAR, "all", FALSE_ALARMS), 1.01, "false_alarms_can_be_borne"),
        ((HELD_OUT_SUBJECTS, "waist", CALIBRATION_ERROR), 0.051, "probabilities_mean_what_they_say"),
        ((RECORDINGS, "wrist", CALIBRATION_ERROR), 0.101, "probabilities_mean_what_they_say"),
        ((SIMULATED_WEAR, "all", SENSITIVITY), 0.935, "no_worse_than_the_version_in_use"),
        ((RECORDINGS, "waist", SPECIFICITY), 0.94, "no_worse_than_the_version_in_use"),
        ((SIMULATED_WEAR, "all", FALSE_ALARMS), 0.95, "no_worse_than_the_version_in_use"),
    ],
)
def test_one_bad_figure_closes_its_gate(figure, value, gate):
    assert gate in closed({**GOOD, figure: value})


@given(missing=st.sampled_from(sorted(GOOD)))
def test_a_figure_that_was_not_measured_never_passes(missing):
    assert closed({key: value for key, value in GOOD.items() if key != missing})


def test_too_few_falls_or_days_are_no_ground():
    assert closed(GOOD, n=13.0) == [
        "falls_are_found_and_other_movements_are_not",
        "false_alarms_can_be_borne",
    ]


def test_an_evaluation_beside_another_version_than_the_one_in_use_is_out_of_date():
    assert closed(GOOD, in_use="newer") == ["no_worse_than_the_version_in_use"]
    assert closed(GOOD, in_use="new") == []


def test_of_the_version_in_use_every_figure_must_be_known_too():
    others = {key: value for key, value in GOOD.items() if key[0] != SIMULATED_WEAR}
    assert closed(GOOD, others) == ["no_worse_than_the_version_in_use"]


def test_a_verdict_tells_the_figure_its_interval_and_the_limit():
    (verdict,) = [gates.bearable_alarms(rows({**GOOD, (SIMULATED_WEAR, "all", FALSE_ALARMS): 2.0}))]
    assert verdict.sentence() == (
        "false_alarms_can_be_borne: REFUSED (false alarms a patient-week 2.000 [2.000, 2.000], at most 1.000)"
    )
