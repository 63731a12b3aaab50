"""One day's drops of the clinic's operations judged together: repeats, the snapshot that holds, counts.

Here: the choice among the drops of a day and what became of each of their lines. Not here: judging lines
(`log.py`, `feedback.py`, `providers.py`), reading the landing zone (`assets.py`).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.csv_file import Refusal
from fallrisk_assets.clinic.files import (
    APPOINTMENT_LOG,
    OPERATIONS_KINDS,
    PROVIDERS,
    SCHEDULING_API,
    ClinicFile,
    ClinicFolder,
)
from fallrisk_assets.clinic.intake import quarantine_table
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentRecords,
    ClinicDrops,
    Feedback,
    OperationsQuarantine,
    Providers,
)
from fallrisk_assets.clinic.operations.feedback import parse_feedback
from fallrisk_assets.clinic.operations.log import parse_log
from fallrisk_assets.clinic.operations.providers import parse_providers, provider_zones_in
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake.origins import Origins, SeenOrigins, only_new

PROVIDER_FILES_REMEMBERED = 30
"""Newest `providers.csv` files of earlier days whose zones count when a line has a time without one."""

Rows = list[dict[str, Any]]


def files_to_read(folder: ClinicFolder, day: date) -> tuple[list[ClinicFile], list[ClinicFile]]:
    """Choose the drops of a day, and the newest earlier `providers.csv` files, both by time of receipt."""
    earlier = folder.newest_before(day, PROVIDERS, PROVIDER_FILES_REMEMBERED)
    return folder.received_on(day, OPERATIONS_KINDS), earlier


class TimeZones:
    """The zones that `providers.csv` files tell: each file is read once, however many days look at it.

    Args:
        read: gives a file's bytes by its key.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._found: dict[str, dict[str, str]] = {}

    def of(self, files: Sequence[ClinicFile]) -> dict[str, str]:
        """Return the IANA zone by provider; of several files the last that tells one holds."""
        zones: dict[str, str] = {}
        for file in files:
            if file.key not in self._found:
                self._found[file.key] = provider_zones_in(self._read(file.key))
            zones |= self._found[file.key]
        return zones


def operations_of_day(
    day: date,
    of_day: Sequence[ClinicFile],
    earlier: Sequence[ClinicFile],
    content: Mapping[str, bytes],
    told: TimeZones | None = None,
) -> dict[ContractType, pa.Table]:
    """Judge a day's drops and return the tables of that day.

    Of lines that say the same, the first of the first drop is kept; so it is of those that are one message of
    a log, whatever they say. Of several `providers.csv` the one
    received last holds, unless all of its lines are refused.

    Args:
        day: UTC day of receipt.
        of_day: drops received on it, by time of receipt.
        earlier: earlier `providers.csv` files.
        content: bytes by file key, of the day's drops at least.
        told: the zones of providers' files, to be shared by days; by default those in `content`.

    Returns:
        `ClinicDrops`, `OperationsQuarantine`, `Providers`, `AppointmentEvents`, `AppointmentRecords` and
        `Feedback`, each possibly empty. Of each drop, the lines received are those in a table, the
        duplicates, the superseded and the quarantined ones.
    """
    known = [*earlier, *(file for file in of_day if file.kind == PROVIDERS)]
    zones = (told or TimeZones(content.__getitem__)).of(known)
    rows: dict[ContractType, Rows] = {
        m: [] for m in (Providers, AppointmentEvents, AppointmentRecords, Feedback)
    }
    received: dict[str, int] = {}
    refused: dict[str, list[Refusal]] = {}
    repeated: Counter[str] = Counter()
    seen = SeenOrigins()
    for file in of_day:
        data, repeated[file.name], origins = only_new(content[file.key], seen)
        if file.kind == PROVIDERS:
            found, refusals, count = parse_providers(file.name, data, day)
            rows[Providers] = [*rows[Providers], *found]
        elif file.kind in (APPOINTMENT_LOG, SCHEDULING_API):
            by_api = file.kind == SCHEDULING_API
            log = parse_log(file.name, data, day, file.received_at, zones, by_api)
            rows[AppointmentEvents] += log.events
            rows[AppointmentRecords] += log.records
            refusals, count = log.refusals, log.received_lines
        else:
            found, refusals, count = parse_feedback(file.name, data, day, file.received_at, zones)
            rows[Feedback] += found
        received[file.name] = count + repeated[file.name]
        refused[file.name] = [_from_where(one, origins) for one in refusals]
    kept, superseded = _newest_snapshot(rows)
    kept, duplicates = _without_duplicates(kept)
    duplicates += repeated
    clean = Counter(row["file"] for of_model in kept.values() for row in of_model)
    drops = [
        {
            "received_date": day,
            "file": file.name,
            "kind": file.kind,
            "received_at": file.received_at,
            "content_sha256": sha256(content[file.key]).hexdigest(),
            "received_lines": received[file.name],
            "clean_lines": clean[file.name],
            "duplicate_lines": duplicates[file.name],
            "superseded_lines": superseded[file.name],
            "quarantined_lines": len(refused[file.name]),
        }
        for file in of_day
    ]
    tables = {model: _table(model, of_model) for model, of_model in kept.items()}
    tables[ClinicDrops] = _table(ClinicDrops, drops)
    empty = arrow_schema(OperationsQuarantine).empty_table()
    refusals_of = [quarantine_table(name, r, day, OperationsQuarantine) for name, r in refused.items()]
    quarantine = pa.concat_tables([empty, *refusals_of]).combine_chunks()
    tables[OperationsQuarantine] = quarantine.sort_by([("file", "ascending"), ("line", "ascending")])
    return tables


def _from_where(refused: Refusal, origins: Origins | None) -> Refusal:
    """Add to a refusal where in a log its line came from."""
    whence = origins.named(refused.line) if origins is not None and refused.line else ""
    return replace(refused, detail=f"{refused.detail}; {whence}") if whence else refused


def _newest_snapshot(rows: Mapping[ContractType, Rows]) -> tuple[dict[ContractType, Rows], Counter[str]]:
    """Keep the providers of the last file that has any; count the others by file."""
    providers = rows[Providers]
    last = providers[-1]["file"] if providers else None
    superseded = Counter(row["file"] for row in providers if row["file"] != last)
    return {**rows, Providers: [row for row in providers if row["file"] == last]}, superseded


def _without_duplicates(rows: Mapping[ContractType, Rows]) -> tuple[dict[ContractType, Rows], Counter[str]]:
    kept: dict[ContractType, Rows] = {}
    duplicates: Counter[str] = Counter()
    for model, of_model in rows.items():
        if model is Providers:
            kept[model] = of_model
            continue
        seen: set[str] = set()
        kept[model] = []
        for row in of_model:
            if row["content_hash"] in seen:
                duplicates[row["file"]] += 1
                continue
            seen.add(row["content_hash"])
            kept[model].append(row)
    return kept, duplicates


def _table(model: ContractType, rows: Rows) -> pa.Table:
    table = pa.Table.from_pylist(rows, schema=arrow_schema(model))
    return table.sort_by([(name, "ascending") for name in model.spec.sort])
