"""What the tests of the clinic's pages do alike: open one, choose, read its tables."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

TABLES = """() => [...document.querySelectorAll('main [id]')].filter(e => e.querySelector('.content table'))
    .map(e => ({
        id: e.id,
        sql: e.querySelector('.sql code').textContent,
        rows: [...e.querySelectorAll('.content tbody tr')].map(r => [...r.cells].map(c => c.dataset.v)),
        texts: [...e.querySelectorAll('.content tbody tr')].map(r => [...r.cells].map(c => c.textContent)),
    }))
    .filter((e, place, all) => !all.some(other => other !== e
        && document.getElementById(e.id).contains(document.getElementById(other.id))))"""


def opened(browser: Browser, file: Path, width: int = 1280, **options: Any) -> tuple[Page, list[str]]:
    """Open the page on a screen so high that every figure is drawn."""
    context = browser.new_context(viewport={"width": width, "height": 12_000}, offline=True, **options)
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type != "info" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: (
            complaints.append(asked.url) if not asked.url.startswith(("file:", "data:", "blob:")) else None
        ),
    )
    page.goto(file.as_uri())
    page.wait_for_selector("body[data-drawn]")
    page.wait_for_function("() => [...document.querySelectorAll('.plot')].every(e => e.hidden || e.data)")
    return page, complaints


def choose(page: Page, **chosen: str) -> None:
    """Use the filters as a person does; the last day first, as the period counts back from it."""
    for name, value in chosen.items():
        if name in ("from", "to"):
            page.fill(f"[name={name}]", value)
            page.dispatch_event(f"[name={name}]", "change")
        else:
            page.select_option(f"[name={name}]", value)


def same(shown: str, said: Any) -> bool:
    if said is None:
        return shown == "" or shown == "not known"
    if isinstance(said, datetime):
        return datetime.fromisoformat(shown) == said
    if isinstance(said, (bool, str)):
        return shown == said
    try:
        return float(shown) == pytest.approx(float(said), rel=1e-12, abs=1e-12)
    except (TypeError, ValueError):
        return shown == str(said)


def as_sql_says(table: dict[str, Any], sql: Any) -> None:
    """Compare a table, cell by cell and in its order, with the answer to the query beneath it."""
    said = sql.sql(table["sql"]).fetchall()
    assert len(table["rows"]) == len(said) > 0, table["id"]
    for shown, answer in zip(table["rows"], said, strict=True):
        assert len(shown) == len(answer), table["id"]
        assert all(map(same, shown, answer)), (table["id"], shown, answer)
