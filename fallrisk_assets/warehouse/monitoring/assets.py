"""Monitoring rules as daily assets: their states, the alerts that follow, and their deliveries.

Here: the Dagster skin. Not here: the rules (`alerts/monitoring_rules.py`), how a day is judged (`states.py`),
how states become alerts (`alerts`).
"""

from collections import Counter, defaultdict
from datetime import date

import dagster as dg
import pyarrow as pa

from fallrisk_assets.alerts.contract import OperationsAlerts
from fallrisk_assets.alerts.monitoring_rules import (
    ANSWERS,
    APPOINTMENTS,
    INDICATOR,
    MARTS,
    MONITORING_RULES,
    SAMPLES,
)
from fallrisk_assets.alerts.observations import rule_observations
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.rules import DAILY_LOOK_BACK, OPERATIONS_RULES
from fallrisk_assets.alerts.slices import slice_alerts
from fallrisk_assets.alerts.steps import actions_in_reach, delivered, summary_of
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.partitions import DAY, daily, window_of
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.warehouse.monitoring import states
from fallrisk_assets.warehouse.monitoring.contract import DimMonitoringRule, RuleStates, RunRuleStates
from fallrisk_assets.warehouse.operations.kpis import KPIS, daily_kpis_sql
from fallrisk_assets.warehouse.publishing import WarehousePublication, warehouse_asset
from fallrisk_assets.warehouse.store import AnyWarehouse

_KPIS = {scope for rule in MONITORING_RULES if rule.looks_at == INDICATOR for scope in rule.scopes}
_SUMS = daily_kpis_sql(tuple(kpi for kpi in KPIS if kpi.kpi in _KPIS))
_PUBLISHED = """
SELECT table_name, CAST(partition_key AS DATE) AS day, rows FROM partition_ledger
WHERE table_name IN ('warehouse.fact_appointment', 'warehouse.fact_feedback', 'warehouse.fact_device_day')
"""
_LONGEST = """
SELECT job AS scope, day, MAX(duration_s) AS longest_s, COUNT(*) AS runs FROM mart_pipeline_runs
WHERE NOT is_range AND duration_s IS NOT NULL GROUP BY job, day
UNION ALL
SELECT ?, day, MAX(slowest_mart_s), COUNT(*) FROM mart_pipeline_runs
WHERE NOT is_range AND slowest_mart_s IS NOT NULL GROUP BY day
"""
_RECEIVED = "SELECT day, SUM(received_lines) AS rows FROM fact_device_day GROUP BY day"


@warehouse_asset(DimMonitoringRule)
def dim_monitoring_rule(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From the rules alone: what a page shows is what was applied."""
    rows = states.dim_monitoring_rule()
    for key in publication.keys:
        publication.add(key, rows)


@warehouse_asset(
    RuleStates,
    deps=[
        *("fact_appointment", "fact_feedback", "fact_device_day"),
        *("dim_date", "dim_patient", "dim_provider", "dim_appointment_type"),
    ],
)
def rule_states(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Every rule on the clinic for every day, from the facts and how many rows of them were published."""
    rows = rows_by_day(warehouse)
    days = {day for of_table in rows.values() for day in of_table}
    _publish(publication, states.rule_states(days, sums_by_day(warehouse), rows))


@warehouse_asset(RunRuleStates, deps=["mart_pipeline_runs"])
def run_rule_states(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Every rule on runs for every day on which some started."""
    _publish(publication, states.run_rule_states(longest_by_day(warehouse)))


def _publish(publication: WarehousePublication, found: pa.Table) -> None:
    for key in publication.keys:
        publication.add(key, found)
        day = date.fromisoformat(key)
        said = Counter(row["state"] for row in found.to_pylist() if row["day"] == day)
        show_bars(publication, key, dict(sorted(said.items())), name="rules by state")


@contract_asset(
    OperationsAlerts,
    partitions_def=daily,
    group_name="alerts",
    deps=["rule_states", "run_rule_states", "alert_actions"],
    resource_keys=["warehouse"],
)
def operations_alerts(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Monitoring rules that fire, folded into episodes with what people did about them."""
    warehouse: AnyWarehouse = context.resources.warehouse
    keys = sorted(context.partition_keys)
    first, last = window_of(keys[0])[0], window_of(keys[-1])[1]
    actions, _ = actions_in_reach(lake, first, last, DAILY_LOOK_BACK, OPERATIONS_RULES, DAY, DAILY_LOOK_BACK)
    observations = [
        seen for model in (RuleStates, RunRuleStates) for seen in rule_observations(warehouse.read(model))
    ]
    for key in keys:
        start, end = window_of(key)
        table = slice_alerts(
            OperationsAlerts,
            observations,
            actions,
            start=start,
            end=end,
            as_of=end,
            look_back=DAILY_LOOK_BACK,
        )
        publication.add(key, table)
        show(publication, key, **summary_of(table))


@dg.asset(
    partitions_def=daily,
    group_name="alerts",
    deps=[operations_alerts],
    kinds={"python", "sqlite"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def operations_alert_deliveries(
    context: dg.AssetExecutionContext, lake: Lake, outbox: OutboxResource
) -> dg.MaterializeResult:
    """The day's alerts on the clinic's running, told to who runs it: each once, nothing older than a day."""
    return delivered(context, lake, outbox, OperationsAlerts)


def sums_by_day(warehouse: AnyWarehouse) -> dict[str, dict[date, tuple[float, float]]]:
    """Return numerator and denominator of the rules' indicators by day, of the days that are over."""
    found: dict[str, dict[date, tuple[float, float]]] = defaultdict(dict)
    for row in warehouse.query(_SUMS).to_pylist():
        if row["is_final"]:
            found[row["kpi"]][row["day"]] = (row["numerator"] or 0.0, row["denominator"] or 0.0)
    return found


def rows_by_day(warehouse: AnyWarehouse) -> dict[str, dict[date, float]]:
    """Return rows by table and published day; of the wearables the lines received."""
    found: dict[str, dict[date, float]] = {APPOINTMENTS: {}, ANSWERS: {}, SAMPLES: {}}
    for row in warehouse.query(_PUBLISHED).to_pylist():
        found[row["table_name"].partition(".")[2]][row["day"]] = float(row["rows"])
    lines = {row["day"]: float(row["rows"]) for row in warehouse.query(_RECEIVED).to_pylist()}
    found[SAMPLES] = {day: lines.get(day, 0.0) for day in found[SAMPLES]}
    return found


def longest_by_day(warehouse: AnyWarehouse) -> dict[str, dict[date, tuple[float, float]]]:
    """Return seconds of the longest run of one hour or day, and runs, by job (or `MARTS`) and day."""
    found: dict[str, dict[date, tuple[float, float]]] = defaultdict(dict)
    for row in warehouse.query(_LONGEST, [MARTS]).to_pylist():
        found[row["scope"]][row["day"]] = (row["longest_s"], float(row["runs"]))
    return found
