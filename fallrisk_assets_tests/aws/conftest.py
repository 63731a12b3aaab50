"""Each test here runs against local disk and against S3 with a REST catalog, which must behave alike."""

import os
import uuid

import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.exceptions import NoSuchTableError

from fallrisk_assets.environments import opened
from fallrisk_assets_tests.samples import Days, Readings
from simulator.aws import NOT_INSTALLED, aws_standin, binary
from simulator.aws_services import NOT_INSTALLED as NO_SERVICES
from simulator.aws_services import aws_services, program
from simulator.redshift import NOT_INSTALLED as NO_POSTGRESQL
from simulator.redshift import programs, redshift_standin


@pytest.fixture(scope="session")
def standin(tmp_path_factory):
    """S3 and a REST catalog on loopback, for all tests of this process."""
    if binary() is None:
        pytest.skip(NOT_INSTALLED)
    with aws_standin(tmp_path_factory.mktemp("standin")) as running:
        yield running


@pytest.fixture(scope="session")
def redshift_server(standin):
    """A Redshift on loopback that loads from that S3, for all tests of this process."""
    if programs() is None:
        pytest.skip(NO_POSTGRESQL)
    pytest.importorskip(
        "psycopg2", reason="the driver of Redshift is not installed: pip install psycopg2-binary"
    )
    pytest.importorskip("sqlglot", reason="the Redshift stand-in reads SQL with it: pip install sqlglot")
    with redshift_standin(standin) as running:
        yield running


@pytest.fixture(scope="session")
def services_server():
    """Secrets, topics, queues and a bus of AWS on loopback, for all tests of this process."""
    if program() is None:
        pytest.skip(NO_SERVICES)
    with aws_services() as running:
        yield running


@pytest.fixture
def services(services_server, monkeypatch):
    """The variables by which those services are reached, beside those of S3 where they are set."""
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)  # it keeps the credentials that it once found
    for name, value in services_server.variables().items():
        if name not in os.environ or not name.startswith(("AWS_ACCESS", "AWS_SECRET")):
            monkeypatch.setenv(name, value)
    return services_server


@pytest.fixture
def redshift(redshift_server, aws, monkeypatch):
    """The variables of `aws` with a warehouse in which nothing is yet; yields the server."""
    for name, value in redshift_server.variables(f"t{uuid.uuid4().hex}").items():
        monkeypatch.setenv(name, value)
    redshift_server.backend.statements.clear()
    yield redshift_server
    redshift_server.backend.plan = lambda statement: None


@pytest.fixture
def aws(standin, monkeypatch, tmp_path):
    """The variables of an environment `aws` with nothing in it yet."""
    variables = standin.variables(f"test-{uuid.uuid4().hex}")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    catalog = load_catalog("fallrisk", **opened("lake").catalog_properties())
    for model in (Readings, Days):  # the catalog is one for all tests
        try:
            catalog.drop_table(model.spec.identifier)
        except NoSuchTableError:
            pass
    return variables


@pytest.fixture(params=["local", "aws"])
def warehouse_environment(request, monkeypatch, tmp_path):
    """`local` and `aws` with its warehouse, one after the other, each with nothing in it yet."""
    if request.param == "aws":
        request.getfixturevalue("redshift")
    else:
        monkeypatch.setenv("FALLRISK_ENV", "local")
        monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    return request.param


@pytest.fixture(params=["local", "aws"])
def environment(request, monkeypatch, tmp_path):
    """`local` and `aws`, one after the other, each with nothing in it yet."""
    if request.param == "aws":
        request.getfixturevalue("aws")
    else:
        monkeypatch.setenv("FALLRISK_ENV", "local")
        monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    return request.param
