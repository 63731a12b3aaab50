"""Short motions as continuous functions of time, sampled at any rate: what a motion is, and a few by name.

A small physical sketch for training and for tests of the detector: gravity turns with posture, dynamic
acceleration is a sum of pulses and of gait. Because a motion is a function of time, the same one can be
sampled at 20 or 200 Hz. Not here: which motions are drawn for training (`scripted_motions.py`), and what a
sensor does to them (`sensor_effects.py`). It is not the cohort simulator: the detector is never trained on
that, so that results on it stay held out.
"""

from dataclasses import dataclass, field

import numpy as np

Array = np.ndarray


def _bells(t: Array, pulses: tuple[tuple[float, float, float], ...]) -> Array:
    a = np.zeros_like(t)
    for centre, width, height in pulses:
        a += height * np.exp(-0.5 * ((t - centre) / width) ** 2)
    return a


@dataclass(frozen=True, slots=True)
class Motion:
    """A scripted motion.

    Attributes:
        duration_s: Length.
        postures: (start_s, duration_s, angle_deg): the trunk turns to this angle from upright.
        pulses: (centre_s, width_s, amplitude_g): bell-shaped pulses along gravity.
        side_pulses: The same across gravity.
        ringing: (start_s, amplitude_g, hz, decay_s): what flesh and strap do after a hard stop.
        gait: (start_s, end_s, cadence_hz, amplitude_g) stretches of steps.
        swings: (start_s, end_s, cadence_hz, angle_deg) stretches of an arm's or leg's swing.
        spins: (centre_s, width_s, rate_dps): bell-shaped turns about the body's long axis.
        tremor_g: Size of a slow restless sway.
        azimuth_deg: Direction in which the trunk turns.
    """

    duration_s: float
    postures: tuple[tuple[float, float, float], ...] = ()
    pulses: tuple[tuple[float, float, float], ...] = ()
    gait: tuple[tuple[float, float, float, float], ...] = ()
    side_pulses: tuple[tuple[float, float, float], ...] = ()
    ringing: tuple[tuple[float, float, float, float], ...] = ()
    swings: tuple[tuple[float, float, float, float], ...] = ()
    spins: tuple[tuple[float, float, float], ...] = ()
    tremor_g: float = 0.01
    azimuth_deg: float = 0.0
    impact_s: float | None = field(default=None)

    def tilt_deg(self, t: Array) -> Array:
        """Angle from upright at the times ``t`` (s)."""
        angle = np.zeros_like(t)
        now = 0.0
        for start, length, target in self.postures:
            x = np.clip((t - start) / length, 0.0, 1.0)
            angle += (target - now) * x * x * (3 - 2 * x)
            now = target
        for start, end, cadence, swing in self.swings:
            on = np.clip((t - start) / 0.4, 0, 1) * np.clip((end - t) / 0.4, 0, 1)
            angle += on * swing * np.sin(2 * np.pi * cadence * (t - start))
        return angle

    def vertical_g(self, t: Array) -> Array:
        """Dynamic acceleration along the gravity direction at ``t`` (s), in g."""
        a = _bells(t, self.pulses)
        for start, height, hz, decay in self.ringing:
            since = np.clip(t - start, 0.0, None)
            a += height * np.sin(2 * np.pi * hz * since) * np.exp(-since / decay)
        for start, end, cadence, height in self.gait:
            on = np.clip((t - start) / 0.4, 0, 1) * np.clip((end - t) / 0.4, 0, 1)
            phase = 2 * np.pi * cadence * (t - start)
            a += (
                on
                * height
                * (np.cos(phase) + 0.35 * np.cos(2 * phase + 0.7) + 0.15 * np.cos(3 * phase + 1.9))
            )
        return a

    def sample(
        self, rate_hz: float, *, seed: int = 0, noise_g: float = 0.01, start_us: int = 1_767_600_000_000_000
    ) -> tuple[Array, Array, Array]:
        """Sample the motion.

        Returns:
            ts_us (n,) int64, accel_g (n, 3) float32, gyro_dps (n, 3) float32.
        """
        rng = np.random.default_rng(seed)
        t = np.arange(0.0, self.duration_s, 1.0 / rate_hz)
        phases = np.random.default_rng(seed + 1_000_003).uniform(0, 2 * np.pi, (3, 4))
        tilt = np.radians(self.tilt_deg(t))
        az = np.radians(self.azimuth_deg)
        gravity = np.stack([np.sin(tilt) * np.cos(az), np.sin(tilt) * np.sin(az), np.cos(tilt)], axis=1)
        vertical = self.vertical_g(t)
        # Across gravity and across the direction of the turn.
        across = np.array([-np.sin(az), np.cos(az), 0.0])
        accel = gravity * (1.0 + vertical)[:, None] + _bells(t, self.side_pulses)[:, None] * across
        for axis in range(3):
            for k, hz in enumerate((0.3, 0.7, 1.1, 2.3)):
                accel[:, axis] += self.tremor_g * np.sin(2 * np.pi * hz * t + phases[axis, k])
        dt = 0.005
        speed = (self.tilt_deg(t + dt) - self.tilt_deg(t - dt)) / (2 * dt)
        gyro = np.stack([-np.sin(az) * speed, np.cos(az) * speed, _bells(t, self.spins)], axis=1)
        gyro += (60 * vertical * 0.3)[:, None] * np.array([0.4, 0.8, 0.3])
        accel += rng.normal(0, noise_g, accel.shape)
        gyro += rng.normal(0, 1.0, gyro.shape)
        ts = start_us + np.round(t * 1e6).astype(np.int64)
        return ts, accel.astype(np.float32), gyro.astype(np.float32)


