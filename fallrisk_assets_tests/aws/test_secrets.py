"""What configuration refers to is found, found anew after a rotation, and written nowhere."""

import json
import logging
import os
import traceback
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from aiosmtpd.smtp import AuthResult

from fallrisk_assets.alerts.channels import SmtpChannel, TransientFailure, WebhookChannel
from fallrisk_assets.alerts.notifications import message_of, ops_alert
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.environments import opened, resources_for
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.publishing import is_transient
from fallrisk_assets.secrets import SecretsUnavailable, is_reference, revealed, without_passwords
from fallrisk_assets.warehouse.contract import FactRiskScore
from fallrisk_assets.warehouse.redshift import RedshiftWarehouse
from fallrisk_assets_tests.alerts.test_channels import AnyPort
from fallrisk_assets_tests.aws.test_environments import launch
from fallrisk_assets_tests.aws.test_warehouse_contract import DAY, scores

PASSWORD = "FALLRISK_REDSHIFT_PASSWORD"


class Kept:
    """A place where secrets are kept, and the reference to one."""

    def __init__(self, kind, tmp_path, server):
        self.kind, self.server = kind, server
        name = f"fallrisk/{uuid.uuid4().hex}"
        self.name = {"file": str(tmp_path / "secret"), "ssm": f"/{name}", "secretsmanager": name}[kind]
        self.reference = f"{kind}:{self.name}"

    def put(self, value):
        if self.kind == "file":
            Path(self.name).write_text(value + "\n")
        elif self.kind == "ssm":
            client = self.server.client("ssm")
            client.put_parameter(Name=self.name, Value=value, Type="SecureString", Overwrite=True)
        else:
            client = self.server.client("secretsmanager")
            try:
                client.put_secret_value(SecretId=self.name, SecretString=value)
            except client.exceptions.ResourceNotFoundException:
                client.create_secret(Name=self.name, SecretString=value)


@pytest.fixture(params=["file", "ssm", "secretsmanager"])
def kept(request, tmp_path):
    server = None if request.param == "file" else request.getfixturevalue("services")
    return Kept(request.param, tmp_path, server)


@pytest.fixture
def managed(services, tmp_path):
    return Kept("secretsmanager", tmp_path, services)


def ask(reference):
    return revealed(reference, "outbox", "FALLRISK_SMTP_PASSWORD")


@pytest.mark.parametrize("text", ["", "p:w#x", "correct horse", "s3cret", "https://a/b#c", "ssm", "file"])
def test_what_is_no_reference_is_the_secret_itself(text):
    assert not is_reference(text)
    assert ask(text) == text


def test_a_secret_is_found_and_after_a_rotation_the_new_one(kept):
    for value in ("old-#1 ü", "new-#2"):
        kept.put(value)
        assert ask(kept.reference) == value


def test_a_field_of_a_secret_is_found_and_after_a_rotation_the_new_one(kept):
    for value in ("old", "new"):
        kept.put(json.dumps({"username": "u", "pass#word": value, "port": 587}))
        assert ask(f"{kept.reference}#pass#word") == value
    assert ask(f"{kept.reference}#port") == "587"


def test_a_secret_is_found_by_its_arn(managed):
    managed.put(json.dumps({"password": "by-arn"}))
    arn = managed.server.client("secretsmanager").describe_secret(SecretId=managed.name)["ARN"]
    assert ask(f"secretsmanager:{arn}#password") == "by-arn"


@pytest.mark.parametrize("value", ["plain-hush", '{"other": "hush"}', '["hush"]', '{"password": "hush'])
def test_a_field_that_is_not_there_is_named_and_the_secret_is_not_told(kept, value):
    kept.put(value)
    with pytest.raises(Misconfigured, match=r"resource outbox: FALLRISK_SMTP_PASSWORD: .*'password'") as told:
        ask(f"{kept.reference}#password")
    assert kept.reference in str(told.value)
    assert "hush" not in "".join(traceback.format_exception(told.value))


def test_a_secret_that_is_not_there_is_named_with_variable_and_resource(kept):
    with pytest.raises(
        Misconfigured, match=r"resource outbox: FALLRISK_SMTP_PASSWORD: .*cannot be read"
    ) as told:
        ask(kept.reference)
    assert kept.reference in str(told.value)


