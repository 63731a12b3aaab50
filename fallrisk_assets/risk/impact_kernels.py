"""Compiled kernels of the fall detector: where an impact may be, and the physics around it.

Everything here looks at norms, angles and integrals over time only, never at an axis or a sample
count, so a device's orientation and rate do not matter. Each number is computed from a bounded
window around one impact and never from running sums: feeding a stream in other pieces gives the
same bits. Gravity is taken from the signal itself, so that a sensor whose gain is off by some
percent sees the same fall.
"""

import math
from typing import Any

import numpy as np
from numba import njit

#: Seconds before an impact that are looked at.
BEFORE_S = 4.0
#: Seconds after an impact at which the detector decides (the promise is at most 4 s).
DECIDE_S = 3.5
#: An impact is the largest peak among its neighbours within this many seconds.
PEAK_NEIGHBOURHOOD_S = 1.5
#: Samples further apart than this end what is looked at. Posture is a state, so a shorter gap beside an
#: impact leaves it to be read from the samples that are there (wrist devices send bursts 1.9 s apart).
MAX_GAP_S = 2.0
#: The impact itself must be seen: no samples further apart than this in the seconds of ``IMPACT_SPAN_S``.
MAX_IMPACT_GAP_S = 0.75
IMPACT_SPAN_S = (-0.6, 0.4)
#: A sample stands for at most this long on each side of itself, so that gaps count as not seen.
MAX_HALF_WEIGHT_S = 0.2
#: A peak below this (in units of gravity) is no candidate: falls on UMAFall reach 1.66 g at the least.
CANDIDATE_G = 1.6
#: Half width of the box that levels out the rate's influence on peaks and troughs.
BOX_HALF_S = 0.06
#: Posture before an impact is taken up to here, and after it from here on.
POSTURE_BEFORE_END_S = 1.2
POSTURE_AFTER_START_S = 1.2
#: Least time with samples that each posture window needs.
MIN_POSTURE_S = 0.6
#: Where a record starts or ends close to the impact the windows reach nearer to it and need less; with
#: less than that there is no ground for a decision.
NEAR_POSTURE_BEFORE_END_S = 0.4
NEAR_POSTURE_AFTER_START_S = 0.2
MIN_NEAR_POSTURE_S = 0.15

#: Columns of the feature rows, in order; a new one goes to the end, because tables number them.
FEATURES = (
    "peak_g",
    "smooth_peak_g",
    "impulse_g_s",
    "free_fall_g_s",
    "free_fall_s",
    "trough_g",
    "posture_change_deg",
    "activity_before_g",
    "activity_after_g",
    "rival_before_ratio",
    "rival_after_ratio",
    "stillness_s",
    "late_posture_deg",
    "rotation_deg",
    "gyro_after_dps",
    "gyro_share",
    "airborne_s",
    "turn_rate_dps",
)
_N_FEATURES = len(FEATURES)
#: Deviation of the acceleration vector below which a person counts as still.
STILL_G = 0.15
#: Below this (in units of gravity) a body is in the air, or a device without a body.
WEIGHTLESS_G = 0.15
TURN_HALF_S = 0.1  # half width of the box that tells a turn of the body from a jolt


