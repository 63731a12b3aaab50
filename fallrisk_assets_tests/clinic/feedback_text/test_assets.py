"""Judged comments in the lake: each with a comment, its version and basis; no word of any of them."""

import datetime as dt

import pyarrow as pa
import pytest

from fallrisk_assets.clinic.feedback_text import contract
from fallrisk_assets.clinic.feedback_text.contract import (
    NOT_SCORED,
    SCORED,
    WORDS_UNKNOWN,
    FeedbackSentiment,
    FeedbackTopics,
)
from fallrisk_assets.clinic.feedback_text.model import NAMES, SENTIMENT, TOPIC, released, shipped
from fallrisk_assets.clinic.feedback_text.scoring import text_rows
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED, TOPICS
from fallrisk_assets.clinic.operations.contract import Feedback
from fallrisk_assets.clinic.operations.feedback import RATINGS
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets_tests.clinic.feedback_text.conftest import CANARY, DAYS, NO_COMMENT, judge

TABLES = [table for name, table in vars(contract).items() if name.startswith("Feedback")]


def test_each_answer_with_a_comment_has_one_tone_and_one_row_a_topic(judged_lake):
    answers = judged_lake.read(Feedback, list(DAYS)).to_pylist()
    commented = {row["content_hash"] for row in answers if row["comments"]}
    assert len(commented) > 20
    tones = judged_lake.read(FeedbackSentiment, list(DAYS)).to_pylist()
    topics = judged_lake.read(FeedbackTopics, list(DAYS)).to_pylist()
    assert sorted(row["content_hash"] for row in tones) == sorted(commented)
    assert NO_COMMENT not in {row["feedback_id"] for row in tones}
    pairs = sorted((row["content_hash"], row["topic"]) for row in topics)
    assert pairs == sorted((one, topic) for one in commented for topic in TOPICS)
    assert {row["model_basis"] for row in (*tones, *topics)} == {ON_SIMULATED}


def test_what_was_written_decides_and_not_what_was_ticked(judged_lake):
    tones = {row["feedback_id"]: row for row in judged_lake.read(FeedbackSentiment, [DAYS[-1]]).to_pylist()}
    assert tones["FB-terrible"]["sentiment"] == "negative"  # its ratings are 5
    assert tones["FB-canary"]["sentiment"] == "positive"
    topics = judged_lake.read(FeedbackTopics, [DAYS[-1]]).to_pylist()
    assert {r["topic"] for r in topics if r["feedback_id"] == "FB-terrible" and r["said"]} == {
        "sound_and_picture"
    }


def test_a_comment_of_unknown_words_is_not_scored_and_says_why(judged_lake):
    for table in (FeedbackSentiment, FeedbackTopics):
        rows = judged_lake.read(table, [DAYS[-1]]).to_pylist()
        of = [row for row in rows if row["feedback_id"] == "FB-unknown"]
        assert {(row["status"], row["reason"]) for row in of} == {(NOT_SCORED, WORDS_UNKNOWN)}
        assert not [k for row in of for k, v in row.items() if "probability" in k and v is not None]
        assert {row["reason"] for row in rows if row["status"] == SCORED} == {None}


def test_no_word_of_a_comment_is_in_a_table_an_artefact_or_a_log(judged_lake, capfd):
    assert judge(judged_lake, DAYS[-1]).success
    out, err = capfd.readouterr()
    assert "RUN_SUCCESS" in out + err
    assert CANARY not in (out + err).lower()
    assert CANARY in str(judged_lake.read(Feedback, [DAYS[-1]])["comments"])
    for table in (FeedbackSentiment, FeedbackTopics):
        assert CANARY not in str(judged_lake.read(table, [DAYS[-1]]).to_pylist()).lower()
    for name in NAMES:
        assert all(CANARY not in text for text in shipped(name).values())


def test_metadata_of_a_run_tells_counts_and_no_words(judged_lake):
    result = judge(judged_lake, DAYS[-1])
    shown = [
        str(value)
        for event in result.get_asset_materialization_events()
        for value in event.materialization.metadata.values()
    ]
    assert any("neutral" in text or "positive" in text for text in shown)
    assert not [text for text in shown if CANARY in text.lower()]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.spec.name)
def test_no_table_has_a_column_of_free_text_or_a_rating(table):
    names = set(arrow_schema(table).names)
    assert not names & {*RATINGS, "rating", "comment", "comments", "text", "would_recommend"}


def test_days_one_by_one_give_what_the_range_gave(judged_lake):
    tables = (FeedbackSentiment, FeedbackTopics)
    before = {(t, day): judged_lake.ledger.get(t, day).content_hash for t in tables for day in DAYS}
    for day in reversed(DAYS):
        assert judge(judged_lake, day).success
    assert {(t, d): judged_lake.ledger.get(t, d).content_hash for t in tables for d in DAYS} == before


def test_a_published_day_keeps_its_version_when_another_is_promoted(judged_lake):
    registry = registry_of(judged_lake, SENTIMENT)
    (text,) = shipped(SENTIMENT).values()
    other = registry.keep(text.replace('"version": "1"', '"version": "tried"'))
    who = {"by": "staff-7", "at": dt.datetime(2026, 1, 8, tzinfo=dt.UTC), "why": "tried in a test"}
    registry.promote(other, **who, gates=())
    try:
        assert judge(judged_lake, DAYS[0]).success
        versions = judged_lake.read(FeedbackSentiment, [DAYS[0]])["model_version"].to_pylist()
        assert set(versions) == {released(SENTIMENT).version}
    finally:
        registry.rollback(**who)


def test_a_day_without_a_comment_gives_no_rows_and_no_error():
    empty = arrow_schema(Feedback).empty_table()
    for name in (SENTIMENT, TOPIC):
        assert text_rows(empty, released(name), ON_SIMULATED).num_rows == 0
    assert isinstance(empty, pa.Table)
