"""A tiny day through every domain, and what happens when it is disturbed."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.clinic.contract import PatientIdentity
from fallrisk_assets.definitions import build_defs
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.health import failed_partitions
from fallrisk_assets.jobs import IDENTITY_DAILY, LAKEHOUSE_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.mobility.resource import WindowSettings
from fallrisk_assets.partitions import hour_range, hourly
from fallrisk_assets.risk.contract import FallEvents, WindowScores
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry
from fallrisk_assets.warehouse.resource import Warehouse
from simulator.cohort import CohortOptions, simulate_cohort

DAY = "2026-01-05"
HOURS = hour_range("2026-01-05-00:00", "2026-01-06-00:00")


def resources(root: Path) -> dict:
    return {
        "lake": Lake(root=str(root / "lake")),
        "landing": Landing(root=str(root / "landing")),
        "reports": Reports(root=str(root / "reports")),
        "warehouse": Warehouse(folder=str(root / "warehouse")),
        "windows": WindowSettings(),
        "outbox": OutboxResource(path=str(root / "outbox.db"), messages=str(root / "outbox.jsonl")),
    }


def execute(root: Path, instance: dg.DagsterInstance, job: str, first: str, last: str, **options):
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    defs = build_defs("local", resources(root))
    return defs.resolve_job_def(job).execute_in_process(tags=tags, instance=instance, **options)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort")
    options = CohortOptions(
        patients=2, days=1, start=date(2026, 1, 5), rate_hz=50, hours_per_day=(1.0,), falls_per_day=40
    )
    simulate_cohort(root / "landing", root / "truth", options)
    return root


@pytest.fixture(scope="module")
def day(cohort):
    """The whole day, materialised once."""
    with dg.DagsterInstance.ephemeral() as instance:
        results = [
            execute(cohort, instance, IDENTITY_DAILY, DAY, DAY),
            execute(cohort, instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1]),
            execute(cohort, instance, LAKEHOUSE_DAILY, DAY, DAY),
        ]
        yield cohort, instance, results


def hashes(root: Path) -> dict:
    """Content of every published partition of the lake."""
    ledger = Lake(root=str(root / "lake")).ledger
    return {
        (m.spec.identifier, key): ledger.get(m, key).content_hash
        for m in all_contracts()
        if m.spec.namespace != "warehouse"
        for key in ledger.keys(m)
    }


@pytest.mark.slow
def test_a_drop_becomes_a_score_an_alert_a_bundle_a_fact_and_a_page(day):
    root, _, results = day
    assert all(r.success for r in results)
    lake = Lake(root=str(root / "lake"))
    assert lake.read(Telemetry, HOURS).num_rows > 200_000
    assert lake.read(FallEvents, HOURS).num_rows >= 1
    scores = lake.read(WindowScores, HOURS).to_pandas()
    assert (scores["band"] != "NOT_SCORED").any()
    alerts = lake.read(Alerts, HOURS).to_pandas()
    assert "critical" in set(alerts["severity"])
    assert (root / "reports" / "pages" / f"{DAY}.html").stat().st_size < 5_000_000
    bundles = list((root / "reports" / "fhir" / DAY / "bundles").glob("*.json"))
    assert len(bundles) == 2
    kinds = {e["resource"]["resourceType"] for b in bundles for e in json.loads(b.read_text())["entry"]}
    assert kinds >= {"Patient", "Device", "Observation", "RiskAssessment"}
    warehouse = Warehouse(folder=str(root / "warehouse"))
    assert warehouse.query("SELECT count(*) AS n FROM fact_risk_score")["n"][0].as_py() == 2


@pytest.mark.slow
def test_every_check_of_the_day_passed_and_hours_have_one_of_their_own(day):
    _, _, results = day
    evaluations = [e for r in results for e in r.get_asset_check_evaluations()]
    assert all(e.passed for e in evaluations)
    per_hour = Counter(e.asset_key.to_user_string() for e in evaluations if e.partition in HOURS)
    assert per_hour["telemetry"] == 2 * len(HOURS), "its contract and the balance of lines, every hour"
    assert per_hour["window_features"] == len(HOURS)


@pytest.mark.slow
def test_what_cannot_be_scored_is_never_called_low(day):
    root, _, _ = day
    lake = Lake(root=str(root / "lake"))
    scores = lake.read(WindowScores, HOURS).to_pandas()
    unscored = scores[scores["band"] == "NOT_SCORED"]
    assert unscored["score"].isna().all()
    assert unscored["reason"].notna().all()
    assert scores[scores["band"] != "NOT_SCORED"]["score"].notna().all()


@pytest.mark.slow
def test_a_backfill_pages_nobody(day):
    root, _, _ = day
    with OutboxResource(path=str(root / "outbox.db")).ledger() as ledger:
        counts = ledger.counts()
    assert counts.get("SENT", 0) == 0
    assert counts.get("SUPPRESSED_STALE", 0) > 0


@pytest.mark.slow
def test_running_the_day_again_changes_no_content(day):
    root, instance, _ = day
    before = hashes(root)
    execute(root, instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1])
    execute(root, instance, LAKEHOUSE_DAILY, DAY, DAY)
    assert hashes(root) == before


@pytest.mark.slow
def test_a_bad_hour_is_not_published_named_and_found_again_until_it_is_repaired(day, tmp_path, monkeypatch):
    from fallrisk_assets.telemetry import ingest

    cohort, _, _ = day
    for part in ("landing",):
        shutil.copytree(cohort / part, tmp_path / part)
    coverage = Lake(root=str(cohort / "lake")).read(DeviceHourCoverage, HOURS).to_pandas()
    bad = f"{coverage[coverage['clean_samples'] > 0]['hour'].min():%Y-%m-%d-%H}:00"
    good = ingest.samples_table

    def spoilt(cleaned, bucket):
        data = good(cleaned, bucket)
        if data.num_rows == 0 or cleaned.hour_start_us != ingest._us(ingest.window_of(bad)[0]):
            return data
        import pyarrow as pa

        at = data.column_names.index("accel_x_g")
        return data.set_column(at, "accel_x_g", pa.array([99.0] * data.num_rows, pa.float32()))

    with dg.DagsterInstance.ephemeral() as instance:
        execute(tmp_path, instance, IDENTITY_DAILY, DAY, DAY)
        monkeypatch.setattr(ingest, "samples_table", spoilt)
        failed = execute(tmp_path, instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1], raise_on_error=False)
        assert not failed.success
        key = dg.AssetKey("telemetry")
        said = [e for e in failed.get_asset_check_evaluations() if e.asset_key == key and not e.passed]
        assert {e.partition for e in said} == {bad, None}
        assert instance.get_materialized_partitions(key) == set(HOURS) - {bad}
        assert failed_partitions(instance, key, hourly) == [bad]
        monkeypatch.setattr(ingest, "samples_table", good)
        assert execute(tmp_path, instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1]).success
        assert failed_partitions(instance, key, hourly) == []
    untouched = {
        k: v for k, v in hashes(cohort).items() if k[0] in ("clean.telemetry", "raw.telemetry_quarantine")
    }
    assert {k: v for k, v in hashes(tmp_path).items() if k in untouched} == untouched


_KILLED = """
import os, sys
from fallrisk_assets.lake import publication, tables
from fallrisk_assets.lake.ledger import Ledger

