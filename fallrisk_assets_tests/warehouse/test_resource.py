"""What only the file of DuckDB promises: writers wait for each other, readers disturb nobody.

What every engine promises is tested once for all of them in `aws/test_warehouse_contract.py`.
"""

import os
import subprocess
import sys
from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse import resource
from fallrisk_assets.warehouse.calendar import dim_date
from fallrisk_assets.warehouse.contract import (
    TABLES,
    DimDate,
    FactDeviceDay,
    FactRiskScore,
)
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_device_day, fact_risk_score
from fallrisk_assets.warehouse.resource import (
    WHOLE_TABLE,
    SchemaConflictError,
    Warehouse,
    WarehouseBusyError,
    open_snapshot,
)
from fallrisk_assets_tests.warehouse.rows import (
    DAY,
    coverage,
    device_hour,
    index,
    indices,
    patient,
    patients,
    silent_hour,
)

WEARERS = Wearers(patient_versions(patients(patient(), patient("PAT000002", "pt-2")), DAY))
NEXT_DAY = DAY + timedelta(days=1)

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("BEGIN")
connection.execute("CREATE TABLE IF NOT EXISTS of_another_writer (n INTEGER)")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


READ = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.execute("SELECT COUNT(*) FROM fact_risk_score").fetchone()[0], flush=True)
sys.stdin.readline()
print(connection.execute("SELECT COUNT(*) FROM fact_risk_score").fetchone()[0], flush=True)
"""


def scores(day: date = DAY, *probabilities: float | None) -> pa.Table:
    rows = [index(f"pt-{n + 1}", day, p) for n, p in enumerate(probabilities)]
    return fact_risk_score(indices(*rows), day, WEARERS)


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    return Warehouse(folder=str(tmp_path / "warehouse"))


@pytest.fixture
def other_writer(warehouse):
    """Another process that has the file open for writing until it is told to finish."""
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    if process.poll() is None:
        process.communicate("\n")


def test_a_second_writer_waits_until_the_first_is_done(warehouse, other_writer, monkeypatch):
    pauses = []

    def release(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            other_writer.communicate("\n")

    monkeypatch.setattr(resource.time, "sleep", release)
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.7))
    assert pauses == [0.01, 0.02, 0.04]
    assert warehouse.read(FactRiskScore)["probability_12m"].to_pylist() == [0.7]
    assert warehouse.query("SELECT COUNT(*) AS n FROM of_another_writer").to_pylist() == [{"n": 0}]


def test_a_writer_does_not_wait_for_ever_and_says_who_is_in_the_way(warehouse, other_writer):
    hurried = Warehouse(folder=warehouse.folder, wait_s=0)
    with pytest.raises(WarehouseBusyError, match=rf"warehouse\.duckdb: busy .*PID {other_writer.pid}"):
        hurried.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.7))
    other_writer.communicate("\n")
    assert warehouse.read(FactRiskScore)["probability_12m"].to_pylist() == [0.2]


def test_a_reader_of_the_snapshot_blocks_no_writer_and_sees_one_state_throughout(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    hurried = Warehouse(folder=warehouse.folder, wait_s=0)
    with open_snapshot(warehouse.export_snapshot()) as reader:
        assert reader.execute("SELECT probability_12m FROM v_risk_score").fetchall() == [(0.2,)]
        hurried.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.7))
        hurried.export_snapshot()
        assert reader.execute("SELECT probability_12m FROM v_risk_score").fetchall() == [(0.2,)]
    assert warehouse.read_snapshot("SELECT probability_12m AS p FROM v_risk_score").to_pylist() == [
        {"p": 0.7}
    ]


def test_a_reader_in_another_process_blocks_no_writer(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    reader = subprocess.Popen(
        [sys.executable, "-c", READ, str(warehouse.export_snapshot())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline() == "1\n"
    hurried = Warehouse(folder=warehouse.folder, wait_s=0)
    hurried.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.3))
    hurried.export_snapshot()
    assert reader.communicate("\n")[0] == "1\n"


def test_nothing_can_be_written_through_the_snapshot_nor_any_other_file_be_reached(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    with open_snapshot(warehouse.export_snapshot()) as reader:
        for statement in (
            "DELETE FROM fact_risk_score",
            f"ATTACH '{warehouse.path}' AS live",
            "SET enable_external_access = true",
        ):
            with pytest.raises(duckdb.Error):
                reader.execute(statement)


def test_an_export_that_fails_leaves_the_old_snapshot_and_no_rubbish(warehouse, monkeypatch):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    warehouse.export_snapshot()

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(resource.os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        warehouse.export_snapshot()
    assert sorted(os.listdir(warehouse.path.parent)) == ["snapshot.duckdb", "warehouse.duckdb"]


def test_without_a_snapshot_one_is_told_how_to_get_it(warehouse):
    with pytest.raises(FileNotFoundError, match="make run"):
        warehouse.read_snapshot("SELECT 1")


def test_a_column_that_a_contract_gains_is_added_and_any_other_difference_is_refused(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    raw = duckdb.connect(warehouse.path)
    raw.execute("DROP VIEW v_cohort_day; DROP VIEW v_risk_score")
    raw.execute("ALTER TABLE fact_risk_score DROP COLUMN confidence")
    raw.execute("UPDATE applied_schema SET fingerprint = 'older'")
    raw.close()
    assert warehouse.read(FactRiskScore)["confidence"].to_pylist() == [None]
    warehouse.replace_slice(FactRiskScore, str(NEXT_DAY), scores(NEXT_DAY, 0.5))
    raw = duckdb.connect(warehouse.path)
    raw.execute("ALTER TABLE fact_risk_score ADD COLUMN invented INTEGER")
    raw.execute("UPDATE applied_schema SET fingerprint = 'older'")
    raw.close()
    with pytest.raises(SchemaConflictError, match="invented"):
        warehouse.read(FactRiskScore)


def test_a_column_that_may_be_null_by_now_may_be_so_in_an_older_file(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    raw = duckdb.connect(warehouse.path)
    raw.execute("DELETE FROM fact_risk_score")
    raw.execute("ALTER TABLE fact_risk_score ALTER COLUMN confidence SET NOT NULL")
    raw.execute("UPDATE applied_schema SET fingerprint = 'older'")
    raw.close()
    warehouse.read(FactRiskScore)
    raw = duckdb.connect(warehouse.path)
    columns = "FROM information_schema.columns WHERE table_name = 'fact_risk_score' AND is_nullable = 'NO'"
    assert {name for (name,) in raw.execute(f"SELECT column_name {columns}").fetchall()} == {
        field.name for field in arrow_schema(FactRiskScore) if not field.nullable
    }


def test_the_tables_of_the_file_are_those_of_the_contracts(warehouse):
    warehouse.replace_slice(DimDate, WHOLE_TABLE, dim_date())
    listed = warehouse.query(
        "SELECT table_name, column_name FROM information_schema.columns ORDER BY ordinal_position"
    ).to_pylist()
    for model in TABLES:
        found = [row["column_name"] for row in listed if row["table_name"] == model.spec.name]
        assert found == arrow_schema(model).names


def test_times_come_back_in_utc_wherever_the_machine_is(warehouse, monkeypatch):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    monkeypatch.setenv("TZ", "America/New_York")
    shown = warehouse.query("SELECT CAST(event_at AS VARCHAR) AS at FROM fact_risk_score").to_pylist()
    assert shown == [{"at": "2026-01-05 00:00:00+00"}]


def test_mean_wear_is_taken_over_the_wearers_whose_wear_is_known(warehouse):
    hours = coverage(device_hour(wear_fraction=0.5), silent_hour("imu-2", "pt-2"))
    warehouse.replace_slice(FactDeviceDay, str(DAY), fact_device_day(hours, DAY, WEARERS, {}))
    shown = warehouse.query("SELECT wearers, wearers_measured, mean_wear_hours FROM v_cohort_day")
    assert shown.to_pylist() == [{"wearers": 2, "wearers_measured": 1, "mean_wear_hours": 0.5}]
