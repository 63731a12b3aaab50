"""The FHIR domain as daily assets: the resources as a published table, and their files.

Here: what is read and where it goes. Not here: what a resource is (`mapping/`, `patient_day.py`) or what a
day's folder holds (`folder.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import dagster as dg
import pyarrow as pa

from fallrisk_assets.alerts.contract import Alerts, IndexAlerts
from fallrisk_assets.clinic.contract import PatientIdentity, Patients
from fallrisk_assets.clinic.identity import current_patients
from fallrisk_assets.clinic.operations.contract import Appointments, Feedback, Providers
from fallrisk_assets.clinic.snapshots import latest_snapshot, snapshots
from fallrisk_assets.contract import ContractType
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.fhir.folder import problems, write_day
from fallrisk_assets.fhir.patient_day import DayRows, falls_reviewed_later, flag_history_start, patient_days
from fallrisk_assets.fhir.resource import FhirSettings
from fallrisk_assets.fhir.resources import judge, labelled_as_test_data, resources_table
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.partitions import daily, day_key, hours_of_day
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex

#: The flag of standing high risk looks back at most this many days (`flag_history_start`).
_FLAG_HISTORY = dg.TimeWindowPartitionMapping(start_offset=-179, end_offset=0)

WHOLE_CHECK = "every_resource_is_in_a_bundle"


@contract_asset(
    FhirResources,
    partitions_def=daily,
    group_name="fhir",
    kinds=("python", "iceberg", "json"),
    resource_keys=("fhir",),
    deps=[
        dg.AssetDep("patients", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("patient_identity", partition_mapping=dg.AllPartitionMapping()),
        "daily_gait",
        "fall_events",
        dg.AssetDep("fall_risk_index", partition_mapping=_FLAG_HISTORY),
        "alerts",
        "index_alerts",
        "appointments",
        "feedback",
        dg.AssetDep("providers", partition_mapping=dg.AllPartitionMapping()),
    ],
)
def fhir_resources(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Every patient-day as FHIR R4 resources.

    Each resource passes the structural check, and a stratified sample passes the R4B models, before anything
    is published: a fault refuses the day and is counted by reason in the contract's check.
    """
    settings: FhirSettings = context.resources.fhir
    test_data = settings.labels_test_data()
    for key in publication.keys:
        day = date.fromisoformat(key)
        found = patient_days(day, _day_rows(lake, publication, key), test_data=test_data)
        publication.reports[key].merge(judge(found))
        publication.add(key, resources_table(day, found))
        kinds = Counter(r["resourceType"] for resources in found.resources.values() for r in resources)
        show(
            publication,
            key,
            patients=len(found.resources),
            **dict(sorted(kinds.items())),
            **{f"rows without a resource: {reason}": n for reason, n in sorted(found.unplaced.items())},
        )
        show_bars(publication, key, dict(kinds.most_common()), name="resources by type")


def _day_rows(lake: Lake, publication: Publication, key: str) -> DayRows:
    """Read what a day's resources are made of, and note it as the partition's inputs."""
    day = date.fromisoformat(key)
    hours = hours_of_day(key)
    start = flag_history_start(day)
    history = [k for k in lake.ledger.keys(FallRiskIndex) if day_key(start) <= k < key]
    inputs: tuple[tuple[ContractType, list[str]], ...] = (
        (Patients, [k for k in lake.ledger.keys(Patients) if k <= key]),
        (PatientIdentity, [k for k in lake.ledger.keys(PatientIdentity) if k <= key]),
        (DailyGait, [key]),
        (FallRiskIndex, [*history, key]),
        (IndexAlerts, [key]),
        (FallEvents, hours),
        (Alerts, hours),
        (Appointments, [key]),
        (Feedback, [key]),
        (Providers, [k for k in lake.ledger.keys(Providers) if k <= key]),
    )
    for model, keys in inputs:
        publication.note_input(key, model.spec.identifier, _content_hash(lake, model, keys))
    alerts = lake.read(Alerts, hours).to_pylist()
    falls = lake.read(FallEvents, hours).to_pylist()
    for other in falls_reviewed_later(alerts, day):
        falls += lake.read(FallEvents, hours_of_day(day_key(other)), optional=True).to_pylist()
    patients = current_patients(snapshots(lake, Patients, key), day)
    providers = latest_snapshot(lake, Providers, key)
    return DayRows(
        patients=patients.to_pylist(),
        identities=_newest(snapshots(lake, PatientIdentity, key)),
        gait=lake.read(DailyGait, [key]).to_pylist(),
        falls=falls,
        index=lake.read(FallRiskIndex, [key]).to_pylist(),
        index_history=lake.read(
            FallRiskIndex, history, columns=["patient_id", "day", "status", "band"]
        ).to_pylist(),
        alerts=alerts,
        index_alerts=lake.read(IndexAlerts, [key]).to_pylist(),
        appointments=lake.read(Appointments, [key]).to_pylist(),
        feedback=lake.read(Feedback, [key]).to_pylist(),
        specialties=dict(
            zip(providers["provider_id"].to_pylist(), providers["specialty"].to_pylist(), strict=True)
        ),
    )


