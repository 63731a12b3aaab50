"""From published alerts to sent pages: contacts from the lake, the ledger, the channels.

Belongs here: the one path that assets, sensors and the command line all deliver by. Does not belong here:
what is due, stale or a duplicate (`outbox`).
"""

import json
from collections.abc import Sequence

import pyarrow as pa

from fallrisk_assets.alerts.contacts import address_book, contacts_by_patient, time_zones
from fallrisk_assets.alerts.notifications import Page, pages_of
from fallrisk_assets.alerts.outbox import Report
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.rules import CONTINUED, RESOLVED
from fallrisk_assets.clinic.contract import CareContacts, Patients
from fallrisk_assets.clinic.identity import current_patients
from fallrisk_assets.clinic.snapshots import latest_snapshot
from fallrisk_assets.contract import ContractType, empty_table
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import window_of


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
    lake: Lake, outbox: OutboxResource, alerts: Sequence[dict] = (), pages: Sequence[Page] = ()
) -> Report:
    """Enqueue what alerts and pages ask for, take back what is over, and send what is due.

    Running it again, or with alerts of long ago, sends nothing twice and nothing stale.

    Args:
        lake: where patients and contacts are.
        outbox: ledger, channels and clock.
        alerts: rows of `alerts` or `index_alerts`.
        pages: further pages, about the platform itself.

    Returns:
        Counts by state of what was newly held back and of what was sent.

    Raises:
        OutboxBusy: another process is delivering; what was enqueued here leaves with it or with the next.
    """
    patients = patients_until(lake)
    contacts = contacts_by_patient(_newest(lake, CareContacts), patients)
    ops = outbox.ops()
    now = outbox.now()
    with outbox.ledger() as ledger:
        asked = pages_of(alerts, contacts, ops, time_zones(patients))
        held = ledger.enqueue([*asked, *pages], now)
        ledger.withdraw({a["alert_id"] for a in alerts if is_over(a)}, now)
        report = ledger.deliver(now, outbox.channels(), address_book(contacts, ops), outbox.link)
    report.states += held.states - type(held.states)(PENDING=held.states["PENDING"])
    return report
