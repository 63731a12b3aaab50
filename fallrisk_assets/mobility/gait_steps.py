"""Steps: when the feet meet the ground, from vertical acceleration, and what each stretch of steps is like.

Here: the period of walking, step times, regularity, harmonic ratio, turns. Not here: which stretches of the
day are looked at (`gait_signal.py`), and the day's measures (`gait.py`).

All signals are at 50 Hz (`gait_signal.GRID_HZ`).
"""

import numpy as np
from numba import njit

from fallrisk_assets.mobility.gait_signal import GRID_HZ

#: Step periods of walking: 200 to 43 steps a minute.
MIN_STEP_S, MAX_STEP_S = 0.3, 1.4
#: Length of signal on which the period is judged: three steps of the slowest walker.
PERIOD_WINDOW_S = 4
#: Autocorrelation from which movement counts as walking: frail walkers have 0.5 and more over a whole bout
#: (Moe-Nilssen & Helbostad 2004); four seconds with a turn in them have less, noise hardly ever as much.
MIN_REGULARITY = 0.45
#: Vertical acceleration below which nothing is a step.
MIN_SD_G = 0.025
#: A second peak of the autocorrelation is the stride; the step is the first that comes close to the highest.
FIRST_PEAK_SHARE = 0.7
#: Width of the Gaussian that leaves one peak a step: the step frequency passes with 0.64, its double with
#: 0.17.
SMOOTHING = 0.15
HARMONICS = 10

_TURN_RATE_DPS, _TURN_EDGE_DPS = 15.0, 5.0
_TURN_MIN_S, _TURN_MAX_S = 0.5, 10.0
TURN_MIN_DEG = 45.0
#: Gaussian low-pass of the turning rate: half power at 1.5 Hz (El-Gohary et al. 2013).
_TURN_SIGMA_S = 0.088

_HZ = GRID_HZ
_ZERO = np.float32(0)


# Inlined, as every fast kernel that another calls: see `features_numba`.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, inline="always")
def autocorrelation(x, n, lo, hi, r):
    """Fill r[0 .. hi - lo) with the unbiased autocorrelation of x[:n], mean removed, at lags [lo, hi)."""
    mean = _ZERO
    for i in range(n):
        mean += x[i]
    mean /= np.float32(n)
    power = _ZERO
    for i in range(n):
        power += (x[i] - mean) * (x[i] - mean)
    power = max(power / np.float32(n), np.float32(1e-12))
    for lag in range(lo, hi):
        total = _ZERO
        ahead = x[lag:]
        for i in range(n - lag):
            total += (x[i] - mean) * (ahead[i] - mean)
        r[lag - lo] = total / (np.float32(n - lag) * power)
    return power


