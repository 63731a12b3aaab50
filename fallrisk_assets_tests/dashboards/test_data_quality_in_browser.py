"""Every number of the data-quality page is what a query says on the warehouse; samples stay plain text."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.dashboards.assets import FOLDER
from fallrisk_assets.dashboards.clinic_assets import data_quality_page
from fallrisk_assets.dashboards.clinic_pages import render_data_quality
from fallrisk_assets.dashboards.data_quality import read_data_quality
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.browser import chromium
from fallrisk_assets_tests.dashboards.clinic_page import TABLES, as_sql_says, choose, opened
from fallrisk_assets_tests.dashboards.synthetic_quality import AWKWARD, quality_of
from fallrisk_assets_tests.dashboards.test_page_in_browser import OUTSIDE_THEIR_FIGURE
from fallrisk_assets_tests.warehouse.operations.rows import known

BLOCKS = {"outcomes", "failures", "checks", "quarantine", "freshness", "tables", "devices"}
CHOICES: list[tuple[dict[str, str], set[str]]] = [
    ({}, BLOCKS),
    ({"period": "all"}, {*BLOCKS, "restated"}),
    ({"from": "2026-01-19", "to": "2026-01-30"}, BLOCKS),
    (
        {"table": "=telemetry", "period": "all"},
        {"outcomes", "failures", "checks", "freshness", "tables", "restated"},
    ),
    ({"table": "=fact_device_day", "period": "7"}, {"devices"}),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return quality_of(tmp_path_factory.mktemp("quality"))


@pytest.fixture(scope="module")
def sql(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_snapshot(warehouse.snapshot_path) as connection:
        yield connection


@pytest.fixture(scope="module")
def file(sql: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "data_quality.html"
    path.write_text(render_data_quality(read_data_quality(sql)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Page:
    return opened(browser, file)[0]


@pytest.fixture
def page(shared: Page) -> Page:
    shared.get_by_role("button", name="Reset").click()
    return shared


def _in_order(value: object) -> str:
    """Name a parameter: a set has another order in every process."""
    return ",".join(sorted(value)) if isinstance(value, set) else str(value)


@pytest.mark.parametrize(("choice", "filled"), CHOICES, ids=_in_order)
def test_every_table_is_what_its_sql_says(
    page: Page, sql: duckdb.DuckDBPyConnection, choice: dict[str, str], filled: set[str]
) -> None:
    choose(page, **choice)
    tables = page.evaluate(TABLES)
    assert {table["id"] for table in tables if not table["id"].startswith("kpi-")} == filled
    for table in tables:
        as_sql_says(table, sql)


def test_the_big_numbers_are_those_of_the_mart(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    choose(page, **{"from": "2026-01-12", "to": "2026-02-20"})
    said = sql.sql(
        """SELECT AVG(CASE outcome WHEN 'passed' THEN 1 WHEN 'failed' THEN 0 END) AS checks_passed_rate,
            SUM(rows) FILTER (WHERE kind = 'refusal') AS rows_refused,
            SUM(partitions) / SUM(expected_partitions) AS partitions_published_rate,
            SUM(rows) FILTER (WHERE kind = 'device' AND expected_samples IS NOT NULL) / SUM(expected_samples)
                AS samples_kept_rate
        FROM mart_data_quality WHERE day BETWEEN '2026-01-12' AND '2026-02-20'"""
    )
    for kpi, value in zip(said.columns, said.fetchall()[0], strict=True):
        shown = page.get_attribute(f"#kpi-{kpi} .value", "data-v")
        assert float(shown or "nan") == pytest.approx(float(value), rel=1e-12), kpi


def test_a_table_that_was_never_published_is_listed_and_not_forgotten(page: Page) -> None:
    choose(page, period="all")
    freshness = next(table for table in page.evaluate(TABLES) if table["id"] == "freshness")
    (row,) = [row for row in freshness["texts"] if row[0] == "never_published"]
    assert row[1:4] == ["–", "–", "0"]


def test_what_is_nearly_complete_is_not_said_to_be_complete(page: Page) -> None:
    cells = page.locator("#devices td").evaluate_all("all => all.map(e => [e.dataset.v, e.textContent])")
    nearly = [text for value, text in cells if value and 0.99 < float(value) < 1]
    assert nearly
    assert set(nearly) == {"99"}
    assert "–" in [text for value, text in cells if not value]


def test_what_is_exported_is_what_is_seen(page: Page) -> None:
    choose(page, table="=telemetry_quarantine", period="all")
    seen = {table["id"]: table["rows"] for table in page.evaluate(TABLES)}
    assert AWKWARD in [row[3] for row in seen["quarantine"]]
    for name in ("quarantine", "tables"):
        with page.expect_download() as waiting:
            page.locator(f"#{name} .csv").click()
        assert waiting.value.suggested_filename.startswith(f"data-quality-{name}-2026-01-05-")
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        assert list(csv.reader(io.StringIO(text)))[1:] == seen[name], name


def test_a_bar_chooses_its_day_and_a_table_chooses_itself_by_keyboard(page: Page) -> None:
    page.evaluate(
        "() => { const plot = document.querySelector('#outcomes .plot');"
        " plot.emit('plotly_click', {points: [{x: plot.data[0].x[2]}]}); }"
    )
    assert page.input_value("[name=to]") == page.input_value("[name=from]")
    page.select_option("[name=period]", "all")
    page.locator("#failures").get_by_role("button", name="alerts").first.press("Enter")
    assert page.input_value("[name=table]") == "=alerts"
    expect(page.locator("#checks tbody tr")).to_have_count(1)
    expect(page.locator("#devices .content")).to_have_text("Nothing of it in what is chosen.")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_the_page_opens_without_a_complaint_at_any_width(
    browser: Browser, file: Path, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, file, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OUTSIDE_THEIR_FIGURE) == []
    assert complaints == []
    page.emulate_media(media="print")
    expect(page.locator("#filters")).to_be_hidden()
    expect(page.locator("#shown")).to_be_visible()


def test_the_asset_writes_the_page_and_the_index_links_it(warehouse: Warehouse, tmp_path: Path) -> None:
    resources = {"warehouse": warehouse, "reports": Reports(root=str(tmp_path))}
    result = dg.materialize([data_quality_page], partition_key="2026-01-30", resources=resources)
    (event,) = result.asset_materializations_for_node("data_quality_page")
    page = tmp_path / FOLDER / "data_quality.html"
    assert event.metadata["size"].value == page.stat().st_size
    index = (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")
    assert '<a href="data_quality.html">Data quality</a>' in index


def test_before_the_first_day_the_page_says_so(tmp_path: Path) -> None:
    warehouse = known(Warehouse(folder=str(tmp_path)))
    warehouse.export_snapshot()
    with open_snapshot(warehouse.snapshot_path) as connection:
        assert "No day was looked at yet." in render_data_quality(read_data_quality(connection))
