"""The independent validators run, judge everything, and find what is deliberately wrong.

The slow tests need node's packages and the venv of google-fhir; `make fhir-validate` sets both up.
"""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fallrisk_assets.fhir import validate
from fallrisk_assets.fhir.folder import write_day
from fallrisk_assets.fhir.patient_day import patient_days
from fallrisk_assets.fhir.resources import resources_table
from fallrisk_assets_tests.fhir.rows import (
    DAY,
    day_rows,
    gait_row,
    identity_row,
    index_row,
    not_scored_row,
    patient_row,
)

ROOT = Path(__file__).resolve().parents[2]


def day_folder(root: Path) -> Path:
    rows = day_rows(
        patients=[patient_row(), patient_row("PAT000002", "pt-2", gender="unknown")],
        identities=[identity_row(), identity_row("PAT000002", "pt-2", given_name=None)],
        gait=[gait_row(), gait_row("pt-2", steps=None, cadence_spm=None)],
        index=[index_row(), not_scored_row("pt-2")],
    )
    folder = root / DAY.isoformat()
    folder.mkdir()
    write_day(
        folder,
        resources_table(DAY, patient_days(DAY, rows, test_data=True)),
        recorded=datetime(2026, 1, 6, tzinfo=UTC),
        run_id="run-1",
        snapshot="42",
        inputs={"curated.alerts": "ab" * 32},
        test_data=True,
    )
    return folder


def ready(command) -> list[str]:
    try:
        return command()
    except validate.ValidatorMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture
def node() -> list[str]:
    return ready(validate.node_command)


@pytest.fixture
def google() -> list[str]:
    return ready(lambda: validate.google_command(ROOT / ".venv-fhir"))


def errors_of(command, *resources) -> list[list[str]]:
    units = [validate.Unit(str(n), r) for n, r in enumerate(resources)]
    verdict = validate.run_validator("tested", command, units)
    return [
        [f"{e['check']} {e['path']} {e['message']}" for e in verdict.errors if e["source"] == str(n)]
        for n in range(len(resources))
    ]


def sound() -> dict[str, dict]:
    found = patient_days(DAY, day_rows(), test_data=True).resources["PAT000001"]
    return {r["resourceType"]: r for r in reversed(found)}


def broken(kind: str, change) -> dict:
    resource = copy.deepcopy(sound()[kind])
    change(resource)
    return resource


WRONG = {
    "status missing": broken("Observation", lambda r: r.pop("status")),
    "status not in its value set": broken("Observation", lambda r: r.update(status="done")),
    "gender not in its value set": broken("Patient", lambda r: r.update(gender="F")),
    "no such day": broken("Patient", lambda r: r.update(birthDate="1941-02-30")),
    "time without zone": broken("CommunicationRequest", lambda r: r.update(authoredOn="2026-01-05T12:00:00")),
    "element unknown": broken("Flag", lambda r: r.update(flagged=True)),
    "subject of a wrong type": broken("Flag", lambda r: r.update(subject={"reference": "Observation/1"})),
    "single value where a list is wanted": broken("Observation", lambda r: r.update(category={"text": "x"})),
    "value and its absence": broken("Observation", lambda r: r.update(dataAbsentReason={"text": "x"})),
    "percentage beyond 100": broken(
        "RiskAssessment", lambda r: r["prediction"][0].update(probabilityDecimal=3700)
    ),
    "not a UCUM unit": broken("Observation", lambda r: r["valueQuantity"].update(code="steps")),
    "text for a number": broken("Observation", lambda r: r["valueQuantity"].update(value="many")),
    "two values of a choice": broken("Observation", lambda r: r.update(valueString="x")),
    "period backwards": broken(
        "Observation", lambda r: r["effectivePeriod"].update(start="2027-01-01", end="2026-01-01")
    ),
    "id too long": broken("Patient", lambda r: r.update(id="x" * 65)),
    "severity not in its value set": broken("DetectedIssue", lambda r: r.update(severity="critical")),
    "priority not in its value set": broken("Communication", lambda r: r.update(priority="high")),
}
ONLY_NODE = {
    "value and its absence",
    "percentage beyond 100",
    "not a UCUM unit",
    "period backwards",
    "two values of a choice",
}


@pytest.mark.slow
def test_node_finds_each_wrong_resource(node):
    found = dict(zip(WRONG, errors_of(node, *WRONG.values()), strict=True))
    assert [name for name, errors in found.items() if not errors] == []


