"""`providers.csv` judged line by line: who sees patients, and by which clock.

Here: a row of the file to a row or a refusal. Not here: CSV itself (`csv_file.py`), history
(`warehouse/operations/`).
"""

from collections import Counter
from datetime import date
from typing import Any

from fallrisk_assets.clinic.column_map import SYNTHEA_PROVIDERS, read_mapped
from fallrisk_assets.clinic.csv_file import CellError, Cells, Refusal, each_row
from fallrisk_assets.clinic.operations.contract import PROVIDER_ID
from fallrisk_assets.clinic.operations.vocabulary import SPECIALTIES
from fallrisk_assets.clinic.operations.zones import STATE_ZONES

PROVIDER_COLUMNS = ("provider_id", "specialty", "active")
"""Columns without which the file cannot be read; the others may be absent or empty (unknown)."""
_ALIASES = {
    "given_name": "first_name",
    "family_name": "last_name",
    "available_hours": "available_hours_per_week",
    "is_active": "active",
}
_SPECIALTY_ALIASES = {
    "obgyn": "Obstetrics/Gynecology",
    "ob/gyn": "Obstetrics/Gynecology",
    "paediatrics": "Pediatrics",
    "orthopaedics": "Orthopedics",
}
_LONGEST_NAME = 100


def parse_providers(
    file: str, data: bytes, received_date: date
) -> tuple[list[dict[str, Any]], list[Refusal], int]:
    """Judge a `providers.csv`, or one of another system through its column map.

    A provider listed on several lines with different words is refused on each (PROVIDER_DUPLICATE); of equal
    lines the first is kept and the others are refused too. Where the file has no `time_zone`, a state that
    keeps one time tells it.

    Args:
        file: name of the file.
        data: its bytes.
        received_date: UTC day of its receipt.

    Returns:
        Rows of `Providers` by id, the refused lines, and how many lines the file has besides its header; a
        file refused as a whole has one.
    """
    records, refusals = read_mapped(data, PROVIDER_COLUMNS, _ALIASES, [SYNTHEA_PROVIDERS])
    received = len(records) + len(refusals)
    uses = Counter(
        cells["provider_id"] for cells in {tuple(r.cells.items()): r.cells for r in records}.values()
    )
    seen: set[str] = set()

    def read(cells: Cells) -> dict[str, Any]:
        provider_id = cells.matching("provider_id", PROVIDER_ID)
        row = _provider(cells, provider_id)
        if uses[provider_id] > 1 or provider_id in seen:
            raise CellError("PROVIDER_DUPLICATE", "provider_id stands on several lines; keep one")
        seen.add(provider_id)
        return row

    rows, refused = each_row(records, read, "patient_id")
    placed = [{"received_date": received_date, "file": file, "line": r.line, **row} for r, row in rows]
    return sorted(placed, key=lambda row: str(row["provider_id"])), [*refusals, *refused], received


def _provider(cells: Cells, provider_id: str) -> dict[str, Any]:
    active = cells.optional_flag("active")
    if active is None:
        raise CellError("FIELD_MISSING", "active is empty")
    rate = cells.optional_quantity("hourly_rate", 100_000)
    if rate == 0:
        raise CellError("VALUE_OUT_OF_RANGE", "hourly_rate is 0; leave it empty where it is not known")
    state = cells.short_text("state", _LONGEST_NAME)
    named = cells.optional_text("time_zone") is not None
    return {
        "provider_id": provider_id,
        "first_name": cells.short_text("first_name", _LONGEST_NAME),
        "last_name": cells.short_text("last_name", _LONGEST_NAME),
        "specialty": cells.choice("specialty", SPECIALTIES, _SPECIALTY_ALIASES),
        "years_experience": cells.optional_count("years_experience", 80),
        "state": state,
        "hourly_rate": rate,
        "available_hours_per_week": cells.optional_quantity("available_hours_per_week", 168),
        "active": active,
        "time_zone": cells.time_zone("time_zone") if named else STATE_ZONES.get((state or "").upper()),
    }


def provider_zones_in(data: bytes) -> dict[str, str]:
    """Return the zone of each provider that a `providers.csv` tells, by id; faulty lines tell none."""
    rows, _, _ = parse_providers("", data, date.min)
    return {row["provider_id"]: row["time_zone"] for row in rows if row["time_zone"] is not None}
