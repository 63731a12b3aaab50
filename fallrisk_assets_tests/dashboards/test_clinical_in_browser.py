"""Every number of the clinical page is what a query says, and no id of the clinic is in the file."""

import csv
import io
import re
import statistics
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.dashboards import clinical
from fallrisk_assets.dashboards.assets import FOLDER
from fallrisk_assets.dashboards.clinic_assets import clinical_page
from fallrisk_assets.dashboards.clinic_pages import render_clinical
from fallrisk_assets.dashboards.clinical import read_clinical
from fallrisk_assets.dashboards.cubes import unpacked
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.risk.baseline import BASELINE_MIN_DAYS, baseline_values
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.browser import chromium
from fallrisk_assets_tests.dashboards.clinic_page import TABLES, as_sql_says, choose, opened
from fallrisk_assets_tests.dashboards.synthetic_alerts import FIRST, some_alerts
from fallrisk_assets_tests.dashboards.test_page_in_browser import OUTSIDE_THEIR_FIGURE
from fallrisk_assets_tests.warehouse.operations.rows import known

DAYS = 20
CHOICES: list[dict[str, str]] = [
    {"period": "all"},
    {"to": "2026-01-14", "period": "7"},
    {"from": "2026-01-07", "to": "2026-01-07"},
    {"period": "all", "site": "=SITE01"},
    {"period": "all", "severity": "=critical", "age": "=65+"},
    {"period": "all", "patient": "=pt-secret-2"},
    {"period": "all", "patient": "?"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return some_alerts(tmp_path_factory.mktemp("alerts"), DAYS)


@pytest.fixture(scope="module")
def sql(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_snapshot(warehouse.snapshot_path) as connection:
        yield connection


@pytest.fixture(scope="module")
def file(sql: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "clinical.html"
    path.write_text(render_clinical(read_clinical(sql)), encoding="utf-8")
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
    assert {"alerts", "rules", "patients"} <= {table["id"] for table in tables}
    for table in tables:
        if table["id"] == "spread":  # its query gives the classes beside each other, its table beneath
            table["rows"] = [[row[1] for row in table["rows"]]]
        as_sql_says(table, sql)


def test_without_a_filter_every_block_has_something_to_say(page: Page) -> None:
    choose(page, period="all")
    found = {table["id"] for table in page.evaluate(TABLES)}
    assert {"bands", "spread", "movers", "falls", "alerts", "rules", "patients", "outreach"} <= found
    assert {f"kpi-{kpi}" for kpi in clinical.SHOWN_AS} <= found
    assert "patient" not in found


def test_a_mover_is_compared_with_the_baseline_that_alerts_on_change_use(
    page: Page, sql: duckdb.DuckDBPyConnection
) -> None:
    rows = sql.sql(
        "SELECT day, wearable_patient_id, probability_12m FROM v_risk_score WHERE status = 'SCORED'"
    ).fetchall()
    found = {
        (day, patient): baseline
        for day, patient, baseline in sql.sql(
            "SELECT day, wearable_patient_id, baseline_12m FROM v_risk_change"
        ).fetchall()
    }
    assert set(found) == {(day, patient) for day, patient, _ in rows}
    for day, patient, _ in rows:
        days = {d: p for d, who, p in rows if who == patient}
        before = baseline_values(days, day)
        expected = statistics.median(before) if len(before) >= BASELINE_MIN_DAYS else None
        assert found[day, patient] == (None if expected is None else pytest.approx(expected))
    assert None in found.values()
    (mover,) = next(t for t in page.evaluate(TABLES) if t["id"] == "movers")["rows"]
    assert (mover[0], mover[5], float(mover[6])) == ("pt-secret-2", "0.2", pytest.approx(0.08))


def test_where_nobody_has_a_baseline_the_page_says_why_nobody_moved(page: Page) -> None:
    choose(page, to="2026-01-08", period="7")
    expect(page.locator("#movers .empty")).to_have_text(
        "On 2026-01-08 nobody with a baseline of seven days moved by as much."
    )


def test_a_pseudonym_chooses_its_patient_whose_days_lead_to_their_pages(page: Page) -> None:
    choose(page, period="all")
    page.locator("#movers").get_by_role("button", name="pt-secret-2").press("Enter")
    assert page.input_value("[name=patient]") == "=pt-secret-2"
    expect(page.locator("#patient h2")).to_be_visible()
    page.locator("#patient summary", has_text="Table").click()
    expect(page.locator("#patient tbody tr")).to_have_count(DAYS)
    link = page.locator("#patient tbody a").first
    assert link.get_attribute("href") == f"{FIRST}.html#pt-secret-2"
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#one-patient")).to_be_hidden()


def test_a_bar_chooses_its_day(page: Page) -> None:
    choose(page, period="all")
    page.evaluate(
        "() => { const plot = document.querySelector('#alerts .plot');"
        " plot.emit('plotly_click', {points: [{x: plot.data[0].x[2]}]}); }"
    )
    assert page.input_value("[name=to]") == page.input_value("[name=from]") == "2026-01-07"


def test_what_is_exported_is_what_is_seen(page: Page) -> None:
    choose(page, period="all", site="=SITE01")
    seen = {table["id"]: table["rows"] for table in page.evaluate(TABLES)}
    for name in ("rules", "outreach"):
        with page.expect_download() as waiting:
            page.locator(f"#{name} .csv").click()
        assert waiting.value.suggested_filename.startswith(f"clinical-{name}-2026-01-05-")
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


def test_no_id_of_the_clinic_is_in_the_file(file: Path, warehouse: Warehouse) -> None:
    html = file.read_text(encoding="utf-8")
    (inside,) = re.findall(r'<script type="text/plain" id="content">([^<]*)</script>', html)
    text = html + str(unpacked(inside))
    assert "pt-secret-2" in text
    for row in warehouse.query("SELECT DISTINCT patient_id, patient_key FROM dim_patient").to_pylist():
        assert row["patient_id"] not in text
        assert str(row["patient_key"]) not in text


def test_more_patient_days_than_fit_cost_the_oldest_days_and_the_page_says_so(
    sql: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clinical, "MOST_PATIENT_DAYS", 6 * 5 + 3)
    content = read_clinical(sql)
    assert content is not None
    assert content["first"] == str(FIRST + timedelta(days=DAYS - 5))
    assert "Earlier days are left out" in render_clinical(content)


def test_the_asset_writes_the_page_and_the_index_links_it(warehouse: Warehouse, tmp_path: Path) -> None:
    resources = {"warehouse": warehouse, "reports": Reports(root=str(tmp_path))}
    result = dg.materialize([clinical_page], partition_key="2026-01-14", resources=resources)
    (event,) = result.asset_materializations_for_node("clinical_page")
    page = tmp_path / FOLDER / "clinical.html"
    assert event.metadata["size"].value == page.stat().st_size
    assert event.metadata["tells of"].text == f"days to {FIRST + timedelta(days=DAYS - 1)}"
    index = (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")
    assert '<a href="clinical.html">Clinical</a>' in index


def test_before_the_first_score_the_page_says_so(tmp_path: Path) -> None:
    warehouse = known(Warehouse(folder=str(tmp_path)))
    warehouse.export_snapshot()
    with open_snapshot(warehouse.snapshot_path) as connection:
        assert "Nobody was scored and nothing alerted yet." in render_clinical(read_clinical(connection))
