"""Features of windows, compiled: the default implementation.

Here: the definitions of `features.py` as loops over cache-sized chunks. Sorting and transforms stay with
numpy and scipy, whose vectorised kernels no loop of ours beats. Not here: what the features are; tests hold
every one of them to the reference.

Compiled code is cached beside this file and releases the interpreter lock. Arithmetic may be reordered
(`reassoc`) so that loops vectorise; not a number and infinity keep their meaning.
"""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numba import njit

from fallrisk_assets.mobility.feature_names import (
    AUTOCORRELATION_LAGS_S,
    AUTOCORRELATION_MIN_RATE_HZ,
    CONSTANT_BELOW,
    FEATURE_INDEX,
    FEATURE_NAMES,
    LOCOMOTOR_BAND_HZ,
    SPECTRUM_HZ,
    STATISTICS,
    TREMOR_BAND_HZ,
)
from fallrisk_assets.mobility.features import CHUNK_WINDOWS, fft_length

#: Sums may be taken in another order. A kernel with this that another calls must be inlined: of a callee
#: there are two copies, compiled in different company, and which of them runs depends on whether numba's
#: cache was cold: the last bits of the same rows would differ between the first process and all later ones.
_FAST = {"reassoc", "contract", "arcp", "nsz"}
_N_STATISTICS = len(STATISTICS)
_AT = {name: i for i, name in enumerate(STATISTICS)}
_MEAN, _SD, _MIN, _MAX, _RANGE, _RMS = (_AT[s] for s in ("mean", "sd", "min", "max", "range", "rms"))
_MEDIAN, _IQR, _MAD, _SKEW, _KURT = (_AT[s] for s in ("median", "iqr", "mad", "skewness", "kurtosis"))
_CROSS, _DOMINANT, _ENTROPY = (_AT[s] for s in ("crossing_rate", "dominant_frequency", "spectral_entropy"))
_LOCOMOTOR, _TREMOR, _PEAK = (_AT[s] for s in ("locomotor_power", "tremor_power", "autocorrelation_peak"))
_CORRELATION = (FEATURE_INDEX["correlation_accel_xy"], FEATURE_INDEX["correlation_gyro_xy"])
_SMA = (FEATURE_INDEX["sma_accel"], FEATURE_INDEX["sma_gyro"])
_ENMO, _JERK_RMS, _JERK_MAX = (FEATURE_INDEX[s] for s in ("enmo_accel", "jerk_rms_accel", "jerk_max_accel"))
_TILT = FEATURE_INDEX["tilt_change"]
_SD_UP, _GYRO_UP = FEATURE_INDEX["sd_accel_vertical"], FEATURE_INDEX["rms_gyro_vertical"]

_CONSTANT = np.float32(CONSTANT_BELOW)
_LAG_LO_S, _LAG_HI_S = AUTOCORRELATION_LAGS_S
_SPECTRUM_LO, _SPECTRUM_HI = SPECTRUM_HZ
_LOCOMOTOR_LO, _LOCOMOTOR_HI = LOCOMOTOR_BAND_HZ
_TREMOR_LO, _TREMOR_HI = TREMOR_BAND_HZ
_BLOCK_RATE = AUTOCORRELATION_MIN_RATE_HZ
_ZERO, _ONE = np.float32(0), np.float32(1)
_C3, _C5, _C7, _C9 = np.float32(1 / 3), np.float32(1 / 5), np.float32(1 / 7), np.float32(1 / 9)
_TINY = np.float32(1e-30)
_LN2 = np.float32(np.log(2.0))


@njit(nogil=True, cache=True, fastmath=_FAST)
def _gather(signals, first, n, offset, x):
    """Copy windows of n samples of `signals` (3, N), and their norm, to x[:, offset:offset + 4]."""
    for w in range(len(first)):
        lo = first[w]
        for c in range(3):
            source = signals[c]
            target = x[w, offset + c]
            for i in range(n):
                target[i] = source[lo + i]
        a, b, c3, norm = x[w, offset], x[w, offset + 1], x[w, offset + 2], x[w, offset + 3]
        for i in range(n):
            norm[i] = np.sqrt(a[i] * a[i] + b[i] * b[i] + c3[i] * c3[i])


