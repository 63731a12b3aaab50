"""A labelled CSV: each record is a comment or left out with its reason; its dates are never guessed."""

from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.clinic.feedback_text import labelled_file as lf
from fallrisk_assets.clinic.feedback_text.dates import AMBIGUOUS
from fallrisk_assets.clinic.feedback_text.labelled_file import read_labelled_file
from fallrisk_assets.clinic.feedback_text.vocabulary import NEGATIVE, NEUTRAL, POSITIVE
from simulator.labelled_comments import draw_comments, labelled_csv


def read(*lines: str) -> lf.LabelledFile:
    return read_labelled_file("\n".join(lines).encode())


def test_a_file_whose_dates_stand_in_both_orders_is_read_without_a_wrong_day():
    comments = draw_comments(300, 60, 3)
    found = read_labelled_file(labelled_csv(comments, date(2021, 1, 1), 3).encode())
    assert found.received == len(found.comments) == 300
    assert [c.text for c in found.comments] == [c.text for c in comments]
    assert [c.sentiment for c in found.comments] == [c.sentiment for c in comments]
    assert [tuple(sorted(c.topics or ())) for c in found.comments if c.topics is not None] == [
        c.topics for c in comments if c.topics
    ]
    flags = Counter(c.date_flag for c in found.comments)
    assert set(flags) == {None, AMBIGUOUS}
    assert 0.25 < flags[AMBIGUOUS] / 300 < 0.45  # 132 of 365 days are such
    assert all((c.written_on is None) == (c.date_flag == AMBIGUOUS) for c in found.comments)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",positive,,", lf.COMMENT_MISSING),
        ("fine,,,", lf.LABEL_MISSING),
        ("fine,splendid,,", lf.SENTIMENT_UNKNOWN),
        ("fine,positive,weather,", lf.TOPIC_UNKNOWN),
        ("fine,positive,none;staff,", lf.TOPIC_UNKNOWN),
        ("fine,positive,,6", lf.RATING_INVALID),
        ("fine,positive,", lf.FIELD_COUNT_WRONG),
    ],
)
def test_a_bad_record_costs_that_record_and_says_why(line, reason):
    found = read("comment,sentiment,topics,rating", line, "good,positive,staff,5")
    assert found.left_out == [(2, reason)]
    assert reason in lf.WHAT_TO_DO
    assert [c.text for c in found.comments] == ["good"]


def test_a_comment_may_span_lines_and_is_named_by_the_line_on_which_it_ends():
    found = read("Review,Label", '"two\nlines",neg', "one,pos")
    assert [(c.item, c.text, c.sentiment) for c in found.comments] == [
        ("line 0000003", "two\nlines", NEGATIVE),
        ("line 0000004", "one", POSITIVE),
    ]


@pytest.mark.parametrize(
    ("labels", "meaning"),
    [
        (("0", "1"), {"0": NEGATIVE, "1": POSITIVE}),
        (("-1", "1"), {"-1": NEGATIVE, "1": POSITIVE}),
        (("-1", "0", "+1"), {"-1": NEGATIVE, "0": NEUTRAL, "+1": POSITIVE}),
        (("1", "2", "3"), {}),
    ],
)
def test_numbers_mean_what_all_numbers_of_the_file_let_them_mean(labels, meaning):
    found = read("comment,sentiment", *(f"text {n},{label}" for n, label in enumerate(labels)))
    assert [c.sentiment for c in found.comments] == [meaning[one] for one in labels if one in meaning]
    assert len(found.left_out) == len(labels) - len(meaning)


def test_none_is_an_answer_and_an_empty_cell_is_not():
    found = read("comment,topics,sentiment", "a,none,", "b,,positive", "c,waiting|staff,")
    assert [c.topics for c in found.comments] == [frozenset(), None, {"waiting", "staff"}]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe\x00", b"comment\nfine\n", b"sentiment\npositive\n", b"comment,text,label\n1,2,pos\n"],
)
def test_a_file_that_cannot_be_used_is_one_refusal(data):
    found = read_labelled_file(data)
    assert found.comments == []
    assert [line for line, _ in found.left_out] == [0]


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=5), max_size=8))
def test_no_record_is_lost(rows):
    import csv
    import io

    out = io.StringIO()
    csv.writer(out).writerows([["comment", "sentiment", "date"], *rows])
    found = read_labelled_file(out.getvalue().encode("utf-8", errors="replace"))
    assert len(found.comments) + len(found.left_out) == found.received
