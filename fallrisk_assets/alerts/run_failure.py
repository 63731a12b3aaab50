"""Failed runs, failed checks and failed sensors, told through the same outbox as falls; and what waits in it.

Belongs here: Dagster sensors that turn what the platform went through into pages. Does not belong here: which
page is stale or a duplicate (`outbox.py`).

A page names job, partition, step and the class of the error, not its text: an error's text may quote rows.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256

import dagster as dg

from fallrisk_assets.alerts.actions import ACTIONS_FOLDER, hour_of_action_file, name_of
from fallrisk_assets.alerts.delivery import FALL_CEILING, deliver
from fallrisk_assets.alerts.notifications import Page, ops_alert
from fallrisk_assets.alerts.outbox import OutboxBusy
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.health import error_class
from fallrisk_assets.jobs import TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import hour_key

_READ_AT_ONCE = 500
_FOLDING = [dg.AssetKey(name) for name in ("alert_actions", "alerts", "alert_deliveries")]


def run_failure_page(
    run: dg.DagsterRun, step_failures: list[tuple[str, str]], at: datetime, outbox: OutboxResource
) -> Page:
    """The page about a failed run.

    Args:
        run: the run.
        step_failures: step and class of error of each failed step.
        at: when it failed, UTC.
        outbox: whose ops contact is told.
    """
    partition = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start", "")
    steps = ", ".join(f"{step} ({error})" for step, error in step_failures[:3])
    detail = f"run {run.run_id[:8]}, partition {partition or 'none'}, failed: {steps or 'before any step'}"
    return ops_alert(
        "RUN_FAILED", run.job_name, at=at, contact=outbox.ops(), reference=run.run_id, detail=detail
    )


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=30,
    description="Tell whoever runs the platform about a failed run.",
)
def failed_runs(context: dg.RunFailureSensorContext, lake: Lake, outbox: OutboxResource) -> None:
    """Tell whoever runs the platform about a failed run."""
    failures = [(event.step_key or "", error_class(event)) for event in context.get_step_failure_events()]
    record = context.instance.get_run_record_by_id(context.dagster_run.run_id)
    ended = record.end_time if record else None
    at = datetime.fromtimestamp(ended, UTC) if ended else outbox.now()
    _tell(context, lake, outbox, [run_failure_page(context.dagster_run, failures, at, outbox)])


@dg.sensor(
    minimum_interval_seconds=60,
    description="Tell about asset checks that failed, blocking or not; a warning is no page.",
)
def failed_checks(context: dg.SensorEvaluationContext, lake: Lake, outbox: OutboxResource) -> dg.SkipReason:
    """Tell about asset checks that failed, blocking or not; a warning is no page."""
    after = int(context.cursor) if context.cursor else None
    records = context.instance.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=after),
        limit=_READ_AT_ONCE,
        ascending=True,
    )
    pages = []
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        check = event.asset_check_evaluation_data
        if check.passed or check.severity != dg.AssetCheckSeverity.ERROR:
            continue
        pages.append(
            ops_alert(
                "CHECK_FAILED",
                f"{check.asset_key.to_user_string()}: {check.check_name}",
                at=datetime.fromtimestamp(record.event_log_entry.timestamp, UTC),
                contact=outbox.ops(),
                reference=str(record.storage_id),
                detail=f"partition {check.partition or event.partition or 'none'}",
            )
        )
    if records:
        context.update_cursor(str(records[-1].storage_id))
    _tell(context, lake, outbox, pages)
    return dg.SkipReason(f"{len(records)} new check results, {len(pages)} failed")


@dg.sensor(
    minimum_interval_seconds=60,
    description="Tell about sensors and schedules whose ticks failed.",
)
def failed_sensors(context: dg.SensorEvaluationContext, lake: Lake, outbox: OutboxResource) -> dg.SkipReason:
    """Tell about sensors and schedules whose ticks failed: a platform that has stopped looking says so."""
    told: dict[str, float] = json.loads(context.cursor or "{}")
    pages = []
    for state in context.instance.all_instigator_state():
        ticks = context.instance.get_ticks(
            state.instigator_origin_id,
            state.selector_id,
            after=told.get(state.instigator_name),
            limit=50,
        )
        for tick in ticks:
            if tick.status.value != "FAILURE":
                continue
            pages.append(
                ops_alert(
                    "SENSOR_FAILED",
                    state.instigator_name,
                    at=datetime.fromtimestamp(tick.timestamp, UTC),
                    contact=outbox.ops(),
                    reference=str(tick.tick_id),
                    detail=(tick.error.cls_name or "error") if tick.error else "error",
                )
            )
            told[state.instigator_name] = max(told.get(state.instigator_name, 0.0), tick.timestamp)
    _tell(context, lake, outbox, pages)
    context.update_cursor(json.dumps(told, sort_keys=True))
    return dg.SkipReason(f"{len(pages)} failed ticks")


@dg.sensor(
    minimum_interval_seconds=15,
    description="Send what waits for a retry or the end of quiet hours; go on to the next contact in time.",
)
def waiting_pages(context: dg.SensorEvaluationContext, lake: Lake, outbox: OutboxResource) -> dg.SkipReason:
    """Send what waits for a retry or the end of quiet hours, and go on to the next contact in time.

    Whether or not an hour is run: nobody's phone waits for the next drop.
    """
    now = outbox.now()
    with outbox.ledger() as ledger:
        waiting = ledger.deliveries("PENDING")
        ladders = ledger.ladders(now - FALL_CEILING)
    due = [d for d in waiting if d.next_attempt_at is None or d.next_attempt_at <= now]
    unanswered = [ladder for ladder in ladders if ladder.is_due(now)]
    if due or unanswered:
        _tell(context, lake, outbox, [])
    return dg.SkipReason(
        f"{len(waiting)} pages waiting, {len(due)} were due; {len(ladders)} critical alerts unacknowledged, "
        f"{len(unanswered)} went on to the next contact"
    )


@dg.sensor(
    job_name=TELEMETRY_HOURLY,
    minimum_interval_seconds=15,
    description="Fold what people did into the alerts: asks for the hours from the first new action to now.",
)
def new_actions(
    context: dg.SensorEvaluationContext, landing: Landing, outbox: OutboxResource
) -> dg.SensorResult:
    """Fold what people did into the alerts: asks for the hours from the first new action to now."""
    mark, at_mark = json.loads(context.cursor or "[0, []]")
    files = landing.list(ACTIONS_FOLDER)
    fresh = [f for f in files if f.modified_ns > mark or (f.modified_ns == mark and f.key not in at_mark)]
    now = outbox.now()
    named = [hour_of_action_file(name_of(f.key)) for f in fresh]
    hours = {hour for hour in named if hour is not None and hour <= now}
    if not hours:
        # Not past them: an action of an hour to come is asked for when it comes.
        left = f", {len(fresh)} with no hour up to now in their names" if fresh else ""
        return dg.SensorResult(skip_reason=f"{len(files)} actions, none new{left}")
    newest = max(f.modified_ns for f in fresh)
    cursor = json.dumps([newest, sorted(f.key for f in files if f.modified_ns == newest)])
    what = sha256("".join(sorted(f.key for f in fresh)).encode()).hexdigest()[:16]
    first, last = hour_key(min(hours)), hour_key(now)
    # The hours since: each may show the alert as unfinished, and the last one that does would be believed.
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    request = dg.RunRequest(run_key=f"actions:{first}:{what}", tags=tags, asset_selection=_FOLDING)
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _tell(
    context: dg.SensorEvaluationContext | dg.RunFailureSensorContext,
    lake: Lake,
    outbox: OutboxResource,
    pages: list[Page],
) -> None:
    try:
        report = deliver(lake, outbox, pages=pages)
    except OutboxBusy:
        context.log.info("another process is delivering; it, or the next, sends this too")
        return
    for failure in report.failures:
        context.log.error("not delivered: %s", failure)
    context.log.info("outbox: %s", dict(report.states))


sensors = [failed_runs, failed_checks, failed_sensors, waiting_pages, new_actions]
