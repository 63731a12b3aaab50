"""Sensors: new drops and corrected identities start runs on their own.

What belongs here: the Dagster side of asking `telemetry/requests.py` what must run. What does not: parsing
files (a sensor never does), clocks, decisions about data.
"""

import json
import time

import dagster as dg

from fallrisk_assets.alerts.contract import DeviceStates
from fallrisk_assets.alerts.look_back import stale_alert_hours
from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.identity import resolve_assignments
from fallrisk_assets.clinic.operations.contract import Appointments
from fallrisk_assets.clinic.operations.history import stale_days
from fallrisk_assets.jobs import HOUR_TAG, IDENTITY_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.landing import Landing, received_at_of
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.partitions import day_key, exists, hour_key, newest_hour_end, window_of
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry, TelemetryDrops
from fallrisk_assets.telemetry.ingest import DROPS_FACT, FORCE_TAG, REREAD_TAG, TAIL_FACT, WEARERS_FACT
from fallrisk_assets.telemetry.requests import (
    MAX_SINGLE_HOURS,
    LandingCursor,
    NewDrops,
    contiguous,
    drops_hash,
    hours_worn_otherwise,
    new_drops,
    notified_drops,
)

_STATES = ("appointments", "appointment_quarantine")
_LOOKING_BACK = ("device_states", "alert_actions", "alerts", "alert_deliveries")
#: More changed drops than this are not named one by one: their hours are read again whole.
MAX_NAMED_DROPS = 200
_WATCH_STEP_S = 0.1
#: As many as a tick has time for; what is left in the queue is the next one's.
MAX_NOTIFICATIONS = 10_000
_WAIT_FOR_NOTIFICATION_S = 4
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def range_request(keys: list[str], run_key: str, tags: dict[str, str] | None = None) -> dg.RunRequest:
    """Return a request for one run over contiguous hourly partitions."""
    return dg.RunRequest(run_key=run_key, tags={RANGE_START: keys[0], RANGE_END: keys[-1], **(tags or {})})


def hour_requests(wanted: dict[str, str], reread: dict[str, list[str]]) -> list[dg.RunRequest]:
    """Return runs for hours: one each where they are few, ranges where they are many.

    Args:
        wanted: Hash of what the hour is asked for, by hourly key: the same again asks for nothing.
        reread: Changed drops to read again, by hourly key.
    """
    if len(wanted) <= MAX_SINGLE_HOURS:
        return [
            dg.RunRequest(
                run_key=f"{key}:{what}",
                partition_key=key,
                tags={HOUR_TAG: key, **({REREAD_TAG: json.dumps(reread[key])} if key in reread else {})},
            )
            for key, what in sorted(wanted.items())
        ]
    requests = []
    for group in contiguous(wanted):
        run_key = f"{group[0]}…{group[-1]}:{combined_hash(wanted[key] for key in group)[:16]}"
        again = [drop for key in group for drop in reread.get(key, ())]
        tags = {FORCE_TAG: "true"} if len(again) > MAX_NAMED_DROPS else {REREAD_TAG: json.dumps(again)}
        requests.append(range_request(group, run_key, tags if again else {}))
    return requests


def stale_hours(lake: Lake, since_ns: int) -> tuple[dict[str, str], int]:
    """Return hours whose samples were made from another set of drops or another tail than exists now.

    Only ledger entries are read: the index entry of an hour says what should have been read, the entry
    of the samples says what was.

    Returns:
        Hash asked for by hourly key, and the change of the index from which to look the next time.
    """
    wanted: dict[str, str] = {}
    held_back: list[int] = []
    newest = since_ns
    for key, changed_ns in lake.ledger.changes(TelemetryDrops).items():
        if changed_ns < since_ns:
            continue
        newest = max(newest, changed_ns)
        if not exists(key):
            if window_of(key)[0] >= newest_hour_end():  # a clock that runs ahead: asked for once it has begun
                held_back.append(changed_ns)
            continue
        index, samples = lake.ledger.get(TelemetryDrops, key), lake.ledger.find(Telemetry, key)
        made_from = {b: e.facts.get(DROPS_FACT) for b, e in samples.buckets.items()} if samples else {}
        if any(e.rows and made_from.get(b) != e.content_hash for b, e in index.buckets.items()):
            # What it was made from is part of the question: asked again after an older run won, it is new.
            wanted[key] = combined_hash([index.content_hash, sorted(made_from.items())])[:16]
            continue
        following = hour_key(window_of(key)[1])
        features = lake.ledger.find(WindowFeatures, following)
        if samples is None or features is None:
            continue
        tails = {b: e.facts.get(TAIL_FACT, "") for b, e in samples.buckets.items()}
        used = {b: e.facts.get(TAIL_FACT, "") for b, e in features.buckets.items()}
        if any(used.get(b, tails[b]) != tails[b] for b in tails):
            wanted[following] = "tail-" + combined_hash([sorted(tails.items()), sorted(used.items())])[:16]
    return wanted, min([newest, *held_back])


