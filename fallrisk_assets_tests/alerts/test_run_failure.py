"""What the platform goes through is told through the same outbox."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo

from fallrisk_assets.alerts import run_failure
from fallrisk_assets.alerts.actions import Action, append_action
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing

_ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository"), "looks_away"
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def outbox(tmp_path: Path) -> OutboxResource:
    return OutboxResource(path=str(tmp_path / "outbox.db"), messages=str(tmp_path / "outbox.jsonl"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path / "lake"))


def told(outbox: OutboxResource) -> list[dict]:
    path = Path(outbox.messages)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dg.asset(
    check_specs=[dg.AssetCheckSpec("adds_up", asset="sums"), dg.AssetCheckSpec("is_pretty", asset="sums")]
)
def sums() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="adds_up", passed=False)
    yield dg.AssetCheckResult(check_name="is_pretty", passed=False, severity=dg.AssetCheckSeverity.WARN)


@dg.asset
def broken() -> None:
    raise ValueError("Erika Mustermann, PAT000001, has a negative age")


def test_a_failed_run_is_told_with_step_and_class_of_error_but_not_its_text(
    instance: dg.DagsterInstance, lake: Lake, outbox: OutboxResource
) -> None:
    result = dg.materialize([broken], instance=instance, raise_on_error=False)
    for _ in range(2):
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
        ).for_run_failure()
        run_failure.failed_runs(context, lake=lake, outbox=outbox)
    (message,) = told(outbox)
    assert message["rule"] == "RUN_FAILED"
    assert "broken (ValueError)" in message["detail"]
    assert "Mustermann" not in json.dumps(message)


def test_a_failed_check_is_told_once_and_a_warning_is_not(
    instance: dg.DagsterInstance, lake: Lake, outbox: OutboxResource
) -> None:
    dg.materialize([sums], instance=instance)
    cursor = None
    for _ in range(2):
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        run_failure.failed_checks(context, lake=lake, outbox=outbox)
        cursor = context.cursor
    assert [m["subject"] for m in told(outbox)] == ["sums: adds_up"]


def test_a_sensor_that_fails_is_told_once(tmp_path: Path, lake: Lake, outbox: OutboxResource) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        now = outbox.now()
        state = InstigatorState(
            _ORIGIN, InstigatorType.SENSOR, InstigatorStatus.RUNNING, SensorInstigatorData()
        )
        instance.add_instigator_state(state)
        for minutes, status in ((3, TickStatus.SKIPPED), (2, TickStatus.FAILURE)):
            instance.create_tick(
                TickData(
                    _ORIGIN.get_id(),
                    "looks_away",
                    InstigatorType.SENSOR,
                    status,
                    (now - timedelta(minutes=minutes)).timestamp(),
                    selector_id=state.selector_id,
                    error=SerializableErrorInfo("Erika Mustermann", [], "ValueError")
                    if status == TickStatus.FAILURE
                    else None,
                )
            )
        cursor = None
        for _ in range(2):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            run_failure.failed_sensors(context, lake=lake, outbox=outbox)
            cursor = context.cursor
    told_of = [(m["rule"], m["subject"], m["detail"]) for m in told(outbox)]
    assert told_of == [("SENSOR_FAILED", "looks_away", "ValueError")]


def test_what_waits_for_a_retry_is_sent_without_any_run(
    instance: dg.DagsterInstance, lake: Lake, outbox: OutboxResource
) -> None:
    now = outbox.now()
    with outbox.ledger() as ledger:
        page = run_failure.ops_alert("RUN_FAILED", "a job", at=now, contact=outbox.ops())
        ledger.enqueue([page], now)
        ledger.enqueue(
            [run_failure.ops_alert("RUN_FAILED", "b", at=now - timedelta(days=2), contact=outbox.ops())], now
        )
    run_failure.waiting_pages(dg.build_sensor_context(instance=instance), lake=lake, outbox=outbox)
    assert [m["subject"] for m in told(outbox)] == ["a job"]


def test_new_actions_ask_for_the_hours_since_once(
    instance: dg.DagsterInstance, outbox: OutboxResource, tmp_path: Path
) -> None:
    at = outbox.now() - timedelta(hours=2)
    action = Action(
        "a", "pt-1", "FALL_DETECTED", datetime(2026, 1, 5, tzinfo=UTC), "acknowledge", "nurse-7", at
    )
    append_action(tmp_path / "landing" / "alert_actions", action)
    landing = Landing(root=str(tmp_path / "landing"))
    context = dg.build_sensor_context(instance=instance)
    first = run_failure.new_actions(context, landing=landing, outbox=outbox)
    (request,) = first.run_requests
    assert request.tags["dagster/asset_partition_range_start"] == at.strftime("%Y-%m-%d-%H:00")
    again = dg.build_sensor_context(instance=instance, cursor=first.cursor)
    assert not run_failure.new_actions(again, landing=landing, outbox=outbox).run_requests


def test_an_action_of_an_hour_to_come_asks_for_no_hour_later_than_now(
    instance: dg.DagsterInstance, outbox: OutboxResource, tmp_path: Path
) -> None:
    landing = Landing(root=str(tmp_path / "landing"))
    now = outbox.now()

    def asked(at: datetime) -> list[str]:
        opened = datetime(2026, 1, 5, tzinfo=UTC)
        action = Action("a", "pt-1", "FALL_DETECTED", opened, "acknowledge", "nurse-7", at)
        append_action(tmp_path / "landing" / "alert_actions", action)
        context = dg.build_sensor_context(instance=instance)
        requests = run_failure.new_actions(context, landing=landing, outbox=outbox).run_requests or []
        return [r.tags["dagster/asset_partition_range_end"] for r in requests]

    assert asked(now + timedelta(days=2)) == []
    (last,) = asked(now - timedelta(hours=2))
    assert now.strftime("%Y-%m-%d-%H:00") <= last <= outbox.now().strftime("%Y-%m-%d-%H:00")
