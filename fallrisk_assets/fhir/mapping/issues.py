"""DetectedIssue: a high score, or what stands behind an alert, with what it rests on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fallrisk_assets.fhir.identifiers import instant, reference
from fallrisk_assets.fhir.mapping.resource import head
from fallrisk_assets.fhir.terminology import ISSUE_CODES, ISSUE_SEVERITY, ISSUES, concept

ISSUE_STATUS = {"CLOSED_CONFIRMED": "final", "CLOSED_FALSE": "entered-in-error"}
"""State of an alert → DetectedIssue.status; preliminary until a person has judged it."""


def detected_issue(
    natural_key: Sequence[str],
    code: str,
    severity: str,
    identified: datetime,
    patient: Mapping[str, Any],
    author: Mapping[str, Any],
    implicated: Sequence[Mapping[str, Any]],
    *,
    alert_state: str | None = None,
    test_data: bool,
) -> dict[str, Any]:
    """Return the DetectedIssue of a high score or of an alert.

    Args:
        natural_key: What identifies it besides its code: the alert's id, or patient and day.
        code: One of `ISSUE_CODES`.
        severity: Severity in our own words: low, medium, high, critical.
        identified: When it was seen.
        patient: The Patient resource.
        author: The Device (software) that found it.
        implicated: What it rests on: the RiskAssessment, the fall's Observation.
        alert_state: State of the alert, where there is one; a person's verdict sets the status.
        test_data: Whether the data are simulated.

    Raises:
        KeyError: code or severity is unknown.
    """
    found = head("DetectedIssue", code, *natural_key, test_data=test_data) | {
        "status": ISSUE_STATUS.get(alert_state or "", "preliminary"),
        "code": concept(ISSUES, code, ISSUE_CODES[code]),
        "severity": ISSUE_SEVERITY[severity],
        "patient": reference(patient),
        "identifiedDateTime": instant(identified),
        "author": reference(author),
    }
    return found | {"implicated": [reference(i) for i in implicated]} if implicated else found
