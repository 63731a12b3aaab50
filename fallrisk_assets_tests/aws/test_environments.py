"""Which environment is used, and what is said when its variables are missing or wrong."""

import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.errors import DagsterResourceFunctionError

from fallrisk_assets.environments import opened, resources_for
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.warehouse.redshift import RedshiftWarehouse

VARIABLES = {
    "lake": (
        "FALLRISK_LAKE",
        "FALLRISK_CATALOG",
        "FALLRISK_CATALOG_WAREHOUSE",
        "FALLRISK_CATALOG_SIGNING",
        "AWS_REGION",
    ),
    "landing": ("FALLRISK_LANDING", "AWS_REGION"),
    "reports": ("FALLRISK_REPORTS", "AWS_REGION"),
}


def launch(name):
    """Launch a run of a step that wants one resource of the environment that is set.

    What a resource raises is raised as it is: Dagster shows it below a line of its own.
    """
    from fallrisk_assets.environments import environment

    @dg.op(required_resource_keys={name})
    def step(context: dg.OpExecutionContext) -> None:
        assert context.resources is not None

    @dg.job(resource_defs=resources_for(environment()))
    def use_it() -> None:
        step()

    try:
        return use_it.execute_in_process(raise_on_error=True)
    except DagsterResourceFunctionError as failed:
        raise failed.user_exception from failed


@pytest.mark.parametrize("name", VARIABLES)
def test_a_run_starts_with_the_variables_that_the_stand_in_tells(aws, name):
    assert launch(name).success


@pytest.mark.parametrize(("name", "variable"), [(n, v) for n, found in VARIABLES.items() for v in found])
def test_a_variable_that_is_not_set_fails_at_launch_and_is_named_with_its_resource(
    aws, monkeypatch, name, variable
):
    monkeypatch.delenv(variable)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(Exception, match=variable) as failed:
        launch(name)
    assert name in str(failed.value)
    with pytest.raises(Misconfigured, match=rf"resource {name}: {variable}: is not set"):
        opened(name)


@pytest.mark.parametrize(
    ("name", "variable", "value", "said"),
    [
        ("lake", "FALLRISK_LAKE", "s3://no-such-bucket/x", "bucket no-such-bucket .* does not exist"),
        ("lake", "FALLRISK_LAKE", "gs://bucket/x", "no address such as s3://"),
        ("lake", "FALLRISK_CATALOG", "http://127.0.0.1:1", "does not let us in"),
        ("lake", "FALLRISK_CATALOG", "", "needs a catalog"),
        ("lake", "FALLRISK_CATALOG_SIGNING", "kms", "none of glue, s3tables, none"),
        ("lake", "AWS_ENDPOINT_URL_S3", "127.0.0.1:1", "no http"),
        ("landing", "FALLRISK_LANDING", "s3://no-such-bucket/x", "does not exist"),
        ("landing", "FALLRISK_LANDING", "s3://", "no address such as s3://"),
        ("reports", "FALLRISK_REPORTS", "s3://no-such-bucket/x", "does not exist"),
    ],
)
def test_a_variable_that_says_what_cannot_be_fails_at_launch_and_is_named(
    aws, monkeypatch, name, variable, value, said
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Misconfigured, match=rf"resource {name}: {variable}: .*{said}"):
        launch(name)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_wrong_secret_fails_at_launch_and_is_not_told(aws, monkeypatch, name):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret-0815")
    with pytest.raises(Misconfigured, match=f"resource {name}: .* does not let us in: .*DENIED") as failed:
        launch(name)
    assert "wrong-secret-0815" not in str(failed.value)


def test_a_table_bucket_that_is_not_there_fails_at_launch(aws, monkeypatch):
    monkeypatch.setenv("FALLRISK_CATALOG_WAREHOUSE", "nowhere")
    with pytest.raises(Misconfigured, match=r"resource lake: FALLRISK_CATALOG: .*\(nowhere\).*not found"):
        launch("lake")


def roots(environment):
    resources = resources_for(environment)
    found = {n for n in VARIABLES if isinstance(resources[n].root, dg.EnvVar)}
    return found | ({"warehouse"} if isinstance(resources["warehouse"], RedshiftWarehouse) else set())


def test_each_resource_is_switched_alone():
    assert roots("local") == set()
    assert roots("aws") == {*VARIABLES, "warehouse"}
    assert roots("local,warehouse=aws") == {"warehouse"}
    assert roots("local, lake=aws") == {"lake"}
    assert roots("aws,lake=local,reports=local,warehouse=local") == {"landing"}


def test_every_environment_has_the_same_resources():
    names = [set(resources_for(e)) for e in ("local", "aws", "local,landing=aws")]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize(
    "text", ["azure", "", "local,lake", "local,lake=gcs", "local,lak=aws", "aws,outbox=aws"]
)
def test_an_environment_that_cannot_be_is_refused_with_the_variable_and_the_choices(text):
    with pytest.raises(ValueError, match=r"FALLRISK_ENV=.*(local|aws)"):
        resources_for(text)


def test_a_lake_on_s3_takes_drops_from_disk_and_reports_to_disk(aws, monkeypatch, tmp_path):
    monkeypatch.setenv("FALLRISK_ENV", "local,lake=aws")
    for name in ("FALLRISK_LANDING", "FALLRISK_REPORTS"):
        monkeypatch.delenv(name)
    assert opened("lake").address.startswith("s3://")
    assert opened("reports").folder == tmp_path / "data" / "reports"
    assert opened("landing").list("telemetry") == []


def test_the_code_location_loads_in_the_environment_that_the_variable_names(monkeypatch):
    monkeypatch.setenv("FALLRISK_ENV", "aws,reports=local")
    code = (
        "from fallrisk_assets.definitions import defs\n"
        "print({n: type(r.root).__name__ for n, r in defs.resources.items() if hasattr(r, 'root')})"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'lake': 'EnvVar', 'landing': 'EnvVar', 'reports': 'str'" in done.stdout
