"""Provenance: which run made the resources, from which snapshots.

It lies in a file beside the bundle: ids of runs and snapshots are random, and a bundle's bytes must not
change when it is made again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fallrisk_assets.fhir.identifiers import instant, reference
from fallrisk_assets.fhir.mapping.resource import head
from fallrisk_assets.fhir.terminology import (
    ASSEMBLER,
    CONTENT_IDENTIFIER,
    RUN_IDENTIFIER,
    SNAPSHOT_IDENTIFIER,
)


def provenance(
    targets: Sequence[Mapping[str, Any]],
    pipeline: Mapping[str, Any],
    recorded: datetime,
    run_id: str,
    snapshot: str,
    inputs: Mapping[str, str],
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the Provenance of one bundle's resources.

    Args:
        targets: The resources that were made.
        pipeline: The Device (software) that made them.
        recorded: When.
        run_id: Which run.
        snapshot: Id of the snapshot of `fhir_resources` that holds them.
        inputs: Table name → content hash of the rows that they were made from.
        test_data: Whether the data are simulated.
    """
    sources = [
        (RUN_IDENTIFIER, run_id, "Run"),
        (SNAPSHOT_IDENTIFIER, snapshot, "Snapshot of curated.fhir_resources"),
        *(
            (f"{CONTENT_IDENTIFIER}/{table}", digest, f"Rows of {table}")
            for table, digest in sorted(inputs.items())
        ),
    ]
    return head("Provenance", run_id, *(t["id"] for t in targets), test_data=test_data) | {
        "target": [reference(t) for t in targets],
        "recorded": instant(recorded),
        "agent": [{"type": {"coding": [ASSEMBLER]}, "who": reference(pipeline)}],
        "entity": [
            {"role": "source", "what": {"identifier": {"system": system, "value": value}, "display": display}}
            for system, value, display in sources
        ],
    }
