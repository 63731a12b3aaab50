"""Dates in two orders: read where only one is possible, flagged where both are, never guessed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.clinic.feedback_text.dates import (
    AMBIGUOUS,
    DAY_FIRST,
    INVALID,
    MONTH_FIRST,
    SHORT_YEAR,
    YEAR_FIRST,
    FoundDate,
    read_date,
)

DAYS = st.dates(date(1990, 1, 1), date(2030, 12, 31))


@given(DAYS, st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m.%d.%Y"]))
def test_a_date_in_either_order_is_that_day_or_is_flagged_and_never_another_day(day, form):
    found = read_date(day.strftime(form))
    if found.flag is None:
        assert found.day == day
    else:
        assert (found.day, found.flag) == (None, AMBIGUOUS)
        assert day.day <= 12
        assert day.day != day.month


@given(DAYS.filter(lambda d: d.day <= 12 and d.day != d.month))
def test_what_both_orders_allow_is_flagged_in_both(day):
    assert read_date(day.strftime("%d/%m/%Y")).flag == AMBIGUOUS
    assert read_date(day.strftime("%m/%d/%Y")).flag == AMBIGUOUS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("25/12/2020", FoundDate(date(2020, 12, 25), None, DAY_FIRST)),
        ("12/25/2020", FoundDate(date(2020, 12, 25), None, MONTH_FIRST)),
        ("2020-12-25T08:00:00Z", FoundDate(date(2020, 12, 25), None, YEAR_FIRST)),
        ("5/5/2020", FoundDate(date(2020, 5, 5))),
        ("25/12/2020 08:15", FoundDate(date(2020, 12, 25), None, DAY_FIRST)),
        ("13/12/20", FoundDate(flag=SHORT_YEAR)),
        ("31/31/2020", FoundDate(flag=INVALID)),
        ("29/02/2021", FoundDate(flag=INVALID)),
        ("25/12-2020", FoundDate(flag=INVALID)),
        ("last week", FoundDate(flag=INVALID)),
        ("", FoundDate()),
    ],
)
def test_each_way_of_writing_a_day_is_known_for_what_it_is(text, found):
    assert read_date(text) == found
