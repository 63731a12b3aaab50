"""Which transitions are told to whom, and in what words.

Belongs here: pages (one transition for one contact) and their message. Does not belong here: sending
(`channels`) and remembering what was sent (`outbox`).

A message says that something happened, to which pseudonym, when, and where to look; never a name, an
address or a health detail beyond the rule.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fallrisk_assets.alerts.contacts import Contact, contact_id
from fallrisk_assets.alerts.monitoring_rules import MONITORING_RULES
from fallrisk_assets.alerts.rules import CONTINUES, OPENED, RAISED, RULES, AlertRule
from fallrisk_assets.alerts.values import subject_of

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fallrisk-assets/delivery")

OPS_KINDS = ("RUN_FAILED", "CHECK_FAILED", "SENSOR_FAILED", "PAGE_FAILED", "FALLS_TOO_OLD")
OPS_STALE_AFTER = timedelta(hours=6)
OPS_PAGES_COVER = timedelta(hours=1)
"""A job that fails every minute is one page an hour."""

_STAFF = ("nurse", "on-call")
_WORDS = {
    "FALL_DETECTED": "Fall detected",
    "DEVICE_SILENT": "Device silent",
    "DEVICE_LOW_BATTERY": "Device battery low",
    "DEVICE_NOT_WORN": "Device not worn",
    "DEVICE_UNREGISTERED": "Unregistered device",
    "INDEX_LEVEL": "Fall risk index high",
    "INDEX_CHANGE": "Fall risk index rising",
    "RUN_FAILED": "Run failed",
    "CHECK_FAILED": "Check failed",
    "SENSOR_FAILED": "Sensor failed",
    "PAGE_FAILED": "Page not delivered",
    "FALLS_TOO_OLD": "Critical falls too old to page",
    **{one.rule: one.title for one in MONITORING_RULES},
}


@dataclass(frozen=True)
class Page:
    """One transition of one alert, for one contact.

    Attributes:
        subject: patient or device id (or indicator, table, job, check, sensor), as in the alert.
        at: time of the transition, UTC.
        known_at: when it could be known at the earliest; staleness counts from here.
        opened_at: when the alert opened; of one that continues another: when that one may have opened; of
            one that has become critical: when it did.
        covers_until: end of the time in which another page of the same subject, rule, transition, level and
            contact is a duplicate, even under another alert id.
    """

    alert_id: str
    subject: str
    rule: str
    severity: str
    transition: str
    level: int
    at: datetime
    known_at: datetime
    stale_after: timedelta
    opened_at: datetime
    covers_until: datetime
    contact_id: str
    channel: str
    time_zone: str = "UTC"
    detail: str = ""

    @property
    def idempotency_key(self) -> str:
        """uuid5 of alert, transition, level, contact and channel: what a receiver recognises a repeat by."""
        parts = (self.alert_id, self.transition, str(self.level), self.contact_id, self.channel)
        return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))


@dataclass(frozen=True)
class Message:
    """What a channel sends: headline, text and the same as data."""

    idempotency_key: str
    headline: str
    text: str
    data: Mapping[str, Any]


def pages_of(
    alerts: Iterable[Mapping[str, Any]],
    contacts: Mapping[str, Sequence[Contact]],
    fallback: Contact,
    zones: Mapping[str, str] | None = None,
    rules: Mapping[str, AlertRule] = RULES,
    received: Mapping[str, datetime] | None = None,
) -> list[Page]:
    """The first page that each alert asks for, sent already or not: the outbox knows which.

    A critical alert starts at the patient's first contact (`escalation` tells the next). Others go to the
    first nurse or on-call contact; one that has become critical asks as critical, from then on. Without a
    contact it is the fallback: an alert that nobody is told about does not exist. An alert that continues
    another asks too, and the outbox knows whether anybody was told of the condition before.

    Args:
        alerts: rows of a table of alerts.
        contacts: contacts by wearable patient id, in order of call.
        fallback: who is told when there is no (further) contact.
        zones: IANA zone by wearable patient id.
        rules: the rules by name.
        received: by alert id, when the data was received that it was opened from, UTC; an alert cannot have
            been known before.
    """
    pages = []
    for row in alerts:
        rule, subject = rules[row["rule"]], subject_of(row)
        called = list(contacts.get(row["patient_id"] or "", ()))
        transitions = json.loads(row["transitions"])
        raised = any(transition["kind"] == RAISED for transition in transitions)
        for transition in transitions:
            if transition["kind"] not in ((RAISED,) if raised else (OPENED, CONTINUES)):
                continue
            # Whoever was told of a part of this condition was told of it within the longest part before.
            known_since = rule.longest_part if transition["kind"] == CONTINUES else timedelta(0)
            if row["severity"] == "critical":
                first = [*called, fallback][0]
            else:
                first = [*[c for c in called if c.role in _STAFF], fallback][0]
            at = datetime.fromisoformat(transition["at"])
            began = at if raised else row["opened_at"]
            known_at = at + rule.known_after
            if (receipt := (received or {}).get(row["alert_id"])) is not None:
                known_at = max(known_at, min(receipt, at + rule.ceiling - rule.stale_after))
            pages.append(
                Page(
                    alert_id=row["alert_id"],
                    subject=subject,
                    rule=rule.rule,
                    severity=row["severity"],
                    transition=transition["kind"],
                    level=0,
                    at=at,
                    known_at=known_at,
                    stale_after=rule.stale_after,
                    opened_at=began - known_since,
                    covers_until=max(row["last_seen_at"], began + rule.pages_cover),
                    contact_id=first.contact_id,
                    channel=first.channel,
                    time_zone=(zones or {}).get(row["patient_id"] or "", "UTC"),
                )
            )
    return pages


def critical_since(row: Mapping[str, Any]) -> datetime:
    """Since when an alert's row is critical, UTC: its opening, unless it was raised later."""
    raised = [t["at"] for t in json.loads(row["transitions"]) if t["kind"] == RAISED]
    return datetime.fromisoformat(raised[0]) if raised else row["opened_at"]