def _newest(identities: pa.Table) -> list[dict[str, Any]]:
    """Return the newest identity of each patient."""
    newest = {row["patient_id"]: row for row in identities.sort_by("snapshot_date").to_pylist()}
    return [newest[patient_id] for patient_id in sorted(newest)]


def _content_hash(lake: Lake, model: ContractType, keys: Sequence[str]) -> str:
    """Return one hash for the contents of several partitions.

    Raises:
        MissingPartition: one of them has never been published.
    """
    return sha256("".join(lake.ledger.get(model, key).content_hash for key in keys).encode()).hexdigest()


@dg.asset(
    name="fhir_bundles",
    partitions_def=daily,
    deps=[fhir_resources],
    group_name="fhir",
    kinds={"python", "json"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"lake", "reports"},
    check_specs=[
        dg.AssetCheckSpec(
            WHOLE_CHECK,
            asset="fhir_bundles",
            blocking=True,
            partitions_def=daily,
            description=(
                "Read back from the files before they appear: every row of curated.fhir_resources is in its "
                "patient's bundle byte for byte and once in the NDJSON, and nothing else is."
            ),
        )
    ],
)
def fhir_bundles(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """One R4 transaction bundle per patient-day, NDJSON per resource type, and provenance beside them.

    Posting a bundle twice changes nothing: each entry is a PUT of an id that follows from what it is about. A
    day's folder appears in one step; made again, its bundles and NDJSON are the same bytes.
    """
    lake: Lake = context.resources.lake
    reports: Reports = context.resources.reports
    broken: dict[str, list[str]] = {}
    written = 0
    for key in context.partition_keys:
        entry = lake.ledger.get(FhirResources, key)
        data = lake.read(FhirResources, [key])
        counts: dict[str, int] = {}
        try:
            with reports.replace_folder(f"fhir/{key}") as folder:
                counts = write_day(
                    folder,
                    data,
                    recorded=datetime.now(UTC),
                    run_id=context.run_id,
                    snapshot=str(entry.snapshot_id),
                    inputs=entry.inputs,
                    test_data=labelled_as_test_data(data),
                )
                if wrong := problems(folder, data):
                    raise DayNotWhole(key, wrong)
        except DayNotWhole as refused:
            broken[key] = refused.problems
        written += data.num_rows
        if not context.has_partition_key:  # a range: its own result would be recorded without a partition
            context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=context.asset_key,
                    check_name=WHOLE_CHECK,
                    passed=key not in broken,
                    partition=key,
                    blocking=True,
                    metadata=_check_metadata(data.num_rows, broken.get(key, [])),
                )
            )
        if key not in broken:
            path = dg.MetadataValue.path(reports.address(f"fhir/{key}"))
            metadata = {"folder": path, "content hash": entry.content_hash[:16], **counts}
            context.add_asset_metadata(metadata, partition_key=key)
    verdict = dg.AssetCheckResult(
        asset_key=context.asset_key,
        check_name=WHOLE_CHECK,
        passed=not broken,
        metadata=_check_metadata(written, [f"{key}: {p}" for key, found in broken.items() for p in found]),
    )
    if broken:
        yield verdict
        raise DayNotWhole(", ".join(broken), [p for found in broken.values() for p in found])
    yield dg.MaterializeResult(check_results=[verdict])


class DayNotWhole(ValueError):
    """What was written of a day is not what the table holds; the old folder stays."""

    def __init__(self, key: str, found: list[str]) -> None:
        super().__init__(f"fhir/{key} not published: {'; '.join(found)}")
        self.problems = found


def _check_metadata(resources: int, found: Sequence[str]) -> dict[str, Any]:
    said = "; ".join(found) or f"All {resources:,} resources are in their bundle and in the NDJSON."
    return {"verdict": said, "resources": resources}
