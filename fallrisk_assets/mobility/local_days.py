"""Local days: which stretch of UTC a patient's calendar day is, and which UTC day it is counted in.

Here: days and nights of IANA zones, 23 to 25 hours long. Not here: what happens in them.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NIGHT_FROM_HOUR, NIGHT_TO_HOUR = 23, 6


def microseconds(moment: dt.datetime) -> int:
    """Return microseconds since the epoch of an aware datetime, exactly."""
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LocalDay:
    """A calendar day in a zone as `[start, end)` in UTC."""

    date: dt.date
    time_zone: str
    start: dt.datetime
    end: dt.datetime

    @property
    def start_us(self) -> int:
        """Start in microseconds since the epoch."""
        return microseconds(self.start)

    @property
    def end_us(self) -> int:
        """End in microseconds since the epoch."""
        return microseconds(self.end)

    def nights_us(self) -> list[tuple[int, int]]:
        """Return the night hours of the day (0 to 6 and 23 to 24 local) as `[start, end)` in microseconds."""
        zone = ZoneInfo(self.time_zone)
        morning = dt.datetime.combine(self.date, dt.time(NIGHT_TO_HOUR), zone).astimezone(dt.UTC)
        evening = dt.datetime.combine(self.date, dt.time(NIGHT_FROM_HOUR), zone).astimezone(dt.UTC)
        return [(self.start_us, microseconds(morning)), (microseconds(evening), self.end_us)]


def local_day(date: dt.date, time_zone: str) -> LocalDay:
    """Return a calendar day of a zone.

    Raises:
        ValueError: the zone is unknown.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"unknown time zone {time_zone!r}; give an IANA name such as Europe/Berlin"
        ) from error
    start = dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC)
    end = dt.datetime.combine(date + dt.timedelta(days=1), dt.time(), zone).astimezone(dt.UTC)
    return LocalDay(date, time_zone, start, end)


def local_day_ending_in(utc_day: dt.date, time_zone: str) -> LocalDay:
    """Return the local day that ends in a UTC day: after its midnight, at the next midnight at the latest.

    A patient in UTC has their day D counted in D, as one in Berlin; for one in New York, day D ends at 5 in
    the morning of D + 1 and is counted there.

    Raises:
        ValueError: the zone is unknown.
    """
    midnight = dt.datetime.combine(utc_day, dt.time(), dt.UTC)
    for offset in (1, 0, -1, -2):
        day = local_day(utc_day + dt.timedelta(days=offset), time_zone)
        if midnight < day.end <= midnight + dt.timedelta(days=1):
            return day
    raise ValueError(f"no local day of {time_zone} ends in {utc_day}: the zone skipped it")
