"""Nothing is kept longer than it may be, and nothing goes in a dry run."""

from datetime import UTC, date, datetime

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.schedules import forget_old_rows
from fallrisk_assets.warehouse import retention
from fallrisk_assets.warehouse.operations import dimensions
from fallrisk_assets.warehouse.operations.contract import DimProvider, FactAppointment
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse
from fallrisk_assets.warehouse.retention_job import warehouse_retention
from fallrisk_assets_tests.warehouse.operations.rows import load, provider, providers, state

LAST_DAY_OF_THE_5TH = date(2028, 1, 5)
"""730 days after 5 January 2026."""


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    warehouse = Warehouse(folder=str(tmp_path))
    load(warehouse, state("APT1"), state("APT2", day=6))
    versions = dimensions.provider_versions(providers(provider(), provider(day=7, hourly_rate=130.0)))
    warehouse.replace_slice(DimProvider, WHOLE_TABLE, dimensions.dim_provider(versions))
    return warehouse


def days_left(warehouse: Warehouse) -> list[date]:
    return warehouse.query("SELECT DISTINCT day FROM fact_appointment ORDER BY day")["day"].to_pylist()


def test_a_fact_goes_after_730_days_and_not_before(warehouse):
    assert retention.enforce(warehouse, LAST_DAY_OF_THE_5TH) == {}
    assert retention.enforce(warehouse, date(2028, 1, 6)) == {"fact_appointment": 1}
    assert days_left(warehouse) == [date(2026, 1, 6)]
    keys = [key for table, key in warehouse.ledger() if table == "warehouse.fact_appointment"]
    assert keys == ["2026-01-06"]


def test_an_ended_version_goes_after_1825_days_and_a_current_one_stays(warehouse):
    assert retention.expired(warehouse, date(2031, 1, 6)).get("dim_provider") is None
    counts = retention.enforce(warehouse, date(2031, 1, 7))
    assert counts == {"dim_provider": 1, "fact_appointment": 2}
    rows = warehouse.query("SELECT is_current FROM dim_provider")["is_current"].to_pylist()
    assert rows == [True]


def test_what_is_told_first_is_what_is_deleted_then(warehouse):
    assert retention.expired(warehouse, date(2031, 1, 7)) == retention.enforce(warehouse, date(2031, 1, 7))
    assert retention.expired(warehouse, date(2031, 1, 7)) == {}


def run(warehouse: Warehouse, **config) -> dg.ExecuteInProcessResult:
    return warehouse_retention.execute_in_process(
        run_config={"ops": {"forget_old_rows": {"config": {"today": "2028-01-06", **config}}}},
        resources={"warehouse": warehouse},
    )


def test_the_job_only_tells_unless_it_is_told_otherwise(warehouse):
    assert run(warehouse).success
    assert len(days_left(warehouse)) == 2
    assert run(warehouse, dry_run=False).success
    assert len(days_left(warehouse)) == 1


def test_every_table_that_grows_old_has_a_period(warehouse):
    found = {period.table: period.days for period in retention.periods()}
    assert {table: days for table, days in found.items() if days != retention.FACT_DAYS} == {
        "dim_patient": 1825,
        "dim_provider": 1825,
        "dim_device": 3650,
    }
    assert {"fact_appointment", "fact_feedback", "fact_risk_score", "fact_alert", "mart_outreach"} <= set(
        found
    )


def test_the_row_of_a_day_is_read_as_missing_once_it_is_forgotten(warehouse):
    retention.enforce(warehouse, date(2028, 1, 6))
    left = warehouse.read(FactAppointment)
    assert left.schema.equals(arrow_schema(FactAppointment))
    assert isinstance(left, pa.Table)
    with pytest.raises(Exception, match="2026-01-05"):
        warehouse.read(FactAppointment, ["2026-01-05"])


def test_the_schedule_deletes_what_is_too_old_on_its_day(warehouse):
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2028, 1, 6, 3, 30, tzinfo=UTC))
    request = forget_old_rows(context)
    done = warehouse_retention.execute_in_process(
        run_config=request.run_config, resources={"warehouse": warehouse}
    )
    assert done.success
    assert days_left(warehouse) == [date(2026, 1, 6)]
