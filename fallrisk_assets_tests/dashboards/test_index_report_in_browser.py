"""What a clinic sees that opens its evaluation: drawn, in a real browser, without network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from fallrisk_assets.dashboards.index_report import render_evaluation
from fallrisk_assets.risk.index import Gait, History
from fallrisk_assets.risk.person_year_table import ColumnMap, PersonYear, Refusal
from fallrisk_assets.risk.person_years import evaluate
from fallrisk_assets_tests.dashboards.browser import chromium, open_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    years = []
    for i in range(300):
        p = float(rng.uniform(0.05, 0.7))
        fell = bool(rng.random() < p)
        years.append(
            PersonYear(i + 2, f"P{i}", fell, History(), Gait(840.0), 65 + i % 30, "female", "a" * 40, p)
        )
    columns = ColumnMap({"person_id": "id", "fell": "fell", "probability_12m": "p"}, {})
    refused = [Refusal(400, "VALUE_UNREADABLE", "column p is not a number")]
    path = tmp_path_factory.mktemp("report") / "evaluation.html"
    path.write_text(render_evaluation(evaluate(years, refused, columns, "years.csv")), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (375, True)])
def test_the_evaluation_is_drawn_and_asks_the_network_for_nothing(
    browser: Browser, report: Path, width: int, dark: bool
) -> None:
    opened = open_page(browser, report, width=width, dark=dark)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [report.as_uri()]
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    assert opened.page.locator("#plot-calibration .scatterlayer .points path").count() == 10
    assert opened.page.locator("#plot-benefit .scatterlayer path.js-line").count() == 3
