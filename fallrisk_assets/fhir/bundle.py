"""One transaction Bundle per patient-day, and the bytes in which bundles and resources are written.

Entries are `PUT Type/id`, so posting a bundle twice leaves a server as posting it once. Bytes are a pure
function of the resources: keys are sorted and entries keep the order in which they refer to each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from hashlib import sha256
from typing import Any

import orjson

from fallrisk_assets.fhir.identifiers import resource_id
from fallrisk_assets.fhir.terminology import PROJECT, TEST_DATA

MEDIA_TYPE = "application/fhir+json"


def transaction(
    patient_id: str, day: date, resources: Sequence[Mapping[str, Any]], *, test_data: bool
) -> dict[str, Any]:
    """Return the transaction Bundle of one patient-day.

    Args:
        patient_id: Clinic's id of the patient, part of the bundle's identity.
        day: The day, part of the bundle's identity.
        resources: Resources, referred-to before referring; each id once.
        test_data: Whether the data are simulated.

    Raises:
        ValueError: there is no resource (FHIR has no empty bundle), or a resource is there twice.
    """
    urls = [f"{r['resourceType']}/{r['id']}" for r in resources]
    if not urls:
        raise ValueError(f"bundle of {patient_id} on {day}: no resource")
    if len(set(urls)) != len(urls):
        twice = sorted({u for u in urls if urls.count(u) > 1})
        raise ValueError(f"bundle of {patient_id} on {day}: twice in it: {', '.join(twice)}")
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "id": resource_id("Bundle", patient_id, day.isoformat()),
        "type": "transaction",
        "entry": [
            {"fullUrl": f"{PROJECT}/{url}", "resource": resource, "request": {"method": "PUT", "url": url}}
            for url, resource in zip(urls, resources, strict=True)
        ],
    }
    if test_data:
        bundle["meta"] = {"security": [TEST_DATA]}
    return bundle


def to_json(resource: Mapping[str, Any]) -> bytes:
    """Return a resource as one line of JSON, keys sorted, without a newline."""
    return orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)


def to_ndjson(lines: Iterable[bytes]) -> bytes:
    """Return resources' lines as one NDJSON text, sorted, so that their order of arrival does not show."""
    return b"".join(line + b"\n" for line in sorted(lines))


def content_sha256(content: bytes) -> str:
    """Return the hex sha256 of a resource's line."""
    return sha256(content).hexdigest()
