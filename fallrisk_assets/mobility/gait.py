"""Gait and posture of a patient-day: what one device says, and what a patient's devices say together.

Here: bouts of walking and how steady they are. Not here: signals (`gait_signal.py`), steps (`gait_steps.py`),
postures (`gait_postures.py`), pooling over devices (`daily.py`).

A measure that a wearing position cannot carry is null, never a bad figure: steps come from every position but
the ankle, gait quality from the trunk alone, sitting and standing from waist and low back.
"""

from dataclasses import dataclass, field

import numpy as np

from fallrisk_assets.mobility.gait_config import NO_STEPS, PELVIS, TRUNK, Bout, GaitConfig
from fallrisk_assets.mobility.gait_postures import posture_measures
from fallrisk_assets.mobility.gait_signal import (
    BLOCK_HZ,
    FILL_S,
    GRID_HZ,
    DayGrid,
    Posture,
    body_signals,
    fill_holes,
    not_worn_seconds,
    posture_of,
    runs,
    seconds_sd,
)
from fallrisk_assets.mobility.gait_steps import find_turns, harmonic_ratios, regularities, steps_of


@dataclass(slots=True)
class DeviceGait:
    """What one device says of a patient-day; None where the position or the day cannot tell.

    Counts and seconds add up over devices; qualities are kept as the values of their pieces (strides,
    stretches), so that they can be pooled.
    """

    device_id: str
    position: str
    recorded_s: float
    worn_s: float
    bouts: list[Bout] | None = None
    step_intervals: tuple[int, float] = (0, 0.0)
    stride_s: np.ndarray = field(default_factory=lambda: np.empty(0))
    stride_bout: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    step_regularity: list[float] = field(default_factory=list)
    stride_regularity: list[float] = field(default_factory=list)
    harmonic_ratio: np.ndarray = field(default_factory=lambda: np.empty(0))
    sway_g: list[float] = field(default_factory=list)
    turns: list[tuple[float, float]] | None = None
    sit_to_stands: int | None = None
    night_risings: int | None = None
    upright_s: float | None = None
    lying_s: float | None = None
    walking_by_hour_s: np.ndarray = field(default_factory=lambda: np.zeros(0))


def split_bouts(at: np.ndarray, period_s: np.ndarray, min_steps: int) -> list[slice]:
    """Return the bouts in a row of steps: a pause of more than one missed step ends one.

    Args:
        at: Step times in grid points.
        period_s: Step period at each step.
        min_steps: Fewest steps of a bout.
    """
    if len(at) == 0:
        return []
    interval = np.diff(at) / GRID_HZ
    local = 0.5 * (period_s[1:] + period_s[:-1])
    cuts = np.flatnonzero(interval > 2.25 * local) + 1
    found = []
    for lo, hi in zip([0, *cuts.tolist()], [*cuts.tolist(), len(at)], strict=True):
        if hi - lo < min_steps:
            continue
        steady = interval[lo : hi - 1]
        if steady.std() <= 0.35 * steady.mean():
            found.append(slice(lo, hi))
    return found


def _strides(at: np.ndarray, period_s: np.ndarray, peaks: int) -> np.ndarray:
    """Return starts and ends of a bout's strides, shape (n, 2), without those with a missed or extra step."""
    if len(at) <= peaks:
        return np.empty((0, 2))
    interval = np.diff(at) / GRID_HZ
    local = 0.5 * (period_s[1:] + period_s[:-1])
    steady = (interval > 0.6 * local) & (interval < 1.5 * local)
    whole = steady[:-1] & steady[1:] if peaks == 2 else steady
    return np.stack([at[:-peaks], at[peaks:]], axis=1)[whole]


