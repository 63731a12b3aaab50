"""Signals of a patient-day on one time grid, and what is read from them before any step is found.

Here: resampling, gravity, activity, stillness, vertical acceleration and turning rate. Not here: steps
(`gait_steps.py`) and the day's measures (`gait.py`).

Everything refers to the direction of gravity, estimated from the signal itself (Moe-Nilssen 1998), so that
the orientation in which a device is worn does not matter.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from fallrisk_assets.mobility.samples import DeviceSamples

GRID_HZ = 50
GRID_US = 1_000_000 // GRID_HZ
#: Gravity and posture are kept at 5 Hz: nothing in them is faster.
BLOCK = 10
BLOCK_HZ = GRID_HZ // BLOCK
#: Gaussian low-pass of gravity: half power at 0.25 Hz, below any stride.
GRAVITY_SIGMA_S = 0.53
#: Holes up to this are bridged by a line; longer ones are gaps, as for windows.
FILL_S = 0.25

_ZERO = np.float32(0)
_NAN = np.float32(np.nan)


@dataclass(slots=True)
class DayGrid:
    """One device's samples of a span on a 50 Hz grid anchored to the epoch; not a number in gaps.

    Attributes:
        start_us: Time of the first grid point.
        accel_g: float32 of shape (3, n).
        gyro_dps: float32 of shape (3, n); not a number where there was no gyroscope.
    """

    start_us: int
    accel_g: np.ndarray
    gyro_dps: np.ndarray

    @property
    def duration_s(self) -> float:
        """Length of the grid."""
        return self.accel_g.shape[1] / GRID_HZ


def empty_grid(start_us: int, end_us: int) -> DayGrid:
    """Return a grid for `[start_us, end_us)` without samples."""
    first = -(-start_us // GRID_US)
    n = max(0, -(-end_us // GRID_US) - first)
    return DayGrid(first * GRID_US, np.full((3, n), _NAN, np.float32), np.full((3, n), _NAN, np.float32))


@njit(nogil=True, cache=True)
def _resample(time_us, signals, start_us, reach_us, grid_us, out):
    """Put samples on the grid by triangular weights of half-width reach_us.

    That is linear interpolation for slow devices, a low-pass for fast ones. Grid points with too little
    weight are left as they are.
    """
    n, grid = len(time_us), out.shape[1]
    if n == 0:
        return
    begin = max(np.int64(0), (time_us[0] - reach_us - start_us) // grid_us)
    end = min(np.int64(grid), (time_us[n - 1] + reach_us - start_us) // grid_us + 1)
    lo = 0
    inverse = 1.0 / reach_us
    for k in range(begin, end):
        t = start_us + k * grid_us
        while lo < n and time_us[lo] <= t - reach_us:
            lo += 1
        i = lo
        weight = 0.0
        x, y, z = 0.0, 0.0, 0.0
        while i < n and time_us[i] < t + reach_us:
            w = 1.0 - abs(time_us[i] - t) * inverse
            weight += w
            x += w * signals[0, i]
            y += w * signals[1, i]
            z += w * signals[2, i]
            i += 1
        if weight > 0.4:
            out[0, k] = x / weight
            out[1, k] = y / weight
            out[2, k] = z / weight


def add_samples(grid: DayGrid, samples: DeviceSamples) -> None:
    """Put samples on the grid, in any order of calls; samples outside of it are ignored.

    A device faster than the grid is low-passed, a slower one interpolated between neighbours.
    """
    end_us = grid.start_us + grid.accel_g.shape[1] * GRID_US
    part = samples.between(grid.start_us - GRID_US, end_us + GRID_US)
    if len(part) < 2:
        return
    interval_us = int(np.median(np.diff(part.time_us)))
    reach_us = max(GRID_US, min(interval_us, round(FILL_S * 1e6)))
    _resample(part.time_us, part.accel_g, grid.start_us, reach_us, GRID_US, grid.accel_g)
    if part.gyro_dps is not None:
        _resample(part.time_us, part.gyro_dps, grid.start_us, reach_us, GRID_US, grid.gyro_dps)


@njit(nogil=True, cache=True)
def fill_holes(signals, longest):
    """Bridge holes of at most `longest` grid points by a line, in place; signals of shape (3, n)."""
    n = signals.shape[1]
    last = -1
    for i in range(n):
        if np.isnan(signals[0, i]):
            continue
        if last >= 0 and 1 < i - last <= longest + 1:
            for c in range(3):
                step = (signals[c, i] - signals[c, last]) / np.float32(i - last)
                for j in range(last + 1, i):
                    signals[c, j] = signals[c, last] + step * np.float32(j - last)
        last = i


@njit(nogil=True, cache=True)
def _blocks(signals, block, mean, power):
    """Fill means and the summed variance of three axes of blocks; NaN where a sample is missing."""
    per = np.float32(1.0 / block)
    for k in range(mean.shape[1]):
        total = _ZERO
        for c in range(3):
            v = signals[c, k * block : (k + 1) * block]
            origin = v[0]
            s, q = _ZERO, _ZERO
            for i in range(block):
                y = v[i] - origin
                s += y
                q += y * y
            mean[c, k] = origin + s * per
            total += max(q * per - s * per * s * per, _ZERO)
        power[k] = total


@njit(nogil=True, cache=True)
def _smooth_blocks(mean, kernel, out):
    """Fill the Gaussian average over the blocks that exist; NaN where the block itself does not."""
    n, half = mean.shape[1], len(kernel) // 2
    for k in range(n):
        if np.isnan(mean[0, k]):
            out[0, k], out[1, k], out[2, k] = _NAN, _NAN, _NAN
            continue
        x, y, z, weight = _ZERO, _ZERO, _ZERO, _ZERO
        for j in range(max(0, k - half), min(n, k + half + 1)):
            if not np.isnan(mean[0, j]):
                w = kernel[j - k + half]
                weight += w
                x += w * mean[0, j]
                y += w * mean[1, j]
                z += w * mean[2, j]
        out[0, k], out[1, k], out[2, k] = x / weight, y / weight, z / weight


@njit(nogil=True, cache=True)
def _vertical(accel, gyro, gravity, block, first, n, use_norm, vertical, horizontal, yaw):
    """Fill vertical and horizontal acceleration and turning rate of grid points [first, first + n)."""
    blocks = gravity.shape[1]
    for i in range(n):
        k = first + i
        at = (k - 0.5 * (block - 1)) / block
        b = min(max(int(np.floor(at)), 0), blocks - 1)
        b2 = min(b + 1, blocks - 1)
        w = np.float32(min(max(at - b, 0.0), 1.0))
        if np.isnan(gravity[0, b2]):
            b2 = b
        if np.isnan(gravity[0, b]):
            b = b2
        gx = gravity[0, b] + w * (gravity[0, b2] - gravity[0, b])
        gy = gravity[1, b] + w * (gravity[1, b2] - gravity[1, b])
        gz = gravity[2, b] + w * (gravity[2, b2] - gravity[2, b])
        size = max(np.sqrt(gx * gx + gy * gy + gz * gz), np.float32(1e-6))
        gx, gy, gz = gx / size, gy / size, gz / size
        ax, ay, az = accel[0, k], accel[1, k], accel[2, k]
        along = ax * gx + ay * gy + az * gz
        total = ax * ax + ay * ay + az * az
        vertical[i] = np.sqrt(total) - np.float32(1) if use_norm else along - size
        horizontal[i] = np.sqrt(max(total - along * along, _ZERO))
        yaw[i] = gyro[0, k] * gx + gyro[1, k] * gy + gyro[2, k] * gz


@dataclass(frozen=True, slots=True)
class Posture:
    """What slow signals say, block by block (5 Hz).

    Attributes:
        gravity: Direction and size of gravity in g, float32 of shape (3, blocks); not a number in gaps.
        power: Variance of acceleration inside each block, summed over axes, g², shape (blocks,).
        mean: Mean acceleration of each block in g, shape (3, blocks).
    """

    gravity: np.ndarray
    power: np.ndarray
    mean: np.ndarray


def posture_of(grid: DayGrid) -> Posture:
    """Return gravity and activity of a grid whose holes have been filled."""
    blocks = grid.accel_g.shape[1] // BLOCK
    mean = np.empty((3, blocks), np.float32)
    power = np.empty(blocks, np.float32)
    _blocks(grid.accel_g, BLOCK, mean, power)
    half = round(3 * GRAVITY_SIGMA_S * BLOCK_HZ)
    lags = np.arange(-half, half + 1) / BLOCK_HZ
    kernel = np.exp(-0.5 * (lags / GRAVITY_SIGMA_S) ** 2).astype(np.float32)
    gravity = np.empty_like(mean)
    _smooth_blocks(mean, kernel, gravity)
    return Posture(gravity, power, mean)


def seconds_sd(posture: Posture) -> np.ndarray:
    """Return the SD of acceleration (three axes together, g) of each whole second; NaN in gaps."""
    seconds = posture.power.shape[0] // BLOCK_HZ
    n = seconds * BLOCK_HZ
    within = posture.power[:n].reshape(seconds, BLOCK_HZ).mean(axis=1)
    means = posture.mean[:, :n].reshape(3, seconds, BLOCK_HZ)
    return np.sqrt(within + means.var(axis=2).sum(axis=0))


def not_worn_seconds(posture: Posture, still_sd_g: float, after_s: float) -> np.ndarray:
    """Tell the seconds in stillness that lasts too long for a living wearer; bool of shape (seconds,).

    Stillness is judged on ten seconds, as for windows: no axis varies more than `still_sd_g`.
    """
    per = 10 * BLOCK_HZ
    tens = posture.mean.shape[1] // per
    n = tens * per
    means = posture.mean[:, :n].reshape(3, tens, per)
    within = posture.power[:n].reshape(tens, per).mean(axis=1)
    # One axis cannot vary more than the three together: conservative inside blocks, exact between them.
    still = np.sqrt(means.var(axis=2).max(axis=0) + within / 3) < still_sd_g
    result = np.zeros(posture.mean.shape[1] // BLOCK_HZ, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(np.int8), [0]])))
    for lo, hi in zip(edges[::2], edges[1::2], strict=True):
        if (hi - lo) * 10 >= after_s:
            result[lo * 10 : hi * 10] = True
    return result


def runs(mask: np.ndarray, bridge: int = 0) -> list[tuple[int, int]]:
    """Return `[start, stop)` of runs of true values; at most `bridge` false ones do not end a run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    found: list[tuple[int, int]] = []
    for lo, hi in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and lo - found[-1][1] <= bridge:
            found[-1] = (found[-1][0], hi)
        else:
            found.append((lo, hi))
    return found


def body_signals(
    grid: DayGrid, posture: Posture, first: int, stop: int, use_norm: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertical and horizontal acceleration (g) and turning rate (deg/s) of `[first, stop)`.

    Args:
        grid: The day.
        posture: Its gravity.
        first: First grid point.
        stop: Grid point after the last.
        use_norm: Take the norm less 1 g for vertical: for positions that swing, where gravity moves too fast
            to be told from acceleration.
    """
    n = stop - first
    vertical, horizontal, yaw = (np.empty(n, np.float32) for _ in range(3))
    _vertical(
        grid.accel_g, grid.gyro_dps, posture.gravity, BLOCK, first, n, use_norm, vertical, horizontal, yaw
    )
    return vertical, horizontal, yaw
