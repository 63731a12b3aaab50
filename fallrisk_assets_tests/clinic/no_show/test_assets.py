"""The daily probabilities in the lake: one by one as in a range; a day keeps the version that judged it."""

import datetime as dt
import json

import numpy as np

from fallrisk_assets.clinic.no_show.contract import NoShowRisk
from fallrisk_assets.clinic.no_show.model import NAME, OWN, SIMULATED, TERMS, released, sealed
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets_tests.clinic.no_show.conftest import DAYS, score


def test_a_simulated_clinic_gets_a_probability_for_each_appointment_ahead(clinic_lake):
    rows = clinic_lake.read(NoShowRisk, list(DAYS)).to_pylist()
    assert {row["day"].isoformat() for row in rows} == set(DAYS)
    assert {row["model_basis"] for row in rows} == {SIMULATED}
    share = sum(row["status"] == "SCORED" for row in rows) / len(rows)
    assert share > 0.95
    assert 0.01 < np.mean([r["probability"] for r in rows if r["status"] == "SCORED"]) < 0.15


def test_days_one_by_one_give_what_the_range_gave(clinic_lake):
    before = {day: clinic_lake.ledger.get(NoShowRisk, day).content_hash for day in DAYS}
    for day in reversed(DAYS):
        assert score(clinic_lake, day).success
    assert {day: clinic_lake.ledger.get(NoShowRisk, day).content_hash for day in DAYS} == before


def test_a_published_day_keeps_its_version_when_another_is_promoted(clinic_lake):
    registry = registry_of(clinic_lake, NAME)
    other = registry.keep(sealed("tried", -1.0, np.zeros(len(TERMS)), 60, {"basis": OWN}))
    who = {"by": "staff-7", "at": dt.datetime(2026, 1, 8, tzinfo=dt.UTC), "why": "tried in a test"}
    registry.promote(other, **who, gates=())
    try:
        assert score(clinic_lake, DAYS[0]).success
        rows = clinic_lake.read(NoShowRisk, [DAYS[0]])
        assert set(rows["model_version"].to_pylist()) == {released().version}
    finally:
        registry.rollback(**who)
    assert json.loads(registry.artefact(other))["training"]["basis"] == OWN
