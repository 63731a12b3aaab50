"""Labelled impacts to train on: of recordings, of scripted sketches, and as other sensors see them.

Belongs here: which candidate of a recording is the fall, and what weight it has. Not here: the fit
(`training.py`), motions (`scripted_motions.py`) and sensors (`sensor_effects.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fallrisk_assets.recordings.recording import Trial
from fallrisk_assets.risk.impact_kernels import FEATURES, find_candidates, impact_features
from fallrisk_assets.risk.scripted_motions import scripted_motions
from fallrisk_assets.risk.sensor_effects import RATES_HZ, draw_sensor, end_early

#: Nobody: the subject of synthetic recordings, never held out.
NOBODY = ""
_PLACE = {"trunk": "waist", "wrist": "wrist", "limb": "pocket"}
#: A fall's main impact lies this close to its known time.
_NEAR_TRUTH_US = 1_000_000
_POSTURE = FEATURES.index("posture_change_deg")
_SMOOTH_PEAK = FEATURES.index("smooth_peak_g")


@dataclass(frozen=True, slots=True, eq=False)
class Impacts:
    """Candidate impacts with labels.

    Attributes:
        features: (k, len(FEATURES)).
        is_fall: (k,) bool.
        subject: (k,) str.
        weight: (k,) weights of the fit.
    """

    features: np.ndarray
    is_fall: np.ndarray
    subject: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> "Impacts":
        """The chosen rows."""
        return Impacts(self.features[rows], self.is_fall[rows], self.subject[rows], self.weight[rows])


def usable_candidates(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Times (k,) and feature rows (k, len(FEATURES)) of a trial's impacts that can be decided on."""
    found = find_candidates(trial.ts_us, trial.accel_g)
    rows = impact_features(trial.ts_us, trial.accel_g, trial.gyro_dps, found)
    known = ~np.isnan(rows[:, _POSTURE])
    return trial.ts_us[found[known]], rows[known]


def gather_impacts(trials: Iterable[Trial], weight: float = 1.0) -> Impacts:
    """Impacts of trials; of a fall only the main impact is a positive, its others are left out.

    Args:
        trials: Recordings.
        weight: Weight of a trial with one impact; in a trial with k of them (jogging) each has 1/√k of it.
    """
    features, labels, subjects, weights = [], [], [], []
    for trial in trials:
        times, rows = usable_candidates(trial)
        if trial.is_fall and len(rows):
            truth = trial.impact_us
            near = np.ones(len(rows), bool) if truth is None else np.abs(times - truth) < _NEAR_TRUTH_US
            rows = rows[near]
            rows = rows[[int(np.argmax(rows[:, _SMOOTH_PEAK]))]] if len(rows) else rows
        features.append(rows)
        labels.append(np.full(len(rows), trial.is_fall))
        subjects.append(np.full(len(rows), trial.subject, dtype=object))
        weights.append(np.full(len(rows), weight / np.sqrt(max(len(rows), 1))))
    if not features:
        return Impacts(np.empty((0, len(FEATURES))), np.empty(0, bool), np.empty(0, object), np.empty(0))
    return Impacts(
        np.concatenate(features), np.concatenate(labels), np.concatenate(subjects), np.concatenate(weights)
    )


def balanced(impacts: Impacts, weight: float = 1.0) -> Impacts:
    """The same impacts as a source of a given weight, half of it falls, half everything else."""
    w = impacts.weight.copy()
    for part in (impacts.is_fall, ~impacts.is_fall):
        if part.any():
            w[part] *= 0.5 * weight / w[part].sum()
    return Impacts(impacts.features, impacts.is_fall, impacts.subject, w)


def join(parts: Sequence[Impacts]) -> Impacts:
    """All impacts of several sources."""
    return Impacts(
        np.concatenate([p.features for p in parts]),
        np.concatenate([p.is_fall for p in parts]),
        np.concatenate([p.subject for p in parts]),
        np.concatenate([p.weight for p in parts]),
    )


def synthetic_trials(group: str, n: int, seed: int) -> list[Trial]:
    """Scripted falls and everyday movements, each at its own rate, seen by its own sensor.

    Args:
        group: Position group: "trunk", "wrist" or "limb".
        n: How many, half of them falls; about every seventh record ends soon after the main event.
        seed: Seed.
    """
    rng = np.random.default_rng([seed, 1])
    trials = []
    for k, (script, motion, is_fall) in enumerate(scripted_motions(n, seed, group)):
        ts, accel, gyro = motion.sample(float(rng.choice(RATES_HZ)), seed=seed + k, noise_g=0.0)
        accel, gyro = draw_sensor(rng).see(accel, gyro, rng)
        impact_us = int(ts[0] + (motion.impact_s or 0.0) * 1e6)
        stop = end_early(ts, impact_us, rng) if rng.random() < 0.15 else len(ts)
        trials.append(
            Trial(
                dataset="scripted",
                name=f"{script}-{k}",
                subject=NOBODY,
                age=None,
                sex=None,
                movement=script,
                description=script,
                is_fall=is_fall,
                position=_PLACE[group],
                ts_us=ts[:stop],
                accel_g=accel[:stop],
                gyro_dps=gyro[:stop],
                impact_us=impact_us if is_fall else None,
            )
        )
    return trials


def as_other_sensors_see(trials: Iterable[Trial], seed: int) -> list[Trial]:
    """Copies of trials with another orientation, gain, noise and range; half end soon after their impact."""
    rng = np.random.default_rng([seed, 2])
    copies = []
    for trial in trials:
        sensor = draw_sensor(rng)
        stop = len(trial.ts_us)
        times, rows = usable_candidates(trial)
        if len(rows) and rng.random() < 0.5:
            stop = end_early(trial.ts_us, int(times[np.argmax(rows[:, _SMOOTH_PEAK])]), rng)
        accel, gyro = sensor.see(trial.accel_g[:stop], trial.gyro_dps[:stop], rng)
        name = f"{trial.name} as another sensor"
        copies.append(replace(trial, name=name, ts_us=trial.ts_us[:stop], accel_g=accel, gyro_dps=gyro))
    return copies
