"""The clinic's indicators, each defined once, as data: name, meaning, numerator, denominator.

Here: the definitions, and the one query that computes them all. Not here: where they are shown.

A denominator that is empty gives null. A mean is a sum by a count of what was measured: what was not measured
is in neither.
"""

from dataclasses import astuple, dataclass, fields

import pyarrow as pa

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.operations.contract import DimKpi


@dataclass(frozen=True)
class Kpi:
    """An indicator of a day; both SQL texts are aggregates over the rows of `source` of that day.

    Attributes:
        kpi: name.
        title: name for people.
        definition: what is divided by what.
        unit: UCUM unit, 1 for a share.
        source: view.
        day_column: the view's column that says to which day a row belongs.
        numerator_sql: aggregate.
        denominator_sql: aggregate; None for a count or a sum.
    """

    kpi: str
    title: str
    definition: str
    unit: str
    source: str
    day_column: str
    numerator_sql: str
    denominator_sql: str | None


def _of_visits(
    kpi: str, title: str, definition: str, unit: str, numerator: str, denominator: str | None
) -> Kpi:
    return Kpi(kpi, title, definition, unit, "v_appointment", "scheduled_date", numerator, denominator)


def _of_answers(kpi: str, title: str, definition: str, unit: str, numerator: str, denominator: str) -> Kpi:
    return Kpi(kpi, title, definition, unit, "v_answer", "feedback_date", numerator, denominator)


def _of_alerts(
    kpi: str, title: str, definition: str, unit: str, numerator: str, denominator: str | None
) -> Kpi:
    return Kpi(kpi, title, definition, unit, "v_alert", "opened_on", numerator, denominator)


def _of_revenue(
    kpi: str, title: str, definition: str, unit: str, numerator: str, denominator: str | None
) -> Kpi:
    return Kpi(kpi, title, definition, unit, "v_revenue", "day", numerator, denominator)


def _of_data(
    kpi: str, title: str, definition: str, unit: str, numerator: str, denominator: str | None
) -> Kpi:
    return Kpi(kpi, title, definition, unit, "v_data_quality", "day", numerator, denominator)


def _count(condition: str) -> str:
    return f"COUNT(CASE WHEN {condition} THEN 1 END)"


def _missing(value: str, among: str) -> tuple[str, str]:
    return _count(f"{among} AND {value} IS NULL"), _count(among)


_BOOKED = "COUNT(*)"
_ISSUE_KNOWN = "session_started AND had_technical_issue IS NOT NULL"

