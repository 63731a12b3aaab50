"""The no-show model as assets: the daily probabilities.

Here: the Dagster skin, and what is read from the lake. Not here: what is computed (`scoring.py`).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.clinic.no_show.clinic_bookings import (
    MOVE_COLUMNS,
    PATIENT_COLUMNS,
    STATE_COLUMNS,
    ClinicBookings,
    clinic_bookings,
)
from fallrisk_assets.clinic.no_show.contract import SCORED, NoShowRisk
from fallrisk_assets.clinic.no_show.model import NAME, NoShowModel
from fallrisk_assets.clinic.no_show.scoring import no_show_risk_table
from fallrisk_assets.clinic.operations.contract import AppointmentEvents, Appointments
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.models.pinning import MODEL_FACT, pinned_version
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import contract_asset, show, show_bars

GROUP = "no_show"
_EVERY_DAY = dg.AllPartitionMapping()
FROM_THE_CLINIC = [
    dg.AssetDep(name, partition_mapping=_EVERY_DAY)
    for name in ("appointments", "appointment_events", "patients")
]
_INPUTS: dict[ContractType, tuple[Sequence[str], str]] = {
    Appointments: (STATE_COLUMNS, "day"),
    AppointmentEvents: (MOVE_COLUMNS, "received_date"),
    Patients: (PATIENT_COLUMNS, "snapshot_date"),
}


class ClinicTables:
    """The clinic's tables up to the last day of a run, read once."""

    def __init__(self, lake: Lake, last: str) -> None:
        """Read what was published up to a day; that day itself must have been."""
        self._hashes: dict[ContractType, dict[str, str]] = {}
        self._rows: dict[ContractType, pa.Table] = {}
        for model, (columns, _) in _INPUTS.items():
            lake.ledger.get(model, last)
            found = lake.ledger.find_all(model, [key for key in lake.ledger.keys(model) if key <= last])
            entries = {key: entry for key, entry in sorted(found.items()) if entry is not None and entry.rows}
            self._hashes[model] = {key: entry.content_hash for key, entry in entries.items()}
            self._rows[model] = lake.read(model, list(entries), columns=list(columns))

    def until(self, key: str) -> ClinicBookings:
        """What is known at the end of a day."""
        day = date.fromisoformat(key)
        known = [
            rows.filter(pc.less_equal(rows[_INPUTS[model][1]], day)) for model, rows in self._rows.items()
        ]
        return clinic_bookings(*known)

    def note(self, publication: Publication, key: str) -> None:
        """Record what a day was made from."""
        for model, hashes in self._hashes.items():
            known = combined_hash(f"{day}={content}" for day, content in hashes.items() if day <= key)
            publication.note_input(key, model.spec.identifier, known)


@contract_asset(
    NoShowRisk,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg"),
    deps=FROM_THE_CLINIC,
)
def no_show_risk(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """By the version of the model in use; a published day keeps the version that judged it.

    Lead time, age, weekday and the visits of the year before the booking: nothing that was learnt after it.
    """
    keys = sorted(publication.keys)
    clinic = ClinicTables(lake, keys[-1])
    registry = registry_of(lake, NAME)
    in_use = registry.in_use()
    for key in keys:
        version = pinned_version(lake.ledger.find(NoShowRisk, key)) or in_use
        text = registry.artefact(version)
        registry.keep(text)
        model = NoShowModel.from_json(text)
        rows = no_show_risk_table(date.fromisoformat(key), clinic.until(key), model)
        clinic.note(publication, key)
        publication.mark(key, None, **{MODEL_FACT: version})
        publication.add(key, rows)
        outcome = zip(rows["status"].to_pylist(), rows["reason"].to_pylist(), strict=True)
        counts = Counter(reason or status for status, reason in outcome)
        expected = pc.sum(rows["probability"]).as_py()
        show(publication, key, model=version, **{"the model was": model.basis})
        show(publication, key, **{"no-shows expected": round(expected, 1) if expected else 0.0})
        show_bars(publication, key, {SCORED: 0, **dict(sorted(counts.items()))}, name="appointments ahead")
