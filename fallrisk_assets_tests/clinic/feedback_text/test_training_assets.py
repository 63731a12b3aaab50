"""Training in the lake: from a labelled file to a version that is promoted, and a label that ends."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.clinic.feedback_text.__main__ import report
from fallrisk_assets.clinic.feedback_text.checks import feedback_text_gates
from fallrisk_assets.clinic.feedback_text.contract import (
    FeedbackSentiment,
    FeedbackTextEvaluation,
    FeedbackTextLeftOut,
    FeedbackTextModels,
    FeedbackTextTrainingSet,
    FeedbackTopics,
)
from fallrisk_assets.clinic.feedback_text.dates import AMBIGUOUS
from fallrisk_assets.clinic.feedback_text.model import NAMES, SENTIMENT, TOPIC, released
from fallrisk_assets.clinic.feedback_text.resource import FeedbackTextSource
from fallrisk_assets.clinic.feedback_text.sets import SetUnusable, read_set
from fallrisk_assets.clinic.feedback_text.simulated import Simulation
from fallrisk_assets.clinic.feedback_text.training_assets import (
    feedback_text_evaluation,
    feedback_text_labels,
    feedback_text_models,
)
from fallrisk_assets.clinic.feedback_text.vocabulary import (
    ON_SIMULATED,
    ON_SIMULATED_EVALUATED,
    ON_SUPPLIED,
    SUPPLIED,
)
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.promotion import model_of, promote
from fallrisk_assets.models.registry import PromotionRefused, registry_of
from fallrisk_assets_tests.clinic.feedback_text.conftest import CANARY, DAYS, judge
from simulator.labelled_comments import draw_comments, labelled_csv

DAY = "2026-01-09"
WHO = {"by": "staff-7", "at": dt.datetime(2026, 1, 10, tzinfo=dt.UTC), "why": "tried in a test"}


def train(lake: Lake, file: Path, day: str = DAY) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [feedback_text_labels, feedback_text_models, feedback_text_evaluation, *feedback_text_gates],
        partition_key=day,
        resources={"lake": lake, "feedback_text_source": FeedbackTextSource(file=str(file))},
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def supplied(tmp_path_factory) -> Path:
    """A labelled file in mixed date order with one bad line and one person's secret."""
    text = labelled_csv(draw_comments(1500, 500, 11), dt.date(2021, 1, 1), 11)
    bad = "person-1,01/02/2021,fine,splendid,,5\n"
    secret = f'person-9,25/12/2020,"{CANARY} was kind and {CANARY} listened",positive,staff,5\n'
    path = tmp_path_factory.mktemp("supplied") / "labelled.csv"
    path.write_text(text + bad + secret * 20)
    return path


@pytest.fixture(scope="module")
def trained(judged_lake, supplied) -> Lake:
    result = train(judged_lake, supplied)
    assert result.success
    checks = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert len([name for name in checks if name.startswith("feedback_text_")]) == 4
    assert all(checks.values()), checks
    return judged_lake


def test_every_record_of_the_file_is_labelled_or_left_out_and_doubtful_dates_are_flagged(trained):
    labels = trained.read(FeedbackTextTrainingSet, [DAY]).to_pylist()
    left_out = trained.read(FeedbackTextLeftOut, [DAY]).to_pylist()
    assert len(labels) == 1520
    assert [(row["line"], row["reason"]) for row in left_out] == [(1502, "SENTIMENT_UNKNOWN")]
    flagged = [row for row in labels if row["date_flag"] == AMBIGUOUS]
    assert len(flagged) > 300
    assert {row["written_on"] for row in flagged} == {None}
    assert {row["source"] for row in labels} == {SUPPLIED}


def test_both_models_are_kept_tell_their_basis_and_know_no_ones_secret(trained):
    rows = trained.read(FeedbackTextModels, [DAY]).to_pylist()
    assert {row["model"] for row in rows} == set(NAMES)
    assert {row["basis"] for row in rows} == {ON_SUPPLIED}
    for row in rows:
        assert CANARY not in registry_of(trained, row["model"]).artefact(row["model_version"])
    for table in (FeedbackTextTrainingSet, FeedbackTextLeftOut, FeedbackTextModels, FeedbackTextEvaluation):
        said = str(trained.read(table, [DAY]).to_pylist())
        assert CANARY not in said
        assert "splendid" not in said
        assert "person-9" not in said


def test_training_again_gives_the_same_versions(trained, supplied):
    before = trained.ledger.get(FeedbackTextModels, DAY).content_hash
    assert train(trained, supplied).success
    assert trained.ledger.get(FeedbackTextModels, DAY).content_hash == before


def test_the_label_of_simulated_text_ends_when_a_supplied_set_has_judged_the_version(trained):
    roles = {
        (row["model"], row["role"]): row["model_version"]
        for row in trained.read(FeedbackTextEvaluation, [DAY]).to_pylist()
    }
    assert roles[SENTIMENT, "in_use"] == released(SENTIMENT).version
    assert judge(trained, DAYS[0]).success
    for table in (FeedbackSentiment, FeedbackTopics):
        assert set(trained.read(table, [DAYS[0]])["model_basis"].to_pylist()) == {ON_SIMULATED_EVALUATED}
        assert set(trained.read(table, [DAYS[1]])["model_basis"].to_pylist()) <= {
            ON_SIMULATED,
            ON_SIMULATED_EVALUATED,
        }


def test_a_version_past_its_gates_is_promoted_and_judges_new_days(trained):
    (version,) = [
        row["model_version"]
        for row in trained.read(FeedbackTextModels, [DAY]).to_pylist()
        if row["model"] == TOPIC
    ]
    assert model_of(version) == TOPIC
    decision = promote(trained, version, **WHO)
    try:
        assert decision.version == version
        assert registry_of(trained, TOPIC).in_use() == version
    finally:
        registry_of(trained, TOPIC).rollback(**WHO)


def test_a_version_that_nobody_judged_is_not_promoted(trained):
    text = registry_of(trained, TOPIC).artefact(released(TOPIC).version)
    other = registry_of(trained, TOPIC).keep(text.replace('"version": "1"', '"version": "unjudged"'))
    with pytest.raises(PromotionRefused, match="feedback_text_evaluation"):
        promote(trained, other, **WHO)


def test_the_report_tells_figures_flags_and_gates(trained):
    lines = "\n".join(report(trained, DAY))
    for said in (AMBIGUOUS, "SENTIMENT_UNKNOWN", "macro f1", "passed", SENTIMENT, TOPIC):
        assert said in lines
    assert CANARY not in lines


def test_models_are_not_trained_on_a_file_that_changed_under_its_labels(trained, supplied, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(supplied.read_text() + "person-3,25/12/2020,good,positive,staff,5\n")
    result = dg.materialize(
        [feedback_text_models],
        partition_key=DAY,
        resources={"lake": trained, "feedback_text_source": FeedbackTextSource(file=str(other))},
        raise_on_error=False,
    )
    assert not result.success
    assert "was made from other comments" in str(result.all_events[-2:]) + str(
        [e.event_specific_data for e in result.all_events if e.is_step_failure]
    )


def test_a_file_without_a_usable_line_is_refused_with_its_reasons_and_not_its_words(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(f"comment,sentiment\n{CANARY},splendid\n")
    with pytest.raises(SetUnusable, match="SENTIMENT_UNKNOWN") as refused:
        read_set(str(path), Simulation())
    assert CANARY not in str(refused.value)
