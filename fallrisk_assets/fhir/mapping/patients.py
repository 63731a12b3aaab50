"""Patient: who the bundle is about."""

from collections.abc import Mapping
from typing import Any

from fallrisk_assets.fhir.mapping.resource import head
from fallrisk_assets.fhir.terminology import PATIENT_IDENTIFIER


def patient(
    row: Mapping[str, Any], identity: Mapping[str, Any] | None = None, *, test_data: bool
) -> dict[str, Any]:
    """Return the Patient.

    Args:
        row: Row of `patients`: patient_id (PAT…), gender, birth_date.
        identity: Row of `patient_identity` of the same patient: given_name, family_name. Without it, or
            without a name, the resource carries none.
        test_data: Whether the data are simulated.
    """
    found = head("Patient", row["patient_id"], test_data=test_data) | {
        "identifier": [{"use": "official", "system": PATIENT_IDENTIFIER, "value": row["patient_id"]}],
        "active": True,
        "gender": row["gender"],
        "birthDate": row["birth_date"].isoformat(),
    }
    name = _name(identity or {})
    return found | {"name": [name]} if name else found


def _name(identity: Mapping[str, Any]) -> dict[str, Any]:
    given, family = identity.get("given_name"), identity.get("family_name")
    if not given and not family:
        return {}
    name: dict[str, Any] = {"use": "official", "text": " ".join(part for part in (given, family) if part)}
    if family:
        name["family"] = family
    if given:
        name["given"] = [given]
    return name
