"""The alerts domain as assets: states, actions and alerts by the hour, index alerts by the day, deliveries.

Here: the Dagster skin. Not here: when something is an alert (`rules.py`, `episodes.py`) or is sent
(`outbox.py`).
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.alerts.actions import (
    ACTIONS_FOLDER,
    files_by_hour,
    name_of,
    read_actions,
)
from fallrisk_assets.alerts.checks import files_check, files_verdict
from fallrisk_assets.alerts.contract import AlertActions, Alerts, DeviceStates, IndexAlerts
from fallrisk_assets.alerts.delivery import patients_until
from fallrisk_assets.alerts.device_states import (
    FACTS,
    LOOK_BACK_HOURS,
    Assigned,
    ExpectedWear,
    watermark,
)
from fallrisk_assets.alerts.device_states import (
    device_states as judge_devices,
)
from fallrisk_assets.alerts.look_back import input_hashes
from fallrisk_assets.alerts.observations import fall_observations, index_observations, state_observations
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.rules import (
    DAILY_LOOK_BACK,
    DAILY_RULES,
    HOURLY_ACTIONS_LOOK_BACK,
    HOURLY_LOOK_BACK,
    HOURLY_RULES,
    IndexThresholds,
)
from fallrisk_assets.alerts.slices import actions_table, slice_alerts
from fallrisk_assets.alerts.steps import actions_in_reach, delivered, summary_of
from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.identity import FOREVER_US, resolve_assignments
from fallrisk_assets.lake import Lake, Publication, SliceRefused
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import DAY, HOUR, daily, day_key, hour_key, hour_range, hourly, window_of
from fallrisk_assets.publishing import (
    contract_asset,
    contract_check,
    contract_spec,
    doc_of,
    report_publication,
    retried_when_transient,
    show,
    show_bars,
)
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, TelemetryQuarantine

GROUP = "alerts"

_EVERY = dg.AllPartitionMapping()
_BASELINE = timedelta(days=IndexThresholds().baseline_days + IndexThresholds().baseline_gap_days)


def _back(slices: int) -> dg.TimeWindowPartitionMapping:
    """The slice itself and those before it, `slices` in all."""
    return dg.TimeWindowPartitionMapping(start_offset=1 - slices, end_offset=0)


@contract_asset(
    DeviceStates,
    partitions_def=hourly,
    group_name=GROUP,
    deps=[
        dg.AssetDep("device_hour_coverage", partition_mapping=_back(LOOK_BACK_HOURS)),
        "telemetry_quarantine",
        dg.AssetDep("device_assignment", partition_mapping=_EVERY),
        dg.AssetDep("patients", partition_mapping=_EVERY),
    ],
)
def device_states(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Silent, flat, unworn and unknown devices, judged from 48 hours.

    Hours before the run come from this table itself where it has them: the facts in it are the coverage's, in
    one file an hour instead of one per device bucket.
    """
    keys = sorted(context.partition_keys)
    made_of = input_hashes(lake, DeviceStates, keys)
    wanted = hour_range(hour_key(window_of(keys[0])[0] - (LOOK_BACK_HOURS - 1) * HOUR), keys[-1])
    published = set(lake.ledger.keys(DeviceStates)) - set(keys)
    kept = lake.read(DeviceStates, [k for k in wanted if k in published], columns=[*FACTS, "as_of"])
    rest = [k for k in wanted if k not in published and k not in keys]
    columns = [*FACTS, "watermark_at"]
    facts = pa.concat_tables(
        [
            kept.rename_columns(columns),
            lake.read(DeviceHourCoverage, rest, columns=columns, optional=True),
            lake.read(DeviceHourCoverage, keys, columns=columns),
        ],
        promote_options="default",
    )
    assigned = _assigned(lake)
    for key in keys:
        hour, end = window_of(key)
        known = facts.filter((pc.field("hour") < end) & (pc.field("hour") >= end - LOOK_BACK_HOURS * HOUR))
        unknown = lake.read(
            TelemetryQuarantine,
            [key],
            columns=["device_id"],
            where=(pc.field("reason") == "UNKNOWN_DEVICE") & pc.field("device_id").is_valid(),
        )
        states = judge_devices(
            known,
            assigned,
            _expected_wear(lake, day_key(hour)),
            Counter(unknown["device_id"].to_pylist()),
            hour=hour,
            as_of=watermark(known, end),
        )
        publication.add(key, states)
        publication.mark(key, input_hash=made_of[key])
        show(publication, key, **{f"devices {s}": n for s, n in _counts(states, "state")})
        show_bars(publication, key, dict(_counts(states, "state")), name="devices by state")


