"""Tables of the warehouse on the clinic's running.

Here: what they are. Not here: the rules (`alerts/monitoring_rules.py`), how a day is judged (`states.py`).
"""

from fallrisk_assets.alerts.monitoring_rules import (
    ABOVE,
    BELOW,
    DURATION,
    INDICATOR,
    MONITORING_RULES,
    RULE_STATES,
    SILENCE,
    VOLUME,
)
from fallrisk_assets.alerts.rules import SEVERITIES
from fallrisk_assets.contract import Contract, Date, Float64, Int32, Int64, String, column, table

_NAMES = tuple(one.rule for one in MONITORING_RULES)


@table(
    name="dim_monitoring_rule",
    namespace="warehouse",
    grain="one row per monitoring rule",
    key=("rule",),
    slice_column=None,
    slicing="none",
    person=None,
    sort=("rule",),
)
class DimMonitoringRule(Contract):
    """The rules by which the clinic's running is judged, as they are applied."""

    rule: String = column(1, "Name of the rule", isin=_NAMES)
    title: String = column(2, "Name for people")
    severity: String = column(3, "How grave it is", isin=SEVERITIES)
    looks_at: String = column(
        4,
        "An indicator, rows that stay away, rows by their baseline, or how long runs take",
        isin=(INDICATOR, SILENCE, VOLUME, DURATION),
    )
    side: String = column(5, "On which side of the threshold it fires", isin=(ABOVE, BELOW))
    threshold: Float64 = column(
        6, "Of the indicator in its unit, in rows, as a share of the baseline, or in s"
    )
    minimum_n: Int64 = column(7, "Below this n the value says nothing", ge=1)
    window_days: Int32 = column(8, "Days that are looked at together", unit="d", ge=1)


class _StateColumns(Contract):
    """What a rule says of a day."""

    day: Date = column(1, "UTC day that is judged")
    rule: String = column(2, "Name of the rule", isin=_NAMES)
    scope: String = column(3, "Indicator, table or job")
    state: String = column(4, "What the rule says", isin=RULE_STATES)
    value: Float64 = column(
        5,
        "The indicator, rows, rows by the baseline, or the longest run in s; null where there is none",
        nullable=True,
    )
    n: Float64 = column(6, "Denominator of the indicator, rows of the baseline, or runs", nullable=True, ge=0)


_KEY = ("day", "rule", "scope")


@table(
    name="rule_states",
    namespace="warehouse",
    grain="one row per day, rule on the clinic and scope",
    key=_KEY,
    slice_column=None,
    slicing="none",
    person=None,
    sort=_KEY,
)
class RuleStates(_StateColumns):
    """What each rule on the clinic says of each day, by what is known now.

    Late data change what was judged.
    """


@table(
    name="run_rule_states",
    namespace="warehouse",
    grain="one row per day on which runs started, rule on runs and scope",
    key=_KEY,
    slice_column=None,
    slicing="none",
    person=None,
    sort=_KEY,
    of_runs=True,
)
class RunRuleStates(_StateColumns):
    """What each rule on the platform's own runs says of each day."""


TABLES = (DimMonitoringRule, RuleStates, RunRuleStates)
