import csv
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from simulator.__main__ import main
from simulator.live import LiveOptions, live_rounds

START = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["cohort", "--help"], ["live", "--help"], ["replay", "--help"]]
)
def test_help_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "python -m simulator" in text
    assert len(text) > 400


def test_cohort_writes_drops_and_tells_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, truth = tmp_path / "landing", tmp_path / "truth"
    options = "--patients 1 --days 1 --rate-hz 20 --hours-per-day 0.1 --faults nan_value=2 --falls-per-day 0"
    status = main(["cohort", "--out", str(out), "--truth", str(truth), *options.split()])
    told = capsys.readouterr()
    assert status == 0
    assert "7,200 samples in 1 drops" in told.out
    assert "nan_value" in told.out
    assert "x real time" in told.err
    assert len(list((out / "telemetry").iterdir())) == 1
    with (truth / "faults.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_a_wrong_option_ends_with_a_sentence_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cohort", "--out", str(tmp_path), "--faults", "gremlins"]) == 2
    assert "unknown fault 'gremlins'; known: truncated_line" in capsys.readouterr().err
    assert main(["replay", "--out", str(tmp_path), "--source", str(tmp_path)]) == 2
    assert "umafall_trials.csv is missing" in capsys.readouterr().err


def test_live_drops_one_file_a_device_and_round_and_time_moves_on(tmp_path: Path) -> None:
    options = LiveOptions(start=START, devices=2, rate_hz=20.0, stop_after=3)
    rounds = list(live_rounds(tmp_path / "landing", tmp_path / "truth", options))
    assert [(r.number, len(r.keys), r.until.minute) for r in rounds] == [(1, 2, 1), (2, 2, 2), (3, 2, 3)]
    assert all((tmp_path / "landing" / key).is_file() for r in rounds for key in r.keys)
    assert len(list((tmp_path / "landing" / "clinic").iterdir())) == 3


def test_live_writes_nothing_before_it_is_asked_for_the_next_round(tmp_path: Path) -> None:
    rounds = live_rounds(tmp_path, None, LiveOptions(start=START, devices=1, rate_hz=20.0))
    assert len(list(islice(rounds, 2))) == 2
    assert len(list((tmp_path / "telemetry").iterdir())) == 2


def test_live_goes_on_after_its_chapter_of_two_hours(tmp_path: Path) -> None:
    options = LiveOptions(start=START, devices=1, rate_hz=10.0, drop_minutes=60, stop_after=3)
    rounds = list(live_rounds(tmp_path, None, options))
    assert [r.until.hour for r in rounds] == [11, 12, 13]


def test_live_needs_a_whole_minute(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whole minute"):
        next(live_rounds(tmp_path, None, LiveOptions(start=START.replace(second=3))))
