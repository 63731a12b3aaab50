"""The clinic's section of the report: a year of drops to marts, against pandas row by row into SQLite.

Here: what is run and how it compares. Not here: the runs themselves (`clinic.py`, `peers/clinic.py`).
"""

from typing import Any

from fallrisk_assets_tests.bench import environment
from fallrisk_assets_tests.bench.processes import run_json
from fallrisk_assets_tests.bench.rows import Row, skipped, times
from fallrisk_assets_tests.bench.workload import WORK, clinic_landing, fresh_data_folder

_KPI_MS = 50
_GROWTH = 2.0


def clinic_rows() -> list[Row]:
    """Measure a year, its indicators, and single days of it.

    Raises:
        RuntimeError: a run failed, or the two ways do not count the same appointments.
    """
    year = _ours("year")
    told = f"a clinic's year in one run, drops → marts: {sum(year['statuses'].values()):,} appointments, "
    told += f"{year['answers']:,} answers"
    if why := environment.missing("pandas"):
        compared = skipped(told, why)
    else:
        compared = _against(told, year)
    slowest, slowest_ms = max(year["kpi_ms"]["one"].items(), key=lambda one: one[1])
    days = _ours("days")
    costs = {
        int(name.split("_")[1]): cost
        for name, cost in days.items()
        if name.startswith("day_") and name.endswith("_cpu_s")
    }
    growth = costs[max(costs)] / costs[min(costs)]
    return [
        compared,
        Row("… peak memory", f"{year['peak_mb']:,.0f} MB", "", "", "", None),
        Row(
            f"slowest of {len(year['kpi_ms']['one'])} indicators, a year, from the facts ({slowest})",
            f"{slowest_ms:.0f} ms of CPU",
            "",
            "",
            f"≤ {_KPI_MS} ms",
            slowest_ms <= _KPI_MS,
        ),
        Row(
            "… a year of all of them from `mart_daily_kpis`",
            f"{year['kpi_ms']['mart']:.1f} ms of CPU",
            "",
            "",
            f"≤ {_KPI_MS} ms",
            year["kpi_ms"]["mart"] <= _KPI_MS,
        ),
        Row(
            "CPU s of one day's increment as the year grows",
            " · ".join(f"day {day}: {cost:.2f} s" for day, cost in costs.items()),
            "",
            f"{growth:.2f} × for {max(costs) / min(costs):.0f} × the days",
            f"≤ {_GROWTH:g} ×",
            growth <= _GROWTH,
        ),
    ]


def _against(what: str, year: dict[str, Any]) -> Row:
    database = WORK / "runs" / "clinic-sqlite.db"
    theirs = run_json(
        [environment.peer_script("clinic"), str(clinic_landing()), str(database)], python=environment.PYTHON
    )
    print(f"  pandas, row by row into SQLite: {theirs}", flush=True)
    for counted in ("statuses", "answers"):
        if theirs[counted] != year[counted]:
            raise RuntimeError(f"{counted} differ: {year[counted]} here, {theirs[counted]} in SQLite")
    compared = times(theirs["cpu_s"], year["year_cpu_s"], 10)
    return Row(what, f"{year['year_cpu_s']:.0f} s", f"{theirs['cpu_s']:.0f} s", *compared)


def _ours(what: str) -> dict[str, Any]:
    data = fresh_data_folder(f"clinic-{what}", clinic_landing())
    home = {"FALLRISK_DATA": str(data), "DAGSTER_HOME": str(data / "dagster_home")}
    result = run_json(["-m", "fallrisk_assets_tests.bench.clinic", what], extra=home)
    print(f"  {what}: {result}", flush=True)
    return result
