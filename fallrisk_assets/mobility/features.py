"""Features of windows: the reference, in numpy and scipy, as close to the definitions as code gets.

Here: what each feature is. Not here: the default implementation (`features_numba.py`), which tests hold to
this one; which windows there are (`windows.py`).

The set is that of the human-activity literature and its libraries (tsfel, SKDH): moments, order statistics,
crossings, spectrum and periodicity of each axis and of the norms, and what holds between axes. Every
definition is invariant to the sampling rate as far as the signal is: powers are variances carried by a band
in hertz, rates are per second, lags are in seconds. float32 throughout, in chunks that fit the cache.
"""

import numpy as np
import scipy.fft

from fallrisk_assets.mobility.feature_names import (
    AUTOCORRELATION_LAGS_S,
    AUTOCORRELATION_MIN_RATE_HZ,
    CONSTANT_BELOW,
    FEATURE_NAMES,
    LOCOMOTOR_BAND_HZ,
    SPECTRUM_HZ,
    STATISTICS,
    TREMOR_BAND_HZ,
)

CHUNK_WINDOWS = 64
N_STATISTICS = len(STATISTICS)
_TINY = np.float32(1e-30)


def fft_length(n: int) -> int:
    """Return the length to which a window of n samples is zero-padded: the next that transforms fast."""
    return int(scipy.fft.next_fast_len(n, real=True))


