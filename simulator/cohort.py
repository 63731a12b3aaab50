"""Simulate a cohort: plan it, play every device, write drops, clinic files and truth.

What belongs here: putting the parts together, device-hour by device-hour, on any number of threads. What
does not: the parts. Same options give the same bytes, whatever the number of workers.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from simulator.clinic_faults import parse_clinic_faults
from simulator.clinic_log import draw_patient, write_clinic_files
from simulator.clinic_operations import OperationsOptions, OperationsResult, write_operations
from simulator.clinic_people import draw_other_patients
from simulator.devices import Plan, midnight_ms, plan_cohort
from simulator.drops import FORMATS, JSONL_GZ, PARQUET
from simulator.faults import (
    DEVICE_FAULTS,
    PARQUET_LACKS,
    parse_faults,
)
from simulator.misfits import add_misfits
from simulator.phenotypes import ORDER, PHENOTYPES
from simulator.truth import write_truth
from simulator.windows import Window, WrittenDrop, spread_faults, windows_of, write_window


@dataclass(frozen=True)
class CohortOptions:
    """What to simulate.

    `hours_per_day` gives each patient's hours of wear, the last value going to all that follow; `faults` is
    `none`, `default`, `all` or a list of counts (`gap=3,duplicate=50`); `falls_per_day` is the mean of a
    pre-frail person who wears the device for 16 h. With `clinic_providers` the clinic also has appointments
    and feedback (`clinic_faults` of them with mistakes), and `clinic_patients` who wear no device.
    """

    patients: int = 5
    days: int = 2
    rate_hz: float = 50.0
    seed: int = 7
    start: date = date(2026, 1, 5)
    hours_per_day: tuple[float, ...] = (16.0, 2.0)
    falls_per_day: float = 2.0
    faults: str = "default"
    format: str = JSONL_GZ
    drop_minutes: int = 60
    workers: int = 1
    phenotypes: tuple[str, ...] = ORDER
    clinic_providers: int = 0
    clinic_patients: int = 0
    clinic_faults: str = "none"


@dataclass(frozen=True)
class CohortResult:
    """What was written."""

    drops: int
    samples: int
    bytes_written: int
    falls: int
    faults: dict[str, int]
    keys: list[str] = field(repr=False)
    clinic_keys: list[str] = field(repr=False)
    faults_without_room: dict[str, int]
    operations: OperationsResult | None = None


def simulate_cohort(
    landing: Path, truth: Path | None, options: CohortOptions | None = None, progress: bool = False
) -> CohortResult:
    """Simulate a cohort into a landing zone.

    Args:
        landing: The landing zone; `telemetry/` and `clinic/` are made below it.
        truth: Where the truth goes (must lie outside the landing zone), or None for no truth.
        options: What to simulate.
        progress: Report progress on standard error.

    Returns:
        What was written.

    Raises:
        ValueError: An option makes no sense.
    """
    options = options or CohortOptions()
    check_options(options)
    if truth is not None and landing.resolve() in [truth.resolve(), *truth.resolve().parents]:
        raise ValueError(
            f"truth folder {truth} lies inside the landing zone {landing}: the product must not see it"
        )
    wanted = parse_faults(options.faults)
    if options.format == PARQUET:
        wanted = {name: count for name, count in wanted.items() if name not in PARQUET_LACKS}
    plan = plan_cohort(
        options.patients,
        options.days,
        options.rate_hz,
        options.seed,
        options.start,
        options.hours_per_day,
        options.falls_per_day,
        options.phenotypes,
    )
    missed = Counter(add_misfits(plan, wanted, options.seed))
    windows = spread_faults(windows_of(plan, options.drop_minutes), wanted, options.seed)
    given = Counter(fault for w in windows for fault in w.faults.elements())
    missed += Counter({name: count for name, count in wanted.items() if name not in DEVICE_FAULTS}) - given
    days = [options.start + timedelta(days=d) for d in range(options.days)]
    patients = [draw_patient(wearer, options.seed, options.start) for wearer in plan.wearers]
    patients += draw_other_patients(options.clinic_patients, options.seed, options.start)
    clinic_keys = write_clinic_files(
        landing, days, [midnight_ms(day) for day in days], patients, plan.assignments, options.seed
    )
    operations = None
    if options.clinic_providers:
        played = OperationsOptions(
            options.start,
            options.days,
            options.seed,
            options.clinic_providers,
            faults=parse_clinic_faults(options.clinic_faults),
        )
        operations = write_operations(landing, truth, patients, len(plan.wearers), played)
    written = list(_write_all(windows, landing, options, progress))
    for w in written:
        missed += Counter(w.missed)
    faults = [fault for w in written for fault in w.faults]
    counts: dict[str, int] = {}
    for fault in faults:
        counts[fault.fault] = counts.get(fault.fault, 0) + fault.count
    falls = sorted((f for w in written for f in w.falls), key=lambda f: (f.impact_at, f.device_id))
    result = CohortResult(
        drops=sum(len(w.keys) for w in written),
        samples=sum(w.samples for w in written),
        bytes_written=sum(w.size for w in written),
        falls=len(falls),
        faults=dict(sorted(counts.items())),
        keys=[key for w in written for key in w.keys],
        clinic_keys=clinic_keys,
        faults_without_room=dict(sorted(missed.items())),
        operations=operations,
    )
    if truth is not None:
        activities = sorted(
            (a for w in written for a in w.activities), key=lambda a: (a.device_id, a.start, a.end)
        )
        write_truth(truth, falls, activities, faults, describe(plan, options, result))
    return result


def _write_all(
    windows: list[Window], landing: Path, options: CohortOptions, progress: bool
) -> Iterable[WrittenDrop]:
    total = sum(w.samples for w in windows)
    done, began = 0, time.monotonic()
    with ThreadPoolExecutor(options.workers) as pool:
        for written in pool.map(lambda w: write_window(w, landing, options.seed, options.format), windows):
            done += written.samples
            if progress:
                speed = done / options.rate_hz / max(time.monotonic() - began, 1e-9)
                end = "\n" if done == total else ""
                sys.stderr.write(f"\r{done:,} of {total:,} samples, {speed:,.0f} x real time {end}")
                sys.stderr.flush()
            yield written


def check_options(options: CohortOptions) -> None:
    """Refuse options that make no sense, saying which and why."""
    if options.patients < 1 or options.days < 1 or options.workers < 1:
        raise ValueError("patients, days and workers must be at least 1")
    if not 10.0 <= options.rate_hz <= 400.0:
        raise ValueError(f"rate {options.rate_hz:g} Hz is outside 10 to 400 Hz")
    if not 1 <= options.drop_minutes <= 1440 or 1440 % options.drop_minutes:
        raise ValueError(f"drop minutes {options.drop_minutes} must divide a day (1, 5, 15, 60, ...)")
    if not options.hours_per_day or not all(0.0 < hours <= 24.0 for hours in options.hours_per_day):
        raise ValueError("hours per day must lie between 0 and 24")
    if options.format not in FORMATS:
        raise ValueError(f"format {options.format!r} is none of {', '.join(FORMATS)}")
    unknown = sorted(set(options.phenotypes) - set(PHENOTYPES))
    if unknown or not options.phenotypes:
        raise ValueError(f"phenotype {', '.join(unknown)} is none of {', '.join(PHENOTYPES)}")
    if options.clinic_providers < 0 or options.clinic_patients < 0:
        raise ValueError("providers and patients of the clinic cannot be negative")
    parse_clinic_faults(options.clinic_faults)
    if options.falls_per_day < 0:
        raise ValueError("falls per day cannot be negative")


def describe(plan: Plan, options: CohortOptions, result: CohortResult) -> dict[str, object]:
    """Content of `cohort.json`: options, persons and counts."""
    people = [
        {
            "patient_id": w.patient_id,
            "clinic_patient_id": w.clinic_id,
            "device_id": w.device_id,
            "phenotype": w.person.phenotype.name,
            "position": w.position,
            "time_zone": w.time_zone,
            "has_gyro": w.has_gyro,
            "hours_per_day": w.hours_per_day,
            "cadence_spm": round(w.person.cadence_spm, 3),
            "stride_time_cv": round(w.person.stride_time_cv, 5),
            "step_asymmetry": round(w.person.step_asymmetry, 5),
        }
        for w in plan.wearers
    ]
    return {
        "seed": options.seed,
        "start": options.start.isoformat(),
        "days": options.days,
        "rate_hz": options.rate_hz,
        "format": options.format,
        "drop_minutes": options.drop_minutes,
        "faults_wanted": options.faults,
        "patients": people,
        "drops": result.drops,
        "samples": result.samples,
        "falls": result.falls,
        "faults": result.faults,
        "faults_without_room": result.faults_without_room,
        "clinic_files": result.clinic_keys,
    }
