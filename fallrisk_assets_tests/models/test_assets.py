"""Training end to end: same in, same version; a worse model or a forbidden source is stopped at its gate."""

import dataclasses
import datetime as dt
import json
import shutil

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from fallrisk_assets.contract import conform
from fallrisk_assets.lake import Lake
from fallrisk_assets.models import held_out, promotion
from fallrisk_assets.models.assets import fall_detector, fall_detector_evaluation, fall_training_set
from fallrisk_assets.models.checks import LICENCE, gate_checks, licence_check
from fallrisk_assets.models.contract import FallDetector, FallDetectorEvaluation, FallTrainingSet
from fallrisk_assets.models.kinds import FALL_DETECTOR, text_hash
from fallrisk_assets.models.registry import PromotionRefused, registry_of
from fallrisk_assets.models.resource import RECORDINGS_VARIABLE, Recordings
from fallrisk_assets.models.sources import read_corpora
from fallrisk_assets.recordings.datasets import DATASETS
from fallrisk_assets.risk import training
from fallrisk_assets.risk.detector import FallModel, parameters_hash, released_model
from fallrisk_assets_tests.models.artefacts import with_threshold

DAY = "2026-01-05"
AT = dt.datetime(2026, 1, 6, 9, tzinfo=dt.UTC)
WHO = {"by": "staff-7", "at": AT, "why": "tried in a test"}
ASSETS = [fall_training_set, fall_detector, fall_detector_evaluation]
FLOORS, ALARMS = "falls_are_found_and_other_movements_are_not", "false_alarms_can_be_borne"
CALIBRATION, NOT_WORSE = "probabilities_mean_what_they_say", "no_worse_than_the_version_in_use"


@pytest.fixture(scope="module", autouse=True)
def quick_wear(wear):
    """Judge on sketched wear: the simulator's takes a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_out, "simulated_wear", lambda _: wear)
        yield


def run(lake, recordings, *, assets=ASSETS, day=DAY):
    checks = [licence_check, *gate_checks] if len(assets) > 1 else []
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [*ASSETS, *checks],
            selection=dg.AssetSelection.assets(*assets),
            partition_key=day,
            resources={"lake": lake, "recordings": recordings},
            instance=instance,
            raise_on_error=False,
        )


def passed(result):
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def error_of(result):
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    cause = failure.step_failure_data.error
    return (cause.cause or cause).message


@pytest.fixture(scope="module")
def trained(tmp_path_factory, recordings):
    lake = Lake(root=str(tmp_path_factory.mktemp("trained") / "lake"))
    return lake, run(lake, recordings)


def version_of_day(lake, day=DAY):
    (version,) = lake.read(FallDetector, [day])["model_version"].to_pylist()
    return version


def test_a_day_of_training_publishes_set_detector_and_evaluation_and_passes_its_gates(trained):
    lake, result = trained
    assert result.success
    found = passed(result)
    assert found[LICENCE]
    assert found[FLOORS]
    assert found[ALARMS]
    assert found[CALIBRATION]
    assert found[NOT_WORSE]
    assert lake.ledger.get(FallDetectorEvaluation, DAY).rows > 20


def test_the_training_set_says_whose_each_impact_is_and_under_which_licence(trained):
    lake, _ = trained
    rows = lake.read(FallTrainingSet, [DAY]).to_pandas()
    sources = rows.groupby("source")[["licence", "may_ship_model"]].first()
    assert list(sources.index) == ["synthetic_motion", "umafall"]
    assert sources.loc["umafall", "licence"] == "CC BY 4.0"
    assert sources["may_ship_model"].all()
    recorded = rows[rows["source"] == "umafall"]
    assert recorded["subject"].nunique() == 8
    assert set(recorded["position"]) == {"waist", "wrist"}
    falls = recorded[recorded["is_fall"]]
    assert falls.groupby(["recording", "position"]).size().max() == 1
    assert set(rows.loc[rows["source"] == "synthetic_motion", "subject"]) == {"nobody"}


def test_the_artefact_is_plain_json_that_says_what_it_was_made_from(trained):
    lake, _ = trained
    (row,) = lake.read(FallDetector, [DAY]).to_pylist()
    text = registry_of(lake, FALL_DETECTOR).artefact(row["model_version"])
    assert text_hash(text) == row["artefact_sha256"]
    made_from = json.loads(text)["training"]
    assert made_from["training_set_sha256"] == row["training_set_sha256"]
    assert made_from["code_sha256"] == row["code_sha256"]
    assert made_from["sources"][0]["licence"] == "CC BY 4.0"
    assert FallModel.from_json(text).version == row["model_version"]


def test_training_again_elsewhere_gives_the_same_version_and_rows(trained, tmp_path, recordings):
    lake, _ = trained
    again = Lake(root=str(tmp_path / "lake"))
    assert run(again, recordings).success
    for table in (FallTrainingSet, FallDetector, FallDetectorEvaluation):
        assert again.ledger.get(table, DAY).content_hash == lake.ledger.get(table, DAY).content_hash


def test_nothing_scores_with_a_trained_version_until_it_is_promoted(trained):
    lake, _ = trained
    registry, version = registry_of(lake, FALL_DETECTOR), version_of_day(lake)
    assert registry.in_use() == released_model().version
    assert version in registry.versions()
    decision = promotion.promote(lake, version, **WHO)
    assert registry.in_use() == version
    assert len(decision.gates) == 4
    assert all("passed" in line for line in decision.gates)
    registry.rollback(**WHO)
    assert registry.in_use() == released_model().version


def shuffled(trials, rng):
    labels = rng.permutation([t.is_fall for t in trials])
    return [dataclasses.replace(t, is_fall=bool(x)) for t, x in zip(trials, labels, strict=True)]


def worse(text, how, folder):
    """The day's artefact with its threshold moved, or what a training on shuffled labels gives."""
    if how == "labels shuffled":
        (corpus,) = read_corpora(["umafall"], str(folder))
        rng = np.random.default_rng(1)
        trials = {position: shuffled(found, rng) for position, found in corpus.trials.items()}
        return json.dumps(training.artefact(training.fit_model(trials, "shuffled"), "", {}))
    content = json.loads(text)
    moved = {"deaf": 0.9999, "nervous": 1e-9}[how]
    content["parameters"]["thresholds"] = dict.fromkeys(content["parameters"]["thresholds"], moved)
    content["parameters_sha256"] = parameters_hash(content["parameters"])
    content["version"] = how
    return json.dumps(content)


