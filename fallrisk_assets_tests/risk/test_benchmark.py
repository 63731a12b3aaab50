"""Promises of a data set's table: every method, every recording accounted for, clear errors."""

import datetime as dt
from dataclasses import replace

import pytest

from fallrisk_assets.risk import baselines, benchmark
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.risk.evaluation import tabulate
from fallrisk_assets.risk.training_impacts import gather_impacts, synthetic_trials
from fallrisk_assets_tests.recordings import published
from simulator.cohort import CohortOptions, simulate_cohort


@pytest.fixture(scope="module")
def drawn():
    return synthetic_trials("trunk", 80, 5)


def test_a_folder_in_a_published_layout_gives_a_table_with_three_baselines(tmp_path, capsys):
    for subject in ("SA01", "SA02"):
        published.sisfall(tmp_path, "F01", subject)
        published.sisfall(tmp_path, "D01", subject)
    published.write(tmp_path / "SA01" / "D02_SA01_R01.txt", "not numbers\n")
    assert benchmark.main(["--source", str(tmp_path), "--dataset", "sisfall"]) == 0
    told = capsys.readouterr().out
    assert "sisfall, waist: 4 recordings; left out 1 " in told
    for method in (
        f"detector {released_model().version}",
        "threshold 2.5 g",
        "impact + orient",
        "random forest",
    ):
        assert method in told
    assert "movement F01" in told
    assert "of 2 falls found" in told
    assert "false alarms an hour" in told
    assert "calibration" in told


def test_the_forest_may_learn_from_recordings_as_well(tmp_path, drawn):
    tables = benchmark.transfer_tables(drawn[:20], "waist", released_model(), drawn[20:])
    assert [t.method.split()[0] for t in tables] == ["detector", "threshold", "impact", "random"]
    assert tables[-1].method == "random forest on UMAFall and sketches"
    assert tables[0].sensitivity >= 0.9


def test_training_data_is_judged_by_what_never_saw_its_people(drawn):
    trials = [replace(t, subject=f"person-{(k // 2) % 6}") for k, t in enumerate(drawn)]
    tables = benchmark.held_out_tables(trials, "waist", synthetic_per_group=0)
    methods = [t.method for t in tables]
    assert methods[0] == "detector, people held out"
    assert any("threshold and ridge" in m for m in methods)
    assert any("movement" in m for m in methods)
    assert methods[-1] == "random forest, people held out"
    assert all(t.trials == len(trials) for t in tables)
    assert all(t.sensitivity_interval[0] <= t.sensitivity <= t.sensitivity_interval[1] for t in tables)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--dataset", "sisfool"], "data set 'sisfool' is none of"),
        (["--dataset", "sisfall", "--position", "wrist"], "position 'wrist' is none of"),
        (["--dataset", "sisfall"], "SisFall"),
        (["--dataset", "simulator"], "holds no drop"),
    ],
)
def test_what_cannot_be_judged_is_said_and_is_no_success(tmp_path, capsys, arguments, why):
    assert benchmark.main(["--source", str(tmp_path), *arguments]) == 2
    assert why in capsys.readouterr().err


def test_drops_with_truth_are_judged_event_by_event(tmp_path, capsys):
    options = CohortOptions(
        patients=1, days=1, hours_per_day=(1.0,), start=dt.date(2026, 1, 5), faults="none", falls_per_day=0.0
    )
    simulate_cohort(tmp_path / "landing", tmp_path / "truth", options)
    assert benchmark.main(["--source", str(tmp_path), "--dataset", "simulator"]) == 0
    told = capsys.readouterr().out
    assert "random forest on sketches" in told
    assert "patient-days" in told


def test_a_threshold_and_a_rule_do_what_they_say(drawn):
    def recorded(m):
        ts_us, accel, gyro = m.sample(50.0)
        return replace(drawn[0], ts_us=ts_us, accel_g=accel, gyro_dps=gyro)

    standing = baselines.fixed_threshold(recorded(motion.Motion(10.0)))
    assert 1.0 < standing.score < 1.2
    assert standing.events == ()
    fallen, seated = recorded(motion.fall(peak_g=6.0)), recorded(motion.sitting_hard(peak_g=5.0))
    assert len(baselines.fixed_threshold(fallen).events) == 1
    assert len(baselines.impact_and_orientation(fallen).events) == 1
    assert len(baselines.fixed_threshold(seated).events) == 1
    assert baselines.impact_and_orientation(seated).events == (), "the trunk is where it was"


def test_a_forest_learns_what_it_is_shown(drawn):
    forest = baselines.random_forest(gather_impacts(drawn))
    table = tabulate("forest", drawn, [forest(t) for t in drawn])
    assert table.sensitivity > 0.9
    assert table.specificity > 0.9
