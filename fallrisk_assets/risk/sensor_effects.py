"""What a sensor does to a motion: orientation, gain, noise, range, and a record that ends early.

Used to train on recordings and sketches as other devices would have seen them. Not here: the motions
themselves. All functions are deterministic in their generator.
"""

from dataclasses import dataclass

import numpy as np

#: Sampling rates of the devices that the detector must serve.
RATES_HZ = (20.0, 25.0, 31.25, 50.0, 100.0, 200.0)
#: Ranges of accelerometers (±g) and how often each is drawn.
RANGES_G = (2.0, 4.0, 8.0, 16.0)
RANGE_SHARES = (0.05, 0.15, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor.

    Attributes:
        rotation: (3, 3) from body axes to sensor axes.
        gain: Factor on the acceleration.
        noise_g: Standard deviation of white noise.
        range_g: Readings are clipped to ± this on every axis.
    """

    rotation: np.ndarray
    gain: float = 1.0
    noise_g: float = 0.0
    range_g: float = 16.0

    def see(
        self, accel_g: np.ndarray, gyro_dps: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Readings (n, 3) float32 of acceleration and angular rate."""
        accel = (accel_g @ self.rotation.T) * self.gain
        if self.noise_g > 0.0:
            accel = accel + rng.normal(0.0, self.noise_g, accel.shape)
        accel = np.clip(accel, -self.range_g, self.range_g)
        return accel.astype(np.float32), (gyro_dps @ self.rotation.T).astype(np.float32)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation matrix (3, 3), uniform over all orientations (Shoemake, Graphics Gems III, 1992)."""
    w, x, y, z = (q := rng.normal(size=4)) / np.sqrt(q @ q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def draw_sensor(rng: np.random.Generator) -> Sensor:
    """Draw a sensor: any orientation, some percent of gain, little noise, a range."""
    return Sensor(
        random_rotation(rng),
        gain=float(rng.uniform(0.95, 1.05)),
        noise_g=float(rng.uniform(0.002, 0.03)),
        range_g=float(rng.choice(RANGES_G, p=RANGE_SHARES)),
    )


def end_early(ts_us: np.ndarray, impact_us: int, rng: np.random.Generator) -> int:
    """How many samples are left when the record stops 0.5 to 3.4 s after an impact."""
    return int(np.searchsorted(ts_us, impact_us + int(rng.uniform(0.5, 3.4) * 1e6)))
