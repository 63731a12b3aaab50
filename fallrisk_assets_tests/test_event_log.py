import dagster as dg
import pytest

from fallrisk_assets.event_log import KeptOpenSqliteEventLogStorage

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
