"""Falls as people are asked to act them, drawn at random, and the mechanics that all scripts share.

How a script looks follows from mechanics: somebody who meets the ground at ``speed_mps`` lost that much
weight times time before (free fall) and gets it back in a stop whose shortness makes the peak (Noury et al.,
EMBS 2007). Falls end at 1.4 to 3.3 m/s, dropping onto a seat or bed at 0.4 to 1.7 m/s, a jump's landing at
1.2 to 2.6 m/s. Not here: everyday movements (`scripted_activities.py`), and how many of what
(`scripted_motions.py`).
"""

from collections.abc import Callable, Mapping

import numpy as np

from fallrisk_assets.risk.synthetic_motion import Motion

Rng = np.random.Generator
Pulse = tuple[float, float, float]
Draw = Callable[[Rng, str], Motion]
G_MPS2 = 9.80665
BELL_AREA = float(np.sqrt(2 * np.pi))
#: Seconds of a motion before its main event.
AT_S = 7.0


def drop(at_s: float, speed_mps: float, fall_s: float, stop_s: float, damped: float = 1.0) -> list[Pulse]:
    """Pulses of a descent that reaches a speed and is stopped: equal areas below and above rest."""
    area = speed_mps / G_MPS2
    depth = min(0.95, area / (0.3 * fall_s * BELL_AREA))
    return [
        (at_s - 0.5 * fall_s, 0.3 * fall_s, -depth),
        (at_s, stop_s, damped * area / (stop_s * BELL_AREA)),
    ]


def after_shocks(rng: Rng, at_s: float, size: float) -> list[Pulse]:
    """None, one or two smaller knocks within half a second of an event."""
    return [
        (
            at_s + float(rng.uniform(0.12, 0.55)),
            float(rng.uniform(0.02, 0.06)),
            size * float(rng.uniform(0, 1)),
        )
        for _ in range(int(rng.integers(0, 3)))
    ]


def uniform(rng: Rng, low: float, high: float) -> float:
    """A plain number from `[low, high)`."""
    return float(rng.uniform(low, high))


def steps_before(rng: Rng, until_s: float, kind: str) -> tuple[tuple[float, float, float, float], ...]:
    """Steps up to an event, if somebody walks or jogs into it."""
    if kind == "walk":
        return ((0.0, until_s, uniform(rng, 1.5, 2.1), uniform(rng, 0.1, 0.35)),)
    if kind == "jog":
        return ((0.0, until_s, uniform(rng, 2.4, 3.0), uniform(rng, 0.7, 1.5)),)
    return ()


def swing(
    rng: Rng, group: str, start_s: float, end_s: float, cadence_hz: float
) -> tuple[tuple[float, float, float, float], ...]:
    """Arms and thighs swing once every two steps, wider the faster the steps; the trunk does not."""
    if group == "trunk":
        return ()
    widest = 20.0 if cadence_hz < 2.2 else 40.0
    return ((start_s, end_s, 0.5 * cadence_hz, uniform(rng, 0.3, 1.0) * widest),)


def _arm(rng: Rng, at_s: float, resting_deg: float, count: int) -> list[tuple[float, float, float]]:
    """Turns of a forearm around an event, ending at rest."""
    start = at_s - uniform(rng, 0.5, 1.0)
    turns = []
    for _ in range(count):
        length = uniform(rng, 0.12, 0.35)
        turns.append((start, length, uniform(rng, -80.0, 160.0)))
        start += length
    return [*turns, (start, uniform(rng, 0.2, 0.5), resting_deg)]


