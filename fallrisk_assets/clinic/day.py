"""One day's files of the clinic judged together: which snapshot holds, and what was refused.

Here: the choice among several files of a day, and ids that hold across files. Not here: file names
(`files.py`), judging lines (`intake.py`), reading the landing zone (`assets.py`).
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from fallrisk_assets.clinic.contract import (
    CareContacts,
    DeviceAssignment,
    IdentityQuarantine,
    PatientIdentity,
    Patients,
)
from fallrisk_assets.clinic.csv_file import Refusal
from fallrisk_assets.clinic.files import (
    CARE_CONTACTS,
    DEVICE_ASSIGNMENT,
    IDENTITY_KINDS,
    NAMES,
    PATIENTS,
    ClinicFile,
    ClinicFolder,
)
from fallrisk_assets.clinic.intake import (
    parse_care_contacts,
    parse_device_assignment,
    quarantine_table,
)
from fallrisk_assets.clinic.patient_files import PatientFiles
from fallrisk_assets.contract import ContractType, empty_table

PATIENT_FILES_REMEMBERED = 30
"""Newest `patients.csv` files whose ids count as known when another file names a patient."""


def files_to_read(folder: ClinicFolder, day: date) -> tuple[list[ClinicFile], list[ClinicFile]]:
    """Choose the files that a day's identities are made from, those with unknown names included.

    Args:
        folder: all files of the clinic.
        day: UTC day of receipt.

    Returns:
        The files received on that day, and the newest earlier `patients.csv` files (for their ids), both by
        time of receipt.
    """
    of_day = folder.received_on(day, {*IDENTITY_KINDS, None})
    return of_day, folder.newest_before(day, PATIENTS, PATIENT_FILES_REMEMBERED)


def snapshot_of_day(
    day: date,
    of_day: Sequence[ClinicFile],
    earlier: Sequence[ClinicFile],
    content: Mapping[str, bytes],
    patient_files: PatientFiles | None = None,
) -> dict[ContractType, pa.Table]:
    """Judge a day's files and return the tables of that day.

    A file is a full snapshot: of several files of a kind the one received last holds, unless all of its
    lines are refused. The refused lines of every file are kept. A patient counts as known if any
    `patients.csv` up to the end of the day names the id, even on a faulty line. Patients' files are asked for
    their ids only where a file of the day names patients by them.

    Args:
        day: UTC day of receipt.
        of_day: files received on it, by time of receipt.
        earlier: earlier `patients.csv` files.
        content: bytes by file key, of the day's files at least.
        patient_files: those read for other days; by default nothing is remembered of other days.

    Returns:
        `Patients`, `PatientIdentity`, `DeviceAssignment`, `CareContacts` and `IdentityQuarantine`, each
        possibly empty.
    """
    files = patient_files or PatientFiles(content.__getitem__)
    known = [*earlier, *(file for file in of_day if file.kind == PATIENTS)]
    models: tuple[ContractType, ...] = (Patients, PatientIdentity, DeviceAssignment, CareContacts)
    tables = {model: empty_table(model) for model in models}
    refused = [empty_table(IdentityQuarantine)]
    for file in of_day:
        name, data = file.name, content[file.key]
        found: dict[ContractType, pa.Table] = {}
        if file.kind == PATIENTS:
            parsed = files.parse(name, data, day)
            found = {Patients: parsed.patients, PatientIdentity: parsed.identities}
            refusals = parsed.refusals
        elif file.kind == DEVICE_ASSIGNMENT:
            found[DeviceAssignment], refusals = parse_device_assignment(
                name, data, day, files.named_in(known)[1]
            )
        elif file.kind == CARE_CONTACTS:
            found[CareContacts], refusals = parse_care_contacts(name, data, day, files.named_in(known)[0])
        else:
            detail = f"not one of {', '.join(NAMES)}; name it so and send it again"
            refusals = quarantine_table(name, [Refusal(0, "FILE_NAME_INVALID", detail, "")], day)
        tables |= {model: rows for model, rows in found.items() if rows.num_rows}
        refused.append(refusals)
    quarantine = pa.concat_tables(refused).combine_chunks()
    return {**tables, IdentityQuarantine: quarantine.sort_by([("file", "ascending"), ("line", "ascending")])}
