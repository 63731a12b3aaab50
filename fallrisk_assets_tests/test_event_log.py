import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import groupby, islice

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

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
            assert (stored(writer), stored(reader)) == (0, 0)
        assert (stored(writer), stored(reader)) == (2, 2)
        with suppress(ZeroDivisionError), written_together(writer):
            writer.report_runless_asset_event(event)
            _ = 1 / 0
        assert (stored(writer), stored(reader)) == (2, 2)
        writer.report_runless_asset_event(event)
        assert stored(reader) == 3


def test_another_thread_does_not_wait_for_what_is_written_together_and_is_no_part_of_it(home):
    (home / "dagster.yaml").write_text(YAML)
    event = dg.AssetMaterialization(thing.key, partition="a")
    with dg.DagsterInstance.get() as instance, ThreadPoolExecutor(1) as other:
        with suppress(ZeroDivisionError), written_together(instance):
            instance.report_runless_asset_event(event)
            other.submit(instance.report_runless_asset_event, event).result(timeout=60)
            _ = 1 / 0
        assert stored(instance) == 1  # theirs


@dg.multi_asset(
    specs=[dg.AssetSpec(name, partitions_def=range_of_things.partitions_def) for name in ("left", "right")],
    check_specs=[
        dg.AssetCheckSpec("holds", asset="left", partitions_def=range_of_things.partitions_def),
        dg.AssetCheckSpec("holds", asset="right"),
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def judged_things(context: dg.AssetExecutionContext):
    for passed, partition in ((True, "a"), (True, "b"), (False, "b")):
        context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("left"), check_name="holds", passed=passed, partition=partition
            )
        )
    context.log_event(dg.AssetObservation("right", partition="c", tags={"seen": "yes"}))
    yield dg.MaterializeResult(
        "left", check_results=[dg.AssetCheckResult(asset_key="left", check_name="holds", passed=True)]
    )
    yield dg.MaterializeResult(
        "right", check_results=[dg.AssetCheckResult(asset_key="right", check_name="holds", passed=False)]
    )


@pytest.fixture(scope="module")
def events() -> list[dg.EventLogEntry]:
    """Return what Dagster logs of a range run of two judged tables, and of another run of one of them."""
    found = []
    with dg.DagsterInstance.ephemeral() as instance:
        for last in ("c", "b"):
            ends = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": last}
            run_id = dg.materialize([judged_things], tags=ends, instance=instance).run_id
            found += instance.all_logs(run_id)
        instance.report_runless_asset_event(dg.AssetMaterialization("right", partition="b"))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=dg.AssetKey("right"), check_name="holds", passed=True)
        )
        found += instance.all_logs("")
    kinds = {entry.dagster_event_type for entry in found}
    assert {
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        dg.DagsterEventType.ASSET_OBSERVATION,
    } <= kinds
    return found


def contents(home) -> dict[str, list[tuple]]:
    """Return the rows of every table of every file of a log, but for the times at which rows were made."""
    found = {}
    for file in sorted(home.rglob("*.db")):
        with closing(sqlite3.connect(file)) as connection:
            names = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            for name in set(names) - {"secondary_indexes"}:  # migrations that were made, and when
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
                kept = [column for column in columns if column not in MADE_AT[name == "asset_keys"]]
                wanted = ", ".join(f'"{column}"' for column in kept)
                rows = connection.execute(f"SELECT {wanted} FROM {name}").fetchall()
                found[f"{file.name} {name}"] = rows if "asset_keys" not in name else sorted(rows)
    return found


#: Columns that the database fills in by itself; the number of a row in `asset_keys` is used nowhere.
MADE_AT = {False: ("create_timestamp",), True: ("create_timestamp", "id")}


@pytest.fixture(scope="module")
def one_by_one(events, tmp_path_factory) -> dict[str, list[tuple]]:
    """Return what Dagster's own class leaves of the events, stored one after the other."""
    home = tmp_path_factory.mktemp("log")
    log = SqliteEventLogStorage(str(home / "history" / "runs"))
    for event in events:
        log.store_event(event)
    log.dispose()
    return contents(home)


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_batches_leave_the_rows_that_dagsters_own_class_leaves_one_by_one(events, one_by_one, size, tmp_path):
    log = KeptOpenSqliteEventLogStorage(str(tmp_path))
    for _, of_run in groupby(events, key=lambda event: event.run_id):  # a batch is one run's
        while batch := list(islice(of_run, size)):
            log.store_event_batch(batch)
    log.dispose()
    in_batches = contents(tmp_path)
    assert in_batches.keys() == one_by_one.keys()
    for table, rows in one_by_one.items():
        assert in_batches[table] == rows, table


def test_any_other_log_stores_as_it_always_does():
    with dg.DagsterInstance.ephemeral() as instance, written_together(instance):
        instance.report_runless_asset_event(dg.AssetMaterialization(thing.key, partition="a"))
        assert stored(instance) == 1
