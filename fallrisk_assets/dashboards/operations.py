"""What the page of the clinic's operations shows: its indicators, its counts, and the cubes behind them.

Belongs here: which questions the page answers, and reading them from the warehouse. Does not belong here: how
an indicator is defined (`warehouse/operations/kpis.py`, which the page reads as `dim_kpi`), HTML
(`clinic_pages.py`), drawing (`static/operations.js`).

No patient and no appointment is in it: only sums by day, specialty, provider, device and browser.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import duckdb

from fallrisk_assets.clinic.operations.vocabulary import CONNECTIONS, STATUSES
from fallrisk_assets.dashboards.cubes import Measures, Source, read_cube
from fallrisk_assets.dashboards.indicators import (
    COUNT,
    DAYS,
    MINUTES,
    SCORE,
    SHARE,
    Breakdown,
    broken_down,
    classes,
    indicators,
)

VISITS = Source(
    "v_appointment",
    "scheduled_date",
    {
        "specialty": "specialty",
        "provider": "provider_id",
        "device": "device_type",
        "browser": "browser",
    },
)
WEEKS = Source("v_utilisation_7d", "day", {"specialty": "specialty", "provider": "provider_id"})
"""Hours are offered by the week, whatever the device: what is read here is of the week that ends on a day."""

AHEAD = Source("mart_day_ahead", "day", {"specialty": "specialty", "provider": "provider_id"})
"""What lay ahead at the end of a day; nobody knows yet from which device it will be."""

AHEAD_COUNTS = {
    "booked": ("Booked", "count", "CAST(SUM(booked) AS BIGINT)"),
    "expected": ("Probable no-shows", "plain", "SUM(CAST(expected_no_shows AS DECIMAL(18, 6)))"),
    "judged": ("Of appointments judged", "count", "CAST(SUM(judged) AS BIGINT)"),
    "minutes": ("Next day: booked minutes", "count", "SUM(CAST(planned_minutes AS DECIMAL(18, 4)))"),
    "booked_7d": ("Seven days: booked", "count", "CAST(SUM(booked_7d) AS BIGINT)"),
    "minutes_7d": ("Seven days: booked minutes", "count", "SUM(CAST(planned_minutes_7d AS DECIMAL(18, 4)))"),
    "without_7d": ("Length not known", "count", "CAST(SUM(without_minutes_7d) AS BIGINT)"),
    "available_7d": ("Offered minutes", "count", "SUM(CAST(available_minutes_7d AS DECIMAL(18, 4)))"),
}
"""What is added up of the days ahead: heading, how it is written, aggregate."""

_MODELS = """
SELECT day, string_agg(model, '; ' ORDER BY model) FROM (
    SELECT DISTINCT day, model_version || ', ' || model_basis AS model FROM mart_day_ahead
    WHERE model_version IS NOT NULL
) GROUP BY day ORDER BY day
"""

SHOWN_AS = {
    "booked": COUNT,
    "no_show_rate": SHARE,
    "cancellation_rate": SHARE,
    "completion_rate": SHARE,
    "mean_lead_time_days": DAYS,
    "mean_wait_minutes": MINUTES,
    "mean_duration_minutes": MINUTES,
    "utilisation_7d": SHARE,
    "technical_issue_rate": SHARE,
    "mean_connection_score": SCORE,
}
"""Indicators of the page, in its order, with how their values are written."""


STATUS = Breakdown(
    "status",
    "Appointments by status",
    "Each appointment once, on the day for which it was scheduled last.",
    tuple((status, f"status = '{status}'") for status in STATUSES),
)
BREAKDOWNS = (
    Breakdown(
        "lead_time",
        "Lead time",
        "Appointments by days from booking to visit, in the classes of NHS England’s statistics; those whose "
        "booking is not known are in none.",
        (
            ("same day", "lead_time_days = 0"),
            ("1 day", "lead_time_days = 1"),
            ("2 to 7 days", "lead_time_days BETWEEN 2 AND 7"),
            ("8 to 14 days", "lead_time_days BETWEEN 8 AND 14"),
            ("15 to 21 days", "lead_time_days BETWEEN 15 AND 21"),
            ("22 to 28 days", "lead_time_days BETWEEN 22 AND 28"),
            ("more than 28 days", "lead_time_days > 28"),
        ),
    ),
    Breakdown(
        "wait",
        "Wait",
        "Visits where the patient arrived and the wait is known. Each class is from its first minute up to, "
        "not including, its last.",
        classes("wait_minutes", "min", 5, 10, 15, 30, of="patient_arrived"),
    ),
    Breakdown(
        "duration",
        "Duration",
        "Completed visits whose length is known.",
        classes("duration_minutes", "min", 10, 20, 30, 45, of="status = 'Completed'"),
    ),
    Breakdown(
        "connection",
        "Connection",
        "Sessions started of which the quality of the connection is known.",
        tuple(
            (f"{score} {name.lower()}", f"session_started AND connection_score = {score}")
            for name, score in reversed(CONNECTIONS.items())
        ),
    ),
)
ISSUE_KPI = "technical_issue_rate"
PROVIDER_KPIS = (
    "booked",
    "completion_rate",
    "no_show_rate",
    "mean_wait_minutes",
    "mean_duration_minutes",
    ISSUE_KPI,
    "utilisation_7d",
)
"""Columns of the table of providers."""

_REACH = """
SELECT MIN(day) AS first, MAX(day) AS last, MAX(CASE WHEN is_final THEN day END) AS final FROM v_clinic_day
"""


def read_operations(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Return all that the page shows, ready to be packed; None where no appointment is known.

    Args:
        connection: the warehouse, or its snapshot.

    Raises:
        UnknownIndicatorError: `dim_kpi` lacks an indicator of the page.
    """
    (reach,) = connection.sql(_REACH).to_arrow_table().to_pylist()
    if reach["first"] is None:
        return None
    first, last = reach["first"], reach["last"]
    measures = {source.view: Measures() for source in (VISITS, WEEKS, AHEAD)}
    kpis = indicators(connection, SHOWN_AS, measures)
    ahead_counts = [
        {"name": name, "title": title, "way": way, "sql": sql, "n": measures[AHEAD.view].number(sql)}
        for name, (title, way, sql) in AHEAD_COUNTS.items()
    ]
    breakdowns = [broken_down(breakdown, measures[VISITS.view]) for breakdown in (STATUS, *BREAKDOWNS)]
    return {
        "first": str(first),
        "last": str(last),
        "final": str(reach["final"] or last),
        "kpis": kpis,
        "issue_kpi": ISSUE_KPI,
        "provider_kpis": PROVIDER_KPIS,
        "breakdowns": breakdowns,
        "sources": {source.view: asdict(source) for source in (VISITS, WEEKS, AHEAD)},
        "ahead_counts": ahead_counts,
        "models": {str(day): model for day, model in connection.execute(_MODELS).fetchall()},
        "cubes": {
            source.view: read_cube(connection, source, measures[source.view], first, last)
            for source in (VISITS, WEEKS, AHEAD)
        },
    }


def latest_day(content: dict[str, Any] | None) -> date | None:
    """Return the last whole day of which the page tells."""
    return None if content is None else date.fromisoformat(content["final"])
