"""Local days: 23 to 25 hours long, and each counted in exactly one UTC day."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.mobility.local_days import local_day, local_day_ending_in

ZONES = ("UTC", "Europe/Madrid", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns")


def hours(day) -> float:
    return (day.end - day.start).total_seconds() / 3600


def test_a_day_is_as_long_as_its_zone_makes_it():
    assert hours(local_day(dt.date(2026, 3, 29), "Europe/Madrid")) == 23
    assert hours(local_day(dt.date(2026, 10, 25), "Europe/Madrid")) == 25
    assert hours(local_day(dt.date(2026, 1, 5), "Europe/Madrid")) == 24


def test_a_local_day_is_counted_in_the_utc_day_in_which_it_ends():
    day = dt.date(2026, 1, 5)
    assert local_day_ending_in(day, "UTC").date == day
    assert local_day_ending_in(day, "Europe/Madrid").date == day
    assert local_day_ending_in(day, "America/New_York").date == day - dt.timedelta(days=1)
    assert local_day_ending_in(day, "Pacific/Auckland").date == day


@given(st.dates(dt.date(2026, 1, 1), dt.date(2030, 1, 1)), st.sampled_from(ZONES))
def test_local_days_of_consecutive_utc_days_follow_each_other(day, zone):
    one = local_day_ending_in(day, zone)
    other = local_day_ending_in(day + dt.timedelta(days=1), zone)
    assert one.end == other.start
    assert 23 <= hours(one) <= 25
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    assert midnight < one.end <= midnight + dt.timedelta(days=1)
    assert one.start >= midnight - dt.timedelta(days=1), "the hours of two UTC days are enough"


def test_the_night_of_a_day_is_local():
    day = local_day(dt.date(2026, 1, 5), "America/New_York")
    (from_us, to_us), (evening_us, end_us) = day.nights_us()
    assert from_us == day.start_us
    assert end_us == day.end_us
    assert (to_us - from_us) / 3.6e9 == 6
    assert (end_us - evening_us) / 3.6e9 == 1


def test_an_unknown_zone_is_refused_by_name():
    with pytest.raises(ValueError, match="Mars/Olympus"):
        local_day(dt.date(2026, 1, 5), "Mars/Olympus")
