"""Weeks of runs, rule states and published rows in a warehouse of which every number is known by its seed."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from fallrisk_assets.alerts.monitoring_rules import BELOW, JOBS, MONITORING_RULES
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.contract import FactAlert
from fallrisk_assets.warehouse.dimensions import Wearers
from fallrisk_assets.warehouse.facts import fact_alert
from fallrisk_assets.warehouse.monitoring.contract import DimMonitoringRule, RuleStates, RunRuleStates
from fallrisk_assets.warehouse.monitoring.states import dim_monitoring_rule, run_rule_states, state_of
from fallrisk_assets.warehouse.observability.contract import MartDataQuality, MartPipelineRuns
from fallrisk_assets.warehouse.observability.data_quality import Published, data_quality
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse
from fallrisk_assets_tests.warehouse.rows import alert, alerts, index_alerts, operations_alerts

FIRST = date(2026, 1, 5)
TABLES = ("clean.telemetry", "curated.alerts", "warehouse.never_published")
_ON_CLINIC = [rule for rule in MONITORING_RULES if rule.looks_at != "DURATION"]


def some_runs(folder: Path, days: int = 70) -> Warehouse:
    """Return a warehouse with some days of an installation, and its snapshot."""
    rng = random.Random(13)
    warehouse = Warehouse(folder=str(folder))
    runs = [run for number in range(days) for run in runs_of(rng, FIRST + timedelta(days=number))]
    longest: dict[str, dict[date, tuple[float, float]]] = {job: {} for job in JOBS}
    for run in runs:
        if run["duration_s"] is not None:
            worst, n = longest[run["job"]].get(run["day"], (0.0, 0.0))
            longest[run["job"]][run["day"]] = (max(worst, run["duration_s"]), n + 1)
    whole = {
        DimMonitoringRule: dim_monitoring_rule(),
        RuleStates: _states(rng, days),
        RunRuleStates: run_rule_states(longest),
        MartPipelineRuns: pa.Table.from_pylist(runs, schema=arrow_schema(MartPipelineRuns)),
    }
    for model, rows in whole.items():
        warehouse.replace_slice(model, WHOLE_TABLE, rows)
    for number in range(days):
        day = FIRST + timedelta(days=number)
        published = [
            Published(table, 0 if "never" in table else rng.randrange(9_000), 24, 24) for table in TABLES
        ]
        warehouse.replace_slice(MartDataQuality, str(day), data_quality(day, [], [], published, []))
    opened = datetime(2026, 1, 20, tzinfo=UTC)
    running = operations_alerts(
        alert(
            "o1",
            rule="NO_SHOW_HIGH",
            scope="no_show_rate",
            severity="low",
            opened_at=opened,
            last_seen_at=opened,
        ),
        alert(
            "o2",
            rule="PIPELINE_SLOW",
            scope=JOBS[0],
            severity="medium",
            opened_at=opened,
            last_seen_at=opened,
        ),
    )
    at = opened.date()
    told = fact_alert(alerts(), index_alerts(), running, at, Wearers([]))
    warehouse.replace_slice(FactAlert, str(at), told.set_column(0, "day", pa.array([at] * 2, pa.date32())))
    warehouse.export_snapshot()
    return warehouse


def runs_of(rng: random.Random, day: date, hourly: int = 3) -> list[dict[str, Any]]:
    """Return the runs that started on a day: some hours, the day's two jobs, now and then one that failed."""
    begun = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
    jobs = [JOBS[0]] * hourly + list(JOBS[1:])
    return [_run(rng, job, begun + timedelta(minutes=17 * n), f"{day}-{n}") for n, job in enumerate(jobs)]


def _run(rng: random.Random, job: str, asked: datetime, name: str) -> dict[str, Any]:
    status = rng.choice(("SUCCESS",) * 12 + ("FAILURE", "CANCELED"))
    started = None if status == "CANCELED" else asked + timedelta(seconds=rng.randrange(1, 30))
    duration_s = None if started is None else round(rng.lognormvariate(4, 1), 3)
    ended = asked if started is None or duration_s is None else started + timedelta(seconds=duration_s)
    failed = status == "FAILURE"
    return {
        "day": asked.date(),
        "run_id": f"run-{name}",
        "job": job,
        "partition_key": str(asked.date()),
        "is_range": False,
        "status": status,
        "started_by": "schedule close_the_day",
        "created_at": asked,
        "started_at": started,
        "ended_at": ended,
        "queued_s": 0.0 if started is None else (started - asked).total_seconds(),
        "duration_s": duration_s,
        "retry_of": None,
        "steps": 9,
        "steps_failed": int(failed),
        "step_restarts": 0,
        "failed_step": "daily_gait" if failed else None,
        "error_class": "MissingPartition" if failed else None,
        "slowest_step": None if started is None else "ingest_telemetry",
        "slowest_step_s": duration_s,
        "slowest_mart": None,
        "slowest_mart_s": None,
    }


def _states(rng: random.Random, days: int) -> pa.Table:
    rows = []
    for number in range(days):
        for rule in _ON_CLINIC:
            for scope in rule.scopes:
                well = rule.threshold * (1.3 if rule.side == BELOW else 0.6)
                value = None if rng.random() < 0.08 else max(round(well * rng.gauss(1, 0.4), 6), 0.0)
                n = float(rng.randrange(0, 400))
                rows.append(
                    {
                        "day": FIRST + timedelta(days=number),
                        "rule": rule.rule,
                        "scope": scope,
                        "state": state_of(rule, value, n),
                        "value": value,
                        "n": n,
                    }
                )
    rows.sort(key=lambda row: (row["day"], row["rule"], row["scope"]))
    return pa.Table.from_pylist(rows, schema=arrow_schema(RuleStates))
