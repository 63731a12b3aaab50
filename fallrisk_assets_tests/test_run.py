import datetime as dt
import sys

import dagster as dg
import pytest

from fallrisk_assets import run
from fallrisk_assets.lake import Lake
from fallrisk_assets.launcher import WORKER_TAG
from fallrisk_assets.telemetry.contract import Telemetry


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return tmp_path


TODAY = dt.date(2026, 1, 8)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2030-01-05", "2030-01-05", "2030-01-05 has not come yet (today is 2026-01-08 in UTC)"),
        ("2026-01-05", "2026-01-09", "2026-01-09 has not come yet"),
        ("2019-01-05", "2019-01-05", "2019-01-05 is before 2026-01-01"),
        ("2026-01-06", "2026-01-05", "2026-01-05, is before the first, 2026-01-06"),
    ],
)
def test_a_mistyped_day_is_refused_in_one_line_and_nothing_is_run(first, last, said, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(run, "execute", lambda *words: ran.append(words))
    assert run.main(["--from", first, "--to", last], today=TODAY) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert ran == []


def test_what_is_no_day_is_refused_with_an_example_of_one(capsys):
    with pytest.raises(SystemExit):
        run.main(["--from", "2026-13-01", "--to", "2026-13-01"], today=TODAY)
    assert "'2026-13-01' is no day: write it as 2026-01-05" in capsys.readouterr().err


def test_the_running_day_is_run_up_to_the_running_hour(home, monkeypatch):
    ran = []
    monkeypatch.setattr(run, "execute", lambda *words: ran.append(words))
    monkeypatch.setattr(run, "newest_hour_end", lambda: dt.datetime(2026, 1, 8, 15, tzinfo=dt.UTC))
    assert run.main(["--from", "2026-01-08", "--to", "2026-01-08"], today=TODAY) == 0
    assert ran == [
        ("identity_daily", "2026-01-08", "2026-01-08"),
        ("telemetry_hourly", "2026-01-08-00:00", "2026-01-08-14:00"),
    ]
    ran.clear()
    assert run.main(["--from", "2026-01-07", "--to", "2026-01-08"], today=TODAY) == 0
    assert ran[-1] == ("lakehouse_daily", "2026-01-07", "2026-01-07"), "only the day that has ended"


def publish(home, *keys):
    lake = Lake(root=str(home / "data" / "lake"))
    with lake.publication(Telemetry, keys) as publication:
        publication.commit()


def test_hours_that_late_drops_reach_are_run_again_until_none_is_left(home, monkeypatch, capsys):
    ran = []
    publish(home, "2026-01-06-07:00", "2026-01-06-08:00", "2026-01-07-03:00")
    never_run = {"2026-01-05-23:00": "c"}
    rounds = [
        {"2026-01-06-07:00": "a", "2026-01-07-03:00": "b", **never_run},
        {"2026-01-06-08:00": "tail", **never_run},
        never_run,
        never_run,
    ]
    monkeypatch.setattr(run, "execute", lambda *words: ran.append(words))
    monkeypatch.setattr(run, "stale_hours", lambda lake, since: (rounds.pop(0), 0))
    assert run.main(["--from", "2026-01-07", "--to", "2026-01-07"], today=TODAY) == 0
    assert [words[1] for words in ran[2:-1]] == ["2026-01-06-07:00", "2026-01-07-03:00", "2026-01-06-08:00"]
    assert "late data changed hours of 2026-01-06: run these days again" in capsys.readouterr().out


def test_hours_that_stay_stale_are_a_failure_that_names_them_after_the_day_was_closed(
    home, monkeypatch, capsys
):
    ran = []
    publish(home, "2026-01-06-07:00")
    monkeypatch.setattr(run, "execute", lambda *words: ran.append(words))
    monkeypatch.setattr(run, "stale_hours", lambda lake, since: ({"2026-01-06-07:00": "a"}, 0))
    assert run.main(["--from", "2026-01-07", "--to", "2026-01-07"], today=TODAY) == 1
    assert "2026-01-06-07:00" in capsys.readouterr().err
    assert ran[-1][0] == "lakehouse_daily"


def test_states_of_appointments_that_a_late_day_made_stale_are_made_again(home, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(run, "execute", lambda *words: ran.append(words))
    monkeypatch.setattr(run, "stale_days", lambda lake: {"2026-01-07": "a", "2026-01-06": "b"})
    assert run.main(["--from", "2026-01-05", "--to", "2026-01-05"], today=TODAY) == 0
    assert ran[:2] == [
        ("identity_daily", "2026-01-05", "2026-01-05"),
        ("identity_daily", "2026-01-06", "2026-01-07"),
    ]
    assert "appointments of 2026-01-06 … 2026-01-07 changed: run these days again" in capsys.readouterr().out


JOB = """
import os
import dagster as dg
from fallrisk_assets.launcher import identity

@dg.asset
def a(context):
    open({path!r}, "w").write(identity(os.getpid()))

defs = dg.Definitions([a], jobs=[dg.define_asset_job("job_of_a", executor_def=dg.in_process_executor)])
"""


@pytest.mark.slow
def test_a_run_of_the_command_line_names_its_own_process_so_that_a_killed_one_is_noticed(home, monkeypatch):
    (home / "one_job.py").write_text(JOB.format(path=str(home / "worker")))
    real = run.subprocess.Popen

    def elsewhere(command, **options):
        swapped = ["one_job" if word == "fallrisk_assets.definitions" else word for word in command]
        return real(swapped, **options)

    monkeypatch.setenv("PYTHONPATH", ":".join([str(home), *sys.path]))
    monkeypatch.setattr(run.subprocess, "Popen", elsewhere)
    run.execute("job_of_a", "2026-01-05", "2026-01-05", {"said": "by hand"})
    with dg.DagsterInstance.get() as instance:
        (done,) = instance.get_runs()
    assert done.tags[WORKER_TAG] == (home / "worker").read_text()
    assert done.tags["said"] == "by hand"
