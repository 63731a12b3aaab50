"""The next day is told per provider: what is booked, who will probably not come, how much time is left."""

from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.clinic.no_show.contract import AGE_UNKNOWN, NOT_SCORED, SCORED, NoShowRisk
from fallrisk_assets.clinic.no_show.model import SIMULATED
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.planning.assets import mart_day_ahead
from fallrisk_assets.warehouse.planning.contract import MartDayAhead
from fallrisk_assets.warehouse.planning.day_ahead import day_ahead
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import known, load, provider, state

DAY = date(2026, 1, 8)


def ahead(appointment: str, days: int, probability: float | None, provider_id: str = "P1") -> dict:
    at = datetime(2026, 1, 8, 9, tzinfo=UTC) + timedelta(days=days)
    return {
        "day": DAY,
        "appointment_id": appointment,
        "patient_id": "PAT000001",
        "provider_id": provider_id,
        "scheduled_start_at": at,
        "scheduled_date": at.date(),
        "status": NOT_SCORED if probability is None else SCORED,
        "reason": AGE_UNKNOWN if probability is None else None,
        "probability": probability,
        "model_version": "no_show-1",
        "model_basis": SIMULATED,
        "lead_time_days": 3,
        "earlier_kept": 1,
        "earlier_missed": 0,
    }


ROWS = [
    ahead("A", 1, 0.25),
    ahead("B", 1, None),
    ahead("C", 7, 0.5),
    ahead("D", 8, 0.5),
    ahead("E", 0, 0.5),
    ahead("F", 1, 0.125, "P3"),
]
PROVIDERS = [
    {"provider_id": "P1", "specialty": "Cardiology", "available_hours_per_week": 10.0},
    {"provider_id": "P2", "specialty": "Neurology", "available_hours_per_week": None},
]
MINUTES = {"A": 30.0, "C": 20.0, "D": 15.0}


def test_the_next_day_is_the_first_of_the_seven_and_no_other_counts():
    first = day_ahead(DAY, ROWS, MINUTES, PROVIDERS).to_pylist()[0]
    assert (first["provider_id"], first["booked"], first["booked_7d"]) == ("P1", 2, 3)
    assert (first["planned_minutes"], first["planned_minutes_7d"], first["without_minutes_7d"]) == (30, 50, 1)
    assert first["available_minutes_7d"] == 600


def test_who_was_not_judged_is_counted_and_in_no_expectation():
    first = day_ahead(DAY, ROWS, MINUTES, PROVIDERS).to_pylist()[0]
    assert (first["judged"], first["expected_no_shows"]) == (1, 0.25)
    nobody = day_ahead(DAY, [ahead("B", 1, None)], {}, []).to_pylist()[0]
    assert (nobody["booked"], nobody["judged"], nobody["expected_no_shows"]) == (1, 0, None)
    assert nobody["planned_minutes"] is None


def test_a_provider_without_an_appointment_has_time_and_one_no_longer_active_is_not_lost():
    _, idle, gone = day_ahead(DAY, ROWS, MINUTES, PROVIDERS).to_pylist()
    assert (idle["provider_id"], idle["booked"], idle["planned_minutes"]) == ("P2", 0, 0)
    assert (gone["provider_id"], gone["specialty"], gone["booked"]) == ("P3", None, 1)


def test_the_order_of_what_comes_in_does_not_matter_and_the_rows_keep_their_contract():
    found = {
        str(day_ahead(DAY, rows, MINUTES, PROVIDERS[::-1]).to_pylist()) for rows in permutations(ROWS[:4])
    }
    assert len(found) == 1
    assert validate(MartDayAhead, day_ahead(DAY, ROWS, MINUTES, PROVIDERS)).passed


def test_the_asset_takes_the_version_of_the_provider_that_held_on_the_day(tmp_path):
    lake = Lake(root=str(tmp_path / "lake"))
    rows = [ahead("APT1", 1, 0.25, "PROV0001")]
    with lake.publication(NoShowRisk, [str(DAY)]) as publication:
        table = pa.Table.from_pylist(rows, schema=arrow_schema(NoShowRisk))
        assert publication.add(str(DAY), table).passed
        publication.commit()
    warehouse = known(
        Warehouse(folder=str(tmp_path / "warehouse")),
        provider(available_hours_per_week=10.0),
        provider(day=9, available_hours_per_week=1.0),
    )
    load(warehouse, state("APT1", "Scheduled", day=8, scheduled_date=date(2026, 1, 9), planned_minutes=45.0))
    resources = {"lake": lake, "warehouse": warehouse}
    assert dg.materialize([mart_day_ahead], partition_key=str(DAY), resources=resources).success
    (row,) = warehouse.read(MartDayAhead, [str(DAY)]).to_pylist()
    assert (row["available_minutes_7d"], row["planned_minutes"]) == (600, 45)
    assert row["expected_no_shows"] == pytest.approx(0.25)
    assert row["model_basis"] == SIMULATED
