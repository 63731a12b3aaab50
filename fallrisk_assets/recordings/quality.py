"""Whether a recording is fit for use: long enough, sampled plausibly, alive, in g, not cut, not remounted.

Belongs here: rules on the samples of one recording, with their limits. Does not belong here: reading files;
rules on hours of devices (`telemetry`), whose limits of rate, unit and range are used here too.

What cannot be told is not claimed: a sensor that is turned on its belt while its gyroscope agrees, or during
a gap, looks like a change of posture and is left to pass.
"""

import numpy as np

from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.telemetry.coverage import (
    GAP_SAMPLES,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    find_gaps,
    sampling_rate_hz,
)
from fallrisk_assets.telemetry.units import (
    MAX_ACCEL_G,
    MAX_GYRO_DPS,
    judge_unit,
    out_of_range,
    recognise_unit,
)

#: The shortest published movements last 3 s; a shorter recording holds no movement with what surrounds it.
MIN_DURATION_S = 2.0
MIN_SAMPLES = 30

#: Stretches of at least a second in which nothing changes by a single bit: no living sensor does that for
#: most of a recording, not even a coarse one (0.1 m/s² in WEDA-FALL) on a table.
FLAT_STRETCH_S = 1.0
FLAT_SHARE = 0.9
#: An axis that never changes while another one moves by this much is stuck.
MOVING_SD_G = 0.1

#: A cut peak is a plateau of equal extreme values; above 1.5 g that cannot be rest. Impacts are cut by every
#: sensor of 2 g range (UMAFall's chest) and are still impacts: a recording is left out where a tenth of its
#: samples are cut, less is noted.
CLIPPED_ABOVE_G = 1.5
CLIPPED_RUN = 3
CLIPPED_SAMPLES = 6
SATURATED_SHARE = 0.1
#: Minutes of movement without rest are judged less surely than a whole recording: that much must be refused.
WRONG_UNIT_SHARE = 0.25

#: Rest: half a second in which no axis varies by more than 0.03 g and gravity is 1 g within a quarter.
REST_S = 0.5
REST_SD_G = 0.03
REST_NORM_G = (0.75, 1.25)
#: Rests further apart say nothing of each other.
REST_PAUSE_S = 4.0
JUMP_DEG = 45.0
#: Without gyroscope, only a change within this time is impossible for a body: 45° from rest to rest in 0.1 s
#: needs a mean of 450 and a peak of 900 deg/s without leaving 1 g.
INSTANT_S = 0.1
#: A week at 100 Hz is judged piece by piece, so that it takes no more memory than a day's hour.
CHUNK_SAMPLES = 360_000


def check(ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray) -> tuple[str, ...]:
    """Check a recording; what is said of one that is fit for use is worth a note only.

    Args:
        ts_us: (n,) int64, strictly increasing.
        accel_g: (n, 3).
        gyro_dps: (n, 3), NaN where there is none.

    Returns:
        Notes, such as "CLIPPED: ...".

    Raises:
        Unusable: With the first reason found, in the order of the checks below.
    """
    n = len(ts_us)
    duration_s = float(ts_us[-1] - ts_us[0]) / 1e6 if n else 0.0
    if n < MIN_SAMPLES or duration_s < MIN_DURATION_S:
        limits = f"fewer than {MIN_SAMPLES} samples or {MIN_DURATION_S:g} s"
        raise Unusable(Reason.TOO_SHORT, f"{n} samples in {duration_s:.2f} s: {limits}", n)
    _check_values(accel_g, gyro_dps)
    rate_hz = _check_rate(ts_us)
    _check_alive(accel_g, rate_hz)
    _check_unit(ts_us, accel_g)
    notes = _check_cut(accel_g)
    _check_orientation(ts_us, accel_g, gyro_dps, rate_hz)
    return notes


