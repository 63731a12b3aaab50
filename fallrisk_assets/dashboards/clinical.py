"""What the clinical page shows: how risk is spread, who moves, who fell, what alerted, whom to call.

Belongs here: which questions the page answers, and reading them from the warehouse. Does not belong here:
how an indicator is defined (`dim_kpi`), what a baseline is (`v_risk_change`), who is listed
(`mart_outreach`), HTML (`clinic_pages.py`), drawing (`static/clinical.js`).

For who answers for the care of many: by the wearables' pseudonyms, which lead to a patient's day. No id of
the clinic and no name is read.
"""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import duckdb

from fallrisk_assets.dashboards.cubes import Measures, Source, read_cube
from fallrisk_assets.dashboards.indicators import (
    COUNT,
    MINUTES,
    SHARE,
    Breakdown,
    broken_down,
    indicators,
)

MOST_PATIENT_DAYS = 100_000
"""The page holds a cell for each patient and day: as many days back as fit, so that it stays small."""
LISTS_DAYS = 91
"""Days whose movers and lists can be looked up."""
NOTABLE_CHANGE = 0.03
"""A probability closer than this to the person's own baseline is not worth a word."""

RISK = Source(
    "v_risk_score",
    "day",
    {"site": "site_id", "age": "age_group", "patient": "wearable_patient_id", "band": "band"},
)
ALERTS = Source(
    "v_alert",
    "opened_on",
    {
        "site": "site_id",
        "age": "age_group",
        "severity": "severity",
        "patient": "wearable_patient_id",
        "rule": "rule",
        "state": "state",
    },
)
SHOWN_AS = {
    "alerts_opened": COUNT,
    "falls_detected": COUNT,
    "fall_confirmation_rate": SHARE,
    "acknowledgement_rate": SHARE,
    "mean_minutes_to_acknowledge": MINUTES,
}
"""Indicators of the page, in its order, with how their values are written."""
SEVERITIES = ("critical", "high", "medium", "low")
BANDS = ("high", "medium", "low", "NOT_SCORED")
COUNTS = {
    "people": "COUNT(*)",
    "probability": "SUM(CAST(probability_12m AS DECIMAL(9, 6)))",
}
"""What the blocks on risk add up; a cell is one patient's day."""
SPREAD = Breakdown(
    "spread",
    "Probability of a fall within 12 months",
    "Patients of the last scored day that is chosen, in classes from their first per cent up to, not "
    "including, their last.",
    (
        ("under 10 %", "probability_12m < 0.1"),
        ("10 to 20 %", "probability_12m >= 0.1 AND probability_12m < 0.2"),
        ("20 to 30 %", "probability_12m >= 0.2 AND probability_12m < 0.3"),
        ("30 to 40 %", "probability_12m >= 0.3 AND probability_12m < 0.4"),
        ("40 to 50 %", "probability_12m >= 0.4 AND probability_12m < 0.5"),
        ("50 % and more", "probability_12m >= 0.5"),
    ),
)
MOVER_COLUMNS = (
    *("wearable_patient_id", "site_id", "age_group", "band", "probability_12m", "baseline_12m", "change_12m"),
    "baseline_days",
)
CALL_COLUMNS = (
    *("wearable_patient_id", "rank", "site_id", "reasons", "falls", "last_fall_at", "risk_band"),
    *("probability_12m", "next_visit_at", "missed_visit_at", "age_group"),
)

_REACH = """
SELECT MIN(day) AS first, MAX(day) AS last FROM (
    SELECT day FROM v_risk_score UNION SELECT opened_on FROM v_alert
) AS days
"""
_FITS = """
SELECT MIN(day) FROM (
    SELECT day, SUM(COUNT(*)) OVER (ORDER BY day DESC) AS so_far FROM v_risk_score GROUP BY day
) AS counted WHERE so_far <= ?
"""
_LISTED = """
SELECT DISTINCT CAST(partition_key AS DATE) AS day FROM partition_ledger
WHERE table_name = 'warehouse.mart_outreach' AND CAST(partition_key AS DATE) > ? ORDER BY day
"""


def read_clinical(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Return all that the page shows, ready to be packed; None where nobody was scored and nothing alerted.

    Args:
        connection: the warehouse, or its snapshot.

    Raises:
        UnknownIndicatorError: `dim_kpi` lacks an indicator of the page.
    """
    earliest, last = connection.execute(_REACH).fetchall()[0]
    if earliest is None:
        return None
    fits = connection.execute(_FITS, [MOST_PATIENT_DAYS]).fetchall()[0][0]
    scored = connection.execute("SELECT MIN(day), MAX(day) FROM v_risk_score").fetchall()[0]
    first = earliest if fits is None or fits == scored[0] else fits
    since = last - timedelta(days=LISTS_DAYS)
    risk, alerts = Measures(), Measures()
    kpis = indicators(connection, SHOWN_AS, {ALERTS.view: alerts})
    counts = {name: {"sql": sql, "n": risk.number(sql)} for name, sql in COUNTS.items()}
    spread = broken_down(SPREAD, risk)
    movers = connection.execute(
        f"SELECT day, {', '.join(MOVER_COLUMNS)} FROM v_risk_change "
        "WHERE day > ? AND ABS(change_12m) >= ? ORDER BY day, ABS(change_12m) DESC, wearable_patient_id",
        [since, NOTABLE_CHANGE],
    ).fetchall()
    calls = connection.execute(
        f"SELECT day, {', '.join(CALL_COLUMNS)} FROM v_outreach WHERE day > ? ORDER BY day, rank", [since]
    ).fetchall()
    return {
        "first": str(first),
        "last": str(last),
        "final": str(scored[1] or last),
        "earlier": first > earliest,
        "kpis": kpis,
        "counts": counts,
        "spread": spread,
        "bands": BANDS,
        "severities": SEVERITIES,
        "notable": NOTABLE_CHANGE,
        "lists_since": str(since + timedelta(days=1)),
        "lists": [str(day) for (day,) in connection.execute(_LISTED, [since]).fetchall()],
        "movers": _plain(movers),
        "calls": _plain(calls),
        "call_columns": CALL_COLUMNS,
        "mover_columns": MOVER_COLUMNS,
        "risk_source": asdict(RISK),
        "alert_source": asdict(ALERTS),
        "risk": read_cube(connection, RISK, risk, first, last),
        "alerts": read_cube(connection, ALERTS, alerts, first, last),
    }


def _plain(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Return values as JSON has them; days and instants as ISO 8601."""
    return [[value.isoformat() if isinstance(value, date) else value for value in row] for row in rows]
