"""What an hour of a device is worth: rate, gaps, wear, battery, clock, and one verdict.

Belongs here: measures of a cleaned hour as a whole. Does not belong here: judging single rows (`clean.py`),
windows and their features (`mobility/`).

Non-wear follows van Hees et al., PLoS ONE 6(7):e22922 (2011), with the limits of van Hees et al., PLoS ONE
8(4):e61691 (2013): a stretch is still when at least two of three axes have a standard deviation below 13 mg
and a range below 50 mg. They judge 60 min windows in steps of 15 min; an hourly partition sees one such
window, so here consecutive still blocks of 5 min are joined and count as not worn from 30 min on.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit

from fallrisk_assets.telemetry.clean import CleanedHour
from fallrisk_assets.telemetry.parsed import HOUR_US

MIN_RATE_HZ = 15.0
MAX_RATE_HZ = 220.0

# A gap is what a window must not bridge: five samples, but at least a quarter of a second, because radios
# deliver in bursts and clocks round to milliseconds.
GAP_SAMPLES = 5.0
GAP_MIN_S = 0.25
GAPPY_FRACTION = 0.1

STILL_SD_G = 0.013
STILL_RANGE_G = 0.050
STILL_BLOCK_S = 300
MIN_STILL_S = 1800
MIN_BLOCK_FILL = 0.5
NOT_WORN_FRACTION = 0.2

STATE_FINAL, STATE_PROVISIONAL = "FINAL", "PROVISIONAL"


def sampling_rate_hz(ts_us: np.ndarray) -> float | None:
    """Sampling rate from ascending timestamps, None with fewer than two different times.

    The (lower) median of the positive differences is robust against gaps and bursts; the mean of the
    differences within half of it then removes the rounding of millisecond clocks (60 Hz: 16 and 17 ms).
    """
    if ts_us.size < 2:
        return None
    steps = np.diff(ts_us)
    steps = steps[steps > 0]
    if steps.size == 0:
        return None
    middle = (steps.size - 1) // 2
    median = float(np.partition(steps, middle)[middle])
    usual = steps[(steps >= 0.5 * median) & (steps <= 1.5 * median)]
    return 1e6 / float(usual.mean())


def gap_limit_s(rate_hz: float) -> float:
    """Longest pause between samples that is no gap, in seconds: five samples, at least 0.25 s."""
    return max(GAP_SAMPLES / rate_hz, GAP_MIN_S)


def find_gaps(ts_us: np.ndarray, rate_hz: float) -> tuple[int, float]:
    """Number of gaps between samples, and the time lost in them beyond one sample period each, in seconds."""
    steps_s = np.diff(ts_us) / 1e6
    gaps = steps_s[steps_s > gap_limit_s(rate_hz)]
    return int(gaps.size), float((gaps - 1.0 / rate_hz).sum())


def worn_fraction(ts_us: np.ndarray, accel_g: np.ndarray, rate_hz: float, hour_start_us: int) -> float | None:
    """Share of the sampled time during which the device was worn; None without samples.

    Blocks of 5 min that hold less than half of their samples are never called still: what was not seen is
    not called "not worn".
    """
    if ts_us.size == 0:
        return None
    blocks = HOUR_US // (STILL_BLOCK_S * 1_000_000)
    counts, still_axes = _still_axes(ts_us, accel_g, hour_start_us, STILL_BLOCK_S * 1_000_000, blocks)
    still = (still_axes >= 2) & (counts >= MIN_BLOCK_FILL * STILL_BLOCK_S * rate_hz)
    edges = np.flatnonzero(np.diff(np.r_[False, still, False].astype(np.int8)))
    unworn = 0
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if (end - begin) * STILL_BLOCK_S >= MIN_STILL_S:
            unworn += int(counts[begin:end].sum())
    return 1.0 - unworn / int(counts.sum())


def device_hour_coverage(
    cleaned: CleanedHour,
    hour_start_us: int,
    watermark_us: int,
) -> list[dict]:
    """Coverage of one device and hour: a row per patient assigned in it.

    Lines that nobody is assigned to have a row with an empty patient id, so that all lines are counted.

    Times are epoch microseconds (UTC), None where there are none. `clock_skew_s` is the smallest delay
    between the last sample of a drop and its receipt: delays of delivery only ever make it larger, so the
    smallest is nearest to the clock's error; a negative one is a clock that runs ahead.

    Args:
        cleaned: from `clean_device_hour`.
        hour_start_us: start of the hour in epoch microseconds.
        watermark_us: up to when the inputs are complete. The row says min(watermark, end of the hour), and
            is FINAL when that is the end.
    """
    hour_end_us = hour_start_us + HOUR_US
    complete_us = min(max(watermark_us, hour_start_us), hour_end_us)
    patients = sorted(set(_assigned_in(cleaned, hour_start_us, hour_end_us)) | set(cleaned.lines))
    rows = []
    for patient in patients:
        mine = _rows_of(cleaned, patient)
        ts_us, accel_g = cleaned.ts_us[mine], cleaned.accel_g[mine]
        n = int(ts_us.size)
        lines = cleaned.lines.get(patient)
        rate_hz = sampling_rate_hz(ts_us)
        gaps, gap_s = find_gaps(ts_us, rate_hz) if rate_hz else (0, 0.0)
        worn = worn_fraction(ts_us, accel_g, rate_hz, hour_start_us) if rate_hz else None
        seen_until_us = max(complete_us, int(ts_us[-1]) + 1 if n else complete_us)
        assigned_s = _assigned_s(cleaned, patient, hour_start_us, seen_until_us)
        row = {
            "device_id": cleaned.device_id,
            "patient_id": patient,
            "hour": hour_start_us,
            "expected_samples": round(rate_hz * assigned_s) if rate_hz else None,
            "received_lines": lines.received if lines else 0,
            "clean_samples": n,
            "duplicate_lines": lines.duplicates if lines else 0,
            "quarantined_lines": lines.quarantined if lines else 0,
            "rate_hz": rate_hz,
            "gap_count": gaps,
            "gap_s": gap_s,
            "wear_fraction": worn,
            "battery_fraction": _last_battery(cleaned.battery[mine]),
            "clock_skew_s": _clock_skew_s(cleaned) if n else None,
            "position": cleaned.positions[cleaned.position_code[mine][-1]] if n else None,
            "firmware": (cleaned.firmwares[cleaned.firmware_code[mine][-1]] or None) if n else None,
            "first_ts": int(ts_us[0]) if n else None,
            "last_ts": int(ts_us[-1]) if n else None,
            "watermark_at": complete_us,
            "state": STATE_FINAL if watermark_us >= hour_end_us else STATE_PROVISIONAL,
        }
        row["verdict"], row["verdict_detail"] = judge_hour(
            row, lines.unit_mismatches if lines else 0, [unit.explain() for unit in cleaned.units.values()]
        )
        rows.append(row)
    return rows


def judge_hour(row: dict, unit_mismatches: int, unit_says: Sequence[str] = ()) -> tuple[str, str]:
    """Verdict on an hour and its words.

    The first that holds of these: WRONG_UNITS when more lines were refused for their unit than samples kept;
    NO_DATA without clean samples; IMPLAUSIBLE_RATE outside 15 to 220 Hz or without any rate; NOT_WORN when
    worn for less than a fifth of the sampled time; GAPPY when gaps take more than a tenth of the time from
    first to last sample; OK otherwise.
    """
    n = row["clean_samples"]
    if unit_mismatches > n:
        return "WRONG_UNITS", f"{unit_mismatches} lines are not in g: {'; '.join(unit_says)}"
    if n == 0:
        if row["received_lines"]:
            return "NO_DATA", f"all {row['received_lines']} lines received were refused"
        return "NO_DATA", "no lines received"
    rate_hz = row["rate_hz"]
    if rate_hz is None:
        return "IMPLAUSIBLE_RATE", f"{n} samples tell no rate"
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        return "IMPLAUSIBLE_RATE", f"{rate_hz:.3g} Hz is outside {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz"
    if row["wear_fraction"] < NOT_WORN_FRACTION:
        return "NOT_WORN", f"worn {row['wear_fraction']:.0%} of the sampled time"
    span_s = (row["last_ts"] - row["first_ts"]) / 1e6
    if row["gap_s"] > GAPPY_FRACTION * span_s:
        return "GAPPY", f"{row['gap_count']} gaps take {row['gap_s']:.1f} s of {span_s:.1f} s"
    return "OK", f"{n} samples at {rate_hz:.4g} Hz, worn {row['wear_fraction']:.0%} of the sampled time"


def _assigned_in(cleaned: CleanedHour, from_us: int, to_us: int) -> list[str]:
    return [
        a.patient_id
        for a in cleaned.assignments
        if a.from_us < to_us and (a.to_us is None or a.to_us > from_us) and a.to_us != a.from_us
    ]


def _assigned_s(cleaned: CleanedHour, patient: str, from_us: int, to_us: int) -> float:
    """Seconds of [from_us, to_us) for which the patient is assigned; overlapping assignments count once."""
    total, covered_until = 0, from_us
    for a in cleaned.assignments:
        if a.patient_id == patient:
            begin = max(a.from_us, covered_until)
            end = to_us if a.to_us is None else min(a.to_us, to_us)
            if end > begin:
                total += end - begin
                covered_until = end
    return total / 1e6


def _rows_of(cleaned: CleanedHour, patient: str) -> slice | np.ndarray:
    if patient not in cleaned.patients:
        return slice(0, 0)
    code = cleaned.patients.index(patient)
    mine = cleaned.patient_code == code
    return slice(None) if mine.all() else np.flatnonzero(mine)


def _last_battery(battery: np.ndarray) -> float | None:
    """Last reported battery fraction; readings outside 0 to 1 are none."""
    for i in range(battery.size - 1, -1, -1):
        if 0.0 <= battery[i] <= 1.0:
            return float(battery[i])
    return None


def _clock_skew_s(cleaned: CleanedHour) -> float | None:
    told = cleaned.drop_last_ts_us >= 0
    if not told.any():
        return None
    return float((cleaned.drop_received_us[told] - cleaned.drop_last_ts_us[told]).min() / 1e6)


@njit(nogil=True, cache=True)
def _still_axes(ts_us, accel_g, start_us, block_us, blocks):
    """Samples in each block, and on how many axes it is still."""
    counts = np.zeros(blocks, np.int64)
    low = np.full((blocks, 3), np.inf)
    high = np.full((blocks, 3), -np.inf)
    shift = np.zeros((blocks, 3))
    total = np.zeros((blocks, 3))
    squares = np.zeros((blocks, 3))
    for i in range(ts_us.size):
        block = (ts_us[i] - start_us) // block_us
        if block < 0 or block >= blocks:
            continue
        for axis in range(3):
            value = np.float64(accel_g[i, axis])
            if counts[block] == 0:
                shift[block, axis] = value
            if value < low[block, axis]:
                low[block, axis] = value
            if value > high[block, axis]:
                high[block, axis] = value
            # Deviations from the first value: sums of raw squares would cancel at 13 mg of 1 g.
            value -= shift[block, axis]
            total[block, axis] += value
            squares[block, axis] += value * value
        counts[block] += 1
    axes = np.zeros(blocks, np.int64)
    for block in range(blocks):
        if counts[block] == 0:
            continue
        for axis in range(3):
            mean = total[block, axis] / counts[block]
            variance = squares[block, axis] / counts[block] - mean * mean
            if variance < STILL_SD_G * STILL_SD_G and high[block, axis] - low[block, axis] < STILL_RANGE_G:
                axes[block] += 1
    return counts, axes
