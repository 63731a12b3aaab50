"""The clinic's operations in the warehouse as daily assets.

Here: which inputs a table is made from. Not here: how (`dimensions.py`, `facts.py`, `kpis.py`,
`marts/*.sql`).

Marts of all days are computed anew from the facts by every run: a late event changes whatever day it belongs
to.
"""

from collections import Counter
from datetime import date
from pathlib import Path

import dagster as dg
import pyarrow as pa

from fallrisk_assets.clinic.operations.contract import Appointments, Feedback, Providers
from fallrisk_assets.clinic.snapshots import snapshots
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.publishing import show_bars
from fallrisk_assets.warehouse.checks import sql_check
from fallrisk_assets.warehouse.history import kept
from fallrisk_assets.warehouse.operations import dimensions, facts, kpis
from fallrisk_assets.warehouse.operations.contract import (
    DimAppointmentType,
    DimKpi,
    DimProvider,
    DimStatus,
    DimTime,
    FactAppointment,
    FactFeedback,
    MartDailyKpis,
    MartOutreach,
    MartPatientJourney,
    MartProviderUtilisation,
    MartRevenue,
)
from fallrisk_assets.warehouse.publishing import WarehousePublication, warehouse_asset
from fallrisk_assets.warehouse.retention import VERSION_DAYS
from fallrisk_assets.warehouse.store import AnyWarehouse

_MARTS = Path(__file__).parent / "marts"
_VISITS = (
    "fact_appointment",
    "fact_feedback",
    "dim_date",
    "dim_patient",
    "dim_provider",
    "dim_appointment_type",
)


def _for_every_key(publication: WarehousePublication, rows: pa.Table, by: str) -> None:
    counts = dict(sorted(Counter(map(str, rows[by].to_pylist())).items()))
    for key in publication.keys:
        publication.add(key, rows)
        show_bars(publication, key, counts, name=f"rows by {by}")


def _mart(warehouse: AnyWarehouse, model: ContractType, file: str) -> pa.Table:
    """Return what a query in `marts/` says, in the schema of its table."""
    return warehouse.query((_MARTS / file).read_text()).cast(arrow_schema(model))


@warehouse_asset(DimTime)
def dim_time(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """No input."""
    _for_every_key(publication, dimensions.dim_time(), "part_of_day")


@warehouse_asset(DimStatus)
def dim_status(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """No input."""
    _for_every_key(publication, dimensions.dim_status(), "is_final")


@warehouse_asset(DimAppointmentType)
def dim_appointment_type(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """No input."""
    _for_every_key(publication, dimensions.dim_appointment_type(), "appointment_type")


@warehouse_asset(DimKpi)
def dim_kpi(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From the definitions alone: what a page shows is what was computed."""
    _for_every_key(publication, kpis.dim_kpi(), "source")


@warehouse_asset(DimProvider, deps=[dg.AssetDep("providers", partition_mapping=dg.AllPartitionMapping())])
def dim_provider(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Folded again from all snapshots of the providers, in effective-time order."""
    versions = dimensions.provider_versions(snapshots(lake, Providers))
    horizon = date.fromisoformat(lake.ledger.keys(Providers)[-1])
    _for_every_key(publication, dimensions.dim_provider(kept(versions, horizon, VERSION_DAYS)), "is_current")


@warehouse_asset(FactAppointment, deps=["appointments"])
def fact_appointment(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """The day's states of appointments, keyed for the warehouse."""
    for key in publication.keys:
        rows = facts.fact_appointment(lake.read(Appointments, [key]))
        publication.add(key, rows)
        counts = Counter(rows["status"].to_pylist())
        show_bars(publication, key, dict(sorted(counts.items())), name="changed to")


@warehouse_asset(FactFeedback, deps=["feedback"])
def fact_feedback(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """The day's answers, without what patients wrote."""
    for key in publication.keys:
        rows = facts.fact_feedback(lake.read(Feedback, [key]))
        publication.add(key, rows)
        counts = Counter(map(str, rows["overall_satisfaction"].to_pylist()))
        show_bars(publication, key, dict(sorted(counts.items())), name="answers by satisfaction")


@warehouse_asset(
    MartDailyKpis, deps=[*_VISITS, "dim_kpi", "fact_alert", "dim_device", "mart_revenue", "mart_data_quality"]
)
def mart_daily_kpis(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Every indicator of `dim_kpi` for every day that the log tells of."""
    rows = warehouse.query(kpis.daily_kpis_sql()).cast(arrow_schema(MartDailyKpis))
    _for_every_key(publication, rows, "kpi")


@warehouse_asset(MartProviderUtilisation, deps=_VISITS)
def mart_provider_utilisation(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Weeks of active providers."""
    rows = _mart(warehouse, MartProviderUtilisation, "provider_utilisation.sql")
    _for_every_key(publication, rows, "is_complete")


@warehouse_asset(MartRevenue, deps=_VISITS)
def mart_revenue(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Delivered and lost, estimated."""
    _for_every_key(publication, _mart(warehouse, MartRevenue, "revenue.sql"), "is_estimate")


@warehouse_asset(MartPatientJourney, deps=[*_VISITS, "fact_risk_score"])
def mart_patient_journey(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Each patient's appointments and newest risk, side by side."""
    _for_every_key(publication, _mart(warehouse, MartPatientJourney, "patient_journey.sql"), "risk_band")


@warehouse_asset(MartOutreach, deps=["fact_appointment", "fact_risk_score", "fact_alert", "dim_patient"])
def mart_outreach(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """Both halves of the house in one question: whom to call today, and why."""
    query = (_MARTS / "outreach.sql").read_text()
    found = warehouse.query_each(query, [[date.fromisoformat(key)] for key in publication.keys])
    for key, of_day in zip(publication.keys, found, strict=True):
        rows = of_day.cast(arrow_schema(MartOutreach))
        publication.add(key, rows)
        reasons = Counter(reason for said in rows["reasons"].to_pylist() for reason in said.split(","))
        show_bars(publication, key, dict(sorted(reasons.items())), name="patients by reason")


TABLE_ASSETS = (
    "dim_time",
    "dim_status",
    "dim_appointment_type",
    "dim_kpi",
    "dim_provider",
    "fact_appointment",
    "fact_feedback",
    "mart_daily_kpis",
    "mart_provider_utilisation",
    "mart_revenue",
    "mart_patient_journey",
    "mart_outreach",
)

appointments_find_their_dimensions = sql_check(
    "fact_appointment",
    "every_appointment_finds_its_dimensions",
    "appointment_without_dimension.sql",
    "Every appointment of the day that counts finds patient, provider, day, time, status and type.",
    after=("dim_patient", "dim_provider", "dim_date", "dim_time", "dim_status", "dim_appointment_type"),
)
feedback_finds_its_appointment = sql_check(
    "fact_feedback",
    "every_answer_finds_its_appointment",
    "feedback_without_appointment.sql",
    "Every answer of the day is about an appointment of the same patient that is known.",
    after=("fact_appointment",),
)
providers_have_one_current_version = sql_check(
    "dim_provider",
    "every_provider_has_one_current_version",
    "provider_not_one_current.sql",
    "Every provider has exactly one current version, and only that one has no end.",
)
provider_versions_do_not_overlap = sql_check(
    "dim_provider",
    "versions_of_a_provider_follow_each_other",
    "provider_versions_overlap.sql",
    "The versions of a provider neither overlap nor leave a gap.",
)
