"""Every amount of the financial page is what a query says on the warehouse, and no patient is in the file."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.dashboards.assets import FOLDER
from fallrisk_assets.dashboards.clinic_assets import financial_page
from fallrisk_assets.dashboards.clinic_pages import render_financial
from fallrisk_assets.dashboards.cubes import unpacked
from fallrisk_assets.dashboards.financial import read_financial
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.browser import chromium
from fallrisk_assets_tests.dashboards.clinic_page import TABLES, as_sql_says, choose, opened, same
from fallrisk_assets_tests.dashboards.synthetic_clinic import AWKWARD, a_clinic
from fallrisk_assets_tests.dashboards.test_page_in_browser import OUTSIDE_THEIR_FIGURE
from fallrisk_assets_tests.warehouse.operations.rows import known

CHOICES: list[dict[str, str]] = [
    {},
    {"period": "all"},
    {"from": "2026-01-19", "to": "2026-01-19"},
    {"specialty": f"={AWKWARD}", "period": "all"},
    {"specialty": "=Neurology", "provider": "=PROV0003", "from": "2026-01-05", "to": "2026-02-03"},
    {"provider": "=PROV0004", "period": "91"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return a_clinic(tmp_path_factory.mktemp("clinic"), days=80, a_day=5)


@pytest.fixture(scope="module")
def sql(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_snapshot(warehouse.snapshot_path) as connection:
        yield connection


@pytest.fixture(scope="module")
def file(sql: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "financial.html"
    path.write_text(render_financial(read_financial(sql)), encoding="utf-8")
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
    assert {"amounts", "specialties", "providers"} <= {table["id"] for table in tables}
    for table in tables:
        as_sql_says(table, sql)


def test_the_big_numbers_are_sums_of_the_estimates_of_the_facts(
    page: Page, sql: duckdb.DuckDBPyConnection
) -> None:
    choose(page, **{"from": "2026-01-05", "to": "2026-01-31"})
    rows = sql.sql(
        """SELECT v.status, v.duration_minutes, v.planned_minutes, v.hourly_rate FROM v_appointment AS v
        WHERE v.scheduled_date BETWEEN '2026-01-05' AND '2026-01-31'"""
    ).fetchall()
    delivered = sum(float(m) / 60 * r for s, m, _, r in rows if s == "Completed" and m and r)
    lost = sum(float(m) / 60 * r for s, _, m, r in rows if s == "No-show" and m and r)
    visits = [(m if s == "Completed" else p) and r for s, m, p, r in rows if s in ("Completed", "No-show")]

    def big(kpi: str) -> float:
        return float(page.get_attribute(f"#kpi-{kpi} .value", "data-v") or "nan")

    assert big("delivered_revenue") == pytest.approx(delivered, abs=0.01)
    assert big("lost_revenue") == pytest.approx(lost, abs=0.01)
    assert big("lost_revenue_share") == pytest.approx(lost / (delivered + lost), rel=1e-6)
    assert big("estimated_share") == pytest.approx(sum(map(bool, visits)) / len(visits))
    without = len(visits) - sum(map(bool, visits))
    assert without > 1
    expect(page.locator("#shown")).to_contain_text(
        f"estimates, no invoices; {without} visits and no-shows have none."
    )


def test_an_amount_that_nobody_can_estimate_is_no_zero(page: Page) -> None:
    choose(page, provider="=PROV0004", period="all")  # of no known rate
    for kpi in ("delivered_revenue", "lost_revenue", "lost_revenue_share"):
        expect(page.locator(f"#kpi-{kpi} .value")).to_have_text("–")
        expect(page.locator(f"#kpi-{kpi} .plot")).to_be_hidden()
    assert page.get_attribute("#kpi-estimated_share .value", "data-v") == "0"


def test_what_is_exported_is_what_is_seen(page: Page) -> None:
    choose(page, specialty=f"={AWKWARD}", period="all")
    seen = {table["id"]: table["rows"] for table in page.evaluate(TABLES)}
    for name in ("amounts", "providers"):
        with page.expect_download() as waiting:
            page.locator(f"#{name} .csv").click()
        assert waiting.value.suggested_filename.startswith(f"financial-{name}-2026-01-05-")
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        assert list(csv.reader(io.StringIO(text)))[1:] == seen[name], name


def test_a_bar_chooses_its_day_and_a_provider_or_a_specialty_chooses_itself(page: Page) -> None:
    page.evaluate(
        "() => { const plot = document.querySelector('#amounts .plot');"
        " plot.emit('plotly_click', {points: [{x: plot.data[0].x[2]}]}); }"
    )
    assert page.input_value("[name=to]") == page.input_value("[name=from]")
    page.select_option("[name=period]", "all")
    page.locator("#specialties").get_by_role("button", name="Cardiology").press("Enter")
    assert page.input_value("[name=specialty]") == "=Cardiology"
    page.locator("#providers").get_by_role("button", name="PROV0001").press("Enter")
    assert page.input_value("[name=provider]") == "=PROV0001"
    expect(page.locator("#providers tbody tr")).to_have_count(1)


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


def test_no_patient_and_no_appointment_is_in_the_file(file: Path, warehouse: Warehouse) -> None:
    html = file.read_text(encoding="utf-8")
    (inside,) = re.findall(r'<script type="text/plain" id="content">([^<]*)</script>', html)
    text = html + str(unpacked(inside))
    assert "PROV0001" in text
    for row in warehouse.query("SELECT appointment_id, patient_id FROM fact_appointment").to_pylist():
        assert row["appointment_id"] not in text
        assert row["patient_id"] not in text


def test_the_asset_writes_the_page_and_the_index_links_it(warehouse: Warehouse, tmp_path: Path) -> None:
    resources = {"warehouse": warehouse, "reports": Reports(root=str(tmp_path))}
    result = dg.materialize([financial_page], partition_key="2026-01-30", resources=resources)
    (event,) = result.asset_materializations_for_node("financial_page")
    page = tmp_path / FOLDER / "financial.html"
    assert event.metadata["size"].value == page.stat().st_size
    index = (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")
    assert '<a href="financial.html">Clinic finances</a>' in index


def test_before_the_first_visit_the_page_says_so(tmp_path: Path) -> None:
    warehouse = known(Warehouse(folder=str(tmp_path)))
    warehouse.export_snapshot()
    with open_snapshot(warehouse.snapshot_path) as connection:
        assert "No visit was completed or missed yet." in render_financial(read_financial(connection))


def test_a_day_between_two_specialties_counts_once(tmp_path: Path) -> None:
    warehouse = a_clinic(tmp_path, days=40, a_day=3)
    (row,) = warehouse.query(
        "SELECT SUM(delivered_estimate) AS shown, "
        "(SELECT SUM(delivered_estimate) FROM mart_revenue) AS made, "
        "COUNT(DISTINCT specialty) AS n FROM v_revenue"
    ).to_pylist()
    assert same(str(row["shown"]), row["made"])
    assert row["n"] == 4  # the third changed hers
