"""Whether acceleration is in g: what gravity measures while the device is quiet.

Belongs here: recognising a unit, the declared firmware rules, what a sensor can measure at all. Does not
belong here: which rows are a device's (`clean.py`).
"""

import math
from dataclasses import dataclass, replace

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

# A unit is judged minute by minute: whoever changes it (a gateway's update, a device's restart) does not wait
# for the hour.
BLOCK_US = 60_000_000
MAX_BLOCK_SAMPLES = 600
# Beyond these, a norm is no movement but another unit. High: the middle, in proportion, between 1 g and what
# 1 g is in m/s². Low: twice what g is when taken for m/s², because real seconds come near the middle: in
# UMAFall (Casilari et al. 2017) clapping hands measure 0.3 g in the median at the wrist.
FAR_HIGH_G = math.sqrt(STANDARD_GRAVITY)
FAR_LOW_G = 2.0 / STANDARD_GRAVITY
# Shorter stretches beyond these limits do happen: the free fall of a metre and a half takes 0.55 s, and in
# UMAFall a wrist measures 3.5 g in the median of a second of a fall.
MIN_FAR_US = 1_500_000
MIN_MOVING_SECONDS = 10

_SHUT, _SHORT, _MOVING = 0, 1, 2


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
    """Recognise the unit of acceleration from gravity, all samples taken together.

    The norm is averaged over each UTC second with at least five samples; seconds whose norm varies by less
    than 2 % are quiet, and gravity is the median of their means. Without three quiet seconds it is the median
    norm of at least 10,000 samples spread evenly (all, if fewer), with wider limits, provided that they
    span 10 s.

    Args:
        ts_us: times in epoch microseconds (n), ascending.
        accel: acceleration as sent (n, 3), float32.
    """
    return _recognise(ts_us, accel, _seconds(ts_us, accel))


def judge_unit(ts_us: np.ndarray, accel: np.ndarray, declared: str) -> tuple[np.ndarray | None, UnitFinding]:
    """Which samples are not in the declared unit, minute by minute, and what gravity says of the unit.

    Seconds whose norm lies beyond 0.2 to 3.13 g in the declared unit (their mean and their median, so that
    no single value decides) are judged apart from the rest of their minute: they are refused from one and a
    half seconds on, which nobody bears and nobody falls freely. The rest of a minute is judged by gravity:
    three quiet seconds must measure 0.7 to 1.3 g; without them the median of one and a half seconds must lie
    within 0.2 to 3.13 g. What is shorter, and movement in an hour in which no quiet second measures 1 g, goes
    with the refused where it is nearer to their gravity than to 1 g. So does a second between two refused
    ones, and one next to a refused one that holds values from beyond the limit: the change fell into it.

    Every measure is one of time, so the rate does not matter; and drops do not either, so that the verdict is
    the same however samples were split over files.

    Args:
        ts_us: times in epoch microseconds (n), ascending.
        accel: acceleration as sent (n, 3), float32.
        declared: unit that it should have, a key of `G_PER_UNIT`.

    Returns:
        Samples to refuse (bool, n), None when there are none; and what gravity measures in them, or in all
        samples when none is refused.
    """
    if ts_us.size == 0:
        return None, recognise_unit(ts_us, accel)
    starts, means, sds, lows, highs = seconds = _seconds(ts_us, accel)
    g_per_unit = G_PER_UNIT[declared]
    wrong_seconds = _judge_seconds(ts_us, accel, starts, means, sds, lows, highs, g_per_unit)
    if not wrong_seconds.any():
        return None, _recognise(ts_us, accel, seconds)
    wrong = np.repeat(wrong_seconds, np.diff(starts))
    found = recognise_unit(ts_us[wrong], accel[wrong])
    if found.unit == "undetermined":  # by itself, but the rules above did tell
        found = replace(found, unit=_unit_of(found.gravity, MOVING_LIMITS_G))
    return wrong, found


