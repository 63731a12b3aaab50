"""The clinic's own appointments as bookings and visits.

Here: from the states of appointments to what the model takes. Not here: the facts that follow (`facts.py`),
reading the lake (`assets.py`).

The booking is the moment at which the visit's present time was set: the scheduling, or the last move to
another time. A state may be as of any day; what was learnt later than the booking is left to `facts.py`,
which does not look at it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from fallrisk_assets.clinic.no_show.contract import AGE_UNKNOWN, BOOKED_AFTER_VISIT, BOOKING_TIME_UNKNOWN
from fallrisk_assets.clinic.no_show.facts import OLDEST_YEARS, Bookings, Visits
from fallrisk_assets.clinic.operations.vocabulary import APPOINTMENT_RESCHEDULED, COMPLETED, NO_SHOW

STATE_COLUMNS = (
    "day",
    "appointment_id",
    "patient_id",
    "provider_id",
    "refusal",
    "status",
    "booked_at",
    "scheduled_start_at",
    "scheduled_date",
    "time_zone",
    "reschedule_count",
)
MOVE_COLUMNS = ("received_date", "event_type", "appointment_id", "occurred_at", "scheduled_start_at")
PATIENT_COLUMNS = ("snapshot_date", "patient_id", "birth_date")
DAYS_IN_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class ClinicBookings:
    """Appointments that count, each once, by id; arrays of shape (n,).

    Attributes:
        states: Their newest states, in the columns of `STATE_COLUMNS`.
        reason: Why a booking cannot be told; None where it can.
        bookings: Those that can, in the same order.
        visits: Kept and missed ones, whether or not their booking can be told.
    """

    states: pd.DataFrame
    reason: np.ndarray
    bookings: Bookings
    visits: Visits


def clinic_bookings(states: pa.Table, events: pa.Table, patients: pa.Table) -> ClinicBookings:
    """Return the bookings and visits of a clinic as they are known from some days.

    Args:
        states: `Appointments` rows of all days up to the one that is asked about.
        events: `AppointmentEvents` rows received up to it; only moves are looked at.
        patients: `Patients` rows of all snapshots up to it.
    """
    newest = _newest(states, list(STATE_COLUMNS), "appointment_id", "day")
    newest = newest[newest["refusal"].isna()].reset_index(drop=True)
    booked_at = _time_was_set(newest, events)
    booked_on = _local_day(booked_at, newest["time_zone"])
    visit_on = newest["scheduled_date"].to_numpy("datetime64[D]")
    born = _newest(patients, list(PATIENT_COLUMNS), "patient_id", "snapshot_date").set_index("patient_id")
    birth_date = newest["patient_id"].map(born["birth_date"]).to_numpy("datetime64[D]")
    age_days = (booked_on - birth_date).astype(float)
    age_days[np.isnat(booked_on) | np.isnat(birth_date)] = np.nan
    age_years = np.floor(age_days / DAYS_IN_YEAR)
    reason = np.full(len(newest), None, object)
    reason[~((age_years >= 0) & (age_years <= OLDEST_YEARS))] = AGE_UNKNOWN
    reason[booked_on > visit_on] = BOOKED_AFTER_VISIT
    reason[np.isnat(booked_on)] = BOOKING_TIME_UNKNOWN
    appointment, person = (newest[name].to_numpy(object) for name in ("appointment_id", "patient_id"))
    told = reason == None  # noqa: E711 - elementwise
    held = newest["status"].isin((COMPLETED, NO_SHOW)).to_numpy()
    return ClinicBookings(
        newest,
        reason,
        Bookings(appointment, person, booked_on, visit_on, age_years).take(told),
        Visits(appointment, person, visit_on, (newest["status"] == NO_SHOW).to_numpy()).take(held),
    )


def _newest(rows: pa.Table, columns: list[str], who: str, at: str) -> pd.DataFrame:
    frame = rows.select(columns).to_pandas(date_as_object=False)
    return frame.sort_values([who, at], kind="stable").drop_duplicates(who, keep="last", ignore_index=True)


def _time_was_set(newest: pd.DataFrame, events: pa.Table) -> pd.Series:
    """When each appointment got its present time; NaT where nobody told."""
    moves = events.select(list(MOVE_COLUMNS)).to_pandas(date_as_object=False)
    moves = moves[(moves["event_type"] == APPOINTMENT_RESCHEDULED) & moves["scheduled_start_at"].notna()]
    keys = ["appointment_id", "scheduled_start_at"]
    moved_at = moves.groupby(keys, as_index=False)["occurred_at"].min()
    joined = newest[keys].merge(moved_at, on=keys, how="left")["occurred_at"]
    return newest["booked_at"].where(newest["reschedule_count"] == 0, joined)


def _local_day(times: pd.Series, zones: pd.Series) -> np.ndarray:
    days = np.full(len(times), np.datetime64("NaT"), "datetime64[D]")
    for zone in zones.unique():
        rows = (zones == zone).to_numpy()
        days[rows] = times[rows].dt.tz_convert(zone).dt.tz_localize(None).to_numpy("datetime64[D]")
    return days