def spectrum_bins(rate_hz: float, n_fft: int, band_hz: tuple[float, float]) -> tuple[int, int]:
    """Return the spectral lines `[lo, hi)` of a band `[low, high)` in hertz, below the Nyquist line."""
    lo = int(np.ceil(band_hz[0] * n_fft / rate_hz - 1e-6))
    hi = int(np.ceil(band_hz[1] * n_fft / rate_hz - 1e-6))
    return max(lo, 1), min(hi, (n_fft + 1) // 2)


def block_means(d: np.ndarray, rate_hz: float) -> tuple[np.ndarray, float]:
    """Return means of blocks of samples along the last axis, at least 20 Hz, and their rate.

    Args:
        d: Signals, shape (..., n).
        rate_hz: Their rate.
    """
    q = max(1, int(rate_hz / AUTOCORRELATION_MIN_RATE_HZ + 1e-6))
    m = d.shape[-1] // q
    return d[..., : m * q].reshape(*d.shape[:-1], m, q).mean(axis=-1), rate_hz / q


def _autocorrelation_peak(d: np.ndarray, rate_hz: float) -> np.ndarray:
    """Return the highest local maximum of the unbiased autocorrelation along the last axis, or 0."""
    b, rate_b = block_means(d, rate_hz)
    m = b.shape[-1]
    lo = max(1, int(np.ceil(AUTOCORRELATION_LAGS_S[0] * rate_b)))
    hi = min(int(AUTOCORRELATION_LAGS_S[1] * rate_b), m // 2)
    variance = np.maximum((b * b).mean(axis=-1), _TINY)
    lags = np.arange(lo - 1, hi + 2)
    r = np.stack([(b[..., : m - k] * b[..., k:]).mean(axis=-1) / variance for k in lags], axis=-1)
    middle = r[..., 1:-1]
    is_peak = (middle >= r[..., :-2]) & (middle > r[..., 2:])
    return np.where(is_peak, np.maximum(middle, 0), 0).max(axis=-1, initial=0)


def _angle_deg(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the angle between vectors of shape (w, 3)."""
    cross = np.linalg.norm(np.cross(u, v), axis=-1)
    return np.degrees(np.arctan2(cross, (u * v).sum(axis=-1)))


def _chunk(acc: np.ndarray, gyr: np.ndarray | None, rate_hz: float) -> np.ndarray:
    """Return the features of windows that fit the cache; arguments as in `features_for_windows`."""
    n_windows, n = acc.shape[:2]
    out = np.full((n_windows, len(FEATURE_NAMES)), np.nan, np.float32)
    sensors = [acc] if gyr is None else [acc, gyr]
    x = np.concatenate(
        [np.concatenate([s, np.sqrt((s * s).sum(axis=2, keepdims=True))], axis=2) for s in sensors], axis=2
    )
    x = np.ascontiguousarray(x.transpose(0, 2, 1))
    mean = x.mean(axis=-1)
    d = x - mean[..., None]
    m2 = (d * d).mean(axis=-1)
    sd = np.sqrt(m2)
    constant = sd < CONSTANT_BELOW
    s = np.sort(x, axis=-1)
    q1, median, q3 = np.quantile(s, (0.25, 0.5, 0.75), axis=-1)
    mad = np.median(np.abs(x - median[..., None]), axis=-1)
    crossings = ((d[..., 1:] < 0) != (d[..., :-1] < 0)).sum(axis=-1)
    n_fft = fft_length(n)
    spectrum = scipy.fft.rfft(d, n=n_fft, axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2) * np.float32(2.0 / (n * n_fft))

    def band(band_hz: tuple[float, float]) -> np.ndarray:
        lo, hi = spectrum_bins(rate_hz, n_fft, band_hz)
        return power[..., lo:hi]

    whole = band(SPECTRUM_HZ)
    lo, _ = spectrum_bins(rate_hz, n_fft, SPECTRUM_HZ)
    p = whole / np.maximum(whole.sum(axis=-1, keepdims=True), _TINY)
    entropy = -(p * np.log(np.maximum(p, _TINY))).sum(axis=-1) / np.log(max(whole.shape[-1], 2))
    safe = np.where(constant, 1, m2)
    values = {
        "mean": mean,
        "sd": sd,
        "min": s[..., 0],
        "max": s[..., -1],
        "range": s[..., -1] - s[..., 0],
        "rms": np.sqrt(m2 + mean * mean),
        "median": median,
        "iqr": q3 - q1,
        "mad": mad,
        "skewness": (d**3).mean(axis=-1) / safe**1.5,
        "kurtosis": (d**4).mean(axis=-1) / safe**2 - 3,
        "crossing_rate": crossings * (rate_hz / n),
        "dominant_frequency": (whole.argmax(axis=-1) + lo) * (rate_hz / n_fft),
        "spectral_entropy": entropy,
        "locomotor_power": band(LOCOMOTOR_BAND_HZ).sum(axis=-1),
        "tremor_power": band(TREMOR_BAND_HZ).sum(axis=-1),
        "autocorrelation_peak": _autocorrelation_peak(d, rate_hz),
    }
    for name in ("skewness", "kurtosis", "dominant_frequency", "spectral_entropy", "autocorrelation_peak"):
        values[name] = np.where(constant, np.nan, values[name])
    stacked = np.stack([values[name] for name in STATISTICS], axis=-1)
    out[:, : stacked.shape[1] * N_STATISTICS] = stacked.reshape(n_windows, -1)
    _across(out, x, d, mean, sd, rate_hz)
    return out


def _across(
    out: np.ndarray, x: np.ndarray, d: np.ndarray, mean: np.ndarray, sd: np.ndarray, rate_hz: float
) -> None:
    """Fill the features across channels; x and d of shape (w, 4 or 8, n)."""
    column = {name: out[:, i] for i, name in enumerate(FEATURE_NAMES)}
    for offset, sensor in ((0, "accel"), (4, "gyro"))[: x.shape[1] // 4]:
        for i, j, axes in ((0, 1, "xy"), (0, 2, "xz"), (1, 2, "yz")):
            i, j = i + offset, j + offset
            flat = (sd[:, i] < CONSTANT_BELOW) | (sd[:, j] < CONSTANT_BELOW)
            product = np.where(flat, 1, sd[:, i] * sd[:, j])
            correlation = (d[:, i] * d[:, j]).mean(axis=-1) / product
            column[f"correlation_{sensor}_{axes}"][:] = np.where(flat, np.nan, correlation)
        column[f"sma_{sensor}"][:] = np.abs(d[:, offset : offset + 3]).mean(axis=-1).sum(axis=-1)
    column["enmo_accel"][:] = np.maximum(x[:, 3] - 1, 0).mean(axis=-1)
    jerk = np.diff(x[:, :3], axis=-1) * np.float32(rate_hz)
    squared = (jerk * jerk).sum(axis=1)
    column["jerk_rms_accel"][:] = np.sqrt(squared.mean(axis=-1))
    column["jerk_max_accel"][:] = np.sqrt(squared.max(axis=-1))
    second = min(max(round(rate_hz), 1), x.shape[-1])
    column["tilt_change"][:] = _angle_deg(x[:, :3, :second].mean(axis=-1), x[:, :3, -second:].mean(axis=-1))
    up = mean[:, :3] / np.maximum(np.linalg.norm(mean[:, :3], axis=-1, keepdims=True), _TINY)
    column["sd_accel_vertical"][:] = np.sqrt((np.einsum("wcn,wc->wn", d[:, :3], up) ** 2).mean(axis=-1))
    if x.shape[1] == 8:
        about_up = np.einsum("wcn,wc->wn", x[:, 4:7], up)
        column["rms_gyro_vertical"][:] = np.sqrt((about_up**2).mean(axis=-1))


def features_for_windows(acc_g: np.ndarray, gyr_dps: np.ndarray | None, rate_hz: float) -> np.ndarray:
    """Return the features of windows of equal length.

    Args:
        acc_g: Acceleration in g, shape (windows, n, 3), finite, n at least 16.
        gyr_dps: Angular velocity in deg/s, same shape, finite; None without gyroscope.
        rate_hz: Sampling rate, at least 18.

    Returns:
        float32 of shape (windows, len(FEATURE_NAMES)); not a number where a feature has no meaning (a
        constant channel's shape, a gyroscope that does not exist).

    Raises:
        ValueError: windows too short to describe.
    """
    if acc_g.shape[1] < 16:
        raise ValueError(f"a window of {acc_g.shape[1]} samples is too short to describe; 16 are the least")
    acc = np.ascontiguousarray(acc_g, np.float32)
    gyr = None if gyr_dps is None else np.ascontiguousarray(gyr_dps, np.float32)
    chunks = [
        _chunk(acc[i : i + CHUNK_WINDOWS], None if gyr is None else gyr[i : i + CHUNK_WINDOWS], rate_hz)
        for i in range(0, len(acc), CHUNK_WINDOWS)
    ]
    return np.concatenate(chunks) if chunks else np.empty((0, len(FEATURE_NAMES)), np.float32)
