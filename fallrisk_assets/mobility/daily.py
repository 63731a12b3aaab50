"""A patient's day from what the devices say: one row of `curated.daily_gait`.

Here: pooling over devices, and the units that people read. Not here: signals and steps (`gait.py`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fallrisk_assets.mobility.gait import DeviceGait
from fallrisk_assets.mobility.gait_config import POSITION_ORDER
from fallrisk_assets.mobility.local_days import LocalDay

#: Fewest pieces of which a quality of the day is given: strides of one bout, strides and stretches of the
#: day.
MIN_BOUT_STRIDES = 6
MIN_DAY_STRIDES = 20
MIN_DAY_STRETCHES = 2


def stride_time_cv(stride_s: np.ndarray, bout: np.ndarray) -> float | None:
    """Return the coefficient of variation of stride time inside bouts, None with too few strides.

    Variances are pooled within bouts, so that a change of pace between bouts is not taken for unsteadiness
    (Hausdorff et al. 2001 judge one walk). Strides that differ by more than a quarter from their bout's
    median hold a missed or an extra step.

    Args:
        stride_s: Stride times, shape (n,).
        bout: Bout of each stride, shape (n,).
    """
    squares, degrees, total, count = 0.0, 0, 0.0, 0
    for b in np.unique(bout):
        mine = stride_s[bout == b]
        mine = mine[np.abs(mine / np.median(mine) - 1) < 0.25]
        if len(mine) < MIN_BOUT_STRIDES:
            continue
        squares += float(((mine - mine.mean()) ** 2).sum())
        degrees += len(mine) - 1
        total += float(mine.sum())
        count += len(mine)
    if count < MIN_DAY_STRIDES:
        return None
    return float(np.sqrt(squares / degrees) / (total / count))


def _median(values: Sequence[float] | np.ndarray, fewest: int) -> float | None:
    return float(np.median(values)) if len(values) >= fewest else None


def _sum(values: list[Any]) -> Any:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def day_measures(patient_id: str, day: LocalDay, devices: Sequence[DeviceGait]) -> dict[str, Any]:
    """Return the measures of a patient-day, pooled over devices that were worn one after another.

    Args:
        patient_id: The patient.
        day: The local day.
        devices: At least one device; of two worn at once the caller has kept the better (`POSITION_ORDER`).

    Returns:
        One row of `curated.daily_gait` without its slice column; None where the day cannot tell.
    """
    ordered = sorted(devices, key=lambda d: (POSITION_ORDER.index(d.position), d.device_id))
    walked = [d for d in ordered if d.bouts is not None]
    bouts = [b for d in walked for b in d.bouts or ()]
    n_intervals = sum(d.step_intervals[0] for d in walked)
    in_intervals_s = sum(d.step_intervals[1] for d in walked)
    strides = np.concatenate([np.empty(0), *(d.stride_s for d in walked)])
    offset, stride_bouts = 0, [np.empty(0, np.int64)]
    for d in walked:
        stride_bouts.append(d.stride_bout + offset)
        offset += len(d.bouts or ())
    walking_s = sum(b.end_s - b.start_s for b in bouts)
    turns = [t for d in walked for t in d.turns or ()]
    any_turns = any(d.turns is not None for d in walked)
    upright, lying = _sum([d.upright_s for d in walked]), _sum([d.lying_s for d in walked])
    return {
        "patient_id": patient_id,
        "local_day": day.date,
        "time_zone": day.time_zone,
        "day_start": day.start,
        "day_end": day.end,
        "devices": ",".join(sorted({d.device_id for d in devices})),
        "position": ordered[0].position,
        "recorded_minutes": sum(d.recorded_s for d in devices) / 60,
        "wear_minutes": sum(d.worn_s for d in devices) / 60,
        "walking_minutes": walking_s / 60 if walked else None,
        "walking_bouts": len(bouts) if walked else None,
        "longest_bout_s": max((b.end_s - b.start_s for b in bouts), default=0.0) if walked else None,
        "steps": sum(b.steps for b in bouts) if walked else None,
        "cadence_spm": 60 * n_intervals / in_intervals_s if n_intervals >= MIN_DAY_STRIDES else None,
        "stride_time_s": _median(strides, MIN_DAY_STRIDES),
        "stride_time_cv": stride_time_cv(strides, np.concatenate(stride_bouts)),
        "step_regularity": _median([v for d in walked for v in d.step_regularity], MIN_DAY_STRETCHES),
        "stride_regularity": _median([v for d in walked for v in d.stride_regularity], MIN_DAY_STRETCHES),
        "harmonic_ratio": _median(
            np.concatenate([np.empty(0), *(d.harmonic_ratio for d in walked)]), MIN_DAY_STRIDES
        ),
        "sway_g": _median([v for d in walked for v in d.sway_g], MIN_DAY_STRETCHES),
        "turns": len(turns) if any_turns else None,
        "turn_duration_s": _median([t[0] for t in turns], MIN_DAY_STRETCHES),
        "turn_angle_deg": _median([abs(t[1]) for t in turns], MIN_DAY_STRETCHES),
        "sit_to_stands": _sum([d.sit_to_stands for d in walked]),
        "night_risings": _sum([d.night_risings for d in walked]),
        "upright_minutes": None if upright is None else upright / 60,
        "lying_minutes": None if lying is None else lying / 60,
        "withdrawn": None,  # the contract decides, when the row is published
    }
