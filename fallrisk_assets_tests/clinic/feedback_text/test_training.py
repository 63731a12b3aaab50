"""What the models may know of whom they learnt from, and that their numbers are scikit-learn's."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from fallrisk_assets.clinic.feedback_text.labelled import Labelled, held_out
from fallrisk_assets.clinic.feedback_text.model import NAMES, SENTIMENT, TOPIC, TextModel
from fallrisk_assets.clinic.feedback_text.simulated import Simulation, simulated_comments
from fallrisk_assets.clinic.feedback_text.training import (
    LEAST_PEOPLE,
    RIDGE_C,
    TooFewComments,
    artefact,
    vocabulary,
)
from fallrisk_assets.clinic.feedback_text.vocabulary import NEUTRAL, ON_SIMULATED
from fallrisk_assets.clinic.feedback_text.words import ngrams

TOLD = {"basis": ON_SIMULATED}


@pytest.fixture(scope="module")
def comments() -> list[Labelled]:
    return simulated_comments(Simulation(comments=900, people=300))


def said(text: str, person: str | None, number: int = 0) -> Labelled:
    return Labelled(f"item {number}", text, person, "positive", frozenset())


def test_what_one_person_writes_a_hundred_times_is_not_known_to_the_model(comments):
    secret = [said("my secret zebrafish was kind", "person-x", n) for n in range(100)]
    shared = [said("the corridor was kind", f"person-{n}", n) for n in range(LEAST_PEOPLE)]
    known = vocabulary([*comments, *secret, *shared])
    assert not [ngram for ngram in known.ngrams if "zebrafish" in ngram or "secret" in ngram]
    assert "the corridor" in known.ngrams
    assert known.fewest_people == LEAST_PEOPLE
    text = artefact(SENTIMENT, [*comments, *secret], "1", TOLD)
    assert "zebrafish" not in text


def test_where_nobody_is_named_equal_words_count_as_one_persons():
    copies = [said("zebrafish here", None, n) for n in range(50)]
    others = [
        said(f"the {word} was good", None) for word in ("chair", "table", "wall", "roof", "lift", "floor")
    ]
    assert "zebrafish" not in vocabulary([*copies, *others]).ngrams


def test_without_a_word_of_several_people_nothing_is_learnt():
    with pytest.raises(TooFewComments, match="different people"):
        vocabulary([said("all alone", "person-x")])


@pytest.mark.parametrize("name", NAMES)
def test_the_artefact_gives_the_probabilities_that_scikit_learn_gives(name, comments):
    model = TextModel.from_json(artefact(name, comments, "1", TOLD))
    words = list(vocabulary(comments).ngrams)
    texts = [c.text for c in comments]
    tfidf = TfidfVectorizer(analyzer=ngrams, vocabulary=words, sublinear_tf=True)
    features = tfidf.fit_transform(texts)
    fresh = [*texts[:50], "something else entirely", "bad bad bad sound"]

    def regression():
        return LogisticRegression(C=RIDGE_C, tol=1e-8, max_iter=2000)

    if name == SENTIMENT:
        y = [model.classes.index(c.sentiment) for c in comments]
        expected = regression().fit(features, y).predict_proba(tfidf.transform(fresh))
    else:
        fits = [regression().fit(features, [k in c.topics for c in comments]) for k in model.classes]
        expected = np.stack([f.predict_proba(tfidf.transform(fresh))[:, 1] for f in fits], axis=1)
    assert np.allclose(model.probabilities(fresh), expected, atol=2e-4)  # four places of each weight


def test_a_set_with_two_sentiments_gives_a_model_of_two(comments):
    two = [c for c in comments if c.sentiment != NEUTRAL]
    model = TextModel.from_json(artefact(SENTIMENT, two, "1", TOLD))
    assert model.classes == ("negative", "positive")
    p = model.probabilities(["terrible, very bad and useless", "great, very good and helpful"])
    assert p[0, 0] > 0.8
    assert p[1, 1] > 0.8
    assert np.allclose(p.sum(axis=1), 1.0)


def test_a_sentiment_of_three_comments_is_refused(comments):
    few = [c for c in comments if c.sentiment != NEUTRAL] + [c for c in comments if c.sentiment == NEUTRAL][
        :3
    ]
    with pytest.raises(TooFewComments, match="neutral"):
        artefact(SENTIMENT, few, "1", TOLD)


def test_a_topic_of_three_comments_is_left_out_and_the_others_are_learnt(comments):
    left = [replace(c, topics=c.topics - {"booking"}) for c in comments]
    left[:3] = [replace(c, topics=c.topics | {"booking"}) for c in left[:3]]
    assert "booking" not in TextModel.from_json(artefact(TOPIC, left, "1", TOLD)).classes


def test_ratings_and_the_order_of_comments_change_nothing(comments):
    other = [replace(c, rating=1) for c in comments]
    assert artefact(SENTIMENT, other, "1", TOLD) == artefact(SENTIMENT, comments, "1", TOLD)


def test_an_artefact_tells_its_training_and_holds_nothing_else(comments):
    content = json.loads(artefact(SENTIMENT, comments, "1", TOLD))
    assert set(content) == {"name", "version", "parameters", "parameters_sha256", "training"}
    assert content["training"]["fewest_people_of_an_ngram"] >= LEAST_PEOPLE
    whole = json.dumps(content)
    assert not [c.text for c in comments if len(c.text.split()) > 4 and c.text in whole]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), min_size=1, max_size=30))
def test_a_person_and_equal_words_are_on_one_side_of_the_split(pairs):
    mine = [said(text, person, n) for n, (person, text) in enumerate(pairs)]
    side = held_out(mine)
    for of in ("person", "text"):
        for value in {getattr(c, of) for c in mine}:
            assert len({bool(s) for s, c in zip(side, mine, strict=True) if getattr(c, of) == value}) == 1


def test_further_comments_of_others_move_nobody_to_the_other_side():
    mine = [said(f"words {chr(97 + n % 26)}{chr(97 + n // 26)}", f"p{n}", n) for n in range(200)]
    more = [said(f"more {chr(97 + n % 26)}{chr(97 + n // 26)}", f"q{n}", n) for n in range(200)]
    assert (held_out([*mine, *more])[:200] == held_out(mine)).all()
    assert 0.2 < held_out(mine).mean() < 0.4
