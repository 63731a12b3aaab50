"""The pages of a year: how large, how long to make, how long until somebody can read them.

python -m fallrisk_assets_tests.bench.pages

A year of a clinic of 50 providers with 100,000 appointments, 200 wearers with 8 alerts a day, and the house's
own rows of as many days, drawn by a seed; every page as it would be published, opened in headless Chromium.
"""

import json
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.no_show.model import SIMULATED
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.dashboards import clinic_pages
from fallrisk_assets.dashboards.clinical import read_clinical
from fallrisk_assets.dashboards.data_quality import read_data_quality
from fallrisk_assets.dashboards.financial import read_financial
from fallrisk_assets.dashboards.monitoring import read_monitoring
from fallrisk_assets.dashboards.operations import read_operations
from fallrisk_assets.dashboards.worklist import read_worklist
from fallrisk_assets.warehouse import operations
from fallrisk_assets.warehouse.contract import FactAlert, FactRiskScore
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_alert, fact_risk_score
from fallrisk_assets.warehouse.monitoring.assets import rows_by_day, sums_by_day
from fallrisk_assets.warehouse.monitoring.contract import DimMonitoringRule, RuleStates
from fallrisk_assets.warehouse.monitoring.states import dim_monitoring_rule, rule_states
from fallrisk_assets.warehouse.observability.contract import MartDataQuality, MartPipelineRuns
from fallrisk_assets.warehouse.observability.data_quality import (
    CheckOutcome,
    Published,
    Samples,
    data_quality,
)
from fallrisk_assets.warehouse.operations import kpis
from fallrisk_assets.warehouse.operations.contract import MartDailyKpis, MartOutreach, MartRevenue
from fallrisk_assets.warehouse.planning.contract import MartDayAhead
from fallrisk_assets.warehouse.planning.day_ahead import day_ahead
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse
from fallrisk_assets_tests.bench.processes import cpu_s
from fallrisk_assets_tests.bench.workload import WORK
from fallrisk_assets_tests.dashboards.browser import chromium, open_page
from fallrisk_assets_tests.dashboards.synthetic_runs import runs_of
from fallrisk_assets_tests.warehouse.operations.rows import known, load, provider, state
from fallrisk_assets_tests.warehouse.rows import (
    alert,
    alerts,
    index,
    index_alerts,
    indices,
    operations_alerts,
    patient,
    patients,
)

DAYS, PROVIDERS, APPOINTMENTS, WEARERS, ALERTS_A_DAY = 365, 50, 100_000, 200, 8
CHECKS, TABLES, REASONS, DEVICES = 100, 60, 20, WEARERS
_FIRST = date(2025, 1, 6)
_OPENED = 5
_MARTS = Path(operations.__file__).parent / "marts"
_SPECIALTIES = (
    *("Family Medicine", "Internal Medicine", "Pediatrics", "Cardiology", "Dermatology", "Neurology"),
    *("Psychiatry", "Orthopedics", "Obstetrics/Gynecology", "Ophthalmology", "Oncology", "Urology"),
)
_STATUSES = ("Completed",) * 15 + ("No-show", "Cancelled", "Cancelled", "Rescheduled")
_SESSIONS = [(d, b) for d in ("Laptop", "Tablet", "Mobile Phone") for b in ("Chrome", "Firefox", "Safari")]
_VERDICTS = ("CLOSED_CONFIRMED", "CLOSED_FALSE", "CLOSED_FALSE", "RESOLVED")
_SEVERITIES = {"FALL_DETECTED": "critical", "DEVICE_SILENT": "medium", "INDEX_LEVEL": "high"}

PAGES: dict[str, tuple[Callable[..., Any], Callable[..., str]]] = {
    "operations": (read_operations, clinic_pages.render_operations),
    "financial": (read_financial, clinic_pages.render_financial),
    "clinical": (read_clinical, clinic_pages.render_clinical),
    "monitoring": (read_monitoring, clinic_pages.render_monitoring),
    "worklist": (read_worklist, clinic_pages.render_worklist),
    "data quality": (read_data_quality, clinic_pages.render_data_quality),
}


