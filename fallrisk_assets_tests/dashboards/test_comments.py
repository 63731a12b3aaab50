"""The page of patients' comments: sums that are the tables', the label of what judged them, and no words."""

import re
from datetime import date

import dagster as dg
import pytest

from fallrisk_assets.clinic.feedback_text.contract import (
    NOT_SCORED,
    SCORED,
    FeedbackSentiment,
    FeedbackTopics,
)
from fallrisk_assets.clinic.feedback_text.model import SENTIMENT, TOPIC, released
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED, ON_SUPPLIED, SENTIMENTS, TOPICS
from fallrisk_assets.clinic.operations.contract import Feedback
from fallrisk_assets.dashboards.clinic_assets import comments_page
from fallrisk_assets.dashboards.comments import MONTHS_SHOWN, Judge, Month, count_comments, render_comments
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets_tests.clinic.feedback_text.conftest import CANARY, DAYS, judged_lake

__all__ = ["judged_lake"]


def tone(feedback_id: str, sentiment: str | None, day: date = date(2026, 1, 5), basis: str = ON_SUPPLIED):
    return {
        "received_date": day,
        "feedback_id": feedback_id,
        "status": SCORED if sentiment else NOT_SCORED,
        "model_version": f"of {basis[-4:]}",
        "model_basis": basis,
        "sentiment": sentiment,
    }


def topic(feedback_id: str, name: str, said: bool | None):
    row = tone(feedback_id, None if said is None else "positive")
    return {**row, "topic": name, "said": said}


def test_a_month_counts_its_comments_those_that_were_judged_and_each_tone():
    rows = [tone("a", "positive"), tone("b", "positive"), tone("c", "negative"), tone("d", None)]
    found = count_comments([*rows, tone("e", "neutral", date(2026, 2, 1))], [])
    assert found.tones == [
        Month("2026-02", 1, 1, {"negative": 0, "neutral": 1, "positive": 0}),
        Month("2026-01", 4, 3, {"negative": 1, "neutral": 0, "positive": 2}),
    ]


def test_several_topics_of_a_comment_count_each_and_the_comment_once():
    rows = [topic("a", "staff", True), topic("a", "waiting", True), topic("b", "staff", False)]
    (month,) = count_comments([], [*rows, topic("c", "staff", None)]).topics
    assert (month.comments, month.judged) == (3, 2)
    assert {k: n for k, n in month.counts.items() if n} == {"staff": 1, "waiting": 1}
    assert set(month.counts) == set(TOPICS)


def test_of_an_answer_that_was_sent_again_the_newest_counts_in_any_order():
    old, new = tone("a", "negative"), tone("a", "positive", date(2026, 1, 6))
    for rows in ([old, new], [new, old]):
        (month,) = count_comments(rows, []).tones
        assert (month.comments, month.counts["positive"], month.counts["negative"]) == (1, 1, 0)


def test_a_year_and_the_month_before_it_are_shown():
    rows = [tone(f"a{n}", "positive", date(2024 + n // 12, n % 12 + 1, 1)) for n in range(20)]
    months = count_comments(rows, []).tones
    assert len(months) == MONTHS_SHOWN
    assert months[0].month == "2025-08"


@pytest.mark.parametrize(("basis", "labelled"), [(ON_SIMULATED, True), (ON_SUPPLIED, False)])
def test_a_model_of_simulated_text_only_is_labelled_so_above_the_numbers(basis, labelled):
    content = count_comments([tone("a", "positive", basis=basis)], [])
    assert content.judges == [Judge(f"of {basis[-4:]}", basis, 1)]
    page = render_comments(content)
    assert ('class="warning"' in page) == labelled
    if labelled:
        assert page.index(basis) < page.index('id="tones"')


def test_a_page_without_a_comment_says_so():
    assert render_comments(count_comments([], [])).count("No comment was judged yet.") == 3


@pytest.fixture(scope="module")
def page(judged_lake, tmp_path_factory) -> str:
    reports = Reports(root=str(tmp_path_factory.mktemp("reports")))
    result = dg.materialize(
        [comments_page], partition_key=DAYS[-1], resources={"lake": judged_lake, "reports": reports}
    )
    assert result.success
    assert "What patients wrote" in reports.read("pages/index.html").decode()
    return reports.read("pages/comments.html").decode()


def test_every_number_of_the_page_is_that_of_the_tables(page, judged_lake):
    tones = judged_lake.read(FeedbackSentiment, list(DAYS)).to_pylist()
    topics = judged_lake.read(FeedbackTopics, list(DAYS)).to_pylist()
    judged = sum(row["status"] == SCORED for row in tones)
    ids = {row["feedback_id"] for row in tones}
    assert len(ids) == len(tones)
    of_tones = [sum(row["sentiment"] == one for row in tones) for one in SENTIMENTS]
    of_topics = [sum(row["topic"] == one and bool(row["said"]) for row in topics) for one in TOPICS]
    for table, counts in (("tones", of_tones), ("topics", of_topics)):
        html = re.search(rf'<table id="{table}".*?</table>', page, re.S)[0]
        shown = [int(cell) for cell in re.findall(r"<td[^>]*>(\d+)", html)]
        assert shown == [len(tones), judged, *counts]


def test_the_page_names_both_versions_with_their_label_and_asks_for_nothing(page):
    for name in (SENTIMENT, TOPIC):
        assert f"{released(name).version}: {ON_SIMULATED}." in page
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|index\.html)', page)


def test_no_word_of_a_comment_and_nobodys_id_is_in_the_page(page, judged_lake):
    answers = judged_lake.read(Feedback, list(DAYS)).to_pylist()
    assert CANARY not in page
    for row in answers:
        assert row["patient_id"] not in page
        assert row["feedback_id"] not in page
        assert not row["comments"] or row["comments"] not in page
