"""Faults put in on purpose, each counted: what was done to which line, what must come of it, and where.

What belongs here: damage to lines and files. What does not: who wears what (`devices`), and how a drop is
written.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from numba import njit

from simulator.drops import iso_ms

# fault: (what must be said of it, "" where nothing is to be said; default count; count of `all`). It is the
# reason in the quarantine, unless `EXPECTED_IN` names another place.
LINE_FAULTS = {
    "truncated_line": ("LINE_NOT_JSON", 20, 60),
    "wrong_type": ("FIELD_WRONG_TYPE", 20, 60),
    "missing_field": ("FIELD_MISSING", 20, 60),
    "nan_value": ("VALUE_NOT_FINITE", 20, 60),
    "out_of_range": ("VALUE_OUT_OF_RANGE", 10, 30),
    "unknown_schema": ("SCHEMA_VERSION_UNKNOWN", 5, 20),
    "device_mismatch": ("DEVICE_MISMATCH", 5, 20),
    "patient_mismatch": ("PATIENT_MISMATCH", 10, 30),
    "duplicate": ("", 60, 200),
    "duplicate_conflict": ("DUPLICATE_CONFLICT", 10, 30),
}
BLOCK_FAULTS = {
    "clock_jump": ("TIME_IMPLAUSIBLE", 2, 6),
    "gap": ("", 2, 6),
    "out_of_order": ("", 2, 6),
}
FILE_FAULTS = {
    "clock_skew": ("", 1, 2),
    "resent_file": ("", 1, 3),
    "late_file": ("", 1, 3),
    "unreadable_file": ("FILE_UNREADABLE", 1, 3),
    "invalid_name": ("FILE_NAME_INVALID", 0, 1),
}
DEVICE_FAULTS = {
    "reassigned_device": ("", 1, 1),
    "unknown_device": ("UNKNOWN_DEVICE", 1, 1),
    "unassigned_device": ("DEVICE_NOT_ASSIGNED", 1, 1),
    "ms2_firmware": ("UNIT_MISMATCH", 1, 1),
    "implausible_rate": ("IMPLAUSIBLE_RATE", 0, 1),
}
# A misnamed file stays in the landing zone, where the sensor and `make status` report it; samples at a rate
# that cannot be scored are kept, and their hour's verdict says so.
QUARANTINE, COVERAGE_VERDICT, LANDING_ZONE = "quarantine", "coverage verdict", "landing zone"
EXPECTED_IN = {"invalid_name": LANDING_ZONE, "implausible_rate": COVERAGE_VERDICT}
ALL_FAULTS = {**LINE_FAULTS, **BLOCK_FAULTS, **FILE_FAULTS, **DEVICE_FAULTS}
PARQUET_LACKS = ("truncated_line", "wrong_type", "missing_field", "invalid_name")
REORDERED_LINES = 120
JUMPED_LINES = 25


def expected_in(fault: str, reason: str) -> str:
    """Where a fault must show: one of the three places, "" for nowhere."""
    return EXPECTED_IN.get(fault, QUARANTINE) if reason else ""


def refused_lines(fault: str, reason: str, count: int) -> int:
    """Lines (or whole files) that must be in the quarantine for a fault that concerns `count` lines.

    Of two lines that conflict nobody knows the true one: both are refused, the copy and the line before it.
    """
    if expected_in(fault, reason) != QUARANTINE:
        return 0
    return 2 * count if fault == "duplicate_conflict" else count


def parse_faults(text: str) -> dict[str, int]:
    """Read `none`, `default`, `all` or a list such as `gap=3,duplicate=100,late_file` (no count is 1)."""
    if text in ("none", ""):
        return {}
    if text == "default":
        return {name: counts[1] for name, counts in ALL_FAULTS.items() if counts[1]}
    if text == "all":
        return {name: counts[2] for name, counts in ALL_FAULTS.items()}
    wanted = {}
    for part in text.split(","):
        name, _, count = part.strip().partition("=")
        if name not in ALL_FAULTS:
            raise ValueError(f"unknown fault {name!r}; known: {', '.join(ALL_FAULTS)}")
        if count and not count.isdigit():
            raise ValueError(f"fault {name}: {count!r} is not a count, write for example {name}=3")
        if int(count or 1):
            wanted[name] = int(count or 1)
    return wanted


@dataclass(frozen=True)
class LineFault:
    """One fault in one drop: line number (None for a stretch), lines concerned, reason, what exactly."""

    fault: str
    line_number: int | None
    count: int
    reason: str
    detail: str = ""


@dataclass
class Damage:
    """Line faults for one drop of `n` lines; lines never get two faults, and stretches keep clear of falls.

    `done` says what was done, `missed` counts faults by name that found no free line.
    """

    n: int
    rng: np.random.Generator
    keep_clear: list[tuple[int, int]]
    done: list["LineFault"] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=dict)
    taken: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is taken at first."""
        self.taken = np.zeros(self.n, bool)

    def line(self, fault: str) -> int | None:
        """One free line, with free neighbours; a fault without room is counted as missed."""
        for _ in range(200):
            at = int(self.rng.integers(2, max(3, self.n - 2)))
            if at + 2 < self.n and not self.taken[at - 1 : at + 2].any():
                self.taken[at] = True
                return at
        self.missed[fault] = self.missed.get(fault, 0) + 1
        return None

    def stretch(self, fault: str, length: int) -> tuple[int, int] | None:
        """(first, length) of free lines away from the falls, at most a quarter of the drop."""
        length = min(length, max(3, self.n // 4))
        for _ in range(400):
            if self.n <= length + 4:
                break
            at = int(self.rng.integers(2, self.n - length - 2))
            clear = all(at + length <= a or at >= b for a, b in self.keep_clear)
            if clear and not self.taken[at - 1 : at + length + 1].any():
                self.taken[at : at + length] = True
                return at, length
        self.missed[fault] = self.missed.get(fault, 0) + 1
        return None


@njit(nogil=True, cache=True)
def _gather(source, starts, ends, order, out):
    at = 0
    for line in order:
        for j in range(starts[line], ends[line]):
            out[at] = source[j]
            at += 1
    return at


def damage_lines(
    text: np.ndarray,
    ends: np.ndarray,
    wanted: dict[str, int],
    rng: np.random.Generator,
    keep_clear: list[tuple[int, int]],
    rate_hz: float,
) -> tuple[np.ndarray, Damage]:
    """Apply line and stretch faults to the lines of one drop.

    Args:
        text: (bytes,) uint8 lines as made by `json_lines`.
        ends: (n,) end offset of each line.
        wanted: How many of each fault.
        rng: Decides which lines and how.
        keep_clear: Line ranges that stretch faults must not touch (the true falls).
        rate_hz: Samples a second, for the length of gaps.

    Returns:
        (the damaged text, what was done: line numbers are those in the damaged text, counted from 1).
    """
    n = len(ends)
    starts = np.concatenate([[0], ends[:-1]])
    damage = Damage(n, rng, keep_clear)
    order = np.arange(n)
    extras: list[bytes] = []
    notes: dict[int, tuple[str, str, str]] = {}
    inserts: list[tuple[int, int]] = []
    removed = np.zeros(n, bool)
    done = damage.done

    def original(at: int) -> bytes:
        return text[starts[at] : ends[at]].tobytes()

    def extra(content: bytes, fault: str, reason: str, detail: str) -> int:
        extras.append(content)
        notes[n + len(extras) - 1] = (fault, reason, detail)
        return n + len(extras) - 1

    for fault, (reason, _, _) in BLOCK_FAULTS.items():
        for _ in range(wanted.get(fault, 0)):
            length = {
                "gap": int(rng.uniform(20.0, 120.0) * rate_hz),
                "out_of_order": REORDERED_LINES,
                "clock_jump": JUMPED_LINES,
            }[fault]
            found = damage.stretch(fault, length)
            if found is None:
                continue
            at, length = found
            if fault == "gap":
                removed[at : at + length] = True
                done.append(LineFault(fault, None, length, reason, f"{length / rate_hz:.2f} s removed"))
            elif fault == "out_of_order":
                order[at : at + length] = rng.permutation(np.arange(at, at + length))
                moved = int((order[at : at + length] != np.arange(at, at + length)).sum())
                done.append(LineFault(fault, None, moved, reason, f"{length} lines shuffled"))
            else:
                years = int(rng.choice([-30, -5, 6, 40]))
                for row in range(at, at + length):
                    shifted = _shift_years(original(row), years)
                    order[row] = extra(shifted, fault, reason, f"{years:+d} years")
    for fault, (reason, _, _) in LINE_FAULTS.items():
        for _ in range(wanted.get(fault, 0)):
            line = damage.line(fault)
            if line is None:
                continue
            changed, detail = spoil(fault, original(line), rng)
            new = extra(changed, fault, reason, detail)
            if fault in ("duplicate", "duplicate_conflict"):
                inserts.append((line + 1, new))
            else:
                order[line] = new
    positions = [at for at, _ in inserts]
    order = np.insert(order, positions, [new for _, new in inserts])
    order = order[~np.insert(removed, positions, False)]
    source = np.concatenate([text, np.frombuffer(b"".join(extras), np.uint8)])
    sizes = np.cumsum([len(e) for e in extras], dtype=np.int64)
    all_ends = np.concatenate([ends, len(text) + sizes])
    all_starts = np.concatenate([[0], all_ends[:-1]])
    out = np.empty(int((all_ends - all_starts)[order].sum()), np.uint8)
    _gather(source, all_starts, all_ends, order, out)
    for position in np.nonzero(order >= n)[0]:
        fault, reason, detail = notes[int(order[position])]
        done.append(LineFault(fault, int(position) + 1, 1, reason, detail))
    return out, damage


_TS = re.compile(rb'"ts":"(\d{4})')


def _shift_years(line: bytes, years: int) -> bytes:
    def shifted(match: re.Match[bytes]) -> bytes:
        return b'"ts":"%04d' % (int(match[1]) + years)

    # 29 February exists in few years; the day before is as implausible.
    return _TS.sub(shifted, line).replace(b"-02-29T", b"-02-28T")


def spoil(fault: str, line: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Damage one line (newline included) in the way of a line fault; returns it and what was done."""
    if fault == "truncated_line":
        keep = int(rng.integers(len(line) // 4, len(line) - 4))
        return line[:keep] + b"\n", f"cut after {keep} bytes"
    choices = {
        "wrong_type": [
            (rb'"seq":(\d+)', rb'"seq":"\1"', "seq is text"),
            (rb'"accel":\{"x":([-\d.]+)', rb'"accel":{"x":"\1"', "accel.x is text"),
            (
                rb'"accel":\{"x":([-\d.]+),"y":([-\d.]+),"z":([-\d.]+)\}',
                rb'"accel":[\1,\2,\3]',
                "accel is a list",
            ),
            (rb'"battery":[\d.]+', b'"battery":"full"', "battery is text"),
        ],
        "missing_field": [
            (rb'"seq":\d+,', b"", "no seq"),
            (rb'"ts":"[^"]+",', b"", "no ts"),
            (rb'("accel":\{"x":[-\d.]+,"y":[-\d.]+),"z":[-\d.]+', rb"\1", "no accel.z"),
            (rb'"accel":\{[^}]*\},', b"", "no accel"),
        ],
        "nan_value": [
            (rb'("accel":\{"x":)[-\d.]+', rb"\1NaN", "accel.x is NaN"),
            (rb'("accel":\{"x":[-\d.]+,"y":)[-\d.]+', rb"\1NaN", "accel.y is NaN"),
        ],
        "out_of_range": [(rb'("accel":\{"x":)[-\d.]+', rb"\g<1>999.5", "accel.x is 999.5 g")],
        "unknown_schema": [(rb'"schemaVersion":\d+', b'"schemaVersion":99', "schemaVersion is 99")],
        "device_mismatch": [(rb'"deviceId":"[^"]+"', b'"deviceId":"imu-00000"', "deviceId is imu-00000")],
        "patient_mismatch": [(rb'"patientId":"[^"]+"', b'"patientId":"pt-9999"', "patientId is pt-9999")],
        "duplicate": [(rb"^", b"", "exact copy of the line before")],
        "duplicate_conflict": [
            (rb'("accel":\{"x":)[-\d.]+', rb"\g<1>0.4321", "same key as the line before, other accel.x")
        ],
    }[fault]
    pattern, replacement, detail = choices[int(rng.integers(0, len(choices)))]
    return re.sub(pattern, replacement, line, count=1), detail


def describe_skew(skew_ms: int, first_ms: int) -> str:
    """What a skewed clock did, for the truth file."""
    return f"clock {skew_ms / 1000:+.0f} s; first sample truly at {iso_ms(first_ms)}"