KPIS = (
    _of_visits(
        "booked",
        "Appointments booked",
        "Appointments of the day, whatever became of them",
        "1",
        _BOOKED,
        None,
    ),
    _of_visits(
        "no_show_rate",
        "No-show rate",
        "No-shows / (completed + no-shows)",
        "1",
        _count("status = 'No-show'"),
        _count("status IN ('Completed', 'No-show')"),
    ),
    _of_visits(
        "cancellation_rate",
        "Cancellation rate",
        "Cancelled / booked",
        "1",
        _count("status = 'Cancelled'"),
        _BOOKED,
    ),
    _of_visits(
        "completion_rate",
        "Completion rate",
        "Completed / booked",
        "1",
        _count("status = 'Completed'"),
        _BOOKED,
    ),
    _of_visits(
        "mean_wait_minutes",
        "Mean wait",
        "Minutes waited / visits where the patient arrived and the wait is known",
        "min",
        "SUM(CASE WHEN patient_arrived THEN wait_minutes END)",
        "COUNT(CASE WHEN patient_arrived THEN wait_minutes END)",
    ),
    _of_visits(
        "mean_duration_minutes",
        "Mean duration",
        "Minutes of visits / completed visits whose length is known",
        "min",
        "SUM(CASE WHEN status = 'Completed' THEN duration_minutes END)",
        "COUNT(CASE WHEN status = 'Completed' THEN duration_minutes END)",
    ),
    _of_visits(
        "technical_issue_rate",
        "Technical-issue rate",
        "Sessions with a technical issue / sessions started of which that is known",
        "1",
        _count("session_started AND had_technical_issue"),
        _count(_ISSUE_KNOWN),
    ),
    _of_visits(
        "mean_connection_score",
        "Mean connection",
        "Connection from 1 to 5 / sessions started of which it is known",
        "1",
        "SUM(CASE WHEN session_started THEN connection_score END)",
        "COUNT(CASE WHEN session_started THEN connection_score END)",
    ),
    _of_visits(
        "wait_missing_rate",
        "Waits missing",
        "Visits where the patient arrived and the wait is not known / visits where the patient arrived",
        "1",
        *_missing("wait_minutes", "patient_arrived"),
    ),
    _of_visits(
        "duration_missing_rate",
        "Durations missing",
        "Completed visits whose length is not known / completed visits",
        "1",
        *_missing("duration_minutes", "status = 'Completed'"),
    ),
    _of_visits(
        "connection_missing_rate",
        "Connections missing",
        "Sessions started whose connection is not known / sessions started",
        "1",
        *_missing("connection_score", "session_started"),
    ),
    _of_visits(
        "mean_lead_time_days",
        "Mean lead time",
        "Days from booking to visit / booked appointments of which the booking is known",
        "d",
        "SUM(lead_time_days)",
        "COUNT(lead_time_days)",
    ),
    _of_answers(
        "mean_satisfaction",
        "Mean satisfaction",
        "Overall satisfaction from 1 to 5 / answered surveys with that rating",
        "1",
        "SUM(overall_satisfaction)",
        "COUNT(overall_satisfaction)",
    ),
    _of_answers(
        "satisfaction_missing_rate",
        "Ratings missing",
        "Answered surveys without an overall rating / answered surveys",
        "1",
        _count("overall_satisfaction IS NULL"),
        "COUNT(*)",
    ),
    _of_answers(
        "recommendation_rate",
        "Would recommend",
        "Answers that would recommend / answers to that question",
        "1",
        _count("would_recommend"),
        "COUNT(would_recommend)",
    ),
    Kpi(
        "utilisation_7d",
        "Utilisation of the week",
        "Minutes delivered in the seven days that end on the day / minutes a week of providers active on it",
        "1",
        "v_utilisation_7d",
        "day",
        "SUM(delivered_minutes)",
        "SUM(available_minutes)",
    ),
    _of_revenue(
        "delivered_revenue",
        "Delivered revenue, estimated",
        "Delivered minutes × hourly rate, over completed visits whose length and rate are known",
        "{currency}",
        "SUM(delivered_estimate)",
        None,
    ),
    _of_revenue(
        "lost_revenue",
        "Lost to no-shows, estimated",
        "Booked minutes of no-shows × hourly rate, where both are known",
        "{currency}",
        "SUM(lost_estimate)",
        None,
    ),
    _of_revenue(
        "lost_revenue_share",
        "Share lost to no-shows",
        "Lost to no-shows / (delivered + lost), of what could be estimated",
        "1",
        "SUM(lost_estimate)",
        "SUM(booked_estimate)",
    ),
    _of_revenue(
        "estimated_share",
        "Visits with an estimate",
        "Completed visits and no-shows whose minutes and rate are known / completed visits and no-shows",
        "1",
        "SUM(completed + no_shows - visits_without_estimate)",
        "SUM(completed + no_shows)",
    ),
    _of_alerts(
        "alerts_opened",
        "Alerts opened",
        "Alerts on patients and devices that opened on the day",
        "1",
        "COUNT(*)",
        None,
    ),
    _of_alerts(
        "falls_detected",
        "Falls detected",
        "Alerts on a detected fall that opened on the day and were not closed as false",
        "1",
        _count("rule = 'FALL_DETECTED' AND state <> 'CLOSED_FALSE'"),
        None,
    ),
    _of_alerts(
        "fall_confirmation_rate",
        "Falls confirmed",
        "Detected falls closed as confirmed / detected falls closed as confirmed or as false",
        "1",
        _count("rule = 'FALL_DETECTED' AND state = 'CLOSED_CONFIRMED'"),
        _count("rule = 'FALL_DETECTED' AND state IN ('CLOSED_CONFIRMED', 'CLOSED_FALSE')"),
    ),
    _of_alerts(
        "acknowledgement_rate",
        "Alerts acknowledged",
        "Alerts opened on the day that somebody acknowledged / alerts opened on the day",
        "1",
        "COUNT(acknowledged_at)",
        "COUNT(*)",
    ),
    _of_alerts(
        "mean_minutes_to_acknowledge",
        "Mean time to acknowledge",
        "Minutes from opening to first acknowledgement / alerts opened on the day and acknowledged",
        "min",
        "SUM(minutes_to_acknowledge)",
        "COUNT(minutes_to_acknowledge)",
    ),
    _of_alerts(
        "mean_minutes_to_close",
        "Mean time to close",
        "Minutes from opening to the end / alerts opened on the day and closed, by people or by themselves",
        "min",
        "SUM(minutes_to_close)",
        "COUNT(minutes_to_close)",
    ),
    _of_data(
        "checks_passed_rate",
        "Checks passed",
        "Checks passed / checks that ran for the day, by their latest outcome",
        "1",
        _count("kind = 'check' AND outcome = 'passed'"),
        _count("kind = 'check' AND outcome IN ('passed', 'failed')"),
    ),
    _of_data(
        "rows_refused",
        "Rows in quarantine",
        "Rows of the day that were refused, each with its reason",
        "1",
        "CAST(COALESCE(SUM(CASE WHEN kind = 'refusal' THEN rows END), 0) AS BIGINT)",
        None,
    ),
    _of_data(
        "partitions_published_rate",
        "Partitions published",
        "Hours and days of tables that are published / those that the day has",
        "1",
        "CAST(SUM(CASE WHEN kind = 'table' THEN partitions END) AS BIGINT)",
        "CAST(SUM(CASE WHEN kind = 'table' THEN expected_partitions END) AS BIGINT)",
    ),
    _of_data(
        "samples_kept_rate",
        "Samples kept",
        "Clean samples / samples of a gapless day, over devices that were not silent all day",
        "1",
        "CAST(SUM(CASE WHEN kind = 'device' AND expected_samples > 0 THEN rows END) AS BIGINT)",
        "CAST(SUM(CASE WHEN kind = 'device' THEN expected_samples END) AS BIGINT)",
    ),
)


