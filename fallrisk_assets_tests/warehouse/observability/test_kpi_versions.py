"""A figure that was shown stays on record when late data change it."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.lake import Lake
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.observability.assets import kpi_versions as kpi_versions_asset
from fallrisk_assets.warehouse.observability.contract import KpiVersions
from fallrisk_assets.warehouse.observability.kpi_versions import FIGURES, kpi_versions
from fallrisk_assets.warehouse.operations.assets import mart_daily_kpis
from fallrisk_assets_tests.warehouse.operations.rows import load, state

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
DAY = date(2026, 1, 5)


def figure(value: float | None, kpi: str = "no_show_rate", *, is_final: bool = True) -> dict:
    return {
        "day": DAY,
        "kpi": kpi,
        "numerator": value,
        "denominator": 1.0,
        "value": value,
        "is_final": is_final,
    }


def test_a_day_that_is_not_over_has_no_figure_to_restate():
    assert kpi_versions([], [figure(0.1, is_final=False)], NOON, "r").num_rows == 0


values = st.lists(st.sampled_from([None, 0.0, 0.25, 0.5]), max_size=8)


@given(values)
def test_each_change_is_one_version_and_no_change_is_none(told):
    rows: list[dict] = []
    for number, value in enumerate(told):
        table = kpi_versions(rows, [figure(value)], NOON + timedelta(hours=number), f"run-{number}")
        assert validate(KpiVersions, table).passed
        rows = table.to_pylist()
    changes = [v for n, v in enumerate(told) if n == 0 or told[n - 1] != v]
    assert [row["value"] for row in rows] == changes
    assert [row["version"] for row in rows] == list(range(1, len(changes) + 1))
    assert sorted(row["known_at"] for row in rows) == [row["known_at"] for row in rows]


def test_a_late_event_restates_a_published_day_and_the_view_says_what_it_was(warehouse, tmp_path):
    resources = {"warehouse": warehouse, "lake": Lake(root=str(tmp_path / "lake"))}

    def made() -> list[dict]:
        done = dg.materialize(
            [mart_daily_kpis, kpi_versions_asset], partition_key="2026-01-06", resources=resources
        )
        assert done.success
        shown = "SELECT kpi, value_before, value FROM v_kpi_restatement WHERE day = DATE '2026-01-05'"
        return warehouse.query(shown + " ORDER BY kpi").to_pylist()

    load(warehouse, state("APT1"), state("APT2", "No-show"), state("APT3", day=6))
    assert made() == []
    assert made() == []  # the same again is no change
    load(warehouse, state("APT1"), state("APT2"), state("APT3", day=6))
    found = {row["kpi"]: row for row in made()}
    assert found["no_show_rate"] == {"kpi": "no_show_rate", "value_before": 0.5, "value": 0.0}
    assert found["completion_rate"]["value"] == 1.0
    assert "booked" not in found
    columns = ", ".join(FIGURES)
    first = warehouse.query(f"SELECT {columns} FROM kpi_versions WHERE version = 1 AND kpi = 'no_show_rate'")
    assert first.num_rows == 1
