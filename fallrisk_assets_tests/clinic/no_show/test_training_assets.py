"""Training on the clinic's own appointments, as assets: from its tables to a version that is labelled."""

import datetime as dt
import os

import dagster as dg
import numpy as np
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.no_show import __main__ as command
from fallrisk_assets.clinic.no_show import checks, training_assets
from fallrisk_assets.clinic.no_show.contract import (
    NoShowEvaluation,
    NoShowLeftOut,
    NoShowModels,
    NoShowTrainingSet,
)
from fallrisk_assets.clinic.no_show.model import NAME, OWN, PUBLIC, SIMULATED
from fallrisk_assets.clinic.no_show.public_drops import public_drops
from fallrisk_assets.clinic.no_show.public_set import read_public_set
from fallrisk_assets.clinic.no_show.resource import SET_VARIABLE, NoShowSource
from fallrisk_assets.clinic.no_show.rows import training_rows, training_set_of
from fallrisk_assets.clinic.no_show.training import training_set
from fallrisk_assets.clinic.operations.assets import appointment_states, clinic_operations
from fallrisk_assets.jobs import NO_SHOW_TRAINING
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.models import __main__ as models_command
from fallrisk_assets.models.kinds import FALL_DETECTOR
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import FIRST_DAY
from fallrisk_assets_tests.clinic.no_show.conftest import DAYS
from fallrisk_assets_tests.clinic.no_show.made import made, public_like, public_set_of

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def train(lake, source, day):
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [
                *dg.load_assets_from_modules([training_assets]),
                *dg.load_asset_checks_from_modules([checks]),
            ],
            partition_key=day,
            resources={"lake": lake, "no_show_source": source},
            instance=instance,
            raise_on_error=False,
        )


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A clinic with enough visits of three days to learn from, and the last of these days."""
    folder = tmp_path_factory.mktemp("busy")
    drops = public_drops(read_public_set(public_set_of(*public_like(2500, days=3))), FIRST_DAY)
    for key, content in drops.files.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(content)
    lake = Lake(root=str(folder / "lake"))
    first, last = str(drops.first_day), str(drops.last_day)
    assert dg.materialize(
        [clinic_identity, clinic_operations, appointment_states],
        tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        resources={"lake": lake, "landing": Landing(root=str(folder))},
    ).success
    return lake, last


@pytest.fixture(scope="module")
def trained(busy):
    lake, last = busy
    return lake, last, train(lake, NoShowSource(test_data=True), last)


def test_a_version_of_simulated_appointments_is_labelled_in_every_table_and_on_its_card(trained, capsys):
    lake, day, result = trained
    assert result.success
    (row,) = lake.read(NoShowModels, [day]).to_pylist()
    assert row["basis"] == SIMULATED
    assert set(lake.read(NoShowTrainingSet, [day])["basis"].to_pylist()) == {SIMULATED}
    assert set(lake.read(NoShowEvaluation, [day])["source"].to_pylist()) == {"clinic"}
    assert models_command.main(["card", row["model_version"]], lake, NOW) == 0
    card = capsys.readouterr().out
    assert "**This version was trained on simulated bookings only, not evaluated on real ones.**" in card
    assert "no fact is learnt after the booking: passed" in card


def test_every_gate_is_a_check_of_the_evaluation_and_stops_what_follows(trained):
    _, _, result = trained
    found = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    specs = [spec for definition in checks.no_show_gates for spec in definition.check_specs]
    assert {spec.name: True for spec in specs}.items() <= found.items()
    assert len(specs) == 4
    assert all(spec.blocking for spec in specs)


def test_appointments_are_learnt_from_or_left_out_with_a_reason(trained):
    lake, day, _ = trained
    held = set(lake.read(NoShowTrainingSet, [day])["appointment_id"].to_pylist())
    left_out = lake.read(NoShowLeftOut, [day]).to_pylist()
    assert len(held) + len(left_out) == 2500
    assert not held & {row["item"] for row in left_out}


def test_too_few_visits_are_said_and_nothing_is_published(clinic_lake, capsys):
    result = train(clinic_lake, NoShowSource(test_data=True), DAYS[-1])
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    error = failure.step_failure_data.error
    assert "50 of each are needed" in (error.cause or error).message
    assert clinic_lake.ledger.find(NoShowTrainingSet, DAYS[-1]) is None
    assert command.main(["report", "--day", DAYS[-1]], clinic_lake, NOW) == 1
    assert DAYS[-1] in capsys.readouterr().err


def test_a_file_that_is_named_and_not_there_stops_the_training(busy, tmp_path):
    lake, last = busy
    result = train(lake, NoShowSource(file=str(tmp_path / "none.csv")), last)
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "none.csv: no such file" in str(failure.step_failure_data.error)


def test_the_report_tells_what_was_left_out_how_good_it_is_and_what_the_gates_say(trained, capsys):
    lake, day, _ = trained
    assert command.main(["report", "--day", day], lake, NOW) == 0
    said = capsys.readouterr().out
    (version,) = lake.read(NoShowModels, [day])["model_version"].to_pylist()
    assert f"{version}: {SIMULATED}" in said
    assert "gate no_fact_is_learnt_after_the_booking: passed" in said
    assert "area_under_curve_of_one_fact   lead_time_days" in said


def test_training_is_of_the_newest_published_day_and_on_a_file_of_today(busy, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(SET_VARIABLE, raising=False)
    asked = []
    monkeypatch.setattr(
        command, "execute", lambda job, first, last: asked.append((job, first, os.environ.get(SET_VARIABLE)))
    )
    empty = Lake(root=str(tmp_path / "lake"))
    assert command.main(["train"], busy[0], NOW) == 0
    assert command.main(["train", "--set", "set.csv"], empty, NOW) == 0
    monkeypatch.delenv(SET_VARIABLE)
    assert [(job, day) for job, day, _ in asked] == [
        (NO_SHOW_TRAINING, busy[1]),
        (NO_SHOW_TRAINING, "2026-02-01"),
    ]
    assert asked[0][2] is None
    assert asked[1][2].endswith("/set.csv")
    assert command.main(["train"], empty, NOW) == 1
    assert "no day of the clinic is published" in capsys.readouterr().err


def test_a_version_is_shown_promoted_and_taken_back_by_the_same_commands_as_a_detectors(trained, capsys):
    lake, day, _ = trained
    (version,) = lake.read(NoShowModels, [day])["model_version"].to_pylist()
    who = ["--by", "staff-7", "--why", "tried in a test"]
    assert models_command.main(["show", version], lake, NOW) == 0
    assert "gate probabilities_mean_what_they_say: passed" in capsys.readouterr().out
    detector = registry_of(lake, FALL_DETECTOR).in_use()
    before = registry_of(lake, NAME).in_use()
    assert models_command.main(["promote", version, *who], lake, NOW) == 0
    assert registry_of(lake, NAME).in_use() == version
    assert registry_of(lake, FALL_DETECTOR).in_use() == detector
    assert models_command.main(["rollback", "--model", NAME, *who], lake, NOW) == 0
    assert registry_of(lake, NAME).in_use() == before


def test_real_appointments_are_told_by_saying_so_never_by_forgetting_to(monkeypatch):
    monkeypatch.delenv("FALLRISK_TEST_DATA", raising=False)
    monkeypatch.delenv(SET_VARIABLE, raising=False)
    assert NoShowSource().basis() == SIMULATED
    assert NoShowSource(test_data=False).basis() == OWN
    assert NoShowSource(file="set.csv", test_data=False).basis() == PUBLIC
    monkeypatch.setenv(SET_VARIABLE, "set.csv")
    assert NoShowSource().place == "set.csv"


def test_rows_of_a_training_set_give_it_back():
    of = training_set(*made(3000))
    again = training_set_of(training_rows(dt.date(2026, 1, 5), of, "clinic", SIMULATED))
    assert again.first_test_day == of.first_test_day
    assert np.array_equal(again.missed, of.missed)
    for part in ("bookings", "facts"):
        for name in getattr(of, part).__slots__:
            assert np.array_equal(getattr(getattr(again, part), name), getattr(getattr(of, part), name)), name
