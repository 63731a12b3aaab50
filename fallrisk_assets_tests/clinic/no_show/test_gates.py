"""What the no-show gates let pass and what not, figure by figure; what was not measured does not pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.clinic.no_show import gates
from fallrisk_assets.clinic.no_show.contract import CANDIDATE, IN_USE
from fallrisk_assets.clinic.no_show.facts import FACTS
from fallrisk_assets.clinic.no_show.measures import (
    ALL,
    AUC,
    BRIER,
    BRIER_OF_RATE,
    FACT_AUC,
    OBSERVED_OVER_EXPECTED,
    SLOPE,
)

GOOD = {
    (ALL, AUC): 0.72,
    (ALL, BRIER): 0.14,
    (ALL, BRIER_OF_RATE): 0.16,
    (ALL, SLOPE): 1.0,
    (ALL, OBSERVED_OVER_EXPECTED): 1.0,
    **{(fact, FACT_AUC): 0.55 for fact in FACTS},
    ("lead_time_days", FACT_AUC): 0.68,
}


def rows(figures, role=CANDIDATE, version="new", missed=500):
    names = ("value", "lower", "upper")
    return [
        {
            "model_version": version,
            "role": role,
            "subgroup": subgroup,
            "metric": metric,
            "n": 4000,
            "missed": missed,
        }
        | dict.fromkeys(names, value)
        for (subgroup, metric), value in figures.items()
    ]


def closed(figures, others=GOOD, in_use="old", missed=500):
    found = gates.verdicts([*rows(figures, missed=missed), *rows(others, IN_USE, "old")], in_use)
    return [v.gate for v in found if not v.passed]


def test_a_version_like_the_one_in_use_passes_every_gate():
    assert closed(GOOD) == []


@pytest.mark.parametrize(
    ("key", "value", "gate"),
    [
        ((ALL, AUC), 0.80, gates.NO_LEAK),
        *(((fact, FACT_AUC), 0.81, gates.NO_LEAK) for fact in FACTS),
        ((ALL, AUC), 0.67, gates.BETTER),
        ((ALL, BRIER), 0.16, gates.BETTER),
        ((ALL, SLOPE), 0.69, gates.CALIBRATED),
        ((ALL, SLOPE), 1.31, gates.CALIBRATED),
        ((ALL, OBSERVED_OVER_EXPECTED), 0.79, gates.CALIBRATED),
        ((ALL, OBSERVED_OVER_EXPECTED), 1.26, gates.CALIBRATED),
        ((ALL, AUC), 0.70, gates.NOT_WORSE),
        ((ALL, BRIER), 0.143, gates.NOT_WORSE),
    ],
)
def test_each_figure_can_close_its_gate(key, value, gate):
    assert gate in closed({**GOOD, key: value})


def test_a_model_that_ranks_no_better_than_the_lead_time_is_refused_however_good_that_is():
    assert closed({**GOOD, ("lead_time_days", FACT_AUC): 0.75}) == [gates.BETTER]


@given(st.sampled_from(sorted(GOOD)))
def test_a_figure_that_was_not_measured_closes_a_gate(key):
    assert closed({one: value for one, value in GOOD.items() if one != key})


def test_too_few_missed_visits_carry_no_verdict():
    assert set(closed(GOOD, missed=gates.LEAST_MISSED - 1)) == {
        gates.NO_LEAK,
        gates.BETTER,
        gates.CALIBRATED,
        gates.NOT_WORSE,
    }
    assert closed(GOOD, missed=gates.LEAST_MISSED) == []


def test_a_comparison_with_another_version_than_the_one_in_use_is_out_of_date():
    assert closed(GOOD, in_use="newer") == [gates.NOT_WORSE]
    assert closed({**GOOD, (ALL, AUC): 0.70}, in_use="new") == []
