"""Steps: the times and strengths of the foot contacts of one bout of walking.

What belongs here: the known truth of walking (steps, cadence, stride times). What does not: the wave form.
"""

from dataclasses import dataclass

import numpy as np

from simulator.phenotypes import Person


@dataclass(frozen=True)
class Steps:
    """One bout: `edges_s` (n + 1) are the contacts from 0, `strength` (n + 1) scales the wave at each."""

    edges_s: np.ndarray
    strength: np.ndarray

    @property
    def count(self) -> int:
        """Number of steps."""
        return len(self.edges_s) - 1

    @property
    def duration_s(self) -> float:
        """Length of the bout in seconds."""
        return float(self.edges_s[-1])

    @property
    def cadence_spm(self) -> float:
        """Steps a minute over the whole bout."""
        return 60.0 * self.count / self.duration_s

    @property
    def stride_times_s(self) -> np.ndarray:
        """Times between every second contact."""
        return self.edges_s[2:] - self.edges_s[:-2]


def walk(
    person: Person, steps: int, rng: np.random.Generator, pace: float = 1.0, strength: float = 1.0
) -> Steps:
    """Foot contacts of `steps` steps.

    Stride times carry the person's coefficient of variation (a slow drift and white noise, half of the
    variance each); left and right steps differ by the asymmetry; `pace` scales cadence, `strength` the
    wave.
    """
    stride_s = 120.0 / (person.cadence_spm * pace)
    strides = steps // 2 + 2
    white = rng.normal(0.0, 1.0, strides)
    drift = np.empty(strides)
    level = rng.normal()
    kick = rng.normal(0.0, np.sqrt(1 - 0.8**2), strides)
    for i in range(strides):
        level = 0.8 * level + kick[i]
        drift[i] = level
    share = np.sqrt(0.5)
    each = stride_s * (1.0 + person.stride_time_cv * np.clip(share * white + share * drift, -3.0, 3.0))
    durations = np.repeat(each / 2.0, 2)
    durations[0::2] *= 1.0 + person.step_asymmetry
    durations[1::2] *= 1.0 - person.step_asymmetry
    edges_s = np.concatenate([[0.0], np.cumsum(durations[:steps])])
    scale = strength * (1.0 + rng.normal(0.0, 0.5 * person.stride_time_cv + 0.02, steps + 1))
    scale[0::2] *= 1.0 + person.step_asymmetry
    scale[1::2] *= 1.0 - person.step_asymmetry
    scale *= pace**1.5
    return Steps(edges_s, np.clip(scale, 0.2, 2.5))
