"""What a person sees who opens a day's page: in a real browser, without network."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fallrisk_assets.dashboards.data import build_day
from fallrisk_assets.dashboards.index import HEAD_CHARACTERS, DayEntry, read_entry, render_index
from fallrisk_assets.dashboards.page import render_day
from fallrisk_assets_tests.dashboards.browser import chromium, open_page
from fallrisk_assets_tests.dashboards.synthetic_day import DAY, HOSTILE, a_day

OUTSIDE_THEIR_FIGURE = """() => [...document.querySelectorAll('.plot')]
    .filter(plot => !plot.closest('[hidden]'))
    .flatMap(plot => {
        const box = plot.getBoundingClientRect();
        return [...plot.querySelectorAll('svg text')].filter(text => {
            const seen = text.getBoundingClientRect();
            return seen.width && (seen.left < box.left - 1 || seen.right > box.right + 1);
        }).map(text => plot.id + ': ' + text.textContent);
    })"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    for name, inputs in (("2026-01-05.html", a_day()), ("hostile.html", a_day(hostile=True))):
        (folder / name).write_text(render_day(build_day(inputs)), encoding="utf-8")
    head = (folder / "2026-01-05.html").read_text(encoding="utf-8")[:HEAD_CHARACTERS]
    entries = [read_entry(DAY, head), DayEntry(DAY + dt.timedelta(days=1))]
    (folder / "index.html").write_text(render_index(entries), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def day(reports: Path) -> Path:
    return reports / "2026-01-05.html"


@pytest.fixture(scope="module")
def shared(browser: Browser, day: Path) -> Page:
    return open_page(browser, day).page


@pytest.fixture
def shown(shared: Page) -> Page:
    """The page at its first patient, for tests that leave it usable."""
    shared.select_option("#patient-select", "patient-0")
    return shared


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, False), (1280, True)])
def test_a_page_opens_without_a_complaint_and_asks_the_network_for_nothing(
    browser: Browser, day: Path, width: int, dark: bool
) -> None:
    opened = open_page(browser, day, width=width, dark=dark)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    for option in opened.page.locator("#patient-select option").all():
        opened.page.select_option("#patient-select", option.get_attribute("value"))
        assert opened.page.evaluate(OUTSIDE_THEIR_FIGURE) == []
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [day.as_uri()]
    text = opened.page.evaluate("document.getElementById('plot-overview').layout.font.color")
    assert text == ("#e4e8ec" if dark else "#1c2530")


def test_a_patient_who_is_not_scored_is_shown_as_such_and_never_as_low(shown: Page) -> None:
    row = shown.locator("#cohort-table tbody tr", has=shown.get_by_role("link", name="pt-4"))
    expect(row).to_contain_text("NOT_SCORED")
    expect(row).to_contain_text("Too little wear")
    expect(row).not_to_contain_text("Low")
    row.get_by_role("link").click()
    article = shown.locator("article.patient:visible")
    expect(article).to_contain_text("This does not mean low risk")
    expect(article.locator("h3")).to_have_text("pt-4 ○ NOT_SCORED")


def test_the_cohort_shows_risk_falls_alerts_wear_and_steps_of_everyone(shown: Page) -> None:
    rows = shown.locator("#cohort-table tbody tr")
    expect(rows).to_have_count(5)
    cells = rows.filter(has=shown.get_by_role("link", name="pt-1")).locator("th, td").all_inner_texts()
    assert [" ".join(text.split()) for text in cells] == [
        "pt-1", "▲ High", "75 % (53 % to 99 %)", "1", "2", "23 h 17 min", "5,230",
    ]  # fmt: skip


def test_the_figures_are_drawn_with_marks_and_have_a_size(shown: Page) -> None:
    for identity, marks, least in (
        ("plot-overview", ".scatterlayer .points path", 4),
        ("plot-0-day", ".barlayer .point path", 24),
        ("plot-0-score", ".barlayer .point path", 4),
        ("plot-0-fall-0", ".scatterlayer path.js-line", 1),
        ("plot-refusals", ".barlayer .point path", 4),
    ):
        figure = shown.locator(f"#{identity}")
        box = figure.locator("svg.main-svg").first.bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 100
        assert figure.locator(marks).count() >= least, identity


def test_the_selector_shows_one_patient_at_a_time_with_its_own_figures(shown: Page) -> None:
    visible = shown.locator("article.patient:visible h3")
    expect(visible).to_have_text(["pt-1 ▲ High"])
    shown.select_option("#patient-select", label="pt-2 · Medium")
    expect(visible).to_have_text(["pt-2 ◆ Medium"])
    expect(shown.locator("article.patient:visible .plot svg.main-svg").first).to_be_visible()
    shown.get_by_role("link", name="pt-5").click()
    expect(visible).to_have_text(["pt-5 ● Low"])
    assert shown.evaluate("document.getElementById('patient-select').value") == "patient-3"


def test_a_link_to_a_patient_opens_that_patient(browser: Browser, day: Path) -> None:
    opened = open_page(browser, day, fragment="#patient-1")
    expect(opened.page.locator("article.patient:visible h3")).to_have_text(["pt-2 ◆ Medium"])


