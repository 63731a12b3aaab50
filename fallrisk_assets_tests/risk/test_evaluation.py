"""Held-out figures on recordings of real people, where their data is at hand; judging streams always."""

import functools
import os
from pathlib import Path

import pytest

from fallrisk_assets.recordings.recording import read_trials
from fallrisk_assets.recordings.umafall import FILES
from fallrisk_assets.risk import evaluation, training
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.detector import parameters_hash, released_model
from fallrisk_assets.risk.streams import Stream

ROOT = Path(__file__).parents[2]
UMAFALL = Path(os.environ.get("FALLRISK_SHARED_DATA", ROOT.parent / "shared" / "data")) / "umafall"


@functools.cache
def recorded(position):
    return read_trials("umafall", UMAFALL, position)


needs_recordings = pytest.mark.skipif(
    not all((UMAFALL / name).exists() for name in FILES),
    reason="needs UMAFall: set FALLRISK_SHARED_DATA to the folder that holds umafall/",
)


@needs_recordings
@pytest.mark.parametrize(
    ("position", "least"), [("waist", 0.95), pytest.param("wrist", 0.93, marks=pytest.mark.slow)]
)
def test_people_never_seen_in_training_are_judged_well(position, least):
    trials = recorded(position)
    threshold = training.THRESHOLDS["trunk" if position == "waist" else "wrist"]
    scores = evaluation.cross_validate(trials, position)
    table = evaluation.tabulate(position, trials, scores, threshold)
    assert table.sensitivity >= least
    assert table.specificity >= least
    fixed = evaluation.tabulate("2.5 g", trials, evaluation.threshold_scores(trials), 2.5)
    rule = evaluation.tabulate("rule", trials, evaluation.rule_scores(trials), 0.5)
    assert table.auc > max(fixed.auc, rule.auc) + 0.05


@needs_recordings
@pytest.mark.slow
def test_training_again_gives_the_released_numbers():
    trials = {position: recorded(position) for position in ("waist", "wrist")}
    model = training.fit_model(trials, version="1")
    content = training.artefact(model, "", {})
    assert content["parameters_sha256"] == parameters_hash(content["parameters"])
    assert released_model().version.endswith(content["parameters_sha256"][:8])


@needs_recordings
@pytest.mark.slow
def test_the_person_whose_files_a_spreadsheet_mangled_is_left_out():
    assert "Subject_13" not in {t.subject for t in recorded("wrist")}


def test_streams_are_judged_event_by_event_and_alarms_are_named_by_activity():
    start = 1_767_600_000_000_000
    fallen = Stream("imu-1", "pt-1", "waist", *motion.fall(at_s=6.0).sample(50.0, start_us=start))
    alarmed = Stream("imu-2", "pt-2", "waist", *motion.fall(at_s=6.0).sample(50.0, start_us=start))
    truth = {"imu-1": [(start + 6_100_000, "trip"), (start + 600_000_000, "faint")]}
    activities = {"imu-2": [(start, start + 20_000_000, "dancing")]}
    table = evaluation.judge_streams([fallen, alarmed], truth, activities, released_model())
    assert (table.falls, table.found, table.false_alarms, table.events) == (2, 1, 1, 2)
    assert table.missed_by_kind == {"trip": (1, 0), "faint": (1, 1)}
    assert table.alarms_by_activity == {"dancing": 1}
    text = "\n".join(table.lines())
    assert "found 1: sensitivity 0.500" in text
    assert "dancing" in text
