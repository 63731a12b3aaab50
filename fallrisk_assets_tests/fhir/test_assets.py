"""The daily assets: what the tables hold is in the bundles, and nothing that is refused appears."""

import dataclasses
from datetime import UTC, datetime, timedelta

import dagster as dg
import orjson
import pyarrow as pa
import pytest

from fallrisk_assets.alerts.contract import Alerts, IndexAlerts
from fallrisk_assets.clinic.contract import PatientIdentity, Patients
from fallrisk_assets.clinic.operations.contract import Appointments, Feedback, Providers
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.fhir import assets, folder
from fallrisk_assets.fhir.assets import WHOLE_CHECK, fhir_bundles, fhir_resources
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.fhir.resource import TEST_DATA_VARIABLE, FhirSettings
from fallrisk_assets.lake import Lake, MissingPartition
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.partitions import device_bucket, hours_of_day
from fallrisk_assets.publishing import CONTRACT_CHECK
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex
from fallrisk_assets_tests.fhir.rows import (
    DAY,
    alert_row,
    appointment_row,
    fall_row,
    feedback_row,
    gait_row,
    identity_row,
    index_alert_row,
    index_row,
    patient_row,
    provider_row,
)

KEY = DAY.isoformat()
NEXT, STRAY, GAP = ((DAY + timedelta(days=n)).isoformat() for n in (1, 2, 3))
NOON, MISSING_HOUR = f"{KEY}-12:00", f"{GAP}-03:00"
EVENT = "6b0c1d9e-0000-5000-8000-000000000001"
DEFAULTS = {
    pa.bool_(): False,
    pa.int32(): 0,
    pa.int64(): 0,
    pa.float32(): 0.0,
    pa.float64(): 0.0,
    pa.string(): "ab" * 32,
    pa.date32(): DAY,
    pa.timestamp("us", "UTC"): datetime(2026, 1, 5, tzinfo=UTC),
}


def table(model, rows) -> pa.Table:
    """Rows in the model's schema; columns that this domain does not read get any valid value."""
    schema = arrow_schema(model)
    return pa.Table.from_pylist(
        [{f.name: r.get(f.name, None if f.nullable else DEFAULTS[f.type]) for f in schema} for r in rows],
        schema=schema,
    )


