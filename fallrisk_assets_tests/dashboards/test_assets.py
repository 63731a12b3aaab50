"""The daily asset: from published tables to pages, whole or not at all, with what is missing named."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.contract import ContractType, columns_of, conform
from fallrisk_assets.dashboards.assets import FOLDER, day_page
from fallrisk_assets.dashboards.data import build_day
from fallrisk_assets.dashboards.model import DayModel
from fallrisk_assets.dashboards.reading import DayReader
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.mobility.contract import DailyGait, WindowFeatures
from fallrisk_assets.partitions import daily, device_bucket, hour_key, hourly
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex, WindowScores
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)
from fallrisk_assets.warehouse.observability.check_history import day_outcomes
from fallrisk_assets.warehouse.observability.watched import DAILY, HOURLY, asset_key, checks_with_partitions
from fallrisk_assets_tests.dashboards.synthetic_day import (
    DAY,
    HOUR,
    START,
    fall_events,
    samples_around,
)

DEVICE, PATIENT = "imu-10001", "pt-1"
BUCKET = device_bucket(DEVICE)
#: The fall is decided in hour 8, and its signal begins in hour 7.
IMPACT = START + dt.timedelta(hours=8, seconds=4)


def conforming(model: ContractType, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows of a contract; columns that a test does not care for get their plainest value."""

    def plain(info: Any) -> Any:
        if info.nullable:
            return None
        checks = dict(info.checks)
        if "isin" in checks:
            return checks["isin"]["allowed_values"][0]
        if pa.types.is_string(info.type):
            return DEVICE if info.name == "device_id" else "0" * 64
        if pa.types.is_timestamp(info.type):
            return START
        if pa.types.is_boolean(info.type):
            return True
        return DAY if pa.types.is_date(info.type) else 1

    return conform(
        model,
        {info.name: [row.get(info.name, plain(info)) for row in rows] for info in columns_of(model)},
    )


