"""A clinic of some weeks in a warehouse, with what real ones have: gaps, changes, nulls, awkward names."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from fallrisk_assets.clinic.no_show.model import SIMULATED
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse import operations
from fallrisk_assets.warehouse.operations import kpis
from fallrisk_assets.warehouse.operations.contract import MartDailyKpis, MartRevenue
from fallrisk_assets.warehouse.planning.contract import MartDayAhead
from fallrisk_assets.warehouse.planning.day_ahead import day_ahead
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import known, load, provider, state

FIRST = date(2026, 1, 5)
DAYS = 100
AWKWARD = "Women's <b>health</b>"
"""A specialty that is no name of the vocabulary: it breaks SQL and HTML that do not quote."""
_STATUSES = ("Completed",) * 14 + ("No-show", "Cancelled", "Cancelled", "Rescheduled", "In progress")
_SESSIONS = (
    ("Laptop", "Firefox"),
    ("Laptop", "Chrome"),
    ("Tablet", "Safari"),
    ("Mobile Phone", "Chrome"),
    (None, None),
)
_REVENUE = (Path(operations.__file__).parent / "marts" / "revenue.sql").read_text()
_CONNECTIONS = ("Excellent", "Good", "Fair", "Poor", "Very Poor", None)


def a_clinic(folder: Path, days: int = DAYS, a_day: int = 9) -> Warehouse:
    """Return a warehouse with about `days × a_day` appointments of four providers, and its snapshot."""
    rng = random.Random(11)
    warehouse = known(
        Warehouse(folder=str(folder)),
        provider(),
        provider("PROV0002", specialty=AWKWARD, available_hours_per_week=7.5),
        provider("PROV0003", specialty="Neurology"),
        provider("PROV0003", day=20, specialty="Psychiatry", available_hours_per_week=4.0),
        provider("PROV0004", specialty="Neurology", available_hours_per_week=None, hourly_rate=None),
    )
    rows = []
    for number in range(days * a_day):
        day = FIRST + timedelta(days=rng.randrange(days))
        if day.weekday() == 6:
            continue
        rows.append(_visit(rng, number, day, rng.choice(_STATUSES)))
    last = FIRST + timedelta(days=days - 1)
    rows += [_visit(rng, 10_000 + n, last, "Completed") for n in range(3)]
    rows += [
        _visit(rng, 20_000 + n, last + timedelta(days=n + 1), "Scheduled", known_on=last) for n in range(9)
    ]
    load(warehouse, *rows)
    revenue = warehouse.query(_REVENUE).cast(arrow_schema(MartRevenue))
    warehouse.replace_slice(MartRevenue, WHOLE_TABLE, revenue)
    mart = warehouse.query(kpis.daily_kpis_sql()).cast(arrow_schema(MartDailyKpis))
    warehouse.replace_slice(MartDailyKpis, WHOLE_TABLE, mart)
    for number in range(days):
        ahead = FIRST + timedelta(days=number)
        warehouse.replace_slice(MartDayAhead, str(ahead), _ahead(random.Random(number), ahead))
    warehouse.export_snapshot()
    return warehouse


def _ahead(rng: random.Random, day: date) -> pa.Table:
    """Return what lies ahead of a day: some not judged, a provider of unknown hours, one who left."""
    rows = [
        {
            "appointment_id": f"AHEAD-SECRET-{number}",
            "provider_id": f"PROV000{rng.choice((1, 1, 2, 3, 4, 9))}",
            "scheduled_date": day + timedelta(days=rng.choice((1, 1, 2, 7, 8))),
            "probability": rng.choice((None, round(rng.random(), 5), 0.0625, 0.125)),
            "model_version": "no_show-7",
            "model_basis": SIMULATED,
        }
        for number in range(24)
    ]
    minutes = {row["appointment_id"]: rng.choice((15.0, 22.5, 30.0)) for row in rows if rng.random() < 0.9}
    offered = {"PROV0001": 10.0, "PROV0002": 7.5, "PROV0003": 4.0, "PROV0004": None}
    specialties = ("Cardiology", AWKWARD, "Neurology", "Neurology")
    providers = [
        {"provider_id": name, "specialty": specialty, "available_hours_per_week": hours}
        for (name, hours), specialty in zip(offered.items(), specialties, strict=True)
    ]
    return day_ahead(day, rows, minutes, providers)


def _visit(rng: random.Random, number: int, day: date, status: str, known_on: date | None = None) -> dict:
    start = datetime(day.year, day.month, day.day, 8 + number % 9, tzinfo=UTC)
    held = status == "Completed"
    device, browser = rng.choice(_SESSIONS) if held else (None, None)
    lead = rng.choice((None, 0, 0, 1, 3, 7, 9, 14, 20, 25, 40))
    visit = state(
        f"APT-SECRET-{number:05d}",
        status,
        **{
            "provider_id": f"PROV000{rng.choice((1, 1, 2, 3, 3, 4))}",
            "patient_id": f"PAT00000{1 + number % 3}",
            "scheduled_start_at": start,
            "scheduled_date": day,
            "as_of": datetime(*(known_on or day).timetuple()[:3], 20, tzinfo=UTC),
            "lead_time_days": lead,
            "wait_minutes": rng.choice((None, round(rng.uniform(0, 40), 4))) if held else None,
            "planned_minutes": 30.0 if number % 5 else None,
            "duration_minutes": rng.choice((None, 20.0, round(rng.uniform(3, 60), 4))) if held else None,
            "had_technical_issue": rng.choice((None, False, False, True)) if held else None,
            "connection_quality": rng.choice(_CONNECTIONS) if held else None,
            "device_type": device,
            "browser": browser,
        },
    )
    return {**visit, "day": known_on or day}