@njit(nogil=True, cache=True, fastmath=_FAST)
def _gather_interleaved(windows, offset, x):
    """Copy windows of shape (w, n, 3), and their norm, to x[:, offset:offset + 4]."""
    for w in range(windows.shape[0]):
        for i in range(windows.shape[1]):
            a, b, c = windows[w, i, 0], windows[w, i, 1], windows[w, i, 2]
            x[w, offset, i] = a
            x[w, offset + 1, i] = b
            x[w, offset + 2, i] = c
            x[w, offset + 3, i] = np.sqrt(a * a + b * b + c * c)


@njit(nogil=True, cache=True, fastmath=_FAST, inline="always")
def _autocorrelation_peak(d, n, rate, blocks, r):
    """Return the highest local maximum of the unbiased autocorrelation of d[:n]; blocks and r are scratch."""
    q = max(1, int(rate / _BLOCK_RATE + 1e-6))
    m = n // q
    scale = np.float32(1.0 / q)
    energy = _ZERO
    if q == 1:
        for i in range(m):
            blocks[i] = d[i]
    elif q == 2:
        for i in range(m):
            blocks[i] = np.float32(0.5) * (d[2 * i] + d[2 * i + 1])
    else:
        for i in range(m):
            total = _ZERO
            for j in range(q):
                total += d[i * q + j]
            blocks[i] = total * scale
    for i in range(m):
        energy += blocks[i] * blocks[i]
    variance = max(energy / np.float32(m), _TINY)
    lo = max(1, int(np.ceil(_LAG_LO_S * (rate / q))))
    hi = min(int(_LAG_HI_S * (rate / q)), m // 2)
    for k in range(lo - 1, hi + 2):
        total = _ZERO
        ahead = blocks[k:]
        for i in range(m - k):
            total += blocks[i] * ahead[i]
        r[k - lo + 1] = total / (np.float32(m - k) * variance)
    best = _ZERO
    for j in range(1, hi - lo + 2):
        if r[j] >= r[j - 1] and r[j] > r[j + 1] and r[j] > best:
            best = r[j]
    return best


@njit(nogil=True, cache=True, fastmath=_FAST)
def _time_domain(x, n_fft, rates, d, out):
    """Fill what needs the order of samples in time, and the centred, zero-padded copy d for the transform."""
    n_windows, n_channels, n = x.shape
    per = _ONE / np.float32(n)
    blocks = np.empty(n, np.float32)
    r = np.empty(n + 2, np.float32)
    for w in range(n_windows):
        rate = rates[w]
        for c in range(n_channels):
            v, e = x[w, c], d[w, c]
            total = _ZERO
            for i in range(n):
                total += v[i]
            mean = total * per
            m2, m3, m4 = _ZERO, _ZERO, _ZERO
            for i in range(n):
                y = v[i] - mean
                e[i] = y
                y2 = y * y
                m2 += y2
                m3 += y2 * y
                m4 += y2 * y2
            for i in range(n, n_fft):
                e[i] = _ZERO
            crossings = np.int32(0)
            for i in range(1, n):
                crossings += np.int32((e[i] < _ZERO) != (e[i - 1] < _ZERO))
            m2, m3, m4 = m2 * per, m3 * per, m4 * per
            sd = np.sqrt(m2)
            o = out[w, c * _N_STATISTICS : (c + 1) * _N_STATISTICS]
            o[_MEAN] = mean
            o[_SD] = sd
            o[_RMS] = np.sqrt(m2 + mean * mean)
            o[_CROSS] = crossings * (rate / n)
            if sd >= _CONSTANT:
                o[_SKEW] = m3 / (m2 * sd)
                o[_KURT] = m4 / (m2 * m2) - np.float32(3)
                o[_PEAK] = _autocorrelation_peak(e, n, rate, blocks, r)
        _across(x[w], d[w], n, rate, out[w])


@njit(nogil=True, cache=True, fastmath=_FAST, inline="always")
def _across(x, d, n, rate, out):
    """Fill the features across channels of one window."""
    per = _ONE / np.float32(n)
    for sensor in range(x.shape[0] // 4):
        a, b, c = d[4 * sensor], d[4 * sensor + 1], d[4 * sensor + 2]
        sx = out[(4 * sensor) * _N_STATISTICS + _SD]
        sy = out[(4 * sensor + 1) * _N_STATISTICS + _SD]
        sz = out[(4 * sensor + 2) * _N_STATISTICS + _SD]
        xy, xz, yz, area = _ZERO, _ZERO, _ZERO, _ZERO
        for i in range(n):
            xy += a[i] * b[i]
            xz += a[i] * c[i]
            yz += b[i] * c[i]
            area += abs(a[i]) + abs(b[i]) + abs(c[i])
        if sx >= _CONSTANT and sy >= _CONSTANT:
            out[_CORRELATION[sensor]] = xy * per / (sx * sy)
        if sx >= _CONSTANT and sz >= _CONSTANT:
            out[_CORRELATION[sensor] + 1] = xz * per / (sx * sz)
        if sy >= _CONSTANT and sz >= _CONSTANT:
            out[_CORRELATION[sensor] + 2] = yz * per / (sy * sz)
        out[_SMA[sensor]] = area * per
    ax, ay, az, norm = x[0], x[1], x[2], x[3]
    above = _ZERO
    for i in range(n):
        above += max(norm[i] - _ONE, _ZERO)
    out[_ENMO] = above * per
    jerk, largest = _ZERO, _ZERO
    for i in range(1, n):
        dx, dy, dz = ax[i] - ax[i - 1], ay[i] - ay[i - 1], az[i] - az[i - 1]
        squared = dx * dx + dy * dy + dz * dz
        jerk += squared
        largest = max(largest, squared)
    out[_JERK_RMS] = np.float32(rate) * np.sqrt(jerk / np.float32(n - 1))
    out[_JERK_MAX] = np.float32(rate) * np.sqrt(largest)
    second = min(max(round(rate), 1), n)
    ux, uy, uz, vx, vy, vz = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
    for i in range(second):
        ux += ax[i]
        uy += ay[i]
        uz += az[i]
        vx += ax[n - second + i]
        vy += ay[n - second + i]
        vz += az[n - second + i]
    px, py, pz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    out[_TILT] = np.degrees(np.arctan2(np.sqrt(px * px + py * py + pz * pz), ux * vx + uy * vy + uz * vz))
    gx, gy, gz = out[_MEAN], out[_N_STATISTICS + _MEAN], out[2 * _N_STATISTICS + _MEAN]
    size = max(np.sqrt(gx * gx + gy * gy + gz * gz), _TINY)
    gx, gy, gz = gx / size, gy / size, gz / size
    a, b, c = d[0], d[1], d[2]
    total = _ZERO
    for i in range(n):
        up = a[i] * gx + b[i] * gy + c[i] * gz
        total += up * up
    out[_SD_UP] = np.sqrt(total * per)
    if x.shape[0] == 8:
        a, b, c = x[4], x[5], x[6]
        total = _ZERO
        for i in range(n):
            up = a[i] * gx + b[i] * gy + c[i] * gz
            total += up * up
        out[_GYRO_UP] = np.sqrt(total * per)


@njit(nogil=True, cache=True)
def _quantile(s, n, q):
    """Return a quantile of sorted values by linear interpolation."""
    at = q * (n - 1)
    k = int(at)
    rest = np.float32(at - k)
    return s[k] + rest * (s[min(k + 1, n - 1)] - s[k])


@njit(nogil=True, cache=True)
def _deviation_at(s, n, median, middle, k):
    """Return the k-th smallest (from 0) of |s - median|, where s[:middle] < median, by bisection.

    Below the median, deviations grow to the left; above, to the right: two sorted sequences, of which the
    k + 1 smallest take some count from each.
    """
    lo, hi = max(0, k + 1 - (n - middle)), min(middle, k + 1)
    while lo < hi:
        take = (lo + hi) // 2
        if median - s[middle - 1 - take] < s[middle + k - take] - median:
            lo = take + 1
        else:
            hi = take
    below = median - s[middle - lo] if lo > 0 else np.float32(0)
    above = s[middle + k - lo] - median if lo <= k else np.float32(0)
    return max(below, above)


@njit(nogil=True, cache=True)
def _median_deviation(s, n, median):
    """Return the median of |s - median| of sorted values."""
    middle = np.searchsorted(s, median)
    here = _deviation_at(s, n, median, middle, n // 2)
    return here if n % 2 else np.float32(0.5) * (_deviation_at(s, n, median, middle, n // 2 - 1) + here)


@njit(nogil=True, cache=True, fastmath=_FAST, inline="always")
def _plogp(power, bits, mantissa, mantissa_bits, lo, hi):
    """Return the sum of p ln p over lines [lo, hi); `bits` and `mantissa_bits` view the arrays as int32.

    ln p = e ln 2 + ln m with m in [sqrt(1/2), sqrt(2)), the latter by the series of 2 artanh((m - 1) / (m +
    1)): exact to float32, and it vectorises where the library's logarithm does not.
    """
    for k in range(lo, hi):
        exponent = np.int32(np.int32(bits[k] - np.int32(0x3F3504F3)) >> np.int32(23))
        mantissa_bits[k] = np.int32(bits[k] - np.int32(exponent << np.int32(23)))
    total = _ZERO
    for k in range(lo, hi):
        scale = np.float32(np.int32(np.int32(bits[k] - np.int32(0x3F3504F3)) >> np.int32(23)))
        m = mantissa[k]
        t = (m - _ONE) / (m + _ONE)
        u = t * t
        series = _ONE + u * (_C3 + u * (_C5 + u * (_C7 + u * _C9)))
        total += power[k] * (scale * _LN2 + np.float32(2) * t * series)
    return total


@njit(nogil=True, cache=True, fastmath=_FAST, inline="always")
def _line(rate, n_fft, hz):
    """Return the first spectral line at or above a frequency, at least 1."""
    return max(1, int(np.ceil(hz * n_fft / rate - 1e-6)))


@njit(nogil=True, cache=True, fastmath=_FAST)
def _order_and_spectrum(s, spectrum, n_fft, rates, out):
    """Fill what needs the samples sorted (s), and what needs their spectrum: (w, c, 2 * lines) floats."""
    n_windows, n_channels, n = s.shape
    scale = np.float32(2.0 / (n * n_fft))
    lines = (n_fft + 1) // 2
    power = np.empty(lines, np.float32)
    bits = power.view(np.int32)
    mantissa = np.empty(lines, np.float32)
    mantissa_bits = mantissa.view(np.int32)
    for w in range(n_windows):
        rate = rates[w]
        lo, hi = _line(rate, n_fft, _SPECTRUM_LO), min(_line(rate, n_fft, _SPECTRUM_HI), lines)
        a0, a1 = _line(rate, n_fft, _LOCOMOTOR_LO), min(_line(rate, n_fft, _LOCOMOTOR_HI), lines)
        b0, b1 = _line(rate, n_fft, _TREMOR_LO), min(_line(rate, n_fft, _TREMOR_HI), lines)
        for c in range(n_channels):
            v = s[w, c]
            o = out[w, c * _N_STATISTICS : (c + 1) * _N_STATISTICS]
            median = _quantile(v, n, 0.5)
            o[_MIN] = v[0]
            o[_MAX] = v[n - 1]
            o[_RANGE] = v[n - 1] - v[0]
            o[_MEDIAN] = median
            o[_IQR] = _quantile(v, n, 0.75) - _quantile(v, n, 0.25)
            o[_MAD] = _median_deviation(v, n, median)
            f = spectrum[w, c]
            for k in range(hi):
                power[k] = max((f[2 * k] * f[2 * k] + f[2 * k + 1] * f[2 * k + 1]) * scale, _TINY)
            total, locomotor, tremor = _ZERO, _ZERO, _ZERO
            for k in range(lo, hi):
                total += power[k]
            for k in range(a0, a1):
                locomotor += power[k]
            for k in range(b0, b1):
                tremor += power[k]
            o[_LOCOMOTOR] = locomotor
            o[_TREMOR] = tremor
            if o[_SD] >= _CONSTANT:
                best = lo
                for k in range(lo + 1, hi):
                    if power[k] > power[best]:
                        best = k
                o[_DOMINANT] = best * (rate / n_fft)
                total = max(total, _TINY)
                entropy = np.log(total) - _plogp(power, bits, mantissa, mantissa_bits, lo, hi) / total
                o[_ENTROPY] = entropy / np.float32(np.log(max(hi - lo, 2)))


def _describe(x: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the features of one chunk; x of shape (w, 4 or 8, n) is sorted in place."""
    n_windows, n_channels, n = x.shape
    n_fft = fft_length(n)
    out = np.full((n_windows, len(FEATURE_NAMES)), np.nan, np.float32)
    d = np.empty((n_windows, n_channels, n_fft), np.float32)
    _time_domain(x, n_fft, rates, d, out)
    x.sort(axis=-1)
    spectrum = scipy.fft.rfft(d, axis=-1, overwrite_x=True)
    _order_and_spectrum(x, spectrum.view(np.float32), n_fft, rates, out)
    return out


def _chunks(n_windows: int) -> Iterator[slice]:
    return (slice(i, min(i + CHUNK_WINDOWS, n_windows)) for i in range(0, n_windows, CHUNK_WINDOWS))


def features_at(
    accel_g: np.ndarray, gyro_dps: np.ndarray | None, first: np.ndarray, n: int, rate_hz: np.ndarray
) -> np.ndarray:
    """Return the features of windows of n samples that begin at given indices of a long recording.

    Args:
        accel_g: Acceleration in g, float32 of shape (3, N).
        gyro_dps: Angular velocity in deg/s, same shape, finite inside the windows; None without gyroscope.
        first: Index of each window's first sample, int64 of shape (w,).
        n: Samples in every window, at least 16.
        rate_hz: Rate inside each window, float64 of shape (w,).

    Returns:
        float32 of shape (w, len(FEATURE_NAMES)), as `features.features_for_windows`.
    """
    if n < 16:
        raise ValueError(f"a window of {n} samples is too short to describe; 16 are the least")
    out = np.empty((len(first), len(FEATURE_NAMES)), np.float32)
    for chunk in _chunks(len(first)):
        starts = first[chunk]
        x = np.empty((len(starts), 4 if gyro_dps is None else 8, n), np.float32)
        _gather(accel_g, starts, n, 0, x)
        if gyro_dps is not None:
            _gather(gyro_dps, starts, n, 4, x)
        out[chunk] = _describe(x, rate_hz[chunk])
    return out


def features_for_windows(acc_g: np.ndarray, gyr_dps: np.ndarray | None, rate_hz: float) -> np.ndarray:
    """Return the features of windows of equal length; see `features.features_for_windows`."""
    if acc_g.shape[1] < 16:
        raise ValueError(f"a window of {acc_g.shape[1]} samples is too short to describe; 16 are the least")
    acc = np.ascontiguousarray(acc_g, np.float32)
    gyr = None if gyr_dps is None else np.ascontiguousarray(gyr_dps, np.float32)
    out = np.empty((len(acc), len(FEATURE_NAMES)), np.float32)
    for chunk in _chunks(len(acc)):
        part = acc[chunk]
        x = np.empty((len(part), 4 if gyr is None else 8, acc.shape[1]), np.float32)
        _gather_interleaved(part, 0, x)
        if gyr is not None:
            _gather_interleaved(gyr[chunk], 4, x)
        out[chunk] = _describe(x, np.full(len(part), float(rate_hz)))
    return out
