"""Whether a recording is fit for use: long enough, sampled plausibly, alive, in g, not cut, not remounted.

Belongs here: rules on the samples of one recording, with their limits. Does not belong here: reading files;
rules on hours of devices (`telemetry`), whose limits of rate, unit and range are used here too.

What cannot be told is not claimed: a sensor that is turned on its belt while its gyroscope agrees, or during
a gap, looks like a change of posture and is left to pass.
"""

import numpy as np

from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.telemetry.coverage import MAX_RATE_HZ, MIN_RATE_HZ, find_gaps, sampling_rate_hz
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
    t_s = ts_us / 1e6
    accel = accel_g.astype(np.float64)
    size = max(3, round(REST_S * rate_hz))
    starts = np.arange(0, len(t_s) - size + 1, max(1, size // 4))
    if len(starts) < 2:
        return
    windows = np.lib.stride_tricks.sliding_window_view(accel, size, axis=0)[starts]
    mean, norm = windows.mean(axis=2), np.linalg.norm(windows.mean(axis=2), axis=1)
    rest = (
        (windows.std(axis=2).max(axis=1) <= REST_SD_G) & (norm >= REST_NORM_G[0]) & (norm <= REST_NORM_G[1])
    )
    rest &= t_s[starts + size - 1] - t_s[starts] <= 2 * REST_S
    at = np.flatnonzero(rest)
    if len(at) < 2:
        return
    turned = np.zeros(len(t_s))
    steps = np.diff(t_s)
    with np.errstate(invalid="ignore"):
        speed = np.linalg.norm(gyro_dps.astype(np.float64), axis=1)
    turned[1:] = np.cumsum(np.maximum(speed[1:], speed[:-1]) * steps)
    unit = mean[at] / norm[at, None]
    for k in range(len(at) - 1):
        a, b = int(starts[at[k]]) + size - 1, int(starts[at[k + 1]])
        if b <= a:
            continue
        angle = float(np.degrees(np.arccos(np.clip(unit[k] @ unit[k + 1], -1.0, 1.0))))
        pause_s = float(t_s[b] - t_s[a])
        gap_s = float(steps[a:b].max())
        if angle < JUMP_DEG or pause_s > REST_PAUSE_S or gap_s > 5 / rate_hz:
            continue
        body_deg = float(turned[b] - turned[a]) if np.isfinite(speed[a : b + 1]).all() else np.nan
        jump = pause_s <= INSTANT_S if np.isnan(body_deg) else body_deg < angle / 2
        if jump:
            told = f"the gyroscope tells {body_deg:.0f}°" if np.isfinite(body_deg) else f"in {pause_s:.3f} s"
            detail = f"gravity turns by {angle:.0f}° at {t_s[b] - t_s[0]:.2f} s, {told}"
            raise Unusable(Reason.ORIENTATION_JUMP, detail, len(t_s), len(t_s) - b)