@dataclasses.dataclass
class World:
    """A lake with what lies upstream, a folder of reports, and runs over both."""

    lake: Lake
    reports: Reports
    instance: dg.DagsterInstance
    settings: FhirSettings = dataclasses.field(default_factory=FhirSettings)

    def publish(self, model, by_key, bucket=None):
        with self.lake.publication(model, list(by_key)) as publication:
            for key, rows in by_key.items():
                if rows:
                    assert publication.add(key, table(model, rows), bucket).passed
            publication.commit()
        assert not publication.bad, publication.bad

    def upstream(self):
        days = {key: datetime.fromisoformat(key).date() for key in (KEY, NEXT, STRAY, GAP)}
        self.publish(
            Patients,
            {KEY: [patient_row(registration_date=DAY - timedelta(days=99))], NEXT: (), STRAY: (), GAP: ()},
        )
        self.publish(PatientIdentity, {KEY: [identity_row()], NEXT: (), STRAY: (), GAP: ()})
        gait = {key: [gait_row(day=day)] for key, day in days.items()}
        gait[STRAY].append(gait_row("pt-404", day=days[STRAY]))
        self.publish(DailyGait, gait)
        self.publish(FallRiskIndex, {key: [index_row(day=day)] for key, day in days.items()})
        self.publish(IndexAlerts, {key: [index_alert_row(day=day)] for key, day in days.items()})
        hours = {hour: () for key in days for hour in hours_of_day(key) if hour != MISSING_HOUR}
        bucket = device_bucket("imu-10001")
        self.publish(FallEvents, {**hours, NOON: [fall_row(device_bucket=bucket)]}, bucket)
        self.publish(Alerts, {**hours, NOON: [alert_row()]})
        self.publish(Providers, {KEY: [provider_row()], NEXT: (), STRAY: (), GAP: ()})
        self.publish(Appointments, {KEY: [appointment_row()], NEXT: (), STRAY: (), GAP: ()})
        self.publish(Feedback, {KEY: [feedback_row()], NEXT: (), STRAY: (), GAP: ()})

    def run(self, key=KEY, *, chosen=(fhir_resources, fhir_bundles), last=None, **options):
        tags = {"dagster/asset_partition_range_start": key, "dagster/asset_partition_range_end": last}
        return dg.materialize(
            [fhir_resources, fhir_bundles],
            selection=list(chosen),
            partition_key=None if last else key,
            tags=tags if last else None,
            resources={"lake": self.lake, "reports": self.reports, "fhir": self.settings},
            instance=self.instance,
            **options,
        )

    def bundle(self, key=KEY, patient="PAT000001"):
        return orjson.loads((self.reports.folder / f"fhir/{key}/bundles/{patient}.json").read_bytes())

    def files(self):
        root = self.reports.folder
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Four days of everything upstream; the third has rows of a stranger, the fourth lacks an hour."""
    folder = tmp_path_factory.mktemp("fhir")
    lake = Lake(root=str(folder / "lake"))
    World(lake, Reports(root=str(folder)), dg.DagsterInstance.ephemeral()).upstream()
    return lake


@pytest.fixture
def world(lake, tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(lake, Reports(root=str(tmp_path / "reports")), instance)


def checks(result):
    return {e.check_name: e for e in result.get_asset_check_evaluations()}


def test_a_day_becomes_rows_a_bundle_and_lines(world):
    result = world.run()
    found = {name: check.passed for name, check in checks(result).items()}
    assert found == {CONTRACT_CHECK: True, WHOLE_CHECK: True}
    rows = world.lake.read(FhirResources, [KEY]).to_pylist()
    assert len(rows) == len(world.bundle()["entry"]) == 39
    line = (world.reports.folder / f"fhir/{KEY}/ndjson/Patient.ndjson").read_bytes()
    assert orjson.loads(line)["identifier"][0]["value"] == "PAT000001"


def labels(world):
    """Every resource's and bundle's labels in the files of the day."""
    bundle = world.bundle()
    path = world.reports.folder / f"fhir/{KEY}/provenance/PAT000001.json"
    written = [bundle, orjson.loads(path.read_bytes()), *(e["resource"] for e in bundle["entry"])]
    return {tuple(c["code"] for c in r.get("meta", {}).get("security", [])) for r in written}


def test_resources_are_labelled_as_test_data_unless_a_variable_says_that_they_are_none(world, monkeypatch):
    monkeypatch.setenv(TEST_DATA_VARIABLE, "false")
    world.run()
    assert labels(world) == {()}
    monkeypatch.delenv(TEST_DATA_VARIABLE)
    world.run()
    assert labels(world) == {("HTEST",)}


def test_whether_data_are_test_data_is_never_guessed(monkeypatch):
    monkeypatch.setenv(TEST_DATA_VARIABLE, "flase")
    with pytest.raises(ValueError, match="FALLRISK_TEST_DATA=flase: must be true or false"):
        FhirSettings().labels_test_data()
    assert FhirSettings(test_data=False).labels_test_data() is False
    monkeypatch.setenv(TEST_DATA_VARIABLE, "")
    assert FhirSettings().labels_test_data() is True


def test_a_day_run_again_has_the_same_bytes_but_for_its_provenance(world):
    world.run()
    first, entry = world.files(), world.lake.ledger.get(FhirResources, KEY)
    world.run()
    second = world.files()
    assert {name for name in first if first[name] != second.get(name)} == {
        f"fhir/{KEY}/provenance/PAT000001.json"
    }
    assert first.keys() == second.keys()
    assert world.lake.ledger.get(FhirResources, KEY).content_hash == entry.content_hash


def test_provenance_names_the_run_and_the_inputs_contents(world):
    result = world.run()
    path = world.reports.folder / f"fhir/{KEY}/provenance/PAT000001.json"
    sources = [e["what"]["identifier"] for e in orjson.loads(path.read_bytes())["entity"]]
    assert result.run_id in {s["value"] for s in sources}
    assert {"curated.daily_gait", "curated.alerts", "curated.fall_events"} <= {
        s["system"].rsplit("/", 1)[1] for s in sources
    }


def test_a_range_in_one_run_gives_the_same_as_day_by_day_and_a_verdict_per_day(world):
    world.run(last=NEXT)
    together = {n: c for n, c in world.files().items() if "provenance" not in n}
    world.run()
    alone = {n: c for n, c in world.files().items() if "provenance" not in n}
    assert together == alone
    assert world.bundle(NEXT)["id"] != world.bundle()["id"]
    (flag,) = (e["resource"] for e in world.bundle(NEXT)["entry"] if e["resource"]["resourceType"] == "Flag")
    assert flag["period"]["start"] == KEY


def test_a_bad_day_in_a_range_costs_that_day_alone_and_each_day_has_its_verdict(world, monkeypatch):
    found = {KEY: ["1 resources are in no bundle"], NEXT: []}
    monkeypatch.setattr(assets, "problems", lambda _, rows: found[str(rows["day"][0].as_py())])
    assert not world.run(last=NEXT, raise_on_error=False).success
    assert not (world.reports.folder / f"fhir/{KEY}").exists()
    assert world.bundle(NEXT)
    history = world.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("fhir_bundles"), WHOLE_CHECK), limit=10
    )
    events = [record.event.dagster_event for record in history if record.event]
    evaluations = [
        e.asset_check_evaluation_data
        for e in events
        if e and e.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert {e.partition: e.passed for e in evaluations if e.partition} == {KEY: False, NEXT: True}


def test_a_missing_hour_is_named_and_not_taken_for_a_silent_one(world):
    with pytest.raises(MissingPartition, match=r"curated\.fall_events 2026-01-08-03:00"):
        world.run(GAP)


def test_a_resource_with_a_fault_is_not_published_and_the_check_says_why(world, monkeypatch):
    world.run()
    before = world.files()
    rows = world.lake.read(FhirResources, [KEY])
    monkeypatch.setattr("fallrisk_assets.fhir.mapping.patients.PATIENT_IDENTIFIER", "")
    result = world.run(raise_on_error=False)
    assert not result.success
    evaluation = checks(result)[CONTRACT_CHECK]
    assert not evaluation.passed
    assert "content: VALUE_EMPTY" in str(evaluation.metadata["by reason"])
    assert world.lake.read(FhirResources, [KEY]).equals(rows)
    assert world.files() == before


def test_a_folder_that_is_not_whole_does_not_take_the_place_of_the_old_one(world, monkeypatch):
    world.run()
    before = world.files()
    monkeypatch.setattr(assets, "problems", lambda *_: ["1 resources are in no bundle"])
    result = world.run(chosen=[fhir_bundles], raise_on_error=False)
    assert not result.success
    assert not checks(result)[WHOLE_CHECK].passed
    assert world.files() == before


def test_a_run_killed_in_the_middle_of_writing_leaves_the_old_folder(world, monkeypatch):
    world.run()
    before = world.files()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "ndjson", killed)
    with pytest.raises((KeyboardInterrupt, dg.DagsterExecutionInterruptedError)):
        world.run(chosen=[fhir_bundles])
    assert world.files() == before


def test_a_person_who_is_nobodys_patient_is_counted_in_the_metadata(world):
    result = world.run(STRAY, chosen=[fhir_resources])
    (event,) = (
        e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("fhir_resources")
    )
    metadata = event.materialization.metadata
    assert metadata["rows without a resource: gait: NO_CLINIC_ID"].value == 1
    assert metadata["patients"].value == 1
    assert EVENT not in str(metadata)
