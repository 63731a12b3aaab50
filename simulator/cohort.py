"""Simulate a cohort: plan it, play every device, write drops, clinic files and truth.

What belongs here: putting the parts together, device-hour by device-hour, on any number of threads. What does not: the
parts. Same options give the same bytes, whatever the number of workers.
"""

import math
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from simulator.clinic_log import draw_patient, write_clinic_files
from simulator.day import live_through
from simulator.devices import Plan, Session, midnight_ms, plan_cohort, rng_of
from simulator.drops import FORMATS, JSONL_GZ, PARQUET, gzip_bytes, put_drop
from simulator.faults import BLOCK_FAULTS, LINE_FAULTS, PARQUET_LACKS, damage_lines, describe_skew, parse_faults
from simulator.file_faults import put_with_file_faults
from simulator.imu_stream import body_of, synthesise
from simulator.json_lines import json_lines
from simulator.misfits import add_misfits
from simulator.phenotypes import ORDER
from simulator.rows import damage_rows, sample_table
from simulator.drops import parquet_bytes
from simulator.timeline import Timeline
from simulator.truth import ActivityTruth, FallTruth, FaultTruth, session_truth, write_truth

DEVICE_FAULT_REASONS = {
    "unknown_device": "UNKNOWN_DEVICE",
    "unassigned_device": "DEVICE_NOT_ASSIGNED",
    "ms2_firmware": "UNIT_MISMATCH",
    "implausible_rate": "RATE_IMPLAUSIBLE",
    "reassigned_device": "",
}


@dataclass(frozen=True)
class CohortOptions:
    """What to simulate.

    `hours_per_day` gives each patient's hours of wear, the last value going to all that follow; `faults` is `none`,
    `default`, `all` or a list of counts (`gap=3,duplicate=50`); `falls_per_day` is the mean of a pre-frail person who
    wears the device for 16 h.
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
    faults_without_room: list[str]


@dataclass(frozen=True, eq=False)
class Window:
    """One drop to be: parts (session, first sample, number of samples) of one device, and the faults it gets."""

    device_id: str
    index: int
    parts: tuple[tuple[Session, int, int], ...]
    faults: dict[str, int]
    skew_ms: int = 0

    @property
    def samples(self) -> int:
        """Samples before faults."""
        return sum(n for _, _, n in self.parts)


@dataclass(frozen=True)
class _Written:
    keys: list[str]
    samples: int
    size: int
    falls: list[FallTruth]
    activities: list[ActivityTruth]
    faults: list[FaultTruth]


@lru_cache(maxsize=64)
def rehearse(session: Session) -> Timeline:
    """The timeline of a session; kept for the drops that follow."""
    rng = np.random.default_rng(session.seed)
    return live_through(session.wearer.person, session.plan, session.rate_hz, rng)


def samples_of(session: Session, first: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(accel, gyro) of samples `[first, first + n)`, scaled integers as `synthesise` gives them."""
    segments, step_times, strength = rehearse(session).record()
    return synthesise(
        segments,
        step_times,
        strength,
        first,
        n,
        float(session.rate_hz),
        body_of(session.wearer.person, session.position),
        session.mount,
        session.bias,
        np.uint64(session.seed),
        session.unit,
    )


def windows_of(plan: Plan, drop_minutes: int) -> list[Window]:
    """Cut each device's sessions at multiples of `drop_minutes` since the epoch."""
    length_ms = drop_minutes * 60_000
    parts: dict[tuple[str, int], list[tuple[Session, int, int]]] = {}
    for session in plan.sessions:
        first = 0
        while first < session.samples:
            index = int(session.ts_ms(first, 1)[0]) // length_ms
            until = (index + 1) * length_ms
            guess = math.ceil((until - session.start_ms) * session.rate_hz / 1000.0)
            stop = max(first + 1, guess - 2)
            while stop < session.samples and int(session.ts_ms(stop, 1)[0]) < until:
                stop += 1
            stop = min(stop, session.samples)
            parts.setdefault((session.device_id, index), []).append((session, first, stop - first))
            first = stop
    return [Window(device, index, tuple(rows), {}) for (device, index), rows in sorted(parts.items())]


def spread_faults(windows: list[Window], wanted: dict[str, int], seed: int) -> list[Window]:
    """Decide which drop gets how many of each line, stretch and file fault."""
    rng = rng_of(seed, "faults")
    regular = [i for i, w in enumerate(windows) if all(s.labelled for s, _, _ in w.parts) and w.samples >= 200]
    given: list[dict[str, int]] = [{} for _ in windows]
    skews = [0] * len(windows)
    if not regular:
        return windows
    # A re-sent file has only whole lines: each fault then stands in the truth once.
    spoilt = any(fault in LINE_FAULTS or fault in BLOCK_FAULTS for fault in wanted)
    again = min(wanted.get("resent_file", 0), max(0, len(regular) - 1) if spoilt else len(regular))
    resent = {int(i) for i in rng.permutation(regular)[:again]}
    for i in resent:
        given[i]["resent_file"] = 1
    damaged = [i for i in regular if i not in resent]
    for fault, count in wanted.items():
        if fault in LINE_FAULTS or fault in BLOCK_FAULTS:
            for i in rng.choice(damaged, count):
                given[i][fault] = given[i].get(fault, 0) + 1
        elif fault == "clock_skew":
            last = [i for i in regular if _ends_session(windows[i]) and not _falls_in(windows[i])]
            for i in rng.permutation(np.array(last, dtype=int))[:count]:
                skews[i] = int(rng.integers(40, 100)) * 1000
                given[i][fault] = 1
        elif fault in ("late_file", "unreadable_file", "invalid_name"):
            for i in rng.permutation(regular)[:count]:
                given[i][fault] = 1
    return [replace(w, faults=g, skew_ms=s) for w, g, s in zip(windows, given, skews, strict=True)]


