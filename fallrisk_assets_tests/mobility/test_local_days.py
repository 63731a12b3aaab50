"""Local days: 23 to 25 hours long, and each counted in exactly one UTC day."""

import datetime as dt
import zoneinfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.mobility import local_days
from fallrisk_assets.mobility.local_days import local_day, local_day_ending_in, local_days_ending_in
from fallrisk_assets.mobility.patient_days import patient_days

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


def counted_in(zone: str, first: dt.date, last: dt.date) -> dict[dt.date, tuple]:
    days = [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]
    return {day: local_days_ending_in(day, zone) for day in days}


@pytest.mark.parametrize("letter", sorted({zone[:2] for zone in zoneinfo.available_timezones()}))
def test_every_local_day_of_every_zone_is_counted_once_and_two_utc_days_hold_it(letter):
    # Where clocks change, and the turn of the year; the weeks between are like their neighbours.
    spans = [(1, 1), (2, 10), (3, 1), (3, 25), (4, 1), (9, 1), (9, 20), (10, 20), (11, 1), (12, 28)]
    for zone in (z for z in zoneinfo.available_timezones() if z[:2] == letter):
        for year in (2025, 2026, 2027):
            for month, day in spans:
                first = dt.date(year, month, day)
                found = counted_in(zone, first, first + dt.timedelta(days=8))
                seen = [local.date for locals_ in found.values() for local in locals_]
                assert seen == [seen[0] + dt.timedelta(days=i) for i in range(9)], (zone, first)
                for utc_day, locals_ in found.items():
                    midnight = dt.datetime.combine(utc_day, dt.time(), dt.UTC)
                    for local in locals_:
                        assert midnight - dt.timedelta(days=1) <= local.start, (zone, local)
                        assert midnight <= local.end <= midnight + dt.timedelta(days=1), (zone, local)


def test_the_azores_change_sides_of_midnight_without_losing_or_doubling_a_day():
    for day in ("2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26"):
        utc_day = dt.date.fromisoformat(day)
        (one,) = local_days_ending_in(utc_day, "Atlantic/Azores")
        assert one.date == utc_day - dt.timedelta(days=1)
        assert local_day_ending_in(utc_day, "Atlantic/Azores") == one


def test_a_zone_that_changes_sides_for_good_has_none_or_two_days_in_a_utc_day_and_each_is_planned():
    # Samoa left out the 30th of December 2011 and went from one side of the date line to the other.
    found = counted_in("Pacific/Apia", dt.date(2011, 12, 27), dt.date(2012, 1, 3))
    seen = [local.date for locals_ in found.values() for local in locals_]
    assert seen == sorted(set(seen))
    assert dt.date(2011, 12, 29) in seen
    assert dt.date(2011, 12, 31) in seen
    assert local_day_ending_in(dt.date(2011, 12, 30), "Pacific/Apia").date in seen


def test_a_patient_with_two_days_in_a_utc_day_has_a_plan_for_each_and_one_with_none_has_none(monkeypatch):
    day = dt.date(2026, 1, 5)
    two = tuple(local_day(date, "Atlantic/Azores") for date in (dt.date(2026, 1, 3), dt.date(2026, 1, 4)))
    zones = {"pt-1": "Atlantic/Azores", "pt-2": "UTC", "pt-3": "None/Here"}
    ends = {"Atlantic/Azores": two, "UTC": (local_day(day, "UTC"),), "None/Here": ()}
    monkeypatch.setattr(
        "fallrisk_assets.mobility.patient_days.local_days_ending_in", lambda _, zone: ends[zone]
    )
    hours = [dt.datetime(2026, 1, d, 12, tzinfo=dt.UTC) for d in (3, 4, 5)]
    coverage = pa.table(
        {
            "patient_id": [f"pt-{i}" for i in (1, 2, 3) for _ in hours],
            "device_id": [f"imu-{i}" for i in (1, 2, 3) for _ in hours],
            "hour": pa.array(hours * 3, pa.timestamp("us", "UTC")),
            "clean_samples": [100] * 9,
            "position": ["waist"] * 9,
        }
    )
    plans = [(plan.patient_id, plan.day.date.day) for plan in patient_days(day, coverage, zones)]
    assert plans == [("pt-1", 3), ("pt-1", 4), ("pt-2", 5)]


def test_where_no_day_ends_a_statement_is_about_the_day_of_its_noon(monkeypatch):
    monkeypatch.setattr(local_days, "local_days_ending_in", lambda *_: ())
    assert local_day_ending_in(dt.date(2026, 10, 25), "Atlantic/Azores").date == dt.date(2026, 10, 25)


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
