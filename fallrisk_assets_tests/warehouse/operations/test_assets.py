"""From drops to marts: a simulated clinic through all its assets, in any order of days."""

import csv
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.operations.assets import appointment_states, clinic_operations
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.warehouse import assets as wearables
from fallrisk_assets.warehouse.operations import assets
from fallrisk_assets.warehouse.operations.contract import TABLES, FactAppointment
from fallrisk_assets.warehouse.resource import Warehouse
from simulator.clinic_faults import parse_clinic_faults
from simulator.clinic_operations import OperationsOptions, simulate_clinic

DAYS = ["2026-01-05", "2026-01-06", "2026-01-07"]
STEPS = [wearables.dim_date, wearables.dim_patient, *dg.load_assets_from_modules([assets])]
CHECKS = dg.load_asset_checks_from_modules([assets])


def run(lake: Lake, warehouse: Warehouse, first: str, last: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [*STEPS, *CHECKS],
        tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        resources={"lake": lake, "warehouse": warehouse},
    )


@pytest.fixture(scope="module")
def clinic(tmp_path_factory) -> tuple[Lake, Path]:
    folder = tmp_path_factory.mktemp("clinic")
    options = OperationsOptions(
        date(2026, 1, 5), 3, 5, 9, faults=parse_clinic_faults("inactive_provider=2,before_registration=1")
    )
    simulate_clinic(folder / "landing", folder / "truth", 250, options)
    lake = Lake(root=str(folder / "lake"))
    result = dg.materialize(
        [clinic_identity, clinic_operations, appointment_states],
        tags={"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]},
        resources={"lake": lake, "landing": Landing(root=str(folder / "landing"))},
    )
    assert result.success
    return lake, folder / "truth"


@pytest.fixture(scope="module")
def ran(clinic, tmp_path_factory) -> tuple[Warehouse, dg.ExecuteInProcessResult]:
    warehouse = Warehouse(folder=str(tmp_path_factory.mktemp("warehouse")))
    return warehouse, run(clinic[0], warehouse, DAYS[0], DAYS[-1])


def test_every_check_passes_for_every_day(ran):
    found = ran[1].get_asset_check_evaluations()
    assert [e.check_name for e in found if not e.passed] == []
    said = {(e.check_name, e.partition) for e in found}
    for name in {name for name, _ in said} - {"keeps_its_contract"}:
        assert {(name, day) for day in DAYS} <= said


def test_the_warehouse_counts_what_truly_happened(clinic, ran):
    until = datetime.fromisoformat("2026-01-07T23:50:00+00:00")
    truth: Counter[str] = Counter()
    for row in csv.DictReader((clinic[1] / "appointments.csv").open(newline="")):
        if datetime.fromisoformat(row["scheduled_start_at"]) < until.replace(hour=18, minute=0):
            truth[row["status"]] += 1
    rows = ran[0].query(
        "SELECT status, COUNT(*) AS n FROM v_appointment "
        "WHERE event_at < TIMESTAMPTZ '2026-01-07 18:00:00+00' GROUP BY status"
    )
    assert {row["status"]: row["n"] for row in rows.to_pylist()} == dict(truth)


def test_appointments_that_cannot_be_are_in_no_indicator(ran):
    refused = ran[0].query(
        "SELECT refusal, COUNT(DISTINCT appointment_id) AS n FROM fact_appointment "
        "WHERE refusal IS NOT NULL GROUP BY refusal"
    )
    assert {row["refusal"]: row["n"] for row in refused.to_pylist()} == {
        "PROVIDER_INACTIVE": 2,
        "BEFORE_REGISTRATION": 1,
    }
    query = "SELECT COUNT(*) AS n FROM v_appointment WHERE appointment_id LIKE 'APT-%'"
    assert ran[0].query(query).to_pylist() == [{"n": 0}]


def test_days_run_one_by_one_and_backwards_end_in_the_same_tables(clinic, ran, tmp_path):
    other = Warehouse(folder=str(tmp_path))
    for day in reversed(DAYS):
        assert run(clinic[0], other, day, day).success
    assert run(clinic[0], other, DAYS[-1], DAYS[-1]).success
    for model in TABLES:
        assert other.read(model).equals(ran[0].read(model)), model.spec.name
    assert other.read(FactAppointment).num_rows > 500


def test_no_name_and_no_comment_is_in_the_warehouse(ran):
    columns = ran[0].query("SELECT column_name FROM information_schema.columns")["column_name"].to_pylist()
    assert not {"comments", "first_name", "last_name", "given_name", "family_name"} & set(columns)