def a_year(folder: Path) -> Warehouse:
    """Fill a warehouse with the year and export it."""
    rng = random.Random(7)
    days = [_FIRST + timedelta(days=number) for number in range(DAYS)]
    people = [
        patient(f"PAT{n:06d}", f"pt-{n}", site_id=f"SITE{1 + n % 5:02d}", registration_date=date(2024, 1, 1))
        | {"snapshot_date": _FIRST}
        for n in range(WEARERS)
    ]
    staff = [
        provider(f"PROV{n:04d}", specialty=_SPECIALTIES[n % len(_SPECIALTIES)], available_hours_per_week=30.0)
        | {"received_date": _FIRST}
        for n in range(PROVIDERS)
    ]
    warehouse = known(Warehouse(folder=str(folder)), *staff, of_patients=people)
    load(warehouse, *(_visit(rng, number, rng.choice(days)) for number in range(APPOINTMENTS)))
    revenue = warehouse.query((_MARTS / "revenue.sql").read_text()).cast(arrow_schema(MartRevenue))
    warehouse.replace_slice(MartRevenue, WHOLE_TABLE, revenue)
    daily = warehouse.query(kpis.daily_kpis_sql()).cast(arrow_schema(MartDailyKpis))
    warehouse.replace_slice(MartDailyKpis, WHOLE_TABLE, daily)
    ahead = {str(day): _ahead(rng, day, staff) for day in days}
    warehouse.replace_slices(MartDayAhead, ahead)
    _alerts_and_scores(warehouse, rng, days, Wearers(patient_versions(patients(*people), days[-1])))
    warehouse.replace_slices(MartDataQuality, {str(day): _quality(rng, day) for day in days})
    _runs_and_rules(warehouse, rng, days)
    warehouse.export_snapshot()
    return warehouse


def _visit(rng: random.Random, number: int, day: date) -> dict[str, Any]:
    status = rng.choice(_STATUSES)
    held = status == "Completed"
    device, browser = rng.choice(_SESSIONS) if held else (None, None)
    start = datetime(day.year, day.month, day.day, 8 + number % 9, tzinfo=UTC)
    return state(
        f"APT{number:07d}",
        status,
        day=5,
        patient_id=f"PAT{number % WEARERS:06d}",
        provider_id=f"PROV{rng.randrange(PROVIDERS):04d}",
        scheduled_start_at=start,
        scheduled_date=day,
        booked_at=start - timedelta(days=rng.randrange(40)),
        lead_time_days=rng.randrange(40),
        session_started_at=start if held else None,
        wait_minutes=rng.uniform(0, 40) if held else None,
        duration_minutes=rng.uniform(3, 60) if held else None,
        had_technical_issue=rng.random() < 0.1 if held else None,
        connection_quality=rng.choice(("Excellent", "Good", "Fair", "Poor")) if held else None,
        device_type=device,
        browser=browser,
        as_of=datetime(day.year, day.month, day.day, 23, tzinfo=UTC),
    ) | {"day": day}


