"""What lines of all the operations' files have in common: ids, times that may lack a zone, hashes of content.

Here: reading a time by the provider's clock, and the hash by which repeated lines are known. Not here: the
lines of a certain file (`log.py`, `feedback.py`, `providers.py`).
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time, timedelta
from hashlib import blake2b
from typing import Any

from fallrisk_assets.clinic.csv_file import CellError, Cells
from fallrisk_assets.clinic.local_time import utc_of

CLOCK_SKEW = timedelta(minutes=5)
"""So far may the clock that wrote a line run ahead of the clock that received it."""
OLDEST = timedelta(days=20 * 365)
FURTHEST_AHEAD = timedelta(days=3 * 365)

_PLACE = ("received_date", "file", "line")
_SAID = json.JSONEncoder(sort_keys=True, default=str)


def content_hash(row: Mapping[str, Any], without: Collection[str] = ()) -> str:
    """Return the hash of what a row says, wherever and under whichever id it was received."""
    said = {k: v for k, v in row.items() if v is not None and k not in _PLACE and k not in without}
    return blake2b(_SAID.encode(said).encode(), digest_size=16).hexdigest()


def instant(cells: Cells, column: str, zone: str | None) -> tuple[datetime, str | None]:
    """Return a time in UTC, and a flag where it has no zone and the clocks were changed then.

    Args:
        cells: the line.
        column: an ISO 8601 date and time; without an offset it is one of the provider's clock.
        zone: the provider's zone, None if not known.

    Raises:
        CellError: TIME_INVALID, or TIME_ZONE_UNKNOWN where a zone is needed and not known.
    """
    text = cells.text(column)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CellError("TIME_INVALID", f"{column} is not an ISO 8601 time") from error
    if len(text) <= len("2026-01-05"):
        raise CellError("TIME_INVALID", f"{column} is a day without a time")
    return _in_utc(moment, column, zone)


def scheduled_start(cells: Cells, zone: str | None) -> tuple[datetime | None, str | None]:
    """Return the scheduled beginning from one column, or from a local date and a local time of day."""
    if cells.optional_text("scheduled_start_at") is not None:
        return instant(cells, "scheduled_start_at", zone)
    if cells.optional_text("appointment_date") is None and cells.optional_text("scheduled_time") is None:
        return None, None
    day, text = cells.day("appointment_date"), cells.text("scheduled_time")
    found = re.fullmatch(r"([01]\d|2[0-3]):?([0-5]\d)(?::[0-5]\d)?", text)
    if found is None:
        raise CellError("TIME_INVALID", "scheduled_time is no local time HH:MM or HHMM")
    local = datetime.combine(day, time(int(found[1]), int(found[2])))
    return _in_utc(local, "scheduled_time", zone)


def _in_utc(moment: datetime, column: str, zone: str | None) -> tuple[datetime, str | None]:
    if moment.tzinfo is None and zone is None:
        detail = f"{column} has no offset from UTC, and no zone of a provider is known; write it with Z"
        raise CellError("TIME_ZONE_UNKNOWN", detail)
    try:
        return utc_of(moment, str(zone)) if moment.tzinfo is None else (moment.astimezone(UTC), None)
    except OverflowError as error:
        raise CellError("TIME_INVALID", f"{column} is out of the calendar's range") from error


def check_past(column: str, moment: datetime, received_at: datetime) -> None:
    """Refuse a time after the receipt of its line (TIME_IN_FUTURE), or decades before (TIME_IMPLAUSIBLE)."""
    if moment > received_at + CLOCK_SKEW:
        raise CellError("TIME_IN_FUTURE", f"{column} is after the receipt of the drop")
    if moment < received_at - OLDEST:
        raise CellError("TIME_IMPLAUSIBLE", f"{column} is decades before the receipt of the drop")


def check_schedule(moment: datetime, received_at: datetime) -> None:
    """Refuse a scheduled time that is years away from the receipt of its line (TIME_IMPLAUSIBLE)."""
    if not received_at - OLDEST <= moment <= received_at + FURTHEST_AHEAD:
        raise CellError("TIME_IMPLAUSIBLE", "the scheduled time is years away from the receipt of the drop")