def ops_contact(channel: str, address: str) -> Contact:
    """The contact for what concerns nobody's patient, and the fallback for what concerns one."""
    return Contact(contact_id("ops", 1, "on-call", channel), "on-call", channel, address)


def ops_alert(
    kind: str, name: str, *, at: datetime, contact: Contact, reference: str = "", detail: str = ""
) -> Page:
    """The page about a failed run, failed check or sensor error.

    Args:
        kind: one of `OPS_KINDS`.
        name: job, check or sensor; for pages whom they were about.
        at: when it failed, UTC.
        contact: who runs the platform.
        reference: run id, or what else tells one failure from the next.
        detail: where to look (partition, step, error class); the caller keeps data rows out of it.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in OPS_KINDS:
        raise ValueError(f"ops alert {kind!r}: must be one of {', '.join(OPS_KINDS)}")
    identity = uuid.uuid5(_NAMESPACE, f"ops|{kind}|{name}|{reference or at.astimezone(UTC).isoformat()}")
    return Page(
        alert_id=str(identity),
        subject=name,
        rule=kind,
        severity="high",
        transition="OPENED",
        level=0,
        at=at,
        known_at=at,
        stale_after=OPS_STALE_AFTER,
        opened_at=at,
        covers_until=at + OPS_PAGES_COVER,
        contact_id=contact.contact_id,
        channel=contact.channel,
        detail=detail[:300],
    )


def message_of(page: Page, link: str) -> Message:
    """The words of a page: alert id, pseudonym, rule, severity, time in UTC and local, link.

    Args:
        page: what to tell.
        link: address to look at; `{alert_id}` in it stands for the alert's id.
    """
    local = page.at.astimezone(ZoneInfo(page.time_zone))
    data = {
        "idempotencyKey": page.idempotency_key,
        "alertId": page.alert_id,
        "subject": page.subject,
        "rule": page.rule,
        "severity": page.severity,
        "transition": page.transition,
        "level": page.level,
        "at": page.at.astimezone(UTC).isoformat(timespec="seconds"),
        "localTime": local.isoformat(timespec="seconds"),
        "link": link.replace("{alert_id}", page.alert_id),
    }
    if page.detail:
        data["detail"] = page.detail
    level = f" (escalation {page.level})" if page.level else ""
    # The id of an unregistered device is whatever it claims to be: nothing of it may start a new header line.
    subject = "".join(c if c.isprintable() else "?" for c in page.subject)[:80]
    headline = f"[{page.severity}] {_WORDS[page.rule]}: {subject}{level}"
    lines = [
        headline,
        f"Time: {data['at']} ({local:%Y-%m-%d %H:%M} {page.time_zone})",
        *([f"Detail: {page.detail}"] if page.detail else []),
        f"Alert: {page.alert_id}",
        f"See: {data['link']}",
    ]
    return Message(page.idempotency_key, headline, "\n".join(lines) + "\n", data)
