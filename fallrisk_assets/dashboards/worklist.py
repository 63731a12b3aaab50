"""What the clinical worklist shows: whom to call and why, which alerts are open, how fast people answer.

Belongs here: which questions the page answers, and reading them from the warehouse. Does not belong here: who
is listed (`warehouse/operations/marts/outreach.sql`), how an indicator is defined (`dim_kpi`), HTML
(`clinic_pages.py`), drawing (`static/worklist.js`).

For people who care for the patients: with the clinic's ids, by which they find them. No name, no address, no
patient id of the wearables' world is read.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import duckdb

from fallrisk_assets.dashboards.cubes import Measures, Source, read_cube
from fallrisk_assets.dashboards.indicators import (
    MINUTES,
    SHARE,
    Breakdown,
    broken_down,
    classes,
    indicators,
)

DAYS_SHOWN = 28
"""Days whose lists can be looked up, and days of alerts over which answers are measured."""

ALERTS = Source("v_alert", "opened_on", {"site": "site_id", "severity": "severity"})
SHOWN_AS = {
    "acknowledgement_rate": SHARE,
    "mean_minutes_to_acknowledge": MINUTES,
    "mean_minutes_to_close": MINUTES,
}
_SEVERITIES = ("critical", "high", "medium", "low")
BREAKDOWNS = (
    Breakdown(
        "to_acknowledge",
        "Time to acknowledge",
        "Alerts by minutes from opening to the first acknowledgement, in classes from their first minute up "
        "to, not including, their last.",
        (
            *classes("minutes_to_acknowledge", "min", 5, 15, 30, 60, of="acknowledged_at IS NOT NULL"),
            ("closed without", "acknowledged_at IS NULL AND closed_at IS NOT NULL"),
            ("not yet", "acknowledged_at IS NULL AND closed_at IS NULL"),
        ),
    ),
    Breakdown(
        "to_close",
        "Time to close",
        "Alerts by hours from opening to the end, by people or because the condition is over.",
        (
            ("under 1 h", "minutes_to_close < 60"),
            ("1 to 4 h", "minutes_to_close >= 60 AND minutes_to_close < 240"),
            ("4 to 12 h", "minutes_to_close >= 240 AND minutes_to_close < 720"),
            ("12 to 24 h", "minutes_to_close >= 720 AND minutes_to_close < 1440"),
            ("24 h and more", "minutes_to_close >= 1440"),
            ("still open", "closed_at IS NULL"),
        ),
    ),
)
CALL_COLUMNS = (
    *("day", "rank", "patient_id", "site_id", "reasons", "falls", "last_fall_at", "risk_band"),
    *("probability_12m", "risk_status", "next_visit_at", "missed_visit_at"),
)
ALERT_COLUMNS = (
    *("severity", "rule", "patient_id", "site_id", "device_id", "state", "escalation_level", "n"),
    *("opened_at", "last_seen_at", "acknowledged_at", "closed_at"),
)
_LISTED = """
SELECT DISTINCT CAST(partition_key AS DATE) AS day FROM partition_ledger
WHERE table_name = 'warehouse.mart_outreach' ORDER BY day DESC LIMIT ?
"""


def read_worklist(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Return all that the page shows, ready to be packed; None where no list was made yet.

    Args:
        connection: the warehouse, or its snapshot.

    Raises:
        UnknownIndicatorError: `dim_kpi` lacks an indicator of the page.
    """
    days = [day for (day,) in connection.execute(_LISTED, [DAYS_SHOWN]).fetchall()]
    if not days:
        return None
    first = days[-1] - timedelta(days=DAYS_SHOWN - 1)
    calls = connection.execute(
        f"SELECT {', '.join(CALL_COLUMNS)} FROM mart_outreach WHERE day >= ? ORDER BY day, rank", [days[-1]]
    ).fetchall()
    # Open at the end of one of the days: a closed alert counts until the day of its end.
    alerts = connection.execute(
        f"SELECT {', '.join(ALERT_COLUMNS)} FROM v_alert WHERE opened_on <= ? "
        "AND (closed_at IS NULL OR CAST(closed_at AS DATE) > ?) ORDER BY opened_at, alert_id",
        [days[0], days[-1]],
    ).fetchall()
    measures = Measures()
    kpis = indicators(connection, SHOWN_AS, {ALERTS.view: measures})
    breakdowns = [broken_down(breakdown, measures) for breakdown in BREAKDOWNS]
    return {
        "days": [str(day) for day in days],
        "first": str(first),
        "days_shown": DAYS_SHOWN,
        "severities": _SEVERITIES,
        "calls": [_plain(row) for row in calls],
        "call_columns": CALL_COLUMNS,
        "alerts": [_plain(row) for row in alerts],
        "alert_columns": ALERT_COLUMNS,
        "kpis": kpis,
        "breakdowns": breakdowns,
        "source": asdict(ALERTS),
        "cube": read_cube(connection, ALERTS, measures, first, days[0]),
    }


def to_call(content: dict[str, Any] | None) -> int:
    """Return how many patients are listed on the newest day."""
    if content is None:
        return 0
    return sum(row[0] == content["days"][0] for row in content["calls"])


def _plain(row: Sequence[Any]) -> list[Any]:
    """Return values as JSON has them; instants as ISO 8601 in UTC."""
    return [value.isoformat() if isinstance(value, date) else value for value in row]
