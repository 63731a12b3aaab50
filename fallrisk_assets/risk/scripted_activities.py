"""Everyday movements that look like falls to a threshold, drawn at random.

Belongs here: what people are asked to do that is no fall. Not here: falls and the shared mechanics
(`scripted_falls.py`), and how many of what (`scripted_motions.py`).
"""

from collections.abc import Mapping
from dataclasses import replace

from fallrisk_assets.risk.scripted_falls import (
    AT_S,
    BELL_AREA,
    G_MPS2,
    Draw,
    Pulse,
    Rng,
    after_shocks,
    drop,
    steps_before,
    swing,
    uniform,
)
from fallrisk_assets.risk.synthetic_motion import Motion, dropped_device


def _walking(rng: Rng, group: str) -> Motion:
    hard = rng.random() < 0.5
    cadence, height = (
        (uniform(rng, 1.8, 2.3), uniform(rng, 0.35, 0.8))
        if hard
        else (uniform(rng, 1.4, 2.0), uniform(rng, 0.2, 0.4))
    )
    turn = ((8.0, 0.4, uniform(rng, -160.0, 160.0)),)
    return Motion(
        16.0,
        gait=((1.0, 15.0, cadence, height),),
        swings=swing(rng, group, 1.0, 15.0, cadence),
        spins=turn,
        tremor_g=0.03,
        impact_s=8.0,
    )


def _jogging(rng: Rng, group: str) -> Motion:
    start, end, cadence = uniform(rng, 1.0, 6.0), uniform(rng, 11.0, 18.0), uniform(rng, 2.3, 3.1)
    return Motion(
        18.0,
        postures=((start - 0.3, 0.6, uniform(rng, 0.0, 15.0)), (end, 0.6, 0.0)),
        gait=((start, end, cadence, uniform(rng, 0.7, 2.2)),),
        swings=swing(rng, group, start, end, cadence),
        pulses=((uniform(rng, start, end), 0.03, uniform(rng, 0.0, 1.5)),),
        tremor_g=uniform(rng, 0.02, 0.15),
        impact_s=end,
    )


