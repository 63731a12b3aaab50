"""One day's files of the clinic judged together: which snapshot holds, and what was refused.

Here: file names, the choice among several files of a day, and ids that hold across files. Not here: judging
lines (`intake.py`), reading the landing zone (`assets.py`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

import pyarrow as pa

from fallrisk_assets.clinic.contract import (
    CareContacts,
    DeviceAssignment,
    IdentityQuarantine,
    PatientIdentity,
    Patients,
)
from fallrisk_assets.clinic.csv_file import Refusal
from fallrisk_assets.clinic.intake import (
    parse_care_contacts,
    parse_device_assignment,
    parse_patients,
    patient_ids_in,
    quarantine_table,
)
from fallrisk_assets.contract import ContractType, empty_table

FOLDER = "clinic"
Kind = Literal["patients", "device_assignment", "care_contacts"]
KINDS: tuple[Kind, ...] = ("patients", "device_assignment", "care_contacts")
PATIENT_FILES_REMEMBERED = 30
"""Newest `patients.csv` files whose ids count as known when another file names a patient."""

_NAME = re.compile(r"(\d{8}T\d{6}Z)-(.+)")


@dataclass(frozen=True, order=True)
class ClinicFile:
    """A file of the clinic in the landing zone.

    Attributes:
        received_at: UTC time in its name.
        key: its name in the landing zone.
        kind: what it holds; None for a name that says nothing known.
    """

    received_at: datetime
    key: str
    kind: Kind | None = field(compare=False)


def clinic_file(key: str) -> ClinicFile | None:
    """Read the name of a file (`clinic/20260105T060000Z-patients.csv`); None if it carries no time."""
    found = _NAME.fullmatch(key.rsplit("/", 1)[-1])
    if found is None:
        return None
    try:
        received_at = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    kind = next((kind for kind in KINDS if found[2] == f"{kind}.csv"), None)
    return ClinicFile(received_at, key, kind)


def files_to_read(keys: Iterable[str], day: date) -> tuple[list[ClinicFile], list[ClinicFile]]:
    """Choose the files that a day's snapshot is made from.

    Args:
        keys: names of all files in the clinic's folder.
        day: UTC day of receipt.

    Returns:
        The files received on that day, and the newest earlier `patients.csv` files (for their ids), both by
        time of receipt.
    """
    files = sorted(file for key in keys if (file := clinic_file(key)) is not None)
    of_day = [file for file in files if file.received_at.date() == day]
    earlier = [file for file in files if file.received_at.date() < day and file.kind == "patients"]
    return of_day, earlier[-PATIENT_FILES_REMEMBERED:]


def snapshot_of_day(
    day: date, of_day: Sequence[ClinicFile], earlier: Sequence[ClinicFile], content: Mapping[str, bytes]
) -> dict[ContractType, pa.Table]:
    """Judge a day's files and return the tables of that day.

    A file is a full snapshot: of several files of a kind the one received last holds, unless all of its
    lines are refused. The refused lines of every file are kept. A patient counts as known if any
    `patients.csv` up to the end of the day names the id, even on a faulty line.

    Args:
        day: UTC day of receipt.
        of_day: files received on it, by time of receipt.
        earlier: earlier `patients.csv` files.
        content: bytes by file key.

    Returns:
        `Patients`, `PatientIdentity`, `DeviceAssignment`, `CareContacts` and `IdentityQuarantine`, each
        possibly empty.
    """
    patient_ids: set[str] = set()
    wearable_ids: set[str] = set()
    for file in (*earlier, *(file for file in of_day if file.kind == "patients")):
        patients, wearables = patient_ids_in(content[file.key])
        patient_ids |= patients
        wearable_ids |= wearables
    models: tuple[ContractType, ...] = (Patients, PatientIdentity, DeviceAssignment, CareContacts)
    tables = {model: empty_table(model) for model in models}
    refused = [empty_table(IdentityQuarantine)]
    for file in of_day:
        name, data = file.key.rsplit("/", 1)[-1], content[file.key]
        found: dict[ContractType, pa.Table] = {}
        if file.kind == "patients":
            parsed = parse_patients(name, data, day)
            found = {Patients: parsed.patients, PatientIdentity: parsed.identities}
            refusals = parsed.refusals
        elif file.kind == "device_assignment":
            found[DeviceAssignment], refusals = parse_device_assignment(name, data, day, wearable_ids)
        elif file.kind == "care_contacts":
            found[CareContacts], refusals = parse_care_contacts(name, data, day, patient_ids)
        else:
            detail = f"not one of {', '.join(f'{kind}.csv' for kind in KINDS)}; name it so and send it again"
            refusals = quarantine_table(name, [Refusal(0, "FILE_NAME_INVALID", detail, "")], day)
        tables |= {model: rows for model, rows in found.items() if rows.num_rows}
        refused.append(refusals)
    quarantine = pa.concat_tables(refused).combine_chunks()
    return {**tables, IdentityQuarantine: quarantine.sort_by([("file", "ascending"), ("line", "ascending")])}
