"""Every number of the clinical worklist is what a query says on the warehouse; paper has what one needs."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.dashboards.assets import FOLDER
from fallrisk_assets.dashboards.clinic_assets import worklist_page
from fallrisk_assets.dashboards.clinic_pages import render_worklist
from fallrisk_assets.dashboards.cubes import unpacked
from fallrisk_assets.dashboards.worklist import read_worklist
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.browser import chromium
from fallrisk_assets_tests.dashboards.clinic_page import TABLES, choose, opened, same
from fallrisk_assets_tests.dashboards.synthetic_alerts import LAST, some_alerts
from fallrisk_assets_tests.dashboards.test_page_in_browser import OUTSIDE_THEIR_FIGURE
from fallrisk_assets_tests.warehouse.operations.rows import known

CHOICES: list[dict[str, str]] = [
    {},
    {"day": "2026-01-08"},
    {"site": "=SITE01"},
    {"site": "=SITE02", "severity": "=critical", "day": "2026-01-12"},
    {"severity": "=medium"},
    {"severity": "=low"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return some_alerts(tmp_path_factory.mktemp("alerts"))


@pytest.fixture(scope="module")
def sql(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_snapshot(warehouse.snapshot_path) as connection:
        yield connection


@pytest.fixture(scope="module")
def file(sql: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "worklist.html"
    path.write_text(render_worklist(read_worklist(sql)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Page:
    return opened(browser, file)[0]


@pytest.fixture
def page(shared: Page) -> Page:
    shared.get_by_role("button", name="Reset").click()
    return shared


def tables(page: Page) -> dict[str, list[list[str]]]:
    return {table["id"]: table["rows"] for table in page.evaluate(TABLES)}


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_table_is_what_its_sql_says_in_its_order(
    page: Page, sql: duckdb.DuckDBPyConnection, choice: dict[str, str]
) -> None:
    choose(page, **choice)
    found = page.evaluate(TABLES)
    assert "glance" in {table["id"] for table in found}
    for table in found:
        said = sql.sql(table["sql"]).fetchall()
        shown = table["rows"]
        if table["id"].startswith("to_"):
            shown, said = [[row[1] for row in shown]], said
        assert len(shown) == len(said), table["id"]
        for row, answer in zip(shown, said, strict=True):
            assert all(same(*pair) for pair in zip(row, answer, strict=False)), (table["id"], row, answer)


def test_the_list_is_the_mart_of_the_day_in_its_order(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    for day in ("2026-01-07", str(LAST)):
        choose(page, day=day)
        listed = sql.execute("SELECT patient_id FROM mart_outreach WHERE day = ? ORDER BY rank", [day])
        assert [row[0] for row in tables(page)["calls"]] == [row[0] for row in listed.fetchall()]


def test_an_alert_is_open_on_a_day_until_the_day_on_which_it_ends(
    page: Page, sql: duckdb.DuckDBPyConnection
) -> None:
    rows = sql.sql("SELECT opened_at, closed_at, severity FROM v_alert").fetchall()
    for day in ("2026-01-06", "2026-01-10", str(LAST)):
        choose(page, day=day)
        end = datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(days=1)
        open_then = [s for opened_at, closed_at, s in rows
                     if opened_at < end and (closed_at is None or closed_at >= end)]  # fmt: skip
        assert open_then
        grave = ["critical", "high", "medium", "low"]
        assert [row[0] for row in tables(page)["open"]] == sorted(open_then, key=grave.index)


def test_times_to_answer_are_means_of_what_was_answered(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    rows = sql.sql(
        "SELECT opened_at, acknowledged_at, closed_at FROM v_alert WHERE severity = 'critical'"
    ).fetchall()
    waits = [(answered - opened_at) / timedelta(minutes=1) for opened_at, answered, _ in rows if answered]
    ends = [(closed - opened_at) / timedelta(minutes=1) for opened_at, _, closed in rows if closed]
    shown = next(row for row in tables(page)["answers"] if row[0] == "critical")
    assert shown[1] == str(len(rows))
    assert [float(value) for value in shown[2:]] == pytest.approx(
        [len(waits) / len(rows), sum(waits) / len(waits), sum(ends) / len(ends)], abs=1e-4
    )


def test_a_severity_shows_the_patients_with_such_an_open_alert(page: Page) -> None:
    choose(page, day="2026-01-07")
    everyone = {row[0] for row in tables(page)["calls"]}
    choose(page, severity="=high")
    shown = tables(page)
    with_alert = {row[2] for row in shown["open"]}
    assert {row[0] for row in shown["calls"]} == everyone & with_alert
    assert everyone - with_alert


def test_reasons_are_words_and_a_day_without_a_score_is_told(page: Page) -> None:
    rows = page.locator("#calls tbody tr")
    expect(rows.filter(has_text="PAT000005")).to_contain_text("High risk, No visit ahead")
    expect(rows.filter(has_text="PAT000005")).to_contain_text("▲ high")
    expect(rows.filter(has_text="PAT000005")).to_contain_text("Not scored")
    expect(rows.filter(has_text="PAT000006")).to_contain_text("Scored")


def test_a_severity_stands_on_one_line_with_its_mark_however_narrow_its_column(page: Page) -> None:
    """The mark comes before the word: on one line with it, the word begins right of the cell’s padding."""
    indents = page.evaluate(
        """() => [...document.querySelectorAll('#open .sev-critical')].map(cell => {
            const range = document.createRange();
            cell.style.width = '1px';
            range.selectNodeContents(cell);
            const padding = parseFloat(getComputedStyle(cell).paddingLeft);
            const indent = range.getBoundingClientRect().left - cell.getBoundingClientRect().left - padding;
            cell.style.width = '';
            return indent;
        })"""
    )
    assert indents
    assert min(indents) > 5


def test_paper_has_the_list_with_room_to_write_and_no_controls(page: Page) -> None:
    heading = page.locator("#calls th", has_text="Called (by, at)")
    expect(heading).to_be_hidden()
    page.emulate_media(media="print")
    try:
        expect(heading).to_be_visible()
        expect(page.locator("#calls td.onpaper").first).to_be_visible()
        expect(page.locator("#filters")).to_be_hidden()
        expect(page.locator("#shown")).to_be_visible()
    finally:
        page.emulate_media(media="screen")


def test_what_is_exported_is_what_is_seen(page: Page) -> None:
    choose(page, site="=SITE02")
    seen = tables(page)
    for name in ("calls", "open", "answers"):
        with page.expect_download() as waiting:
            page.locator(f"#{name} .csv").click()
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text)))[1:]
        assert rows == seen_without_paper(seen[name], rows), name


def seen_without_paper(seen: list[list[str]], rows: list[list[str]]) -> list[list[str]]:
    return [row[: len(rows[0])] for row in seen]


@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_opens_without_a_complaint_at_any_width(browser: Browser, file: Path, width: int) -> None:
    page, complaints = opened(browser, file, width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OUTSIDE_THEIR_FIGURE) == []
    assert complaints == []


def test_no_id_of_the_wearables_world_and_no_key_is_in_the_file(file: Path, warehouse: Warehouse) -> None:
    html = file.read_text(encoding="utf-8")
    (inside,) = re.findall(r'<script type="text/plain" id="content">([^<]*)</script>', html)
    text = html + str(unpacked(inside))
    assert "PAT000004" in text
    assert "pt-secret" not in text
    for row in warehouse.query("SELECT patient_key, birth_year, gender FROM dim_patient").to_pylist():
        assert str(row["patient_key"]) not in text
    assert "birth" not in str(unpacked(inside))


def test_the_asset_writes_the_page_and_says_how_many_are_to_be_called(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    resources = {"warehouse": warehouse, "reports": Reports(root=str(tmp_path))}
    result = dg.materialize([worklist_page], partition_key=str(LAST), resources=resources)
    (event,) = result.asset_materializations_for_node("worklist_page")
    listed = warehouse.query("SELECT COUNT(*) AS n FROM mart_outreach WHERE day = ?", [LAST]).to_pylist()
    assert event.metadata["to call"].value == listed[0]["n"] > 0
    page = tmp_path / FOLDER / "worklist.html"
    written = page.read_bytes()
    assert "Clinical worklist" in (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")
    dg.materialize([worklist_page], partition_key="2026-01-05", resources=resources)
    assert page.read_bytes() == written


def test_before_the_first_list_the_page_says_so(tmp_path: Path) -> None:
    warehouse = known(Warehouse(folder=str(tmp_path)))
    warehouse.export_snapshot()
    with open_snapshot(warehouse.snapshot_path) as connection:
        assert "No list was made yet." in render_worklist(read_worklist(connection))