def _sitting_down(rng: Rng, group: str) -> Motion:
    """Onto a chair, quickly or slowly; half of them get up again within the seconds that are looked at."""
    at, stop = AT_S, uniform(rng, 0.02, 0.08)
    final = uniform(rng, 0.0, 45.0) if group == "trunk" else uniform(rng, 20.0, 95.0)
    lean = uniform(rng, 15.0, 50.0)
    postures = [(at - 0.8, 0.6, lean), (at - 0.1, uniform(rng, 0.3, 0.8), final)]
    if rng.random() < 0.4:
        rise = at + uniform(rng, 1.5, 4.0)
        postures += [(rise, 0.4, lean), (rise + 0.4, 0.6, 0.0)]
    return Motion(
        at + 7.0,
        postures=tuple(postures),
        pulses=tuple(
            drop(at, uniform(rng, 0.5, 1.7), uniform(rng, 0.3, 0.6), stop) + after_shocks(rng, at, 0.5)
        ),
        gait=steps_before(rng, at - 1.2, "walk" if rng.random() < 0.3 else "rest"),
        tremor_g=uniform(rng, 0.005, 0.04),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _collapsing_into_chair(rng: Rng, group: str) -> Motion:
    """Sitting, trying to get up, and falling back into the chair."""
    at = AT_S
    seated, final = uniform(rng, 0.0, 30.0), uniform(rng, 5.0, 50.0)
    if group == "limb":
        seated, final = uniform(rng, 70.0, 90.0), uniform(rng, 70.0, 95.0)
    return Motion(
        at + 7.0,
        postures=(
            (0.0, 0.1, seated),
            (at - 1.4, 0.6, seated + uniform(rng, 15.0, 40.0)),
            (at - 0.35, uniform(rng, 0.35, 0.7), final),
        ),
        pulses=tuple(
            drop(at, uniform(rng, 0.8, 1.8), uniform(rng, 0.25, 0.45), uniform(rng, 0.02, 0.06))
            + after_shocks(rng, at, 0.6)
        ),
        tremor_g=uniform(rng, 0.005, 0.05),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _lying_down(rng: Rng, group: str) -> Motion:
    """Onto a bed, from sitting or from standing, slowly or flopping: a fall's posture, a soft stop."""
    at = AT_S
    quick = rng.random() < 0.65
    turn_s = uniform(rng, 0.5, 1.2) if quick else uniform(rng, 1.2, 3.0)
    speed = uniform(rng, 0.5, 1.35) if quick else uniform(rng, 0.2, 0.6)
    start_deg, lying_deg = uniform(rng, 0.0, 35.0), uniform(rng, 70.0, 100.0)
    if group == "limb":
        start_deg, lying_deg = uniform(rng, 70.0, 90.0), uniform(rng, 70.0, 110.0)
    postures = [(0.0, 0.1, start_deg), (at - turn_s, turn_s + 0.1, lying_deg)]
    if group == "wrist":
        postures = [(0.0, 0.1, start_deg), (at - turn_s, turn_s, uniform(rng, 10.0, 150.0))]
    if rng.random() < 0.25:
        postures.append((at + uniform(rng, 2.5, 4.5), 1.2, start_deg))
    return Motion(
        at + 7.0,
        postures=tuple(postures),
        pulses=tuple(
            drop(at, speed, uniform(rng, 0.4, 0.9), uniform(rng, 0.035, 0.11)) + after_shocks(rng, at, 0.3)
        ),
        tremor_g=uniform(rng, 0.005, 0.04),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _bending(rng: Rng, group: str) -> Motion:
    """Bending or squatting to the floor and up again: posture comes back, bumps are small."""
    at = AT_S
    down = uniform(rng, 0.6, 1.5)
    return Motion(
        at + 7.0,
        postures=(
            (at - down, down, uniform(rng, 30.0, 100.0)),
            (at + uniform(rng, 0.8, 3.0), uniform(rng, 0.6, 1.2), uniform(rng, 0.0, 8.0)),
        ),
        pulses=(
            (at, uniform(rng, 0.04, 0.1), uniform(rng, 0.4, 1.1)),
            (at - 0.4, 0.15, -uniform(rng, 0.0, 0.3)),
        ),
        tremor_g=uniform(rng, 0.01, 0.05),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _sitting_on_the_ground(rng: Rng, group: str) -> Motion:
    at = AT_S
    return Motion(
        at + 7.0,
        postures=((at - 1.2, 0.9, uniform(rng, 20.0, 60.0)), (at - 0.1, 0.6, uniform(rng, 0.0, 45.0))),
        pulses=tuple(drop(at, uniform(rng, 0.5, 1.5), uniform(rng, 0.3, 0.6), uniform(rng, 0.02, 0.06))),
        tremor_g=uniform(rng, 0.01, 0.06),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _stumbling(rng: Rng, group: str) -> Motion:
    """A jolt and a lean while walking, caught by hurried steps."""
    at = AT_S
    cadence = uniform(rng, 1.6, 2.1)
    return Motion(
        at + 8.0,
        postures=(
            (at - 0.4, 0.5, uniform(rng, 10.0, 45.0)),
            (at + uniform(rng, 0.2, 0.7), 0.7, uniform(rng, 0.0, 8.0)),
        ),
        pulses=tuple(
            drop(at, uniform(rng, 0.7, 2.0), uniform(rng, 0.25, 0.45), uniform(rng, 0.02, 0.06))
            + after_shocks(rng, at, 1.2)
        ),
        gait=(
            (0.0, at - 0.4, cadence, uniform(rng, 0.15, 0.35)),
            (at + uniform(rng, 0.0, 1.0), at + 7.0, cadence * uniform(rng, 1.0, 1.3), uniform(rng, 0.2, 0.7)),
        ),
        tremor_g=0.03,
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _jumping(rng: Rng, group: str) -> Motion:
    """Once or some times: push, flight, landing; standing or walking on."""
    times, at = int(rng.integers(1, 7)), 5.0
    first = at
    pulses: list[Pulse] = []
    for _ in range(times):
        flight = uniform(rng, 0.15, 0.45)
        speed = uniform(rng, 0.9, 1.15) * 0.5 * flight * G_MPS2 + uniform(rng, 0.0, 0.5)
        stop = uniform(rng, 0.015, 0.06)
        pulses.append((at - flight - 0.15, 0.09, uniform(rng, 0.6, 1.5)))
        count = max(2, round(flight / 0.05))
        step = flight / count
        # A flat stretch without weight: bells as wide as their spacing sum to a constant.
        pulses += [(at - flight + (k + 0.5) * step, step, -0.97 / BELL_AREA) for k in range(count)]
        pulses.append((at, stop, speed / G_MPS2 / (stop * BELL_AREA)))
        pulses += after_shocks(rng, at, 0.8)
        at += uniform(rng, 0.6, 1.4)
    arms: list[tuple[float, float, float]] = []
    swings: tuple[tuple[float, float, float, float], ...] = ()
    if group == "wrist":
        if rng.random() < 0.5:
            arms = [(4.0, 0.5, uniform(rng, 40.0, 160.0)), (at, 0.6, uniform(rng, 0.0, 40.0))]
        # Arms are thrown up at the push and down at the landing.
        swings = ((first - 0.7, at + 0.2, uniform(rng, 0.8, 1.6), uniform(rng, 10.0, 50.0)),)
    walks = ((at + 1.0, at + 7.0, 1.8, 0.25),) if rng.random() < 0.4 else ()
    return Motion(
        at + 7.0,
        postures=tuple(arms),
        pulses=tuple(pulses),
        gait=walks,
        swings=swings,
        tremor_g=0.03,
        impact_s=at - 1.0,
    )


def _dropped(rng: Rng, group: str) -> Motion:
    m = dropped_device(
        peak_g=uniform(rng, 5.0, 12.0), angle_deg=uniform(rng, 0.0, 170.0), picked_up=bool(rng.random() < 0.3)
    )
    return replace(m, azimuth_deg=uniform(rng, 0.0, 360.0))


def _hitting_a_table(rng: Rng, group: str) -> Motion:
    """One to four hits with the flat hand or fist: very short stops, the forearm back where it was."""
    at = AT_S
    raised, resting = uniform(rng, 10.0, 80.0), uniform(rng, 0.0, 25.0)
    postures, pulses = [(at - 0.6, 0.35, raised)], []
    for k in range(int(rng.integers(1, 5))):
        t = at + k * uniform(rng, 0.5, 0.9)
        postures.append((t - 0.15, 0.15, resting))
        pulses += drop(t, uniform(rng, 0.8, 2.5), uniform(rng, 0.12, 0.25), uniform(rng, 0.008, 0.02))
        if rng.random() < 0.5:
            postures.append((t + 0.1, 0.2, raised))
    postures.append((postures[-1][0] + 0.4, 0.4, resting))
    return Motion(
        at + 9.0,
        tuple(postures),
        tuple(pulses),
        tremor_g=uniform(rng, 0.01, 0.06),
        azimuth_deg=40.0,
        impact_s=at,
    )


def _clapping(rng: Rng, group: str) -> Motion:
    """Claps: very short peaks while the forearm goes to and fro, after raising the hands."""
    at, times, gap = 4.0, int(rng.integers(3, 25)), uniform(rng, 0.2, 0.5)
    end = at + gap * times
    pulses = tuple(
        (at + gap * k, uniform(rng, 0.006, 0.02), uniform(rng, 0.4, 1.0) * uniform(rng, 3.0, 10.0))
        for k in range(times)
    )
    return Motion(
        end + 6.0,
        postures=((at - 1.0, 0.6, uniform(rng, 40.0, 110.0)), (end + 0.2, 0.6, uniform(rng, 0.0, 30.0))),
        pulses=pulses,
        swings=((at - gap, end, 1.0 / gap, uniform(rng, 4.0, 20.0)),),
        tremor_g=uniform(rng, 0.03, 0.2),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


def _arms_dropped(rng: Rng, group: str) -> Motion:
    """Arms raised, once or again and again, that drop to the thighs; a hand put down after a call."""
    at, times = AT_S, int(rng.integers(1, 4))
    postures, pulses = [], []
    for k in range(times):
        t = at - 2.2 * (times - 1 - k)
        raised_s = uniform(rng, 0.6, 1.4) if times > 1 else uniform(rng, 1.0, 3.0)
        postures += [
            (t - raised_s - 0.4, 0.5, uniform(rng, 60.0, 170.0)),
            (t - 0.4, 0.45, uniform(rng, 0.0, 30.0)),
        ]
        pulses += drop(t, uniform(rng, 0.4, 2.0), uniform(rng, 0.25, 0.45), uniform(rng, 0.02, 0.06))
    return Motion(
        at + 7.0,
        postures=tuple(postures),
        pulses=tuple(pulses),
        tremor_g=uniform(rng, 0.02, 0.1),
        azimuth_deg=uniform(rng, 0.0, 360.0),
        impact_s=at,
    )


_EVERYWHERE: Mapping[str, Draw] = {
    "walking": _walking,
    "jogging": _jogging,
    "sitting down": _sitting_down,
    "collapsing into a chair": _collapsing_into_chair,
    "lying down": _lying_down,
    "bending": _bending,
    "sitting on the ground": _sitting_on_the_ground,
    "stumbling": _stumbling,
    "jumping": _jumping,
    "dropped device": _dropped,
}
_AT_THE_WRIST: Mapping[str, Draw] = {
    "hitting a table": _hitting_a_table,
    "clapping": _clapping,
    "arms dropped": _arms_dropped,
}


def activities(group: str) -> Mapping[str, Draw]:
    """Everyday movements by name that a position group ("trunk", "wrist", "limb") is trained on."""
    return {**_EVERYWHERE, **_AT_THE_WRIST} if group == "wrist" else _EVERYWHERE
