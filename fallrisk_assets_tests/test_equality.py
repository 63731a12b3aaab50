from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.equality import Held, differences, digest_of, held, held_in_lake, held_in_warehouse
from fallrisk_assets.lake import Lake
from fallrisk_assets.warehouse.contract import DimSite
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.samples import Readings, readings

H7, H8 = "2026-01-05-07:00", "2026-01-05-08:00"
ROWS = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(-2, 2)), max_size=8)


def table(rows):
    return pa.table(
        {"k": pa.array([k for k, _ in rows], pa.int64()), "v": pa.array([v for _, v in rows], pa.int64())}
    )


@given(ROWS, st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_rows_even_where_keys_repeat(rows, random):
    mixed = random.sample(rows, len(rows))
    assert digest_of(table(rows), ["k"]) == digest_of(table(mixed), ["k"])


@given(ROWS, ROWS)
def test_tables_with_other_rows_have_another_digest(one, other):
    def order(row):
        return row[0], row[1] is None, row[1] or 0

    same = sorted(one, key=order) == sorted(other, key=order)
    assert (digest_of(table(one), ["k"]) == digest_of(table(other), ["k"])) == same


def lake_of(path, parts):
    lake = Lake(root=str(path))
    with lake.publication(Readings, list(parts)) as p:
        for key, data in parts.items():
            p.add(key, data, 1)
        p.commit()
    return lake


@pytest.mark.parametrize(
    "parts",
    [
        {H7: readings(H7, rows=19)},
        {H7: readings(H7, kind=["b"] * 20)},
        {H8: readings(H8)},
        {H7: readings(H7), H8: readings(H8, rows=0)},
    ],
    ids=["fewer rows", "other values", "another partition", "one more, empty"],
)
def test_lakes_that_differ_are_told_apart(tmp_path, parts):
    one = held_in_lake(lake_of(tmp_path / "one", {H7: readings(H7)}), Readings)
    assert one == held_in_lake(lake_of(tmp_path / "same", {H7: readings(H7)}), Readings)
    assert one != held_in_lake(lake_of(tmp_path / "other", parts), Readings)


def test_a_warehouse_in_which_nothing_is_published_holds_nothing(tmp_path):
    assert held_in_warehouse(Warehouse(folder=str(tmp_path)), DimSite).rows == 0


def test_tables_on_an_installation_s_own_runs_are_not_compared(tmp_path):
    found = held(Lake(root=str(tmp_path / "lake")), Warehouse(folder=str(tmp_path)))
    assert "warehouse.rule_states" in found
    assert not {"warehouse.mart_pipeline_runs", "warehouse.run_rule_states", "warehouse.kpi_versions"} & set(
        found
    )


def test_a_table_that_only_one_side_has_is_a_difference():
    one = Held(1, 2, "a")
    assert differences({"x": one, "y": one}, {"x": one}) == ["y"]
    assert differences({"x": one}, {"x": replace(one, rows=3)}) == ["x"]
    assert differences({"x": one}, {"x": one}) == []