_ACTIONS = contract_spec(
    AlertActions,
    partitions_def=hourly,
    group_name=GROUP,
    kinds=("python", "iceberg", "json"),
    description=doc_of(AlertActions)
    + "\n\nOne file an action, written by `python -m fallrisk_assets.alerts`; any other file is left out.",
)


@dg.multi_asset(
    name=AlertActions.spec.name,
    specs=[_ACTIONS],
    check_specs=[contract_check(AlertActions, _ACTIONS), files_check(_ACTIONS.key)],
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"lake", "landing"},
)
def alert_actions(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """What people did in the hour: one file an action, written by `python -m fallrisk_assets.alerts`."""
    lake: Lake = context.resources.lake
    landing: Landing = context.resources.landing
    keys = list(context.partition_keys)
    files, misnamed = files_by_hour(file.key for file in landing.list(ACTIONS_FOLDER))
    refused: dict[str, list[str]] = {}
    with retried_when_transient(), lake.publication(AlertActions, keys, context.run_id) as publication:
        for key in keys:
            actions, reasons = read_actions((name, landing.read(name)) for name in files.get(key, ()))
            for reason in reasons:
                context.log.warning("%s: left out; mend the file or write the action again", reason)
            refused[key] = [name_of(reason.partition(":")[0]) for reason in reasons]
            table = actions_table(actions)
            publication.add(key, table)
            show(publication, key, refused=len(reasons))
            show_bars(publication, key, dict(_counts(table, "kind")), name="actions by kind")
        publication.judge()
        yield from report_publication(context, _ACTIONS, publication)
    yield files_verdict(context, _ACTIONS.key, refused, misnamed)
    if publication.bad:
        raise SliceRefused(AlertActions, publication.bad)


@contract_asset(
    Alerts,
    partitions_def=hourly,
    group_name=GROUP,
    deps=[
        dg.AssetDep("fall_events", partition_mapping=_back(24)),
        dg.AssetDep(device_states, partition_mapping=_back(24)),
        dg.AssetDep(alert_actions, partition_mapping=_back(HOURLY_ACTIONS_LOOK_BACK // HOUR)),
    ],
)
def alerts(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Detected falls and device states, folded into episodes with what people did about them.

    An hour is made of the 24 hours before its end, and of the actions of 72; somebody's late action on an
    older alert makes it read the hours around that alert too.
    """
    keys = sorted(context.partition_keys)
    first, last = window_of(keys[0])[0], window_of(keys[-1])[1]
    lake.files(FallEvents, keys)
    made_of = input_hashes(lake, Alerts, keys)
    actions, reach = actions_in_reach(
        lake, first, last, HOURLY_LOOK_BACK, HOURLY_RULES, HOUR, HOURLY_ACTIONS_LOOK_BACK
    )
    wanted = sorted({k for start, end in reach for k in hour_range(hour_key(start), hour_key(end - HOUR))})
    falls = lake.read(FallEvents, wanted, optional=True)
    states = lake.read(DeviceStates, wanted, optional=True)
    observations = [*fall_observations(falls), *state_observations(states)]
    marks = states.select(["hour", "as_of"]).rename_columns(["hour", "watermark_at"])
    for key in keys:
        start, end = window_of(key)
        visible = marks.filter((pc.field("hour") >= end - HOURLY_LOOK_BACK) & (pc.field("hour") < end))
        table = slice_alerts(
            Alerts,
            observations,
            actions,
            start=start,
            end=end,
            as_of=watermark(visible, end),
            look_back=HOURLY_LOOK_BACK,
            known_before=watermark(visible, start),
        )
        publication.add(key, table)
        publication.mark(key, input_hash=made_of[key])
        show(publication, key, **summary_of(table))


@contract_asset(
    IndexAlerts,
    partitions_def=daily,
    group_name=GROUP,
    deps=[
        dg.AssetDep("fall_risk_index", partition_mapping=_back((DAILY_LOOK_BACK + _BASELINE).days)),
        alert_actions,
    ],
)
def index_alerts(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """The 12-month index, by its level and by its change against the person's own baseline."""
    keys = sorted(context.partition_keys)
    first, last = window_of(keys[0])[0], window_of(keys[-1])[1]
    lake.files(FallRiskIndex, keys)
    actions, reach = actions_in_reach(lake, first, last, DAILY_LOOK_BACK, DAILY_RULES, DAY, DAILY_LOOK_BACK)
    wanted = {k for start, end in reach for k in _days(start - _BASELINE, end)}
    index = lake.read(FallRiskIndex, sorted(wanted), optional=True)
    oldest = min(start for start, _ in reach).date()
    for key in keys:
        start, end = window_of(key)
        observations = list(index_observations(index, first=oldest, last=start.date()))
        table = slice_alerts(
            IndexAlerts,
            observations,
            actions,
            start=start,
            end=end,
            as_of=end,
            look_back=DAILY_LOOK_BACK,
        )
        publication.add(key, table)
        show(publication, key, **summary_of(table))


@dg.asset(
    partitions_def=hourly,
    group_name=GROUP,
    deps=[alerts],
    kinds={"python", "sqlite"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def alert_deliveries(
    context: dg.AssetExecutionContext, lake: Lake, outbox: OutboxResource
) -> dg.MaterializeResult:
    """The hour's alerts, told to the contacts: each once, and nothing that is older than an hour.

    The ledger of deliveries is append-only and outlives every re-run; this step only adds to it.
    """
    return delivered(context, lake, outbox, Alerts)


@dg.asset(
    partitions_def=daily,
    group_name=GROUP,
    deps=[index_alerts],
    kinds={"python", "sqlite"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def index_alert_deliveries(
    context: dg.AssetExecutionContext, lake: Lake, outbox: OutboxResource
) -> dg.MaterializeResult:
    """The day's alerts on the 12-month index, told to the staff: each once, and nothing older than a day."""
    return delivered(context, lake, outbox, IndexAlerts)


def _assigned(lake: Lake) -> list[Assigned]:
    """Who wore what, from every snapshot of the assignments."""
    rows = lake.read(DeviceAssignment, lake.ledger.keys(DeviceAssignment))
    epoch = datetime.fromtimestamp(0, window_of("1970-01-01")[0].tzinfo)
    return [
        Assigned(
            device,
            one.patient_id,
            epoch + timedelta(microseconds=one.from_us),
            None if one.to_us == FOREVER_US else epoch + timedelta(microseconds=one.to_us),
        )
        for device, intervals in resolve_assignments(rows).items()
        for one in intervals
    ]


def _expected_wear(lake: Lake, day: str) -> dict[str, ExpectedWear]:
    names = ("wearable_patient_id", "time_zone", "expected_wear_hours")
    patients = patients_until(lake, day)
    rows = zip(*(patients[name].to_pylist() for name in names), strict=True)
    # Unknown is not zero: only an explicit 0 says that nobody expects the device to be worn.
    return {
        patient: ExpectedWear(zone) if hours is None else ExpectedWear(zone, hours)
        for patient, zone, hours in rows
        if patient
    }


def _days(start: datetime, end: datetime) -> list[str]:
    return [day_key(start + i * DAY) for i in range((end - start).days)]


def _counts(table: pa.Table, column: str) -> list[tuple[str, int]]:
    return sorted(Counter(table[column].to_pylist()).items())
