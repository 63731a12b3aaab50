"""The telemetry domain as hourly assets: one step publishes index, quarantine, samples and coverage.

Here: the Dagster skin. Not here: what happens to a drop (`ingest.py`).
"""

import datetime as dt
import json

import dagster as dg

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.identity import resolve_assignments
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.partitions import hourly, newest_hour_end
from fallrisk_assets.publishing import contract_assets, show, show_bars
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)
from fallrisk_assets.telemetry.ingest import FORCE_TAG, REREAD_TAG, Ingest

#: Samples arrive all the time: two hours without a new one is worth a look, six is a failure.
FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=dt.timedelta(hours=6), warn_window=dt.timedelta(hours=2)
)


@contract_assets(
    TelemetryDrops,
    TelemetryQuarantine,
    Telemetry,
    DeviceHourCoverage,
    name="ingest_telemetry",
    keys={TelemetryDrops: "raw_telemetry"},
    partitions_def=hourly,
    group_name="telemetry",
    resource_keys=("landing",),
    independent=(TelemetryDrops,),  # what was received is on record whatever becomes of it
    deps=[dg.AssetDep("device_assignment", partition_mapping=dg.AllPartitionMapping())],
    freshness=FRESHNESS,
)
def ingest_telemetry(
    context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
) -> None:
    """Drops are registered, read once and judged line by line.

    Only the device buckets whose drops, assignments or completeness changed are published anew.
    """
    days = lake.ledger.keys(DeviceAssignment)
    tags = context.run.tags
    ingest = Ingest(
        lake,
        context.resources.landing,
        publications,
        resolve_assignments(lake.read(DeviceAssignment, days)),
        until=newest_hour_end(),
        reread=json.loads(tags.get(REREAD_TAG, "[]")),
        force=tags.get(FORCE_TAG) == "true",
    )
    ingest.run()
    context.log.info("%s drops registered for %s hours", ingest.registered, len(ingest.keys))
    for key, counts in ingest.counts.items():
        refused = {f"quarantined {reason}": n for reason, n in sorted(counts.quarantined.items())}
        for publication in publications.values():
            show(publication, key, **{"devices worked on": counts.devices})
        show(publications[TelemetryQuarantine], key, **refused)
        by_size = dict(sorted(counts.samples.items(), key=lambda item: -item[1]))
        show_bars(publications[Telemetry], key, {d: n for d, n in by_size.items() if n}, name="samples")
        show_bars(publications[TelemetryQuarantine], key, counts.quarantined, name="lines by reason")
        show_bars(publications[DeviceHourCoverage], key, counts.verdicts, name="device-hours by verdict")
        lines = {"clean": counts.clean, "duplicates": counts.duplicates, "quarantined": counts.refused}
        show_bars(publications[TelemetryDrops], key, lines if counts.received else {}, name="lines")
        show(
            publications[Telemetry],
            key,
            **{"lines received": counts.received, "duplicates": counts.duplicates, **refused},
        )
