"""Publishing a range of days costs its rows, and what the contract refuses is still refused."""

from datetime import date

import pyarrow as pa
import pytest

from fallrisk_assets.clinic.operations.contract import Feedback
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse import publishing
from fallrisk_assets.warehouse.operations import dimensions
from fallrisk_assets.warehouse.operations.contract import DimTime, FactFeedback
from fallrisk_assets.warehouse.operations.facts import fact_feedback
from fallrisk_assets.warehouse.publishing import WarehousePublication
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import answer

DAYS = ["2026-01-05", "2026-01-06", "2026-01-07"]


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    return Warehouse(folder=str(tmp_path))


def test_a_table_without_slices_is_judged_once_however_many_days_ask_for_it(warehouse, monkeypatch):
    judged = []

    def counted(*arguments):
        judged.append(arguments[1])
        return judge(*arguments)

    judge = publishing.judge
    monkeypatch.setattr(publishing, "judge", counted)
    publication = WarehousePublication(warehouse, DimTime, DAYS, "run")
    rows = dimensions.dim_time()
    for key in DAYS:
        publication.add(key, rows)
    assert len(judged) == 1
    assert set(publication.commit()) == set(DAYS)
    assert warehouse.read(DimTime).num_rows == 96


def test_a_table_without_slices_that_is_refused_is_refused_for_every_day(warehouse):
    publication = WarehousePublication(warehouse, DimTime, DAYS, "run")
    rows = dimensions.dim_time()
    twice = rows.slice(0, 2).append_column("extra", rows["hour"].slice(0, 2))
    for key in DAYS:
        publication.add(key, twice)
    assert publication.commit() == {}
    assert set(publication.bad) == set(DAYS)


def test_what_pandera_alone_refuses_keeps_that_day_out_and_no_other(warehouse, monkeypatch):
    def refuses_the_second_day(model, data):
        days = data["day"].to_pylist()
        return {row: "odd" for row, day in enumerate(days) if day == date(2026, 1, 6)}

    monkeypatch.setattr(publishing, "pandera_refusals", refuses_the_second_day)
    publication = WarehousePublication(warehouse, FactFeedback, DAYS, "run")
    for key in DAYS:
        day = int(key[-2:])
        rows = pa.Table.from_pylist([answer(f"FB-{day}", day=day)], schema=arrow_schema(Feedback))
        publication.add(key, fact_feedback(rows))
    assert set(publication.commit()) == {DAYS[0], DAYS[2]}
    assert set(publication.bad) == {DAYS[1]}
    assert warehouse.read(FactFeedback, [DAYS[0], DAYS[2]]).num_rows == 2
