"""Who wears the device: how robust, pre-frail, frail and parkinsonian people move, and one person of them.

What belongs here: the numbers that describe a way of moving. What does not: when somebody moves (`day`) and
how a movement looks on an accelerometer (`imu_stream`).
"""

from dataclasses import dataclass

import numpy as np

POSITIONS = ("waist", "wrist", "pocket")


@dataclass(frozen=True)
class Phenotype:
    """A way of moving; spreads are one standard deviation between persons.

    Orders of magnitude follow Hollman et al., Gait & Posture 34 (2011) 111-118 (cadence, variability by
    age), and Montero-Odasso et al., J Gerontol A 66 (2011) 568-576 (variability by frailty). Amplitudes are
    those of a waist-worn sensor.
    """

    name: str
    cadence_spm: float
    cadence_spread_spm: float
    stride_time_cv: float
    step_asymmetry: float
    vertical_g: float
    forward_g: float
    sideways_g: float
    second_harmonic: float
    sit_to_stand_s: float
    sway_deg: float
    tremor_g: float
    walking_share: float
    fall_weight: float
    near_falls_per_16h: float
    recovers: float


ROBUST = Phenotype(
    "robust", 112.0, 3.0, 0.018, 0.015, 0.30, 0.18, 0.12, 0.45, 1.7, 0.5, 0.0, 0.34, 0.6, 1.0, 0.8
)
PRE_FRAIL = Phenotype(
    "pre-frail", 104.0, 3.0, 0.028, 0.03, 0.23, 0.14, 0.11, 0.40, 2.2, 0.8, 0.0, 0.26, 1.0, 3.0, 0.6
)
FRAIL = Phenotype("frail", 92.0, 4.0, 0.045, 0.05, 0.17, 0.10, 0.11, 0.32, 2.9, 1.2, 0.0, 0.18, 1.5, 6.0, 0.3)
PARKINSONIAN = Phenotype(
    "parkinsonian", 100.0, 5.0, 0.055, 0.07, 0.15, 0.09, 0.08, 0.28, 3.1, 1.1, 0.012, 0.18, 1.5, 8.0, 0.35
)
PHENOTYPES = {p.name: p for p in (ROBUST, PRE_FRAIL, FRAIL, PARKINSONIAN)}
ORDER = ("pre-frail", "robust", "frail", "parkinsonian", "robust", "pre-frail", "robust", "frail")


@dataclass(frozen=True)
class Person:
    """One wearer: the drawn parameters of gait, in the units of `Phenotype`."""

    patient_id: str
    phenotype: Phenotype
    cadence_spm: float
    stride_time_cv: float
    step_asymmetry: float
    vertical_g: float
    forward_g: float
    sideways_g: float
    sit_to_stand_s: float


def draw_person(patient_id: str, phenotype: Phenotype, rng: np.random.Generator) -> Person:
    """Draw one person of a phenotype: `rng` decides everything."""
    return Person(
        patient_id=patient_id,
        phenotype=phenotype,
        cadence_spm=float(
            np.clip(rng.normal(phenotype.cadence_spm, phenotype.cadence_spread_spm), 78.0, 128.0)
        ),
        stride_time_cv=phenotype.stride_time_cv * float(rng.uniform(0.85, 1.15)),
        step_asymmetry=phenotype.step_asymmetry * float(rng.uniform(0.7, 1.3)),
        vertical_g=phenotype.vertical_g * float(rng.uniform(0.9, 1.1)),
        forward_g=phenotype.forward_g * float(rng.uniform(0.9, 1.1)),
        sideways_g=phenotype.sideways_g * float(rng.uniform(0.9, 1.1)),
        sit_to_stand_s=phenotype.sit_to_stand_s * float(rng.uniform(0.9, 1.1)),
    )