def _watch(landing: Landing, cursor: LandingCursor) -> NewDrops:
    """Return what is new in the landing zone; while nothing is, watch it for up to `landing.watch_s`.

    The daemon looks at its sensors every five seconds: a sensor that uses them up itself sees a drop at once.
    """
    until = time.monotonic() + landing.watch_s
    while True:
        looked = landing.changed_ns("telemetry")
        found = new_drops(landing.list("telemetry"), cursor)
        if found.by_hour:
            return found
        while landing.changed_ns("telemetry") == looked:
            if time.monotonic() >= until:
                return found
            time.sleep(_WATCH_STEP_S)


def _look(context: dg.SensorEvaluationContext, landing: Landing, cursor: LandingCursor) -> NewDrops:
    """Return what is new: what the zone's queue tells of, else what a list of the zone has.

    The first look is always at the list: a queue knows nothing of what was there before it. A notification
    that is lost between here and the request that it asks for is one drop more for the schedule's sweep.
    """
    queue = landing.notifications
    if queue is None or not cursor.modified_ns:
        return _watch(landing, cursor)
    told = queue.receive(MAX_NOTIFICATIONS, _WAIT_FOR_NOTIFICATION_S)
    if told.unreadable:
        context.log.warning("landing zone's queue: %s messages are no notifications of S3", told.unreadable)
    found = notified_drops(landing.look("telemetry", told.keys), cursor)
    queue.confirm(told.receipts)
    return found


@dg.sensor(
    job_name=TELEMETRY_HOURLY,
    minimum_interval_seconds=1,
    description="Request the hours of new, re-sent, late and changed drops.",
)
def landing_sensor(context: dg.SensorEvaluationContext, lake: Lake, landing: Landing) -> dg.SensorResult:
    """Request the hours of new, re-sent, late and changed drops.

    A new drop asks for the hour of its receipt, whose run registers it. If the drop turns out to hold
    samples of other hours, the index says so and the next tick asks for them.
    """
    if not lake.ledger.keys(DeviceAssignment):  # every device would be a stranger, and be reported as one
        return dg.SensorResult(
            skip_reason="no device assignment is published yet: run identity_daily or start clinic_sensor",
            cursor=context.cursor,
        )
    cursor = LandingCursor.parse(context.cursor)
    found = _look(context, landing, cursor)
    stale, ledger_ns = stale_hours(lake, cursor.ledger_ns)
    by_hour = {key: files for key, files in found.by_hour.items() if exists(key)}
    outside = sorted(file.key for key, files in found.by_hour.items() if key not in by_hour for file in files)
    wanted = stale | {key: drops_hash(files) for key, files in by_hour.items()}
    registered = {k: [f.key for f in files] for k, files in by_hour.items() if cursor.modified_ns}
    requests = hour_requests(wanted, registered)
    drops = sum(map(len, by_hour.values()))
    misnamed = f", {len(found.misnamed)} misnamed: {found.misnamed[:3]}" if found.misnamed else ""
    if outside:
        misnamed += f", {len(outside)} received at a time that is no partition: {outside[:3]}"
    advanced = LandingCursor(found.cursor.modified_ns, found.cursor.at_mark, ledger_ns)
    if found.misnamed:
        context.log.warning(
            "landing zone: %s files are no drops (rename them): %s", len(found.misnamed), found.misnamed[:3]
        )
    if outside:
        # A gateway's clock that runs ahead: the schedule sweeps these up once their hour has begun.
        context.log.warning(
            "landing zone: %s drops were received before the first day or in the future, by their names: %s",
            len(outside),
            outside[:3],
        )
    if not requests:
        return dg.SensorResult(
            skip_reason=f"{drops} new drops, {len(stale)} stale hours{misnamed}", cursor=str(advanced)
        )
    context.log.info("%s new drops, %s stale hours: %s runs", drops, len(stale), len(requests))
    return dg.SensorResult(run_requests=requests, cursor=str(advanced))


