"""What is written of a day is whole, the same bytes each time, and each resource once."""

from datetime import UTC, datetime

import orjson
import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.fhir.bundle import to_json, to_ndjson, transaction
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.fhir.folder import problems, write_day
from fallrisk_assets.fhir.patient_day import PatientDays, patient_days
from fallrisk_assets.fhir.resources import ResourceConflict, bundles, judge, ndjson, resources_table
from fallrisk_assets.validation import validate
from fallrisk_assets_tests.fhir.rows import (
    DAY,
    day_rows,
    gait_row,
    identity_row,
    patient_row,
)


@pytest.fixture(scope="module")
def found() -> PatientDays:
    rows = day_rows(
        patients=[patient_row(), patient_row("PAT000002", "pt-2")],
        identities=[identity_row(), identity_row("PAT000002", "pt-2", given_name="Ben")],
        gait=[gait_row(), gait_row("pt-2", steps=12)],
    )
    return patient_days(DAY, rows, test_data=True)


@pytest.fixture(scope="module")
def table(found) -> pa.Table:
    return resources_table(DAY, found)


def write(folder, table, run_id="run-1"):
    folder.mkdir()
    return write_day(
        folder,
        table,
        recorded=datetime(2026, 1, 6, 3, tzinfo=UTC),
        run_id=run_id,
        snapshot="42",
        inputs={"curated.alerts": "ab" * 32},
        test_data=True,
    )


def bytes_in(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_table_keeps_its_contract(table):
    assert table.schema == arrow_schema(FhirResources)
    assert validate(FhirResources, table).passed


def test_a_day_without_rows_is_an_empty_table_and_an_empty_folder(tmp_path):
    rows = day_rows(
        gait=[],
        falls=[],
        index=[],
        index_history=[],
        alerts=[],
        index_alerts=[],
        appointments=[],
        feedback=[],
    )
    empty = resources_table(DAY, patient_days(DAY, rows, test_data=True))
    assert empty.num_rows == 0
    assert write(tmp_path / "day", empty)["bundles"] == 0
    assert problems(tmp_path / "day", empty) == []


def test_an_entry_is_a_put_of_its_own_url(table):
    for bundle in bundles(table, test_data=True).values():
        assert bundle["type"] == "transaction"
        for entry in bundle["entry"]:
            url = f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
            assert entry["request"] == {"method": "PUT", "url": url}
            assert entry["fullUrl"].endswith(f"/{url}")


def test_a_bundle_from_the_table_has_the_resources_in_the_order_in_which_they_were_made(table, found):
    made = bundles(table, test_data=True)
    for patient_id, resources in found.resources.items():
        assert [e["resource"] for e in made[patient_id]["entry"]] == resources


def test_a_resource_that_is_twice_in_a_bundle_is_refused(found):
    patient = found.resources["PAT000001"][0]
    with pytest.raises(ValueError, match=f"twice in it: Patient/{patient['id']}"):
        transaction("PAT000001", DAY, [patient, patient], test_data=True)


def test_a_bundle_without_resources_is_refused():
    with pytest.raises(ValueError, match="no resource"):
        transaction("PAT000001", DAY, [], test_data=True)


def test_bytes_do_not_depend_on_the_order_in_which_a_resource_was_built():
    assert to_json({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'
    assert to_ndjson([b"b", b"a"]) == b"a\nb\n"


def test_ndjson_holds_a_resource_that_two_bundles_share_once(table):
    lines = ndjson(table)
    devices = [orjson.loads(line)["id"] for line in lines["Device"].splitlines()]
    assert len(devices) == len(set(devices))
    rows = table.select(["resource_type", "resource_id"]).to_pylist()
    assert len([r for r in rows if r["resource_type"] == "Device"]) > len(devices)


def test_two_contents_of_one_resource_are_a_conflict(table):
    contents = table["content"].to_pylist()
    row = table["resource_type"].to_pylist().index("Device")
    contents[row] = contents[row].replace("active", "inactive")
    changed = table.set_column(5, table.schema.field("content"), pa.array(contents))
    with pytest.raises(ResourceConflict, match=r"Device/.* has two contents"):
        ndjson(changed)


def test_a_day_made_again_by_another_run_differs_in_its_provenance_alone(tmp_path, table):
    write(tmp_path / "first", table, "run-1")
    write(tmp_path / "second", table, "run-2")
    first, second = bytes_in(tmp_path / "first"), bytes_in(tmp_path / "second")
    assert first.keys() == second.keys()
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"provenance/PAT000001.json", "provenance/PAT000002.json"}


def test_provenance_names_run_snapshot_inputs_and_every_resource(tmp_path, table):
    write(tmp_path / "day", table)
    made = orjson.loads((tmp_path / "day/provenance/PAT000001.json").read_bytes())
    bundle = orjson.loads((tmp_path / "day/bundles/PAT000001.json").read_bytes())
    assert [t["reference"] for t in made["target"]] == [e["request"]["url"] for e in bundle["entry"]]
    assert made["recorded"] == "2026-01-06T03:00:00.000Z"
    values = [e["what"]["identifier"]["value"] for e in made["entity"]]
    assert values == ["run-1", "42", "ab" * 32]


def test_the_folder_counts_what_it_holds(tmp_path, table):
    counts = write(tmp_path / "day", table)
    assert counts["bundles"] == len(list((tmp_path / "day/bundles").iterdir())) == 2
    assert counts["Patient"] == 2
    for kind in ("Patient", "Observation", "Device"):
        assert (tmp_path / f"day/ndjson/{kind}.ndjson").read_bytes().count(b"\n") == counts[kind]


def test_a_whole_day_has_no_problem(tmp_path, table):
    write(tmp_path / "day", table)
    assert problems(tmp_path / "day", table) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda day: (day / "bundles/PAT000001.json").unlink(), "are in no bundle"),
        (lambda day: (day / "ndjson/Flag.ndjson").unlink(), "NDJSON and table differ"),
        (lambda day: double(day / "ndjson/Patient.ndjson"), "NDJSON lines are there twice"),
        (
            lambda day: (day / "bundles/PAT000001.json").rename(day / "bundles/PAT000003.json"),
            "not in the table",
        ),
    ],
)
def test_a_day_that_is_not_whole_is_told(tmp_path, table, damage, said):
    write(tmp_path / "day", table)
    damage(tmp_path / "day")
    assert any(said in problem for problem in problems(tmp_path / "day", table))


def double(path):
    path.write_bytes(path.read_bytes() * 2)


def test_a_sound_day_is_judged_so(found):
    assert judge(found).passed


def test_a_day_with_a_fault_is_refused_and_the_report_names_the_place_but_no_value(found):
    broken = [dict(r) for r in found.resources["PAT000001"]]
    broken[0] = {**broken[0], "birthDate": ""}
    report = judge(PatientDays({"PAT000001": broken}, found.unplaced, found.known))
    assert not report.passed
    assert report.counts == {"content: VALUE_EMPTY": 1}
    assert report.examples[0]["where"] == "Patient.birthDate"
    assert "Núñez" not in str(report.examples)


def test_a_day_that_only_the_models_refuse_is_refused_without_quoting_it(found):
    broken = [dict(r) for r in found.resources["PAT000001"]]
    broken[0] = {**broken[0], "birthDate": "Núñez"}
    report = judge(PatientDays({"PAT000001": broken}, found.unplaced, found.known))
    assert set(report.counts) == {"content: R4B_MODEL_REFUSES"}
    assert "Núñez" not in str(report.examples)
