"""A day's quality is told whole: every check, every refused row by reason, what was published, what came."""

from datetime import date
from itertools import permutations

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import hour_key
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, TelemetryQuarantine
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.contract import FactDeviceDay
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_device_day
from fallrisk_assets.warehouse.observability.assets import mart_data_quality
from fallrisk_assets.warehouse.observability.contract import MartDataQuality
from fallrisk_assets.warehouse.observability.data_quality import (
    CheckOutcome,
    Published,
    Samples,
    data_quality,
    merged_refusals,
    refusals,
)
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.dashboards.test_assets import BUCKET, DEVICE, START, conforming, publish
from fallrisk_assets_tests.warehouse.rows import DAY, coverage, device_hour, patient, patients

SECRET = "Agathe Musterfrau"


def quarantined(*rows: tuple[str, str]) -> pa.Table:
    return pa.table({"reason": [r for r, _ in rows], "detail": [d for _, d in rows]})


CHECKS = [
    CheckOutcome("telemetry", "keeps_its_contract", True, "ERROR", "24 hours passed."),
    CheckOutcome("alerts", "keeps_its_contract", False, "ERROR", "x" * 500),
    CheckOutcome("alerts", "another", None, "WARN", ""),
]


def test_a_check_that_has_not_run_is_neither_passed_nor_failed():
    rows = data_quality(DAY, CHECKS, [], [], []).to_pylist()
    assert [(row["table_name"], row["name"], row["outcome"]) for row in rows] == [
        ("alerts", "another", "not run"),
        ("alerts", "keeps_its_contract", "failed"),
        ("telemetry", "keeps_its_contract", "passed"),
    ]
    assert [len(row["detail"] or "") for row in rows] == [0, 200, 16]


def test_refused_rows_are_counted_by_reason_however_they_are_cut_into_partitions():
    rows = [("A", "second"), ("A", "first"), ("B", "third"), ("A", "second")]
    whole = merged_refusals([refusals(quarantined(*rows))])
    for cut in range(len(rows) + 1):
        pieces = [refusals(quarantined(*rows[:cut])), refusals(quarantined(*rows[cut:]))]
        assert sorted(merged_refusals(pieces).to_pylist(), key=str) == sorted(whole.to_pylist(), key=str)
    assert {row["reason"]: (row["rows"], row["detail"]) for row in whole.to_pylist()} == {
        "A": (3, "first"),
        "B": (1, "third"),
    }


def test_the_order_of_what_comes_in_does_not_matter():
    samples = [Samples("imu-1", 10, 12), Samples("imu-2", 0, None)]
    published = [Published("clean.telemetry", 10, 23, 24), Published("clean.patients", 3, 1, 1)]
    found = {
        data_quality(DAY, checks, [], published[::-1], samples[::-1]).to_pandas().to_json()
        for checks in permutations(CHECKS)
    }
    assert len(found) == 1
    rows = data_quality(DAY, CHECKS, [("q", refusals(quarantined(("A", "a"))))], published, samples)
    assert validate(MartDataQuality, rows).passed
    assert rows.schema == arrow_schema(MartDataQuality)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    refused = {
        "device_id": DEVICE,
        "device_bucket": BUCKET,
        "reason": "LINE_NOT_JSON",
        "detail": "cut off",
        "payload": SECRET,
    }
    slices = {
        hour_key(START): [{**refused, "quarantine_hour": START, "line_number": n} for n in (1, 2)],
    }
    publish(lake, TelemetryQuarantine, slices)
    publish(lake, DeviceHourCoverage, {hour_key(START): []})
    return lake


def made(lake: Lake, tmp_path, instance: dg.DagsterInstance) -> list[dict]:
    warehouse = Warehouse(folder=str(tmp_path))
    wearers = Wearers(patient_versions(patients(patient()), DAY))
    days = fact_device_day(coverage(device_hour(hour=11), device_hour(hour=12)), DAY, wearers, {})
    warehouse.replace_slice(FactDeviceDay, str(DAY), days)
    key = dg.AssetKey("telemetry")
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key, check_name="keeps_its_contract", passed=False, metadata={},
            partition=hour_key(START), severity=dg.AssetCheckSeverity.WARN, description="too few",
        )
    )  # fmt: skip
    resources = {"lake": lake, "warehouse": warehouse}
    dg.materialize([mart_data_quality], partition_key=str(DAY), resources=resources, instance=instance)
    return warehouse.read(MartDataQuality, [str(DAY)]).to_pylist()


def test_the_asset_tells_of_refusals_publications_devices_and_checks(lake: Lake, tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        rows = {(r["kind"], r["table_name"], r["name"]): r for r in made(lake, tmp_path, instance)}
    assert date.fromisoformat(str(START.date())) == DAY
    refused = rows["refusal", "raw.telemetry_quarantine", "LINE_NOT_JSON"]
    assert (refused["rows"], refused["detail"]) == (2, "cut off")
    table = rows["table", "raw.telemetry_quarantine", ""]
    assert (table["rows"], table["partitions"], table["expected_partitions"]) == (2, 1, 24)
    nothing = rows["table", "clean.patients", ""]
    assert (nothing["rows"], nothing["partitions"], nothing["expected_partitions"]) == (0, 0, 1)
    devices = [row for key, row in rows.items() if key[0] == "device"]
    assert [row["rows"] > 0 for row in devices] == [True]
    check = rows["check", "telemetry", "keeps_its_contract"]
    assert (check["outcome"], check["severity"], check["detail"]) == ("failed", "WARN", "too few")
    others = {row["outcome"] for key, row in rows.items() if key[0] == "check" and row is not check}
    assert others == {"not run"}
    assert SECRET not in str(rows)


def test_the_fixture_s_rows_keep_their_contract():
    assert conforming(TelemetryQuarantine, []).num_rows == 0
