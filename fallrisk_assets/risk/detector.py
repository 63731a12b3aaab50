"""The fall detector: candidate impact, physics of the seconds around it, calibrated probability.

One causal algorithm for hourly assets and for a live stream. A candidate is the largest peak of its
neighbourhood; what is asked about it are quantities of mechanics (Casilari et al., Sensors 2015,
15:17827; Noury et al., EMBS 2007): how hard was it, how much falling went before, did the body's posture
change, does it lie still, does this impact stand out. A logistic model turns them into a probability;
its numbers live in a versioned JSON artefact.

Every decision is a pure function of the samples in ``[impact - LOOKBACK, impact + DECIDE_S)``. So chunks do
not matter, an event belongs to the hour of ``decided_us``, and an hour needs just ``LOOKBACK_S`` of
the hour before. Where samples end sooner, because the record is over or the device fell silent, the
decision is made at the same moment with what there is, if that shows the posture after the impact at all.

Not here: terms and numbers (`fall_model.py`), kernels (`impact_kernels.py`), pieces of a live stream
(`fall_stream.py`).
"""

from dataclasses import dataclass

import numpy as np

from fallrisk_assets.risk.fall_model import (
    POSITION_GROUPS,
    FallModel,
    LogisticModel,
    parameters_hash,
    released_model,
    score_candidates,
)
from fallrisk_assets.risk.impact_kernels import (
    BEFORE_S,
    DECIDE_S,
    FEATURES,
    find_candidates,
    impact_features,
)

__all__ = [
    "LOOKBACK_S",
    "POSITION_GROUPS",
    "REFRACTORY_S",
    "FallEvent",
    "FallModel",
    "LogisticModel",
    "detect_falls",
    "parameters_hash",
    "released_model",
    "score_candidates",
]

#: One fall fires once: after a convincing impact the next this many seconds belong to it. Whoever has fallen
#: turns and struggles: of 207 recorded falls at the wrist 4 hit something hard again 4 to 7 s later.
REFRACTORY_S = 7.5
#: How far back of its own start a stretch must be read so that it decides as the whole stream would.
LOOKBACK_S = DECIDE_S + REFRACTORY_S + BEFORE_S
DECIDE_US = int(DECIDE_S * 1e6)

_UPRIGHT_AGAIN_DEG = 40.0
_COLUMN = {name: i for i, name in enumerate(FEATURES)}
_NO_GYRO = np.empty((0, 3), np.float32)


@dataclass(frozen=True, slots=True)
class FallEvent:
    """A fall that was decided on.

    Attributes:
        impact_us: Time of the impact peak, epoch microseconds.
        decided_us: When the decision could be made; at most 4 s later.
        probability: Of a fall, where falls and other impacts are equally frequent.
        peak_g: Largest acceleration norm, gravity-scaled.
        free_fall_s: Seconds below 0.7 g in the second before.
        posture_change_deg: Angle between gravity before and after.
        stillness_s: Still seconds up to the decision.
        recovered: Back in the old posture within the second before the decision.
    """

    impact_us: int
    decided_us: int
    probability: float
    peak_g: float
    free_fall_s: float
    posture_change_deg: float
    stillness_s: float
    recovered: bool


def detect_falls(
    ts_us: np.ndarray,
    accel_g: np.ndarray,
    gyro_dps: np.ndarray | None,
    position: str,
    model: FallModel,
    decide_from_us: int | None = None,
    decide_to_us: int | None = None,
    *,
    at_end: bool = False,
) -> list[FallEvent]:
    """Detect falls in one person's samples of one device.

    Args:
        ts_us: (n,) int64 epoch microseconds, strictly increasing.
        accel_g: (n, 3) float32.
        gyro_dps: (n, 3) float32 with NaN where missing, or None.
        position: Where the device is worn (a key of ``POSITION_GROUPS``).
        model: The detector's numbers.
        decide_from_us: Only events decided at or after this time.
        decide_to_us: Only events decided before this time; by default what the last sample
            already allows.
        at_end: The record is over: decide about its last impacts too, with the samples that are there.

    Returns:
        Events in order of impact.

    Raises:
        ValueError: times not strictly increasing, shapes that do not fit, or an unknown position.
    """
    model.of(position, gyro=False)
    if len(ts_us) == 0:
        return []
    if accel_g.shape != (len(ts_us), 3) or (gyro_dps is not None and gyro_dps.shape != accel_g.shape):
        raise ValueError(f"shapes do not fit: {len(ts_us)} times, accel {accel_g.shape}")
    if len(ts_us) > 1 and not (ts_us[1:] > ts_us[:-1]).all():
        raise ValueError("times are not strictly increasing; sort and deduplicate first")
    candidates = find_candidates(ts_us, accel_g)
    decided = ts_us[candidates] + DECIDE_US
    end = decide_to_us
    if end is None:
        end = int(ts_us[-1]) + 1 + (DECIDE_US if at_end else 0)
    keep = decided < end
    if decide_from_us is not None:
        keep &= decided >= decide_from_us - int(REFRACTORY_S * 1e6)
    candidates, decided = candidates[keep], decided[keep]
    if len(candidates) == 0:
        return []
    features = impact_features(ts_us, accel_g, _NO_GYRO if gyro_dps is None else gyro_dps, candidates)
    p = score_candidates(features, position, model)
    convincing = np.flatnonzero(p >= model.threshold(position))
    events = []
    previous: int | None = None
    for i in convincing:
        impact = int(ts_us[candidates[i]])
        same_fall = previous is not None and impact - previous <= REFRACTORY_S * 1e6
        previous = impact
        if same_fall or (decide_from_us is not None and decided[i] < decide_from_us):
            continue
        row = features[i]
        events.append(
            FallEvent(
                impact_us=impact,
                decided_us=int(decided[i]),
                probability=float(p[i]),
                peak_g=float(row[_COLUMN["peak_g"]]),
                free_fall_s=float(row[_COLUMN["free_fall_s"]]),
                posture_change_deg=float(row[_COLUMN["posture_change_deg"]]),
                stillness_s=float(row[_COLUMN["stillness_s"]]),
                recovered=bool(row[_COLUMN["late_posture_deg"]] < _UPRIGHT_AGAIN_DEG),
            )
        )
    return events