def fall(
    *,
    at_s: float = 6.0,
    peak_g: float = 4.0,
    free_fall_g: float = 0.5,
    angle_deg: float = 85.0,
    azimuth_deg: float = 20.0,
    bounce_g: float = 0.8,
    walking_before: bool = True,
    recovers: bool = False,
    unrest_g: float = 0.02,
) -> Motion:
    """A fall: loss of support, impact with a bounce, then lying (or rising again within 3 s)."""
    postures = [(at_s - 0.7, 0.8, angle_deg)]
    if recovers:
        postures.append((at_s + 1.9, 1.0, 0.0))
    return Motion(
        duration_s=at_s + 10.0,
        postures=tuple(postures),
        pulses=(
            (at_s - 0.35, 0.16, -free_fall_g),
            (at_s, 0.045, peak_g - 1.0),
            (at_s + 0.32, 0.05, bounce_g),
        ),
        gait=((0.0, at_s - 0.8, 1.7, 0.18),) if walking_before else (),
        tremor_g=unrest_g,
        azimuth_deg=azimuth_deg,
        impact_s=at_s,
    )


def walking(*, cadence_hz: float = 1.8, amplitude_g: float = 0.3, duration_s: float = 20.0) -> Motion:
    """Steady walking; at larger amplitudes and cadences brisk stairs or jogging."""
    return Motion(duration_s, gait=((0.0, duration_s, cadence_hz, amplitude_g),))


def sitting_hard(*, at_s: float = 6.0, peak_g: float = 2.4, angle_deg: float = 20.0) -> Motion:
    """Dropping into a chair: a short descent, a bump, the trunk stays near upright."""
    return Motion(
        at_s + 10.0,
        postures=((at_s - 0.6, 0.5, 35.0), (at_s - 0.05, 0.5, angle_deg)),
        pulses=((at_s - 0.3, 0.12, -0.3), (at_s, 0.05, peak_g - 1.0)),
        tremor_g=0.02,
        impact_s=at_s,
    )


def lying_down(*, at_s: float = 6.0, peak_g: float = 1.6, seconds: float = 2.0) -> Motion:
    """Lying down on a bed: a slow turn and a soft bump."""
    return Motion(
        at_s + 10.0,
        postures=((at_s - seconds, seconds, 85.0),),
        pulses=((at_s, 0.06, peak_g - 1.0),),
        tremor_g=0.02,
        impact_s=at_s,
    )


def jumping(*, at_s: float = 4.0, times: int = 4, peak_g: float = 4.5) -> Motion:
    """Jumps on the spot: flight and landing, again and again, upright before and after."""
    pulses: list[tuple[float, float, float]] = []
    for k in range(times):
        t = at_s + 0.75 * k
        pulses += [(t - 0.25, 0.1, -0.9), (t, 0.05, peak_g - 1.0)]
    return Motion(at_s + 0.75 * times + 8.0, pulses=tuple(pulses), tremor_g=0.03, impact_s=at_s)


def clapping(*, at_s: float = 4.0, times: int = 12, peak_g: float = 6.0) -> Motion:
    """Hand claps at the wrist: very short high peaks in a row, the hand turned up and down again."""
    pulses = tuple((at_s + 0.4 * k, 0.015, peak_g - 1.0) for k in range(times))
    end = at_s + 0.4 * times
    return Motion(
        end + 8.0,
        postures=((at_s - 1.0, 0.7, 70.0), (end + 0.3, 0.7, 10.0)),
        pulses=pulses,
        tremor_g=0.08,
        impact_s=at_s,
    )


def dropped_device(
    *, at_s: float = 6.0, peak_g: float = 9.0, angle_deg: float = 60.0, picked_up: bool = False
) -> Motion:
    """A device that slips from the hand: no weight at all for a third of a second, a hard stop, then lies."""
    postures = [(at_s - 0.4, 0.4, angle_deg)]
    if picked_up:
        postures.append((at_s + 2.4, 0.6, 5.0))
    flight = [(at_s - 0.2 + k * 0.07, 0.05, -0.56) for k in range(-2, 3)]
    return Motion(
        at_s + 10.0,
        postures=tuple(postures),
        pulses=(*flight, (at_s, 0.02, peak_g - 1.0), (at_s + 0.25, 0.02, 0.3 * peak_g)),
        gait=((at_s + 2.4, at_s + 10.0, 2.6, 0.25),) if picked_up else (),
        tremor_g=0.001,
        impact_s=at_s,
    )