def plant(lake, text, day):
    """Publish an artefact as what the training of a day gave."""
    version = registry_of(lake, FALL_DETECTOR).keep(text)
    (row,) = lake.read(FallDetector, [DAY]).to_pylist()
    row |= {"trained_on": dt.date.fromisoformat(day), "model_version": version}
    with lake.publication(FallDetector, [day]) as publication:
        publication.add(day, conform(FallDetector, {name: [value] for name, value in row.items()}))
        publication.commit()
    return version


@pytest.mark.parametrize(
    ("how", "day", "closed"),
    [
        ("labels shuffled", "2026-01-06", {CALIBRATION}),
        ("deaf", "2026-01-07", {FLOORS, NOT_WORSE}),
        ("nervous", "2026-01-08", {FLOORS, NOT_WORSE}),
    ],
)
def test_a_worse_model_is_stopped_at_its_gates_and_cannot_be_promoted(
    trained, recordings, recordings_folder, how, day, closed
):
    lake, _ = trained
    text = registry_of(lake, FALL_DETECTOR).artefact(version_of_day(lake))
    planted = plant(lake, worse(text, how, recordings_folder), day)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*ASSETS, *gate_checks],
            selection=dg.AssetSelection.assets(fall_detector_evaluation),
            partition_key=day,
            resources={"lake": lake, "recordings": recordings},
            instance=instance,
            raise_on_error=False,
        )
    assert not result.success
    assert {name for name, ok in passed(result).items() if not ok} >= closed
    for unevaluated in (False, True):
        with pytest.raises(PromotionRefused, match=r"is not promoted.*REFUSED"):
            promotion.promote(lake, planted, **WHO, unevaluated=unevaluated)
    assert registry_of(lake, FALL_DETECTOR).in_use() == released_model().version


def test_a_version_that_nobody_judged_is_promoted_only_by_saying_so(tmp_path):
    lake = Lake(root=str(tmp_path / "lake"))
    version = registry_of(lake, FALL_DETECTOR).keep(with_threshold(0.45))
    with pytest.raises(PromotionRefused, match="no evaluation on record"):
        promotion.promote(lake, version, **WHO)
    decision = promotion.promote(lake, version, **WHO, unevaluated=True)
    assert decision.gates == ("no evaluation on record",)


def test_a_source_whose_licence_forbids_it_stops_the_training_by_name(
    tmp_path, recordings_folder, monkeypatch
):
    lent = dataclasses.replace(DATASETS["umafall"], licence="research use on request", may_ship_model=False)
    monkeypatch.setitem(DATASETS, "umafall", lent)
    lake = Lake(root=str(tmp_path / "lake"))
    recordings = Recordings(folder=str(recordings_folder))
    result = run(lake, recordings)
    assert not result.success
    assert passed(result)[LICENCE] is False
    (check,) = [e for e in result.get_asset_check_evaluations() if e.check_name == LICENCE]
    assert "umafall (research use on request) may NOT train" in check.metadata["verdict"].value
    assert lake.ledger.find(FallDetector, DAY) is None
    alone = run(lake, recordings, assets=[fall_detector])  # as if nobody had looked at the check
    assert "umafall (research use on request) may not be shipped" in error_of(alone)


def test_recordings_that_changed_meanwhile_are_noticed(tmp_path, recordings, recordings_folder):
    lake = Lake(root=str(tmp_path / "lake"))
    run(lake, recordings, assets=[fall_training_set])
    other = tmp_path / "other" / "umafall"
    shutil.copytree(recordings_folder / "umafall", other)
    listed = pd.read_csv(other / "umafall_trials.csv")
    listed.iloc[:-3].to_csv(other / "umafall_trials.csv", index=False)
    rows = pd.read_parquet(other / "umafall_waist_wrist_acc_gyr.parquet")
    kept = rows[rows["trial"].isin(listed["trial"].iloc[:-3])]
    kept.to_parquet(other / "umafall_waist_wrist_acc_gyr.parquet", index=False)
    result = run(lake, Recordings(folder=str(tmp_path / "other")), assets=[fall_detector])
    assert "made from other recordings" in error_of(result)


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("", "no folder with recordings is given: set FALLRISK_RECORDINGS"),
        (".", "umafall_trials.csv is missing"),
    ],
)
def test_a_missing_folder_says_what_it_should_hold(tmp_path, monkeypatch, folder, said):
    monkeypatch.delenv(RECORDINGS_VARIABLE, raising=False)
    lake = Lake(root=str(tmp_path / "lake"))
    given = str(tmp_path) if folder else ""
    result = run(lake, Recordings(folder=given), assets=[fall_training_set])
    assert not result.success
    assert said in error_of(result)
    assert "UMAFall" in error_of(result)


def test_the_folder_can_come_from_the_environment_when_a_run_starts(monkeypatch, recordings_folder):
    monkeypatch.setenv(RECORDINGS_VARIABLE, str(recordings_folder))
    assert Recordings().place == str(recordings_folder)
    assert Recordings(folder="elsewhere").place == "elsewhere"
