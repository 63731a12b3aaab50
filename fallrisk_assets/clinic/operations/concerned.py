"""Which appointments a day concerns: those whose state can have become another on it.

Here: looking at whole columns of everything received, so that a day costs its own appointments and a glance
at the others. Not here: what the states are (`states.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.csv_file import microseconds
from fallrisk_assets.clinic.operations.fold import SILENCES
from fallrisk_assets.clinic.operations.references import References

_NEVER_US = np.iinfo(np.int64).min


@dataclass(frozen=True)
class DayEnd:
    """The end of a day: the newest receipt of the log up to it, None where none was received yet."""

    day: date
    as_of: datetime | None


def appointments_told(
    ends: Sequence[DayEnd], events: pa.Table, records: pa.Table, references: References
) -> dict[date, set[str]]:
    """Return, by day, the appointments of which something was received, or whose people became known.

    Args:
        ends: days that follow each other.
        events: `AppointmentEvents` rows received up to the last of them.
        records: `AppointmentRecords` rows received up to the last of them.
        references: patients and providers.
    """
    told: dict[date, set[str]] = {end.day: set() for end in ends}
    changed = {day: references.changed_on(day) for day in told}
    people = set().union(*changed.values())
    concerning: dict[str, set[str]] = {}
    for table in (events, records):
        fresh = table.filter(pc.is_in(table["received_date"], pa.array(told, pa.date32())))
        for day, one in _pairs(fresh, "received_date"):
            told[day].add(one)
        for column in ("patient_id", "provider_id") if people else ():
            theirs = table.filter(pc.is_in(table[column], pa.array(people, pa.string())))
            for who, one in _pairs(theirs, column):
                concerning.setdefault(who, set()).add(one)
    for day, of_day in changed.items():
        for who in of_day:
            told[day] |= concerning.get(who, set())
    return told


def appointments_silent(ends: Sequence[DayEnd], before: DayEnd, events: pa.Table) -> dict[date, set[str]]:
    """Return, by day, the appointments of which silence means something since the day before.

    Args:
        ends: days that follow each other.
        before: the day before the first of them.
        events: `AppointmentEvents` rows received up to the last of them.
    """
    silent: dict[date, set[str]] = {end.day: set() for end in ends}
    as_ofs_us = np.array([microseconds(e.as_of) if e.as_of else _NEVER_US for e in (before, *ends)], np.int64)
    for column, event_type, after in SILENCES:
        rows = events if event_type is None else events.filter(pc.equal(events["event_type"], event_type))
        rows = rows.filter(pc.is_valid(rows[column]))
        at_us = rows[column].cast(pa.int64()).to_numpy() + after // timedelta(microseconds=1)
        passed = np.searchsorted(as_ofs_us, at_us)  # the first day end that is not before it
        known = (passed > 0) & (passed < len(as_ofs_us))
        ids = rows["appointment_id"].filter(pa.array(known)).to_pylist()
        for at, one in zip(passed[known].tolist(), ids, strict=True):
            silent[ends[at - 1].day].add(one)
    return silent


def _pairs(rows: pa.Table, column: str) -> Iterator[tuple]:
    return zip(rows[column].to_pylist(), rows["appointment_id"].to_pylist(), strict=True)
