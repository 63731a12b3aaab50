"""The committed card says what the artefacts say, and an evaluation of the released version is on record."""

import json
from pathlib import Path

import pytest

from fallrisk_assets.models.card import detector_card, index_card, released_card, released_evaluation
from fallrisk_assets.models.gates import bearable_alarms, calibrated, sensitive_and_specific
from fallrisk_assets.models.kinds import ArtefactDamaged
from fallrisk_assets.risk import index_model
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets_tests.models.artefacts import released_artefact, with_threshold

CARD = Path(__file__).parents[2] / "docs" / "model_card.md"


def test_the_committed_card_is_current():
    assert CARD.read_text() == released_card(), "run make card"


def test_the_released_version_was_judged_and_passes_its_own_gates():
    rows = released_evaluation(released_model().version)
    assert rows, "run python -m fallrisk_assets.models judge-release --source …"
    for gate in (sensitive_and_specific, bearable_alarms, calibrated):
        assert gate(rows).passed, gate(rows).sentence()


def test_a_card_says_what_the_model_is_for_made_from_and_how_good_it_is():
    card = detector_card(released_artefact(), released_evaluation(released_model().version))
    for said in (
        released_model().version,
        "not a diagnosis",
        "CC BY 4.0",
        "Casilari",
        "**Limits.**",
        "95 % interval",
        "age 65+",
    ):
        assert said in card


def test_a_version_that_nobody_judged_has_no_figures_and_says_so():
    card = detector_card(with_threshold(0.4), [])
    assert "no evaluation is on record" in card
    assert "| sensitivity |" not in card


def test_a_card_is_never_made_from_another_versions_figures_or_a_damaged_artefact():
    rows = released_evaluation(released_model().version)
    with pytest.raises(ValueError, match="the evaluation is of"):
        detector_card(with_threshold(0.4), rows)
    with pytest.raises(ArtefactDamaged):
        detector_card(released_artefact().replace("0.5", "0.6", 1), rows)


def test_sources_that_an_artefact_lists_are_told_with_their_licences():
    content = json.loads(with_threshold(0.4))
    content["training"]["sources"] = [{"name": "Clinic", "licence": "our own", "citation": "ward 3"}]
    assert "| Clinic | our own | ward 3 |" in detector_card(json.dumps(content), [])


def test_the_index_card_holds_every_term_with_its_source():
    card = index_card()
    for term in (*index_model.YES_NO_TERMS, *index_model.GAIT_TERMS):
        assert term.source in card
    assert index_model.VERSION in card