@pytest.mark.slow
def test_google_finds_each_wrong_resource_but_those_of_invariants_choices_and_units(google):
    found = dict(zip(WRONG, errors_of(google, *WRONG.values()), strict=True))
    assert {name for name, errors in found.items() if not errors} <= ONLY_NODE


@pytest.mark.slow
def test_node_names_the_place_and_the_rule(node):
    (errors,) = errors_of(node, WRONG["not a UCUM unit"])
    assert "ucum Observation.valueQuantity.code not a UCUM unit: steps" in errors


@pytest.mark.slow
def test_a_transaction_without_requests_is_found_by_node(node):
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:6b0c1d9e-0000-4000-8000-000000000001", "resource": sound()["Patient"]}
        ],
    }
    (errors,) = errors_of(node, bundle)
    assert any(e.startswith("bdl-3") for e in errors)


@pytest.mark.slow
@pytest.mark.parametrize("validator", ["node", "google"])
def test_both_accept_every_file_of_a_day(validator, request, tmp_path):
    command = request.getfixturevalue(validator)
    found = validate.gather(day_folder(tmp_path))
    verdict = validate.run_validator(validator, command, found.units)
    assert verdict.errors == []
    assert verdict.judged == sum(found.resources.values()) + found.bundles


@pytest.mark.slow
def test_a_validator_that_cannot_judge_is_an_error_and_not_a_pass(node):
    with pytest.raises(RuntimeError, match="could not judge"):
        validate.run_validator("node", [*node[:1], "--no-such-option"], [])


def test_everything_in_the_folder_is_gathered_once(tmp_path):
    folder = day_folder(tmp_path)
    found = validate.gather(tmp_path)
    assert found.bundles == 2
    assert found.resources["Patient"] == 2
    assert found.resources["Provenance"] == 2
    assert found.resources["CodeSystem"] == 3
    lines = sum(p.read_bytes().count(b"\n") for p in folder.rglob("*.ndjson"))
    assert found.repeated == lines


def test_a_line_that_no_bundle_holds_is_judged_on_its_own(tmp_path):
    folder = day_folder(tmp_path)
    with (folder / "ndjson" / "Patient.ndjson").open("ab") as file:
        file.write(b'{"resourceType":"Patient","id":"stray"}\n')
    sources = [u.source for u in validate.gather(tmp_path).units]
    assert f"{DAY}/ndjson/Patient.ndjson:3" in sources


def test_a_folder_that_is_being_written_is_left_out(tmp_path):
    hidden = tmp_path / ".2026-01-05.abc"
    hidden.mkdir()
    (hidden / "half.json").write_text("{")
    assert validate.gather(tmp_path).units == []


def test_a_file_that_is_not_json_is_named_with_its_line(tmp_path):
    (tmp_path / "Patient.ndjson").write_text(json.dumps({"resourceType": "Patient"}) + "\n{\n")
    with pytest.raises(ValueError, match=r"Patient\.ndjson:2: not JSON"):
        validate.gather(tmp_path)


def test_an_empty_folder_is_no_success(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(validate, "validators", dict)
    assert validate.main([str(tmp_path)]) == 2
    assert "holds no bundle" in capsys.readouterr().err


def test_a_missing_validator_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(validate, "NODE_MODULES", tmp_path / "none")
    monkeypatch.setattr(validate.shutil, "which", lambda name: f"/bin/{name}")
    assert validate.main([str(tmp_path)]) == 2
    assert "run make fhir-validate" in capsys.readouterr().err


def test_errors_are_printed_and_make_the_command_fail(tmp_path, capsys, monkeypatch):
    day_folder(tmp_path)
    error = {"source": "a.json", "resource": "Patient/1", "path": "id", "check": "x", "message": "wrong"}
    lines = [json.dumps(error), json.dumps({"summary": {"resources": 1, "errors": 1}})]
    script = tmp_path / "fake.sh"
    script.write_text("#!/bin/sh\ncat > /dev/null\n" + "".join(f"echo '{line}'\n" for line in lines))
    monkeypatch.setattr(validate, "validators", lambda: {"fake": ["sh", str(script)]})
    assert validate.main([str(tmp_path)]) == 1
    assert "a.json: Patient/1 id: x: wrong" in capsys.readouterr().out


def test_the_node_lock_names_no_registry():
    lock = (validate.VALIDATORS / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "http" not in "".join(
        line for line in lock.splitlines() if '"url"' not in line and "funding" not in line
    )
