"""Gait and posture of a patient-day: what one device says, and what a patient's devices say together.

Here: bouts of walking and the measures that clinics know by name. Not here: signals (`gait_signal.py`), steps
(`gait_steps.py`), the table (`contract.py`).

A measure that a wearing position cannot carry is null, never a bad figure: steps come from every position but the
ankle, gait quality from the trunk alone, sitting and standing from waist and low back.
"""

from dataclasses import dataclass, field

import numpy as np

from fallrisk_assets.mobility.gait_signal import (
    BLOCK,
    BLOCK_HZ,
    FILL_S,
    GRID_HZ,
    GRID_US,
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

TRUNK = frozenset({"waist", "lowback", "chest"})
PELVIS = frozenset({"waist", "lowback"})
NO_STEPS = frozenset({"ankle"})
#: Which device counts where two were worn at once, best first.
POSITION_ORDER = ("lowback", "waist", "chest", "pocket", "wrist", "ankle")


@dataclass(frozen=True, slots=True)
class GaitConfig:
    """Limits of the daily measures.

    Attributes:
        active_sd_g: Standard deviation of acceleration (three axes) from which a second is movement.
        min_bout_steps: Fewest steps of a bout of walking.
        quality_bout_s: Shortest steady stretch on which gait quality is judged.
        upright_deg: Tilt from the direction of walking below which a trunk is upright.
        seated_deg: Tilt above which it is seated; between the two the state before goes on.
        lying_deg: Tilt above which it is lying.
        seated_s: How long somebody must have been seated before standing up counts.
        lying_s: How long somebody must have lain before walking at night is a rising.
        quiet_sd_g: Standard deviation of acceleration below which standing is quiet.
        sway_s: Shortest quiet stance on which sway is judged.
        sway_near_walk_s: Quiet stance counts within this time of walking: further away it may be sitting.
        still_sd_g: As `WindowConfig.still_sd_g`.
        not_worn_after_s: As `WindowConfig.not_worn_after_s`.
    """

    active_sd_g: float = 0.05
    min_bout_steps: int = 5
    quality_bout_s: float = 8.0
    upright_deg: float = 9.0
    seated_deg: float = 12.0
    lying_deg: float = 50.0
    seated_s: int = 5
    lying_s: int = 60
    quiet_sd_g: float = 0.03
    sway_s: int = 5
    sway_near_walk_s: int = 20
    still_sd_g: float = 0.004
    not_worn_after_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Bout:
    """A stretch of walking, `[start_s, end_s)` in seconds from the grid's start."""

    start_s: float
    end_s: float
    steps: int


@dataclass(slots=True)
class DeviceGait:
    """What one device says of a patient-day; None where the position or the day cannot tell.

    Counts and seconds add up over devices; qualities are kept as the values of their pieces (strides, stretches),
    so that they can be pooled.
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


def _strides(at: np.ndarray, period_s: np.ndarray) -> np.ndarray:
    """Return starts and ends of strides of a bout, shape (n, 2), without those that hold a missed or extra step."""
    if len(at) < 3:
        return np.empty((0, 2))
    interval = np.diff(at) / GRID_HZ
    local = 0.5 * (period_s[1:] + period_s[:-1])
    steady = (interval > 0.6 * local) & (interval < 1.5 * local)
    whole = steady[:-1] & steady[1:]
    return np.stack([at[:-2], at[2:]], axis=1)[whole]


def _tilt_deg(gravity: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the angle of each vector of shape (3, n) to a unit vector; not a number in gaps."""
    size = np.maximum(np.sqrt((gravity * gravity).sum(axis=0)), 1e-6)
    return np.degrees(np.arccos(np.clip(reference @ gravity / size, -1, 1)))


def _second_means(values: np.ndarray) -> np.ndarray:
    """Return means over whole seconds of block values of shape (3, blocks)."""
    seconds = values.shape[1] // BLOCK_HZ
    return values[:, : seconds * BLOCK_HZ].reshape(3, seconds, BLOCK_HZ).mean(axis=2)


_UPRIGHT, _SEATED, _LYING, _UNKNOWN = 0, 1, 2, 3


def _states(tilt_deg: np.ndarray, worn: np.ndarray, config: GaitConfig) -> np.ndarray:
    """Return upright, seated, lying or unknown second by second; between thresholds the state before goes on."""
    state = np.full(len(tilt_deg), -1, np.int8)
    state[tilt_deg < config.upright_deg] = _UPRIGHT
    state[tilt_deg >= config.seated_deg] = _SEATED
    state[tilt_deg >= config.lying_deg] = _LYING
    state[np.isnan(tilt_deg) | ~worn] = _UNKNOWN
    known = np.where(state >= 0, np.arange(len(state)), 0)
    state = state[np.maximum.accumulate(known)]
    state[state < 0] = _UNKNOWN
    return state


def count_sit_to_stands(state: np.ndarray, config: GaitConfig) -> int:
    """Return how often somebody who had been seated stood up and stayed up for two seconds.

    After Pham et al. 2018, who find the transition in the trunk's tilt at the low back.

    Args:
        state: Upright, seated, lying or unknown, second by second.
        config: Durations.
    """
    count, seated, last_seated = 0, 0, -10
    for start, stop in _state_runs(state):
        what = state[start]
        if what == _SEATED:
            seated = stop - start if start > last_seated + 3 else seated + stop - start
            last_seated = stop
        elif what == _UPRIGHT and stop - start >= 2:
            if seated >= config.seated_s and start <= last_seated + 3:
                count += 1
            seated = 0
        elif what in (_LYING, _UNKNOWN) and stop - start > 3:
            seated = 0
    return count


def _state_runs(state: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(state)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(state)], strict=True)) if len(state) else []


