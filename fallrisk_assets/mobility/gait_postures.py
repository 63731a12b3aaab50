"""Postures of a day from the tilt of the pelvis: upright, seated, lying, and what happens between them.

Here: sit-to-stands, risings at night, sway. Not here: walking (`gait.py`), which says what upright is.
"""

from dataclasses import dataclass

import numpy as np

from fallrisk_assets.mobility.gait_config import Bout, GaitConfig
from fallrisk_assets.mobility.gait_signal import BLOCK_HZ, Posture, runs


@dataclass(frozen=True, slots=True)
class PostureMeasures:
    """What the tilt of the pelvis says of a day."""

    upright_s: float
    lying_s: float
    sit_to_stands: int
    night_risings: int
    sway_g: list[float]


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
    """Return the state second by second; between thresholds the state before goes on."""
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
    """Return the RMS of horizontal acceleration in each quiet stance, g (Mancini et al. 2012)."""
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


def posture_measures(
    posture: Posture,
    sd: np.ndarray,
    worn: np.ndarray,
    reference: np.ndarray,
    bouts: list[Bout],
    nights_s: list[tuple[float, float]],
    config: GaitConfig,
) -> PostureMeasures:
    """Return what is read from the tilt of the pelvis against the direction of walking.

    Args:
        posture: Gravity of the day.
        sd: Standard deviation of acceleration of each second, g.
        worn: Whether the device was worn, second by second.
        reference: Direction of gravity while walking, unit vector of shape (3,).
        bouts: Bouts of walking.
        nights_s: Night hours in seconds from the start of the day.
        config: Limits.
    """
    tilt = _tilt_deg(_second_means(posture.gravity), reference)
    state = _states(tilt, worn, config)
    return PostureMeasures(
        upright_s=float((state == _UPRIGHT).sum()),
        lying_s=float((state == _LYING).sum()),
        sit_to_stands=count_sit_to_stands(state, config),
        night_risings=count_night_risings(state, bouts, nights_s, config),
        sway_g=_sway(posture, tilt, sd, bouts, config),
    )
