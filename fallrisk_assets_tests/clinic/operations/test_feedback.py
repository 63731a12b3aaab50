"""Answers of surveys come in three shapes; ratings are whole numbers from 1 to 5, or absent."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.operations.contract import Feedback
from fallrisk_assets.clinic.operations.feedback import parse_feedback
from fallrisk_assets.contract import columns_of
from fallrisk_assets_tests.clinic.operations.rows import DAY, RECEIVED_AT, ZONES, answer, lines


def parse(data: bytes):
    return parse_feedback("f", data, DAY, RECEIVED_AT, ZONES)


TWO = [answer(), answer(feedback_id="FB2")]


@pytest.mark.parametrize(
    "data",
    [
        lines(*TWO),
        json.dumps(TWO).encode(),
        json.dumps(TWO, indent=2).encode(),
        b"\xef\xbb\xbf" + json.dumps(TWO).encode() + b"\n",
    ],
)
def test_an_array_and_lines_say_the_same(data):
    rows, refused, received = parse(data)
    assert [row["feedback_id"] for row in rows] == ["FB1", "FB2"]
    assert (refused, received) == ([], 2)


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_is_one_answer(indent):
    rows, _, received = parse(json.dumps(answer(), indent=indent).encode())
    assert (len(rows), received) == (1, 1)


def test_an_array_that_breaks_off_costs_what_follows_the_break():
    whole = json.dumps([*TWO, answer(feedback_id="FB3")])
    rows, refused, received = parse(whole[:-30].encode())
    assert [row["feedback_id"] for row in rows] == ["FB1", "FB2"]
    assert [(r.line, r.reason) for r in refused] == [(3, "JSON_INVALID")]
    assert received == 3


def test_elements_of_an_array_that_are_no_answers_cost_themselves():
    data = json.dumps([answer(), 3, {**answer(feedback_id="FB2"), "provider_rating": 6}]).encode()
    rows, refused, received = parse(data)
    assert (len(rows), received) == (1, 3)
    assert {r.line: r.reason for r in refused} == {2: "JSON_INVALID", 3: "RATING_INVALID"}


@pytest.mark.parametrize("rating", [0, 6, -1, 4.5, True, "good"])
def test_a_rating_that_nobody_could_give_is_refused(rating):
    _, refused, _ = parse(lines(answer(overall_satisfaction=rating)))
    assert [r.reason for r in refused] == ["RATING_INVALID"]


@pytest.mark.parametrize("rating", [1, 5, 4.0, "3", None])
def test_a_rating_from_one_to_five_or_none_is_taken_as_it_is(rating):
    rows, _, _ = parse(lines(answer(overall_satisfaction=rating)))
    assert rows[0]["overall_satisfaction"] == (None if rating is None else int(float(rating)))


def test_an_answer_that_says_nothing_is_refused():
    nothing = answer(provider_rating=None, overall_satisfaction=None, would_recommend=None, comments=" ")
    assert [r.reason for r in parse(lines(nothing))[1]] == ["FEEDBACK_EMPTY"]


def test_the_day_of_an_answer_is_the_local_one_where_it_is_not_given():
    late = answer(feedback_date=None, timestamp="2026-01-06T03:00:00Z", provider_id="PROV0002")
    assert parse(lines(late))[0][0]["feedback_date"] == date(2026, 1, 5)


def test_comments_count_as_personal_data():
    classes = {info.name: info.pii for info in columns_of(Feedback)}
    assert classes["comments"] == "direct"


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=8))
def test_any_json_is_taken_or_refused_and_counted(value):
    rows, refused, received = parse(json.dumps(value).encode())
    assert len(rows) + len(refused) == received


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 400))
def test_a_drop_cut_anywhere_or_of_any_bytes_is_counted_whole(tail, cut):
    rows, refused, received = parse(json.dumps(TWO).encode()[:cut] + tail)
    assert len(rows) + len(refused) == received
    assert len({r.line for r in refused} | {row["line"] for row in rows}) == received