@njit(cache=True, nogil=True)
def find_candidates(ts_us: Any, accel_g: Any) -> Any:
    """Indices of the samples that may be the impact of a fall.

    A candidate exceeds ``CANDIDATE_G`` and is the largest sample within ``PEAK_NEIGHBOURHOOD_S``
    on both sides (of equals the first).

    Args:
        ts_us: (n,) int64, strictly increasing.
        accel_g: (n, 3) acceleration.

    Returns:
        (k,) int64 indices, increasing.
    """
    n = ts_us.shape[0]
    near_us = np.int64(PEAK_NEIGHBOURHOOD_S * 1e6)
    floor = CANDIDATE_G * CANDIDATE_G
    # A stack of above-threshold samples, norms decreasing: each knows the time of the last greater one.
    stack_t = np.empty(64, np.int64)
    stack_v = np.empty(64, np.float64)
    stack_i = np.empty(64, np.int64)
    stack_ok = np.empty(64, np.bool_)
    top = 0
    found = np.empty(256, np.int64)
    k = 0
    for i in range(n):
        x = np.float64(accel_g[i, 0])
        y = np.float64(accel_g[i, 1])
        z = np.float64(accel_g[i, 2])
        v = x * x + y * y + z * z
        if v < floor:
            continue
        while top > 0 and stack_v[top - 1] < v:
            top -= 1
            if stack_ok[top] and ts_us[i] - stack_t[top] > near_us:
                if k == found.shape[0]:
                    found = _grown(found)
                found[k] = stack_i[top]
                k += 1
        ok = top == 0 or ts_us[i] - stack_t[top - 1] > near_us
        if top == stack_t.shape[0]:
            stack_t, stack_v, stack_i = _grown(stack_t), _grown(stack_v), _grown(stack_i)
            stack_ok = _grown(stack_ok)
        stack_t[top] = ts_us[i]
        stack_v[top] = v
        stack_i[top] = i
        stack_ok[top] = ok
        top += 1
    for j in range(top):
        if stack_ok[j]:
            if k == found.shape[0]:
                found = _grown(found)
            found[k] = stack_i[j]
            k += 1
    return np.sort(found[:k])


@njit(cache=True, nogil=True)
def last_loud(accel_g: Any) -> int:
    """Index of the last sample that is large enough for a candidate, or -1."""
    for i in range(accel_g.shape[0] - 1, -1, -1):
        x, y, z = np.float64(accel_g[i, 0]), np.float64(accel_g[i, 1]), np.float64(accel_g[i, 2])
        if x * x + y * y + z * z >= CANDIDATE_G * CANDIDATE_G:
            return i
    return -1


@njit(cache=True, nogil=True)
def _grown(a: Any) -> Any:
    b = np.empty(a.shape[0] * 2, a.dtype)
    b[: a.shape[0]] = a
    return b


@njit(cache=True, nogil=True)
def _box_mean(t: Any, v: Any, lo: int, hi: int, i: int, half_s: float) -> float:
    """Mean of the piecewise linear signal over [t[i] - half_s, t[i] + half_s], within rows lo..hi."""
    area = 0.0
    length = 0.0
    left = t[i] - half_s
    right = t[i] + half_s
    j = i
    while j > lo and t[j] > left:
        a, b = t[j - 1], t[j]
        va, vb = v[j - 1], v[j]
        if a < left:
            va = vb + (va - vb) * (b - left) / (b - a)
            a = left
        area += 0.5 * (va + vb) * (b - a)
        length += b - a
        j -= 1
    j = i
    while j < hi - 1 and t[j] < right:
        a, b = t[j], t[j + 1]
        va, vb = v[j], v[j + 1]
        if b > right:
            vb = va + (vb - va) * (right - a) / (b - a)
            b = right
        area += 0.5 * (va + vb) * (b - a)
        length += b - a
        j += 1
    if length <= 0.0:
        return float(v[i])
    return area / length


@njit(cache=True, nogil=True)
def _angle_deg(ax: float, ay: float, az: float, bx: float, by: float, bz: float) -> float:
    na = math.sqrt(ax * ax + ay * ay + az * az)
    nb = math.sqrt(bx * bx + by * by + bz * bz)
    if na < 1e-6 or nb < 1e-6:
        return 0.0
    c = (ax * bx + ay * by + az * bz) / (na * nb)
    return math.degrees(math.acos(min(1.0, max(-1.0, c))))


@njit(cache=True, nogil=True)
def _posture(t: Any, a: Any, lo: int, hi: int, start: float, end: float, out: Any) -> None:
    """Mean acceleration vector, covered seconds and rms deviation over [start, end), into ``out`` (5,)."""
    sx = sy = sz = 0.0
    weight = 0.0
    for j in range(lo, hi):
        if t[j] < start or t[j] >= end:
            continue
        w = _weight(t, lo, hi, j)
        sx += w * a[j, 0]
        sy += w * a[j, 1]
        sz += w * a[j, 2]
        weight += w
    if weight <= 0.0:
        out[:] = 0.0
        return
    sx /= weight
    sy /= weight
    sz /= weight
    dev = 0.0
    for j in range(lo, hi):
        if t[j] < start or t[j] >= end:
            continue
        dx = a[j, 0] - sx
        dy = a[j, 1] - sy
        dz = a[j, 2] - sz
        dev += _weight(t, lo, hi, j) * (dx * dx + dy * dy + dz * dz)
    out[0] = sx
    out[1] = sy
    out[2] = sz
    out[3] = weight
    out[4] = math.sqrt(dev / weight)


