"""Dates of a file in which days and months stand in either order.

Here: one cell to a day, or to the reason why nobody can say which. Not here: the file (`labelled_file.py`).

03/04/2021 is the third of April to one clerk and the fourth of March to the next: a date that both orders
allow, and that is another day in each, is flagged and stays unknown. No majority of the file decides it: the
file was put together from several.
"""

import re
from dataclasses import dataclass
from datetime import date

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "d/m/y", "m/d/y", "y-m-d"
AMBIGUOUS = "DATE_AMBIGUOUS"
SHORT_YEAR = "DATE_YEAR_SHORT"
INVALID = "DATE_INVALID"
DATE_FLAGS = (AMBIGUOUS, SHORT_YEAR, INVALID)

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ].*)?")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})(?:[T ].*)?")


@dataclass(frozen=True, slots=True)
class FoundDate:
    """What a cell says.

    Attributes:
        day: The day; None if nobody can say.
        flag: Why nobody can say, one of `DATE_FLAGS`; None for a day, and for an empty cell.
        order: In which order it is written, where only one is possible; None otherwise.
    """

    day: date | None = None
    flag: str | None = None
    order: str | None = None


def read_date(text: str) -> FoundDate:
    """Read a day that is written y-m-d, d/m/y or m/d/y, with `-`, `/` or `.`; a time behind it is ignored.

    Args:
        text: the cell; empty says nothing.
    """
    text = text.strip()
    if not text:
        return FoundDate()
    if found := _YEAR_FIRST.fullmatch(text):
        day = _day(found[1], found[3], found[4])
        return FoundDate(day, None, YEAR_FIRST) if day else FoundDate(flag=INVALID)
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return FoundDate(flag=INVALID)
    if len(found[4]) == 2:
        return FoundDate(flag=SHORT_YEAR)
    day_first = _day(found[4], found[3], found[1])
    month_first = _day(found[4], found[1], found[3])
    if day_first and month_first:
        return FoundDate(day_first) if day_first == month_first else FoundDate(flag=AMBIGUOUS)
    if day_first:
        return FoundDate(day_first, None, DAY_FIRST)
    return FoundDate(month_first, None, MONTH_FIRST) if month_first else FoundDate(flag=INVALID)


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:  # no such day in the calendar
        return None