def _quality(
    out: DeviceGait, vertical: np.ndarray, at: np.ndarray, period_s: np.ndarray, config: GaitConfig
) -> None:
    """Add regularities of the steady stretches of one bout."""
    begin = 0
    while begin < len(at) - 1:
        end = begin
        while end + 1 < len(at) and (at[end + 1] - at[begin]) / GRID_HZ <= config.quality_bout_s:
            end += 1
        steps = end - begin
        span = (at[end] - at[begin]) / GRID_HZ
        if steps >= 8 and span > 0.8 * config.quality_bout_s - period_s[begin]:
            piece = vertical[int(at[begin]) : int(at[end]) + 1]
            step, stride = regularities(piece, span / steps)
            out.step_regularity.append(step)
            out.stride_regularity.append(stride)
        begin = max(end, begin + 1)


def device_gait(
    grid: DayGrid,
    device_id: str,
    position: str,
    nights_us: list[tuple[int, int]],
    config: GaitConfig | None = None,
) -> DeviceGait:
    """Return what one device says of a day.

    Args:
        grid: The day's samples on the common grid; small holes are bridged in place.
        device_id: The device.
        position: Where it was worn.
        nights_us: Night hours, `[start, end)` in microseconds since the epoch.
        config: Limits.
    """
    config = config or GaitConfig()
    fill_holes(grid.accel_g, int(FILL_S * GRID_HZ))
    fill_holes(grid.gyro_dps, int(FILL_S * GRID_HZ))
    posture = posture_of(grid)
    sd = seconds_sd(posture)
    recorded = ~np.isnan(sd)
    worn = recorded & ~not_worn_seconds(posture, config.still_sd_g, config.not_worn_after_s)
    out = DeviceGait(device_id, position, float(recorded.sum()), float(worn.sum()))
    if position in NO_STEPS:
        return out
    with np.errstate(invalid="ignore"):
        active = worn & (sd > config.active_sd_g)
    stretches = [
        found
        for first, stop in _stretches(active, recorded)
        if (found := _stretch(grid, posture, first, stop, position, config)).walks
    ]
    reference = _upright_walks(stretches, posture, position, config)
    _measure(out, stretches, position, config)
    hours = -(-len(sd) // 3600)
    out.walking_by_hour_s = np.zeros(hours)
    for bout in out.bouts or ():
        out.walking_by_hour_s[min(int(bout.start_s // 3600), hours - 1)] += bout.end_s - bout.start_s
    if position in PELVIS and sum(b.steps for b in out.bouts or ()) >= config.min_reference_steps:
        nights_s = [((a - grid.start_us) / 1e6, (b - grid.start_us) / 1e6) for a, b in nights_us]
        told = posture_measures(posture, sd, worn, reference, out.bouts or [], nights_s, config)
        out.upright_s, out.lying_s, out.sway_g = told.upright_s, told.lying_s, told.sway_g
        out.sit_to_stands, out.night_risings = told.sit_to_stands, told.night_risings
    return out


@dataclass(slots=True)
class _Stretch:
    """A stretch of movement that holds walking; times of steps in grid points from `first_s`."""

    first_s: int
    vertical: np.ndarray
    yaw: np.ndarray
    at: np.ndarray
    period_s: np.ndarray
    walks: list[slice]


def _stretch(
    grid: DayGrid, posture: Posture, first: int, stop: int, position: str, config: GaitConfig
) -> _Stretch:
    """Return what walking there is in `[first, stop)` seconds."""
    use_norm = position not in TRUNK
    vertical, _, yaw = body_signals(grid, posture, first * GRID_HZ, stop * GRID_HZ, use_norm)
    at, period_s = steps_of(vertical)
    return _Stretch(first, vertical, yaw, at, period_s, split_bouts(at, period_s, config.min_bout_steps))


def _upright_walks(
    stretches: list[_Stretch], posture: Posture, position: str, config: GaitConfig
) -> np.ndarray:
    """Return the direction of gravity while walking, and drop bouts that point elsewhere.

    Who turns in bed or shakes a leg while sitting moves as regularly as a walker, but not upright. The
    direction is the mean over bouts, taken again without those that do not share it.
    """
    directions, weights, owners = [], [], []
    for stretch in stretches:
        for walk in stretch.walks:
            lo, hi = (stretch.first_s + stretch.at[i] / GRID_HZ for i in (walk.start, walk.stop - 1))
            mean = np.nanmean(posture.gravity[:, int(lo * BLOCK_HZ) : int(hi * BLOCK_HZ) + 1], axis=1)
            directions.append(mean / max(np.linalg.norm(mean), 1e-6))
            weights.append(float(walk.stop - walk.start))
            owners.append((stretch, walk))
    if not directions:
        return np.array([0.0, 0.0, 1.0])
    each, weight = np.array(directions, np.float64), np.array(weights)
    reference, upright = each[0], np.ones(len(each), bool)
    for _ in range(2):
        reference = (each[upright] * weight[upright, None]).sum(axis=0)
        reference /= max(np.linalg.norm(reference), 1e-6)
        close = each @ reference > np.cos(np.radians(config.walking_tilt_deg))
        upright = close if close.any() else upright
    if position in TRUNK and weight.sum() >= config.min_reference_steps:
        for (stretch, walk), kept in zip(owners, upright, strict=True):
            if not kept:
                stretch.walks.remove(walk)
    return reference


def _measure(out: DeviceGait, stretches: list[_Stretch], position: str, config: GaitConfig) -> None:
    """Fill bouts, strides, gait quality and turns."""
    on_trunk = position in TRUNK
    out.bouts = []
    turns: list[tuple[float, float]] = []
    has_gyro = False
    ratios: list[np.ndarray] = []
    strides: list[np.ndarray] = []
    for stretch in stretches:
        for walk in stretch.walks:
            at, periods = stretch.at[walk], stretch.period_s[walk]
            period = float(np.median(periods))
            # An arm or a thigh swings once a stride: a period too long for a step is then a stride.
            per_peak = 2 if not on_trunk and period > config.swing_stride_s else 1
            lo, hi = at[0] / GRID_HZ - period / 2, at[-1] / GRID_HZ + period / 2
            out.bouts.append(Bout(stretch.first_s + lo, stretch.first_s + hi, per_peak * len(at)))
            interval = np.diff(at) / GRID_HZ
            plain = interval < 1.5 * 0.5 * (periods[1:] + periods[:-1])
            n, s = out.step_intervals
            out.step_intervals = (n + per_peak * int(plain.sum()), s + float(interval[plain].sum()))
            pairs = _strides(at, periods, 2 // per_peak)
            strides.append(np.diff(pairs, axis=1)[:, 0] / GRID_HZ)
            if on_trunk:
                ratio = np.empty(len(pairs))
                harmonic_ratios(stretch.vertical, pairs, ratio)
                ratios.append(ratio[~np.isnan(ratio)])
                _quality(out, stretch.vertical, at, periods, config)
        if on_trunk and stretch.walks and not np.isnan(stretch.yaw).any():
            has_gyro = True
            walks = [(stretch.at[w.start], stretch.at[w.stop - 1]) for w in stretch.walks]
            turns += _turns_of(find_turns(stretch.yaw), walks)
    out.stride_s = np.concatenate([np.empty(0), *strides])
    out.stride_bout = np.repeat(np.arange(len(strides)), [len(s) for s in strides])
    out.harmonic_ratio = np.concatenate([np.empty(0), *ratios])
    if has_gyro:
        out.turns = turns


def _turns_of(
    found: tuple[np.ndarray, np.ndarray, np.ndarray], walks: list[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Return duration (s) and angle (deg) of the turns made while walking or within a second of it."""
    return [
        ((end - begin) / GRID_HZ, float(angle))
        for begin, end, angle in zip(*found, strict=True)
        if any(begin < last + GRID_HZ and end > first - GRID_HZ for first, last in walks)
    ]


def _stretches(active: np.ndarray, recorded: np.ndarray) -> list[tuple[int, int]]:
    """Return stretches of movement in seconds, two seconds wider on both sides, never across a gap."""
    found = []
    for a, b in runs(recorded):
        for lo, hi in runs(active[a:b], bridge=4):
            found.append((a + max(0, lo - 2), min(b, a + hi + 2)))
    return found