def _recognise(ts_us: np.ndarray, accel: np.ndarray, seconds: tuple[np.ndarray, ...]) -> UnitFinding:
    starts, means, sds, _, _ = seconds
    if ts_us.size == 0:
        return UnitFinding("undetermined", float("nan"), 0)
    quiet = means[(np.diff(starts) >= MIN_BLOCK_SAMPLES) & (sds <= QUIET_RELATIVE_SD * means)]
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
def _seconds(ts_us, accel):
    """First sample of each UTC second (and n), and mean, standard deviation, least and largest norm in it."""
    n = ts_us.size
    seconds = 1 if n else 0
    for i in range(1, n):
        if ts_us[i] // 1_000_000 != ts_us[i - 1] // 1_000_000:
            seconds += 1
    starts = np.empty(seconds + 1, np.int64)
    means = np.empty(seconds)
    sds = np.empty(seconds)
    lows = np.empty(seconds)
    highs = np.empty(seconds)
    starts[seconds] = n
    found = 0
    start = 0
    while start < n:
        until = (ts_us[start] // 1_000_000 + 1) * 1_000_000
        end = start
        total = 0.0
        squares = 0.0
        shift = _norm(accel, start)
        low = shift
        high = shift
        while end < n and ts_us[end] < until:
            norm = _norm(accel, end)
            total += norm - shift
            squares += (norm - shift) * (norm - shift)
            low = min(low, norm)
            high = max(high, norm)
            end += 1
        mean = total / (end - start)
        variance = squares / (end - start) - mean * mean
        starts[found] = start
        means[found] = mean + shift
        sds[found] = np.sqrt(variance) if variance > 0 else 0.0
        lows[found] = low
        highs[found] = high
        found += 1
        start = end
    return starts, means, sds, lows, highs


@njit(nogil=True, cache=True, inline="always")
def _norm(accel, i):
    x = np.float64(accel[i, 0])
    y = np.float64(accel[i, 1])
    z = np.float64(accel[i, 2])
    return np.sqrt(x * x + y * y + z * z)


@njit(nogil=True, cache=True)
def _judge_seconds(ts_us, accel, starts, means, sds, lows, highs, g_per_unit):
    """Seconds (bool) whose samples are not in the unit of which `g_per_unit` makes g; see `judge_unit`."""
    n = means.size
    wrong = np.zeros(n, np.bool_)
    sure = np.zeros(n, np.bool_)
    undecided = np.zeros(n, np.uint8)
    gravity_g = np.ones(n)
    side = np.zeros(n, np.int8)
    for s in range(n):
        enough = starts[s + 1] - starts[s] >= MIN_BLOCK_SAMPLES
        if enough and not FAR_LOW_G <= means[s] * g_per_unit <= FAR_HIGH_G:
            middle = _median_norm(accel, starts, s, s + 1, side, 0, 1) * g_per_unit
            if not FAR_LOW_G <= middle <= FAR_HIGH_G:
                gravity_g[s] = middle
                side[s] = 1 if middle > 1.0 else -1
    quiet_is_right = False
    first = 0
    while first < n:
        until = (ts_us[starts[first]] // BLOCK_US + 1) * BLOCK_US
        last = first
        high_us = 0
        low_us = 0
        while last < n and ts_us[starts[last]] < until:
            lasts_us = ts_us[starts[last + 1] - 1] - ts_us[starts[last]]
            high_us += lasts_us if side[last] > 0 else 0
            low_us += lasts_us if side[last] < 0 else 0
            last += 1
        gravity, kind, right = _judge_rest(ts_us, accel, starts, means, sds, side, first, last, g_per_unit)
        quiet_is_right = quiet_is_right or (right and kind == _SHUT)
        for s in range(first, last):
            if side[s] == 0:
                wrong[s] = not right
                sure[s] = not right and kind == _SHUT
                undecided[s] = kind if right else _SHUT
                gravity_g[s] = gravity
            elif (high_us if side[s] > 0 else low_us) >= MIN_FAR_US:
                wrong[s] = True
                sure[s] = True
            else:
                undecided[s] = _SHORT
        first = last
    if not wrong.any():
        return wrong
    if sure.any():
        away = np.log(np.median(gravity_g[sure]))
        for s in range(n):
            if undecided[s] == _SHORT or (undecided[s] == _MOVING and not quiet_is_right):
                here = np.log(max(gravity_g[s], 1e-6))
                wrong[s] = abs(here - away) < abs(here)
    refused = wrong.copy()
    for s in range(n):
        refused[s] = wrong[s] or (0 < s < n - 1 and wrong[s - 1] and wrong[s + 1])
        for other in (s - 1, s + 1):
            if not wrong[s] and 0 <= other < n and wrong[other]:
                apart = abs(ts_us[starts[s]] // 1_000_000 - ts_us[starts[other]] // 1_000_000)
                if gravity_g[other] > 1.0:
                    mixed = highs[s] * g_per_unit > FAR_HIGH_G
                else:
                    mixed = lows[s] * g_per_unit < FAR_LOW_G
                if apart == 1 and mixed:
                    refused[s] = True
    return refused


@njit(nogil=True, cache=True)
def _judge_rest(ts_us, accel, starts, means, sds, side, first, last, g_per_unit):
    """Gravity in g of those seconds of a minute that are not far from 1 g, how it was told, and is it right.

    Told from quiet seconds (_SHUT: there is no more to say), from movement, or from too short a stretch.
    """
    quiet = np.empty(last - first)
    quiets = 0
    samples = 0
    seconds = 0
    begin_us = 0
    end_us = 0
    for s in range(first, last):
        if side[s] == 0:
            begin_us = ts_us[starts[s]] if seconds == 0 else begin_us
            end_us = ts_us[starts[s + 1] - 1]
            count = starts[s + 1] - starts[s]
            samples += count
            seconds += 1
            if count >= MIN_BLOCK_SAMPLES and sds[s] <= QUIET_RELATIVE_SD * means[s]:
                quiet[quiets] = means[s]
                quiets += 1
    if samples == 0:
        return 1.0, _SHORT, True
    if quiets >= MIN_QUIET_BLOCKS:
        gravity = np.median(quiet[:quiets]) * g_per_unit
        return gravity, _SHUT, QUIET_LIMITS_G[0] <= gravity <= QUIET_LIMITS_G[1]
    step = max(1, samples // MAX_BLOCK_SAMPLES)
    gravity = _median_norm(accel, starts, first, last, side, 0, step) * g_per_unit
    told = samples >= MIN_BLOCK_SAMPLES and end_us - begin_us >= MIN_FAR_US
    kind = _MOVING if seconds >= MIN_MOVING_SECONDS else _SHORT
    return gravity, kind, not told or FAR_LOW_G <= gravity <= FAR_HIGH_G


@njit(nogil=True, cache=True)
def _median_norm(accel, starts, first, last, side, wanted, step):
    """Median norm of every `step`-th sample in the seconds [first, last) of the wanted side."""
    size = 0
    for s in range(first, last):
        size += starts[s + 1] - starts[s]
    norms = np.empty(size)
    found = 0
    for s in range(first, last):
        if side[s] == wanted:
            for i in range(starts[s], starts[s + 1], step):
                norms[found] = _norm(accel, i)
                found += 1
    return np.median(norms[:found])
