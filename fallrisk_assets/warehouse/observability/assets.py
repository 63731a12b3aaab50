"""What the house knows of itself as daily assets of the warehouse.

Here: which inputs a table is made from. Not here: how (`data_quality.py`).
"""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pyarrow as pa

from fallrisk_assets.clinic.contract import IdentityQuarantine
from fallrisk_assets.clinic.operations.contract import AppointmentQuarantine, OperationsQuarantine
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import hours_of_day
from fallrisk_assets.publishing import show_bars
from fallrisk_assets.telemetry.contract import TelemetryQuarantine
from fallrisk_assets.warehouse.observability.check_history import day_outcomes
from fallrisk_assets.warehouse.observability.contract import (
    CHECK,
    KpiVersions,
    MartDataQuality,
    MartPipelineRuns,
)
from fallrisk_assets.warehouse.observability.data_quality import (
    Published,
    Samples,
    data_quality,
    merged_refusals,
    refusals,
)
from fallrisk_assets.warehouse.observability.kpi_versions import kpi_versions as figures_by_version
from fallrisk_assets.warehouse.observability.run_history import finished_runs
from fallrisk_assets.warehouse.observability.watched import DAILY, HOURLY, asset_key, known_checks
from fallrisk_assets.warehouse.publishing import WarehousePublication, warehouse_asset
from fallrisk_assets.warehouse.retention import FACT_DAYS
from fallrisk_assets.warehouse.store import AnyWarehouse

QUARANTINES: tuple[ContractType, ...] = (
    TelemetryQuarantine,
    IdentityQuarantine,
    OperationsQuarantine,
    AppointmentQuarantine,
)
COUNTED: tuple[ContractType, ...] = (*HOURLY, *DAILY, OperationsQuarantine, AppointmentQuarantine)
"""Tables whose publications are counted: those of the day pages, and the clinic's refusals."""

_KNOWN_FIGURES = "SELECT * FROM kpi_versions"
_FIGURES_NOW = "SELECT * FROM mart_daily_kpis WHERE is_final"
_KNOWN_RUNS = "SELECT * FROM mart_pipeline_runs"
_KEPT = timedelta(days=FACT_DAYS)
_OVERLAP = timedelta(hours=1)
"""Ends of runs are not told in order: as much of what was read is read again."""

_DEVICES = """
SELECT device_id, SUM(clean_samples) AS kept, SUM(expected_samples) AS expected
FROM fact_device_day WHERE day = ? GROUP BY device_id ORDER BY device_id
"""


@warehouse_asset(MartDataQuality, deps=[*(asset_key(model) for model in COUNTED), "fact_device_day"])
def mart_data_quality(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From the ledger, the quarantines, device-days and the history of checks."""
    checks = known_checks(context)
    for key in publication.keys:
        outcomes = day_outcomes(context.instance, checks, key)
        devices = warehouse.query(_DEVICES, [date.fromisoformat(key)]).to_pylist()
        rows = data_quality(
            date.fromisoformat(key),
            outcomes,
            [
                (model.spec.identifier, found)
                for model in QUARANTINES
                if (found := _refused(lake, model, key))
            ],
            [_published(lake, model, key) for model in COUNTED],
            [Samples(d["device_id"], int(d["kept"]), _whole(d["expected"])) for d in devices],
        )
        publication.add(key, rows)
        said = Counter(row["outcome"] for row in rows.to_pylist() if row["kind"] == CHECK)
        show_bars(publication, key, dict(sorted(said.items())), name="checks by outcome")


@warehouse_asset(MartPipelineRuns)
def mart_pipeline_runs(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From the history of runs: those that ended since the last time are added to those that are known."""
    known = {row["run_id"]: row for row in warehouse.query(_KNOWN_RUNS).to_pylist()}
    newest = max((row["ended_at"] for row in known.values()), default=None)
    since = None if newest is None else newest - _OVERLAP
    known |= {row["run_id"]: row for row in finished_runs(context.instance, since)}
    rows_by_end = sorted(known.values(), key=lambda row: (row["ended_at"], row["run_id"]))
    kept = [row for row in rows_by_end if rows_by_end[-1]["ended_at"] - row["ended_at"] <= _KEPT]
    rows = pa.Table.from_pylist(kept, schema=arrow_schema(MartPipelineRuns))
    counts = dict(sorted(Counter(row["status"] for row in kept).items()))
    for key in publication.keys:
        publication.add(key, rows)
        show_bars(publication, key, counts, name="runs by end")


@warehouse_asset(KpiVersions, deps=["mart_daily_kpis", "dim_kpi"])
def kpi_versions(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """What the mart says now beside what it said before."""
    known = warehouse.query(_KNOWN_FIGURES).to_pylist()
    mart = warehouse.query(_FIGURES_NOW).to_pylist()
    newest = max((row["day"] for row in mart), default=None)
    kept = [row for row in known if newest is None or newest - row["day"] <= _KEPT]
    rows = figures_by_version(kept, mart, datetime.now(UTC), context.run_id)
    counts = {"first known": 0, "restated": 0}
    for row in rows.to_pylist():
        if row["run_id"] == context.run_id:
            counts["first known" if row["version"] == 1 else "restated"] += 1
    for key in publication.keys:
        publication.add(key, rows)
        show_bars(publication, key, counts, name="figures of this run")


def _keys(model: ContractType, day: str) -> list[str]:
    return hours_of_day(day) if model.spec.slicing == "hour" else [day]


def _published(lake: Lake, model: ContractType, day: str) -> Published:
    found = lake.ledger.find_all(model, _keys(model, day))
    entries = [entry for entry in found.values() if entry is not None]
    return Published(model.spec.identifier, sum(e.rows for e in entries), len(entries), len(found))


def _refused(lake: Lake, model: ContractType, day: str) -> pa.Table | None:
    """Return the refusals of a day, read hour by hour; None where nothing was published."""
    found = lake.ledger.find_all(model, _keys(model, day))
    pieces = [
        refusals(lake.read(model, [key], columns=["reason", "detail"]))
        for key, entry in found.items()
        if entry
    ]
    return merged_refusals(pieces) if pieces else None


def _whole(number: object) -> int | None:
    return None if number is None else int(str(number))
