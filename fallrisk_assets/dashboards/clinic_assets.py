"""The clinic's pages as daily assets.

Here: what is read, where a page goes and what the UI shows of it. Not here: what a page shows
(`operations.py`, `worklist.py`, `comments.py`), how it is put together (`clinic_pages.py`).

A page tells of all days as they are known now: whichever day it is made for, its content is the same. It is
read from the last export, so that no writer waits.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from fallrisk_assets.dashboards.assets import FOLDER, write_index
from fallrisk_assets.dashboards.clinic_pages import (
    CLINICAL_FILE,
    COMMENTS_FILE,
    DATA_QUALITY_FILE,
    FINANCIAL_FILE,
    MONITORING_FILE,
    OPERATIONS_FILE,
    WORKLIST_FILE,
    render_clinical,
    render_data_quality,
    render_financial,
    render_monitoring,
    render_operations,
    render_worklist,
)
from fallrisk_assets.dashboards.clinical import read_clinical
from fallrisk_assets.dashboards.comments import read_comments, render_comments
from fallrisk_assets.dashboards.data_quality import read_data_quality
from fallrisk_assets.dashboards.financial import read_financial
from fallrisk_assets.dashboards.monitoring import firing, read_monitoring
from fallrisk_assets.dashboards.operations import latest_day, read_operations
from fallrisk_assets.dashboards.worklist import read_worklist, to_call
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.partitions import daily
from fallrisk_assets.warehouse.store import AnyWarehouse

_page = dg.asset(
    partitions_def=daily,
    deps=["warehouse_snapshot"],
    group_name="dashboards",
    kinds={"python", "plotly", "html"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"warehouse", "reports"},
)


@_page
def operations_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page of the clinic's operations that opens without a network, for who runs the clinic.

    Volume, lead time, wait, duration, utilisation, technical issues and connection, this week against last,
    filtered in the browser by day, specialty, provider and device. Sums only: no patient, no appointment.
    """
    content = _read(context, read_operations)
    last = latest_day(content)
    tells = {"tells of": dg.MetadataValue.text("no day" if last is None else f"days to {last}")}
    _publish(context, OPERATIONS_FILE, render_operations(content), tells)
    yield dg.MaterializeResult()


@_page
def worklist_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page for who cares for the patients, to work from and to hand over on paper.

    Whom to call and why, which alerts are open, how long answers take; filtered in the browser by day, site
    and severity. The clinic's ids, no names.
    """
    content = _read(context, read_worklist)
    tells = {"to call": dg.MetadataValue.int(to_call(content))}
    _publish(context, WORKLIST_FILE, render_worklist(content), tells)
    yield dg.MaterializeResult()


@_page
def clinical_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page for who answers for the care of many: risk and who moves, falls, alerts, whom to call.

    Filtered in the browser by day, site, age group, severity and patient, whose days it leads to. The
    wearables' pseudonyms, no name and no id of the clinic.
    """
    content = _read(context, read_clinical)
    last = latest_day(content)
    tells = {"tells of": dg.MetadataValue.text("no day" if last is None else f"days to {last}")}
    _publish(context, CLINICAL_FILE, render_clinical(content), tells)
    yield dg.MaterializeResult()


@_page
def financial_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page of estimated revenue for who answers for the clinic's money: delivered, lost to no-shows.

    Filtered in the browser by day, specialty and provider. Sums only: no patient, no appointment.
    """
    content = _read(context, read_financial)
    last = latest_day(content)
    tells = {"tells of": dg.MetadataValue.text("no day" if last is None else f"days to {last}")}
    _publish(context, FINANCIAL_FILE, render_financial(content), tells)
    yield dg.MaterializeResult()


@dg.asset(
    partitions_def=daily,
    deps=["feedback_sentiment", "feedback_topics"],
    group_name="dashboards",
    kinds={"python", "html"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"lake", "reports"},
)
def comments_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page of what patients wrote about and in which tone, by month, and what judged them.

    A model that was trained on simulated text only is labelled so. Sums only: no comment, no patient.
    """
    content = read_comments(context.resources.lake)
    unproven = sorted(judge.version for judge in content.judges if judge.is_unproven)
    tells = {"not evaluated on real text": dg.MetadataValue.text(", ".join(unproven) or "none")}
    _publish(context, COMMENTS_FILE, render_comments(content), tells)
    yield dg.MaterializeResult()


@_page
def data_quality_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page for who answers for the data: checks, quarantine, freshness, completeness.

    Filtered in the browser by day and table. No payload, no person.
    """
    content = _read(context, read_data_quality)
    last = latest_day(content)
    tells = {"tells of": dg.MetadataValue.text("no day" if last is None else f"days to {last}")}
    _publish(context, DATA_QUALITY_FILE, render_data_quality(content), tells)
    yield dg.MaterializeResult()


@_page
def monitoring_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page for who keeps the house running: what the rules say, how runs went, rows by table.

    Filtered in the browser by day, job and rule. No patient, no appointment, no error's text.
    """
    content = _read(context, read_monitoring)
    tells = {"rules that fire": dg.MetadataValue.int(firing(content))}
    _publish(context, MONITORING_FILE, render_monitoring(content), tells)
    yield dg.MaterializeResult()


def _read(
    context: dg.AssetExecutionContext, reader: Callable[[duckdb.DuckDBPyConnection], dict[str, Any] | None]
) -> dict[str, Any] | None:
    warehouse: AnyWarehouse = context.resources.warehouse
    with warehouse.open_export() as connection:
        return reader(connection)


def _publish(context: dg.AssetExecutionContext, name: str, html: str, tells: Mapping[str, Any]) -> None:
    reports: Reports = context.resources.reports
    path = reports.write(f"{FOLDER}/{name}", html)
    write_index(reports)
    metadata = {
        "page": dg.MetadataValue.path(str(path)),
        "size": dg.MetadataValue.int(len(html.encode())),
        **tells,
    }
    for key in context.partition_keys:
        context.add_asset_metadata(metadata, partition_key=key)
