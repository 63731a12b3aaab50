"""CommunicationRequest and Communication: an alert that somebody is to be told, and that somebody was."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fallrisk_assets.fhir.identifiers import instant, reference
from fallrisk_assets.fhir.mapping.resource import head
from fallrisk_assets.fhir.terminology import (
    ALERT,
    ALERT_IDENTIFIER,
    PRIORITY,
)

REQUEST_STATUS = {
    "OPEN": "active",
    "ESCALATED": "active",
    "ACKNOWLEDGED": "active",
    "ASSIGNED": "active",
    "SNOOZED": "on-hold",
    "RESOLVED": "completed",
    "CLOSED_CONFIRMED": "completed",
    "CLOSED_DEVICE": "completed",
    "CLOSED_FALSE": "revoked",
}
"""State of an alert → CommunicationRequest.status (required binding request-status)."""


def communication_request(
    row: Mapping[str, Any],
    patient: Mapping[str, Any],
    requester: Mapping[str, Any],
    about: Sequence[Mapping[str, Any]] = (),
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the CommunicationRequest of an alert: somebody is to be told.

    Args:
        row: Row of `alerts` or `index_alerts`: alert_id, rule, severity, opened_at, state.
        patient: The Patient resource.
        requester: The Device (software) that raised it.
        about: Resources that it is about: the fall, the risk assessment.
        test_data: Whether the data are simulated.
    """
    found = head("CommunicationRequest", row["alert_id"], test_data=test_data) | {
        "identifier": [{"system": ALERT_IDENTIFIER, "value": row["alert_id"]}],
        "status": REQUEST_STATUS[row["state"]],
        "category": [{"coding": [ALERT]}],
        "priority": PRIORITY[row["severity"]],
        "subject": reference(patient),
        "payload": [{"contentString": alert_text(row)}],
        "authoredOn": instant(row["opened_at"]),
        "requester": reference(requester),
    }
    return found | {"about": [reference(a) for a in about]} if about else found


def communication(
    row: Mapping[str, Any],
    request: Mapping[str, Any],
    patient: Mapping[str, Any],
    sender: Mapping[str, Any],
    acknowledged_at: datetime,
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the Communication of an alert that reached a person.

    When it was sent is not told: the delivery ledger is no input of a bundle.

    Args:
        row: Row of `alerts` or `index_alerts`: alert_id, rule, severity.
        request: The CommunicationRequest that it carries out.
        patient: The Patient resource.
        sender: The Device (software) that sends.
        acknowledged_at: When a person acknowledged it.
        test_data: Whether the data are simulated.
    """
    found = head("Communication", row["alert_id"], test_data=test_data) | {
        "identifier": [{"system": ALERT_IDENTIFIER, "value": row["alert_id"]}],
        "basedOn": [reference(request)],
        "status": "completed",
        "category": [{"coding": [ALERT]}],
        "priority": PRIORITY[row["severity"]],
        "subject": reference(patient),
        "payload": [{"contentString": alert_text(row)}],
        "sender": reference(sender),
        "received": instant(acknowledged_at),
    }
    if about := request.get("about"):
        found["about"] = list(about)
    return found


def alert_text(row: Mapping[str, Any]) -> str:
    """Return an alert in words, without the person's data."""
    return f"{row['severity'].capitalize()} alert: {row['rule'].replace('_', ' ').lower()}"
