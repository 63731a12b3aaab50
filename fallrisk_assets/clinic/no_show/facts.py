"""What is known of an appointment when it is booked, and nothing that is known later.

Here: bookings, settled visits, and the facts that follow from them. Not here: where bookings come from
(`clinic_bookings.py`, `public_set.py`), what a model makes of the facts (`model.py`).

All is told in local days. Of an earlier visit the outcome is known from the day after it: whoever books at
noon does not know yet who stays away at four. Reminders are not among the facts: they are sent after the
booking. Nor are gender, neighbourhood or welfare: what follows from a probability (a call, a slot given
twice) must not fall on people for these.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

OLDEST_YEARS = 120.0
HISTORY_DAYS = 365
"""Older visits are forgotten: else a record that grows from year to year would change what counts mean."""


class _Columns:
    """Arrays of equal length, one a field."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    def take(self, rows: np.ndarray) -> Self:
        """Return some rows: indices or a mask."""
        chosen = {f.name: getattr(self, f.name)[rows] for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **chosen)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True)
class Bookings(_Columns):
    """Appointments as they were booked; arrays of shape (n,).

    Attributes:
        appointment_id: Texts.
        patient_id: Texts.
        booked_on: Local day of the booking, datetime64[D].
        visit_on: Local day of the visit, not before the booking's, datetime64[D].
        age_years: Age at the booking.
    """

    appointment_id: np.ndarray
    patient_id: np.ndarray
    booked_on: np.ndarray
    visit_on: np.ndarray
    age_years: np.ndarray


@dataclass(frozen=True, slots=True)
class Visits(_Columns):
    """Visits that were kept or missed; arrays of shape (m,).

    Attributes:
        appointment_id: Texts.
        patient_id: Texts.
        visit_on: Local day, datetime64[D].
        missed: Whether the patient did not come.
    """

    appointment_id: np.ndarray
    patient_id: np.ndarray
    visit_on: np.ndarray
    missed: np.ndarray


@dataclass(frozen=True, slots=True)
class Facts(_Columns):
    """What is known of bookings when they are made; arrays of shape (n,).

    Attributes:
        lead_time_days: Local days from booking to visit.
        age_years: Age of the patient.
        weekend: Whether the visit is on a Saturday or Sunday.
        earlier_kept: Visits of the `HISTORY_DAYS` before the day of the booking to which the patient came.
        earlier_missed: Those to which the patient did not come.
        last_missed: Whether the newest of them was missed; false without any.
    """

    lead_time_days: np.ndarray
    age_years: np.ndarray
    weekend: np.ndarray
    earlier_kept: np.ndarray
    earlier_missed: np.ndarray
    last_missed: np.ndarray


FACTS = tuple(f.name for f in fields(Facts))


def bookings_of(rows: Sequence[tuple[str, str, Any, Any, float]]) -> Bookings:
    """Return bookings from rows of appointment id, patient id, day of booking, day of visit, age."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    return Bookings(
        np.array(columns[0], object),
        np.array(columns[1], object),
        np.array(columns[2], "datetime64[D]"),
        np.array(columns[3], "datetime64[D]"),
        np.array(columns[4], float),
    )


def visits_of(rows: Sequence[tuple[str, str, Any, bool]]) -> Visits:
    """Return visits from rows of appointment id, patient id, day of visit, whether it was missed."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Visits(
        np.array(columns[0], object),
        np.array(columns[1], object),
        np.array(columns[2], "datetime64[D]"),
        np.array(columns[3], bool),
    )


def facts_at_booking(bookings: Bookings, visits: Visits) -> Facts:
    """Return what was known when each appointment was booked.

    Args:
        bookings: n appointments.
        visits: Settled visits, of any time and of anybody; those that were not over before the day of a
            booking do not count for it, the appointment's own never does.

    Raises:
        ValueError: a visit lies before its booking.
    """
    lead = (bookings.visit_on - bookings.booked_on).astype(int)
    if (lead < 0).any():
        wrong = bookings.appointment_id[np.flatnonzero(lead < 0)[0]]
        raise ValueError(f"appointment {wrong}: its visit lies before its booking; refuse such rows first")
    kept, missed, last = _history(bookings, visits)
    return Facts(lead, bookings.age_years, _is_weekend(bookings.visit_on), kept, missed, last)


def _history(bookings: Bookings, visits: Visits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Visits kept and missed before each booking's day, and whether the last was missed; by bisection."""
    n = len(bookings)
    if not n or not len(visits):
        return np.zeros(n, int), np.zeros(n, int), np.zeros(n, bool)
    people = np.concatenate([bookings.patient_id, visits.patient_id]).astype(str)
    _, person = np.unique(people, return_inverse=True)
    first, last = visits.visit_on.min(), visits.visit_on.max()
    span = int((last - first).astype(int)) + 2
    order = np.lexsort((visits.appointment_id.astype(str), visits.visit_on, person[n:]))
    place = (person[n:] * span + (visits.visit_on - first).astype(int))[order]
    missed = visits.missed[order]
    total = np.concatenate([[0], np.cumsum(missed)])
    booked = (bookings.booked_on - first).astype(int)
    since, until = (np.clip(day, 0, span - 1) for day in (booked - HISTORY_DAYS, booked))
    begin = np.searchsorted(place, person[:n] * span + since, side="left")
    end = np.searchsorted(place, person[:n] * span + until, side="left")
    earlier_missed = total[end] - total[begin]
    seen = end > begin
    last_missed = seen & missed[np.maximum(end - 1, 0)]
    return end - begin - earlier_missed, earlier_missed, last_missed


def _is_weekend(days: np.ndarray) -> np.ndarray:
    return (days.astype(int) + 3) % 7 >= 5  # 1970-01-01 was a Thursday