@njit(nogil=True, cache=True)
def step_periods(vertical, period, regularity):
    """Fill the step period (s, 0 where nobody walks) and the autocorrelation there, second by second.

    Args:
        vertical: Vertical acceleration, float32 of shape (n,).
        period: Filled, shape (n // 50,).
        regularity: Filled, same shape.
    """
    half_rate = _HZ // 2
    m = len(vertical) // 2
    slow = np.empty(m, np.float32)
    for i in range(m):
        slow[i] = np.float32(0.5) * (vertical[2 * i] + vertical[2 * i + 1])
    lo, hi = int(MIN_STEP_S * half_rate), int(MAX_STEP_S * half_rate) + 2
    r = np.empty(hi - lo, np.float32)
    width = PERIOD_WINDOW_S * half_rate
    for s in range(len(period)):
        period[s] = 0.0
        regularity[s] = 0.0
        begin = max(0, min(s * half_rate + half_rate // 2 - width // 2, m - width))
        n = min(width, m - begin)
        if n < width // 2:
            continue
        top = min(hi, n - half_rate // 2)
        power = autocorrelation(slow[begin : begin + n], n, lo, top, r)
        if power < MIN_SD_G * MIN_SD_G:
            continue
        highest = 0.0
        for j in range(1, top - lo - 1):
            if r[j] >= r[j - 1] and r[j] > r[j + 1]:
                highest = max(highest, r[j])
        if highest < MIN_REGULARITY:
            continue
        for j in range(1, top - lo - 1):
            if r[j] >= r[j - 1] and r[j] > r[j + 1] and r[j] >= FIRST_PEAK_SHARE * highest:
                bend = r[j - 1] - 2 * r[j] + r[j + 1]
                shift = 0.5 * (r[j - 1] - r[j + 1]) / bend if bend < 0 else 0.0
                period[s] = (lo + j + shift) / half_rate
                regularity[s] = r[j]
                break


@njit(nogil=True, cache=True)
def spread_periods(period, regularity, spread):
    """Give each second the period of the most regular window that covers it, 0 where none does."""
    reach = PERIOD_WINDOW_S // 2
    for s in range(len(period)):
        best = 0.0
        spread[s] = 0.0
        for j in range(max(0, s - reach), min(len(period), s + reach + 1)):
            score = regularity[j] - 0.02 * abs(j - s)
            if period[j] > 0 and score > best:
                best = score
                spread[s] = period[j]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def smooth_by_period(vertical, spread, out):
    """Fill out with the signal smoothed by a Gaussian as wide as the local step period asks."""
    n = len(vertical)
    kernel = np.empty(2 * int(3 * SMOOTHING * MAX_STEP_S * _HZ + 2) + 1, np.float32)
    for s in range(len(spread)):
        begin, end = s * _HZ, min(n, (s + 1) * _HZ)
        if s == len(spread) - 1:
            end = n
        if spread[s] <= 0:
            out[begin:end] = _ZERO
            continue
        sigma = SMOOTHING * spread[s] * _HZ
        half = int(3 * sigma)
        total = 0.0
        for j in range(2 * half + 1):
            w = np.exp(-0.5 * ((j - half) / sigma) ** 2)
            kernel[j] = w
            total += w
        for j in range(2 * half + 1):
            kernel[j] = kernel[j] / total
        for i in range(begin, end):
            v = _ZERO
            a, b = max(0, i - half), min(n, i + half + 1)
            for j in range(a, b):
                v += kernel[j - i + half] * vertical[j]
            out[i] = v


@njit(nogil=True, cache=True)
def find_steps(smooth, spread, at, period_at):
    """Fill the times (grid points, between points by a parabola) and periods of steps; return how many.

    A step is the highest point within half a period, and stands out on both sides: on one clearly, on the
    other at all, so that first and last steps count.
    """
    n, seconds = len(smooth), len(spread)
    found = 0
    for i in range(1, n - 1):
        if not (smooth[i] >= smooth[i - 1] and smooth[i] > smooth[i + 1]):
            continue
        period = spread[min(i // _HZ, seconds - 1)]
        if period <= 0:
            continue
        reach = int(0.5 * period * _HZ)
        a, b = max(0, i - reach), min(n, i + reach + 1)
        low_left, low_right = smooth[i], smooth[i]
        is_highest = True
        for j in range(a, i):
            low_left = min(low_left, smooth[j])
            if smooth[j] > smooth[i]:
                is_highest = False
        for j in range(i + 1, b):
            low_right = min(low_right, smooth[j])
            if smooth[j] >= smooth[i]:
                is_highest = False
        if not is_highest:
            continue
        around = 2 * int(period * _HZ)
        a, b = max(0, i - around), min(n, i + around + 1)
        s, q = 0.0, 0.0
        for j in range(a, b):
            s += smooth[j]
            q += smooth[j] * smooth[j]
        sd = np.sqrt(max(q / (b - a) - (s / (b - a)) ** 2, 0.0))
        left, right = smooth[i] - low_left, smooth[i] - low_right
        if max(left, right) < max(0.8 * sd, 0.02) or min(left, right) < 0.2 * sd:
            continue
        bend = smooth[i - 1] - 2 * smooth[i] + smooth[i + 1]
        shift = 0.5 * (smooth[i - 1] - smooth[i + 1]) / bend if bend < 0 else 0.0
        at[found] = i + shift
        period_at[found] = period
        found += 1
    return found


@njit(nogil=True, cache=True)
def harmonic_ratios(vertical, strides, out):
    """Fill each stride's harmonic ratio: even over odd harmonics of its acceleration (Menz et al. 2003).

    Ten harmonics instead of twenty, so that a device at 20 Hz gives the same figure.

    Args:
        vertical: Vertical acceleration, shape (n,).
        strides: Start and end of each stride in grid points, float64 of shape (strides, 2).
        out: Filled, not a number where a stride leaves the signal; shape (strides,).
    """
    n = len(vertical)
    for s in range(len(strides)):
        begin, end = strides[s]
        length = end - begin
        out[s] = np.nan
        if begin < 0 or end > n - 1 or length < 2 * HARMONICS:
            continue
        points = round(length)
        even, odd = 0.0, 0.0
        for h in range(1, HARMONICS + 1):
            re, im = 0.0, 0.0
            step = 2 * np.pi * h / points
            c, sn = 1.0, 0.0
            dc, ds = np.cos(step), np.sin(step)
            for i in range(points):
                p = begin + i * length / points
                k = int(p)
                w = p - k
                v = vertical[k] * (1 - w) + vertical[k + 1] * w
                re += v * c
                im += v * sn
                c, sn = c * dc - sn * ds, sn * dc + c * ds
            size = np.sqrt(re * re + im * im)
            if h % 2 == 0:
                even += size
            else:
                odd += size
        if odd > 0:
            out[s] = even / odd


@njit(nogil=True, cache=True)
def _smooth_rate(yaw, out):
    half = int(3 * _TURN_SIGMA_S * _HZ)
    n = len(yaw)
    for i in range(n):
        v, weight = 0.0, 0.0
        for j in range(max(0, i - half), min(n, i + half + 1)):
            w = np.exp(-0.5 * ((j - i) / (_TURN_SIGMA_S * _HZ)) ** 2)
            v += w * yaw[j]
            weight += w
        out[i] = v / weight


@njit(nogil=True, cache=True)
def _scan_turns(rate, begin_at, end_at, angle_deg):
    found, i, n = 0, 0, len(rate)
    while i < n:
        if abs(rate[i]) <= _TURN_EDGE_DPS:
            i += 1
            continue
        sign = 1.0 if rate[i] > 0 else -1.0
        begin, peak, angle = i, 0.0, 0.0
        while i < n and rate[i] * sign > _TURN_EDGE_DPS:
            peak = max(peak, rate[i] * sign)
            angle += rate[i] / _HZ
            i += 1
        seconds = (i - begin) / _HZ
        if peak >= _TURN_RATE_DPS and abs(angle) >= TURN_MIN_DEG and _TURN_MIN_S <= seconds <= _TURN_MAX_S:
            begin_at[found], end_at[found], angle_deg[found] = begin, i, angle
            found += 1
    return found


def find_turns(yaw_dps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return start, end (grid points) and angle (deg) of turns of 45 degrees up (El-Gohary et al. 2013).

    Args:
        yaw_dps: Turning rate about gravity, float32 of shape (n,); finite.
    """
    n = len(yaw_dps)
    rate = np.empty(n)
    _smooth_rate(yaw_dps, rate)
    begin, end, angle = np.empty(n // 20 + 1), np.empty(n // 20 + 1), np.empty(n // 20 + 1)
    found = _scan_turns(rate, begin, end, angle)
    return begin[:found], end[:found], angle[:found]


def steps_of(vertical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return times of steps (grid points, fractional) and the step period (s) at each.

    Args:
        vertical: Vertical acceleration in g at 50 Hz, float32 of shape (n,), finite, at least two seconds.
    """
    seconds = len(vertical) // _HZ
    if seconds < 2:
        return np.empty(0), np.empty(0)
    period, regularity, spread = np.empty(seconds), np.empty(seconds), np.empty(seconds)
    step_periods(vertical, period, regularity)
    if not period.any():
        return np.empty(0), np.empty(0)
    spread_periods(period, regularity, spread)
    smooth = np.empty(len(vertical), np.float32)
    smooth_by_period(vertical, spread, smooth)
    at, period_at = np.empty(len(vertical) // 2), np.empty(len(vertical) // 2)
    found = find_steps(smooth, spread, at, period_at)
    return at[:found], period_at[:found]


def regularities(vertical: np.ndarray, step_s: float) -> tuple[float, float]:
    """Return step and stride regularity of a stretch of steady walking (Moe-Nilssen & Helbostad 2004).

    The unbiased autocorrelation of vertical acceleration at its first and second dominant period; 1 is
    perfect.

    Args:
        vertical: Vertical acceleration, at least four strides.
        step_s: Mean step time of the stretch.
    """
    n = len(vertical)
    top = min(int(2.4 * step_s * _HZ) + 2, n - 1)
    r = np.empty(top, np.float32)
    autocorrelation(np.ascontiguousarray(vertical), n, 0, top, r)
    step, stride = step_s * _HZ, 2 * step_s * _HZ
    reach = 0.2 * step
    near_step = r[max(0, int(step - reach)) : int(step + reach) + 1]
    near_stride = r[max(0, int(stride - reach)) : int(stride + reach) + 1]
    return float(near_step.max()), float(near_stride.max())
