"""What of the clinic's running is worth a person's time: rules as data.

Belongs here: what each rule looks at, its threshold, its smallest n, its window and how grave it is. Does not
belong here: judging a day (`warehouse/monitoring/states.py`), and how alerts behave in time (`rules`).
"""

from dataclasses import dataclass

INDICATOR, SILENCE, VOLUME, DURATION = "INDICATOR", "SILENCE", "VOLUME", "DURATION"
"""What a rule looks at: an indicator, rows that stay away, a day's rows against their baseline, or how long
the longest run of the day took."""

ABOVE, BELOW = "above", "below"

OK, FIRING, TOO_FEW, NO_DATA = "OK", "FIRING", "TOO_FEW", "NO_DATA"
RULE_STATES = (OK, FIRING, TOO_FEW, NO_DATA)
"""TOO_FEW: fewer than the smallest n, so that the value says nothing. NO_DATA: there is no value at all."""

APPOINTMENTS, ANSWERS, SAMPLES = "fact_appointment", "fact_feedback", "fact_device_day"
JOBS = ("telemetry_hourly", "identity_daily", "lakehouse_daily")
MARTS = "marts"
"""Scope of the questions that the marts ask the warehouse, whichever job asks them."""
BASELINE_WEEKS = 4
"""A day's rows are compared with the median of as many of the same weekday before it."""


@dataclass(frozen=True)
class MonitoringRule:
    """One rule.

    Attributes:
        rule: name, part of the alert's identity.
        title: name for people.
        severity: how grave it is.
        looks_at: `INDICATOR` (of `kpis.py`), `SILENCE`, `VOLUME` or `DURATION`.
        side: on which side of the threshold it fires; the threshold itself is still well.
        threshold: of the indicator in its unit; of SILENCE in rows; of VOLUME as a share of the baseline; of
            DURATION in s.
        minimum_n: below it the value says nothing: the indicator's denominator, the baseline's rows, runs.
        window_days: days that are looked at together. Of an indicator they end the day before, so that none
            of them can go on; of rows they end with the day.
        scopes: what it is judged for, one state each: indicators, tables or jobs.
    """

    rule: str
    title: str
    severity: str
    looks_at: str
    side: str
    threshold: float
    minimum_n: int
    window_days: int
    scopes: tuple[str, ...]


def _indicator(
    rule: str, title: str, severity: str, side: str, threshold: float, *kpis: str, n: int = 20
) -> MonitoringRule:
    return MonitoringRule(rule, title, severity, INDICATOR, side, threshold, n, 7, kpis)


def _silence(rule: str, title: str, days: int, table: str) -> MonitoringRule:
    return MonitoringRule(rule, title, "high", SILENCE, BELOW, 1, 5, days, (table,))


MONITORING_RULES = (
    _silence("NO_APPOINTMENTS", "Nothing heard of appointments", 1, APPOINTMENTS),
    _silence("NO_FEEDBACK", "No feedback", 2, ANSWERS),
    MonitoringRule(
        "VOLUME_LOW",
        "Far fewer rows than on such days",
        "high",
        VOLUME,
        BELOW,
        0.5,
        20,
        1,
        (APPOINTMENTS, ANSWERS, SAMPLES),
    ),
    _indicator(
        "VALUES_MISSING",
        "Measured values missing",
        "high",
        ABOVE,
        0.05,
        "wait_missing_rate",
        "duration_missing_rate",
        "connection_missing_rate",
        "satisfaction_missing_rate",
    ),
    MonitoringRule("PIPELINE_SLOW", "A run takes long", "medium", DURATION, ABOVE, 1800, 1, 1, JOBS),
    MonitoringRule("QUERY_SLOW", "A mart takes long", "medium", DURATION, ABOVE, 10, 1, 1, (MARTS,)),
    _indicator("COMPLETION_LOW", "Few visits completed", "low", BELOW, 0.70, "completion_rate"),
    _indicator("CANCELLATION_HIGH", "Many cancellations", "low", ABOVE, 0.15, "cancellation_rate"),
    _indicator("NO_SHOW_HIGH", "Many no-shows", "low", ABOVE, 0.10, "no_show_rate"),
    _indicator("SATISFACTION_LOW", "Low satisfaction", "low", BELOW, 3.0, "mean_satisfaction"),
    _indicator("ISSUES_HIGH", "Many technical issues", "medium", ABOVE, 0.20, "technical_issue_rate"),
    _indicator("CONNECTION_POOR", "Poor connections", "medium", BELOW, 2.5, "mean_connection_score"),
)
"""The defaults. Each rule is named once; a rule's alerts are told apart by its scopes."""