def count_night_risings(
    state: np.ndarray, bouts: list[Bout], nights_s: list[tuple[float, float]], config: GaitConfig
) -> int:
    """Return how often somebody who had lain got up and walked between 23:00 and 6:00 local time.

    Walking again before lying down again is the same rising.

    Args:
        state: Upright, seated, lying or unknown, second by second.
        bouts: Bouts of walking.
        nights_s: Night hours in seconds from the start of `state`.
        config: How long lying must last.
    """
    rests = [(a, b) for a, b in runs(state == _LYING, bridge=5) if b - a >= config.lying_s]
    count, used = 0, -1
    for bout in bouts:
        if not any(a <= bout.start_s < b for a, b in nights_s):
            continue
        before = [i for i, (_, end) in enumerate(rests) if end <= bout.start_s + 3]
        if before and before[-1] > used:
            count += 1
            used = before[-1]
    return count


def _sway(
    posture: Posture, tilt: np.ndarray, sd: np.ndarray, bouts: list[Bout], config: GaitConfig
) -> list[float]:
    """Return the root mean square of horizontal acceleration in each quiet stance, g (Mancini et al. 2012)."""
    near = np.zeros(len(tilt), bool)
    for bout in bouts:
        near[max(0, int(bout.start_s) - config.sway_near_walk_s) : int(bout.start_s)] = True
        near[int(bout.end_s) + 1 : int(bout.end_s) + 1 + config.sway_near_walk_s] = True
    with np.errstate(invalid="ignore"):
        quiet = near & (tilt < config.upright_deg) & (sd < config.quiet_sd_g)
    found = []
    for a, b in runs(quiet):
        a, b = a + 1, b - 1
        if b - a < config.sway_s:
            continue
        x = posture.mean[:, a * BLOCK_HZ : b * BLOCK_HZ].astype(np.float64)
        up = x.mean(axis=1)
        up /= np.linalg.norm(up)
        level = x - np.outer(up, up @ x)
        time = np.arange(x.shape[1]) - (x.shape[1] - 1) / 2
        level = level - level.mean(axis=1, keepdims=True)
        level = level - np.outer(level @ time, time) / (time @ time)
        found.append(float(np.sqrt((level * level).sum(axis=0).mean())))
    return found


