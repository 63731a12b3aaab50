"""What the data-quality page shows: checks, quarantine, freshness and completeness, day by day.

Belongs here: which questions the page answers, and reading them from the warehouse. Does not belong here:
what a check or a reason means, how the rows are made (`warehouse/observability`), HTML (`clinic_pages.py`),
drawing (`static/data_quality.js`), the quality of one day (`quality.py`).

No payload and no person is in it: a sample of a refusal is the sentence that says what was wrong.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import duckdb

from fallrisk_assets.dashboards.cubes import Measures, Source, read_cube
from fallrisk_assets.dashboards.indicators import COUNT, SHARE, indicators

QUALITY = Source(
    "v_data_quality", "day", {"table": "about", "kind": "kind", "name": "name", "outcome": "outcome"}
)
SHOWN_AS = {
    "checks_passed_rate": SHARE,
    "rows_refused": COUNT,
    "partitions_published_rate": SHARE,
    "samples_kept_rate": SHARE,
}
"""Indicators of the page, in its order, with how their values are written."""

COUNTS = {
    "lines": "COUNT(*)",
    "rows": "CAST(SUM(rows) AS BIGINT)",
    "samples": "CAST(SUM(expected_samples) AS BIGINT)",
    "partitions": "CAST(SUM(partitions) AS BIGINT)",
    "expected": "CAST(SUM(expected_partitions) AS BIGINT)",
}
"""What the page's tables add up."""

_FAILURES = """
SELECT day, about, name, severity, detail FROM v_data_quality
WHERE kind = 'check' AND outcome = 'failed' ORDER BY day DESC, about, name
"""
_REFUSALS = """
SELECT day, about, name, rows, detail FROM v_data_quality WHERE kind = 'refusal' ORDER BY day, about, name
"""
_RESTATED = """
SELECT day, kpi, title, restatement, value_before, value, restated_on FROM v_kpi_restatement
ORDER BY restated_at DESC, day DESC, kpi
"""


def read_data_quality(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Return all that the page shows, ready to be packed; None where no day was looked at yet.

    Args:
        connection: the warehouse, or its snapshot.

    Raises:
        UnknownIndicatorError: `dim_kpi` lacks an indicator of the page.
    """
    first, last = connection.execute("SELECT MIN(day), MAX(day) FROM v_data_quality").fetchall()[0]
    if first is None:
        return None
    measures = Measures()
    kpis = indicators(connection, SHOWN_AS, {QUALITY.view: measures})
    counts = {name: {"sql": sql, "n": measures.number(sql)} for name, sql in COUNTS.items()}
    return {
        "first": str(first),
        "last": str(last),
        "final": str(last),
        "kpis": kpis,
        "counts": counts,
        "failures": _rows(connection, _FAILURES),
        "refusals": _rows(connection, _REFUSALS),
        "restated": _rows(connection, _RESTATED),
        "source": asdict(QUALITY),
        "cube": read_cube(connection, QUALITY, measures, first, last),
    }


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[list[Any]]:
    rows = connection.execute(sql).fetchall()
    return [[value.isoformat() if isinstance(value, date) else value for value in row] for row in rows]
