"""What the detector is compared with: a fixed threshold, impact plus orientation, a random forest.

All see the same records and answer the same question. Not here: the detector (`detector.py`), and how answers
become tables (`evaluation.py`).
"""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from fallrisk_assets.risk.detector import DECIDE_US, REFRACTORY_S
from fallrisk_assets.risk.evaluation import Judged
from fallrisk_assets.risk.impact_kernels import FEATURES
from fallrisk_assets.risk.training_impacts import Impacts, Trial, usable_candidates

Method = Callable[[Trial], Judged]
#: A plain threshold (Bourke, O'Brien, Lyons, Gait & Posture 2007, 26:194) and the rule's three limits
#: (Kangas et al., Gait & Posture 2008, 28:285).
THRESHOLD_G = 2.5
ORIENTATION_DEG = 45.0
REST_G = 0.25
_COLUMN = {name: i for i, name in enumerate(FEATURES)}


def _once(times_us: np.ndarray, latency_us: int) -> tuple[tuple[int, int], ...]:
    """Alarms, one for all that follow each other within the refractory time."""
    events = []
    previous: int | None = None
    for t in times_us.tolist():
        if previous is None or t - previous > REFRACTORY_S * 1e6:
            events.append((t, t + latency_us))
        previous = t
    return tuple(events)


def fixed_threshold(trial: Trial) -> Judged:
    """Alarm whenever the acceleration's norm exceeds 2.5 g."""
    norm = np.sqrt((trial.accel_g.astype(np.float64) ** 2).sum(axis=1))
    return Judged(float(norm.max(initial=0.0)), _once(trial.ts_us[norm > THRESHOLD_G], 0))


def impact_and_orientation(trial: Trial) -> Judged:
    """Alarm at an impact of 2.5 g that is followed by another posture (45°) and rest."""
    times, f = usable_candidates(trial)
    hit = (
        (f[:, _COLUMN["peak_g"]] > THRESHOLD_G)
        & (f[:, _COLUMN["posture_change_deg"]] > ORIENTATION_DEG)
        & (f[:, _COLUMN["activity_after_g"]] < REST_G)
    )
    return Judged(float(hit.any()), _once(times[hit], DECIDE_US))


def random_forest(impacts: Impacts, seed: int = 0) -> Method:
    """Fit a random forest (Breiman, Machine Learning 2001, 45:5) on all features of labelled impacts.

    Missing gyroscope features count as zero, as most published code has it.
    """
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=seed, n_jobs=1)
    weight = impacts.weight / impacts.weight.mean()
    forest.fit(np.nan_to_num(impacts.features), impacts.is_fall, sample_weight=weight)
    positive = list(forest.classes_).index(True)

    def judge(trial: Trial) -> Judged:
        times, f = usable_candidates(trial)
        if len(f) == 0:
            return Judged(0.0, ())
        p = forest.predict_proba(np.nan_to_num(f))[:, positive]
        return Judged(float(p.max()), _once(times[p >= 0.5], DECIDE_US))

    return judge
