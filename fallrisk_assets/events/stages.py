"""Which event each stage is, and what it says.

What belongs here: events as plain data, made of ledger entries and pages. What does not: remembering what was
told (`ledger.py`), sending (`sinks.py`).

An event says that something is there, where, and how much of it; an alert's event the pseudonym that its page
says, and nothing of health beyond the rule.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.notifications import Page
from fallrisk_assets.alerts.rules import CONTINUES, OPENED, RAISED
from fallrisk_assets.clinic.operations.contract import Appointments
from fallrisk_assets.contract import ContractType
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.lake import LedgerEntry
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex
from fallrisk_assets.telemetry.contract import Telemetry

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fallrisk-assets/stage-event")
STAGES: Mapping[str, ContractType] = {
    "telemetry.ingested": Telemetry,
    "features.ready": WindowFeatures,
    "falls.detected": FallEvents,
    "risk.scored": FallRiskIndex,
    "alerts.updated": Alerts,
    "appointments.updated": Appointments,
    "fhir.written": FhirResources,
}
ALERT_STAGES = {OPENED: "alert.opened", CONTINUES: "alert.continued", RAISED: "alert.raised"}
"""By the transition that is paged."""


@dataclass(frozen=True)
class StageEvent:
    """One event.

    Attributes:
        event_id: uuid5 of what it tells: the same thing told again is the same event.
        stage: what happened, such as `risk.scored`.
        at: when, UTC.
        detail: what, as JSON has it.
    """

    event_id: str
    stage: str
    at: datetime
    detail: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        """The event as it is sent."""
        at = self.at.astimezone(UTC).isoformat(timespec="milliseconds")
        return {"eventId": self.event_id, "stage": self.stage, "at": at, **self.detail}

    def attributes(self) -> dict[str, str]:
        """What filter policies choose by: the stage, and of an alert severity and rule."""
        chosen = {name: str(self.detail[name]) for name in ("severity", "rule") if name in self.detail}
        return {"stage": self.stage, **chosen}


def published(stage: str, entry: LedgerEntry, at: datetime) -> StageEvent:
    """Return the event that a partition was published with this content.

    Args:
        stage: one of `STAGES`.
        entry: of the lake's ledger.
        at: when it was published, UTC.
    """
    detail = {
        "table": entry.table,
        "partition": entry.key,
        "rows": entry.rows,
        "contentHash": entry.content_hash,
        "runId": entry.run_id,
    }
    return StageEvent(_id(stage, entry.key, entry.content_hash), stage, at, detail)


def paged(page: Page) -> StageEvent:
    """Return the event that an alert opened, goes on as another, or became critical, of its first page."""
    detail = {
        "alertId": page.alert_id,
        "subject": page.subject,
        "rule": page.rule,
        "severity": page.severity,
    }
    stage = ALERT_STAGES[page.transition]
    return StageEvent(_id(stage, page.alert_id), stage, page.at, detail)


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "|".join(parts)))
