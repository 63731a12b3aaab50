"""A monitoring rule fires beyond its threshold, rests on enough rows, and says so where it does not."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.alerts.monitoring_rules import (
    ANSWERS,
    APPOINTMENTS,
    BELOW,
    FIRING,
    JOBS,
    MARTS,
    MONITORING_RULES,
    NO_DATA,
    OK,
    SAMPLES,
    TOO_FEW,
)
from fallrisk_assets.alerts.rules import OPERATIONS_RULES, RULES, SEVERITIES
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.monitoring.contract import DimMonitoringRule, RuleStates, RunRuleStates
from fallrisk_assets.warehouse.monitoring.states import (
    dim_monitoring_rule,
    rule_states,
    run_rule_states,
    state_of,
)
from fallrisk_assets.warehouse.operations.kpis import KPIS

BY_NAME = {rule.rule: rule for rule in MONITORING_RULES}
MONDAY = date(2026, 2, 2)


def on(days: int) -> date:
    return MONDAY + timedelta(days=days)


def judged(day: date, rule: str, scope: str, *, sums=None, rows=None) -> tuple:
    return _said(RuleStates, rule_states([day], sums or {}, rows or {}), day, rule, scope)


def _said(model, table, day: date, rule: str, scope: str) -> tuple:
    assert validate(model, table).passed
    (row,) = [r for r in table.to_pylist() if (r["day"], r["rule"], r["scope"]) == (day, rule, scope)]
    return row["state"], row["value"], row["n"]


def test_every_rule_is_an_alert_rule_of_its_severity_and_names_indicators_that_exist():
    assert len(BY_NAME) == len(MONITORING_RULES) == len(OPERATIONS_RULES)
    known = {kpi.kpi for kpi in KPIS} | {APPOINTMENTS, ANSWERS, SAMPLES, MARTS, *JOBS}
    for rule in MONITORING_RULES:
        assert RULES[rule.rule].severity == rule.severity
        assert rule.severity in SEVERITIES
        assert set(rule.scopes) <= known


def test_the_rules_are_a_table():
    rows = dim_monitoring_rule()
    assert validate(DimMonitoringRule, rows).passed
    (no_shows,) = [row for row in rows.to_pylist() if row["rule"] == "NO_SHOW_HIGH"]
    assert (no_shows["threshold"], no_shows["side"], no_shows["minimum_n"]) == (0.1, "above", 20)


def test_the_defaults_are_those_that_the_clinic_was_promised():
    found = {(rule.rule, rule.threshold, rule.severity, rule.window_days) for rule in MONITORING_RULES}
    assert found == {
        ("NO_APPOINTMENTS", 1, "high", 1),
        ("NO_FEEDBACK", 1, "high", 2),
        ("VOLUME_LOW", 0.5, "high", 1),
        ("VALUES_MISSING", 0.05, "high", 7),
        ("PIPELINE_SLOW", 1800, "medium", 1),
        ("QUERY_SLOW", 10, "medium", 1),
        ("COMPLETION_LOW", 0.7, "low", 7),
        ("CANCELLATION_HIGH", 0.15, "low", 7),
        ("NO_SHOW_HIGH", 0.1, "low", 7),
        ("SATISFACTION_LOW", 3.0, "low", 7),
        ("ISSUES_HIGH", 0.2, "medium", 7),
        ("CONNECTION_POOR", 2.5, "medium", 7),
    }


def test_an_indicator_is_judged_over_the_seven_days_before_and_not_on_the_day_itself():
    week = {on(d): (1.0, 5.0) for d in range(7)}
    sums = {"no_show_rate": {**week, on(-1): (100.0, 100.0), on(7): (100.0, 100.0)}}
    assert judged(on(7), "NO_SHOW_HIGH", "no_show_rate", sums=sums) == (FIRING, 0.2, 35.0)
    calm = {"no_show_rate": {on(0): (1.0, 10.0), on(1): (1.0, 10.0)}}
    assert judged(on(7), "NO_SHOW_HIGH", "no_show_rate", sums=calm) == (OK, 0.1, 20.0)


def test_few_visits_say_nothing_and_none_at_all_is_another_thing():
    few = {"no_show_rate": {on(6): (9.0, 19.0)}}
    assert judged(on(7), "NO_SHOW_HIGH", "no_show_rate", sums=few)[0] == TOO_FEW
    empty = {"no_show_rate": {on(6): (0.0, 0.0)}}
    assert judged(on(7), "NO_SHOW_HIGH", "no_show_rate", sums=empty) == (TOO_FEW, None, 0.0)
    assert judged(on(7), "NO_SHOW_HIGH", "no_show_rate") == (NO_DATA, None, None)


def test_a_rating_below_three_fires_and_three_does_not():
    for mean, state in ((2.9, FIRING), (3.0, OK)):
        sums = {"mean_satisfaction": {on(6): (mean * 40, 40.0)}}
        assert judged(on(7), "SATISFACTION_LOW", "mean_satisfaction", sums=sums)[0] == state


def test_a_day_without_appointments_is_a_silence_where_such_days_have_some():
    busy = {on(d): 30.0 for d in range(-28, 0) if on(d).weekday() < 5}
    sundays = {on(d): 0.0 for d in range(-28, 7) if on(d).weekday() >= 5}
    rows = {APPOINTMENTS: {**busy, **sundays, on(0): 0.0, on(1): 1.0}}
    assert judged(on(0), "NO_APPOINTMENTS", APPOINTMENTS, rows=rows) == (FIRING, 0.0, 30.0)
    assert judged(on(1), "NO_APPOINTMENTS", APPOINTMENTS, rows=rows)[0] == OK
    assert judged(on(6), "NO_APPOINTMENTS", APPOINTMENTS, rows=rows)[0] == TOO_FEW  # nobody expects any
    assert judged(on(2), "NO_APPOINTMENTS", APPOINTMENTS, rows=rows)[0] == NO_DATA  # not published


def test_feedback_may_stay_away_for_one_day_but_not_for_two():
    rows = {ANSWERS: {**{on(d): 8.0 for d in range(-28, 0)}, on(0): 0.0, on(1): 0.0}}
    assert judged(on(0), "NO_FEEDBACK", ANSWERS, rows=rows)[0] == OK
    assert judged(on(1), "NO_FEEDBACK", ANSWERS, rows=rows) == (FIRING, 0.0, 16.0)


@pytest.mark.parametrize(("lines", "state"), [(499.0, FIRING), (500.0, OK), (0.0, FIRING), (9e6, OK)])
def test_a_day_s_rows_are_compared_with_the_median_of_the_same_weekday(lines, state):
    before = dict(zip([on(-7), on(-14), on(-21), on(-28)], [1000.0, 1000.0, 1000.0, 0.0], strict=True))
    rows = {SAMPLES: {**before, on(-1): 5.0, on(0): lines}}
    assert judged(on(0), "VOLUME_LOW", SAMPLES, rows=rows) == (state, lines / 1000, 1000.0)


def test_a_small_baseline_says_nothing_and_a_clinic_s_first_week_has_none():
    assert judged(on(0), "VOLUME_LOW", ANSWERS, rows={ANSWERS: {on(-7): 19.0, on(0): 0.0}})[0] == TOO_FEW
    assert judged(on(0), "VOLUME_LOW", ANSWERS, rows={ANSWERS: {on(-6): 99.0, on(0): 0.0}})[0] == NO_DATA


def test_a_run_of_more_than_half_an_hour_and_a_mart_of_more_than_ten_seconds_fire():
    longest = {"lakehouse_daily": {on(0): (1800.5, 2.0), on(1): (1800.0, 1.0)}, MARTS: {on(0): (10.5, 2.0)}}
    table = run_rule_states(longest)

    def of(day: date, rule: str, scope: str) -> tuple:
        return _said(RunRuleStates, table, day, rule, scope)

    assert of(on(0), "PIPELINE_SLOW", "lakehouse_daily") == (FIRING, 1800.5, 2.0)
    assert of(on(1), "PIPELINE_SLOW", "lakehouse_daily")[0] == OK
    assert of(on(0), "PIPELINE_SLOW", "identity_daily")[0] == NO_DATA
    assert of(on(0), "QUERY_SLOW", MARTS) == (FIRING, 10.5, 2.0)


numbers = st.floats(-10, 10)


@given(st.sampled_from(MONITORING_RULES), numbers, numbers, st.integers(0, 50))
def test_a_worse_value_never_ends_an_alert(rule, value, other, n):
    worse, better = sorted([value, other], reverse=rule.side != BELOW)
    if state_of(rule, better, n) == FIRING:
        assert state_of(rule, worse, n) == FIRING


@given(st.sampled_from(MONITORING_RULES), numbers)
def test_a_smaller_n_is_what_makes_a_rule_silent_and_nothing_else(rule, value):
    assert state_of(rule, value, rule.minimum_n) in (OK, FIRING)
    assert state_of(rule, value, rule.minimum_n - 1) == TOO_FEW
    assert state_of(replace(rule, minimum_n=1), value, 1) in (OK, FIRING)