def _check_values(accel_g: np.ndarray, gyro_dps: np.ndarray) -> None:
    n = len(accel_g)
    bad = ~np.isfinite(accel_g).all(axis=1) | np.isinf(gyro_dps).any(axis=1)
    if bad.any():
        detail = f"{int(bad.sum())} rows are not finite; first: row {int(np.argmax(bad)) + 1}"
        raise Unusable(Reason.VALUE_NOT_FINITE, detail, n, int(bad.sum()))
    has_gyro = ~np.isnan(gyro_dps).any(axis=1)
    bad = out_of_range(accel_g, gyro_dps, has_gyro)
    if bad.any():
        limits = f"beyond {MAX_ACCEL_G:g} g or {MAX_GYRO_DPS:g} deg/s"
        detail = f"{int(bad.sum())} rows are {limits}; first: row {int(np.argmax(bad)) + 1}"
        raise Unusable(Reason.VALUE_OUT_OF_RANGE, detail, n, int(bad.sum()))


def _check_rate(ts_us: np.ndarray) -> float:
    n = len(ts_us)
    steps = np.diff(ts_us)
    median = float(np.median(steps))
    regular = bool(((steps >= 0.5 * median) & (steps <= 1.5 * median)).any())
    rate_hz = (sampling_rate_hz(ts_us) if regular else None) or 0.0
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        told = f"{rate_hz:.1f} Hz" if regular else "irregular steps"
        detail = f"{told}, not {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz"
        raise Unusable(Reason.RATE_IMPLAUSIBLE, detail, n, n)
    gaps, lost_s = find_gaps(ts_us, rate_hz)
    duration_s = float(ts_us[-1] - ts_us[0]) / 1e6
    if lost_s > duration_s / 2:
        detail = f"{gaps} gaps take {lost_s:.1f} of {duration_s:.1f} s"
        raise Unusable(Reason.RATE_IMPLAUSIBLE, detail, n, n)
    return rate_hz


