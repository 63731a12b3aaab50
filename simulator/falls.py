"""Falls, near-falls and the movements that look like falls, as segments on a timeline.

What belongs here: how a fall unfolds. What does not: how often somebody falls (`day`).
"""

import numpy as np

from simulator.gait import walk
from simulator.phenotypes import Person
from simulator.timeline import (
    CLAP,
    DEVICE_DROP,
    FALL,
    JUMP,
    LYING,
    NEAR_FALL,
    NON_WEAR,
    REST,
    SIT_HARD,
    SITTING,
    STAIRS_DOWN,
    STAIRS_UP,
    STANDING,
    TRANSITION,
    WALK,
    Fall,
    Timeline,
)

FALL_KINDS = ("trip_forward", "slip_backward", "lateral", "faint", "from_chair")
CONFUSERS = (
    "sit_down_hard",
    "jumping",
    "clapping",
    "stairs_up",
    "stairs_down",
    "flop_on_bed",
    "device_dropped",
)
FALL_ROOM_S = 60.0

# Ranges of (pitch and roll after, free fall s, depth g, peak g) by kind. Order of magnitude: Noury et al.,
# Proc. IEEE EMBS 2007, and UMAFall's falls (Casilari et al. 2017): 2.5 to 8 g at the waist after 0.25-0.6 s.
_SHAPES = {
    "trip_forward": ((1.35, 1.6), (-0.15, 0.15), (0.32, 0.5), (0.55, 0.75), (3.2, 8.0)),
    "slip_backward": ((-1.6, -1.3), (-0.15, 0.15), (0.32, 0.5), (0.6, 0.8), (3.5, 8.0)),
    "lateral": ((-0.2, 0.2), (1.3, 1.6), (0.3, 0.48), (0.5, 0.75), (3.0, 7.5)),
    "faint": ((-0.5, 0.5), (1.1, 1.5), (0.4, 0.6), (0.4, 0.65), (2.5, 5.0)),
    "from_chair": ((1.1, 1.5), (-0.5, 0.5), (0.25, 0.36), (0.4, 0.6), (2.5, 4.5)),
}


def stand_up(line: Timeline, person: Person) -> None:
    """Get to standing from wherever the person is."""
    if line.posture == LYING:
        line.change(SITTING, float(line.rng.uniform(2.5, 4.0)), "lie_to_sit", 0.05, 0.1)
        line.add(REST, float(line.rng.uniform(2.0, 8.0)), "sitting")
    if line.posture == SITTING:
        duration_s = person.sit_to_stand_s * float(line.rng.uniform(0.9, 1.15))
        line.change(STANDING, duration_s, "sit_to_stand", 0.28, 0.5)


def sit_down(line: Timeline, person: Person) -> None:
    """Get to sitting from wherever the person is."""
    if line.posture == STANDING:
        line.change(
            SITTING, person.sit_to_stand_s * float(line.rng.uniform(1.0, 1.2)), "stand_to_sit", -0.22, 0.45
        )
    elif line.posture == LYING:
        line.change(SITTING, float(line.rng.uniform(2.5, 4.0)), "lie_to_sit", 0.05, 0.1)


def lie_down(line: Timeline, person: Person) -> None:
    """Get to lying from wherever the person is."""
    sit_down(line, person)
    if line.posture == SITTING:
        line.change(LYING, float(line.rng.uniform(2.5, 4.5)), "sit_to_lie", -0.05, -0.05)


def fall(line: Timeline, person: Person, kind: str) -> None:
    """One fall: what comes before, free fall, impact, lying, then getting up (alone if recovered)."""
    rng = line.rng
    if kind == "from_chair":
        sit_down(line, person)
        line.add(REST, float(rng.uniform(4.0, 8.0)), "sitting")
    else:
        stand_up(line, person)
        if kind in ("trip_forward", "slip_backward", "lateral"):
            line.steps(WALK, "walking", walk(person, int(rng.integers(8, 24)), rng))
        else:
            line.add(REST, float(rng.uniform(4.0, 8.0)), "standing")
    pitch, roll, free, depth, peak = (float(rng.uniform(*bounds)) for bounds in _SHAPES[kind])
    roll *= float(rng.choice([-1.0, 1.0]))
    before_s = float(rng.uniform(0.5, 1.1))
    impact_s = round((before_s + free) * line.rate_hz) / line.rate_hz
    start = line.add(
        FALL,
        impact_s + 2.0,
        "fall",
        pitch1=pitch,
        roll1=roll,
        impact_s=impact_s,
        free_fall_s=free,
        depth_g=depth,
        peak_g=peak,
        width_s=float(rng.uniform(0.045, 0.09)),
        yaw1=line.yaw + float(rng.normal(0.0, 0.5)),
        axial1=float(rng.normal(0.0, 0.3)),
    )
    line.posture = LYING
    recovered = bool(rng.uniform() < person.phenotype.recovers)
    lying_s = float(rng.uniform(6.0, 25.0)) if recovered else float(rng.uniform(90.0, 900.0))
    lying_s = max(6.0, min(lying_s, line.left_s - FALL_ROOM_S / 2))
    # Most who lie hurt hardly move; some struggle to get up, as all do who manage to.
    struggles = recovered or rng.uniform() < 0.3
    line.add(
        REST, lying_s - 2.0, "lying_after_fall", sway=float(rng.uniform(0.6, 1.5)) if struggles else 0.25
    )
    line.falls.append(Fall(kind, start, start + impact_s, recovered, lying_s, peak))
    line.change(STANDING, float(rng.uniform(4.0, 7.0)), "get_up" if recovered else "helped_up", 0.12, 0.25)
    line.add(REST, float(rng.uniform(5.0, 15.0)), "standing", sway=1.5)