def _fall(rng: Rng, group: str, *, before: str, from_deg: float, fall_s: float, speed: float) -> Motion:
    """Any fall: posture and steps before, descent, one or two impacts, lying (some struggle, some rise)."""
    at = AT_S
    stop = uniform(rng, 0.014, 0.05)
    lying_deg = uniform(rng, 70.0, 105.0) if rng.random() < 0.8 else uniform(rng, 45.0, 70.0)
    if from_deg != 0.0 and rng.random() < 0.5:
        # Towards the other side of the upright: forward out of a seat that leans back.
        lying_deg = -lying_deg
    # A body that topples turns slowly first and fastest just before the ground.
    turn_s = uniform(rng, 0.35, 0.75)
    postures = [(0.0, 0.1, from_deg), (at - turn_s * uniform(rng, 0.7, 1.0), turn_s, lying_deg)]
    if group == "wrist":
        speed *= uniform(rng, 0.8, 1.5)
        postures = [(0.0, 0.1, from_deg), *_arm(rng, at, uniform(rng, 10.0, 150.0), int(rng.integers(1, 4)))]
    elif group == "limb":
        speed *= uniform(rng, 0.7, 1.2)
        postures[-1] = (at - fall_s, fall_s + 0.2, from_deg + uniform(rng, 30.0, 100.0))
    pulses = drop(at, speed, fall_s, stop)
    if rng.random() < 0.35:
        # Knees or hands first: part of the speed is lost before the main impact.
        pulses.append((at - uniform(rng, 0.15, 0.5), uniform(rng, 0.02, 0.05), uniform(rng, 0.5, 2.0)))
    pulses += after_shocks(rng, at, 0.35 * speed)
    gait = steps_before(rng, at - fall_s, before)
    swings = tuple(w for start, end, hz, _ in gait for w in swing(rng, group, start, end, hz))
    rises = rng.random() < 0.12
    if rises:
        postures.append((at + uniform(rng, 2.2, 4.0), uniform(rng, 1.0, 2.0), uniform(rng, 0.0, 30.0)))
    return Motion(
        at + 7.0,
        postures=tuple(postures),
        pulses=tuple(pulses),
        side_pulses=(
            (at + uniform(rng, -0.03, 0.03), stop * 1.2, uniform(rng, 0.0, 0.6) * speed / (stop * 25.0)),
        ),
        ringing=(
            (at + stop, uniform(rng, 0.0, 0.4) * speed, uniform(rng, 5.0, 14.0), uniform(rng, 0.05, 0.15)),
        ),
        spins=((at - 0.2, uniform(rng, 0.1, 0.3), uniform(rng, -150.0, 150.0)),),
        gait=gait,
        swings=swings,
        tremor_g=uniform(rng, 0.003, 0.03) if rng.random() < 0.75 else uniform(rng, 0.03, 0.12),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _fall_walking(rng: Rng, group: str) -> Motion:
    return _fall(
        rng, group, before="walk", from_deg=0.0, fall_s=uniform(rng, 0.45, 0.9), speed=uniform(rng, 1.8, 3.3)
    )


def _fall_jogging(rng: Rng, group: str) -> Motion:
    return _fall(
        rng, group, before="jog", from_deg=8.0, fall_s=uniform(rng, 0.4, 0.8), speed=uniform(rng, 2.0, 3.3)
    )


def _fall_fainting(rng: Rng, group: str) -> Motion:
    return _fall(
        rng, group, before="walk", from_deg=0.0, fall_s=uniform(rng, 0.6, 1.2), speed=uniform(rng, 1.6, 2.8)
    )


def _fall_rising_or_sitting_down(rng: Rng, group: str) -> Motion:
    return _fall(
        rng,
        group,
        before="rest",
        from_deg=uniform(rng, 10, 40),
        fall_s=uniform(rng, 0.4, 0.8),
        speed=uniform(rng, 1.6, 3.0),
    )


def _fall_seated(rng: Rng, group: str) -> Motion:
    return _fall(
        rng,
        group,
        before="rest",
        from_deg=uniform(rng, 5, 30),
        fall_s=uniform(rng, 0.4, 0.9),
        speed=uniform(rng, 1.5, 2.6),
    )


FALLS: Mapping[str, Draw] = {
    "fall while walking": _fall_walking,
    "fall while jogging": _fall_jogging,
    "fall fainting": _fall_fainting,
    "fall while rising or sitting down": _fall_rising_or_sitting_down,
    "fall while seated": _fall_seated,
}
