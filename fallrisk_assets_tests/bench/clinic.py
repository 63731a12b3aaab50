"""A clinic's year through the assets, drops to marts, in a process of its own.

python -m fallrisk_assets_tests.bench.clinic year|days

`year` is one range run; `days` plays the year up to certain days and runs each of these by itself.
"""

import json
import sys
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fallrisk_assets_tests.bench.processes import cpu_s, measured, peak_mb
from fallrisk_assets_tests.bench.workload import CLINIC_DAYS, CLINIC_START

SINGLE_DAYS = (10, 100, 300)
"""Days of the year that are run by themselves."""
_REPEATED = 9
_KPI = """
SELECT day, kpi, value FROM mart_daily_kpis WHERE day BETWEEN ? AND ? ORDER BY day, kpi
"""


def _key(number: int) -> str:
    """Return the partition of a day of the year, counted from 1."""
    return (date.fromisoformat(CLINIC_START) + timedelta(days=number - 1)).isoformat()


class Clinic:
    """The clinic's part of the graph as two jobs: what was received, and the warehouse up to the marts."""

    def __init__(self, instance: Any) -> None:
        import dagster as dg

        from fallrisk_assets.definitions import defs
        from fallrisk_assets.health import NO_FAILED_PARTITION
        from fallrisk_assets.warehouse.operations.assets import TABLE_ASSETS

        names = ("dim_date", "dim_site", "dim_patient", *TABLE_ASSETS)
        # As the daily job, whose checks of the platform's health are another job's; the clinic's tables only.
        health = [dg.AssetCheckKey(dg.AssetKey(name), NO_FAILED_PARTITION) for name in names]
        chosen = dg.AssetSelection.assets(*names) - dg.AssetSelection.checks(*health)
        marts = dg.define_asset_job("to_marts", selection=chosen, executor_def=dg.in_process_executor)
        bound = dg.Definitions.merge(defs, dg.Definitions(jobs=[marts]))
        self._jobs = [bound.resolve_job_def(name) for name in ("identity_daily", "to_marts")]
        self._instance = instance

    def run(self, first: int, last: int) -> None:
        """Run some days of the year, both included."""
        keys = {"start": _key(first), "end": _key(last)}
        tags = {f"dagster/asset_partition_range_{name}": key for name, key in keys.items()}
        for job in self._jobs:
            one = {"partition_key": _key(first)} if first == last else {"tags": tags}
            assert job.execute_in_process(instance=self._instance, **one).success


def year(clinic: Clinic, result: dict[str, Any]) -> None:
    """Run the year as one range, and ask for indicators."""
    with measured(result, "year"):
        clinic.run(1, CLINIC_DAYS)
    result |= told()


def days(clinic: Clinic, result: dict[str, Any]) -> None:
    """Run the year in ranges, with some days by themselves."""
    done = 0
    for day in SINGLE_DAYS:
        clinic.run(done + 1, day - 1)
        with measured(result, f"day_{day}"):
            clinic.run(day, day)
        done = day


def told() -> dict[str, Any]:
    """Return what the warehouse counts, and how long queries for indicators take (ms)."""
    from fallrisk_assets.warehouse.operations.kpis import KPIS, daily_kpis_sql
    from fallrisk_assets.warehouse.resource import Warehouse

    warehouse = Warehouse()
    warehouse.export()
    asked = {kpi.kpi: daily_kpis_sql((kpi,)) for kpi in KPIS}
    with warehouse.open_export() as connection:

        def least_ms(sql: str, *parameters: str) -> float:
            """Return the least CPU milliseconds of some times, of all threads."""
            spent = []
            for _ in range(_REPEATED):
                begun = time.process_time()
                connection.execute(sql, parameters).fetchall()
                spent.append((time.process_time() - begun) * 1e3)
            return min(spent)

        kpi_ms = {
            "one": {kpi: least_ms(sql) for kpi, sql in asked.items()},
            "all": least_ms(daily_kpis_sql()),
            "mart": least_ms(_KPI, _key(1), _key(CLINIC_DAYS)),
        }
        statuses = connection.execute("SELECT status, COUNT(*) FROM v_appointment GROUP BY status").fetchall()
        (answers,) = connection.execute("SELECT COUNT(*) FROM v_answer").fetchone() or (0,)
    return {"kpi_ms": kpi_ms, "statuses": dict(statuses), "answers": answers}


def main() -> None:
    """Run what the command line says and print what it cost."""
    import dagster as dg

    newest = date.fromisoformat(_key(CLINIC_DAYS))
    if newest > datetime.now(UTC).date():
        raise SystemExit(f"the simulated year ends on {newest}, and days to come are no partitions yet")
    result: dict[str, Any] = {}
    with dg.DagsterInstance.get() as instance:
        clinic = Clinic(instance)
        {"year": year, "days": days}[sys.argv[1]](clinic, result)
    print(json.dumps({**result, "process_cpu_s": cpu_s(), "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