def _quality(out: DeviceGait, vertical: np.ndarray, at: np.ndarray, period_s: np.ndarray, config: GaitConfig) -> None:
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
    out.bouts = []
    out.walking_by_hour_s = np.zeros(-(-len(sd) // 3600))
    use_norm = position not in TRUNK
    walking_gravity = np.zeros(3)
    turns: list[tuple[float, float]] = []
    has_gyro = False
    ratios: list[np.ndarray] = []
    strides: list[np.ndarray] = []
    with np.errstate(invalid="ignore"):
        active = worn & (sd > config.active_sd_g)
    for first, stop in _stretches(active, recorded):
        vertical, _, yaw = body_signals(grid, posture, first * GRID_HZ, stop * GRID_HZ, use_norm)
        at, period_s = steps_of(vertical)
        found = split_bouts(at, period_s, config.min_bout_steps)
        if not found:
            continue
        gyro_here = not np.isnan(yaw).any()
        has_gyro |= gyro_here
        for part in found:
            steps, periods = at[part], period_s[part]
            half = 0.5 * float(np.median(periods))
            bout = Bout(
                first + steps[0] / GRID_HZ - half, first + steps[-1] / GRID_HZ + half, len(steps)
            )
            out.bouts.append(bout)
            interval = np.diff(steps) / GRID_HZ
            plain = interval < 1.5 * 0.5 * (periods[1:] + periods[:-1])
            n, s = out.step_intervals
            out.step_intervals = (n + int(plain.sum()), s + float(interval[plain].sum()))
            pairs = _strides(steps, periods)
            strides.append(np.diff(pairs, axis=1)[:, 0] / GRID_HZ)
            blocks = posture.gravity[:, int(bout.start_s) * BLOCK_HZ : int(bout.end_s) * BLOCK_HZ]
            walking_gravity += np.nansum(blocks, axis=1)
            if not use_norm:
                ratio = np.empty(len(pairs))
                harmonic_ratios(vertical, pairs, ratio)
                ratios.append(ratio[~np.isnan(ratio)])
                _quality(out, vertical, steps, periods, config)
        if gyro_here and not use_norm:
            turns += _turns_of(find_turns(yaw), [(at[p][0], at[p][-1]) for p in found])
    _finish(out, grid, posture, sd, worn, strides, ratios, walking_gravity, nights_us, config)
    if has_gyro and not use_norm:
        out.turns = turns
    return out


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


def _finish(
    out: DeviceGait,
    grid: DayGrid,
    posture: Posture,
    sd: np.ndarray,
    worn: np.ndarray,
    strides: list[np.ndarray],
    ratios: list[np.ndarray],
    walking_gravity: np.ndarray,
    nights_us: list[tuple[int, int]],
    config: GaitConfig,
) -> None:
    """Fill what needs the whole day: strides, and posture against the direction of walking."""
    assert out.bouts is not None
    out.stride_s = np.concatenate([np.empty(0), *strides])
    out.stride_bout = np.repeat(np.arange(len(strides)), [len(s) for s in strides])
    out.harmonic_ratio = np.concatenate([np.empty(0), *ratios])
    for bout in out.bouts:
        hour = min(int(bout.start_s // 3600), len(out.walking_by_hour_s) - 1)
        out.walking_by_hour_s[hour] += bout.end_s - bout.start_s
    if out.position not in PELVIS or sum(b.steps for b in out.bouts) < 20:
        return
    reference = walking_gravity / np.linalg.norm(walking_gravity)
    tilt = _tilt_deg(_second_means(posture.gravity), reference)
    state = _states(tilt, worn, config)
    out.upright_s = float((state == _UPRIGHT).sum())
    out.lying_s = float((state == _LYING).sum())
    out.sit_to_stands = count_sit_to_stands(state, config)
    nights_s = [((a - grid.start_us) / 1e6, (b - grid.start_us) / 1e6) for a, b in nights_us]
    out.night_risings = count_night_risings(state, out.bouts, nights_s, config)
    out.sway_g = _sway(posture, tilt, sd, out.bouts, config)
