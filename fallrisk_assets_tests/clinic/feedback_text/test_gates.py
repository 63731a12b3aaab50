"""A gate that cannot see is closed; each refuses what it is there to refuse."""

import pytest

from fallrisk_assets.clinic.feedback_text import gates
from fallrisk_assets.clinic.feedback_text import measures as m
from fallrisk_assets.clinic.feedback_text.model import SENTIMENT
from fallrisk_assets.clinic.feedback_text.vocabulary import SIMULATED, SUPPLIED

GOOD = {
    m.FEWEST_PEOPLE: 5.0,
    m.MACRO_F1: 0.8,
    m.GUESSED_F1: 0.3,
    m.JUDGED_SHARE: 0.9,
    m.CALIBRATION: 0.05,
}


def rows(figures=None, role=gates.CANDIDATE, version="v2", learnt_from=SUPPLIED, n=500):
    return [
        {
            "model": SENTIMENT,
            "model_version": version,
            "role": role,
            "learnt_from": learnt_from,
            "subgroup": m.ALL,
            "metric": metric,
            "value": value,
            "lower": value,
            "upper": value,
            "n": n,
        }
        for metric, value in (figures or GOOD).items()
    ]


IN_USE = rows(role=gates.IN_USE, version="v1")


def closed(found):
    return {verdict.gate for verdict in gates.verdicts(found, SENTIMENT, "v1") if not verdict.passed}


def test_a_good_version_passes_all():
    assert closed([*rows(), *IN_USE]) == set()


@pytest.mark.parametrize(
    ("metric", "value", "gate"),
    [
        (m.FEWEST_PEOPLE, 4.0, gates.NOBODY),
        (m.MACRO_F1, 0.59, gates.BETTER),
        (m.GUESSED_F1, 0.71, gates.BETTER),
        (m.JUDGED_SHARE, 0.49, gates.BETTER),
        (m.CALIBRATION, 0.16, gates.CALIBRATED),
        (m.MACRO_F1, 0.77, gates.NOT_WORSE),
    ],
)
def test_a_figure_beyond_its_limit_closes_its_gate(metric, value, gate):
    assert gate in closed([*rows({**GOOD, metric: value}), *IN_USE])


@pytest.mark.parametrize("metric", GOOD)
def test_a_figure_that_was_not_measured_does_not_pass(metric):
    assert closed([*rows({k: v for k, v in GOOD.items() if k != metric}), *IN_USE])


def test_a_verdict_on_a_handful_of_comments_is_none():
    assert closed([*rows(n=99), *IN_USE]) == {gates.BETTER, gates.CALIBRATED, gates.NOT_WORSE}


def test_simulated_text_never_takes_the_place_of_real_comments():
    assert closed([*rows(learnt_from=SIMULATED), *IN_USE]) == {gates.NOT_WORSE}


def test_an_evaluation_beside_another_version_is_out_of_date():
    assert closed([*rows(), *rows(role=gates.IN_USE, version="v0")]) == {gates.NOT_WORSE}
    assert closed(rows(version="v1")) == set()
