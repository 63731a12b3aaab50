"""Drops to be: which samples of which sessions go into one file, which faults it gets, and writing it.

What belongs here: from a plan to files, one drop at a time, each independent of the others. What does not:
the plan itself (`devices`, `misfits`), and running through all drops (`cohort`).
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from simulator.day import live_through
from simulator.devices import Plan, Session, rng_of
from simulator.drops import JSONL_GZ, gzip_bytes, parquet_bytes
from simulator.faults import BLOCK_FAULTS, DEVICE_FAULTS, LINE_FAULTS, damage_lines, describe_skew
from simulator.file_faults import put_with_file_faults
from simulator.imu_stream import body_of, synthesise
from simulator.json_lines import json_lines
from simulator.parquet_rows import damage_rows, sample_table
from simulator.timeline import Timeline
from simulator.truth import ActivityTruth, FallTruth, FaultTruth, session_truth


@dataclass(frozen=True, eq=False)
class Window:
    """One drop to be: parts (session, first sample, samples) of one device, and the faults it gets."""

    device_id: str
    index: int
    parts: tuple[tuple[Session, int, int], ...]
    faults: Counter[str]
    skew_ms: int = 0

    @property
    def samples(self) -> int:
        """Samples before faults."""
        return sum(n for _, _, n in self.parts)


@dataclass(frozen=True)
class WrittenDrop:
    """What one drop left behind: keys of its files, samples, bytes, truth, and faults without room."""

    keys: list[str]
    samples: int
    size: int
    falls: list[FallTruth]
    activities: list[ActivityTruth]
    faults: list[FaultTruth]
    missed: dict[str, int]


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
    return [Window(device, index, tuple(rows), Counter()) for (device, index), rows in sorted(parts.items())]


def spread_faults(windows: list[Window], wanted: dict[str, int], seed: int) -> list[Window]:
    """Decide which drop gets how many of each line, stretch and file fault."""
    rng = rng_of(seed, "faults")
    regular = [
        i for i, w in enumerate(windows) if all(s.labelled for s, _, _ in w.parts) and w.samples >= 200
    ]
    given: list[Counter[str]] = [Counter() for _ in windows]
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
                given[i][fault] += 1
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


def write_window(window: Window, landing: Path, seed: int, format: str) -> WrittenDrop:
    """Make and write one drop, with its faults; returns keys and truth."""
    rng = rng_of(seed, "drop", window.device_id, window.index)
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
        if format == JSONL_GZ:
            text, stops = json_lines(
                session.device_id, who, first, ts_ms, accel, gyro if has_gyro else None, battery_ppm, *meta
            )
            texts.append(text)
            ends.append(stops + length)
            length += len(text)
        else:
            tables.append(
                sample_table(
                    session.device_id,
                    who,
                    first,
                    ts_ms,
                    accel,
                    gyro if has_gyro else None,
                    battery_ppm,
                    *meta,
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
    damage = None
    if format == JSONL_GZ:
        lines = texts[0] if len(texts) == 1 else np.concatenate(texts)
        if any(f in window.faults for f in (*LINE_FAULTS, *BLOCK_FAULTS)):
            stops = ends[0] if len(ends) == 1 else np.concatenate(ends)
            lines, damage = damage_lines(lines, stops, window.faults, rng, clear, rate_hz)
        count = int((lines == 10).sum()) if damage else window.samples
        content = gzip_bytes(lines)
    else:
        table, damage = damage_rows(tables, window.faults, rng, clear, rate_hz)
        count = table.num_rows
        content = parquet_bytes(table)
    keys, received_s, file_faults = put_with_file_faults(
        landing, window.device_id, received_s, content, format, count, window.faults, rng
    )
    key = keys[0]
    notes = damage.done if damage else []
    faults = [
        FaultTruth(key, n.fault, n.line_number, n.count, n.reason, window.device_id, n.detail)
        for n in sorted(notes, key=lambda n: (n.line_number or 0, n.fault))
    ]
    faults += file_faults
    if window.skew_ms:
        detail = describe_skew(window.skew_ms, int(last_session.ts_ms(last_first, 1)[0]))
        faults.append(FaultTruth(key, "clock_skew", None, count, "", window.device_id, detail))
    for session, _, n in window.parts:
        if session.fault:
            reason = DEVICE_FAULTS[session.fault][0]
            detail = f"patient {session.wearer.patient_id}, boot {session.boot}, firmware {session.firmware}"
            faults.append(FaultTruth(key, session.fault, None, n, reason, window.device_id, detail))
    return WrittenDrop(
        keys, window.samples, len(content), falls, activities, faults, damage.missed if damage else {}
    )