def test_a_store_that_does_not_answer_is_an_outage_and_no_misconfiguration(services, monkeypatch):
    for service in ("SECRETS_MANAGER", "SSM"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:1")
    for reference in ("ssm:/x", "secretsmanager:x"):
        with pytest.raises(SecretsUnavailable, match=reference):
            ask(reference)


def test_without_a_region_the_variable_is_named(services, monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(Misconfigured, match="AWS_REGION is not set"):
        ask("ssm:/x")


def test_passwords_of_addresses_are_not_shown():
    text = "postgresql://me:hush:1@db:5432/x and https://t.example/a@b"
    assert without_passwords(text) == "postgresql://me:***@db:5432/x and https://t.example/a@b"


def test_what_holds_a_secret_does_not_show_it():
    held = (
        RedshiftWarehouse(address="a", password="hush-1", role="r", staging="s"),
        OutboxResource(smtp_password="hush-2", webhook_token="hush-3"),
        SmtpChannel("h", 25, "s", "u", "hush-4"),
        WebhookChannel(token="hush-5"),
    )
    assert "hush" not in repr(held)
    assert "hush" not in str([str(one) for one in held])


@contextmanager
def database_user(redshift, password):
    """A user of the Redshift stand-in whose password a test may change."""
    import psycopg2

    def say(statement):
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=redshift.backend.port,
            user="fallrisk",
            password=redshift.password,
            dbname="fallrisk",
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    name = f"loader_{uuid.uuid4().hex}"
    say(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{password}'")
    yield name, lambda new: say(f"ALTER ROLE {name} PASSWORD '{new}'")


@pytest.fixture
def referring(redshift, services, managed, monkeypatch):
    """A warehouse whose password is a reference; yields what changes it in the database and in the store."""
    managed.put(json.dumps({"password": "hush-first"}))
    with database_user(redshift, "hush-first") as (name, change):
        address = os.environ["FALLRISK_REDSHIFT"].replace("fallrisk@", f"{name}@")
        monkeypatch.setenv("FALLRISK_REDSHIFT", address)
        monkeypatch.setenv(PASSWORD, f"{managed.reference}#password")
        yield change, lambda new: managed.put(json.dumps({"password": new}))


def test_a_warehouse_goes_on_after_its_password_was_rotated(referring):
    in_database, in_store = referring
    warehouse = opened("warehouse")
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    in_database("hush-second")
    in_store("hush-second")
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.3))
    assert warehouse.read(FactRiskScore)["probability_12m"].to_pylist() == [0.3]


def test_a_password_that_the_store_does_not_know_yet_is_refused_and_named_and_not_told(referring):
    in_database, in_store = referring
    in_database("hush-second")
    with pytest.raises(Misconfigured, match=f"resource warehouse: {PASSWORD}: .*does not let us in") as told:
        launch("warehouse")
    assert "hush" not in str(told.value)
    in_store("hush-second")
    assert launch("warehouse").success


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("warehouse", PASSWORD),
        ("lake", "FALLRISK_CATALOG"),
        ("outbox", "FALLRISK_SMTP_PASSWORD"),
    ],
)
def test_a_reference_to_nothing_fails_at_launch_with_resource_and_variable(
    redshift, services, monkeypatch, name, variable
):
    monkeypatch.setenv("FALLRISK_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv(variable, "secretsmanager:fallrisk/nothing#x")
    with pytest.raises(
        Misconfigured, match=f"resource {name}: {variable}: secretsmanager:fallrisk/nothing#x"
    ):
        launch(name)


def test_an_outage_of_the_store_keeps_pages_waiting_and_nothing_else(services, monkeypatch, tmp_path):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    monkeypatch.setenv("FALLRISK_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("FALLRISK_SMTP_PASSWORD", "secretsmanager:x")
    assert launch("outbox").success
    with pytest.raises(SecretsUnavailable, match="secretsmanager:x: EndpointConnectionError") as away:
        OutboxResource().channels()
    assert is_transient(away.value)


class Login:
    """A mail server's login: one password, and what was tried."""

    def __init__(self, password):
        self.password = password

    def __call__(self, server, session, envelope, mechanism, data):
        right = data.password.decode() == self.password
        return AuthResult(success=right, handled=right)


class Sink:
    """Takes every mail."""

    async def handle_DATA(self, server, session, envelope):
        return "250 taken"


@contextmanager
def mail_server(password):
    login = Login(password)
    options = {"authenticator": login, "auth_require_tls": False, "auth_exclude_mechanism": ["LOGIN"]}
    controller = AnyPort(Sink(), "127.0.0.1", 0, **options)
    controller.start()
    try:
        yield controller.port, login
    finally:
        controller.stop()


def a_message():
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return message_of(ops_alert("RUN_FAILED", "job", at=at, contact=OutboxResource().ops()), "http://x")


def test_mail_is_sent_with_the_password_of_the_moment(managed, monkeypatch):
    managed.put(json.dumps({"user": "hush-name", "word": "hush-first"}))
    with mail_server("hush-first") as (port, login):
        for variable, value in {
            "FALLRISK_SMTP_HOST": "127.0.0.1",
            "FALLRISK_SMTP_PORT": str(port),
            "FALLRISK_SMTP_USERNAME": f"{managed.reference}#user",
            "FALLRISK_SMTP_PASSWORD": f"{managed.reference}#word",
        }.items():
            monkeypatch.setenv(variable, value)
        outbox = OutboxResource()
        outbox.channels()["email"].send(a_message(), "ward@example.org")
        login.password = "hush-second"
        with pytest.raises(TransientFailure, match="login refused") as told:
            outbox.channels()["email"].send(a_message(), "ward@example.org")
        assert "hush" not in repr(told.value)
        managed.put(json.dumps({"user": "hush-name", "word": "hush-second"}))
        outbox.channels()["email"].send(a_message(), "ward@example.org")


def everything_in(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_that_a_run_writes_has_a_secret_in_it(
    referring, managed, monkeypatch, tmp_path, caplog, capfd
):
    """Good runs and failing ones, and all that is logged even where somebody wants to hear everything."""
    in_database, _ = referring
    managed.put(json.dumps({"password": "hush-first", "mail": "hush-mail", "hook": "hush-hook"}))
    for variable, value in {
        "FALLRISK_SMTP_HOST": "127.0.0.1",
        "FALLRISK_SMTP_PORT": "1",
        "FALLRISK_SMTP_USERNAME": "u",
        "FALLRISK_SMTP_PASSWORD": f"{managed.reference}#mail",
        "FALLRISK_SEND_WEBHOOKS": "yes",
        "FALLRISK_WEBHOOK_TOKEN": f"{managed.reference}#hook",
    }.items():
        monkeypatch.setenv(variable, value)

    @dg.asset(required_resource_keys={"warehouse"})
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        warehouse = context.resources.warehouse
        entry = warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2), context.run.run_id)
        context.log.info(f"{warehouse} has {entry}")
        return dg.MaterializeResult(metadata={"warehouse": repr(warehouse), "rows": entry.rows})

    @dg.asset(required_resource_keys={"outbox"})
    def told(context: dg.AssetExecutionContext) -> None:
        channels = context.resources.outbox.channels()
        context.log.info(f"by {channels}")
        channels["email"].send(a_message(), "ward@example.org")

    caplog.set_level(logging.DEBUG)
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:

        def run(asset):
            found = dg.materialize(
                [asset], resources=resources_for("aws"), instance=instance, raise_on_error=False
            )
            return found.success

        assert run(published)
        assert not run(told), "no mail server is there"
        in_database("hush-changed")
        assert not run(published), "the password is refused"
        in_database("hush-first")
        managed.put(json.dumps({"password": "hush-first"}))
        assert not run(told), "the field is gone"
    said = capfd.readouterr()
    written = everything_in(tmp_path) + (said.out + said.err + caplog.text).encode()
    assert b"login refused" in written or b"SMTP 127.0.0.1:1" in written
    assert b"does not let us in" in written
    assert b"is no JSON object with a field 'mail'" in written
    assert written.count(b"hush") == 0
