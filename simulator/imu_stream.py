"""From a timeline to what the sensor says: specific force and rotation rate, sample by sample, compiled.

What belongs here: the physics (orientation, gravity, linear acceleration, noise, mounting). What does not:
when a movement happens, and how a sample is written down.

Frame: x forward, y left, z up; orientation = yaw (z), then pitch (y, positive leans forward), then roll
(x). The accelerometer shows specific force, so a person who stands still shows +1 g along z. Rotation rates
are differences of the same angles, hence consistent with them. Every value is a function of (seed, sample
index) alone: an hour can be made without the hours before it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from simulator.phenotypes import Person
from simulator.timeline import (
    CLAP,
    DEVICE_DROP,
    FALL,
    JUMP,
    NEAR_FALL,
    NON_WEAR,
    REST,
    SIT_HARD,
    STAIRS_DOWN,
    STAIRS_UP,
    TRANSITION,
    WALK,
)

ACCEL_DECIMALS = 4
GYRO_DECIMALS = 2
BREATH_RAD = 0.009


class Body(NamedTuple):
    """How one person's movement arrives at one wearing position (g, radians)."""

    vertical_g: float
    forward_g: float
    sideways_g: float
    second_harmonic: float
    pitch_swing_rad: float
    roll_swing_rad: float
    yaw_swing_rad: float
    stride_swing_rad: float
    sway_rad: float
    fidget_rad: float
    fidget_chance: float
    tremor_g: float
    noise_g: float
    noise_dps: float


def body_of(person: Person, position: str) -> Body:
    """Kernel parameters of a person at a position: waist, wrist (arm swing) or pocket (thigh swing)."""
    gain, stride_swing, fidget = {
        "waist": (1.0, 0.0, 0.08),
        "wrist": (0.75, 0.32, 0.25),
        "pocket": (1.15, 0.28, 0.08),
    }[position]
    p = person.phenotype
    return Body(
        vertical_g=person.vertical_g * gain,
        forward_g=person.forward_g * gain,
        sideways_g=person.sideways_g * gain,
        second_harmonic=p.second_harmonic,
        pitch_swing_rad=0.025,
        roll_swing_rad=0.05,
        yaw_swing_rad=0.07,
        stride_swing_rad=stride_swing * (0.5 if p.name == "parkinsonian" else 1.0),
        sway_rad=np.deg2rad(p.sway_deg),
        fidget_rad=fidget,
        fidget_chance=0.5 if position == "wrist" else 0.3,
        tremor_g=p.tremor_g * (2.0 if position == "wrist" else 1.0),
        noise_g=0.0025,
        noise_dps=0.06,
    )