point, left = sys.argv[2], [int(sys.argv[3])]

def die_at(function):
    def wrapped(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)
        return function(*arguments, **options)
    return wrapped

if point == "write":
    publication.Publication.add = die_at(publication.Publication.add)
elif point == "commit":
    tables.replace_slices = die_at(tables.replace_slices)
else:
    Ledger.put = die_at(Ledger.put)

from pathlib import Path
import dagster as dg
from fallrisk_assets_tests.integration.test_day import DAY, HOURS, execute
from fallrisk_assets.jobs import IDENTITY_DAILY, TELEMETRY_HOURLY
with dg.DagsterInstance.ephemeral() as instance:
    execute(Path(sys.argv[1]), instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("point", "after"), [("write", 40), ("commit", 2), ("ledger", 31), ("ledger", 120)])
def test_a_killed_run_can_simply_be_run_again(day, tmp_path, point, after):
    cohort, _, _ = day
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    with dg.DagsterInstance.ephemeral() as instance:
        execute(tmp_path, instance, IDENTITY_DAILY, DAY, DAY)
        command = [sys.executable, "-W", "ignore", "-c", _KILLED, str(tmp_path), point, str(after)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        killed = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert killed.returncode == 9, killed.stderr[-2000:]
        assert execute(tmp_path, instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1]).success
    undisturbed = hashes(cohort)
    again = hashes(tmp_path)
    assert again == {k: v for k, v in undisturbed.items() if k in again}
    assert {k for k in undisturbed if k[1] in HOURS} == {k for k in again if k[1] in HOURS}


@pytest.mark.slow
def test_no_name_nor_patient_is_in_what_the_ui_the_logs_and_the_messages_show(day):
    root, _, results = day
    people = [f"pt-{i}" for i in (1, 2)] + [
        name
        for row in Lake(root=str(root / "lake")).read(PatientIdentity, [DAY]).to_pylist()
        for name in (row["given_name"], row["family_name"])
        if name
    ]
    assert len(people) >= 6
    shown = [
        str(value.value)
        for result in results
        for event in result.all_events
        if event.is_step_materialization or event.event_type_value == "ASSET_CHECK_EVALUATION"
        for value in (
            event.step_materialization_data.materialization.metadata
            if event.is_step_materialization
            else event.asset_check_evaluation_data.metadata
        ).values()
    ]
    assert len(shown) > 1000
    told = "\n".join(shown)
    assert not [
        person for person in people if f"{person}\n" in told or f"{person} " in told or f"{person}<" in told
    ]
    messages = (root / "outbox.jsonl").read_text() if (root / "outbox.jsonl").exists() else ""
    names = [p for p in people if not p.startswith("pt-")]
    page = (root / "reports" / "pages" / f"{DAY}.html").read_text()
    assert not [name for name in names if f">{name}<" in page or name in messages]
