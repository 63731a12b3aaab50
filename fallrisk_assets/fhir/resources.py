"""Resources as rows of `fhir_resources`, and rows as bundles and NDJSON.

Here: the table's form and the judgement of a day's resources before they are published. Not here: which
resources there are (`patient_day.py`) or where files go (`assets.py`).
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import orjson
import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.fhir.bundle import content_sha256, to_json, to_ndjson, transaction
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.fhir.models import model_errors, sample
from fallrisk_assets.fhir.patient_day import PatientDays
from fallrisk_assets.fhir.structure import Fault, faults
from fallrisk_assets.fhir.terminology import TEST_DATA
from fallrisk_assets.validation import ContractReport

_SHOWN = 5


class ResourceConflict(ValueError):
    """One resource has two contents on one day: a server would keep the one that is posted last."""


def resources_table(day: date, found: PatientDays) -> pa.Table:
    """Return the day's resources as rows, ordered by patient, type and id.

    Args:
        day: Day of the bundles.
        found: The resources by patient.
    """
    rows = sorted(
        (patient_id, resource["resourceType"], resource["id"], entry, to_json(resource))
        for patient_id, resources in found.resources.items()
        for entry, resource in enumerate(resources)
    )
    patients, types, ids, entries, contents = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return conform(
        FhirResources,
        {
            "day": [day] * len(rows),
            "patient_id": list(patients),
            "resource_type": list(types),
            "resource_id": list(ids),
            "entry": list(entries),
            "content": [c.decode() for c in contents],
            "content_sha256": [content_sha256(c) for c in contents],
        },
    )


def judge(found: PatientDays) -> ContractReport:
    """Judge a day's resources: structure of every one, R4B models on the stratified sample.

    A row of the clinic that is neither a resource nor counted as left out is ROW_LOST.

    Returns:
        A report to merge into the publication's: with any count in it the day is not published. Its examples
        name resource, place and reason, never a value.
    """
    wrong: list[Fault] = []
    refused: list[tuple[Mapping[str, Any], str]] = []
    total = 0
    for resources in found.resources.values():
        known = found.known | {f"{r['resourceType']}/{r['id']}" for r in resources}
        total += len(resources)
        wrong += [fault for resource in resources for fault in faults(resource, known)]
    kinds = Counter(r["resourceType"] for resources in found.resources.values() for r in resources)
    wrong += [
        Fault(kind, f"{kinds[kind]} of {rows} rows", "ROW_LOST")
        for kind, rows in found.told.items()
        if kinds[kind] != rows
    ]
    if not wrong:
        everything = (r for resources in found.resources.values() for r in resources)
        refused = [(r, error) for r in sample(everything) for error in model_errors(r)]
    report = ContractReport(FhirResources)
    counts = Counter(f"content: {fault.reason}" for fault in wrong)
    counts.update("content: R4B_MODEL_REFUSES" for _ in refused)
    report.counts = dict(counts)
    report.failed_rows = len({fault.resource for fault in wrong} | {str(r["id"]) for r, _ in refused})
    report.examples = [
        {"resource": f.resource, "where": f.where, "reason": f.reason} for f in wrong[:_SHOWN]
    ] or [
        {"resource": f"{r['resourceType']}/{r['id']}", "where": error, "reason": "R4B_MODEL_REFUSES"}
        for r, error in refused[:_SHOWN]
    ]
    return report


def labelled_as_test_data(data: pa.Table) -> bool:
    """Return whether rows of `fhir_resources` are labelled HTEST; of one day all are or none is."""
    contents = data["content"].slice(0, 1).to_pylist()
    return any(TEST_DATA in orjson.loads(text).get("meta", {}).get("security", []) for text in contents)


def bundles(data: pa.Table, *, test_data: bool) -> dict[str, dict[str, Any]]:
    """Return the bundles of one day from its rows, by patient.

    Args:
        data: Rows of `fhir_resources` of one day.
        test_data: Whether the data are simulated.
    """
    entries: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    days: dict[str, date] = {}
    for row in data.select(["patient_id", "day", "entry", "content"]).to_pylist():
        entries.setdefault(row["patient_id"], []).append((row["entry"], orjson.loads(row["content"])))
        days[row["patient_id"]] = row["day"]
    return {
        patient_id: transaction(
            patient_id,
            days[patient_id],
            [resource for _, resource in sorted(found, key=lambda e: e[0])],
            test_data=test_data,
        )
        for patient_id, found in sorted(entries.items())
    }


def ndjson(data: pa.Table) -> dict[str, bytes]:
    """Return NDJSON by resource type, each resource once though several patients' bundles hold it.

    Raises:
        ResourceConflict: one resource has two contents.
    """
    lines: dict[str, dict[str, bytes]] = {}
    for row in data.select(["resource_type", "resource_id", "content"]).to_pylist():
        of_type = lines.setdefault(row["resource_type"], {})
        content = row["content"].encode()
        if of_type.setdefault(row["resource_id"], content) != content:
            raise ResourceConflict(
                f"{row['resource_type']}/{row['resource_id']} has two contents on one day: a shared "
                "resource must not name what differs between patients"
            )
    return {kind: to_ndjson(of_type.values()) for kind, of_type in sorted(lines.items())}
