"""What the financial page shows: estimates of what was delivered and of what no-shows cost.

Belongs here: which questions the page answers, and reading them from the warehouse. Does not belong here: how
an amount is estimated (`warehouse/operations/marts/revenue.sql`), how an indicator is defined (`dim_kpi`),
HTML (`clinic_pages.py`), drawing (`static/financial.js`).

No patient and no appointment is in it: only sums by day, specialty and provider.
"""

from dataclasses import asdict
from typing import Any

import duckdb

from fallrisk_assets.dashboards.cubes import Measures, Source, read_cube
from fallrisk_assets.dashboards.indicators import MONEY, SHARE, indicators

REVENUE = Source("v_revenue", "day", {"specialty": "specialty", "provider": "provider_id"})
SHOWN_AS = {
    "delivered_revenue": MONEY,
    "lost_revenue": MONEY,
    "lost_revenue_share": SHARE,
    "estimated_share": SHARE,
}
"""Indicators of the page, in its order, with how their values are written."""

COUNTS = {
    "completed": ("Completed visits", "SUM(completed)"),
    "no_shows": ("No-shows", "SUM(no_shows)"),
    "visits_without_estimate": ("Without an estimate", "SUM(visits_without_estimate)"),
}
"""What stands beside the amounts, so that one sees what they are of: heading and aggregate."""

_REACH = """
SELECT MIN(r.day) AS first, MAX(r.day) AS last, MAX(CASE WHEN c.is_final THEN r.day END) AS final
FROM v_revenue AS r LEFT JOIN v_clinic_day AS c ON c.day = r.day
"""


def read_financial(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Return all that the page shows, ready to be packed; None where nothing was delivered or lost yet.

    Args:
        connection: the warehouse, or its snapshot.

    Raises:
        UnknownIndicatorError: `dim_kpi` lacks an indicator of the page.
    """
    (reach,) = connection.sql(_REACH).to_arrow_table().to_pylist()
    if reach["first"] is None:
        return None
    first, last = reach["first"], reach["last"]
    measures = Measures()
    kpis = indicators(connection, SHOWN_AS, {REVENUE.view: measures})
    counts = [
        {"name": name, "title": title, "sql": sql, "n": measures.number(sql)}
        for name, (title, sql) in COUNTS.items()
    ]
    return {
        "first": str(first),
        "last": str(last),
        "final": str(reach["final"] or last),
        "kpis": kpis,
        "counts": counts,
        "source": asdict(REVENUE),
        "cube": read_cube(connection, REVENUE, measures, first, last),
    }
