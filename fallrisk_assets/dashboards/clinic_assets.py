"""The clinic's pages as daily assets.

Here: what is read, where a page goes and what the UI shows of it. Not here: what a page shows
(`operations.py`), how it is put together (`clinic_pages.py`).

A page tells of all days as they are known now: whichever day it is made for, its content is the same. It is
read from the snapshot, so that no writer waits.
"""

from collections.abc import Iterator

import dagster as dg

from fallrisk_assets.dashboards.assets import FOLDER, write_index
from fallrisk_assets.dashboards.clinic_pages import OPERATIONS_FILE, render_operations
from fallrisk_assets.dashboards.operations import latest_day, read_operations
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.partitions import daily
from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot


@dg.asset(
    name="operations_page",
    partitions_def=daily,
    deps=["warehouse_snapshot"],
    group_name="dashboards",
    kinds={"python", "plotly", "html"},
    owners=["team:data-engineering"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"warehouse", "reports"},
)
def operations_page(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """One HTML page of the clinic's operations that opens without a network, for who runs the clinic.

    Volume, lead time, wait, duration, utilisation, technical issues and connection, this week against last,
    filtered in the browser by day, specialty, provider and device. Sums only: no patient, no appointment.
    """
    warehouse: Warehouse = context.resources.warehouse
    reports: Reports = context.resources.reports
    with open_snapshot(warehouse.snapshot_path) as connection:
        content = read_operations(connection)
    html = render_operations(content)
    path = reports.write(f"{FOLDER}/{OPERATIONS_FILE}", html)
    write_index(reports)
    last = latest_day(content)
    for key in context.partition_keys:
        context.add_asset_metadata(
            {
                "page": dg.MetadataValue.path(str(path)),
                "size": dg.MetadataValue.int(len(html.encode())),
                "tells of": dg.MetadataValue.text("no day" if last is None else f"days to {last}"),
            },
            partition_key=key,
        )
    yield dg.MaterializeResult()
