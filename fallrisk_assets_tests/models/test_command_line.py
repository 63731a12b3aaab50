"""What the command line says and refuses."""

import datetime as dt
import os

import pytest

from fallrisk_assets.lake import Lake
from fallrisk_assets.models import __main__ as command
from fallrisk_assets.models.kinds import FALL_DETECTOR
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.models.resource import RECORDINGS_VARIABLE
from fallrisk_assets.partitions import hour_range
from fallrisk_assets.risk import index_model
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.risk.resource import RESCORE_VARIABLE
from fallrisk_assets_tests.models.artefacts import with_threshold

NOW = dt.datetime(2026, 1, 6, 9, tzinfo=dt.UTC)
WHO = ("--by", "staff-7", "--why", "tried in a test")


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


@pytest.fixture
def say(lake, capsys):
    def run(*words):
        code = command.main(words, lake, NOW)
        out, err = capsys.readouterr()
        return code, out + err

    return run


def test_every_model_is_listed_with_the_version_in_use(say, lake):
    kept = registry_of(lake, FALL_DETECTOR).keep(with_threshold(0.45))
    code, said = say("list")
    assert code == 0
    lines = said.splitlines()
    assert any(line.startswith(f"  * {released_model().version}") for line in lines)
    assert f"    {kept}" in lines
    assert f"  * {index_model.VERSION}" in said
    assert "  * window_score-1" in said


def test_promoting_and_taking_back_is_told_and_recorded(say, lake):
    version = registry_of(lake, FALL_DETECTOR).keep(with_threshold(0.45))
    code, said = say("promote", version, *WHO)
    assert code == 1
    assert "no evaluation on record" in said
    code, said = say("promote", version, *WHO, "--unevaluated")
    assert code == 0
    assert f"promoted {version} by staff-7: tried in a test" in said
    assert NOW.isoformat() in said
    assert registry_of(lake, FALL_DETECTOR).in_use() == version
    assert say("rollback", *WHO)[0] == 0
    code, said = say("decisions")
    assert [line[:2] for line in said.splitlines()] == ["1.", "2."]
    code, said = say("rollback", *WHO)
    assert code == 1
    assert "nothing to take back" in said


def test_a_version_is_shown_with_its_hashes_and_what_the_gates_say(say):
    code, said = say("show", released_model().version)
    assert code == 0
    assert "(in use)" in said
    assert "parameters sha256" in said
    assert "gate no evaluation on record" in said
    code, said = say("show", "fall_detector-9")
    assert code == 1
    assert said.startswith("✗ fall_detector: no version fall_detector-9")


def test_cards_are_printed_and_written(say, tmp_path):
    assert "# Fall detector" in say("card")[1]
    assert "12-month" in say("card", "fall_index")[1]
    assert say("card", released_model().version, "--out", str(tmp_path / "card.md"))[0] == 0
    assert released_model().version in (tmp_path / "card.md").read_text()


@pytest.fixture
def executed(monkeypatch):
    """Jobs that would be executed, with what their processes would see."""
    done = []

    def execute(job, first, last):
        done.append((job, first, last, os.environ.get(RESCORE_VARIABLE), os.environ.get(RECORDINGS_VARIABLE)))
        return 0.0

    for name in (RESCORE_VARIABLE, RECORDINGS_VARIABLE):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(command, "execute", execute)
    return done


def test_published_hours_of_a_range_are_scored_again_and_the_others_are_counted(say, lake, executed):
    version = registry_of(lake, FALL_DETECTOR).keep(with_threshold(0.45))
    published = [*hour_range("2026-01-05-07:00", "2026-01-05-09:00"), "2026-01-05-12:00"]
    with lake.publication(FallEvents, published) as publication:
        publication.commit()
    code, said = say("rescore", version, "--from", "2026-01-05", "--to", "2026-01-05-13:00")
    assert code == 0
    assert [(first, last, which) for _, first, last, which, _ in executed] == [
        ("2026-01-05-07:00", "2026-01-05-09:00", version),
        ("2026-01-05-12:00", "2026-01-05-12:00", version),
    ]
    assert {job for job, *_ in executed} == {"rescore_falls"}
    assert "10 hours of the range were never published" in said


def test_a_range_that_nobody_published_and_a_version_that_nobody_has_are_refused(say, executed):
    code, said = say("rescore", released_model().version, "--from", "2026-01-05", "--to", "2026-01-05")
    assert code == 1
    assert "curated.fall_events 2026-01-05" in said
    code, said = say("rescore", "fall_detector-9", "--from", "2026-01-05", "--to", "2026-01-05")
    assert code == 1
    assert executed == []


def test_training_reads_the_given_folder_on_the_given_day(say, executed, tmp_path):
    assert say("train", "--source", str(tmp_path), "--day", "2026-01-05")[0] == 0
    assert say("train")[0] == 0
    assert [(job, first, folder) for job, first, _, _, folder in executed] == [
        ("detector_training", "2026-01-05", str(tmp_path)),
        ("detector_training", "2026-01-06", str(tmp_path)),
    ]


def test_a_time_without_zone_and_a_day_that_is_none_are_refused(say, capsys):
    with pytest.raises(SystemExit):
        say("rollback", *WHO, "--at", "2026-01-05T07:00")
    with pytest.raises(SystemExit):
        say("train", "--day", "yesterday")
    assert "write a day as 2026-01-05" in capsys.readouterr().err