@njit(cache=True, nogil=True)
def _weight(t: Any, lo: int, hi: int, j: int) -> float:
    """Seconds that sample j stands for."""
    left = 0.5 * (t[j] - t[j - 1]) if j > lo else 0.0
    right = 0.5 * (t[j + 1] - t[j]) if j < hi - 1 else 0.0
    return min(left, MAX_HALF_WEIGHT_S) + min(right, MAX_HALF_WEIGHT_S)


@njit(cache=True, nogil=True)
def _impact_seen(t: Any, m: int) -> bool:
    """Whether no gap hides the impact itself (t = 0)."""
    start, end = IMPACT_SPAN_S
    for j in range(1, m):
        if t[j] > start and t[j - 1] < end and t[j] - t[j - 1] > MAX_IMPACT_GAP_S:
            return False
    return True


@njit(cache=True, nogil=True)
def _turning(t: Any, gyro_dps: Any, after_start: float) -> Any:
    """Degrees turned and fastest turn around the impact, rms rate after it, share of gyroscope time."""
    m = t.shape[0]
    rate = np.zeros(m)
    total = seen = turned = square = after_s = 0.0
    for j in range(m):
        w = _weight(t, 0, m, j)
        total += w
        x, y, z = np.float64(gyro_dps[j, 0]), np.float64(gyro_dps[j, 1]), np.float64(gyro_dps[j, 2])
        r = math.sqrt(x * x + y * y + z * z)
        if not math.isfinite(r):
            rate[j] = rate[j - 1] if j > 0 else 0.0
            continue
        rate[j] = r
        seen += w
        if -1.0 <= t[j] <= 0.5:
            turned += w * r
        if t[j] >= after_start:
            square += w * r * r
            after_s += w
    if after_s <= 0.0:
        return np.nan, np.nan, np.nan, 0.0
    fastest = 0.0
    for j in range(m):
        if -1.0 <= t[j] <= 0.3 and rate[j] > fastest:
            fastest = max(fastest, _box_mean(t, rate, 0, m, j, TURN_HALF_S))
    return turned, fastest, math.sqrt(square / after_s), seen / total


