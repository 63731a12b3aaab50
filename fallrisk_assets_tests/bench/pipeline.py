"""One range run, landing → scores, in a process of its own: through the assets, or the same functions plain.

python -m fallrisk_assets_tests.bench.pipeline assets|job|plain
"""

import json
import sys
from contextlib import ExitStack
from typing import Any

from fallrisk_assets_tests.bench.processes import cpu_s, measured, peak_mb
from fallrisk_assets_tests.bench.workload import DAY, FIRST_HOUR, LAST_HOUR

SCORES = (
    "raw_telemetry",
    "telemetry_quarantine",
    "telemetry",
    "device_hour_coverage",
    "window_features",
    "fall_events",
    "window_scores",
)


def through_dagster(result: dict[str, Any], *, whole_job: bool) -> None:
    """Execute the jobs in this process: identities, then the hourly job (or its assets up to the scores)."""
    import dagster as dg

    from fallrisk_assets.definitions import defs
    from fallrisk_assets.health import NO_FAILED_PARTITION

    # As the hourly job, whose checks of the platform's health are another job's; ended at the scores.
    health = [dg.AssetCheckKey(dg.AssetKey(name), NO_FAILED_PARTITION) for name in SCORES]
    chosen = dg.AssetSelection.assets(*SCORES) - dg.AssetSelection.checks(*health)
    to_scores = dg.define_asset_job("to_scores", selection=chosen, executor_def=dg.in_process_executor)
    bound = dg.Definitions.merge(defs, dg.Definitions(jobs=[to_scores]))
    with dg.DagsterInstance.get() as instance:
        bound.resolve_job_def("identity_daily").execute_in_process(partition_key=DAY, instance=instance)
        job = bound.resolve_job_def("telemetry_hourly" if whole_job else "to_scores")
        tags = {
            "dagster/asset_partition_range_start": FIRST_HOUR,
            "dagster/asset_partition_range_end": LAST_HOUR,
        }
        with measured(result, "run"):
            done = job.execute_in_process(tags=tags, instance=instance)
        assert done.success


def plain(result: dict[str, Any]) -> None:
    """Call what the assets call, commits and checks included, without Dagster."""
    from fallrisk_assets.clinic.contract import DeviceAssignment
    from fallrisk_assets.clinic.identity import resolve_assignments
    from fallrisk_assets.lake import Lake
    from fallrisk_assets.lake.landing import Landing
    from fallrisk_assets.mobility.assets import _HourlyFeatures
    from fallrisk_assets.mobility.contract import WindowFeatures
    from fallrisk_assets.mobility.windows import WindowConfig
    from fallrisk_assets.partitions import hour_range, newest_hour_end
    from fallrisk_assets.risk.assets import _SCORE_INPUTS, _HourlyFalls
    from fallrisk_assets.risk.contract import FallEvents, WindowScores
    from fallrisk_assets.risk.window_scores import score_table
    from fallrisk_assets.telemetry.checks import line_balances
    from fallrisk_assets.telemetry.contract import (
        DeviceHourCoverage,
        Telemetry,
        TelemetryDrops,
        TelemetryQuarantine,
    )
    from fallrisk_assets.telemetry.ingest import Ingest

    lake, landing = Lake(), Landing()
    _read_identities(landing, lake)
    keys = hour_range(FIRST_HOUR, LAST_HOUR)
    with measured(result, "run"):
        with ExitStack() as stack:
            publications = {
                model: stack.enter_context(lake.publication(model, keys, "plain"))
                for model in (TelemetryDrops, TelemetryQuarantine, Telemetry, DeviceHourCoverage)
            }
            days = lake.ledger.keys(DeviceAssignment)
            assignments = resolve_assignments(lake.read(DeviceAssignment, days))
            Ingest(lake, landing, publications, assignments, until=newest_hour_end()).run()
            for publication in publications.values():
                publication.commit()
        line_balances(lake, keys)
        with lake.publication(WindowFeatures, keys, "plain") as publication:
            _HourlyFeatures(lake, publication, WindowConfig()).run()
            publication.commit()
        with lake.publication(FallEvents, keys, "plain") as publication:
            _HourlyFalls(lake, publication).run()
            publication.commit()
        with lake.publication(WindowScores, keys, "plain") as publication:
            for file in lake.files(WindowFeatures, keys):
                scored = score_table(lake.read_file(WindowFeatures, file, columns=_SCORE_INPUTS))
                publication.add(file.key, scored, file.bucket)
            publication.commit()


def _read_identities(landing: Any, lake: Any) -> None:
    """Publish the clinic's day, through its job: it is not what is measured."""
    import dagster as dg

    from fallrisk_assets.definitions import defs

    with dg.DagsterInstance.ephemeral() as instance:
        defs.resolve_job_def("identity_daily").execute_in_process(partition_key=DAY, instance=instance)


def main() -> None:
    """Run what the command line says and print what it cost."""
    result: dict[str, Any] = {}
    if sys.argv[1] == "plain":
        plain(result)
    else:
        through_dagster(result, whole_job=sys.argv[1] == "job")
    print(json.dumps({**result, "process_cpu_s": cpu_s(), "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
