"""Held-out figures on recordings of real people, where their data is at hand; judging streams always."""

import functools
import os
from importlib import resources
from pathlib import Path

import pytest

from fallrisk_assets.recordings.recording import read_trials
from fallrisk_assets.recordings.umafall import FILES, data_hash
from fallrisk_assets.risk import baselines, cross_validation, evaluation, training
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.risk.fall_model import RELEASED
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


@functools.cache
def trained_without(position):
    return cross_validation.Trainer(recorded(position), position)


@needs_recordings
@pytest.mark.parametrize(("position", "least"), [("waist", 0.98), ("wrist", 0.93)])
def test_people_never_seen_in_training_are_judged_well(position, least):
    trials = recorded(position)
    judged = trained_without(position).judge(cross_validation.people_splits(trials))
    table = evaluation.tabulate(position, trials, judged)
    assert table.sensitivity >= least
    assert table.specificity >= least
    assert table.second_events == 0, "one fall fires once"
    assert table.latency_s[-1] <= 4.0
    for method in (baselines.fixed_threshold, baselines.impact_and_orientation):
        other = evaluation.tabulate("baseline", trials, [method(t) for t in trials])
        assert table.auc > other.auc + 0.05


@needs_recordings
@pytest.mark.parametrize(("position", "least"), [("waist", 0.98), ("wrist", 0.93)])
def test_movements_never_seen_in_training_are_judged_well(position, least):
    trials = recorded(position)
    judged = trained_without(position).judge(cross_validation.movement_splits(trials))
    table = evaluation.tabulate(position, trials, judged)
    assert table.sensitivity >= least
    assert table.specificity >= least


@needs_recordings
@pytest.mark.parametrize(("position", "least"), [("waist", 0.98), ("wrist", 0.93)])
def test_a_model_that_saw_no_recording_at_all_judges_recordings_well(position, least):
    trials = recorded(position)
    sketched = training.fit_model({})
    table = evaluation.tabulate(
        position, trials, [evaluation.judge_with(t, position, sketched) for t in trials]
    )
    assert table.sensitivity >= least
    assert table.specificity >= least


@needs_recordings
def test_training_again_gives_the_released_numbers():
    trials = {position: recorded(position) for position in ("waist", "wrist")}
    counts = {position: len(some) for position, some in trials.items()}
    content = training.artefact(training.fit_model(trials, version="2"), data_hash(UMAFALL), counts)
    path = resources.files("fallrisk_assets.risk") / "models" / RELEASED
    assert training.artefact_text(content) == path.read_text(encoding="utf-8")


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
