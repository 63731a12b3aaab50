"""The public medical no-show set as drops of a clinic, so that it runs through the clinic's whole path.

Here: which files a clinic with these appointments would have dropped. Not here: reading the set
(`public_set.py`), running the path (`fallrisk_assets.public_set`).

What the set does not tell is made up, always in the same way, and nothing that is shown rests on it:

- days are moved by whole weeks, which keeps weekdays, to put the first visit in the lakehouse's first week;
- clocks are UTC, every booking is made at 08:00 and every visit begins at 12:00, for times of day are not
  known; a visit ends at the instant of its beginning, which the clinic reads as a length not known;
- a patient has a birthday on the day of the first booking, and is registered when first heard of;
- a neighbourhood is a provider: the set names by it the health unit of the visit.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from typing import Any

from fallrisk_assets.clinic.files import FOLDER
from fallrisk_assets.clinic.no_show.clinic_bookings import DAYS_IN_YEAR
from fallrisk_assets.clinic.no_show.public_set import PublicSet
from fallrisk_assets.clinic.operations.vocabulary import APPOINTMENT_SCHEDULED, SESSION_ENDED, SESSION_STARTED

BOOKED_AT, VISIT_AT = time(8), time(12)
_WEEK = timedelta(days=7)
_FILES_AT, _BACKLOG_AT, _DAY_AT = time(0, 1), time(0, 2), time(23, 50)
_SPECIALTY, _SITE, _ZONE = "Family Medicine", "public-set", "UTC"
_GENDERS = {"F": "female", "M": "male"}


@dataclass(frozen=True, slots=True)
class PublicDrops:
    """Files for a landing zone.

    Attributes:
        files: Bytes by key.
        first_day: First UTC day with drops, that of the first visit.
        last_day: Last one, that of the last visit.
        moved_by: By how much all days were moved.
    """

    files: dict[str, bytes]
    first_day: date
    last_day: date
    moved_by: timedelta


def public_drops(found: PublicSet, not_before: date) -> PublicDrops:
    """Return the drops of a clinic with the accepted rows of a file.

    Args:
        found: What was read.
        not_before: First day of the lakehouse.

    Raises:
        ValueError: no row was accepted.
    """
    if not len(found.bookings):
        reasons = ", ".join(f"{n} {reason}" for reason, n in found.counts().items()) or "the file is empty"
        raise ValueError(f"no row of the file can be used: {reasons}")
    of = found.bookings
    first: date = of.visit_on.min().item()
    last: date = of.visit_on.max().item()
    moved_by = ceil((not_before - first) / _WEEK) * _WEEK
    first, last = first + moved_by, last + moved_by
    places = {name: f"PROV{i:04d}" for i, name in enumerate(sorted(set(found.neighbourhood)), start=1)}
    files = {
        _key(first, _FILES_AT, "patients.csv"): _patients(found, first, moved_by),
        _key(first, _FILES_AT, "providers.csv"): _providers(places),
    }
    lines: dict[datetime, list[str]] = {datetime.combine(first, _BACKLOG_AT, UTC): []}
    for number in range((last - first).days + 1):
        lines[datetime.combine(first + timedelta(days=number), _DAY_AT, UTC)] = []
    backlog = min(lines)
    for at, line in _events(found, places, moved_by):
        day = at.date()
        lines[backlog if day < first else datetime.combine(day, _DAY_AT, UTC)].append(line)
    for at, of_drop in lines.items():
        text = "".join(f"{line}\n" for line in of_drop)
        files[_key(at.date(), at.time(), "appointment_events.jsonl")] = text.encode()
    return PublicDrops(files, first, last, moved_by)


def patient_id(of_set: str) -> str:
    """Return the clinic's id of a patient of the set."""
    return f"PAT{of_set:0>6}"


def _events(found: PublicSet, places: dict[str, str], moved_by: timedelta) -> Iterable[tuple[datetime, str]]:
    of = found.bookings
    for one, person, booked, visit, missed, place in zip(
        of.appointment_id,
        of.patient_id,
        of.booked_on.tolist(),
        of.visit_on.tolist(),
        found.visits.missed.tolist(),
        found.neighbourhood,
        strict=True,
    ):
        who = {"appointment_id": one, "patient_id": patient_id(person), "provider_id": places[place]}
        booked_at = datetime.combine(booked + moved_by, BOOKED_AT, UTC)
        visit_at = datetime.combine(visit + moved_by, VISIT_AT, UTC)
        yield booked_at, _line(who, APPOINTMENT_SCHEDULED, booked_at, scheduled_start_at=visit_at.isoformat())
        if not missed:
            yield visit_at, _line(who, SESSION_STARTED, visit_at)
            yield visit_at, _line(who, SESSION_ENDED, visit_at)


def _line(who: dict[str, str], event_type: str, at: datetime, **told: str) -> str:
    event_id = f"{who['appointment_id']}-{event_type}"
    return json.dumps(
        {"event_id": event_id, "event_type": event_type, **who, "timestamp": at.isoformat(), **told}
    )


def _patients(found: PublicSet, known_on: date, moved_by: timedelta) -> bytes:
    of = found.bookings
    first_of: dict[str, int] = {}
    days = of.booked_on.tolist()
    for row, person in enumerate(of.patient_id):
        if person not in first_of or days[row] < days[first_of[person]]:
            first_of[person] = row
    rows = []
    for person, row in sorted(first_of.items()):
        booked_on = days[row] + moved_by
        age = timedelta(days=ceil(of.age_years[row] * DAYS_IN_YEAR))
        born = min(booked_on - age, known_on)
        registered = max(born, min(booked_on, known_on))
        rows.append((patient_id(person), born, _GENDERS[found.gender[row]], registered, _ZONE, _SITE))
    columns = ("patient_id", "birth_date", "gender", "registration_date", "time_zone", "site_id")
    return _csv(columns, rows)


def _providers(places: dict[str, str]) -> bytes:
    columns = ("provider_id", "last_name", "specialty", "active", "time_zone")
    return _csv(columns, [(one, name, _SPECIALTY, "true", _ZONE) for name, one in places.items()])


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _key(day: date, at: time, name: str) -> str:
    return f"{FOLDER}/{day:%Y%m%d}T{at:%H%M%S}Z-{name}"