def near_fall(line: Timeline, person: Person) -> None:
    """A stumble that is caught: walking, a jolt and a lean, hurried steps, walking on."""
    rng = line.rng
    stand_up(line, person)
    line.steps(WALK, "walking", walk(person, int(rng.integers(10, 20)), rng))
    line.add(
        NEAR_FALL,
        float(rng.uniform(1.2, 1.6)),
        "near_fall",
        impact_s=0.5,
        peak_g=float(rng.uniform(1.7, 2.3)),
        depth_g=float(rng.uniform(0.2, 0.4)) * float(rng.choice([-1.0, 1.0])),
    )
    line.steps(WALK, "walking", walk(person, int(rng.integers(10, 20)), rng, pace=1.05))


def confuser(line: Timeline, person: Person, kind: str, position: str) -> None:
    """One of `CONFUSERS`: looks like a fall to a threshold, and is none."""
    rng = line.rng
    if kind == "sit_down_hard":
        stand_up(line, person)
        line.add(REST, float(rng.uniform(3.0, 6.0)), "standing")
        pitch, roll = line.tilt[SITTING]
        line.add(
            SIT_HARD,
            1.2,
            "sit_down_hard",
            pitch1=pitch,
            roll1=roll,
            impact_s=0.6,
            peak_g=float(rng.uniform(1.9, 3.0)),
            depth_g=0.25,
            lift_g=0.45,
        )
        line.posture = SITTING
        line.add(REST, float(rng.uniform(20.0, 60.0)), "sitting")
    elif kind == "jumping":
        stand_up(line, person)
        line.add(REST, float(rng.uniform(3.0, 6.0)), "standing")
        for _ in range(int(rng.integers(2, 5))):
            line.add(
                JUMP,
                1.5,
                "jumping",
                free_fall_s=float(rng.uniform(0.2, 0.34)),
                peak_g=float(rng.uniform(2.8, 4.8)),
            )
        line.add(REST, float(rng.uniform(8.0, 20.0)), "standing")
    elif kind == "flop_on_bed":
        _flop(line, person)
    elif kind == "clapping":
        sit_down(line, person)
        peak = float(rng.uniform(2.0, 4.0)) if position == "wrist" else float(rng.uniform(0.08, 0.2))
        line.add(CLAP, float(rng.uniform(8.0, 20.0)), "clapping", peak_g=peak)
        line.add(REST, float(rng.uniform(5.0, 20.0)), "sitting")
    elif kind in ("stairs_up", "stairs_down"):
        stand_up(line, person)
        code = STAIRS_UP if kind == "stairs_up" else STAIRS_DOWN
        line.steps(code, kind, walk(person, int(rng.integers(12, 26)), rng, pace=0.88, strength=1.1))
        line.add(REST, float(rng.uniform(2.0, 5.0)), "standing")
    elif kind == "device_dropped":
        _drop_device(line, person)
    else:
        raise ValueError(f"unknown confuser {kind!r}; known: {', '.join(CONFUSERS)}")


def _flop(line: Timeline, person: Person) -> None:
    """Drop onto a soft bed: a fall's change of posture and rest, with a soft, low impact."""
    rng = line.rng
    stand_up(line, person)
    line.add(REST, float(rng.uniform(3.0, 6.0)), "standing")
    pitch, roll = line.tilt[LYING]
    line.add(
        SIT_HARD,
        1.8,
        "flop_on_bed",
        pitch1=pitch,
        roll1=roll,
        axial1=float(rng.normal(0.0, 0.3)),
        impact_s=1.0,
        # As UMAFall's people who lie down on a bed: peaks of 1.3 to 2.2 g after 0.6 to 0.95 g.
        peak_g=float(rng.uniform(1.3, 2.0)),
        depth_g=-0.1,
        lift_g=float(rng.uniform(0.1, 0.35)),
        width_s=float(rng.uniform(0.10, 0.16)),
    )
    line.posture = LYING
    line.add(REST, float(rng.uniform(20.0, 90.0)), "lying", sway=0.6)


def _drop_device(line: Timeline, person: Person) -> None:
    rng = line.rng
    stand_up(line, person)
    line.add(REST, float(rng.uniform(3.0, 6.0)), "standing")
    hand = float(rng.uniform(0.4, 0.9))
    line.add(
        TRANSITION,
        2.0,
        "device_off",
        pitch1=hand,
        roll1=float(rng.uniform(-0.6, 0.6)),
        depth_g=0.3,
        lift_g=0.1,
    )
    free = float(rng.uniform(0.36, 0.46))
    flat = float(rng.choice([-np.pi / 2, 0.0, np.pi / 2]))
    line.add(
        DEVICE_DROP,
        2.5,
        "device_dropped",
        pitch1=flat,
        roll1=float(rng.choice([0.0, np.pi])) if flat == 0.0 else 0.0,
        impact_s=round((0.3 + free) * line.rate_hz) / line.rate_hz,
        free_fall_s=free,
        depth_g=1.0,
        peak_g=float(rng.uniform(6.0, 12.0)),
        width_s=0.03,
    )
    line.add(NON_WEAR, float(rng.uniform(4.0, 20.0)), "not_worn")
    pitch, roll = line.tilt[STANDING]
    line.add(TRANSITION, 4.0, "device_on", pitch1=pitch, roll1=roll, depth_g=0.4, lift_g=0.15)
    line.posture = STANDING
    line.add(REST, float(rng.uniform(5.0, 15.0)), "standing")
