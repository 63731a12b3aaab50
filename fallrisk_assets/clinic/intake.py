"""The clinic's files judged line by line: patients with names, who wears which device, whom to call.

Here: `patients.csv`, `device_assignment.csv` and `care_contacts.csv` to rows and refused lines. Not here:
CSV itself (`csv_file.py`), what the rows mean together (`identity.py`), landing zone and lake
(`assets.py`).
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from fallrisk_assets.clinic.column_map import SYNTHEA_PATIENTS, read_mapped
from fallrisk_assets.clinic.contract import (
    CONTACT_CHANNELS,
    CONTACT_ROLES,
    DEVICE_ID,
    GENDERS,
    PATIENT_ID,
    POSITIONS,
    WEARABLE_PATIENT_ID,
    CareContacts,
    DeviceAssignment,
    IdentityQuarantine,
    PatientIdentity,
    Patients,
)
from fallrisk_assets.clinic.csv_file import (
    CellError,
    Cells,
    Record,
    Refusal,
    each_row,
    read_records,
    refusal,
)
from fallrisk_assets.clinic.identity import interval_us
from fallrisk_assets.contract import ContractType, arrow_schema

PATIENT_COLUMNS = ("patient_id", "birth_date", "gender", "registration_date", "time_zone", "site_id")
"""Columns without which `patients.csv` cannot be read; the others may be absent or empty (unknown)."""
ASSIGNMENT_COLUMNS = ("device_id", "patient_id", "valid_from", "valid_to", "position")
CONTACT_COLUMNS = ("patient_id", "role", "channel", "address", "contact_order")

_PATIENT_ALIASES = {
    "first_name": "given_name",
    "last_name": "family_name",
    "parkinson": "parkinsons_disease",
    "parkinson's_disease": "parkinsons_disease",
    "expected_wear": "expected_wear_hours",
    "number_of_medicines": "medicine_count",
    "falls_in_the_past_12_months": "falls_past_12_months",
}
_ASSIGNMENT_ALIASES = {"from": "valid_from", "to": "valid_to", "position_worn": "position"}
_POSITION_ALIASES = {"lower_back": "lowback", "low_back": "lowback"}
_CONTACT_ALIASES = {"order": "contact_order"}
_GENDER_ALIASES = {"f": "female", "m": "male", "o": "other", "u": "unknown"}
OLDEST_YEARS = 125
_NEVER_CORRECTED = datetime(1, 1, 1, tzinfo=UTC)


def patient_records(data: bytes) -> list[Record]:
    """Return the lines of a `patients.csv`, or of another system's, that can be read as such, unjudged."""
    return read_mapped(data, PATIENT_COLUMNS, _PATIENT_ALIASES, [SYNTHEA_PATIENTS])[0]


@dataclass(frozen=True)
class PatientsFile:
    """What a `patients.csv` holds: patients, their names, and the refused lines, each in its schema."""

    patients: pa.Table
    identities: pa.Table
    refusals: pa.Table


def parse_patients(file: str, data: bytes, snapshot_date: date) -> PatientsFile:
    """Judge a `patients.csv`, or one of another system through its column map.

    A patient listed twice with different words is refused on every line (PATIENT_DUPLICATE; of equal lines
    the first is kept), and so is everybody whose wearable id
    somebody else has too (WEARABLE_ID_NOT_UNIQUE): nobody can say from the file which of them is meant, and
    a score must not go to the wrong person.

    Args:
        file: name of the file, for the quarantine.
        data: its bytes.
        snapshot_date: the UTC day on which it was received.

    Returns:
        `Patients`, `PatientIdentity` and `IdentityQuarantine` tables. Every line of the file but the header
        and blank ones is in `patients` or in `refusals`, never in both.
    """
    records, refusals = read_mapped(data, PATIENT_COLUMNS, _PATIENT_ALIASES, [SYNTHEA_PATIENTS])
    # Counted before the rows are judged: a bad birth date must not make a doubly used id look unique.
    patient_uses, wearable_uses = _uses(records)
    seen: set[str] = set()

    def read(cells: Cells) -> dict[str, Any]:
        row = _patient_row(cells, snapshot_date)
        patient_id = str(row["patient_id"])
        if patient_uses[patient_id] > 1 or patient_id in seen:
            raise CellError("PATIENT_DUPLICATE", "patient_id stands on several lines; keep one")
        seen.add(patient_id)
        wearable = row["wearable_patient_id"]
        if wearable is not None and wearable_uses[str(wearable)] > 1:
            raise CellError("WEARABLE_ID_NOT_UNIQUE", "wearable_patient_id is given to several patients")
        return row

    rows, refused = each_row(records, read, "patient_id")
    table = pa.Table.from_pylist([row for _, row in rows], schema=_WITH_NAMES).sort_by("patient_id")
    return PatientsFile(
        patients=table.select(arrow_schema(Patients).names),
        identities=table.select(arrow_schema(PatientIdentity).names),
        refusals=quarantine_table(file, [*refusals, *refused], snapshot_date),
    )


