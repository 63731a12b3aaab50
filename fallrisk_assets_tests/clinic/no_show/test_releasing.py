"""The version that ships is the one that its simulation gives, and says that it knows no real booking."""

import json

import pytest

from fallrisk_assets.clinic.no_show.measures import AUC, FACT_AUC, OBSERVED_OVER_EXPECTED, SLOPE
from fallrisk_assets.clinic.no_show.model import SIMULATED, released, shipped
from fallrisk_assets.clinic.no_show.releasing import release, released_evaluation
from fallrisk_assets.models.kinds import KINDS, NO_SHOW
from fallrisk_assets.models.registry import registry_of


def test_what_ships_is_labelled_as_trained_on_simulated_bookings_only():
    assert released().basis == SIMULATED
    assert "simulated bookings only, not evaluated on real ones" in SIMULATED


def test_the_registry_knows_the_version_that_ships(tmp_path):
    from fallrisk_assets.lake import Lake

    registry = registry_of(Lake(root=str(tmp_path / "lake")), NO_SHOW)
    assert registry.in_use() == released().version
    assert KINDS[NO_SHOW].trainable


def test_the_version_that_ships_was_judged_and_nothing_leaks():
    rows = {(r["subgroup"], r["metric"]): r for r in released_evaluation(released().version)}
    assert 0.65 < rows["all", AUC]["value"] < 0.80
    assert all(row["value"] < 0.80 for (_, metric), row in rows.items() if metric == FACT_AUC)
    assert 0.8 < rows["all", SLOPE]["value"] < 1.2
    assert 0.9 < rows["all", OBSERVED_OVER_EXPECTED]["value"] < 1.1


@pytest.mark.slow
def test_training_it_again_gives_what_ships():
    text, rows = release()
    (committed,) = shipped().values()
    assert json.loads(text) == json.loads(committed), "release the no-show model again, as another version"
    assert rows == released_evaluation(released().version)
