"""From published alerts to sent pages: contacts from the lake, the ledger, the channels.

Belongs here: the one path that assets, sensors and the command line all deliver by. Does not belong here:
what is due, stale or a duplicate (`outbox`).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.alerts.contacts import Contact, address_book, contacts_by_patient, time_zones
from fallrisk_assets.alerts.escalation import next_pages
from fallrisk_assets.alerts.notifications import Page, critical_since, ops_alert, pages_of
from fallrisk_assets.alerts.outbox import CRITICAL, HELD, STOPPED, Ledger, Report
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.rules import CONTINUED, FALL_DETECTED, RESOLVED, RULES
from fallrisk_assets.clinic.contract import CareContacts, Patients
from fallrisk_assets.clinic.identity import current_patients
from fallrisk_assets.clinic.snapshots import latest_snapshot
from fallrisk_assets.contract import ContractType, empty_table
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import device_bucket, hour_key, window_of
from fallrisk_assets.telemetry.contract import TelemetryDrops

FALL_CEILING = RULES[FALL_DETECTED].ceiling


def patients_until(lake: Lake, day: str | None = None) -> pa.Table:
    """The newest row of each patient in the snapshots up to a daily key (all by default); maybe none."""
    keys = [key for key in lake.ledger.keys(Patients) if day is None or key <= day]
    if not keys:
        return empty_table(Patients)
    return current_patients(lake.read(Patients, keys), window_of(keys[-1])[0].date())


def _newest(lake: Lake, model: ContractType) -> pa.Table:
    return latest_snapshot(lake, model) if lake.ledger.keys(model) else empty_table(model)


def is_over(alert: dict) -> bool:
    """Whether nobody has to hear of it any more: finished, and not by going on as another alert."""
    if alert["closed_at"] is None:
        return False
    kinds = {transition["kind"] for transition in json.loads(alert["transitions"])}
    return alert["state"] != RESOLVED or CONTINUED not in kinds


def deliver(
    lake: Lake,
    outbox: OutboxResource,
    alerts: Sequence[dict] = (),
    pages: Sequence[Page] = (),
    heard: Mapping[str, datetime] | None = None,
) -> Report:
    """Enqueue what alerts and pages ask for, take back what is over, send what is due, go on to who is next.

    Running it again, or with alerts of long ago, sends nothing twice and nothing stale.

    Args:
        lake: where patients and contacts are.
        outbox: ledger, channels and clock.
        alerts: rows of a table of alerts.
        pages: further pages, about the platform itself.
        heard: by alert id, when a stream brought what it was opened from, UTC; no drop needs to tell that.

    Returns:
        Counts by state of what was newly held back and of what was sent.

    Raises:
        OutboxBusy: another process is delivering; what was enqueued here leaves with it or with the next.
    """
    patients = patients_until(lake)
    contacts = contacts_by_patient(_newest(lake, CareContacts), patients)
    ops = outbox.ops()
    now = outbox.now()
    lately = {alert_id: at for alert_id, at in (heard or {}).items() if at >= now - FALL_CEILING}
    unheard = [alert for alert in alerts if alert["alert_id"] not in (heard or {})]
    received = {**received_at(lake, unheard, since=now - FALL_CEILING), **lately}
    report = Report()
    with outbox.ledger() as ledger:
        asked = pages_of(alerts, contacts, ops, time_zones(patients), received=received)
        waiting = [*asked, *pages]
        note_states(ledger, alerts, now)
        while True:
            held = ledger.enqueue(waiting, now)
            ledger.withdraw({a["alert_id"] for a in alerts if is_over(a)}, now)
            done = ledger.deliver(now, outbox.channels(), address_book(contacts, ops), outbox.alert_link())
            report.add(done)
            report.states += held.states - type(held.states)(PENDING=held.states["PENDING"])
            further, ended = next_pages(ledger.ladders(now - FALL_CEILING), contacts, ops, now)
            for alert_id in ended:
                ledger.note(alert_id, STOPPED, now)
            waiting = [*further, *_ops_pages(done, received, ops, now)]
            if not waiting:
                return report


def note_states(ledger: Ledger, alerts: Sequence[dict], now: datetime) -> None:
    """Tell the ledger what the rows of alerts say about who has to hear of them: critical, held, stopped."""
    for alert in alerts:
        if alert["severity"] != "critical" or now - critical_since(alert) > FALL_CEILING:
            continue
        ledger.note(alert["alert_id"], CRITICAL, now)
        if alert["snoozed_until"] is not None:
            ledger.note(alert["alert_id"], HELD, now, alert["snoozed_until"])
        if alert["acknowledged_at"] is not None or alert["closed_at"] is not None:
            stop(ledger, alert["alert_id"], now)


def stop(ledger: Ledger, alert_id: str, now: datetime) -> None:
    """End the escalation of an alert: somebody has it."""
    ledger.note(alert_id, STOPPED, now)
    ledger.withdraw([alert_id], now, "somebody has it", from_level=1)


def received_at(lake: Lake, alerts: Sequence[dict], since: datetime) -> dict[str, datetime]:
    """When the drops were received that falls were found in, by alert id, UTC.

    Which of an hour's drops held the fall is not kept; the last one is never too early. Only receipts after
    `since` are looked for: what was received before is too old to be told.
    """
    falls = [a for a in alerts if a["rule"] == FALL_DETECTED and a["device_id"]]
    hours = {a["alert_id"]: hour_key(critical_since(a)) for a in falls}
    keys = sorted(set(hours.values()))
    if not falls:
        return {}
    drops = lake.read(
        TelemetryDrops,
        keys,
        columns=["device_id", "event_hour", "received_at"],
        where=pc.field("received_at") >= pa.scalar(since, pa.timestamp("us", "UTC")),
        buckets=sorted({device_bucket(a["device_id"]) for a in falls}),
        optional=True,
    )
    last: dict[tuple[str, str], datetime] = {}
    names = ("device_id", "event_hour", "received_at")
    for device, hour, at in zip(*(drops[name].to_pylist() for name in names), strict=True):
        place = (device, hour_key(hour))
        last[place] = max(at, last.get(place, at))
    found = {a["alert_id"]: last.get((a["device_id"], hours[a["alert_id"]])) for a in falls}
    return {alert_id: at for alert_id, at in found.items() if at is not None}


def _ops_pages(report: Report, received: Mapping[str, datetime], ops: Contact, now: datetime) -> list[Page]:
    """What whoever runs the platform has to hear of: pages that failed, falls that came too late.

    Falls that could be known long ago are a backfill's, and no news.
    """
    pages = [
        ops_alert(
            "PAGE_FAILED",
            page.subject,
            at=now,
            contact=ops,
            reference=page.idempotency_key,
            detail=f"alert {page.alert_id}, level {page.level}, by {page.channel}: {why}",
        )
        for page, why in report.failed
        if page.contact_id != ops.contact_id
    ]
    late = sorted(
        page.alert_id
        for page in report.stale
        if page.severity == "critical" and (page.alert_id in received or now - page.known_at <= FALL_CEILING)
    )
    if late:
        text = f"{len(late)} could not be told in time, so nobody was paged. First alert: {late[0]}"
        pages.append(
            ops_alert("FALLS_TOO_OLD", "falls", at=now, contact=ops, reference="|".join(late), detail=text)
        )
    return pages