def publish(lake: Lake, model: ContractType, slices: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    with lake.publication(model, list(slices)) as publication:
        for key, rows in slices.items():
            if rows:
                bucket = BUCKET if model.spec.bucketed else None
                report = publication.add(key, conforming(model, rows), bucket)
                assert report.passed, report.sentence()
        publication.commit()


def hourly_rows(at: dt.datetime) -> dict[ContractType, list[dict[str, Any]]]:
    """Return the rows of one hour of one device, by table; two minutes of it walking-like."""
    who = {"device_bucket": BUCKET, "device_id": DEVICE, "patient_id": PATIENT, "hour": at}
    windows = [at + dt.timedelta(seconds=10 * n) for n in range(25)]
    fall = fall_events(PATIENT, DEVICE, IMPACT).to_pylist()[0] | who | {"stillness_s": 2.5}
    samples = [
        {**row, **who, "seq": number, "boot": 0}
        for number, row in enumerate(samples_around(DEVICE, IMPACT).to_pylist())
    ]
    good = {"expected_samples": 180_000, "clean_samples": 180_000, "wear_fraction": 1.0, "gap_s": 0.0}
    moving = {"sd_accel_norm": 0.2, "autocorrelation_peak_accel_norm": 0.9}
    alert = {"alert_id": "a-1", "rule": "FALL_DETECTED", "severity": "critical", "state": "OPEN"}
    refused = {"reason": "LINE_NOT_JSON", "detail": "cut off", "payload": "Agathe Musterfrau"}
    return {
        DeviceHourCoverage: [{**who, **good, "verdict": "OK", "state": "FINAL"}],
        Telemetry: [row for row in samples if at <= row["ts"] < at + HOUR],
        FallEvents: [fall] if at <= fall["decided_at"] < at + HOUR else [],
        WindowScores: [{**who, "window_end": at + HOUR, "score": 0.25, "band": "low"}],
        WindowFeatures: [
            {**who, **moving, "window_start": start, "window_end": end} for start, end in pairwise(windows)
        ],
        Alerts: [{**who, **alert, "opened_at": at, "last_seen_at": at, "as_of": at + HOUR, "n": at.hour}],
        TelemetryQuarantine: [{**who, **refused, "quarantine_hour": at, "drop_key": "d", "line_number": 7}],
        TelemetryDrops: [{**who, "event_hour": at, "drop_key": "d", "received_at": at + 4 * HOUR}],
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with the hours 7 and 8 of one device, and the day's index and gait."""
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    hours = [START + hour * HOUR for hour in (7, 8)]
    rows = {hour_key(at): hourly_rows(at) for at in hours}
    for model in rows[hour_key(hours[0])]:
        publish(lake, model, {key: by_model[model] for key, by_model in rows.items()})
    index = {
        "patient_id": PATIENT,
        "day": DAY,
        "probability_12m": 0.31,
        "lower_12m": 0.2,
        "upper_12m": 0.45,
        "band": "medium",
        "status": "SCORED",
        "components": json.dumps({"base": -0.8}),
    }
    publish(lake, FallRiskIndex, {str(DAY): [index]})
    gait = {
        "patient_id": PATIENT,
        "day": DAY,
        "local_day": DAY,
        "time_zone": "Europe/Berlin",
        "day_start": START,
        "day_end": START + 24 * HOUR,
        "steps": 4321,
        "walking_minutes": 1.0,
        "wear_minutes": 1.0,
        "recorded_minutes": 5.0,
    }
    publish(lake, DailyGait, {str(DAY): [gait]})
    return lake


@pytest.fixture(scope="module")
def model(lake: Lake) -> DayModel:
    return build_day(DayReader(lake, str(DAY)).inputs())


def materialise(lake: Lake, folder: Path, *days: str) -> dg.ExecuteInProcessResult:
    tags = {
        "dagster/asset_partition_range_start": days[0],
        "dagster/asset_partition_range_end": days[-1],
    }
    resources = {"lake": lake, "reports": Reports(root=str(folder))}
    if len(days) == 1:
        return dg.materialize([day_page], partition_key=days[0], resources=resources)
    return dg.materialize([day_page], tags=tags, resources=resources)


def test_a_day_of_the_lake_is_read_into_one_model(model: DayModel) -> None:
    (patient,) = model.patients
    assert (patient.patient_id, patient.devices, patient.steps) == (PATIENT, (DEVICE,), 4321)
    assert patient.wear_minutes == pytest.approx(120)
    assert [(hour.hour, hour.score_max, hour.walking_minutes) for hour in patient.hours] == [
        (7, 0.25, 2.0),
        (8, 0.25, 2.0),
    ]
    assert model.quality.refused_rows == 2
    assert (model.quality.drops, model.quality.late_drops) == (1, 1)


def test_the_signal_around_a_fall_reaches_into_the_hour_before(model: DayModel) -> None:
    falls = model.patients[0].falls
    assert falls is not None
    signal = falls[0].signal
    assert signal is not None
    assert min(signal.t_s) == pytest.approx(-10, abs=0.1)
    assert max(value for value in signal.norm_g if value is not None) == pytest.approx(5.83, abs=0.001)


def test_an_alert_of_two_hours_is_one_alert_as_it_was_last(model: DayModel) -> None:
    alerts = model.patients[0].alerts
    assert alerts is not None
    assert [(alert.alert_id, alert.n) for alert in alerts] == [("a-1", 8)]


def test_partitions_that_were_never_published_are_listed_and_empty_ones_are_not(model: DayModel) -> None:
    missing = {table: len(keys) for table, keys in model.quality.missing}
    assert missing["curated.fall_events"] == 22
    assert missing["curated.index_alerts"] == 1
    assert "curated.daily_gait" not in missing
    counts = {
        count.table: (count.partitions, count.expected, count.rows) for count in model.quality.row_counts
    }
    assert counts["curated.fall_events"] == (2, 24, 1)
    assert counts["curated.daily_gait"] == (1, 1, 1)


def test_the_asset_writes_the_page_and_the_index_and_says_where(lake: Lake, tmp_path: Path) -> None:
    result = materialise(lake, tmp_path, str(DAY))
    page = tmp_path / FOLDER / f"{DAY}.html"
    (event,) = result.asset_materializations_for_node("day_page")
    assert event.metadata["page"].value == str(page)
    assert event.metadata["size"].value == page.stat().st_size
    assert event.metadata["falls"].value == 1
    assert "| NOT_SCORED |" in str(event.metadata["patients by band"].value)
    html = page.read_text(encoding="utf-8")
    assert "Agathe" not in html
    assert f'href="{DAY}.html"' in (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")


def test_a_range_run_writes_a_page_for_each_day_and_a_rerun_the_same_bytes(
    lake: Lake, tmp_path: Path
) -> None:
    next_day = str(DAY + dt.timedelta(days=1))
    result = materialise(lake, tmp_path, str(DAY), next_day)
    events = result.asset_materializations_for_node("day_page")
    assert {event.partition: event.metadata["patients"].value for event in events} == {
        str(DAY): 1,
        next_day: 0,
    }
    written = {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}
    assert sorted(written) == [f"{DAY}.html", f"{next_day}.html", "index.html"]
    materialise(lake, tmp_path, str(DAY))
    assert {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()} == written


def test_a_day_with_nothing_published_still_has_a_page_that_says_so(tmp_path: Path) -> None:
    materialise(Lake(root=str(tmp_path / "lake")), tmp_path, str(DAY))
    html = (tmp_path / FOLDER / f"{DAY}.html").read_text(encoding="utf-8")
    assert "No patient has data on this day." in html
    assert "clean.telemetry (24 partitions missing)" in html


def test_the_page_waits_for_every_table_whose_rows_it_counts() -> None:
    upstream = {dep.asset_key.to_user_string() for spec in day_page.specs for dep in spec.deps}
    assert {asset_key(model) for model in (*HOURLY, *DAILY)} <= upstream
    assert "raw_telemetry" in upstream


def test_a_check_without_partitions_is_left_off_the_page_of_a_day() -> None:
    @dg.asset_check(asset="day_page", partitions_def=daily)
    def of_a_day() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.asset_check(asset="day_page")
    def of_the_asset() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    resources = {"lake": Lake(), "reports": Reports()}
    defs = dg.Definitions(assets=[day_page], asset_checks=[of_a_day, of_the_asset], resources=resources)
    shown = checks_with_partitions(defs.get_repository_def().asset_graph)
    assert [key.name for key in shown] == ["of_a_day"]


def test_hourly_checks_are_folded_into_one_sentence_for_the_day() -> None:
    bad_hour = f"{DAY}-03:00"

    @dg.asset(partitions_def=hourly)
    def alerts() -> None: ...

    @dg.asset_check(asset=alerts, partitions_def=hourly)
    def every_fall_has_an_alert(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        key = context.op_execution_context.partition_key
        return dg.AssetCheckResult(passed=key != bad_hour, description=f"Looked at {key}.")

    @dg.asset(partitions_def=daily)
    def daily_gait() -> None: ...

    @dg.asset_check(asset=daily_gait, partitions_def=daily)
    def steps_are_plausible() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True, description="All steps are plausible.")

    def key(asset: str, check: str) -> dg.AssetCheckKey:
        return dg.AssetCheckKey(dg.AssetKey(asset), check)

    with dg.DagsterInstance.ephemeral() as instance:
        for hour in (2, 3, 4):
            dg.materialize(
                [alerts, every_fall_has_an_alert],
                partition_key=f"{DAY}-{hour:02d}:00",
                instance=instance,
            )
        dg.materialize([daily_gait, steps_are_plausible], partition_key=str(DAY), instance=instance)
        wanted = [
            key("daily_gait", "steps_are_plausible"),
            key("alerts", "every_fall_has_an_alert"),
            key("alerts", "never_ran"),
        ]
        found = day_outcomes(instance, wanted, str(DAY))
        assert day_outcomes(instance, wanted, str(DAY + dt.timedelta(days=1)))[0].passed is None
    assert [(outcome.asset, outcome.check, outcome.passed, outcome.detail) for outcome in found] == [
        (
            "alerts",
            "every_fall_has_an_alert",
            False,
            f"1 of 3 hours failed: {bad_hour}. The last: Looked at {bad_hour}.",
        ),
        ("alerts", "never_ran", None, ""),
        ("daily_gait", "steps_are_plausible", True, "All steps are plausible."),
    ]
