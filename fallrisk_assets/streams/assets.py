"""The device register as a daily asset.

Here: the Dagster skin, and what is read. Not here: what follows from it (`register.py`).
"""

from collections import Counter
from datetime import date, datetime, timedelta

import dagster as dg

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.identity import resolve_assignments
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.landing import RECEIVED_AT_FORMAT, Landing
from fallrisk_assets.partitions import daily, hours_of_day, window_of
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.streams.contract import Devices
from fallrisk_assets.streams.gateway import EVENTS_FOLDER
from fallrisk_assets.streams.register import devices_table, read_gateway_events
from fallrisk_assets.streams.registry import entries
from fallrisk_assets.streams.registry_files import REGISTRY_FOLDER, read_registry
from fallrisk_assets.telemetry.contract import DeviceHourCoverage

#: How long what a device said of itself counts.
LOOK_BACK = timedelta(days=30)


@contract_asset(
    Devices,
    partitions_def=daily,
    group_name="streams",
    kinds=("python", "iceberg", "json"),
    deps=[
        "device_hour_coverage",
        dg.AssetDep("device_assignment", partition_mapping=dg.AllPartitionMapping()),
    ],
    resource_keys=("landing",),
)
def devices(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """The register at the end of the day: who may publish, who wears what, what was heard and refused."""
    landing: Landing = context.resources.landing
    told, problems = read_registry(landing, [file.key for file in landing.list(REGISTRY_FOLDER)])
    for problem in problems:
        context.log.warning("%s: left out; put a mended line in a new file", problem)
    event_files = [file.key for file in landing.list(EVENTS_FOLDER)]
    assignments = resolve_assignments(lake.read(DeviceAssignment, lake.ledger.keys(DeviceAssignment)))
    for key in publication.keys:
        start, end = window_of(key)
        # A file is named by the last event of its minute.
        first, last = _named(start - LOOK_BACK), _named(end + timedelta(minutes=1))
        files = [(name, landing.read(name)) for name in event_files if first <= name < last]
        heard, unread = read_gateway_events(files, start, end)
        for problem in unread:
            context.log.warning("%s: left out", problem)
        coverage = lake.read(
            DeviceHourCoverage, hours_of_day(key), columns=["device_id", "firmware", "last_ts"]
        )
        known = entries(event for event in told if event.at < end)
        rows = devices_table(date.fromisoformat(key), known, assignments, coverage, heard)
        publication.add(key, rows)
        revoked = sum(entry.revoked_at is not None for entry in known.values())
        show(publication, key, registered=len(known), revoked=revoked, **{"lines left out": len(unread)})
        reasons: Counter[str] = Counter()
        for one in heard.values():
            reasons.update(one.refused)
        show(publication, key, refused=sum(reasons.values()))
        show_bars(publication, key, dict(reasons), name="refused by reason")


def _named(at: datetime) -> str:
    return f"{EVENTS_FOLDER}/{at:{RECEIVED_AT_FORMAT}}"