def _uses(records: Sequence[Record]) -> tuple[Counter[str], Counter[str]]:
    """Count the different lines on which each clinic id and each wearable id stands."""
    different = {tuple(record.cells.items()): record.cells for record in records}.values()
    return (
        Counter(cells["patient_id"] for cells in different),
        Counter(cells.get("wearable_patient_id", "") for cells in different),
    )


_NAMES = ("given_name", "family_name")
_WITH_NAMES = pa.schema(
    [*arrow_schema(Patients), *(arrow_schema(PatientIdentity).field(name) for name in _NAMES)]
)


def _patient_row(cells: Cells, snapshot_date: date) -> dict[str, Any]:
    wearable = cells.optional_text("wearable_patient_id")
    birth_date, registration_date = cells.day("birth_date"), cells.day("registration_date")
    if birth_date > snapshot_date or birth_date.year < snapshot_date.year - OLDEST_YEARS:
        raise CellError("DATE_IMPLAUSIBLE", f"birth_date is not in the {OLDEST_YEARS} years before the file")
    if not birth_date <= registration_date:
        raise CellError("REGISTERED_BEFORE_BIRTH", "registration_date is before birth_date")
    if registration_date > snapshot_date:
        raise CellError("DATE_IMPLAUSIBLE", "registration_date is after the day of the file")
    return {
        "snapshot_date": snapshot_date,
        "patient_id": cells.matching("patient_id", PATIENT_ID),
        "wearable_patient_id": wearable and cells.matching("wearable_patient_id", WEARABLE_PATIENT_ID),
        "given_name": cells.optional_text("given_name"),
        "family_name": cells.optional_text("family_name"),
        "birth_date": birth_date,
        "gender": cells.one_of("gender", GENDERS, _GENDER_ALIASES),
        "has_insurance": cells.optional_flag("has_insurance"),
        "registration_date": registration_date,
        "time_zone": cells.time_zone("time_zone"),
        "site_id": cells.text("site_id"),
        "expected_wear_hours": cells.optional_quantity("expected_wear_hours", 24),
        "falls_past_12_months": cells.optional_count("falls_past_12_months", 400),
        "walking_aid": cells.optional_flag("walking_aid"),
        "gait_problem": cells.optional_flag("gait_problem"),
        "vertigo": cells.optional_flag("vertigo"),
        "fear_of_falling": cells.optional_flag("fear_of_falling"),
        "parkinsons_disease": cells.optional_flag("parkinsons_disease"),
        "medicine_count": cells.optional_count("medicine_count", 100),
        "living_alone": cells.optional_flag("living_alone"),
    }


def parse_care_contacts(
    file: str, data: bytes, snapshot_date: date, patient_ids: Collection[str]
) -> tuple[pa.Table, pa.Table]:
    """Judge a `care_contacts.csv`.

    Args:
        file: name of the file, for the quarantine.
        data: its bytes.
        snapshot_date: the UTC day on which it was received.
        patient_ids: clinic ids known by that day; a contact of anybody else is PATIENT_UNKNOWN.

    Returns:
        A `CareContacts` and an `IdentityQuarantine` table. Of contacts with the same patient, order, role
        and channel the first is kept and the others are CONTACT_DUPLICATE; an e-mail or web address that
        cannot be one is ADDRESS_INVALID.
    """
    known = frozenset(patient_ids)
    seen: set[tuple[object, ...]] = set()

    def read(cells: Cells) -> dict[str, Any]:
        patient_id = cells.matching("patient_id", PATIENT_ID)
        if patient_id not in known:
            raise CellError("PATIENT_UNKNOWN", "patient_id is in no patients.csv received so far")
        order = cells.optional_count("contact_order", 99)
        if not order:
            raise CellError("FIELD_MISSING", "contact_order is empty or 0; 1 is reached first")
        role = cells.one_of("role", CONTACT_ROLES, {"on_call": "on-call", "oncall": "on-call"})
        channel = cells.one_of("channel", CONTACT_CHANNELS)
        quiet_from, quiet_to = _quiet_hours(cells)
        address = _address(channel, cells.text("address"))
        key = (patient_id, order, role, channel)
        if key in seen:
            raise CellError("CONTACT_DUPLICATE", "patient, order, role and channel stand on an earlier line")
        seen.add(key)
        return {
            "snapshot_date": snapshot_date,
            "patient_id": patient_id,
            "contact_order": order,
            "role": role,
            "channel": channel,
            "address": address,
            "quiet_from": quiet_from,
            "quiet_to": quiet_to,
        }

    records, refusals = read_records(data, CONTACT_COLUMNS, _CONTACT_ALIASES)
    rows, refused = each_row(records, read, "patient_id")
    table = pa.Table.from_pylist([row for _, row in rows], schema=arrow_schema(CareContacts))
    sort = [(name, "ascending") for name in ("patient_id", "contact_order", "role", "channel")]
    return table.sort_by(sort), quarantine_table(file, [*refusals, *refused], snapshot_date)


