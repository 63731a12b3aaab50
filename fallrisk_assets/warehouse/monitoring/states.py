"""What the monitoring rules say of each day.

Here: a pure function of sums by day. Not here: where the sums come from (`assets.py`), the rules themselves
(`alerts/monitoring_rules.py`), and what becomes of a state (`alerts/observations.py`).
"""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from fallrisk_assets.alerts.monitoring_rules import (
    BASELINE_WEEKS,
    BELOW,
    DURATION,
    FIRING,
    INDICATOR,
    MONITORING_RULES,
    NO_DATA,
    OK,
    SILENCE,
    TOO_FEW,
    MonitoringRule,
)
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.warehouse.monitoring.contract import DimMonitoringRule, RuleStates, RunRuleStates

Sums = Mapping[str, Mapping[date, tuple[float, float]]]
"""Numerator and denominator by indicator and day; days that may still go on are left out."""
Rows = Mapping[str, Mapping[date, float]]
"""Rows by table and day; a day that was never published is left out, one without rows is 0."""

Longest = Mapping[str, Mapping[date, tuple[float, float]]]
"""Seconds of the longest run, and runs, by job (or `MARTS`) and day."""


def rule_states(days: Iterable[date], sums: Sums, rows: Rows) -> pa.Table:
    """Return the `RuleStates` rows of days.

    Args:
        days: which to judge.
        sums: of the indicators that the rules name.
        rows: of the tables that they name.
    """
    found = []
    for day in set(days):
        for rule in MONITORING_RULES:
            for scope in rule.scopes if rule.looks_at != DURATION else ():
                if rule.looks_at == INDICATOR:
                    judged = _indicator(rule, sums.get(scope, {}), day)
                else:
                    judged = _against_baseline(rule, rows.get(scope, {}), day)
                found.append(_row(day, rule, scope, judged))
    return _table(RuleStates, found)


def run_rule_states(longest: Longest) -> pa.Table:
    """Return the `RunRuleStates` rows of the days on which runs started.

    Args:
        longest: of the jobs that the rules name, over runs of one hour or day: a range may take its time.
    """
    found = [
        _row(day, rule, scope, longest.get(scope, {}).get(day, (None, None)))
        for day in {day for of_scope in longest.values() for day in of_scope}
        for rule in MONITORING_RULES
        if rule.looks_at == DURATION
        for scope in rule.scopes
    ]
    return _table(RunRuleStates, found)


def _row(
    day: date, rule: MonitoringRule, scope: str, judged: tuple[float | None, float | None]
) -> dict[str, Any]:
    value, n = judged
    state = state_of(rule, value, n)
    return {"day": day, "rule": rule.rule, "scope": scope, "state": state, "value": value, "n": n}


def _table(model: ContractType, rows: list[dict[str, Any]]) -> pa.Table:
    rows.sort(key=lambda row: (row["day"], row["rule"], row["scope"]))
    return pa.Table.from_pylist(rows, schema=arrow_schema(model))


def state_of(rule: MonitoringRule, value: float | None, n: float | None) -> str:
    """Return what a rule says of a value that rests on n."""
    if value is None or n is None:
        return TOO_FEW if n is not None and n < rule.minimum_n else NO_DATA
    if n < rule.minimum_n:
        return TOO_FEW
    beyond = value < rule.threshold if rule.side == BELOW else value > rule.threshold
    return FIRING if beyond else OK


def dim_monitoring_rule() -> pa.Table:
    """Return the `DimMonitoringRule` rows."""
    rules = sorted(MONITORING_RULES, key=lambda one: one.rule)
    return pa.Table.from_pylist([asdict(one) for one in rules], schema=arrow_schema(DimMonitoringRule))


def _indicator(
    rule: MonitoringRule, by_day: Mapping[date, tuple[float, float]], day: date
) -> tuple[float | None, float | None]:
    window = [
        by_day[d] for back in range(1, rule.window_days + 1) if (d := day - timedelta(days=back)) in by_day
    ]
    if not window:
        return None, None
    numerator, denominator = (sum(part) for part in zip(*window, strict=True))
    return (numerator / denominator if denominator else None), denominator


def _against_baseline(
    rule: MonitoringRule, by_day: Mapping[date, float], day: date
) -> tuple[float | None, float | None]:
    """Return a window's rows, in rows or as a share of the baseline, and the baseline's rows."""
    window = [day - timedelta(days=back) for back in range(rule.window_days)]
    usual = [_baseline(by_day, d) for d in window]
    known = [value for value in usual if value is not None]
    if any(d not in by_day for d in window) or len(known) < len(window):
        return None, None
    rows, expected = sum(by_day[d] for d in window), sum(known)
    if rule.looks_at == SILENCE:
        return rows, expected
    return (rows / expected if expected else None), expected


def _baseline(by_day: Mapping[date, float], day: date) -> float | None:
    before = [day - timedelta(weeks=weeks) for weeks in range(1, BASELINE_WEEKS + 1)]
    values = [by_day[d] for d in before if d in by_day]
    return statistics.median(values) if values else None
