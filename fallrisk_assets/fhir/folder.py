"""The folder of one day: bundles, NDJSON, provenance beside them, and the code systems that they use.

    bundles/<patient>.json      one transaction Bundle
    ndjson/<Type>.ndjson        the same resources, each once, one a line
    provenance/<patient>.json   which run made the bundle, from what; the only files that change when it is
    made again terminology/<id>.json       this project's own code systems

Here: what is in the folder, and the proof that it is whole. Not here: where it lies and how it appears in
one step.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from fallrisk_assets.fhir.bundle import to_json
from fallrisk_assets.fhir.mapping import model_software, provenance
from fallrisk_assets.fhir.patient_day import PIPELINE
from fallrisk_assets.fhir.resources import bundles, ndjson
from fallrisk_assets.fhir.terminology import code_systems


def write_day(
    folder: Path,
    data: pa.Table,
    *,
    recorded: datetime,
    run_id: str,
    snapshot: str,
    inputs: Mapping[str, str],
    test_data: bool,
) -> dict[str, int]:
    """Write one day into an empty folder.

    Args:
        folder: An empty folder.
        data: Rows of `fhir_resources` of one day.
        recorded: When the run was made, for the provenance.
        run_id: Which run.
        snapshot: Snapshot of `fhir_resources` that was read.
        inputs: Table name → content hash of what the resources were made from.
        test_data: Whether the data are simulated.

    Returns:
        Number of bundles and of resources (each once) by type.

    Raises:
        ResourceConflict: one resource has two contents.
    """
    pipeline = model_software(*PIPELINE, test_data=test_data)
    of_patients = bundles(data, test_data=test_data)
    for name in ("bundles", "ndjson", "provenance", "terminology"):
        (folder / name).mkdir()
    for patient_id, bundle in of_patients.items():
        (folder / "bundles" / f"{patient_id}.json").write_bytes(_pretty(bundle))
        made = provenance(
            [entry["resource"] for entry in bundle["entry"]],
            pipeline,
            recorded,
            run_id,
            snapshot,
            inputs,
            test_data=test_data,
        )
        (folder / "provenance" / f"{patient_id}.json").write_bytes(_pretty(made))
    counts = {"bundles": len(of_patients)}
    for kind, lines in ndjson(data).items():
        (folder / "ndjson" / f"{kind}.ndjson").write_bytes(lines)
        counts[kind] = lines.count(b"\n")
    for system in code_systems():
        (folder / "terminology" / f"{system['id']}.json").write_bytes(_pretty(system))
    return counts


def problems(folder: Path, data: pa.Table) -> list[str]:
    """Return what is wrong with a written day, read back from its files; empty when it is whole.

    Each row must be in its patient's bundle, byte for byte, and its resource once in the NDJSON; and neither
    may hold anything else.
    """
    found: list[str] = []
    rows = data.select(["patient_id", "content"]).to_pylist()
    wanted = {(row["patient_id"], row["content"].encode()) for row in rows}
    in_bundles = {
        (path.stem, to_json(entry["resource"]))
        for path in (folder / "bundles").glob("*.json")
        for entry in orjson.loads(path.read_bytes())["entry"]
    }
    lines = [line for path in (folder / "ndjson").glob("*.ndjson") for line in path.read_bytes().splitlines()]
    if missing := wanted - in_bundles:
        found.append(f"{len(missing)} resources are in no bundle")
    if extra := in_bundles - wanted:
        found.append(f"{len(extra)} entries of bundles are not in the table")
    if len(set(lines)) != len(lines):
        found.append(f"{len(lines) - len(set(lines))} NDJSON lines are there twice")
    if set(lines) != {content for _, content in wanted}:
        found.append("NDJSON and table differ")
    return found


def _pretty(resource: Mapping[str, Any]) -> bytes:
    """Return a resource for people: sorted keys, indented, one newline at the end."""
    return orjson.dumps(
        resource, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
