from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import dagster as dg
import pytest

from fallrisk_assets.event_log import KeptOpenSqliteEventLogStorage, written_together

YAML = """
event_log_storage:
  module: fallrisk_assets.event_log
  class: KeptOpenSqliteEventLogStorage
  config:
    home:
      env: DAGSTER_HOME
"""


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def thing() -> None:
    return None


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def run_once(partition: str) -> str:
    with dg.DagsterInstance.get() as instance:
        return dg.materialize([thing], partition_key=partition, instance=instance).run_id


def test_what_is_logged_with_files_kept_open_dagsters_own_class_reads(home):
    (home / "dagster.yaml").write_text(YAML)
    run_id = run_once("a")
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, KeptOpenSqliteEventLogStorage)
        kept_open = [e.dagster_event_type for e in instance.all_logs(run_id)]
    (home / "dagster.yaml").write_text("{}")
    with dg.DagsterInstance.get() as instance:
        assert [e.dagster_event_type for e in instance.all_logs(run_id)] == kept_open
        assert instance.get_materialized_partitions(thing.key) == {"a"}


def test_another_process_like_reader_sees_each_run_while_the_writer_keeps_its_files_open(home):
    (home / "dagster.yaml").write_text(YAML)
    with dg.DagsterInstance.get() as writer:
        for partition in ("a", "b"):
            dg.materialize([thing], partition_key=partition, instance=writer)
            with dg.DagsterInstance.get() as reader:
                assert partition in reader.get_materialized_partitions(thing.key)


def test_many_runs_do_not_keep_many_files_open(home):
    (home / "dagster.yaml").write_text(YAML)
    with dg.DagsterInstance.get() as instance:
        for _ in range(12):
            dg.materialize([thing], partition_key="a", instance=instance)
        assert len(instance.event_log_storage._engines) <= 8


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(["a", "b", "c"]),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def range_of_things() -> None:
    return None


def materialize_a_range(instance: dg.DagsterInstance) -> list[tuple]:
    """Return what the log says of a range run, without times and ids."""
    ends = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    run_id = dg.materialize([range_of_things], tags=ends, instance=instance).run_id
    events = [e.dagster_event for e in instance.all_logs(run_id) if e.dagster_event]
    return [(e.event_type_value, e.partition) for e in events]


def test_a_batch_of_events_leaves_the_same_log_as_one_by_one(home, monkeypatch):
    (home / "dagster.yaml").write_text(YAML)
    with dg.DagsterInstance.get() as instance:
        one_by_one = materialize_a_range(instance)
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2")
        together = []
        monkeypatch.setattr(
            KeptOpenSqliteEventLogStorage,
            "store_event_batch",
            lambda self, events, store=KeptOpenSqliteEventLogStorage.store_event_batch: (
                together.append(len(events)) or store(self, events)
            ),
        )
        assert materialize_a_range(instance) == one_by_one
        assert together == [2, 2]  # of the three that are planned, and of the three that are there
        assert instance.get_materialized_partitions(range_of_things.key) == {"a", "b", "c"}


def stored(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_materializations(thing.key, limit=10).records)


def test_what_is_written_together_is_seen_by_others_at_the_end_and_not_at_all_after_an_error(home):
    (home / "dagster.yaml").write_text(YAML)
    event = dg.AssetMaterialization(thing.key, partition="a")
    with dg.DagsterInstance.get() as writer, dg.DagsterInstance.get() as reader:
        with written_together(writer), written_together(writer):
            writer.report_runless_asset_event(event)
            writer.report_runless_asset_event(event)
            assert (stored(writer), stored(reader)) == (2, 0)
        assert (stored(writer), stored(reader)) == (2, 2)
        with suppress(ZeroDivisionError), written_together(writer):
            writer.report_runless_asset_event(event)
            _ = 1 / 0
        assert (stored(writer), stored(reader)) == (2, 2)
        writer.report_runless_asset_event(event)
        assert stored(reader) == 3


def test_another_thread_waits_for_the_end_of_what_is_written_together(home):
    (home / "dagster.yaml").write_text(YAML)
    event = dg.AssetMaterialization(thing.key, partition="a")
    with dg.DagsterInstance.get() as instance, ThreadPoolExecutor(1) as other:
        with suppress(ZeroDivisionError), written_together(instance):
            instance.report_runless_asset_event(event)
            theirs = other.submit(instance.report_runless_asset_event, event)
            assert not wait([theirs], timeout=0.05).done
            _ = 1 / 0
        theirs.result()
        assert stored(instance) == 1  # theirs, which was no part of what was undone


def test_any_other_log_stores_as_it_always_does():
    with dg.DagsterInstance.ephemeral() as instance, written_together(instance):
        instance.report_runless_asset_event(dg.AssetMaterialization(thing.key, partition="a"))
        assert stored(instance) == 1
