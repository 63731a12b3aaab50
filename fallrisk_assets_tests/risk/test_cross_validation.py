"""Promises of held-out figures: who is judged by what never saw them; on scripted motions of no people."""

from dataclasses import replace

import numpy as np
import pytest

from fallrisk_assets.risk import cross_validation as cv
from fallrisk_assets.risk import training_impacts
from fallrisk_assets.risk.evaluation import judge_with, tabulate
from fallrisk_assets.risk.fall_model import FallModel


@pytest.fixture(scope="module")
def trials():
    """Scripted motions, dealt to eight people."""
    drawn = training_impacts.synthetic_trials("trunk", 160, 7)
    return [replace(t, subject=f"person-{(k // 2) % 8}") for k, t in enumerate(drawn)]


@pytest.fixture(scope="module")
def trainer(trials):
    return cv.Trainer(trials, "waist", synthetic_per_group=0)


def test_nobody_is_judged_by_what_they_trained(trials):
    subject = np.array([t.subject for t in trials])
    for train, test in cv.people_splits(trials, 4):
        assert not set(subject[train]) & set(subject[test])
        assert not (train & test).any()


def test_no_movement_and_nobody_is_judged_by_what_they_trained(trials):
    subject, movement = np.array([t.subject for t in trials]), np.array([t.movement for t in trials])
    splits = cv.movement_splits(trials, 2)
    for train, test in splits:
        assert not set(subject[train]) & set(subject[test])
        assert not set(movement[train]) & set(movement[test])
    assert (np.sum([test for _, test in splits], axis=0) == 1).all(), "everything is judged once"


def test_falls_are_spread_over_the_folds(trials):
    fold = cv.subject_folds(trials, 4)
    falls = np.bincount(fold, [t.is_fall for t in trials])
    assert falls.max() - falls.min() <= 20


def test_a_trial_that_nobody_judges_is_an_error(trainer):
    splits = cv.people_splits(trainer.trials, 4)
    with pytest.raises(ValueError, match="not judged exactly once"):
        trainer.judge(splits[:-1])


def test_held_out_judgements_find_scripted_falls(trials, trainer):
    table = tabulate("held out", trials, trainer.judge(cv.people_splits(trials, 4)))
    assert table.sensitivity > 0.85
    assert table.specificity > 0.85


def test_the_nested_choice_sees_the_training_people_alone(trials, trainer):
    (train, test), *_ = cv.people_splits(trials, 4)
    chosen = trainer.chosen_model(train)
    # Whatever the people who are judged did: the choice stays.
    upside_down = [replace(t, is_fall=not t.is_fall) if test[k] else t for k, t in enumerate(trials)]
    assert cv.Trainer(upside_down, "waist", synthetic_per_group=0).chosen_model(train) == chosen
    assert chosen.thresholds["trunk"] in cv.LIMITS


def test_a_gyroscope_that_is_left_out_is_not_used(trials):
    arms = [replace(t, position="wrist") for t in trials]
    plain = [cv.without_gyroscope(t) for t in arms]
    assert all(np.isnan(t.gyro_dps).all() for t in plain)
    model = cv.Trainer(arms, "wrist", synthetic_per_group=0).model(np.ones(len(arms), bool))
    accel_only = FallModel(
        model.version, model.thresholds, {"wrist": {"accel": model.models["wrist"]["accel"]}}
    )
    assert [judge_with(t, "wrist", model) for t in plain] == [
        judge_with(t, "wrist", accel_only) for t in arms
    ]
