"""The history of runs as rows: how each ended, how long it took, what failed, and never an error's text."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.observability.assets import mart_pipeline_runs
from fallrisk_assets.warehouse.observability.contract import MartPipelineRuns
from fallrisk_assets.warehouse.observability.run_history import finished_runs
from fallrisk_assets.warehouse.resource import Warehouse

DAY = dg.DailyPartitionsDefinition("2026-01-01")


@dg.op
def mart_of_nothing() -> None:
    """A step that asks nothing."""


@dg.op
def quotes_a_patient() -> None:
    """A step whose error quotes a row."""
    try:
        raise LookupError("Maria Müller is not there")
    except LookupError as missing:
        raise ValueError("PAT000001 has no Maria Müller") from missing


@dg.op(retry_policy=dg.RetryPolicy(max_retries=1))
def works_the_second_time(context: dg.OpExecutionContext) -> None:
    """A step that is tried again."""
    if context.retry_number == 0:
        raise ConnectionError("gone")


@dg.job(partitions_def=DAY)
def works() -> None:
    """Two steps, one of them tried twice."""
    mart_of_nothing()
    works_the_second_time()


@dg.job
def breaks() -> None:
    """One step that fails."""
    quotes_a_patient()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory):
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as instance:
        works.execute_in_process(
            instance=instance, partition_key="2026-01-05", tags={"dagster/schedule_name": "close_the_day"}
        )
        first = breaks.execute_in_process(instance=instance, raise_on_error=False)
        breaks.execute_in_process(
            instance=instance, raise_on_error=False, tags={"dagster/parent_run_id": first.run_id}
        )
        yield instance


@pytest.fixture(scope="module")
def rows(instance) -> list[dict]:
    return list(finished_runs(instance))


def test_each_run_that_ended_is_a_row_that_keeps_the_contract(rows):
    assert [(row["job"], row["status"]) for row in rows] == [
        ("works", "SUCCESS"),
        ("breaks", "FAILURE"),
        ("breaks", "FAILURE"),
    ]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(MartPipelineRuns))
    assert validate(MartPipelineRuns, table).passed


def test_a_run_says_what_it_made_who_asked_and_what_was_tried_again(rows):
    works_row = rows[0]
    assert (works_row["partition_key"], works_row["is_range"]) == ("2026-01-05", False)
    assert works_row["started_by"] == "schedule close_the_day"
    assert (works_row["steps"], works_row["steps_failed"], works_row["step_restarts"]) == (2, 0, 1)
    assert works_row["slowest_step_s"] >= works_row["slowest_mart_s"]
    assert works_row["slowest_mart"] == "mart_of_nothing"
    assert 0 < works_row["slowest_mart_s"] <= works_row["duration_s"]
    assert rows[1]["started_by"] == "person"
    assert rows[2]["retry_of"] == rows[1]["run_id"]


def test_a_failure_is_told_by_step_and_class_and_never_by_its_text(rows):
    assert (rows[1]["failed_step"], rows[1]["error_class"]) == ("quotes_a_patient", "LookupError")
    assert "Maria" not in str(rows)
    assert "PAT000001" not in str(rows)


def test_only_runs_that_were_heard_of_since_are_read_again(instance, rows):
    later = max(row["ended_at"] for row in rows) + timedelta(minutes=1)
    assert list(finished_runs(instance, later)) == []
    assert len(list(finished_runs(instance, datetime(2020, 1, 1, tzinfo=UTC)))) == 3


def test_what_dagster_has_forgotten_stays_and_nothing_is_told_twice(instance, rows, tmp_path: Path):
    warehouse = Warehouse(folder=str(tmp_path / "warehouse"))
    resources = {"lake": Lake(root=str(tmp_path / "lake")), "warehouse": warehouse}

    def made() -> list[str]:
        done = dg.materialize(
            [mart_pipeline_runs], partition_key="2026-01-05", instance=instance, resources=resources
        )
        assert done.success
        return warehouse.read(MartPipelineRuns)["run_id"].to_pylist()

    known = [row["run_id"] for row in rows]
    assert made() == known
    again = made()  # the run before has ended by now
    assert again[:3] == known
    assert len(again) == len(set(again)) == 4
    instance.delete_run(known[0])
    assert made()[:4] == again
