"""What became of each run, from the history that Dagster keeps.

Belongs here: reading finished runs and the events of their steps. Does not belong here: what is kept of them
from one time to the next (`assets.py`), when a run is too slow (`alerts/monitoring_rules.py`).

A failure is told by step and class of its error: an error's text may quote rows.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from fallrisk_assets.health import error_class
from fallrisk_assets.warehouse.observability.contract import RUN_ENDS

_AT_ONCE = 200
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_STARTERS = {
    "dagster/schedule_name": "schedule",
    "dagster/sensor_name": "sensor",
    "dagster/backfill": "backfill",
}
_EVENTS = {
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_RESTARTED,
}
_MART = "mart_"
"""How the steps that ask the warehouse the large questions begin."""


def finished_runs(instance: dg.DagsterInstance, since: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Yield a row of `MartPipelineRuns` for each run that has ended, the oldest first.

    Args:
        instance: whose history is read.
        since: leave out runs of which nothing was heard since then, UTC.
    """
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus(end) for end in RUN_ENDS], updated_after=since)
    cursor = None
    while records := instance.get_run_records(wanted, limit=_AT_ONCE, cursor=cursor, ascending=True):
        for record in records:
            yield _row(instance, record)
        cursor = records[-1].dagster_run.run_id


def _row(instance: dg.DagsterInstance, record: dg.RunRecord) -> dict[str, Any]:
    run = record.dagster_run
    created = record.create_timestamp.astimezone(UTC)
    started, ended = _instant(record.start_time), _instant(record.end_time)
    ended = ended or record.update_timestamp.astimezone(UTC)  # a run that was cancelled before it began
    began = started or created
    return {
        "day": began.date(),
        "run_id": run.run_id,
        "job": run.job_name,
        "partition_key": _partition(run.tags),
        "is_range": _RANGE[0] in run.tags,
        "status": run.status.value,
        "started_by": _starter(run.tags),
        "created_at": created,
        "started_at": started,
        "ended_at": ended,
        "queued_s": max((began - created).total_seconds(), 0.0),
        "duration_s": None if started is None else max((ended - started).total_seconds(), 0.0),
        "retry_of": run.tags.get("dagster/parent_run_id"),
        **_steps(instance, run.run_id),
    }


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _partition(tags: Mapping[str, str]) -> str | None:
    if _RANGE[0] in tags:
        return f"{tags[_RANGE[0]]} to {tags[_RANGE[1]]}"
    return tags.get("dagster/partition")


def _starter(tags: Mapping[str, str]) -> str:
    return next((f"{kind} {tags[tag]}" for tag, kind in _STARTERS.items() if tag in tags), "person")


def _steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, Any]:
    """Return how many steps a run had, which failed and why, which took longest."""
    began: dict[str, float] = {}
    took_s: dict[str, float] = {}
    failed: dict[str, str] = {}
    restarts = 0
    for entry in instance.all_logs(run_id, of_type=_EVENTS):
        event = entry.dagster_event
        if event is None or event.step_key is None:
            continue
        if event.event_type == dg.DagsterEventType.STEP_RESTARTED:
            restarts += 1
        elif event.event_type == dg.DagsterEventType.STEP_START:
            began.setdefault(event.step_key, entry.timestamp)
        else:
            took_s[event.step_key] = entry.timestamp - began.get(event.step_key, entry.timestamp)
            if event.event_type == dg.DagsterEventType.STEP_FAILURE:
                failed[event.step_key] = error_class(event)
    slowest = _longest(took_s)
    mart = _longest({step: s for step, s in took_s.items() if step.startswith(_MART)})
    return {
        "steps": len(began),
        "steps_failed": len(failed),
        "step_restarts": restarts,
        "failed_step": next(iter(failed), None),
        "error_class": next(iter(failed.values()), None),
        "slowest_step": slowest[0],
        "slowest_step_s": slowest[1],
        "slowest_mart": mart[0],
        "slowest_mart_s": mart[1],
    }


def _longest(took_s: dict[str, float]) -> tuple[str | None, float | None]:
    if not took_s:
        return None, None
    step = max(sorted(took_s), key=took_s.__getitem__)
    return step, took_s[step]