def _ends_session(window: Window) -> bool:
    session, first, n = window.parts[-1]
    return len(window.parts) == 1 and first + n == session.samples and not session.fault


def _falls_in(window: Window) -> list[tuple[int, int]]:
    """Row ranges around the true falls of a window."""
    found = []
    offset = 0
    for session, first, n in window.parts:
        if session.labelled:
            for fall in rehearse(session).falls:
                begin = int((fall.onset_s - 20.0) * session.rate_hz) - first
                end = int((fall.impact_s + 60.0) * session.rate_hz) - first
                if end > 0 and begin < n:
                    found.append((offset + begin, offset + end))
        offset += n
    return found


def write_window(window: Window, landing: Path, options: CohortOptions) -> _Written:
    """Make and write one drop, with its faults; returns keys and truth."""
    rng = rng_of(options.seed, "drop", window.device_id, window.index)
    texts, ends, tables = [], [], []
    falls: list[FallTruth] = []
    activities: list[ActivityTruth] = []
    length = 0
    for session, first, n in window.parts:
        accel, gyro = samples_of(session, first, n)
        ts_ms = session.ts_ms(first, n) + window.skew_ms
        hours = (np.arange(first, first + n) / session.rate_hz) / 3600.0
        battery = np.maximum(0.02, session.battery - session.drain_per_h * hours)
        battery_ppm = (battery * 1e6).astype(np.int64)
        who = session.wearer.patient_id
        has_gyro = session.wearer.has_gyro
        meta = (session.firmware, session.position, session.boot)
        if options.format == JSONL_GZ:
            text, stops = json_lines(
                session.device_id, who, first, ts_ms, accel, gyro if has_gyro else None, battery_ppm, *meta
            )
            texts.append(text)
            ends.append(stops + length)
            length += len(text)
        else:
            tables.append(
                sample_table(
                    session.device_id, who, first, ts_ms, accel, gyro if has_gyro else None, battery_ppm, *meta
                )
            )
        if first == 0 and session.labelled:
            new_falls, new_activities = session_truth(session, rehearse(session))
            falls += new_falls
            activities += new_activities
    last_session, last_first, last_n = window.parts[-1]
    true_last_ms = int(last_session.ts_ms(last_first + last_n - 1, 1)[0])
    received_s = math.ceil(true_last_ms / 1000) + int(rng.integers(2, 7))
    clear = _falls_in(window) if window.faults else []
    rate_hz = last_session.rate_hz
    notes = []
    if options.format == JSONL_GZ:
        lines = texts[0] if len(texts) == 1 else np.concatenate(texts)
        if any(f in window.faults for f in (*LINE_FAULTS, *BLOCK_FAULTS)):
            stops = ends[0] if len(ends) == 1 else np.concatenate(ends)
            lines, notes = damage_lines(lines, stops, window.faults, rng, clear, rate_hz)
        count = int((lines == 10).sum()) if notes else window.samples
        content = gzip_bytes(lines)
    else:
        table, notes = damage_rows(tables, window.faults, rng, clear, rate_hz)
        count = table.num_rows
        content = parquet_bytes(table)
    keys, received_s, file_faults = put_with_file_faults(
        landing, window.device_id, received_s, content, options.format, count, window.faults, rng
    )
    key = keys[0]
    faults = [
        FaultTruth(key, n.fault, n.line_number, n.count, n.reason, window.device_id, n.detail)
        for n in sorted(notes, key=lambda n: (n.line_number or 0, n.fault))
    ]
    faults += file_faults
    if window.skew_ms:
        detail = describe_skew(window.skew_ms, int(last_session.ts_ms(last_first, 1)[0]))
        faults.append(FaultTruth(key, "clock_skew", None, count, "", window.device_id, detail))
    offset = 0
    for session, _, n in window.parts:
        if session.fault:
            reason = DEVICE_FAULT_REASONS[session.fault]
            detail = f"patient {session.wearer.patient_id}, boot {session.boot}, firmware {session.firmware}"
            faults.append(FaultTruth(key, session.fault, None, n, reason, window.device_id, detail))
        offset += n
    return _Written(keys, window.samples, len(content), falls, activities, faults)


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
        raise ValueError(f"truth folder {truth} lies inside the landing zone {landing}: the product must not see it")
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
    without_room = add_misfits(plan, wanted, options.seed)
    windows = spread_faults(windows_of(plan, options.drop_minutes), wanted, options.seed)
    days = [options.start + timedelta(days=d) for d in range(options.days)]
    clinic_keys = write_clinic_files(
        landing,
        days,
        [midnight_ms(day) for day in days],
        [draw_patient(wearer, options.seed, options.start) for wearer in plan.wearers],
        plan.assignments,
        options.seed,
    )
    written = list(_write_all(windows, landing, options, progress))
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
        faults_without_room=without_room,
    )
    if truth is not None:
        activities = sorted((a for w in written for a in w.activities), key=lambda a: (a.device_id, a.start, a.end))
        write_truth(truth, falls, activities, faults, describe(plan, options, result))
    return result


def _write_all(
    windows: list[Window], landing: Path, options: CohortOptions, progress: bool
) -> Iterable[_Written]:
    total = sum(w.samples for w in windows)
    done, began = 0, time.monotonic()
    with ThreadPoolExecutor(options.workers) as pool:
        for written in pool.map(lambda w: write_window(w, landing, options), windows):
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
