import json
import logging

import dagster as dg

from fallrisk_assets.logs import JsonFileHandler, JsonFormatter, partition_of
from fallrisk_assets.partitions import daily


def test_a_line_of_a_run_carries_its_run_job_step_and_partition(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path))

    @dg.asset(partitions_def=daily)
    def steps(context: dg.AssetExecutionContext) -> None:
        context.log.info("counted")

    handler = {"handlers": {"file": {"class": "fallrisk_assets.logs.JsonFileHandler", "level": "INFO"}}}
    overrides = {"python_logs": {"dagster_handler_config": handler}}
    with dg.instance_for_test(overrides=overrides) as instance:
        result = dg.materialize([steps], partition_key="2026-01-05", instance=instance)
    lines = [json.loads(text) for text in (tmp_path / "logs" / "events.jsonl").read_text().splitlines()]
    (mine,) = [line for line in lines if line["message"] == "counted"]
    assert mine["run"] == result.run_id
    assert (mine["step"], mine["partition"], mine["level"]) == ("steps", "2026-01-05", "INFO")


def test_a_record_from_elsewhere_is_one_line_of_json_with_what_it_was_given():
    record = logging.LogRecord("fallrisk_assets", logging.INFO, __file__, 1, "published %s", ("t",), None)
    record.partition, record.run = "2026-01-05-07:00", "abc"
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["partition"], line["run"]) == ("published t", "2026-01-05-07:00", "abc")


def test_a_range_of_partitions_is_named_by_its_ends():
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"}
    assert partition_of(tags) == "a…b"
    assert partition_of({}) is None


def test_the_log_file_is_made_when_something_is_logged(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path))
    handler = JsonFileHandler()
    handler.close()
    assert not (tmp_path / "logs" / "events.jsonl").exists()
