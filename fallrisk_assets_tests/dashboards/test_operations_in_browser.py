"""Every number of the operations page is what a query says on the warehouse, whatever is chosen."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.clinic.no_show.model import SIMULATED
from fallrisk_assets.dashboards.clinic_pages import render_operations
from fallrisk_assets.dashboards.operations import SHOWN_AS, read_operations
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.browser import chromium
from fallrisk_assets_tests.dashboards.clinic_page import TABLES, choose, opened, same
from fallrisk_assets_tests.dashboards.synthetic_clinic import AWKWARD, a_clinic
from fallrisk_assets_tests.dashboards.test_page_in_browser import OUTSIDE_THEIR_FIGURE

CHOICES: list[dict[str, str]] = [
    {},
    {"period": "7"},
    {"period": "all"},
    {"from": "2026-01-19", "to": "2026-01-19"},
    {"specialty": f"={AWKWARD}", "period": "all"},
    {"specialty": "=Neurology", "provider": "=PROV0003", "from": "2026-01-05", "to": "2026-02-03"},
    {"device": "=Laptop", "provider": "=PROV0001", "period": "91"},
    {"device": "?", "period": "91"},
    {"specialty": "=Cardiology", "provider": "=PROV0002"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return a_clinic(tmp_path_factory.mktemp("clinic"))


@pytest.fixture(scope="module")
def sql(warehouse: Warehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_snapshot(warehouse.snapshot_path) as connection:
        yield connection


@pytest.fixture(scope="module")
def file(sql: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "operations.html"
    path.write_text(render_operations(read_operations(sql)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shared(browser: Browser, file: Path) -> Page:
    return opened(browser, file)[0]


@pytest.fixture
def page(shared: Page) -> Page:
    shared.get_by_role("button", name="Reset").click()
    return shared


def compared(table: dict[str, Any], said: list[tuple]) -> list[tuple[list[str], tuple]]:
    """Pair the rows of a table with those of its query, which may lie across or lack what follows."""
    shown = table["rows"]
    if table["id"] in ("lead_time", "wait", "duration", "connection"):
        (counts,) = said
        assert len(counts) == len(shown)
        total = sum(counts)
        assert all(same(row[2], n / total) for row, n in zip(shown, counts, strict=True))
        return [([row[1]], (n,)) for row, n in zip(shown, counts, strict=True)]
    if table["id"] == "compare":
        return [([row[0], row[1], row[2], row[4]], n) for row, n in zip(shown, said, strict=True)]
    return list(zip(sorted(shown), sorted(said, key=lambda row: [str(v or "not known") for v in row[:2]]),
                    strict=True))  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_every_table_is_what_its_sql_says(
    page: Page, sql: duckdb.DuckDBPyConnection, choice: dict[str, str]
) -> None:
    choose(page, **choice)
    tables = page.evaluate(TABLES)
    assert {"compare"} <= {table["id"] for table in tables}
    assert (len(tables) > 12) == (page.locator("#status tbody tr").count() > 0)
    for table in tables:
        pairs = compared(table, sql.sql(table["sql"]).fetchall())
        assert pairs, table["id"]
        for shown, said in pairs:
            assert len(shown) == len(said), table["id"]
            assert all(map(same, shown, said)), (table["id"], shown, said)


def test_the_figures_draw_the_numbers_of_their_tables(page: Page) -> None:
    choose(page, period="all")
    for table in page.evaluate(TABLES):
        data = page.evaluate(
            "id => document.querySelector(`#${id} .plot`)?.data?.map(t => [t.x, t.y, t.orientation])",
            table["id"],
        )
        if data is None:
            assert table["id"] in ("compare", "providers")
            continue
        if table["id"] == "status":
            drawn = sum(sum(y) for _, y, _ in data)
            assert drawn == sum(float(v) for row in table["rows"] for v in row[1:])
        elif data[0][2] == "h":
            by_label = dict(zip(data[0][1], data[0][0], strict=True))
            scale = 100 if table["id"].startswith("issues") else 1
            of = 3 if scale == 100 or table["id"] == "ahead" else 1
            assert by_label == pytest.approx({r[0]: scale * float(r[of]) for r in table["rows"] if r[of]})
        else:
            name = table["id"].removeprefix("kpi-")
            scale = 100 if SHOWN_AS[name] == "share" else 1
            by_day = {x: y for x, y in zip(data[0][0], data[0][1], strict=True) if y is not None}
            idle = dict.fromkeys(by_day, 0.0) if SHOWN_AS[name] == "count" else {}
            known = {r[0]: scale * float(r[3]) for r in table["rows"] if r[3]}
            assert by_day == pytest.approx(idle | known)


def test_the_next_day_is_that_of_the_last_chosen_day_with_whom_nobody_judged_beside(
    page: Page, sql: duckdb.DuckDBPyConnection
) -> None:
    choose(page, specialty="=Neurology", **{"from": "2026-01-19", "to": "2026-02-03"})
    booked, judged, expected = sql.sql(
        """SELECT SUM(booked), SUM(judged), SUM(expected_no_shows) FROM mart_day_ahead
        WHERE day = DATE '2026-02-03' AND specialty = 'Neurology'"""
    ).fetchall()[0]
    assert booked > judged > 0
    shown = page.get_attribute("#ahead .value", "data-v")
    assert float(shown or "nan") == pytest.approx(expected, abs=1e-5)
    expect(page.locator("#ahead .of")).to_have_text(
        f"probable no-shows on 2026-02-04, of {judged} judged and {booked} booked"
    )
    expect(page.locator("#ahead .model")).to_have_text(f"The model: no_show-7, {SIMULATED}.")


def test_a_device_says_nothing_of_the_days_ahead(page: Page) -> None:
    choose(page, device="=Laptop")
    expect(page.locator("#ahead .content")).to_contain_text("choose all devices to see it")
    expect(page.locator("#ahead .value")).to_have_text("–")


def test_a_day_is_what_the_mart_says(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    choose(page, **{"from": "2026-02-10", "to": "2026-02-10"})
    mart = dict(sql.sql("SELECT kpi, value FROM mart_daily_kpis WHERE day = DATE '2026-02-10'").fetchall())
    for kpi in SHOWN_AS:
        shown = page.get_attribute(f"#kpi-{kpi} .value", "data-v")
        assert same(shown or "", mart[kpi]), kpi


def test_filters_mean_what_a_reader_of_the_facts_would_ask(
    page: Page, sql: duckdb.DuckDBPyConnection
) -> None:
    choose(page, specialty="=Neurology", **{"from": "2026-01-05", "to": "2026-01-31"})
    told = sql.sql(
        """SELECT COUNT(*), SUM(CASE WHEN f.status = 'No-show' THEN 1 ELSE 0 END) /
            SUM(CASE WHEN f.status IN ('No-show', 'Completed') THEN 1 ELSE 0 END)
        FROM fact_appointment AS f JOIN dim_provider AS p ON p.provider_key = f.provider_key
            AND p.valid_from <= f.event_at AND (p.valid_to IS NULL OR f.event_at < p.valid_to)
        WHERE p.specialty = 'Neurology' AND f.scheduled_date <= DATE '2026-01-31'"""
    ).fetchall()[0]
    assert page.get_attribute("#kpi-booked .value", "data-v") == str(told[0])
    assert same(page.get_attribute("#kpi-no_show_rate .value", "data-v") or "", told[1])
    expect(page.locator("#shown")).to_contain_text(f"specialty Neurology; {told[0]} appointments.")


def test_this_week_is_compared_with_the_seven_days_before(page: Page, sql: duckdb.DuckDBPyConnection) -> None:
    choose(page, to="2026-02-14")
    booked = next(t for t in page.evaluate(TABLES) if t["id"] == "compare")
    weeks = [
        sql.sql(
            f"SELECT COUNT(*) FROM fact_appointment WHERE scheduled_date BETWEEN '{first}' AND '{last}'"
        ).fetchall()[0][0]
        for first, last in (("2026-02-08", "2026-02-14"), ("2026-02-01", "2026-02-07"))
    ]
    assert [booked["rows"][0][2], booked["rows"][0][4]] == [str(n) for n in weeks]
    assert booked["rows"][0][5] == str(weeks[0] - weeks[1])
    choose(page, to="2026-01-10")
    first_week = next(t for t in page.evaluate(TABLES) if t["id"] == "compare")
    assert {row[4] for row in first_week["rows"]} == {""}  # the log does not reach back that far


def test_what_is_exported_is_what_is_seen(page: Page) -> None:
    choose(page, specialty=f"={AWKWARD}", period="all")
    tables = {table["id"]: table for table in page.evaluate(TABLES)}
    for name in ("compare", "providers", "status", "kpi-mean_wait_minutes", "issues-device"):
        with page.expect_download() as waiting:
            page.locator(f"#{name} .csv").click()
        assert waiting.value.suggested_filename.startswith(f"operations-{name}-2026-01-05-")
        text = Path(waiting.value.path()).read_text(encoding="utf-8")
        rows = list(csv.reader(io.StringIO(text)))[1:]
        assert rows == tables[name]["rows"], name


def test_a_device_hides_the_utilisation_and_says_why(page: Page) -> None:
    choose(page, device="=Tablet")
    expect(page.locator("#kpi-utilisation_7d")).to_contain_text(
        "Hours are offered by provider, not by device"
    )
    assert page.get_attribute("#kpi-utilisation_7d .value", "data-v") == ""
    expect(page.locator("#kpi-utilisation_7d .plot")).to_be_hidden()


def test_a_choice_without_an_appointment_says_so_and_draws_nothing(page: Page) -> None:
    choose(page, specialty="=Cardiology", provider="=PROV0002")
    expect(page.locator("#status .content")).to_have_text("Nothing of it in what is chosen.")
    expect(page.locator("#shown")).to_contain_text("0 appointments")
    expect(page.locator("#kpi-no_show_rate .value")).to_have_text("–")


def test_days_in_the_wrong_order_move_each_other(page: Page) -> None:
    choose(page, **{"from": "2026-03-01", "to": "2026-02-01"})
    assert page.input_value("[name=from]") == page.input_value("[name=to]") == "2026-02-01"


def test_a_bar_chooses_its_day_and_a_provider_chooses_itself(page: Page) -> None:
    bar = page.locator("#status .barlayer .point path").first
    bar.dispatch_event("mouseover")
    page.evaluate(
        "() => { const plot = document.querySelector('#status .plot');"
        " plot.emit('plotly_click', {points: [{x: plot.data[0].x[2]}]}); }"
    )
    day = page.input_value("[name=from]")
    assert page.input_value("[name=to]") == day
    expect(page.locator("#status tbody tr")).to_have_count(1)
    page.locator("#providers").get_by_role("button", name="PROV0001").press("Enter")
    assert page.input_value("[name=provider]") == "=PROV0001"
    expect(page.locator("#providers tbody tr")).to_have_count(1)


def test_the_page_is_used_with_the_keyboard_alone(page: Page) -> None:
    page.focus("[name=specialty]")
    page.keyboard.press("N")
    expect(page.locator("#shown")).to_contain_text("specialty Neurology")
    page.locator("#kpi-booked summary", has_text="SQL").press("Enter")
    expect(page.locator("#kpi-booked .sql code")).to_contain_text("specialty = 'Neurology'")
    page.focus("[name=device]")
    page.keyboard.press("L")
    expect(page.locator("#kpi-booked .sql code")).to_be_visible()  # what was opened stays open


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "light"), (1280, "dark")])
def test_the_page_opens_without_a_complaint_at_any_width(
    browser: Browser, file: Path, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, file, width, color_scheme=scheme)
    choose(page, period="all")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OUTSIDE_THEIR_FIGURE) == []
    assert complaints == []
    colour = page.evaluate("document.querySelector('#status .plot').layout.font.color")
    assert colour == ("#e4e8ec" if scheme == "dark" else "#1c2530")


def test_a_figure_far_down_is_drawn_when_it_is_reached_or_printed(browser: Browser, file: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 600})
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-drawn]")
    drawn = "name => Boolean(document.querySelector(`#${name} .plot`).data)"
    assert not page.evaluate(drawn, "issues-device")
    page.locator("#issues-device").scroll_into_view_if_needed()
    page.wait_for_function(drawn, arg="issues-device")
    printed = browser.new_page(viewport={"width": 1280, "height": 600})
    printed.goto(file.as_uri())
    printed.wait_for_selector("body[data-drawn]")
    assert not printed.evaluate(drawn, "issues-browser")
    printed.pdf()
    assert printed.evaluate(drawn, "issues-browser")


def test_print_shows_the_choice_and_no_controls(page: Page) -> None:
    page.emulate_media(media="print")
    try:
        expect(page.locator("#filters")).to_be_hidden()
        expect(page.locator("#shown")).to_be_visible()
        expect(page.locator(".csv").first).to_be_hidden()
        expect(page.locator("#compare table")).to_be_visible()
    finally:
        page.emulate_media(media="screen")
