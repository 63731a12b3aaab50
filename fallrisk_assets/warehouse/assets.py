"""The warehouse's tables as daily assets, and the snapshot that people read.

Here: which inputs a table is made from. Not here: how (`dimensions.py`, `facts.py`), checks across tables
(`checks.py`).

Dimensions with history have no slices: every run folds all snapshots again, so that any order of arrival
and of runs ends in the same rows.
"""

from collections import Counter
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.alerts.contract import Alerts, IndexAlerts, OperationsAlerts
from fallrisk_assets.clinic.contract import DeviceAssignment, Patients
from fallrisk_assets.clinic.identity import Assignment, resolve_assignments
from fallrisk_assets.clinic.snapshots import snapshots
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import daily, hours_of_day
from fallrisk_assets.previews import bars
from fallrisk_assets.publishing import retried_when_transient, show, show_bars
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.telemetry.contract import DeviceHourCoverage
from fallrisk_assets.warehouse.calendar import dim_date as calendar_days
from fallrisk_assets.warehouse.checks import sql_check
from fallrisk_assets.warehouse.contract import (
    DimDate,
    DimDevice,
    DimPatient,
    DimSite,
    FactAlert,
    FactDeviceDay,
    FactRiskScore,
)
from fallrisk_assets.warehouse.dimensions import (
    Wearers,
    device_versions,
    firmware_seen,
    patient_versions,
)
from fallrisk_assets.warehouse.dimensions import dim_device as device_rows
from fallrisk_assets.warehouse.dimensions import dim_patient as patient_rows
from fallrisk_assets.warehouse.dimensions import dim_site as site_rows
from fallrisk_assets.warehouse.facts import fact_alert as alert_rows
from fallrisk_assets.warehouse.facts import fact_device_day as device_day_rows
from fallrisk_assets.warehouse.facts import fact_risk_score as risk_score_rows
from fallrisk_assets.warehouse.history import Version, kept
from fallrisk_assets.warehouse.operations.assets import TABLE_ASSETS as OPERATIONS_ASSETS
from fallrisk_assets.warehouse.publishing import POOL, WarehousePublication, warehouse_asset
from fallrisk_assets.warehouse.retention import VERSION_DAYS
from fallrisk_assets.warehouse.store import AnyWarehouse

_EVERY_DAY = dg.AllPartitionMapping()
_PATIENTS = dg.AssetDep("patients", partition_mapping=_EVERY_DAY)
_ASSIGNMENTS = dg.AssetDep("device_assignment", partition_mapping=_EVERY_DAY)

_FIRMWARE = """
SELECT device_id, firmware_since, firmware, firmware_changes FROM fact_device_day
WHERE firmware_since IS NOT NULL
"""


def _patient_history(lake: Lake) -> list[Version]:
    """Fold all snapshots of the patients; birthdays and retention count up to the newest day published."""
    rows = snapshots(lake, Patients)
    horizon = date.fromisoformat(lake.ledger.keys(Patients)[-1])
    return kept(patient_versions(rows, horizon), horizon, VERSION_DAYS)


def assignments_of(lake: Lake) -> dict[str, list[Assignment]]:
    """Return who wore each device when, from the union of all files: as samples and alerts are attributed.

    Raises:
        MissingPartition: no file has been published yet.
    """
    return resolve_assignments(snapshots(lake, DeviceAssignment))


def _for_every_key(publication: WarehousePublication, rows: pa.Table, by: str) -> None:
    counts = _counts(rows, by)
    for key in publication.keys:
        publication.add(key, rows)
        show_bars(publication, key, counts, name=f"rows by {by}")


def _counts(rows: pa.Table, column: str) -> dict[str, int]:
    return dict(sorted(Counter(map(str, rows[column].to_pylist())).items()))