def daily_kpis_sql(kpis: tuple[Kpi, ...] = KPIS) -> str:
    """Return the query for `MartDailyKpis`: each view is read once, whatever the number of its indicators."""
    by_view: dict[tuple[str, str], list[Kpi]] = {}
    for kpi in kpis:
        by_view.setdefault((kpi.source, kpi.day_column), []).append(kpi)
    withs = ", ".join(f"of_{view} AS ({_sums(view, day, kpis)})" for (view, day), kpis in by_view.items())
    parts = [
        f"SELECT day, '{kpi.kpi}' AS kpi, n_{number} AS numerator, d_{number} AS denominator, "
        + (f"n_{number}" if kpi.denominator_sql is None else f"n_{number} / NULLIF(d_{number}, 0)")
        + f" AS value FROM of_{view}"
        for (view, _), of_view in by_view.items()
        for number, kpi in enumerate(of_view)
    ]
    union = " UNION ALL ".join(parts)
    return (
        f"WITH {withs}, found AS ({union}) SELECT found.*, c.is_final FROM found "
        "INNER JOIN v_clinic_day AS c ON c.day = found.day ORDER BY found.day, found.kpi"
    )


def _sums(source: str, day_column: str, kpis: list[Kpi]) -> str:
    sums = ", ".join(
        f"CAST({sql or 'NULL'} AS DOUBLE PRECISION) AS {part}_{number}"
        for number, kpi in enumerate(kpis)
        for part, sql in (("n", kpi.numerator_sql), ("d", kpi.denominator_sql))
    )
    return f"SELECT {day_column} AS day, {sums} FROM {source} GROUP BY {day_column}"


def dim_kpi() -> pa.Table:
    """Return the `DimKpi` rows."""
    names = [field.name for field in fields(Kpi)]
    rows = [dict(zip(names, astuple(kpi), strict=True)) for kpi in sorted(KPIS, key=lambda kpi: kpi.kpi)]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimKpi))
