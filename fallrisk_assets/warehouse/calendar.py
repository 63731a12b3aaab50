"""The calendar dimension: days, weeks, and the national holidays of the United States and of Spain.

Here: rules of the calendar. Not here: a clinic's opening days.

Sources: 5 U.S.C. § 6103 (federal holidays; a Saturday is observed on the Friday before, a Sunday on the
Monday after); Spain's Estatuto de los Trabajadores, art. 37.2, and Real Decreto 2001/1983, art. 45 (those
kept in the whole country; what regions move or add is left out); Easter by the Gregorian computus (Meeus,
Astronomical Algorithms, ch. 8).
"""

from datetime import date, timedelta

import pyarrow as pa

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.contract import WEEKDAYS, DimDate

FIRST_DAY = date(2020, 1, 1)
LAST_DAY = date(2035, 12, 31)
_DAY = timedelta(days=1)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6


def easter(year: int) -> date:
    """Return Easter Sunday of a year in the Gregorian calendar."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    skipped, leap = divmod(century, 4)
    moon = (19 * golden + century - skipped - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * leap + 2 * (of_century // 4) - moon - of_century % 4) % 7
    correction = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)


def us_federal_holidays(year: int) -> dict[date, str]:
    """Return the days of a year on which US federal holidays are observed, by name.

    New Year's Day of the following year belongs to this one when it is observed on 31 December.
    """
    fixed = [
        (date(year, 1, 1), "New Year's Day"),
        (date(year + 1, 1, 1), "New Year's Day"),
        (date(year, 6, 19), "Juneteenth National Independence Day"),
        (date(year, 7, 4), "Independence Day"),
        (date(year, 11, 11), "Veterans Day"),
        (date(year, 12, 25), "Christmas Day"),
    ]
    last_of_may = _nth(year, 5, _MONDAY, 5) or _nth(year, 5, _MONDAY, 4)
    floating = [
        (_nth(year, 1, _MONDAY, 3), "Birthday of Martin Luther King, Jr."),
        (_nth(year, 2, _MONDAY, 3), "Washington's Birthday"),
        (last_of_may, "Memorial Day"),
        (_nth(year, 9, _MONDAY, 1), "Labor Day"),
        (_nth(year, 10, _MONDAY, 2), "Columbus Day"),
        (_nth(year, 11, _THURSDAY, 4), "Thanksgiving Day"),
    ]
    observed = {_observed(day): name for day, name in fixed}
    observed |= {day: name for day, name in floating if day is not None}
    return {day: observed[day] for day in sorted(observed) if day.year == year}


def spanish_national_holidays(year: int) -> dict[date, str]:
    """Return the holidays of a year that are kept in the whole of Spain, by name."""
    days = {
        date(year, 1, 1): "Año Nuevo",
        date(year, 1, 6): "Epifanía del Señor",
        easter(year) - 2 * _DAY: "Viernes Santo",
        date(year, 5, 1): "Fiesta del Trabajo",
        date(year, 8, 15): "Asunción de la Virgen",
        date(year, 10, 12): "Fiesta Nacional de España",
        date(year, 11, 1): "Todos los Santos",
        date(year, 12, 6): "Día de la Constitución Española",
        date(year, 12, 8): "Inmaculada Concepción",
        date(year, 12, 25): "Natividad del Señor",
    }
    return dict(sorted(days.items()))


def _nth(year: int, month: int, weekday: int, n: int) -> date | None:
    """Return the n-th such weekday of a month, or None where the month has fewer."""
    first = date(year, month, 1)
    day = first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
    return day if day.month == month else None


def _observed(day: date) -> date:
    if day.weekday() == _SATURDAY:
        return day - _DAY
    return day + _DAY if day.weekday() == _SUNDAY else day


def date_id(day: date) -> int:
    """Return a day as the number YYYYMMDD."""
    return day.year * 10_000 + day.month * 100 + day.day


def dim_date(first: date = FIRST_DAY, last: date = LAST_DAY) -> pa.Table:
    """Return the `DimDate` rows of all days from `first` to `last`, both included."""
    years = range(first.year, last.year + 1)
    us = {day: name for year in years for day, name in us_federal_holidays(year).items()}
    spain = {day: name for year in years for day, name in spanish_national_holidays(year).items()}
    rows = []
    for day in (first + n * _DAY for n in range((last - first).days + 1)):
        iso_year, iso_week, day_of_week = day.isocalendar()
        rows.append(
            {
                "date_id": date_id(day),
                "date": day,
                "year": day.year,
                "quarter": (day.month + 2) // 3,
                "month": day.month,
                "day": day.day,
                "iso_year": iso_year,
                "iso_week": iso_week,
                "day_of_week": day_of_week,
                "day_name": WEEKDAYS[day.weekday()],
                "is_weekend": day.weekday() >= _SATURDAY,
                "is_holiday": day in us or day in spain,
                "holiday_us": us.get(day),
                "holiday_es": spain.get(day),
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimDate))
