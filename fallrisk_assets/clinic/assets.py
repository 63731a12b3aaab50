"""The clinic's identity inputs as daily assets.

Here: from the landing zone to published tables. Not here: how a line is judged (`intake.py`, `day.py`).
"""

from collections import Counter
from datetime import date
from hashlib import sha256

import dagster as dg

from fallrisk_assets.clinic.contract import (
    CareContacts,
    DeviceAssignment,
    IdentityQuarantine,
    PatientIdentity,
    Patients,
)
from fallrisk_assets.clinic.day import files_to_read, snapshot_of_day
from fallrisk_assets.clinic.files import FOLDER, ClinicFolder
from fallrisk_assets.clinic.patient_files import PatientFiles
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import contract_assets, show, show_bars

#: What a preview counts by; identities have none, because there is nothing in them to count.
_SHOWN_BY: dict[ContractType, str] = {
    Patients: "site_id",
    DeviceAssignment: "position",
    CareContacts: "role",
    IdentityQuarantine: "reason",
}


@contract_assets(
    Patients,
    PatientIdentity,
    DeviceAssignment,
    CareContacts,
    IdentityQuarantine,
    name="clinic_identity",
    partitions_def=daily,
    group_name="clinic",
    kinds=("python", "iceberg", "csv"),
    resource_keys=("landing",),
)
def clinic_identity(
    context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
) -> None:
    """From the clinic's CSV files received on the day.

    A day without a file gives a partition without rows; readers take the newest snapshot up to their day. A
    bad line costs that line, and stands in `identity_quarantine` with its reason.
    """
    landing: Landing = context.resources.landing
    folder = ClinicFolder(file.key for file in landing.list(FOLDER))
    patient_files = PatientFiles(landing.read)
    for key in context.partition_keys:
        day = date.fromisoformat(key)
        of_day, earlier = files_to_read(folder, day)
        content = {file.key: landing.read(file.key) for file in of_day}
        tables = snapshot_of_day(day, of_day, earlier, content, patient_files)
        refused = Counter(tables[IdentityQuarantine]["reason"].to_pylist())
        for model, publication in publications.items():
            publication.add(key, tables[model])
            for file in of_day:
                publication.note_input(key, file.key, sha256(content[file.key]).hexdigest())
            show(publication, key, files=", ".join(file.key for file in of_day) or "none received")
        show(publications[IdentityQuarantine], key, **{f"refused {r}": n for r, n in sorted(refused.items())})
        for model, column in _SHOWN_BY.items():
            counts = Counter(tables[model][column].to_pylist())
            show_bars(publications[model], key, dict(sorted(counts.items())), name=f"by {column}")
