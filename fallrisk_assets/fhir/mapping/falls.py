"""Observation: a fall that the detector decided on, and what a person said about it."""

from collections.abc import Mapping
from typing import Any

from fallrisk_assets.fhir.identifiers import instant, reference
from fallrisk_assets.fhir.mapping.resource import decimal, head, percent, quantity
from fallrisk_assets.fhir.terminology import (
    ACCIDENTAL_FALL,
    ACTIVITY,
    FALL,
    FALL_FINDINGS,
    FINDINGS,
    concept,
)

REVIEW_STATUS = {None: "preliminary", "confirmed": "final", "false": "entered-in-error"}
"""What a person said of the fall → Observation.status."""


def fall_observation(
    row: Mapping[str, Any],
    patient: Mapping[str, Any],
    device: Mapping[str, Any],
    review: str | None = None,
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the Observation of a detected fall.

    It is preliminary until a person has looked at it. Only a person's confirmation makes it final and adds
    SNOMED's "accidental fall" as its value; a refuted one is entered in error and stays readable.

    Args:
        row: Row of `fall_events`: event_id, impact_at, decided_at, position, probability, peak_g,
            free_fall_s, posture_change_deg, stillness_s, recovered, model_version.
        patient: The Patient resource.
        device: The wearable's Device.
        review: "confirmed", "false", or None while nobody has looked.
        test_data: Whether the data are simulated.

    Raises:
        KeyError: the review is none of these.
    """
    found = head("Observation", "detected-fall", row["event_id"], test_data=test_data) | {
        "status": REVIEW_STATUS[review],
        "category": [{"coding": [ACTIVITY]}],
        "code": {"coding": [FALL], "text": "Fall detected by a wearable"},
        "subject": reference(patient),
        "effectiveDateTime": instant(row["impact_at"]),
        "issued": instant(row["decided_at"]),
        "method": {"text": f"Fall detector {row['model_version']}"},
        "device": reference(device),
        "component": _findings(row),
    }
    if row.get("position"):
        found["bodySite"] = {"text": row["position"]}
    if review == "confirmed":
        found["valueCodeableConcept"] = {"coding": [ACCIDENTAL_FALL]}
    return found


def _findings(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    components = [
        _finding(
            "detection-probability",
            valueQuantity=quantity(percent(row["probability"]), "%", "%", 2),
        )
    ]
    for column, code, ucum, unit in (
        ("peak_g", "peak-acceleration", "[g]", "g"),
        ("free_fall_s", "free-fall-duration", "s", "s"),
        ("posture_change_deg", "posture-change", "deg", "degrees"),
        ("stillness_s", "stillness-duration", "s", "s"),
    ):
        if row[column] is not None:
            value = decimal(row[column], 3)
            components.append(_finding(code, valueQuantity=quantity(value, ucum, unit, 3)))
    if row["recovered"] is not None:
        components.append(_finding("recovered", valueBoolean=bool(row["recovered"])))
    return components


def _finding(code: str, **value: Any) -> dict[str, Any]:
    return {"code": concept(FALL_FINDINGS, code, FINDINGS[code]), **value}