_MAIL_ADDRESS = re.compile(
    r"""[^\s@<>()\[\]\\,;:".]+ (\.[^\s@<>()\[\]\\,;:".]+)* @ (?!-)[\w-]{1,63} (\.(?!-)[\w-]{1,63})*""", re.X
)
"""A dot-atom at a domain (RFC 5322, 3.4.1), letters of any script: quoted local parts and address literals
are left out, which no ward uses and mail servers refuse."""
_LONGEST_MAIL_ADDRESS = 254
"""Characters: RFC 5321, 4.5.3.1.3, less the angle brackets."""


def _address(channel: str, address: str) -> str:
    """Refuse an address to which nothing can ever be sent on its channel; others are tried when needed."""
    if channel == "email":
        if len(address) > _LONGEST_MAIL_ADDRESS or not _MAIL_ADDRESS.fullmatch(address):
            raise CellError("ADDRESS_INVALID", "address is not of the form name@host")
    elif channel == "webhook" and not _is_web_address(address):
        raise CellError("ADDRESS_INVALID", "address is not of the form https://host/path")
    return address


def _is_web_address(address: str) -> bool:
    """Whether a request can be made to it (RFC 3986: ASCII without blanks, a host, a port up to 65535)."""
    if not re.fullmatch(r"https?://[!-~]+", address, re.IGNORECASE):
        return False
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # an unclosed bracket, a port that is no number
        return False
    labels = [""] if not host else host.removesuffix(".").split(".")
    return port != 0 and (":" in host or all(0 < len(label) <= 63 for label in labels))


def _quiet_hours(cells: Cells) -> tuple[str | None, str | None]:
    """Read `quiet_from` and `quiet_to`, or both from one column `quiet_hours` ("22:00-07:00")."""
    text = cells.optional_text("quiet_hours")
    first, last = cells.optional_text("quiet_from"), cells.optional_text("quiet_to")
    if text is not None:
        first, _, last = (part.strip() for part in text.partition("-"))
    if first is None and last is None:
        return None, None
    return _clock(first), _clock(last)


def _clock(text: str | None) -> str:
    hour, colon, minute = (text or "").partition(":")
    if not (
        colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()
    ):
        raise CellError("TIME_INVALID", "quiet hours are not two local times HH:MM-HH:MM")
    if int(hour) > 23 or int(minute) > 59:
        raise CellError("TIME_INVALID", "quiet hours are not times of a day")
    return f"{hour}:{minute}"


