"""What the monitoring page shows: what the rules say, how runs went and how long they took, rows by table.

Belongs here: which questions the page answers, and reading them from the warehouse. Does not belong here:
when a rule fires (`alerts/monitoring_rules.py`), what is known of a run (`mart_pipeline_runs`), HTML
(`clinic_pages.py`), drawing (`static/monitoring.js`).

For who keeps the house running. No patient, no appointment and no error's text is in it.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import duckdb

from fallrisk_assets.alerts.monitoring_rules import RULE_STATES
from fallrisk_assets.dashboards.cubes import Measures, Source, read_cube

MOST_RUNS = 20_000
"""The page holds a cell for each run: the newest, so that it stays small."""

RULES = Source("v_rule_state", "day", {"rule": "rule", "scope": "scope", "state": "state"})
RUNS = Source(
    "mart_pipeline_runs",
    "day",
    {
        "job": "job",
        "status": "status",
        "partition": "partition_key",
        "step": "failed_step",
        "error": "error_class",
        "slowest": "slowest_step",
        "run": "run_id",
    },
)
ROWS = Source("v_data_quality", "day", {"table": "about", "kind": "kind"})
LINES = "COUNT(*)"
OF_RUNS = {"runs": LINES, "duration": "SUM(duration_s)", "queued": "SUM(queued_s)"}
OF_RULES = {"states": LINES, "value": "SUM(value)", "n": "SUM(n)"}
OF_ROWS = {"rows": "CAST(SUM(rows) AS BIGINT)"}

_REACH = """
SELECT MIN(day) AS first, MAX(day) AS last FROM (
    SELECT day FROM v_rule_state UNION SELECT day FROM mart_pipeline_runs UNION SELECT day FROM v_data_quality
) AS days
"""
_RAN = "SELECT MIN(day), MAX(day) FROM mart_pipeline_runs"
_FITS = """
SELECT MIN(day) FROM (
    SELECT day, SUM(COUNT(*)) OVER (ORDER BY day DESC) AS so_far FROM mart_pipeline_runs GROUP BY day
) AS counted WHERE so_far <= ?
"""
_ALERTS = """
SELECT CAST(opened_at AS DATE) AS opened_on, CAST(last_seen_at AS DATE) AS last_seen_on, rule, scope,
    severity, n, state
FROM v_operations_alert ORDER BY opened_at DESC, rule, scope
"""
_DEFINED = """
SELECT rule, title, severity, looks_at, side, threshold, minimum_n, window_days
FROM dim_monitoring_rule ORDER BY rule
"""


def read_monitoring(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    """Return all that the page shows, ready to be packed; None where nothing was judged and nothing ran.

    Args:
        connection: the warehouse, or its snapshot.
    """
    earliest, last = connection.execute(_REACH).fetchall()[0]
    if earliest is None:
        return None
    runs, rules, rows = Measures(), Measures(), Measures()
    of_runs = {name: {"sql": sql, "n": runs.number(sql)} for name, sql in OF_RUNS.items()}
    of_rules = {name: {"sql": sql, "n": rules.number(sql)} for name, sql in OF_RULES.items()}
    of_rows = {name: {"sql": sql, "n": rows.number(sql)} for name, sql in OF_ROWS.items()}
    fits = connection.execute(_FITS, [MOST_RUNS]).fetchall()[0][0]
    oldest_run, newest_run = connection.execute(_RAN).fetchall()[0]
    judged = connection.execute("SELECT MAX(day) FROM rule_states").fetchall()[0][0]
    return {
        "first": str(earliest),
        "last": str(last),
        "final": str(judged or last),
        "ran": None if oldest_run is None else [str(fits or oldest_run), str(newest_run)],
        "runs_since": None if fits in (None, oldest_run) else str(fits),
        "states": RULE_STATES,
        "rules": _plain(connection.execute(_DEFINED).fetchall()),
        "alerts": _plain(connection.execute(_ALERTS).fetchall()),
        "of_runs": of_runs,
        "of_rules": of_rules,
        "of_rows": of_rows,
        "run_source": asdict(RUNS),
        "rule_source": asdict(RULES),
        "row_source": asdict(ROWS),
        "run_cube": read_cube(connection, RUNS, runs, fits or earliest, last),
        "run_first": str(fits or earliest),
        "rule_cube": read_cube(connection, RULES, rules, earliest, last),
        "row_cube": read_cube(connection, ROWS, rows, earliest, last),
    }


def firing(content: dict[str, Any] | None) -> int:
    """Return how many rules fire on the last day that was judged."""
    if content is None or not content["rule_cube"]["day"]:
        return 0
    cube = content["rule_cube"]
    its = cube["dimensions"]["state"]
    return sum(
        day == cube["day"][-1] and its["names"][code] == "FIRING"
        for day, code in zip(cube["day"], its["codes"], strict=True)
    )


def _plain(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [[value.isoformat() if isinstance(value, date) else value for value in row] for row in rows]