@warehouse_asset(DimDate)
def dim_date(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Rules of the calendar alone: no input."""
    _for_every_key(publication, calendar_days(), "year")


@warehouse_asset(DimSite, deps=[_PATIENTS])
def dim_site(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From all snapshots of the patients."""
    _for_every_key(publication, site_rows(snapshots(lake, Patients)), "time_zone")


@warehouse_asset(DimPatient, deps=[_PATIENTS])
def dim_patient(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Folded again from all snapshots of the patients, in effective-time order."""
    _for_every_key(publication, patient_rows(_patient_history(lake)), "is_current")


@warehouse_asset(FactDeviceDay, deps=["device_hour_coverage", _PATIENTS, _ASSIGNMENTS])
def fact_device_day(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """The day's hours of each device and wearer, added up."""
    wearers = Wearers(_patient_history(lake))
    assignments = assignments_of(lake)
    for key in publication.keys:
        coverage = lake.read(DeviceHourCoverage, hours_of_day(key))
        rows = device_day_rows(coverage, date.fromisoformat(key), wearers, assignments)
        publication.add(key, rows)
        show(publication, key, **{"device-hours": coverage.num_rows})
        verdicts = ("hours_ok", "hours_not_worn", "hours_gappy", "hours_faulty", "hours_no_data")
        hours = {name.replace("_", " "): pc.sum(rows[name]).as_py() or 0 for name in verdicts}
        show_bars(publication, key, hours, name="hours by verdict")


@warehouse_asset(DimDevice, deps=["fact_device_day", _PATIENTS, _ASSIGNMENTS])
def dim_device(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Folded again from the assignments and from every change of firmware that device-days tell."""
    reported = firmware_seen(warehouse.query(_FIRMWARE).to_pylist())
    versions = device_versions(assignments_of(lake), reported)
    _for_every_key(publication, device_rows(versions, Wearers(_patient_history(lake))), "is_current")


@warehouse_asset(FactRiskScore, deps=["fall_risk_index", _PATIENTS])
def fact_risk_score(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """The day's index, keyed for the warehouse."""
    wearers = Wearers(_patient_history(lake))
    for key in publication.keys:
        rows = risk_score_rows(lake.read(FallRiskIndex, [key]), date.fromisoformat(key), wearers)
        publication.add(key, rows)
        show_bars(publication, key, _counts(rows, "band"), name="patients by band")


@warehouse_asset(FactAlert, deps=["alerts", "index_alerts", "operations_alerts", _PATIENTS])
def fact_alert(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """The last row of each alert on the day."""
    wearers = Wearers(_patient_history(lake))
    for key in publication.keys:
        hourly = lake.read(Alerts, hours_of_day(key))
        index = lake.read(IndexAlerts, [key])
        running = lake.read(OperationsAlerts, [key])
        rows = alert_rows(hourly, index, running, date.fromisoformat(key), wearers)
        publication.add(key, rows)
        show_bars(publication, key, _counts(rows, "severity"), name="alerts by severity")


TABLE_ASSETS = (
    "dim_date",
    "dim_site",
    "dim_patient",
    "dim_device",
    "fact_risk_score",
    "fact_alert",
    "fact_device_day",
)


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=[
        *TABLE_ASSETS,
        *OPERATIONS_ASSETS,
        "mart_data_quality",
        "mart_pipeline_runs",
        "kpi_versions",
        "mart_day_ahead",
        "dim_monitoring_rule",
        "rule_states",
        "run_rule_states",
    ],
    group_name="warehouse",
    kinds={"duckdb"},
    owners=["team:data-engineering"],
    required_resource_keys={"warehouse"},
    pool=POOL,
)
def warehouse_snapshot(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """A read-only copy of the warehouse for `make sql` and pages: reading it never makes a writer wait."""
    warehouse: AnyWarehouse = context.resources.warehouse
    with retried_when_transient():
        exported = warehouse.export()
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(exported.address),
            "bytes": exported.size,
            **{f"rows of {table}": int(rows) for table, rows in _row_counts(warehouse).items()},
            "rows": dg.MetadataValue.md(bars(_row_counts(warehouse))),
        }
    )


def _row_counts(warehouse: AnyWarehouse) -> dict[str, int]:
    rows: dict[str, int] = {}
    for (table, _), entry in warehouse.ledger().items():
        rows[table] = rows.get(table, 0) + entry.rows
    return rows


risk_scores_find_their_patient = sql_check(
    "fact_risk_score",
    "every_score_finds_its_patient",
    "risk_score_without_patient.sql",
    "Every risk score of the day belongs to a patient and a day that the dimensions know as of that day.",
    after=("dim_patient", "dim_date"),
)
alerts_find_their_dimensions = sql_check(
    "fact_alert",
    "every_alert_finds_its_patient_and_device",
    "alert_without_dimension.sql",
    "Every alert of the day names a patient and a device that the dimensions know as of its opening.",
    after=("dim_patient", "dim_device", "dim_date"),
)
device_days_find_their_dimensions = sql_check(
    "fact_device_day",
    "every_worn_device_day_finds_its_device_and_wearer",
    "device_day_without_dimension.sql",
    "Every worn device-day finds its device, with the same wearer, and that patient as of the begin of wear.",
    after=("dim_patient", "dim_device", "dim_date"),
)
patients_have_one_current_version = sql_check(
    "dim_patient",
    "every_patient_has_one_current_version",
    "patient_not_one_current.sql",
    "Every patient has exactly one current version, and only that one has no end.",
)
patient_versions_do_not_overlap = sql_check(
    "dim_patient",
    "versions_of_a_patient_follow_each_other",
    "patient_versions_overlap.sql",
    "The versions of a patient neither overlap nor leave a gap.",
)
devices_have_one_current_version = sql_check(
    "dim_device",
    "every_device_has_one_current_version",
    "device_not_one_current.sql",
    "Every device has exactly one current version, and only that one has no end.",
)
device_versions_do_not_overlap = sql_check(
    "dim_device",
    "versions_of_a_device_follow_each_other",
    "device_versions_overlap.sql",
    "The versions of a device neither overlap nor leave a gap.",
)
