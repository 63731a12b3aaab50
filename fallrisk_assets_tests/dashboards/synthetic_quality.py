"""Weeks of data quality in a warehouse, with what real ones have: failures, silence, awkward sentences."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from fallrisk_assets.warehouse.observability.contract import KpiVersions, MartDataQuality
from fallrisk_assets.warehouse.observability.data_quality import (
    CheckOutcome,
    Published,
    Samples,
    data_quality,
)
from fallrisk_assets.warehouse.observability.kpi_versions import kpi_versions
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import known, provider

FIRST = date(2026, 1, 5)
AWKWARD = "ts is 'late' <b>& more</b>, \"twice\""
"""A sentence that breaks SQL, HTML and CSV that do not quote."""
_CHECKS = (
    ("telemetry", "keeps_its_contract"),
    ("telemetry", "samples_are_plausible"),
    ("alerts", "keeps_its_contract"),
    ("fact_appointment", "every_appointment_finds_its_dimensions"),
)
_TABLES = ("clean.telemetry", "raw.telemetry_quarantine", "clean.patients", "clean.never_published")
_REFUSED = (
    ("raw.telemetry_quarantine", "LINE_NOT_JSON", "cut off"),
    ("raw.telemetry_quarantine", "TIME_IMPLAUSIBLE", AWKWARD),
    ("clean.operations_quarantine", "VALUE_OUT_OF_RANGE", "rating 9"),
)


def quality_of(folder: Path, days: int = 80) -> Warehouse:
    """Return a warehouse with the quality of some days in a row, and its snapshot."""
    rng = random.Random(5)
    warehouse = known(Warehouse(folder=str(folder)), provider())
    for number in range(days):
        day = FIRST + timedelta(days=number)
        warehouse.replace_slice(MartDataQuality, str(day), _day(rng, day))
    warehouse.replace_slice(KpiVersions, WHOLE_TABLE, _restated())
    warehouse.export_snapshot()
    return warehouse


def _restated() -> pa.Table:
    """Return a figure that was restated twice, the second time to nothing, and one that was not."""
    told: pa.Table = kpi_versions([], [], datetime(2026, 1, 6, tzinfo=UTC), "run-1")
    for number, values in enumerate(((0.25, 0.5), (0.125, 0.5), (None, 0.5))):
        mart = [
            {
                "day": FIRST,
                "kpi": kpi,
                "numerator": value,
                "denominator": 1.0,
                "value": value,
                "is_final": True,
            }
            for kpi, value in zip(("no_show_rate", "completion_rate"), values, strict=True)
        ]
        at = datetime(2026, 1, 6 + number, 2, tzinfo=UTC)
        told = kpi_versions(told.to_pylist(), mart, at, f"run-{number}")
    return told


def _day(rng: random.Random, day: date) -> pa.Table:
    outcomes = [
        CheckOutcome(table, check, rng.choice((True,) * 7 + (False, None)), "ERROR", AWKWARD)
        for table, check in _CHECKS
    ]
    refused = [
        (table, pa.table({"reason": [reason], "rows": [rng.randrange(1, 900)], "detail": [detail]}))
        for table, reason, detail in _REFUSED
        if rng.random() < 0.4
    ]
    published = [
        Published(table, 1000 * done, done, 24)
        for table in _TABLES
        if (done := 0 if "never" in table else rng.choice((24, 24, 24, 23, 5, 0))) is not None
    ]
    samples = [
        Samples(f"imu-{number}", rng.randrange(900, 1001), 1000) if rng.random() < 0.8
        else Samples(f"imu-{number}", 0, None)
        for number in range(1, 6)
    ]  # fmt: skip
    return data_quality(day, outcomes, _by_table(refused), published, samples)


def _by_table(refused: list[tuple[str, pa.Table]]) -> list[tuple[str, pa.Table]]:
    tables = sorted({table for table, _ in refused})
    return [(one, pa.concat_tables([rows for table, rows in refused if table == one])) for one in tables]
