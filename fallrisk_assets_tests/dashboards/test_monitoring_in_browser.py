"""Every number of the monitoring page is what a query says, and nobody's data is in the file."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.dashboards import monitoring
from fallrisk_assets.dashboards.assets import FOLDER
from fallrisk_assets.dashboards.clinic_assets import monitoring_page
from fallrisk_assets.dashboards.clinic_pages import render_monitoring
from fallrisk_assets.dashboards.monitoring import read_monitoring
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.browser import chromium
from fallrisk_assets_tests.dashboards.clinic_page import TABLES, as_sql_says, choose, opened
from fallrisk_assets_tests.dashboards.synthetic_runs import some_runs
from fallrisk_assets_tests.dashboards.test_page_in_browser import OUTSIDE_THEIR_FIGURE

CHOICES: list[dict[str, str]] = [
    {},
    {"period": "all"},
    {"to": "2026-01-20", "period": "7"},
    {"from": "2026-01-20", "to": "2026-01-20"},
    {"period": "all", "job": "=lakehouse_daily"},
    {"period": "all", "rule": "=NO_SHOW_HIGH"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return some_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def sql(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_snapshot(warehouse.snapshot_path) as connection:
        yield connection


@pytest.fixture(scope="module")
def file(sql: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "monitoring.html"
    path.write_text(render_monitoring(read_monitoring(sql)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Page:
    return opened(browser, file)[0]


@pytest.fixture
def page(shared: Page) -> Page:
    shared.get_by_role("button", name="Reset").click()
    return shared


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_table_is_what_its_sql_says(
    page: Page, sql: duckdb.DuckDBPyConnection, choice: dict[str, str]
) -> None:
    choose(page, **choice)
    tables = page.evaluate(TABLES)
    assert {"rules", "states", "runs", "jobs", "longest", "rows", "tables", "definitions"} <= {
        table["id"] for table in tables
    }
    for table in tables:
        as_sql_says(table, sql)


def test_what_fires_comes_first_with_its_value_and_threshold(
    page: Page, sql: duckdb.DuckDBPyConnection
) -> None:
    rows = next(table["rows"] for table in page.evaluate(TABLES) if table["id"] == "rules")
    firing = sql.sql(
        "SELECT COUNT(*) FROM v_rule_state WHERE state = 'FIRING' "
        "AND day = (SELECT MAX(day) FROM v_rule_state)"
    ).fetchall()[0][0]
    assert firing > 0
    assert [row[2] for row in rows[:firing]] == ["FIRING"] * firing
    assert "FIRING" not in [row[2] for row in rows[firing:]]
    expect(page.locator("#shown")).to_contain_text(f"{firing} rule")
    assert rows[0][4] != "" != rows[0][5]


def test_the_alert_of_a_rule_is_there_while_it_was_seen(page: Page) -> None:
    choose(page, **{"from": "2026-01-20", "to": "2026-01-20"})
    expect(page.locator("#alerts tbody tr")).to_have_count(2)
    choose(page, **{"from": "2026-02-01", "to": "2026-02-02"})
    expect(page.locator("#alerts .empty")).to_be_visible()


def test_a_rule_and_a_job_choose_themselves_and_a_bar_its_day(page: Page) -> None:
    page.locator("#rules").get_by_role("button", name="NO_SHOW_HIGH").press("Enter")
    assert page.input_value("[name=rule]") == "=NO_SHOW_HIGH"
    expect(page.locator("#rules tbody tr")).to_have_count(1)
    page.locator("#jobs").get_by_role("button", name="identity_daily").press("Enter")
    assert page.input_value("[name=job]") == "=identity_daily"
    page.evaluate(
        "() => { const plot = document.querySelector('#runs .plot');"
        " plot.emit('plotly_click', {points: [{x: plot.data[0].x[2]}]}); }"
    )
    assert page.input_value("[name=to]") == page.input_value("[name=from]")


def test_what_is_exported_is_what_is_seen(page: Page) -> None:
    choose(page, period="all")
    seen = {table["id"]: table["rows"] for table in page.evaluate(TABLES)}
    for name in ("failures", "jobs"):
        with page.expect_download() as waiting:
            page.locator(f"#{name} .csv").click()
        assert waiting.value.suggested_filename.startswith(f"monitoring-{name}-2026-01-05-")
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        assert list(csv.reader(io.StringIO(text)))[1:] == seen[name], name


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (375, "light")])
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


def test_more_runs_than_fit_cost_the_oldest_days_and_the_page_says_so(
    sql: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "MOST_RUNS", 23)
    content = read_monitoring(sql)
    assert content is not None
    assert (content["runs_since"], content["run_first"]) == ("2026-03-12", "2026-03-12")
    assert "Of runs those since 2026-03-12 are here" in render_monitoring(content)


def test_the_asset_writes_the_page_and_says_how_many_rules_fire(
    warehouse: Warehouse, tmp_path: Path, sql: duckdb.DuckDBPyConnection
) -> None:
    resources = {"warehouse": warehouse, "reports": Reports(root=str(tmp_path))}
    result = dg.materialize([monitoring_page], partition_key="2026-01-14", resources=resources)
    (event,) = result.asset_materializations_for_node("monitoring_page")
    page = tmp_path / FOLDER / "monitoring.html"
    assert event.metadata["size"].value == page.stat().st_size
    assert event.metadata["rules that fire"].value > 0
    index = (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")
    assert '<a href="monitoring.html">Monitoring</a>' in index


def test_before_anything_has_run_the_page_says_so(tmp_path: Path) -> None:
    warehouse = Warehouse(folder=str(tmp_path))
    warehouse.query("SELECT 1")
    warehouse.export_snapshot()
    with open_snapshot(warehouse.snapshot_path) as connection:
        assert "Nothing was judged and nothing has run yet." in render_monitoring(read_monitoring(connection))
