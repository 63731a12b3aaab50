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


def local_days_ending_in(utc_day: dt.date, time_zone: str) -> tuple[LocalDay, ...]:
    """Return the local days that are counted in a UTC day: those that end in it.

    A patient in Berlin has their day D counted in D; for one in New York, day D ends at 5 in the morning of
    D + 1 and is counted there. A day that ends at a UTC midnight closes the UTC day before it, as anyone's in
    UTC does, unless the zone is behind UTC in its other season: the Azores' days are counted in D + 1 all
    year, or two of them would be in one UTC day in spring and none in autumn. So it is one day, but for a
    zone that changes sides for good: then none or two. Each day is counted once, whatever the zone does.

    Raises:
        ValueError: the zone is unknown.
    """
    days = (local_day(utc_day + dt.timedelta(days=offset), time_zone) for offset in (-2, -1, 0, 1))
    return tuple(day for day in days if day.start < day.end and _counted_in(day) == utc_day)


def _counted_in(day: LocalDay) -> dt.date:
    """Return the UTC day in which a local day is counted."""
    if day.end.time() != dt.time() or _behind_in_some_season(day):
        return day.end.date()
    return day.end.date() - dt.timedelta(days=1)


def _behind_in_some_season(day: LocalDay) -> bool:
    zone = ZoneInfo(day.time_zone)
    months = (day.end + dt.timedelta(days=30 * month) for month in range(-6, 7))
    return any((moment.astimezone(zone).utcoffset() or dt.timedelta()) < dt.timedelta() for moment in months)


def local_day_ending_in(utc_day: dt.date, time_zone: str) -> LocalDay:
    """Return the one local day that a statement about a UTC day is about, where there must be one.

    The day that ends in it (`local_days_ending_in`): of two the later; of none the day that its noon is in.

    Raises:
        ValueError: the zone is unknown.
    """
    if days := local_days_ending_in(utc_day, time_zone):
        return days[-1]
    noon = dt.datetime.combine(utc_day, dt.time(12), dt.UTC)
    return local_day(noon.astimezone(ZoneInfo(time_zone)).date(), time_zone)
