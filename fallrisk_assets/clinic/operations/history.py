"""Everything that was received up to a day, read from the lake, and whether states were made from it.

Here: which published days answer for a day, and stale days. Not here: what the rows mean (`states.py`).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.clinic.files import APPOINTMENT_LOG, SCHEDULING_API
from fallrisk_assets.clinic.operations.concerned import DayEnd
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentRecords,
    Appointments,
    ClinicDrops,
    Providers,
)
from fallrisk_assets.clinic.operations.references import References
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.files import combined_hash, combined_hashes

MADE_FROM_FACT = "made_from"
"""Fact of a day's states: one hash of everything received up to that day."""

_INPUTS: tuple[ContractType, ...] = (ClinicDrops, AppointmentEvents, AppointmentRecords, Patients, Providers)


def events_until(lake: Lake, key: str) -> pa.Table:
    """Return the `AppointmentEvents` rows received up to a day, without the places at which they stood."""
    return _told(lake, AppointmentEvents, key)


def records_until(lake: Lake, key: str) -> pa.Table:
    """Return the `AppointmentRecords` rows received up to a day, without the places at which they stood."""
    return _told(lake, AppointmentRecords, key)


def _told(lake: Lake, model: ContractType, key: str) -> pa.Table:
    names = [name for name in arrow_schema(model).names if name not in ("file", "line")]
    return lake.read(model, _with_rows(lake, model, key), columns=names)


def references_until(lake: Lake, key: str) -> References:
    """Return patients and providers of all snapshots received up to a day."""
    patients = ["patient_id", "snapshot_date", "registration_date", "time_zone"]
    providers = ["provider_id", "received_date", "active", "time_zone"]
    return References(
        lake.read(Patients, _with_rows(lake, Patients, key), columns=patients),
        lake.read(Providers, _with_rows(lake, Providers, key), columns=providers),
    )


def day_ends(lake: Lake, keys: Sequence[str]) -> list[DayEnd]:
    """Return the end of the day before the first of some days, and those of the days themselves.

    Up to when silence counts is the log's newest receipt; the scheduling API's where no log was received yet.

    Args:
        lake: where the drops are.
        keys: daily partition keys that follow each other.
    """
    drops = lake.read(
        ClinicDrops,
        _with_rows(lake, ClinicDrops, keys[-1]),
        columns=["received_date", "kind", "received_at"],
    ).to_pylist()
    days = [date.fromisoformat(key) for key in keys]
    return [
        DayEnd(day, _newest(drops, APPOINTMENT_LOG, day) or _newest(drops, SCHEDULING_API, day))
        for day in (days[0] - timedelta(days=1), *days)
    ]


def _newest(drops: Sequence[Mapping[str, Any]], kind: str, day: date) -> datetime | None:
    of_kind = (drop for drop in drops if drop["kind"] == kind and drop["received_date"] <= day)
    return max((drop["received_at"] for drop in of_kind), default=None)


def inputs_until(lake: Lake, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return, for each of some days, by table, one hash of everything published up to it.

    Days without rows do not count. The ledger is read once, however many days ask.
    """
    hashes = _hashes(lake, keys)
    return {key: {model.spec.identifier: of_model[key] for model, of_model in hashes.items()} for key in keys}


def made_from(inputs: Mapping[str, str]) -> str:
    """Return one hash of the hashes of `inputs_until`."""
    return combined_hash(sorted(inputs.values()))


def stale_days(lake: Lake) -> dict[str, str]:
    """Return the published days whose states were made from less, or other things, than is known now.

    Returns:
        Hash of what is known up to the day, by daily key: asking for the same again asks for nothing new.
    """
    keys = lake.ledger.keys(Appointments)
    published = lake.ledger.find_all(Appointments, keys)
    inputs = inputs_until(lake, keys)
    stale = {}
    for key in keys:
        now = made_from(inputs[key])
        entry = published[key]
        if entry and any(part.facts.get(MADE_FROM_FACT) != now for part in entry.buckets.values()):
            stale[key] = now
    return stale


def _hashes(lake: Lake, keys: Sequence[str]) -> dict[ContractType, dict[str, str]]:
    """Return by table, for each of some days, one hash of what is published up to it."""
    found: dict[ContractType, dict[str, str]] = {}
    for model in _INPUTS:
        published = lake.ledger.find_all(model, lake.ledger.keys(model))
        entries = {key: entry for key, entry in sorted(published.items()) if entry is not None and entry.rows}
        until_each = list(combined_hashes(f"{key}={entry.content_hash}" for key, entry in entries.items()))
        days = list(entries)
        found[model] = {key: until_each[bisect_right(days, key)] for key in keys}
    return found


def _with_rows(lake: Lake, model: ContractType, until: str) -> list[str]:
    """Return the published days up to a day that have rows.

    Raises:
        MissingPartition: that day itself has not been published.
    """
    lake.ledger.get(model, until)
    entries = lake.ledger.find_all(model, [key for key in lake.ledger.keys(model) if key <= until])
    return [key for key, entry in sorted(entries.items()) if entry is not None and entry.rows]
