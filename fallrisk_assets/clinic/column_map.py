"""Exports of other systems read as the clinic's own files: which of their columns is which of ours.

Here: what a column map is, the maps, and reading a file through the one that fits its header. Not here: CSV
itself (`csv_file.py`), judging what the columns say (`intake.py`, `operations/providers.py`): that is the
same whoever exported the file, and the quarantine shows a refused line as it was sent.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fallrisk_assets.clinic.csv_file import Record, Refusal, header_columns, read_records
from fallrisk_assets.clinic.operations.zones import STATE_NAMES, STATE_ZONES

_ID_DIGITS = 15


@dataclass(frozen=True, slots=True)
class From:
    """Where a column of ours comes from.

    Attributes:
        column: Their column, in lower case with underscores; empty for a constant.
        values: Ours by theirs; a value that is not in it is taken as it is, and judged so.
        id_prefix: If not empty, theirs is an id of any form and ours is this and 15 digits of its SHA-256.
        word: Which word of theirs is ours: 0 the first, 1 all that follow; None for the whole.
        constant: What their export does not tell and is the same for all of its lines.
    """

    column: str = ""
    values: Mapping[str, str] | None = None
    id_prefix: str = ""
    word: int | None = None
    constant: str = ""

    def of(self, cells: Mapping[str, str]) -> str:
        """Return the cell of a line of theirs."""
        if not self.column:
            return self.constant
        text = cells[self.column]
        if self.word is not None:
            text = dict(enumerate(text.split(maxsplit=1))).get(self.word, "")
        if self.id_prefix and text:
            digits = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10**_ID_DIGITS
            return f"{self.id_prefix}{digits:0{_ID_DIGITS}d}"
        return (self.values or {}).get(text, text)


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How an export of another system becomes a file of ours.

    Attributes:
        system: Who exports it so.
        columns: Ours by name.
    """

    system: str
    columns: Mapping[str, From]

    @property
    def theirs(self) -> frozenset[str]:
        """Their columns without which the file is none of theirs."""
        return frozenset(source.column for source in self.columns.values() if source.column)

    def ours(self, record: Record) -> Record:
        """Return a line of theirs with our columns; its number and what it said stay."""
        cells = {name: source.of(record.cells) for name, source in self.columns.items()}
        return Record(record.line, record.payload, cells)


SYNTHEA_PATIENTS = ColumnMap(
    "Synthea",
    {
        "patient_id": From("id", id_prefix="PAT"),
        "given_name": From("first"),
        "family_name": From("last"),
        "birth_date": From("birthdate"),
        "gender": From("gender"),
        "registration_date": From("birthdate"),
        "time_zone": From("state", values={STATE_NAMES[s]: zone for s, zone in STATE_ZONES.items()}),
        "site_id": From(constant="synthea"),
    },
)
"""Synthea's patients.csv (github.com/synthetichealth/synthea/wiki/CSV-File-Data-Dictionary).

It does not tell when somebody was registered: from birth, so that no visit is refused for it. The zone is
that of the state, where all of the state keeps one. A day of death is not taken over:
we have no such column."""

SYNTHEA_PROVIDERS = ColumnMap(
    "Synthea",
    {
        "provider_id": From("id", id_prefix="PROV"),
        "first_name": From("name", word=0),
        "last_name": From("name", word=1),
        "specialty": From(
            "speciality",
            values={
                "GENERAL PRACTICE": "Family Medicine",
                "FAMILY PRACTICE": "Family Medicine",
                "PEDIATRIC MEDICINE": "Pediatrics",
                "ORTHOPEDIC SURGERY": "Orthopedics",
                "OBSTETRICS/GYNECOLOGY": "Obstetrics/Gynecology",
                "MEDICAL ONCOLOGY": "Oncology",
                "HEMATOLOGY/ONCOLOGY": "Oncology",
            },
        ),
        "state": From("state"),
        "active": From(constant="true"),
    },
)
"""Synthea's providers.csv: everybody in it works. A profession that is no specialty of ours (such as NURSE
PRACTITIONER) is refused as such, not guessed."""


def read_mapped(
    data: bytes, required: Sequence[str], aliases: Mapping[str, str], maps: Sequence[ColumnMap]
) -> tuple[list[Record], list[Refusal]]:
    """Read a file of ours, or one of another system whose header fits a map; see `read_records`.

    Args:
        data: the file as received.
        required: our columns without which a file of ours cannot be read: one that has all of them is ours.
        aliases: other spellings of our columns.
        maps: of the other systems, the first that fits is taken.
    """
    if not set(required) <= header_columns(data, aliases):
        found = header_columns(data, {})
        for candidate in maps:
            if candidate.theirs <= found:
                records, refusals = read_records(data, sorted(candidate.theirs), {})
                return [candidate.ours(record) for record in records], refusals
    return read_records(data, required, aliases)
