"""A clinic moves to S3 and Redshift, goes on there, and could come back."""

from datetime import date

import dagster as dg
import pytest
from pyiceberg.catalog import load_catalog

from fallrisk_assets.definitions import build_defs
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.environments import opened
from fallrisk_assets.equality import differences, held_in
from fallrisk_assets.equality import main as compare
from fallrisk_assets.jobs import IDENTITY_DAILY, LAKEHOUSE_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.migrate.__main__ import main
from simulator.cohort import CohortOptions, simulate_cohort

DAY = "2026-01-05"
TABLES = [model for model in all_contracts() if model.spec.namespace != "warehouse"]


def work(environment: str, job: str, first: str, last: str) -> None:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(environment).resolve_job_def(job)
        assert job.execute_in_process(tags=tags, instance=instance).success


@pytest.fixture
def local_clinic(tmp_path, monkeypatch, redshift):
    """A day of a small cohort in the data folder, and an empty AWS beside it."""
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "here"))
    options = CohortOptions(patients=1, days=1, start=date(2026, 1, 5), rate_hz=50, hours_per_day=(0.1,))
    simulate_cohort(tmp_path / "here" / "landing", None, options)
    catalog = load_catalog("fallrisk", **opened("lake", "aws").catalog_properties())
    for namespace in catalog.list_namespaces():
        for table in catalog.list_tables(namespace):
            catalog.drop_table(table)
    work("local", IDENTITY_DAILY, DAY, DAY)
    work("local", TELEMETRY_HOURLY, f"{DAY}-00:00", f"{DAY}-23:00")
    work("local", LAKEHOUSE_DAILY, DAY, DAY)


@pytest.mark.slow
def test_a_clinic_moves_goes_on_where_it_was_and_could_come_back(local_clinic, monkeypatch, tmp_path, capsys):
    assert main(["local", "aws", "--dry-run"]) == 0
    assert compare(["local", "aws"]) == 1
    assert opened("lake", "aws").ledger.keys(TABLES[0]) == [], "a dry run copies nothing"
    assert main(["local", "aws"]) == 0
    here = held_in("local")
    assert differences(here, held_in("aws")) == []
    assert sum(one.rows > 0 for one in here.values()) > 20
    assert opened("reports", "aws").read("pages/index.html") == opened("reports", "local").read(
        "pages/index.html"
    )

    lake = opened("lake", "aws")
    before = {m.spec.identifier: lake.ledger.find_all(m, lake.ledger.keys(m)) for m in TABLES}
    work("aws", TELEMETRY_HOURLY, f"{DAY}-00:00", f"{DAY}-23:00")
    after = {m.spec.identifier: lake.ledger.find_all(m, lake.ledger.keys(m)) for m in TABLES}
    changed = {
        name: [key for key, entry in after[name].items() if entry.content_hash != entries[key].content_hash]
        for name, entries in before.items()
    }
    assert not any(changed.values()), "what was moved is what would be made"
    kept = after["clean.telemetry"]
    assert {e.snapshot_id for e in kept.values()} == {
        e.snapshot_id for e in before["clean.telemetry"].values()
    }, "the first run after the move finds nothing to make anew"

    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "back"))
    assert main(["aws", "local"]) == 0
    assert differences(held_in("local"), held_in("aws")) == []
    assert compare(["local", "aws"]) == 0
    assert "equal on both sides" in capsys.readouterr().out


@pytest.mark.slow
def test_a_move_in_the_wrong_direction_is_stopped_before_it_puts_anything_away(local_clinic, capsys):
    assert main(["local", "local,lake=aws"]) == 0
    identity = next(m for m in TABLES if m.spec.identifier == "clean.patients")
    lake = opened("lake", "aws")
    with lake.publication(identity, [DAY], "after-the-move") as publication:
        publication.commit()  # the target has gone on: nobody is known any more
    assert main(["local", "local,lake=aws", "--only", "lake"]) == 2
    said = capsys.readouterr()
    assert f"lake clean.patients {DAY}: the target has another version" in said.err
    assert lake.ledger.get(identity, DAY).run_id == "after-the-move"
    assert main(["local", "local,lake=aws", "--only", "lake", "--replace"]) == 0
    assert lake.ledger.get(identity, DAY).rows > 0


def test_a_variable_that_is_not_set_stops_it_with_its_name(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path))
    monkeypatch.delenv("FALLRISK_LANDING", raising=False)
    assert main(["local", "local,landing=aws"]) == 2
    assert "resource landing: FALLRISK_LANDING: is not set" in capsys.readouterr().err