@njit(nogil=True, cache=True, inline="always")
def _mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(nogil=True, cache=True, inline="always")
def _uniform(seed, index):
    x = _mix(seed + np.uint64(index) * np.uint64(0x9E3779B97F4A7C15))
    return float(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(nogil=True, cache=True, inline="always")
def _normal(seed, index):
    # Irwin-Hall of four 16-bit parts of one hash: close enough to a normal for sensor noise, and cheap.
    x = _mix(seed + np.uint64(index) * np.uint64(0x9E3779B97F4A7C15))
    m = np.uint64(0xFFFF)
    total = (
        float(x & m)
        + float((x >> np.uint64(16)) & m)
        + float((x >> np.uint64(32)) & m)
        + float(x >> np.uint64(48))
    )
    return (total * (1.0 / 65536.0) - 2.0) * 1.7320508


@njit(nogil=True, cache=True, inline="always")
def _blend(x):
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    return x * x * x * (10.0 + x * (6.0 * x - 15.0))


@njit(nogil=True, cache=True, inline="always")
def _pulse(dt, width):
    if dt <= -width or dt >= width:
        return 0.0
    return 0.5 * (1.0 + np.cos(np.pi * dt / width))


@njit(nogil=True, cache=True)
def _rest(seg, t, body, seed):
    ramp = min(1.0, t - seg.start_s, seg.end_s - t)
    if ramp <= 0.0:
        return 0.0, 0.0, 0.0, 0.0
    size = body.sway_rad * seg.sway * ramp
    pitch = size * (0.6 * np.sin(2.1 * t) + 0.4 * np.sin(3.7 * t + 1.0))
    roll = size * (0.5 * np.sin(1.7 * t + 2.0) + 0.3 * np.sin(4.3 * t))
    # Nobody who is alive is as still as a table: breath moves the belt, whatever else rests.
    pitch += BREATH_RAD * ramp * np.sin(1.5 * t + 0.4 * np.sin(0.11 * t))
    axial = 0.0
    block = int(t // 8.0)
    if _uniform(seed ^ np.uint64(0xF1D6E7), block) < body.fidget_chance * seg.sway:
        centre = 8.0 * block + 2.5 + 3.0 * _uniform(seed ^ np.uint64(0xF1D6E8), block)
        x = (t - centre) / 0.5
        bump = body.fidget_rad * ramp * np.exp(-x * x)
        pitch += bump * np.sin(5.0 * (t - centre) + 1.0)
        roll += 0.9 * bump
        axial = 0.9 * bump
    return pitch, roll, axial, ramp


@njit(nogil=True, cache=True)
def _impact(dt, peak_g, depth, width, phase):
    """(forward, left, up) around an impact at dt = 0; `depth` is how deep free fall was (g)."""
    p = _pulse(dt, width)
    up = (0.95 * peak_g - 1.0) * p
    side = 0.31 * peak_g * p
    if dt < 0.0:
        up -= depth * (1.0 - p)
    else:
        ring = (1.0 - p) * 0.22 * (peak_g - 1.0) * np.exp(-dt / 0.12)
        up += ring * np.sin(2 * np.pi * 7.0 * dt) + 0.22 * (peak_g - 1.0) * _pulse(dt - 0.24, 0.07)
        side += 0.5 * ring * np.cos(2 * np.pi * 9.0 * dt)
    return side * np.cos(phase), side * np.sin(phase), up


@njit(nogil=True, cache=True)
def _stride(seg, t, body, step_times, strength, k):
    """Waves of one instant of walking: (forward, left, up, pitch, roll, yaw) and the step pointer."""
    while k + 1 < seg.bout_last and step_times[k + 1] <= t:
        k += 1
    step_s = step_times[k + 1] - step_times[k]
    u = min(max((t - step_times[k]) / step_s, 0.0), 1.0)
    j = k - seg.bout_first
    a = strength[k] * (1.0 - u) + strength[k + 1] * u
    a *= min(1.0, 0.35 + 0.65 * (j + u), 0.35 + 0.65 * (seg.bout_last - k - u))
    s = 0.5 * (u + (j % 2))
    up_gain, sharp = 1.0, 0.35
    if seg.kind == STAIRS_UP:
        up_gain, sharp = 1.1, 0.3
    elif seg.kind == STAIRS_DOWN:
        up_gain, sharp = 1.45, 0.9
    two_pi = 2 * np.pi
    heel = (u - 0.08) / 0.04
    up = (
        np.cos(two_pi * u - 0.6)
        + body.second_harmonic * np.cos(2 * two_pi * u - 0.3)
        + 0.12 * np.cos(3 * two_pi * u)
        + sharp * (np.exp(-heel * heel) - 0.07)
    )
    forward = np.sin(two_pi * u + 0.4) + 0.3 * np.sin(2 * two_pi * u)
    left = np.sin(two_pi * s) + 0.35 * np.sin(3 * two_pi * s)
    edge = np.sin(two_pi * s)
    return (
        body.forward_g * a * forward,
        body.sideways_g * a * left,
        body.vertical_g * a * up_gain * up,
        body.pitch_swing_rad * np.sin(two_pi * u) + body.stride_swing_rad * edge,
        body.roll_swing_rad * edge,
        body.yaw_swing_rad * edge,
        k,
    )


@njit(nogil=True, cache=True)
def _motion(seg, t, body, step_times, strength, k, seed):
    """Pitch, roll, yaw, axial turn (rad), acceleration forward, left, up (g) at t; and the step pointer."""
    length = seg.end_s - seg.start_s
    dt = t - seg.start_s
    x = dt / length
    pitch, roll, yaw, axial = seg.pitch1, seg.roll1, seg.yaw1, seg.axial1
    forward, left, up = 0.0, 0.0, 0.0
    kind = seg.kind
    if kind == REST:
        dp, dr, da, ramp = _rest(seg, t, body, seed)
        pitch += dp
        roll += dr
        axial += da
        if body.tremor_g > 0.0:
            wave = body.tremor_g * ramp * seg.sway
            forward = wave * np.sin(2 * np.pi * 4.8 * t)
            left = 0.7 * wave * np.sin(2 * np.pi * 4.8 * t + 1.2)
    elif kind in (WALK, STAIRS_UP, STAIRS_DOWN):
        forward, left, up, dp, dr, dy, k = _stride(seg, t, body, step_times, strength, k)
        pitch += dp
        roll += dr
        yaw = seg.yaw0 + (seg.yaw1 - seg.yaw0) * _blend(x) + dy
    elif kind in (TRANSITION, SIT_HARD):
        b = _blend(x)
        bell = np.sin(np.pi * x) ** 2
        pitch = seg.pitch0 + (seg.pitch1 - seg.pitch0) * b + seg.depth_g * bell
        roll = seg.roll0 + (seg.roll1 - seg.roll0) * b
        yaw = seg.yaw0 + (seg.yaw1 - seg.yaw0) * b
        axial = seg.axial0 + (seg.axial1 - seg.axial0) * b
        up = seg.lift_g * np.sin(2 * np.pi * x)
        forward = 0.4 * seg.lift_g * np.sin(2 * np.pi * x + 0.7) * bell
        if kind == SIT_HARD:
            since = dt - seg.impact_s
            dip = seg.lift_g * _blend((since + 0.35) / 0.2)
            forward, left, up = _impact(since, seg.peak_g, dip, seg.width_s, seg.phase)
    elif kind in (FALL, DEVICE_DROP):
        since = dt - seg.impact_s
        b = _blend((since + seg.free_fall_s) / (seg.free_fall_s + 0.12))
        pitch = seg.pitch0 + (seg.pitch1 - seg.pitch0) * b
        roll = seg.roll0 + (seg.roll1 - seg.roll0) * b
        yaw = seg.yaw0 + (seg.yaw1 - seg.yaw0) * b
        axial = seg.axial0 + (seg.axial1 - seg.axial0) * b
        depth = seg.depth_g * _blend((since + seg.free_fall_s) / (0.35 * seg.free_fall_s))
        forward, left, up = _impact(since, seg.peak_g, depth, seg.width_s, seg.phase)
        before = dt / (seg.impact_s - seg.free_fall_s)
        if before < 1.0:
            # The struggle before: a sway of the trunk and hurried, uneven accelerations.
            bell = np.sin(np.pi * before) ** 2
            pitch += 0.12 * bell * np.sin(5.0 * dt + seg.phase)
            roll += 0.10 * bell * np.sin(4.0 * dt + 2.0 * seg.phase)
            forward += 0.25 * bell * np.sin(13.0 * dt + seg.phase)
            up += 0.20 * bell * np.sin(17.0 * dt)
    elif kind == NEAR_FALL:
        since = dt - seg.impact_s
        dip = 0.35 * _blend((since + 0.3) / 0.2)
        bell = np.sin(np.pi * x) ** 2
        forward, left, up = _impact(since, seg.peak_g, dip, 0.07, seg.phase)
        pitch = seg.pitch0 + seg.depth_g * bell
        roll = seg.roll0 + 0.5 * seg.depth_g * bell * np.sin(seg.phase)
        yaw = seg.yaw0
    elif kind == JUMP:
        landing = 0.6 + seg.free_fall_s
        if dt < 0.35:
            up = -0.35 * np.sin(np.pi * dt / 0.35)
        elif dt < 0.6:
            up = 1.2 * np.sin(np.pi * (dt - 0.35) / 0.25)
        if dt >= 0.6:
            since = dt - landing
            depth = 0.97 * _blend((since + seg.free_fall_s) / 0.06)
            forward, left, up = _impact(since, seg.peak_g, depth, 0.06, seg.phase)
        pitch += 0.15 * np.sin(np.pi * x) ** 2
    elif kind == CLAP:
        since = dt % 0.36 - 0.18
        forward = seg.peak_g * _pulse(since, 0.035) - 0.1 * seg.peak_g
        left = 0.4 * forward
    if kind == NON_WEAR:
        return seg.pitch1, seg.roll1, seg.yaw1, seg.axial1, 0.0, 0.0, 0.0, k
    return pitch, roll, yaw, axial, forward, left, up, k


@njit(nogil=True, cache=True)
def synthesise(segments, step_times, strength, first, n, rate_hz, body, mount, bias, seed, unit):
    """Samples [first, first + n) of a session as scaled integers.

    `mount` (3, 3) turns body into sensor axes; `bias` (6) is added (g, deg/s); `unit` is 1 for g and
    9.80665 for a firmware that sends m/s². Returns accel (n, 3) in 1e-4 g and gyro (n, 3) in 1e-2 deg/s,
    int32.
    """
    accel = np.empty((n, 3), np.int32)
    gyro = np.empty((n, 3), np.int32)
    to_dps = rate_hz * 180.0 / np.pi
    begin = max(first - 1, 0)
    lo, hi = 0, len(segments) - 1
    t = begin / rate_hz + 1e-9
    while lo < hi:
        middle = (lo + hi + 1) // 2
        if segments[middle].start_s <= t:
            lo = middle
        else:
            hi = middle - 1
    at = lo
    k = segments[at].first_step
    last_pitch, last_roll, last_yaw, last_axial = 0.0, 0.0, 0.0, 0.0
    for i in range(begin, first + n):
        t = i / rate_hz
        while at + 1 < len(segments) and segments[at].end_s <= t + 1e-9:
            at += 1
            k = segments[at].first_step
        pitch, roll, yaw, axial, forward, left, up, k = _motion(
            segments[at], t, body, step_times, strength, k, seed
        )
        if i == begin:
            last_pitch, last_roll, last_yaw, last_axial = pitch, roll, yaw, axial
        row = i - first
        if row >= 0:
            sp, cp, sr, cr = np.sin(pitch), np.cos(pitch), np.sin(roll), np.cos(roll)
            # World to body: pitch about y, then roll about x.
            ux = cp * forward - sp * (1.0 + up)
            w = sp * forward + cp * (1.0 + up)
            uy = cr * left + sr * w
            uz = -sr * left + cr * w
            dp, dr, dy = pitch - last_pitch, roll - last_roll, yaw - last_yaw
            gx = dr - dy * sp
            gy = dp * cr + dy * cp * sr
            gz = -dp * sr + dy * cp * cr
            sa, ca = np.sin(axial), np.cos(axial)
            ux, uy = ca * ux + sa * uy, ca * uy - sa * ux
            gx, gy = ca * gx + sa * gy, ca * gy - sa * gx
            gz += axial - last_axial
            for axis in range(3):
                noise = _normal(seed, 6 * i + axis) * body.noise_g + bias[axis]
                a = mount[axis, 0] * ux + mount[axis, 1] * uy + mount[axis, 2] * uz + noise
                accel[row, axis] = int(np.rint(min(max(a, -16.0), 16.0) * unit * 1e4))
                noise = _normal(seed, 6 * i + 3 + axis) * body.noise_dps + bias[3 + axis]
                g = (mount[axis, 0] * gx + mount[axis, 1] * gy + mount[axis, 2] * gz) * to_dps + noise
                gyro[row, axis] = int(np.rint(min(max(g, -2000.0), 2000.0) * 1e2))
        last_pitch, last_roll, last_yaw, last_axial = pitch, roll, yaw, axial
    return accel, gyro
