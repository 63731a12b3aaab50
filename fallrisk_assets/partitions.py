"""Time partitions and device buckets: the one place that knows what a partition key means.

What belongs here: partition definitions, the mappings between them, and conversions between a key
and its half-open UTC window. What does not: reading or writing data.
"""

import datetime as dt
import zlib

import dagster as dg

FIRST_DAY = dt.date(2026, 1, 1)
DEVICE_BUCKETS = 32
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)

# `end_offset=1`: the running hour and day exist, so that a drop can be processed when it arrives.
hourly = dg.HourlyPartitionsDefinition(start_date=f"{FIRST_DAY}-00:00", end_offset=1)
daily = dg.DailyPartitionsDefinition(start_date=str(FIRST_DAY), end_offset=1)

#: A day reads the hours of its own UTC day and of the day before: a patient's local day that ends
#: in this UTC day started in the one before.
local_day_hours = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0)

_HOUR_FORMAT = "%Y-%m-%d-%H:%M"


def device_bucket(device_id: str) -> int:
    """Return the stable bucket in `[0, DEVICE_BUCKETS)` of a device id (crc32 modulo the count)."""
    return zlib.crc32(device_id.encode()) % DEVICE_BUCKETS


def hour_key(moment: dt.datetime) -> str:
    """Return the hourly partition key ("2026-01-05-07:00") that holds an aware UTC datetime."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d-%H:00")


def day_key(moment: dt.datetime | dt.date) -> str:
    """Return the daily partition key ("2026-01-05") that holds an aware datetime or a date."""
    if isinstance(moment, dt.datetime):
        moment = moment.astimezone(dt.UTC)
    return moment.strftime("%Y-%m-%d")


def is_hour_key(key: str) -> bool:
    """Tell an hourly key from a daily one."""
    return len(key) > len("2026-01-05")


def window_of(key: str) -> tuple[dt.datetime, dt.datetime]:
    """Return `[start, end)` in UTC of an hourly or daily partition key.

    Raises:
        ValueError: the key is neither `YYYY-MM-DD-HH:00` nor `YYYY-MM-DD`.
    """
    if is_hour_key(key):
        start = dt.datetime.strptime(key, _HOUR_FORMAT).replace(tzinfo=dt.UTC)
        return start, start + HOUR
    start = dt.datetime.strptime(key, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    return start, start + DAY


def exists(key: str) -> bool:
    """Tell whether a key is a partition by now: on or after the first day, and begun (Dagster's clock).

    Names and clocks of devices can speak of hours that do not exist; who asks for one gets an error.
    """
    return (hourly if is_hour_key(key) else daily).has_partition_key(key)


def newest_hour_end() -> dt.datetime:
    """Return the end of the running hour, the newest partition (Dagster's clock)."""
    newest = hourly.get_last_partition_key()
    assert newest is not None, "the first day lies in the future"
    return window_of(newest)[1]


def previous_key(key: str) -> str:
    """Return the key of the hour or day before."""
    start, end = window_of(key)
    before = start - (end - start)
    return hour_key(before) if is_hour_key(key) else day_key(before)


def hours_of_day(day: str) -> list[str]:
    """Return the 24 hourly keys of a daily key."""
    start, _ = window_of(day)
    return [hour_key(start + i * HOUR) for i in range(24)]


def hour_range(first: str, last: str) -> list[str]:
    """Return the hourly keys from `first` to `last`, both included."""
    start, end = window_of(first)[0], window_of(last)[0]
    return [hour_key(start + i * HOUR) for i in range(int((end - start) / HOUR) + 1)]
