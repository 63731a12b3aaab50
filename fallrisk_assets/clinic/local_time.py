"""Times of day without a zone, as old logs write them: which instant is meant, and where nobody can say.

Here: local time to UTC with a flag. Not here: whose zone it is.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

AMBIGUOUS = "AMBIGUOUS_LOCAL_TIME"
"""The clocks were put back: the time came twice, and the first one is taken."""
NONEXISTENT = "NONEXISTENT_LOCAL_TIME"
"""The clocks were put forward: the time never came, and is taken as counted from before the change."""
TIME_FLAGS = (AMBIGUOUS, NONEXISTENT)


def utc_of(local: datetime, zone: str) -> tuple[datetime, str | None]:
    """Return the instant of a local time, and a flag where the clocks were changed at that time.

    Args:
        local: a time without a zone.
        zone: IANA name.
    """
    named = ZoneInfo(zone)
    first = local.replace(tzinfo=named, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=named, fold=1).astimezone(UTC)
    if first == second:
        return first, None
    there = first.astimezone(named).replace(tzinfo=None) == local
    return first, AMBIGUOUS if there else NONEXISTENT


def quarter_hour_id(local: datetime) -> str:
    """Return the quarter hour of a local time as text, such as "0815"."""
    return f"{local.hour:02d}{local.minute // 15 * 15:02d}"
