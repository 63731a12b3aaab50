"""A day in a life: which movement follows which, by local time of day.

What belongs here: rhythm (sleep, night rising, sitting and walking, shower without the device) and when
falls and confusers happen. What does not: how each of them looks.
"""

from dataclasses import dataclass

import numpy as np

from simulator.falls import (
    CONFUSERS,
    FALL_KINDS,
    FALL_ROOM_S,
    confuser,
    fall,
    lie_down,
    near_fall,
    sit_down,
    stand_up,
)
from simulator.gait import walk
from simulator.phenotypes import Person
from simulator.timeline import LYING, NON_WEAR, REST, STANDING, TRANSITION, WALK, Timeline

NIGHT_FROM_H = 22.5
NIGHT_TO_H = 6.75
NEAR_FALL = "near_fall"
SHOWER = "shower"


@dataclass(frozen=True)
class DayPlan:
    """What must happen in one session: `local_start_h` is the local time of day at its start, in hours."""

    length_s: float
    local_start_h: float
    falls: int
    near_falls: int
    confuser_rounds: int
    shower: bool
    position: str


def tilts(position: str, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Tilt (pitch, roll, radians) of the device in each posture, for one person and position."""
    lying = float(rng.choice([-1.45, -1.5]))
    side = float(rng.uniform(-0.25, 0.25))
    if position == "pocket":
        return {"standing": (-0.08, 0.05), "sitting": (-1.35, 0.1), "lying": (lying, side)}
    if position == "wrist":
        return {"standing": (1.35, 0.2), "sitting": (0.35, 0.3), "lying": (0.1, 0.9)}
    return {
        "standing": (float(rng.normal(0.05, 0.03)), float(rng.normal(0.0, 0.03))),
        "sitting": (float(rng.normal(-0.30, 0.05)), float(rng.normal(0.0, 0.03))),
        "lying": (lying, side),
    }


def live_through(person: Person, plan: DayPlan, rate_hz: float, rng: np.random.Generator) -> Timeline:
    """Fill one session of `plan.length_s` seconds: segments without a hole, and the truth about them."""
    line = Timeline(plan.length_s, rate_hz, rng, tilts(plan.position, rng))
    events = _events(person, plan, rng)
    if _is_night(plan.local_start_h):
        line.posture = LYING
        line.pitch, line.roll = line.tilt[LYING]
    rose_at_s = -1e9
    while line.left_s > FALL_ROOM_S:
        hour = (plan.local_start_h + line.now_s / 3600.0) % 24.0
        if events and events[0][0] <= line.now_s:
            _happen(line, person, events.pop(0)[1], plan.position)
        elif _is_night(hour):
            if line.posture != LYING:
                lie_down(line, person)
            if line.now_s - rose_at_s > 3600.0 and rng.uniform() < 0.12 and line.left_s > 400.0:
                _rise_at_night(line, person)
                rose_at_s = line.now_s
            else:
                _sleep(line, min(float(rng.uniform(120.0, 900.0)), line.left_s - FALL_ROOM_S / 2))
        else:
            _be_awake(line, person)
    if line.left_s > 1.0 / rate_hz:
        line.add(REST, line.left_s, line.posture)
    return line


def _is_night(hour: float) -> bool:
    return hour >= NIGHT_FROM_H or hour < NIGHT_TO_H


def _events(person: Person, plan: DayPlan, rng: np.random.Generator) -> list[tuple[float, str]]:
    names = [str(rng.choice(FALL_KINDS)) for _ in range(plan.falls)]
    names += [NEAR_FALL] * plan.near_falls
    names += [name for _ in range(plan.confuser_rounds) for name in CONFUSERS]
    if plan.shower:
        names.append(SHOWER)
    rng.shuffle(names)
    if not names:
        return []
    # One event in each equal part of the session, so that events stay apart and every one finds room.
    room = max(plan.length_s - 1020.0 if plan.length_s > 3000.0 else 0.7 * plan.length_s, 1.0)
    slots = (np.arange(len(names)) + rng.uniform(0.2, 0.8, len(names))) * (room / len(names))
    return [(float(at), name) for at, name in zip(slots, names, strict=True)]


def _happen(line: Timeline, person: Person, name: str, position: str) -> None:
    if name in FALL_KINDS:
        fall(line, person, name)
    elif name == NEAR_FALL:
        near_fall(line, person)
    elif name == SHOWER:
        _shower(line, person)
    else:
        confuser(line, person, name, position)


def _shower(line: Timeline, person: Person) -> None:
    rng = line.rng
    stand_up(line, person)
    line.add(TRANSITION, 4.0, "device_off", pitch1=1.5, roll1=0.05, depth_g=0.3, lift_g=0.1)
    line.add(NON_WEAR, min(float(rng.uniform(900.0, 2400.0)), max(60.0, line.left_s / 3)), "not_worn")
    pitch, roll = line.tilt[STANDING]
    line.add(TRANSITION, 4.0, "device_on", pitch1=pitch, roll1=roll, depth_g=0.4, lift_g=0.15)
    line.posture = STANDING


def _sleep(line: Timeline, duration_s: float) -> None:
    rng = line.rng
    if rng.uniform() < 0.5:
        line.add(TRANSITION, 3.0, None, axial1=float(rng.uniform(-1.4, 1.4)), lift_g=0.03)
    line.add(REST, duration_s, "lying", sway=0.35)


def _rise_at_night(line: Timeline, person: Person) -> None:
    rng = line.rng
    start = len(line.activities)
    begin_s = line.now_s
    stand_up(line, person)
    line.steps(WALK, "walking", walk(person, int(rng.integers(14, 40)), rng, pace=0.92, strength=0.95))
    sit_down(line, person)
    line.add(REST, float(rng.uniform(60.0, 150.0)), "sitting")
    stand_up(line, person)
    line.steps(WALK, "walking", walk(person, int(rng.integers(14, 40)), rng, pace=0.92, strength=0.95))
    lie_down(line, person)
    risen = type(line.activities[start])("night_rising", begin_s, line.now_s)
    line.activities.append(risen)


def _be_awake(line: Timeline, person: Person) -> None:
    rng = line.rng
    room = line.left_s - FALL_ROOM_S / 2
    draw = rng.uniform()
    share = person.phenotype.walking_share
    if draw < share + 0.25:
        stand_up(line, person)
        # Most bouts of older adults at home are short (Del Din et al. 2016): a long tail over a few steps.
        steps = int(np.clip(rng.lognormal(3.6, 0.9), 6, 500))
        steps = max(6, min(steps, int(room * person.cadence_spm / 60.0 * 0.6)))
        bout = walk(person, steps, rng, pace=float(rng.uniform(0.94, 1.06)))
        line.steps(WALK, "walking", bout, _turns(steps, rng))
        line.add(REST, min(float(rng.uniform(2.0, 30.0)), max(1.0, room / 4)), "standing")
    elif draw < share + 0.35:
        stand_up(line, person)
        line.add(REST, min(float(rng.uniform(10.0, 120.0)), room / 2), "standing")
    elif draw < 0.97:
        if line.posture == LYING:
            stand_up(line, person)
        sit_down(line, person)
        line.add(REST, min(float(rng.uniform(60.0, 900.0)), room * 0.8), "sitting")
    else:
        lie_down(line, person)
        line.add(REST, min(float(rng.uniform(120.0, 900.0)), room * 0.8), "lying", sway=0.5)


def _turns(steps: int, rng: np.random.Generator) -> dict[int, tuple[int, float]]:
    turns: dict[int, tuple[int, float]] = {}
    at = int(rng.integers(5, 20))
    while at + 5 < steps:
        angle = (
            float(rng.choice([np.pi / 2, np.pi]))
            * float(rng.choice([-1.0, 1.0]))
            * float(rng.uniform(0.85, 1.1))
        )
        turns[at] = (3 if abs(angle) < 2.2 else 5, angle)
        at += int(rng.integers(12, 40))
    return turns
