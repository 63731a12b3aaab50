"""Whether acceleration is in g: what gravity measures while the device is quiet.

Belongs here: recognising a unit, the declared firmware rules, what a sensor can measure at all. Does not
belong here: which rows are a device's (`clean.py`).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

STANDARD_GRAVITY = 9.80665  # m/s², CODATA / BIPM

# Firmware versions (prefix) known to send another unit than g. Only these are converted; anything else that
# is not g is quarantined, because a silent guess would turn a sitting person into a falling one.
FIRMWARE_UNITS: dict[str, str] = {"0.8.": "m/s2"}

G_PER_UNIT: dict[str, float] = {"g": 1.0, "m/s2": 1.0 / STANDARD_GRAVITY, "mg": 1e-3}

MAX_ACCEL_G = 32.0
MAX_GYRO_DPS = 4000.0

# Cheap sensors miss 1 g by up to a tenth (van Hees et al., J Appl Physiol 117, 2014: offsets and gains of
# uncalibrated devices); the limits leave three times that.
QUIET_LIMITS_G = (0.7, 1.3)
# Without a quiet second the median norm of somebody who runs can still be taken for gravity, roughly.
MOVING_LIMITS_G = (0.5, 2.0)

QUIET_RELATIVE_SD = 0.02
MIN_BLOCK_SAMPLES = 5
MIN_QUIET_BLOCKS = 3
MIN_MOVING_SPAN_S = 10.0
MAX_MOVING_SAMPLES = 10_000  # a median norm needs no more


@dataclass(frozen=True, slots=True)
class UnitFinding:
    """What the samples say of their unit.

    `unit` is "g", "m/s2", "mg", "unknown" (gravity measures something else) or "undetermined" (too little
    data to tell: fewer than three quiet seconds and less than 10 s in all). `gravity` is in the unit as sent.
    """

    unit: str
    gravity: float
    quiet_blocks: int

    @property
    def from_quiet(self) -> bool:
        """Whether gravity was measured in quiet seconds."""
        return self.quiet_blocks >= MIN_QUIET_BLOCKS

    def explain(self) -> str:
        """One line for a person."""
        how = f"{self.quiet_blocks} quiet seconds" if self.from_quiet else "no quiet seconds"
        return f"gravity measures {self.gravity:.3g} over {how}, which reads as {self.unit}"


def declared_unit(firmware: str) -> str:
    """Unit of acceleration that a firmware is declared to send; "g" unless a rule says otherwise."""
    for prefix, unit in FIRMWARE_UNITS.items():
        if firmware.startswith(prefix):
            return unit
    return "g"


def recognise_unit(ts_us: np.ndarray, accel: np.ndarray) -> UnitFinding:
    """Recognise the unit of acceleration from gravity.

    The norm is averaged over each UTC second with at least five samples; seconds whose norm varies by less
    than 2 % are quiet, and gravity is the median of their means. Without three quiet seconds it is the median
    norm of at least 10,000 samples spread evenly (all, if fewer), with wider limits, provided that they
    span 10 s.

    Args:
        ts_us: times in epoch microseconds (n), ascending.
        accel: acceleration as sent (n, 3), float32.
    """
    if ts_us.size == 0:
        return UnitFinding("undetermined", float("nan"), 0)
    means, sds = _second_norms(ts_us, accel)
    quiet = means[sds <= QUIET_RELATIVE_SD * means]
    if quiet.size >= MIN_QUIET_BLOCKS:
        gravity = float(np.median(quiet))
        return UnitFinding(_unit_of(gravity, QUIET_LIMITS_G), gravity, int(quiet.size))
    some = accel[:: max(1, ts_us.size // MAX_MOVING_SAMPLES)]
    gravity = float(np.median(np.linalg.norm(some.astype(np.float64), axis=1)))
    if ts_us[-1] - ts_us[0] < MIN_MOVING_SPAN_S * 1e6:
        return UnitFinding("undetermined", gravity, int(quiet.size))
    return UnitFinding(_unit_of(gravity, MOVING_LIMITS_G), gravity, int(quiet.size))


def out_of_range(accel_g: np.ndarray, gyro_dps: np.ndarray, has_gyro: np.ndarray) -> np.ndarray:
    """Rows (bool, n) with an axis beyond 32 g or 4000 deg/s, which no sensor worn by people measures."""
    return _out_of_range(accel_g, gyro_dps, has_gyro)


def _unit_of(gravity: float, limits_g: tuple[float, float]) -> str:
    for unit, g_per_unit in G_PER_UNIT.items():
        if limits_g[0] <= gravity * g_per_unit <= limits_g[1]:
            return unit
    return "unknown"


@njit(nogil=True, cache=True)
def _out_of_range(accel_g, gyro_dps, has_gyro):
    n = accel_g.shape[0]
    out = np.zeros(n, np.bool_)
    for i in range(n):
        for axis in range(3):
            if not abs(accel_g[i, axis]) <= MAX_ACCEL_G:
                out[i] = True
            if has_gyro[i] and not abs(gyro_dps[i, axis]) <= MAX_GYRO_DPS:
                out[i] = True
    return out


@njit(nogil=True, cache=True)
def _second_norms(ts_us, accel):
    """Mean and standard deviation of the norm in each second that holds enough samples."""
    n = ts_us.size
    blocks = np.int64(1)
    for i in range(1, n):
        if ts_us[i] // 1_000_000 != ts_us[i - 1] // 1_000_000:
            blocks += 1
    means = np.empty(blocks)
    sds = np.empty(blocks)
    found = 0
    start = 0
    while start < n:
        second = ts_us[start] // 1_000_000
        end = start
        total = 0.0
        squares = 0.0
        shift = 0.0
        while end < n and ts_us[end] // 1_000_000 == second:
            x = np.float64(accel[end, 0])
            y = np.float64(accel[end, 1])
            z = np.float64(accel[end, 2])
            norm = np.sqrt(x * x + y * y + z * z)
            if end == start:
                shift = norm
            total += norm - shift
            squares += (norm - shift) * (norm - shift)
            end += 1
        count = end - start
        if count >= MIN_BLOCK_SAMPLES:
            mean = total / count
            variance = squares / count - mean * mean
            means[found] = mean + shift
            sds[found] = np.sqrt(variance) if variance > 0 else 0.0
            found += 1
        start = end
    return means[:found], sds[:found]
