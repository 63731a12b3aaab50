"""The versions that ship: made again they are the same, and they say what they were trained on."""

import json

import numpy as np
import pytest

from fallrisk_assets.clinic.feedback_text.card import released_text_card, text_card
from fallrisk_assets.clinic.feedback_text.gates import verdicts
from fallrisk_assets.clinic.feedback_text.measures import ALL, MACRO_F1, RATING_CORRELATION, rank_correlation
from fallrisk_assets.clinic.feedback_text.model import NAMES, SENTIMENT, TOPIC, released, shipped
from fallrisk_assets.clinic.feedback_text.releasing import release, released_evaluation
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED
from fallrisk_assets.models.kinds import KINDS
from fallrisk_assets.models.sealing import ArtefactDamaged
from simulator import clinic_feedback


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_training_again_gives_what_ships(name):
    text, figures = release(name)
    made, shipping = json.loads(text), json.loads(shipped(name)[released(name).version])
    assert list(made["parameters"]["ngrams"]) == list(shipping["parameters"]["ngrams"])
    for ngram, weights in made["parameters"]["ngrams"].items():
        assert np.allclose(weights, shipping["parameters"]["ngrams"][ngram], atol=1e-3)
    then = released_evaluation(released(name).version)
    assert [(f["subgroup"], f["metric"]) for f in figures] == [(f["subgroup"], f["metric"]) for f in then]
    assert np.allclose([f["value"] for f in figures], [f["value"] for f in then], atol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_passes_the_gates_and_says_that_it_saw_simulated_text_only(name):
    version = released(name).version
    assert all(v.passed for v in verdicts(released_evaluation(version), name, version))
    assert released(name).basis == ON_SIMULATED
    assert ON_SIMULATED in released_text_card(name)
    assert KINDS[name].released() == version
    assert list(KINDS[name].shipped()) == [version]


def test_a_version_that_nobody_judged_says_so_on_its_card():
    (text,) = shipped(SENTIMENT).values()
    assert "Nobody has judged this version" in text_card(text, [])


def test_an_artefact_that_was_edited_is_not_read():
    (text,) = shipped(SENTIMENT).values()
    with pytest.raises(ArtefactDamaged):
        text_card(text.replace('"a good": [', '"a good": [1', 1), [])


def test_sentiment_and_rating_agree_only_in_part_and_both_are_told():
    found = {
        (r["subgroup"], r["metric"]): r["value"] for r in released_evaluation(released(SENTIMENT).version)
    }
    assert 0.4 < found[ALL, RATING_CORRELATION] < 0.8
    assert found[ALL, MACRO_F1] > 0.8


def test_sentences_of_the_clinic_simulation_that_nobody_learnt_are_mostly_understood():
    topics, sentiment = released(TOPIC), released(SENTIMENT)
    issues = list(clinic_feedback._OF_ISSUE.values())
    at = [topics.classes.index(name) for name in ("sound_and_picture", "connection_and_access")]
    assert (topics.probabilities(issues)[:, at].max(axis=1) >= 0.5).mean() >= 5 / 6
    for rating, expected in ((5, "positive"), (1, "negative")):
        said = sentiment.probabilities(clinic_feedback._OPENINGS[rating]).argmax(axis=1)
        assert (said == sentiment.classes.index(expected)).mean() >= 2 / 3


def test_another_language_and_a_name_alone_are_not_judged():
    model = released(SENTIMENT)
    assert not model.can_judge("El médico me escuchó con mucha paciencia y estoy contenta")
    assert not model.can_judge("Quillfeather")
    assert not model.can_judge("")
    assert model.can_judge("The doctor was very good")


def test_rank_correlation_is_spearmans():
    first, second = np.array([1.0, 2, 2, 3, 5]), np.array([2.0, 1, 4, 4, 9])
    from scipy.stats import spearmanr

    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(rank_correlation(first, np.ones(5)))
