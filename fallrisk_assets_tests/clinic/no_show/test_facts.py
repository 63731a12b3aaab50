"""Only what was known when an appointment was booked is a fact of it."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.clinic.no_show.facts import FACTS, bookings_of, facts_at_booking, visits_of

DAY = dt.date(2026, 1, 5)  # a Monday


def day(n):
    return DAY + dt.timedelta(days=n)


def facts(bookings, visits):
    found = facts_at_booking(bookings_of(bookings), visits_of(visits))
    return [tuple(getattr(found, name)[i].item() for name in FACTS) for i in range(len(found))]


def test_lead_time_age_and_weekend_are_those_of_the_booking():
    assert facts([("A", "P", day(0), day(5), 71.0), ("B", "P", day(2), day(2), 17.0)], []) == [
        (5, 71.0, True, 0, 0, False),
        (0, 17.0, False, 0, 0, False),
    ]


def test_an_earlier_visit_counts_from_the_day_after_it():
    visits = [("X", "P", day(3), True), ("Y", "P", day(1), False), ("Z", "Q", day(1), True)]
    told = facts([(f"A{n}", "P", day(n), day(9), 50.0) for n in (1, 2, 3, 4)], visits)
    assert [row[3:] for row in told] == [(0, 0, False), (1, 0, False), (1, 0, False), (1, 1, True)]


def test_the_newest_earlier_visit_tells_whether_the_last_was_missed():
    visits = [("X", "P", day(1), True), ("Y", "P", day(2), False)]
    (row,) = facts([("A", "P", day(5), day(6), 50.0)], visits)
    assert row[3:] == (1, 1, False)


def test_a_visit_of_more_than_a_year_before_the_booking_is_forgotten():
    told = facts(
        [("A", "P", day(366), day(370), 50.0), ("B", "P", day(365), day(370), 50.0)],
        [("X", "P", day(0), True)],
    )
    assert [row[3:] for row in told] == [(0, 0, False), (0, 1, True)]


def test_a_visit_before_its_booking_is_refused_by_name():
    with pytest.raises(ValueError, match="appointment A7: its visit lies before"):
        facts([("A7", "P", day(5), day(4), 50.0)], [])


people = st.sampled_from("PQ")
settled = st.lists(st.tuples(people, st.integers(0, 12), st.booleans()), max_size=12)
asked = st.lists(st.tuples(people, st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=6)


@given(asked, settled, st.data())
def test_nothing_that_happens_from_the_day_of_the_booking_on_changes_a_fact_of_it(bookings, visits, data):
    rows = [(f"A{i}", p, day(b), day(b + lead), 40.0) for i, (p, b, lead) in enumerate(bookings)]
    known = [(f"V{i}", p, day(at), missed) for i, (p, at, missed) in enumerate(visits)]
    told = facts(rows, known)
    for row, expected in zip(rows, told, strict=True):
        before = [v for v in known if v[2] < row[2]]
        assert facts([row], before) == [expected]
        later = [
            (v[0], v[1], v[2], data.draw(st.booleans(), label="another outcome"))
            for v in known
            if v[2] >= row[2]
        ]
        own = (row[0], row[1], row[3], data.draw(st.booleans(), label="its own outcome"))
        assert facts([row], [*before, *later, own]) == [expected]


@given(asked, settled, st.randoms())
def test_the_order_of_rows_changes_nothing(bookings, visits, random):
    rows = [(f"A{i}", p, day(b), day(b + lead), 40.0) for i, (p, b, lead) in enumerate(bookings)]
    known = [(f"V{i}", p, day(at), missed) for i, (p, at, missed) in enumerate(visits)]
    mixed = random.sample(known, len(known))
    assert facts(rows, mixed) == facts(rows, known)
    assert facts(rows[::-1], known) == facts(rows, known)[::-1]


def test_no_bookings_have_no_facts():
    assert len(facts_at_booking(bookings_of([]), visits_of([]))) == 0
    assert np.array_equal(facts_at_booking(bookings_of([]), visits_of([])).lead_time_days, [])