def _ahead(rng: random.Random, day: date, staff: list[dict[str, Any]]) -> Any:
    rows = [
        {
            "appointment_id": f"A{number}",
            "provider_id": rng.choice(staff)["provider_id"],
            "scheduled_date": day + timedelta(days=1 + number % 7),
            "probability": round(rng.random() / 4, 5),
            "model_version": "no_show-1",
            "model_basis": SIMULATED,
        }
        for number in range(APPOINTMENTS // DAYS)
    ]
    return day_ahead(day, rows, {row["appointment_id"]: 30.0 for row in rows}, staff)


def _alerts_and_scores(warehouse: Warehouse, rng: random.Random, days: list[date], wearers: Wearers) -> None:
    told: dict[str, Any] = {}
    scored: dict[str, Any] = {}
    usual = [rng.betavariate(2, 4) for _ in range(WEARERS)]
    for day in days:
        rows = []
        for number in range(ALERTS_A_DAY):
            opened = datetime(day.year, day.month, day.day, 3 * number % 24, tzinfo=UTC)
            rule = rng.choice(list(_SEVERITIES))
            rows.append(
                alert(
                    f"{day}-{number}",
                    f"pt-{rng.randrange(WEARERS)}",
                    rule=rule,
                    severity=_SEVERITIES[rule],
                    state=rng.choice(_VERDICTS) if rule == "FALL_DETECTED" else "RESOLVED",
                    opened_at=opened,
                    last_seen_at=opened,
                    acknowledged_at=opened + timedelta(minutes=rng.randrange(1, 90)),
                    closed_at=opened + timedelta(hours=3) if rng.random() < 0.97 else None,
                )
            )
        told[str(day)] = fact_alert(alerts(*rows), index_alerts(), operations_alerts(), day, wearers)
        scores = [index(f"pt-{n}", day, *_score(rng, usual[n])) for n in range(WEARERS)]
        scored[str(day)] = fact_risk_score(indices(*scores), day, wearers)
    warehouse.replace_slices(FactAlert, told)
    warehouse.replace_slices(FactRiskScore, scored)
    lists = warehouse.query_each((_MARTS / "outreach.sql").read_text(), [[day] for day in days])
    outreach = {str(day): of.cast(arrow_schema(MartOutreach)) for day, of in zip(days, lists, strict=True)}
    warehouse.replace_slices(MartOutreach, outreach)


def _runs_and_rules(warehouse: Warehouse, rng: random.Random, days: list[date]) -> None:
    runs = [run for day in days for run in runs_of(rng, day, hourly=24)]
    whole = {
        DimMonitoringRule: dim_monitoring_rule(),
        RuleStates: rule_states(days, sums_by_day(warehouse), rows_by_day(warehouse)),
        MartPipelineRuns: pa.Table.from_pylist(runs, schema=arrow_schema(MartPipelineRuns)),
    }
    for model, rows in whole.items():
        warehouse.replace_slice(model, WHOLE_TABLE, rows)


def _score(rng: random.Random, usual: float) -> tuple[float | None, str]:
    """Return a day's probability about what is usual for a person, and its band; some days have none."""
    if rng.random() < 0.04:
        return None, "NOT_SCORED"
    chance = min(max(usual + rng.gauss(0, 0.015), 0.01), 0.99)
    return chance, "high" if chance >= 0.5 else "medium" if chance >= 0.3 else "low"


def _quality(rng: random.Random, day: date) -> Any:
    outcomes = [
        CheckOutcome(f"table_{n % TABLES}", f"check_{n}", rng.random() < 0.98, "ERROR", "All rows are well")
        for n in range(CHECKS)
    ]
    refused = [
        pa.table({"reason": [f"REASON_{n}"], "rows": [rng.randrange(1, 900)], "detail": ["was wrong"]})
        for n in range(REASONS)
        if rng.random() < 0.5
    ]
    published = [Published(f"clean.table_{n}", 1000, rng.choice((24, 24, 23)), 24) for n in range(TABLES)]
    samples = [Samples(f"imu-{n}", rng.randrange(900, 1001), 1000) for n in range(DEVICES)]
    return data_quality(
        day, outcomes, [("raw.telemetry_quarantine", pa.concat_tables(refused))], published, samples
    )


def measured_page(name: str, warehouse: Warehouse, browser: Any, folder: Path) -> dict[str, float]:
    """Make a page and open it some times; the median until its figures are drawn, in a new context each."""
    read, render = PAGES[name]
    begun = cpu_s()
    with warehouse.open_export() as connection:
        content = read(connection)
    html = render(content)
    made_s = cpu_s() - begun
    path = folder / f"{name.replace(' ', '_')}.html"
    path.write_text(html)
    waits = []
    for _ in range(_OPENED):
        start = time.perf_counter()
        opened = open_page(browser, path)
        waits.append(time.perf_counter() - start)
        assert opened.complaints == [], opened.complaints
        opened.page.context.close()
    return {"bytes": len(html.encode()), "made_cpu_s": made_s, "opened_s": statistics.median(waits)}


def main() -> int:
    """Measure every page; the last line is JSON."""
    folder = WORK / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    warehouse = a_year(folder)
    with chromium() as browser:
        found = {name: measured_page(name, warehouse, browser, folder) for name in PAGES}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
