"""The instance of each deployment: it is valid, and handles runs as the local one does."""

import importlib
import importlib.util
import logging
import logging.config
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.stub import Stubber
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef

from fallrisk_assets.logs import JsonFormatter

ROOT = Path(__file__).parents[2]
FOLDERS = {"local": ROOT, "compose": ROOT / "deploy/compose", "aws": ROOT / "deploy/aws"}
VARIABLES = {
    "DAGSTER_PG_HOST": "database.example",
    "DAGSTER_PG_USERNAME": "dagster",
    "DAGSTER_PG_PASSWORD": "never-in-a-file",
    "DAGSTER_PG_DB": "dagster",
    "FALLRISK_LOG_BUCKET": "clinic-logs",
    "FALLRISK_RUN_TASK": "fallrisk-run",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
}
deployments = pytest.mark.parametrize("name", ["compose", "aws"])


@pytest.fixture(autouse=True)
def variables(monkeypatch, tmp_path):
    for variable, value in {**VARIABLES, "DAGSTER_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)


def settings(name):
    return yaml.safe_load((FOLDERS[name] / "dagster.yaml").read_text())


def parts(name):
    """Every class that the instance names, with its settings as YAML has them."""
    reference = InstanceRef.from_dir(str(FOLDERS[name]))
    chosen = {
        "storage": reference.storage_data if name != "local" else reference.event_storage_data,
        "run_launcher": reference.run_launcher_data,
        "compute_logs": reference.compute_logs_data,
        "local_artifact_storage": reference.local_artifact_storage_data,
        "run_coordinator": reference.run_coordinator_data,
    }
    return {part: data for part, data in chosen.items() if data is not None}


@pytest.mark.parametrize("name", list(FOLDERS))
def test_dagster_accepts_the_instance(name):
    accepted, _ = dagster_instance_config(str(FOLDERS[name]))
    assert accepted["concurrency"]["pools"]["default_limit"] == 1


@pytest.mark.parametrize("name", list(FOLDERS))
def test_every_class_accepts_its_settings(name):
    for part, data in parts(name).items():
        if data.module_name.startswith("dagster_postgres") and not importlib.util.find_spec(
            "dagster_postgres"
        ):
            continue  # the next test says so
        cls = getattr(importlib.import_module(data.module_name), data.class_name)
        result = process_config(resolve_to_config_type(cls.config_type()), yaml.safe_load(data.config_yaml))
        assert result.success, f"{name}: {part}: {result.errors}"


@deployments
def test_the_storage_is_postgres_with_a_password_from_the_environment(name):
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is missing: pip install '.[server]'")
    from dagster_postgres.utils import pg_url_from_config

    data = parts(name)["storage"]
    cls = getattr(importlib.import_module(data.module_name), data.class_name)
    result = process_config(resolve_to_config_type(cls.config_type()), yaml.safe_load(data.config_yaml))
    assert result.success, result.errors
    url = pg_url_from_config(result.value)
    assert url.startswith("postgresql+psycopg2://")  # the driver that the lock brings
    assert "never-in-a-file@database.example:5432/dagster" in url
    assert ("sslmode=verify-full" in url) == (name == "aws")


@deployments
@pytest.mark.parametrize("part", ["run_retries", "freshness", "retention", "telemetry", "concurrency"])
def test_a_deployment_handles_runs_as_the_local_instance_does(name, part):
    assert settings(name)[part] == settings("local")[part]


@deployments
def test_a_run_that_hangs_ends_as_soon_as_it_does_locally(name):
    there, here = settings(name)["run_monitoring"], settings("local")["run_monitoring"]
    assert there["start_timeout_seconds"] >= here["start_timeout_seconds"]
    assert {**there, "start_timeout_seconds": 0} == {**here, "start_timeout_seconds": 0}


@deployments
def test_no_secret_is_written_in_an_instance(name):
    database = settings(name)["storage"]["postgres"]["postgres_db"]
    for field in ("hostname", "username", "password"):
        assert list(database[field]) == ["env"], field


@deployments
def test_containers_log_json_to_standard_output(name, capsys):
    config = settings(name)["python_logs"]["dagster_handler_config"]
    # As Dagster does it: formatters by name, then handlers that take them.
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, **config,
         "loggers": {"tried": {"handlers": list(config["handlers"]), "level": "INFO"}}}
    )  # fmt: skip
    logger = logging.getLogger("tried")
    try:
        assert isinstance(logger.handlers[0].formatter, JsonFormatter)
        logger.info("one line")
        assert yaml.safe_load(capsys.readouterr().out)["message"] == "one line"
    finally:
        logger.handlers.clear()


def test_a_run_on_ecs_is_a_task_of_the_registered_definition_and_nothing_else_is_registered(monkeypatch):
    ecs = boto3.client("ecs")
    stub = Stubber(ecs)
    arn = "arn:aws:ecs:eu-west-1:111111111111:task-definition/fallrisk-run:3"
    stub.add_response(
        "describe_task_definition",
        {"taskDefinition": {"taskDefinitionArn": arn, "containerDefinitions": [{"name": "run"}]}},
        {"taskDefinition": "fallrisk-run"},
    )
    made = boto3.client
    monkeypatch.setattr(boto3, "client", lambda name, **kw: ecs if name == "ecs" else made(name, **kw))
    with stub:
        launcher = InstanceRef.from_dir(str(FOLDERS["aws"])).run_launcher
    assert launcher.task_definition == arn
    assert launcher.secrets_tags == []
    stub.assert_no_pending_responses()


def test_compute_logs_on_aws_go_to_the_bucket_that_the_variable_names():
    manager = InstanceRef.from_dir(str(FOLDERS["aws"])).compute_log_manager
    assert manager._s3_bucket == "clinic-logs"
