"""Versions are kept whole, decisions are only ever added, and a roll back undoes exactly one promotion."""

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.lake import Lake
from fallrisk_assets.models.kinds import FALL_DETECTOR, KINDS, ArtefactDamaged, text_hash, version_of
from fallrisk_assets.models.registry import PromotionRefused, registry_of
from fallrisk_assets.risk.detector import FallModel, released_model
from fallrisk_assets_tests.models.artefacts import released_artefact, with_threshold

AT = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
WHO = {"by": "staff-7", "at": AT, "why": "finds more"}


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


@pytest.fixture
def registry(lake):
    return registry_of(lake, FALL_DETECTOR)


def promote(registry, version, **told):
    return registry.promote(version, **{**WHO, "gates": ["all pass"], **told})


def test_with_no_decision_the_version_of_the_package_scores(registry):
    assert registry.in_use() == released_model().version
    assert registry.decisions() == []
    assert registry.in_use() in registry.versions()


@pytest.mark.parametrize("name", KINDS)
def test_every_model_has_an_artefact_in_the_package_whose_version_its_rows_carry(lake, name):
    kind = KINDS[name]
    text = kind.shipped()[kind.released()]
    assert version_of(text).startswith(kind.released())
    assert registry_of(lake, name).artefact(kind.released()) == text


def test_the_version_read_from_an_artefact_is_the_one_that_the_detector_writes_to_rows():
    for text in (released_artefact(), with_threshold(0.4)):
        assert version_of(text) == FallModel.from_json(text).version


def test_a_promoted_version_is_in_use_and_the_record_says_who_when_and_why(registry):
    version = registry.keep(with_threshold(0.4))
    decision = promote(registry, version)
    assert registry.in_use() == version
    assert registry.decisions() == [decision]
    assert (decision.by, decision.why, decision.at) == ("staff-7", "finds more", AT.isoformat())
    assert decision.replaced == released_model().version
    assert decision.artefact_sha256 == text_hash(with_threshold(0.4))
    assert decision.gates == ("all pass",)


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.sampled_from([0.3, 0.4, 0.6, None]), max_size=8))
def test_a_roll_back_restores_what_was_in_use_before_and_no_decision_is_ever_changed(tmp_path_factory, steps):
    registry = registry_of(Lake(root=str(tmp_path_factory.mktemp("lake"))), FALL_DETECTOR)
    stack, written = [registry.in_use()], []
    for step in steps:
        if step is None and len(stack) == 1:
            with pytest.raises(PromotionRefused, match="nothing to take back"):
                registry.rollback(**WHO)
        elif step is None:
            stack.pop()
            written.append(registry.rollback(**WHO))
        elif (version := registry.keep(with_threshold(step))) != stack[-1]:
            stack.append(version)
            written.append(promote(registry, version))
        assert registry.in_use() == stack[-1]
        assert registry.decisions() == written


def test_an_artefact_that_was_edited_is_not_kept_and_not_promoted(registry, lake):
    text = with_threshold(0.4)
    edited = text.replace("0.4", "0.1", 1)
    with pytest.raises(ArtefactDamaged, match="edited or damaged"):
        registry.keep(edited)
    version = registry.keep(text)
    path = Path(lake.base) / "_models" / FALL_DETECTOR / "versions" / f"{version}.json"
    path.write_text(edited)
    with pytest.raises(ArtefactDamaged):
        promote(registry, version)
    path.write_text(with_threshold(0.6))  # whole in itself, but another version
    with pytest.raises(ArtefactDamaged, match="renamed or replaced"):
        promote(registry, version)
    assert registry.decisions() == []


def test_a_promoted_artefact_of_which_one_fact_was_changed_scores_no_more(registry, lake):
    version = registry.keep(with_threshold(0.4))
    promote(registry, version)
    path = Path(lake.base) / "_models" / FALL_DETECTOR / "versions" / f"{version}.json"
    content = json.loads(path.read_text())
    content["training"]["ridge"] = 9
    path.write_text(json.dumps(content))
    with pytest.raises(ArtefactDamaged, match="not the one that staff-7 promoted"):
        registry.in_use()
    assert registry.rollback(**WHO).version == released_model().version
    assert registry.in_use() == released_model().version


def test_a_version_is_never_another_artefact(registry):
    registry.keep(with_threshold(0.4))
    other = json.loads(with_threshold(0.4))
    other["training"]["ridge"] = 9
    with pytest.raises(ArtefactDamaged, match="another artefact of this version"):
        registry.keep(json.dumps(other))


def test_what_cannot_be_decided_says_why(registry, lake):
    version = registry.keep(with_threshold(0.4))
    with pytest.raises(LookupError, match="no version fall_detector-9"):
        promote(registry, "fall_detector-9")
    with pytest.raises(LookupError, match="is no version"):
        promote(registry, "../../catalog")
    with pytest.raises(PromotionRefused, match="who decides and why"):
        promote(registry, version, why=" ")
    with pytest.raises(PromotionRefused, match="time zone"):
        promote(registry, version, at=dt.datetime(2026, 1, 5))  # noqa: DTZ001
    promote(registry, version)
    with pytest.raises(PromotionRefused, match="in use already"):
        promote(registry, version)
    with pytest.raises(PromotionRefused, match="constants of the package"):
        promote(registry_of(lake, "fall_index"), "fall_index-1")
    with pytest.raises(LookupError, match="no model 'heart'"):
        registry_of(lake, "heart")


def test_what_a_killed_process_left_half_written_counts_for_nothing(registry, lake):
    version = registry.keep(with_threshold(0.4))
    promote(registry, version)
    folder = Path(lake.base) / "_models" / FALL_DETECTOR
    (folder / "decisions" / ".000002.json.abc").write_text('{"seq')
    (folder / "versions" / ".x.json.abc").write_text("{")
    assert registry.in_use() == version
    assert len(registry.decisions()) == 1
    assert all(not name.startswith(".") for name in registry.versions())
