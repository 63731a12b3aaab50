"""The pages as a daily asset.

Here: what is read, where the pages go and what the UI shows of them. Not here: how a page is made
(`data.py`, `page.py`).
"""

import datetime as dt
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import dagster as dg

from fallrisk_assets.dashboards.clinic_pages import (
    CLINICAL_FILE,
    COMMENTS_FILE,
    DATA_QUALITY_FILE,
    FINANCIAL_FILE,
    MONITORING_FILE,
    OPERATIONS_FILE,
    WORKLIST_FILE,
)
from fallrisk_assets.dashboards.data import build_day
from fallrisk_assets.dashboards.index import HEAD_CHARACTERS, DayEntry, read_entry, render_index
from fallrisk_assets.dashboards.model import DayModel
from fallrisk_assets.dashboards.page import render_day, summary
from fallrisk_assets.dashboards.reading import DayReader
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.partitions import daily
from fallrisk_assets.previews import bars
from fallrisk_assets.warehouse.observability.check_history import day_outcomes
from fallrisk_assets.warehouse.observability.watched import DAILY, HOURLY, asset_key, known_checks

FOLDER = "pages"
"""Folder of the pages inside the reports' folder."""

OTHER_PAGES = {
    "Clinical worklist": WORKLIST_FILE,
    "Clinical": CLINICAL_FILE,
    "Clinic operations": OPERATIONS_FILE,
    "Clinic finances": FINANCIAL_FILE,
    "What patients wrote": COMMENTS_FILE,
    "Data quality": DATA_QUALITY_FILE,
    "Monitoring": MONITORING_FILE,
}
"""Pages that are of no single day, by title."""

ALSO_BEFORE = ("fhir_bundles", "warehouse_snapshot")
"""Whose checks a page shows: it comes last, else the same day could give two different pages."""


@dg.asset(
    name="day_page",
    partitions_def=daily,
    deps=[*(asset_key(model) for model in (*HOURLY, *DAILY)), *ALSO_BEFORE],
    group_name="dashboards",
    kinds={"python", "plotly", "html"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"lake", "reports"},
)
def day_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page for each UTC day that opens without a network, and an index of all days.

    The cohort at a glance, each patient's day (signal around each fall, gait, index with its parts) and
    data quality. People appear by the pseudonym of their wearable only.
    """
    lake: Lake = context.resources.lake
    reports: Reports = context.resources.reports
    checks = known_checks(context)
    for day in context.partition_keys:
        model = build_day(DayReader(lake, day).inputs(day_outcomes(context.instance, checks, day)))
        html = render_day(model)
        path = reports.write(f"{FOLDER}/{day}.html", html)
        context.add_asset_metadata(_metadata(model, path, len(html.encode())), partition_key=day)
        context.log.info("page of %s: %s", day, path)
    write_index(reports)
    yield dg.MaterializeResult()


def write_index(reports: Reports) -> None:
    """Write the index of the pages that are published; the same pages give the same index."""
    names = set(reports.names(FOLDER))
    others = {title: name for title, name in OTHER_PAGES.items() if name in names}
    days = [name for name in sorted(names) if fnmatch(name, "????-??-??.html")]
    entries = [_entry(reports, name) for name in days]
    reports.write(f"{FOLDER}/index.html", render_index(entries, others))


def _entry(reports: Reports, name: str) -> DayEntry:
    """Return what the index says of the page of a day, whoever wrote it."""
    head = reports.read(f"{FOLDER}/{name}", 4 * HEAD_CHARACTERS).decode(errors="ignore")
    return read_entry(dt.date.fromisoformat(name.removesuffix(".html")), head)


def _metadata(model: DayModel, address: str, size: int) -> dict[str, Any]:
    bands = ("high", "medium", "low", "NOT_SCORED")
    preview = bars({band: model.in_band(band) for band in bands})
    figures = {
        name.replace("_", " "): value
        for name, value in summary(model).items()
        if name != "day" and value is not None
    }
    return {
        "page": dg.MetadataValue.path(address),
        "size": dg.MetadataValue.int(size),
        "patients by band": dg.MetadataValue.md(preview),
        **figures,
    }
