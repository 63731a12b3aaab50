"""History that the warehouse has forgotten: what the views over the lake's tables say.

The stand-in has no external schemas: the lake's tables are plain ones of that name here, which shows the
views' SQL. That Redshift reads Iceberg through its catalog is AWS's word.
"""

import datetime as dt

import pytest

from fallrisk_assets.contract import columns_of
from fallrisk_assets.environments import opened
from fallrisk_assets.warehouse import redshift_sql, spectrum
from fallrisk_assets.warehouse.retention import FACT_DAYS

ROLE = "arn:aws:iam::123456789012:role/reads"
TODAY = dt.datetime.now(dt.UTC).date()
OLD, KEPT = TODAY - dt.timedelta(days=FACT_DAYS + 1), TODAY - dt.timedelta(days=FACT_DAYS)


@pytest.fixture
def warehouse(redshift):
    """A warehouse beside plain tables in the place of the external ones."""
    found = opened("warehouse")

    def make(session):
        session.execute(f"DROP SCHEMA IF EXISTS {spectrum.SCHEMA} CASCADE")
        session.execute(f"CREATE SCHEMA {spectrum.SCHEMA}")
        for history in spectrum.HISTORIES:
            columns = redshift_sql._columns(columns_of(history.model), redshift_sql._TYPES)
            session.execute(f"CREATE TABLE {spectrum.SCHEMA}.{history.model.spec.name} ({columns})")
        for history in spectrum.HISTORIES:
            session.execute(spectrum.history_view(history))

    found.transact(make)
    yield found
    found.transact(lambda session: session.execute(f"DROP SCHEMA {spectrum.SCHEMA} CASCADE"))


def insert(warehouse, table, **values):
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    statement = f"INSERT INTO {spectrum.SCHEMA}.{table} ({names}) VALUES ({marks})"
    warehouse.transact(lambda session: session.execute(statement, list(values.values())))


def at(day, hour=0):
    return dt.datetime.combine(day, dt.time(hour), dt.UTC)


def test_only_what_the_warehouse_has_forgotten_is_history(warehouse):
    for day in (OLD, KEPT, TODAY):
        insert(warehouse, "fall_risk_index", patient_id="pt-1", day=day)
        insert(warehouse, "appointments", appointment_id=f"A{day}", day=day, scheduled_date=day)
        insert(warehouse, "alerts", alert_id=f"a{day}", hour=at(day), opened_at=at(day))
    for view, column, value in (
        ("history_risk_score", "day", OLD),
        ("history_appointment", "scheduled_date", OLD),
        ("history_alert", "opened_at", at(OLD)),
    ):
        assert warehouse.query(f"SELECT {column} FROM {view}").to_pylist() == [{column: value}], view


def test_of_what_changed_the_last_state_is_history_also_where_that_is_younger(warehouse):
    for hour, state in ((1, "new"), (3, "resolved"), (2, "acknowledged")):
        insert(warehouse, "alerts", alert_id="a1", hour=at(OLD, hour), opened_at=at(OLD), state=state)
    insert(warehouse, "appointments", appointment_id="A2", day=OLD, scheduled_date=OLD, status="Scheduled")
    insert(warehouse, "appointments", appointment_id="A2", day=TODAY, scheduled_date=OLD, status="Completed")
    assert warehouse.query("SELECT state FROM history_alert").to_pylist() == [{"state": "resolved"}]
    assert warehouse.query("SELECT status FROM history_appointment").to_pylist() == [{"status": "Completed"}]


def test_no_view_shows_what_identifies_a_person_and_none_the_number_of_a_change():
    for history in spectrum.HISTORIES:
        said = spectrum.history_view(history)
        shown = said.partition(" FROM ")[0]
        assert "newest" not in shown
        for column in columns_of(history.model):
            assert (f'"{column.name}"' in shown) == (column.pii != "direct")


def test_the_external_schema_is_the_catalog_s_curated_namespace_read_with_the_role():
    assert spectrum.external_schema(ROLE, "eu-west-1") == (
        "CREATE EXTERNAL SCHEMA IF NOT EXISTS lake_curated FROM DATA CATALOG DATABASE 'curated' "
        f"REGION 'eu-west-1' IAM_ROLE '{ROLE}'"
    )
    assert {history.model.spec.namespace for history in spectrum.HISTORIES} == {"curated"}


def test_the_command_prints_what_it_would_run(redshift, capsys):
    assert spectrum.main([]) == 0
    printed = capsys.readouterr().out
    assert printed.count(";") == 1 + len(spectrum.HISTORIES)
    assert opened("warehouse").role in printed


def test_the_command_says_why_a_local_warehouse_has_no_history(monkeypatch, capsys):
    monkeypatch.setenv("FALLRISK_ENV", "local")
    assert spectrum.main(["--apply"]) == 2
    assert "not Redshift" in capsys.readouterr().err