@njit(cache=True, nogil=True)
def impact_features(ts_us: Any, accel_g: Any, gyro_dps: Any, candidates: Any) -> Any:
    """Physics of the seconds around each candidate.

    Args:
        ts_us: (n,) int64, strictly increasing.
        accel_g: (n, 3) acceleration.
        gyro_dps: (n, 3) angular rate, NaN where there is none; or (0, 3).
        candidates: (k,) indices from :func:`find_candidates`.

    Returns:
        (k, len(FEATURES)) float64; a row is NaN where too few samples surround the impact.
    """
    n = ts_us.shape[0]
    has_gyro = gyro_dps.shape[0] == n and n > 0
    gap_us = np.int64(MAX_GAP_S * 1e6)
    out = np.full((candidates.shape[0], _N_FEATURES), np.nan)
    before = np.zeros(5)
    after = np.zeros(5)
    part = np.zeros(5)
    for c in range(candidates.shape[0]):
        i0 = candidates[c]
        t0 = ts_us[i0]
        lo = i0
        while (
            lo > 0
            and ts_us[i0] - ts_us[lo - 1] <= np.int64(BEFORE_S * 1e6)
            and ts_us[lo] - ts_us[lo - 1] <= gap_us
        ):
            lo -= 1
        hi = i0 + 1
        while hi < n and ts_us[hi] - t0 < np.int64(DECIDE_S * 1e6) and ts_us[hi] - ts_us[hi - 1] <= gap_us:
            hi += 1
        m = hi - lo
        t = np.empty(m)
        v = np.empty(m)
        a = np.empty((m, 3))
        for j in range(m):
            t[j] = (ts_us[lo + j] - t0) * 1e-6
            for d in range(3):
                a[j, d] = accel_g[lo + j, d]
            v[j] = math.sqrt(a[j, 0] ** 2 + a[j, 1] ** 2 + a[j, 2] ** 2)
        gravity = min(1.15, max(0.85, np.median(v)))
        for j in range(m):
            v[j] /= gravity
            for d in range(3):
                a[j, d] /= gravity
        _posture(t, a, 0, m, -BEFORE_S, -POSTURE_BEFORE_END_S, before)
        if before[3] < MIN_POSTURE_S:
            _posture(t, a, 0, m, -BEFORE_S, -NEAR_POSTURE_BEFORE_END_S, before)
        after_start = POSTURE_AFTER_START_S
        _posture(t, a, 0, m, after_start, DECIDE_S, after)
        if after[3] < MIN_POSTURE_S:
            after_start = NEAR_POSTURE_AFTER_START_S
            _posture(t, a, 0, m, after_start, DECIDE_S, after)
        if before[3] < MIN_NEAR_POSTURE_S or after[3] < MIN_NEAR_POSTURE_S:
            continue
        if not _impact_seen(t, m):
            continue
        i, smooth_peak = i0 - lo, 0.0
        rival_before = 0.0
        rival_after = 0.0
        impulse = 0.0
        falling = 0.0
        falling_s = 0.0
        flight_s = 0.0
        airborne_s = 0.0
        trough = 9.0
        for j in range(m):
            if -0.3 <= t[j] <= 0.3:
                smooth_peak = max(smooth_peak, _box_mean(t, v, 0, m, j, BOX_HALF_S))
                impulse += _weight(t, 0, m, j) * abs(v[j] - 1.0)
            if -1.0 <= t[j] < 0.0:
                w = _weight(t, 0, m, j)
                trough = min(trough, _box_mean(t, v, 0, m, j, BOX_HALF_S))
                flight_s = flight_s + w if v[j] < WEIGHTLESS_G else 0.0
                airborne_s = max(airborne_s, flight_s)
                if v[j] < 1.0:
                    falling += w * (1.0 - v[j])
                if v[j] < 0.7:
                    falling_s += w
            if t[j] < -1.0 and v[j] > rival_before:
                rival_before = max(rival_before, _box_mean(t, v, 0, m, j, BOX_HALF_S))
            if t[j] > 1.0 and v[j] > rival_after:
                rival_after = max(rival_after, _box_mean(t, v, 0, m, j, BOX_HALF_S))
        smooth_peak = max(smooth_peak, 1.0)

        # Still: counted back from the decision, as long as the vector stays near the final posture.
        last_s = DECIDE_S if t[m - 1] > DECIDE_S - MAX_HALF_WEIGHT_S else t[m - 1]
        _posture(t, a, 0, m, last_s - 1.0, DECIDE_S, part)
        if part[3] < 0.3:
            part[:] = after
        still_from = t[m - 1]
        j = m - 1
        while j > i:
            dx = a[j, 0] - part[0]
            dy = a[j, 1] - part[1]
            dz = a[j, 2] - part[2]
            if math.sqrt(dx * dx + dy * dy + dz * dz) > 2.0 * STILL_G:
                break
            still_from = t[j]
            j -= 1

        rotation, turn_rate, gyro_after, share = np.nan, np.nan, np.nan, 0.0
        if has_gyro:
            rotation, turn_rate, gyro_after, share = _turning(t, gyro_dps[lo:hi], after_start)

        out[c] = (
            v[i],
            smooth_peak,
            impulse,
            falling,
            falling_s,
            trough,
            _angle_deg(before[0], before[1], before[2], after[0], after[1], after[2]),
            before[4],
            after[4],
            max(0.0, rival_before - 1.0) / max(0.2, smooth_peak - 1.0),
            max(0.0, rival_after - 1.0) / max(0.2, smooth_peak - 1.0),
            max(0.0, t[m - 1] - still_from),
            _angle_deg(before[0], before[1], before[2], part[0], part[1], part[2]),
            rotation,
            gyro_after,
            share,
            airborne_s,
            turn_rate,
        )
    return out
