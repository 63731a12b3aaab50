"""What `make status` says, and what it fails for: one lakehouse of a few hours, looked at at a given time."""

import dataclasses
import datetime as dt
import os

import pytest

from fallrisk_assets import status
from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import Page
from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.lake import Lake
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex
from fallrisk_assets.warehouse.contract import TABLES, FactRiskScore
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse

NOW = dt.datetime(2026, 1, 6, 9, 30, tzinfo=dt.UTC)
LIMITS = {"hour": dt.timedelta(hours=3), "day": dt.timedelta(days=2)}


def table(slicing: str, *keys: str) -> status.TableState:
    return status.TableState(f"clean.{slicing}", slicing, keys, 0)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path))
    return tmp_path


def publish(model, *keys: str) -> None:
    lake = Lake()
    with lake.publication(model, list(keys)) as publication:
        publication.commit()


def say(capsys, *words: str, now: dt.datetime = NOW) -> tuple[int, str]:
    code = status.main(["--max-age-hours", "0", "--max-age-days", "0", *words], now=now)
    return code, capsys.readouterr().out


def test_partitions_later_than_now_do_not_pass_for_the_last_good_one(data, capsys):
    publish(FallEvents, "2026-01-05-10:00", "2030-01-05-10:00")
    publish(FallRiskIndex, "2026-01-03", "2030-01-05")
    code, said = say(capsys, "--max-age-hours", "3", "--max-age-days", "2")
    assert code == 1
    assert "2030" not in said
    assert "✗ the last good hour is 2026-01-05-10:00: curated.fall_events" in said
    assert "✗ the last good day is 2026-01-03: curated.fall_risk_index" in said


def test_a_daily_table_is_stale_after_its_days_and_an_hourly_one_after_its_hours():
    fresh = [table("hour", "2026-01-06-06:00"), table("day", "2026-01-04")]
    assert status.stale(fresh, NOW, LIMITS) == {}
    old = [table("hour", "2026-01-06-05:00"), table("day", "2026-01-03")]
    assert status.stale(old, NOW, LIMITS) == {"hour": [old[0]], "day": [old[1]]}


def test_a_table_that_was_never_published_is_stale_once_others_are_older_than_its_limit():
    first_morning = [table("hour", "2026-01-06-08:00"), table("day")]
    assert status.stale(first_morning, NOW, LIMITS) == {}
    assert status.stale([table("hour", "2026-01-02-08:00", "2026-01-06-08:00"), table("day")], NOW, LIMITS)
    assert status.stale([table("day")], NOW, LIMITS), "nothing at all was published"


def test_a_table_that_is_published_on_demand_is_never_stale_and_makes_no_other_stale():
    asked = dataclasses.replace(table("day", "2026-01-02"), on_demand=True)
    assert status.stale([asked, dataclasses.replace(table("hour"), on_demand=True)], NOW, LIMITS) == {}
    first_morning = [table("hour", "2026-01-06-08:00"), table("day")]
    assert status.stale([asked, *first_morning], NOW, LIMITS) == {}


def test_the_warehouse_is_listed_by_the_last_day_that_people_can_read_and_fails_when_it_is_old(data, capsys):
    warehouse = Warehouse()
    empty = warehouse.query("SELECT * FROM fact_risk_score")
    for day in ("2026-01-02", "2026-01-03"):
        warehouse.replace_slices(FactRiskScore, {day: empty})
    warehouse.export_snapshot()
    warehouse.replace_slices(FactRiskScore, {"2026-01-05": empty})
    code, said = say(capsys, "--max-age-days", "2")
    (line,) = [line.split() for line in said.splitlines() if line.startswith("warehouse.fact_risk_score")]
    assert line[1:] == ["2", "2026-01-03", "0"]
    assert code == 1
    assert "✗ the last good day is 2026-01-03: warehouse.fact_risk_score" in said


def test_every_table_of_lake_and_warehouse_is_listed_and_a_whole_one_has_no_day(data, capsys):
    warehouse = Warehouse()
    (dimension,) = [model for model in TABLES if model.spec.name == "dim_site"]
    warehouse.replace_slices(dimension, {WHOLE_TABLE: warehouse.query("SELECT * FROM dim_site")})
    warehouse.export_snapshot()
    _, said = say(capsys)
    lines = {line.split()[0]: line.split()[1:] for line in said.splitlines() if "." in line.split(" ")[0]}
    assert lines["warehouse.dim_site"] == ["1", "whole", "0"]
    assert set(lines) == {model.spec.identifier for model in all_contracts()}


def page(contact: Contact) -> Page:
    at = NOW - dt.timedelta(minutes=2)
    whole = dt.timedelta(hours=1)
    return Page(
        *("al-1", "pt-9", "FALL_DETECTED", "critical", "OPENED", 0),
        *(at, at, whole, at, at, contact.contact_id, contact.channel),
    )


def test_a_delivery_that_failed_within_a_day_is_trouble_and_an_older_one_is_not(data, capsys):
    with Ledger(data / "outbox.db") as ledger:
        ledger.enqueue([page(Contact("nurse-7", "nurse", "email", "x@example.org"))], NOW)
        ledger.deliver(NOW, {}, {})
    code, said = say(capsys, now=NOW + dt.timedelta(hours=23))
    assert code == 1
    assert "✗ notifications reached nobody: FALL_DETECTED by email (1)" in said
    assert "example.org" not in said
    assert "pt-9" not in said
    assert say(capsys, now=NOW + dt.timedelta(hours=25))[0] == 0


def test_the_oldest_drop_that_waits_is_trouble_after_some_hours_however_few_they_are(data, capsys):
    folder = data / "landing" / "telemetry"
    folder.mkdir(parents=True)
    for name, age_h in (("20260105T100000Z-imu-1-0a1b2c3d", 5), ("20260106T080000Z-imu-1-0a1b2c3e", 1)):
        drop = folder / f"{name}.jsonl.gz"
        drop.write_bytes(b"")
        landed = (NOW - dt.timedelta(hours=age_h)).timestamp()
        os.utime(drop, (landed, landed))
    code, said = say(capsys)
    assert code == 1
    assert "2 drops landed and not registered, the oldest 5 h ago" in said
    assert "✗ a drop landed 5 h ago and is not registered: telemetry/20260105T100000Z-imu-1" in said
    assert say(capsys, "--max-drop-hours", "6")[0] == 0


def test_a_lakehouse_that_is_fresh_in_every_respect_is_well(data, capsys):
    publish(Patients, "2026-01-05")
    code, said = say(capsys, "--max-age-days", "2")
    assert code == 0
    assert said.splitlines()[-1] == "✓ nothing is stale"
