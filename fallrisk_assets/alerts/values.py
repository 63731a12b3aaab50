"""Observations, transitions and alerts as plain values.

Belongs here: what they hold, and an alert's identity. Does not belong here: how one follows from the other
(`episodes`).
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fallrisk_assets.alerts.rules import OPEN

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fallrisk-assets/alert")


@dataclass(frozen=True, order=True)
class Observation:
    """One thing seen that a rule is about, or (`clear`) that the condition is over.

    Attributes:
        at: when it was seen, UTC.
        rule: name of the rule.
        source_id: identity of what was seen; the same source counts once.
        patient_id: wearable patient id; None for a device that nobody is assigned to.
        device_id: the device; None when no device is involved.
        severity: None: the rule's.
        clear: True when this says that the condition no longer holds.
        since: since when the condition holds, as far as whoever observed it knew, UTC.
        scope: indicator or table of the clinic's running that it is about; None where it is about a patient
            or a device.
    """

    at: datetime
    rule: str
    source_id: str
    patient_id: str | None = None
    device_id: str | None = None
    severity: str | None = None
    clear: bool = False
    since: datetime | None = None
    scope: str | None = None

    @property
    def subject(self) -> str:
        """Whom the alert is about: the patient, else the device, else the scope."""
        return self.patient_id or self.device_id or self.scope or ""


@dataclass(frozen=True)
class Transition:
    """A change of an alert: what, when (UTC), at which escalation level, by whom.

    Attributes:
        since: of OPENED and CONTINUES: since when the condition holds, where that is known.
        next: of CONTINUED: id of the alert that goes on.
    """

    at: datetime
    kind: str
    level: int = 0
    by: str | None = None
    since: datetime | None = None
    next: str | None = None

    def as_dict(self) -> dict[str, str | int | None]:
        """The form in the table; `since` and `next` only where there is one."""
        plain: dict[str, str | int | None] = {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "level": self.level,
            "by": self.by,
        }
        if self.since is not None:
            plain["since"] = self.since.isoformat()
        if self.next is not None:
            plain["next"] = self.next
        return plain


@dataclass(frozen=True)
class Episode:
    """Observations of one alert.

    Attributes:
        run_start: when the run began that this is (a part of), as far as it is in sight.
        continues: whether it goes on with a condition from where the run was cut.
        seen: the observations, in time order.
    """

    run_start: datetime
    continues: bool
    seen: list[Observation]

    @property
    def opened_at(self) -> datetime:
        """Time of the first observation."""
        return self.seen[0].at


@dataclass
class Alert:
    """One alert as of a time; fields as in the `alerts` table."""

    alert_id: str
    rule: str
    patient_id: str | None
    device_id: str | None
    severity: str
    opened_at: datetime
    last_seen_at: datetime
    n: int = 1
    scope: str | None = None
    state: str = OPEN
    escalation_level: int = 0
    acknowledged_at: datetime | None = None
    assigned_to: str | None = None
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None
    notes: int = 0
    source_ids: list[str] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    def transitions_json(self) -> str:
        """All transitions so far as JSON, oldest first."""
        return json.dumps([t.as_dict() for t in self.transitions], separators=(",", ":"))

    def matters_in(self, start: datetime, end: datetime) -> bool:
        """Whether the alert is unfinished, or changed in `[start, end)`.

        Unfinished alerts count in every slice, because an escalation may have become due in the part of an
        earlier slice that its watermark had not reached.
        """
        return self.closed_at is None or any(start <= t.at < end for t in self.transitions)


def subject_of(row: Mapping[str, Any]) -> str:
    """Whom an alert's row is about: the patient, else the device, else (`operations_alerts`) the scope."""
    return row["patient_id"] or row["device_id"] or row["scope"]


def alert_id(subject: str, rule: str, opened_at: datetime) -> str:
    """Identity of an alert: uuid5 of patient (device, scope), rule and opening."""
    return str(uuid.uuid5(_NAMESPACE, f"{subject}|{rule}|{opened_at.astimezone(UTC).isoformat()}"))