def _still_share(values: np.ndarray, stretch: int) -> float:
    """Share of samples in runs of at least `stretch` samples without any change."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(values) != 0) + 1, [len(values)]])
    runs = np.diff(edges)
    return float(runs[runs >= stretch].sum()) / len(values)


def _check_alive(accel_g: np.ndarray, rate_hz: float) -> None:
    n = len(accel_g)
    stretch = max(5, round(FLAT_STRETCH_S * rate_hz))
    still = [_still_share(accel_g[:, axis], stretch) for axis in range(3)]
    if min(still) >= FLAT_SHARE:
        raise Unusable(Reason.FLAT, f"no axis changes in {min(still):.0%} of the time", n, n)
    if max(still) >= FLAT_SHARE and float(accel_g.std(axis=0).max()) >= MOVING_SD_G:
        axis = "xyz"[int(np.argmax(still))]
        detail = f"axis {axis} does not change in {max(still):.0%} of the time while others move"
        raise Unusable(Reason.FLAT, detail, n, n)


def _check_unit(ts_us: np.ndarray, accel_g: np.ndarray) -> None:
    accel = accel_g.astype(np.float32)
    whole = recognise_unit(ts_us, accel)
    if whole.unit not in ("g", "undetermined"):
        raise Unusable(Reason.UNIT_MISMATCH, whole.explain(), len(ts_us), len(ts_us))
    wrong, found = judge_unit(ts_us, accel, "g")
    if wrong is not None and wrong.mean() >= WRONG_UNIT_SHARE:
        raise Unusable(Reason.UNIT_MISMATCH, found.explain(), len(ts_us), int(wrong.sum()))


def _check_cut(accel_g: np.ndarray) -> tuple[str, ...]:
    notes = []
    for axis, values in zip("xyz", accel_g.T, strict=True):
        for extreme in (values.max(), values.min()):
            at = np.flatnonzero(values == extreme)
            if abs(extreme) < CLIPPED_ABOVE_G or len(at) < CLIPPED_SAMPLES:
                continue
            edges = np.concatenate([[0], np.flatnonzero(np.diff(at) > 1) + 1, [len(at)]])
            if np.diff(edges).max() >= CLIPPED_RUN:
                detail = f"axis {axis} is cut at {extreme:.2f} g in {len(at)} of {len(values)} samples"
                if len(at) >= SATURATED_SHARE * len(values):
                    raise Unusable(Reason.SATURATED, detail, len(values), len(at))
                notes.append(f"CLIPPED: {detail}")
    return tuple(notes)


def _check_orientation(ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray, rate_hz: float) -> None:
    """Gravity must not turn by more than the body did between two rests.

    With a gyroscope: no turn is larger than the integral of the rate's norm over it (offsets only make that
    larger), so gravity that turns by 45° and by more than twice the integral was turned by something else.
    Without: only a turn within 0.1 s is called a jump.
    """
    overlap = round((REST_PAUSE_S + 2 * REST_S) * rate_hz) + 1
    for first in range(0, len(ts_us), CHUNK_SAMPLES):
        part = slice(first, first + CHUNK_SAMPLES + overlap)
        found = _find_jump(ts_us[part] / 1e6, accel_g[part], gyro_dps[part], rate_hz)
        if found is not None:
            row, angle_deg, told = found
            at_s = float(ts_us[first + row] - ts_us[0]) / 1e6
            detail = f"gravity turns by {angle_deg:.0f}° at {at_s:.2f} s, {told}"
            n = len(ts_us)
            raise Unusable(Reason.ORIENTATION_JUMP, detail, n, n - first - row)


def _find_jump(
    t_s: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray, rate_hz: float
) -> tuple[int, float, str] | None:
    """First rest (row) before which gravity turned as no body does, the angle, and what tells so."""
    size = max(3, round(REST_S * rate_hz))
    if len(t_s) < 2 * size:
        return None
    sums = _before(accel_g.astype(np.float64))
    squares = _before(accel_g.astype(np.float64) ** 2)
    mean = (sums[size:] - sums[:-size]) / size
    sd = np.sqrt(np.maximum((squares[size:] - squares[:-size]) / size - mean**2, 0.0))
    norm = np.linalg.norm(mean, axis=1)
    rest = (sd.max(axis=1) <= REST_SD_G) & (norm >= REST_NORM_G[0]) & (norm <= REST_NORM_G[1])
    rest &= t_s[size - 1 :] - t_s[: len(t_s) - size + 1] <= 2 * REST_S
    starts = np.flatnonzero(rest)
    after = np.searchsorted(starts, starts + size)
    starts, after = starts[after < len(starts)], starts[after[after < len(starts)]]
    ends = starts + size - 1
    up = mean / np.where(norm > 0, norm, 1.0)[:, None]
    angle_deg = np.degrees(np.arccos(np.clip((up[starts] * up[after]).sum(axis=1), -1.0, 1.0)))
    pause_s = t_s[after] - t_s[ends]
    steps_s = np.diff(t_s)
    gaps = _before(steps_s > GAP_SAMPLES / rate_hz)
    speed_dps = np.linalg.norm(gyro_dps.astype(np.float64), axis=1)
    unknown = _before(np.isnan(speed_dps))
    known_dps = np.nan_to_num(speed_dps)
    turned_deg = _before(np.maximum(known_dps[1:], known_dps[:-1]) * steps_s)
    body_deg = turned_deg[after] - turned_deg[ends]
    measured = unknown[after + 1] == unknown[ends]
    jump = np.where(measured, body_deg < angle_deg / 2, pause_s <= INSTANT_S)
    jump &= (angle_deg >= JUMP_DEG) & (pause_s <= REST_PAUSE_S) & (gaps[after] == gaps[ends])
    if not jump.any():
        return None
    k = int(np.argmax(jump))
    told = f"the gyroscope tells {body_deg[k]:.0f}°" if measured[k] else f"within {pause_s[k]:.3f} s"
    return int(after[k]), float(angle_deg[k]), told


def _before(values: np.ndarray) -> np.ndarray:
    """Sums of all values before each one, and of all."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