def patient_ids_in(data: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return the clinic ids and the wearable ids that a `patients.csv` names, its faulty rows included.

    For judging the other files: a typing error in a birth date must not make that patient's device unknown,
    which would silence it. An id that two patients share is not among the wearable ids: nobody can say
    whose it is.
    """
    patient_uses, wearable_uses = _uses(patient_records(data))
    shared = {wearable for wearable, n in wearable_uses.items() if n > 1}
    return frozenset(patient_uses) - {""}, frozenset(wearable_uses) - shared - {""}


def parse_device_assignment(
    file: str, data: bytes, snapshot_date: date, wearable_patient_ids: Collection[str]
) -> tuple[pa.Table, pa.Table]:
    """Judge a `device_assignment.csv`.

    Two rows of the same standing (never corrected, or corrected at the same time) that give one device to two
    intervals which overlap are both refused (ASSIGNMENT_OVERLAP): samples without a person are seen and
    mended, samples of the wrong person are not. A row that repeats an earlier one is ASSIGNMENT_DUPLICATE.

    Args:
        file: name of the file, for the quarantine.
        data: its bytes; columns device_id, patient_id (`pt-42`), from, to (empty while it lasts), position,
            corrected_at (empty unless corrected).
        snapshot_date: the UTC day on which it was received.
        wearable_patient_ids: wearable ids known by that day; any other is WEARABLE_ID_UNKNOWN.

    Returns:
        A `DeviceAssignment` and an `IdentityQuarantine` table.
    """
    known = frozenset(wearable_patient_ids)
    records, refusals = read_records(data, ASSIGNMENT_COLUMNS, _ASSIGNMENT_ALIASES)
    rows, refused = each_row(
        records, lambda cells: _assignment_row(cells, snapshot_date, known), "patient_id"
    )
    kept, overlapping = _without_overlaps(rows)
    kept.sort(key=lambda row: (row["device_id"], row["valid_from"], row["corrected_at"] or _NEVER_CORRECTED))
    for before, row in zip([{}, *kept], kept, strict=False):
        same = (before.get("device_id"), before.get("valid_from")) == (row["device_id"], row["valid_from"])
        row["revision"] = before["revision"] + 1 if same else 0
    table = pa.Table.from_pylist(kept, schema=arrow_schema(DeviceAssignment))
    return table, quarantine_table(file, [*refusals, *refused, *overlapping], snapshot_date)


def _assignment_row(cells: Cells, snapshot_date: date, known: frozenset[str]) -> dict[str, Any]:
    patient_id = cells.matching("patient_id", WEARABLE_PATIENT_ID)
    if patient_id not in known:
        raise CellError("WEARABLE_ID_UNKNOWN", "patient_id is no patient's wearable id, or several patients'")
    valid_from, valid_to = cells.instant("valid_from"), cells.optional_instant("valid_to")
    if valid_to is not None and valid_to < valid_from:
        raise CellError("ASSIGNMENT_BACKWARDS", "to is before from")
    return {
        "snapshot_date": snapshot_date,
        "device_id": cells.matching("device_id", DEVICE_ID),
        "patient_id": patient_id,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "position": cells.one_of("position", POSITIONS, _POSITION_ALIASES),
        "corrected_at": cells.optional_instant("corrected_at"),
    }


def _without_overlaps(
    rows: Sequence[tuple[Record, dict[str, Any]]],
) -> tuple[list[dict[str, Any]], list[Refusal]]:
    unique: dict[tuple[object, ...], tuple[Record, dict[str, Any]]] = {}
    refusals: list[Refusal] = []
    for record, row in rows:
        if unique.setdefault(tuple(row.values()), (record, row))[0] is not record:
            detail = "the same assignment stands on an earlier line"
            refusals.append(refusal(record, "ASSIGNMENT_DUPLICATE", detail, "patient_id"))
    standing: dict[tuple[object, object], list[tuple[Record, dict[str, Any]]]] = {}
    for record, row in unique.values():
        standing.setdefault((row["device_id"], row["corrected_at"]), []).append((record, row))
    kept: list[dict[str, Any]] = []
    for group in standing.values():
        group.sort(key=lambda pair: interval_us(pair[1]))
        clashing: set[int] = set()
        furthest: tuple[int, int] | None = None
        for index, (_, row) in enumerate(group):
            from_us, to_us = interval_us(row)
            same_start = index > 0 and interval_us(group[index - 1][1])[0] == from_us
            void = from_us == to_us
            if same_start:
                clashing |= {index, index - 1}
            elif furthest is not None and from_us < furthest[0] and not void:
                clashing |= {index, furthest[1]}
            if furthest is None or to_us > furthest[0]:
                furthest = (to_us, index)
        for index, (record, row) in enumerate(group):
            if index in clashing:
                detail = "the device has another assignment at the same time; close one, or date a correction"
                refusals.append(refusal(record, "ASSIGNMENT_OVERLAP", detail, "patient_id"))
            else:
                kept.append(row)
    return kept, refusals


def quarantine_table(
    file: str, refusals: Iterable[Refusal], snapshot_date: date, model: ContractType = IdentityQuarantine
) -> pa.Table:
    """Return refused lines of a file as an `IdentityQuarantine` table (or one like it), sorted by line."""
    rows = [
        {
            str(model.spec.slice_column): snapshot_date,
            "file": file,
            "line": refused.line,
            "reason": refused.reason,
            "detail": refused.detail,
            "payload": refused.payload,
            "patient_id": refused.patient_id,
        }
        for refused in sorted(refusals, key=lambda refused: refused.line)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(model))
