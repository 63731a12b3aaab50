"""Schedules: silent hours are filled and days are closed without anybody asking.

What belongs here: when the jobs run by the clock. What does not: what they do.
"""

import datetime as dt

import dagster as dg

from fallrisk_assets.health import PLATFORM_HEALTH
from fallrisk_assets.jobs import IDENTITY_DAILY, LAKEHOUSE_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import DAY, HOUR, day_key, exists, hour_key
from fallrisk_assets.sensors import range_request
from fallrisk_assets.status import unregistered_drops
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.telemetry.ingest import STATE_FACT
from fallrisk_assets.telemetry.requests import contiguous

#: Silent hours further back than this are a backfill's business.
_LOOK_BACK_HOURS = 24


@dg.schedule(
    job_name=TELEMETRY_HOURLY,
    cron_schedule="10 * * * *",
    execution_timezone="UTC",
    description="Close the hours that ended: those never published or still provisional, in one range run.",
)
def fill_silent_hours(
    context: dg.ScheduleEvaluationContext, lake: Lake, landing: Landing
) -> list[dg.RunRequest] | dg.SkipReason:
    """Close the hours that ended, never published or still provisional, in one range run.

    Drops that the landing sensor overlooked are swept up with them.
    """
    now = context.scheduled_execution_time
    hours = [hour_key(now - i * HOUR) for i in range(_LOOK_BACK_HOURS, 0, -1)]

    def is_open(key: str) -> bool:
        entry = lake.ledger.find(Telemetry, key)
        return entry is None or any(b.facts.get(STATE_FACT) == "PROVISIONAL" for b in entry.buckets.values())

    unfinished = [key for key in hours if is_open(key)]
    requests = []
    if unfinished:
        requests.append(range_request(hours[hours.index(unfinished[0]) :], f"fill:{hour_key(now)}"))
    waiting = unregistered_drops(lake, landing)
    for group in contiguous(k for k in waiting if exists(k) and k not in (*unfinished, hours[-1])):
        requests.append(range_request(group, f"sweep:{hour_key(now)}:{group[0]}"))
    if not requests:
        return dg.SkipReason(f"all {_LOOK_BACK_HOURS} hours before {now:%Y-%m-%d %H:%M} are final")
    return requests


def _yesterday(context: dg.ScheduleEvaluationContext) -> str:
    moment: dt.datetime = context.scheduled_execution_time
    return day_key(moment - DAY)


@dg.schedule(
    job_name=IDENTITY_DAILY,
    cron_schedule="30 0 * * *",
    execution_timezone="UTC",
    description="Read the clinic's files of the day that ended, so that a day without files is on record.",
)
def read_identities(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Read the clinic's files of the day that ended, so that a day without files is on record too."""
    return dg.RunRequest(partition_key=_yesterday(context))


@dg.schedule(
    job_name=LAKEHOUSE_DAILY,
    cron_schedule="30 1 * * *",
    execution_timezone="UTC",
    description="Compute gait, risk index, FHIR, warehouse and pages of the day that ended.",
)
def close_the_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Compute gait, risk index, FHIR, warehouse and pages of the day that ended."""
    return dg.RunRequest(partition_key=_yesterday(context))


@dg.schedule(
    job_name=PLATFORM_HEALTH,
    cron_schedule="20 * * * *",
    execution_timezone="UTC",
    description="List partitions that failed and were never repaired.",
)
def look_for_failures(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """List partitions that failed and were never repaired; the failed check is told through the outbox."""
    return dg.RunRequest()


@dg.schedule(
    job_name="lake_maintenance",
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    description="Expire old snapshots and delete what killed runs left behind.",
)
def tidy_the_lake(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Expire old snapshots and delete what killed runs left behind."""
    return dg.RunRequest()


@dg.schedule(
    job_name="warehouse_retention",
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    description="Delete rows of the warehouse that are older than their period.",
)
def forget_old_rows(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Delete rows of the warehouse that are older than their period: the job by itself only tells them."""
    today = context.scheduled_execution_time.date().isoformat()
    return dg.RunRequest(
        run_config={"ops": {"forget_old_rows": {"config": {"dry_run": False, "today": today}}}}
    )
