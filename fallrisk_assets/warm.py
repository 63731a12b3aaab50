"""Compile the signal kernels once, at install time: a cold cache costs the first run a minute.

What belongs here: a tiny day through the real jobs in a temporary folder, so that exactly what runs later is
what gets compiled. What does not: anything that keeps its result.
"""

import datetime as dt
import os
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

from fallrisk_assets.jobs import IDENTITY_DAILY, LAKEHOUSE_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake.resource import DATA_VARIABLE
from simulator.cohort import CohortOptions, simulate_cohort

_DAY = dt.date(2026, 1, 5)
#: Hundreds of lines on a tiny day would be the first thing that a new user sees.
_QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


def main() -> int:
    """Run a quarter of an hour of one patient from drop to page."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fallrisk-warm-") as folder:
        os.environ[DATA_VARIABLE] = folder
        options = CohortOptions(patients=1, days=1, start=_DAY, hours_per_day=(0.3,), faults="none")
        simulate_cohort(Path(folder) / "landing", None, options)
        from fallrisk_assets.definitions import build_defs

        defs = build_defs("local")
        runs = (
            (IDENTITY_DAILY, f"{_DAY}", f"{_DAY}"),
            (TELEMETRY_HOURLY, f"{_DAY}-00:00", f"{_DAY}-23:00"),
            (LAKEHOUSE_DAILY, f"{_DAY}", f"{_DAY}"),
        )
        with dg.DagsterInstance.ephemeral() as instance:
            for job, first, last in runs:
                tags = {
                    "dagster/asset_partition_range_start": first,
                    "dagster/asset_partition_range_end": last,
                }
                defs.resolve_job_def(job).execute_in_process(_QUIET, tags=tags, instance=instance)
    print(f"kernels compiled in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