@dg.sensor(
    job_name=IDENTITY_DAILY,
    minimum_interval_seconds=30,
    description="Request the days on which the clinic's files were received.",
)
def clinic_sensor(context: dg.SensorEvaluationContext, lake: Lake, landing: Landing) -> dg.SensorResult:
    """Request the days on which the clinic's files were received: who is who, and what the clinic did.

    A day that changed is told by all later states of appointments: the published ones are asked for again.
    """
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    by_day: dict[str, list] = {}
    undated = []
    for file in landing.list("clinic"):
        try:
            day = day_key(received_at_of(file.key))
        except ValueError:
            undated.append(file.key)
            continue
        if exists(day):  # a day to come is asked for when it has begun
            by_day.setdefault(day, []).append(file)
        else:
            undated.append(file.key)
    if undated:
        context.log.warning(
            "clinic's files: %s have no time of receipt that is a partition, and wait: %s",
            len(undated),
            undated[:3],
        )
    now = {day: drops_hash(files) for day, files in by_day.items()}
    fresh = {day: what for day, what in now.items() if seen.get(day) != what}
    requests = [dg.RunRequest(run_key=f"{d}:{w}", partition_key=d) for d, w in sorted(fresh.items())]
    if not fresh:  # while files wait to be read, later days are not made again once for each of them
        requests = stale_state_requests(lake)
    if not requests:
        waiting = f", {len(undated)} files wait" if undated else ""
        return dg.SensorResult(skip_reason=f"{len(now)} days of clinic files, none changed{waiting}")
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(now, sort_keys=True))


def stale_state_requests(lake: Lake) -> list[dg.RunRequest]:
    """Return one run for the days whose states of appointments were made from less than is known now."""
    stale = stale_days(lake)
    if not stale:
        return []
    days = [day for day in lake.ledger.keys(Appointments) if min(stale) <= day <= max(stale)]
    what = combined_hash(stale.values())[:16]
    return [
        dg.RunRequest(
            run_key=f"states:{days[0]}:{days[-1]}:{what}",
            tags={RANGE_START: days[0], RANGE_END: days[-1]},
            asset_selection=[dg.AssetKey(name) for name in _STATES],
        )
    ]


@dg.sensor(
    job_name=TELEMETRY_HOURLY,
    minimum_interval_seconds=30,
    description="Request the published hours that a corrected device assignment covers.",
)
def assignment_sensor(context: dg.SensorEvaluationContext, lake: Lake) -> dg.SensorResult:
    """Request the published hours that a corrected device assignment covers."""
    applied: dict[str, str] = json.loads(context.cursor or "{}")
    days = lake.ledger.keys(DeviceAssignment)
    now = {day: lake.ledger.get(DeviceAssignment, day).content_hash for day in days}
    if now == applied:
        return dg.SensorResult(skip_reason=f"{len(days)} days of assignments, none changed")
    assignments = resolve_assignments(lake.read(DeviceAssignment, days))
    made_with = {
        key: {
            device: worn
            for bucket in lake.ledger.get(Telemetry, key).buckets.values()
            for device, worn in bucket.facts.get(WEARERS_FACT, {}).items()
        }
        for key in lake.ledger.keys(Telemetry)
    }
    covered = hours_worn_otherwise(made_with, assignments)
    return dg.SensorResult(
        run_requests=hour_requests({key: f"worn-{what}" for key, what in covered.items()}, {}),
        skip_reason=None if covered else "no published hour is covered by the change",
        cursor=json.dumps(now, sort_keys=True),
    )


@dg.sensor(
    job_name=TELEMETRY_HOURLY,
    minimum_interval_seconds=30,
    description="Request the hours whose states and alerts look back on an hour that changed.",
)
def look_back_sensor(context: dg.SensorEvaluationContext, lake: Lake) -> dg.SensorResult:
    """Request states and alerts of the hours that were made before an hour within their look-back changed.

    Late data changes falls and coverage of its own hour; the alerts of up to a day after it must follow.
    """
    mark = int(context.cursor or 0)
    settled_ns = time.time_ns() - lake.ledger.settles_ns  # a mark beyond it would overlook what comes
    changes = [
        (changed_ns, key)
        for model in (DeviceHourCoverage, FallEvents, DeviceStates)
        for key, changed_ns in lake.ledger.changes(model).items()
        if changed_ns > mark and (changed_ns <= settled_ns or not lake.ledger.settles_ns)
    ]
    if not changes:
        return dg.SensorResult(skip_reason="no hour changed")
    cursor = str(max(changes)[0])
    stale = stale_alert_hours(lake, {key for _, key in changes})
    if not stale:
        return dg.SensorResult(skip_reason=f"{len(changes)} changes, no alert is stale", cursor=cursor)
    requests = [
        dg.RunRequest(
            run_key=f"look-back:{group[0]}:{group[-1]}:{cursor}",
            tags={RANGE_START: group[0], RANGE_END: group[-1]},
            asset_selection=[dg.AssetKey(name) for name in _LOOKING_BACK],
        )
        for group in contiguous(stale)
    ]
    return dg.SensorResult(run_requests=requests, cursor=cursor)
