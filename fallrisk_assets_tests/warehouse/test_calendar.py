"""The calendar dimension: every day once, weekends and holidays really set."""

from datetime import date, timedelta

import pytest

from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.calendar import (
    date_id,
    dim_date,
    easter,
    spanish_national_holidays,
    us_federal_holidays,
)
from fallrisk_assets.warehouse.contract import DimDate


@pytest.fixture(scope="module")
def days() -> dict[date, dict]:
    return {row["date"]: row for row in dim_date(date(2020, 1, 1), date(2030, 12, 31)).to_pylist()}


def test_every_day_is_there_once_and_keeps_the_contract(days):
    table = dim_date()
    assert validate(DimDate, table).passed
    assert len(days) == (date(2031, 1, 1) - date(2020, 1, 1)) // timedelta(days=1)
    assert table["date_id"].to_pylist() == sorted(set(table["date_id"].to_pylist()))
    assert date_id(date(2026, 1, 5)) == 20260105


def test_saturday_and_sunday_are_the_weekend_and_nothing_else(days):
    for day, row in days.items():
        assert row["is_weekend"] == (row["day_name"] in ("Saturday", "Sunday")), day
    assert days[date(2026, 1, 5)]["day_name"] == "Monday"


def test_iso_weeks_follow_the_standard_around_new_year(days):
    assert (days[date(2021, 1, 3)]["iso_year"], days[date(2021, 1, 3)]["iso_week"]) == (2020, 53)
    assert (days[date(2024, 12, 30)]["iso_year"], days[date(2024, 12, 30)]["iso_week"]) == (2025, 1)


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [
        (1961, 4, 2),
        (2000, 4, 23),
        (2019, 4, 21),
        (2024, 3, 31),
        (2025, 4, 20),
        (2026, 4, 5),
        (2027, 3, 28),
        (2038, 4, 25),
        (2285, 3, 22),
    ],
)
def test_easter_falls_on_the_published_day(year, month, day):
    assert easter(year) == date(year, month, day)


@pytest.mark.parametrize(
    ("year", "published"),
    [  # as the US Office of Personnel Management lists them
        (2021, "0101 0118 0215 0531 0618 0705 0906 1011 1111 1125 1224 1231"),
        (2022, "0117 0221 0530 0620 0704 0905 1010 1111 1124 1226"),
        (2023, "0102 0116 0220 0529 0619 0704 0904 1009 1110 1123 1225"),
        (2026, "0101 0119 0216 0525 0619 0703 0907 1012 1111 1126 1225"),
    ],
)
def test_us_holidays_are_the_observed_days_as_published(year, published):
    assert [day.strftime("%m%d") for day in us_federal_holidays(year)] == published.split()


def test_spanish_holidays_are_those_of_the_whole_country():
    shown = [day.strftime("%m%d") for day in spanish_national_holidays(2026)]
    assert shown == ["0101", "0106", "0403", "0501", "0815", "1012", "1101", "1206", "1208", "1225"]


def test_a_day_is_a_holiday_if_it_is_one_in_either_country(days):
    assert days[date(2026, 7, 3)]["holiday_us"] == "Independence Day"
    assert days[date(2026, 7, 3)]["is_holiday"]
    assert days[date(2026, 1, 6)]["holiday_es"] == "Epifanía del Señor"
    assert days[date(2026, 1, 6)]["is_holiday"]
    assert not days[date(2026, 1, 7)]["is_holiday"]
    assert days[date(2026, 12, 25)]["holiday_us"] == "Christmas Day"
    assert 18 <= sum(row["is_holiday"] for row in days.values() if row["year"] == 2026) <= 21