def test_the_signal_around_a_fall_shows_the_peak_and_does_not_bridge_the_gap(shown: Page) -> None:
    drawn = shown.evaluate(
        """() => {
            const drawn = document.getElementById('plot-0-fall-0').data[0];
            return {
                top: Math.max(...drawn.y.filter(value => value !== null)),
                missing: drawn.x.filter((_, place) => drawn.y[place] === null),
            };
        }"""
    )
    assert drawn["top"] == pytest.approx(5.83, abs=0.001)
    assert len(drawn["missing"]) == 1
    assert 6 < drawn["missing"][0] < 7.5
    assert shown.locator("#plot-0-fall-0 path.js-line").count() == 2


def test_a_heading_sorts_and_what_is_not_known_stays_last(shown: Page) -> None:
    button = shown.get_by_role("button", name="12-month probability")
    names = shown.locator("#cohort-table tbody th")
    button.click()
    expect(names).to_have_text(["pt-1", "pt-2", "pt-5", "pt-3", "pt-4"])
    button.click()
    expect(names).to_have_text(["pt-3", "pt-5", "pt-2", "pt-1", "pt-4"])
    expect(shown.locator("#sort-status")).to_have_text("Sorted by 12-month probability, smallest first.")
    shown.get_by_role("button", name="Patient").click()
    expect(names).to_have_text(["pt-1", "pt-2", "pt-3", "pt-4", "pt-5"])
    expect(shown.locator("th[aria-sort]")).to_have_count(1)


def test_the_coverage_map_has_24_hours_a_device_with_the_verdict_as_text(shown: Page) -> None:
    row = shown.locator("#coverage-map tbody tr", has_text="imu-10002")
    cells = row.locator("td").all_inner_texts()
    assert len(cells) == 24
    assert [hour for hour, text in enumerate(cells) if text == "G"] == [9, 10, 14]
    assert row.locator("td").nth(9).get_attribute("title") == "09:00 GAPPY, received 85 %, worn 97 %"


def test_failed_checks_missing_partitions_refusals_and_late_drops_are_named(shown: Page) -> None:
    failed = shown.locator("#checks-table tbody tr").first
    expect(failed).to_contain_text("✕ failed")
    expect(failed).to_contain_text("1 of 1 falls has no alert.")
    expect(shown.locator("#cohort .notice")).to_contain_text("curated.alerts (1 partition missing)")
    expect(shown.locator("#quarantine-table tbody tr").first).to_contain_text("UNKNOWN_DEVICE")
    expect(shown.locator("#rows-table")).to_contain_text("8,640,113")
    expect(shown.locator("#quality")).to_contain_text("of 120 drops late, up to 5.0 h")


def test_texts_that_try_to_break_out_are_only_texts(browser: Browser, reports: Path) -> None:
    opened = open_page(browser, reports / "hostile.html")
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("img").count() == 0
    assert opened.complaints == []
    expect(opened.page.locator("article.patient:visible h3")).to_contain_text(HOSTILE)
    expect(opened.page.locator("#quarantine-table tbody tr").first).to_contain_text(HOSTILE)
    ticks = opened.page.locator("#plot-overview .ytick").all_text_contents()
    assert any(text.startswith("pt-<img src=x onerror") for text in ticks)


def test_the_index_links_every_day_with_its_key_figures(browser: Browser, reports: Path) -> None:
    opened = open_page(browser, reports / "index.html")
    rows = opened.page.locator("#days tbody tr")
    assert rows.nth(1).locator("th, td").all_inner_texts() == [
        "Monday 5 January 2026", "5", "1", "1", "1", "2", "292", "1", "1",
    ]  # fmt: skip
    assert rows.nth(0).locator("th, td").all_inner_texts()[:2] == ["Tuesday 6 January 2026", "–"]
    opened.page.get_by_role("link", name="Monday 5 January 2026").click()
    expect(opened.page.locator("h1")).to_have_text("Fall risk on Monday 5 January 2026")
    assert opened.complaints == []


def test_the_index_shows_every_key_figure_of_a_day_on_a_phone_without_scrolling_sideways(
    browser: Browser, reports: Path
) -> None:
    page = open_page(browser, reports / "index.html", width=375).page
    region = page.locator(".scroll")
    assert region.evaluate("e => e.scrollWidth <= e.clientWidth")
    cells = page.locator("#days tbody tr").nth(1).locator("td")
    expect(cells).to_have_count(8)
    for cell in cells.all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 375
        label = cell.evaluate("e => getComputedStyle(e, '::before').content")
        assert label == f'"{cell.get_attribute("data-label")}"'


def test_a_table_that_goes_on_beyond_the_edge_of_a_phone_has_a_shade_at_that_edge(
    browser: Browser, day: Path
) -> None:
    page = open_page(browser, day, width=375).page
    shades = page.locator(".scroll").evaluate_all(
        "all => all.filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => getComputedStyle(e).backgroundAttachment)"
    )
    assert shades
    assert set(shades) == {"local, local, scroll, scroll"}
