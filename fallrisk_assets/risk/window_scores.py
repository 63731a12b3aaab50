"""The window score: how unstable the movement in one window was, 0 to 1.

It describes seconds, not a person: it is no probability of a fall and never alerts. It answers "how much
vigorous movement was there that did not repeat itself?". Steady walking is vigorous and repeats; lying
repeats nothing and is not vigorous; groping, stumbling, dropping into a chair and falling are both. The
score is a product of shares, not a sum over samples, so that neither the rate nor the window's length
changes it (the kit that this replaces summed, and called walking high).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import conform
from fallrisk_assets.risk.contract import WindowScores

VERSION = "window_score-1"
MEDIUM_FROM = 0.5
HIGH_FROM = 0.8
NOT_SCORED = "NOT_SCORED"

#: Dynamic acceleration (standard deviation of the norm) at which movement counts as half vigorous: slow
#: walking of older people has about 0.1 g at the waist.
HALF_VIGOROUS_G = 0.1
#: Share that a full turn of posture (90°) adds to a vigorous window.
POSTURE_SHARE = 0.5
#: Below this nothing moves, and the autocorrelation has no meaning.
STILL_G = 1e-4

NOT_WORN = "NOT_WORN"
GAP = "GAP"
IMPLAUSIBLE_RATE = "IMPLAUSIBLE_RATE"
TOO_LITTLE_DATA = "TOO_LITTLE_DATA"
PATIENT_CHANGED = "PATIENT_CHANGED"
DEVICE_RESTARTED = "DEVICE_RESTARTED"
#: Reasons of the window features (left), as the scores name them.
_REASONS = {
    "NOT_WORN": NOT_WORN,
    "GAP": GAP,
    "RATE_IMPLAUSIBLE": IMPLAUSIBLE_RATE,
    "TOO_FEW_SAMPLES": TOO_LITTLE_DATA,
    "PATIENT_CHANGED": PATIENT_CHANGED,
    "DEVICE_RESTARTED": DEVICE_RESTARTED,
}
INPUTS = ("sd_accel_norm", "autocorrelation_peak_accel_norm", "tilt_change")


def instability(sd_g: np.ndarray, repetition: np.ndarray, tilt_change_deg: np.ndarray) -> np.ndarray:
    """Score windows.

    Args:
        sd_g: Standard deviation of the acceleration norm, in g, (w,).
        repetition: Highest autocorrelation of the norm at the lags of steps and strides, (w,); NaN where
            the signal is constant.
        tilt_change_deg: Angle of gravity between the window's first and last second, (w,).

    Returns:
        (w,) float64 in [0, 1]; NaN where an input that matters is unknown.
    """
    sd = np.asarray(sd_g, np.float64)
    vigour = sd**2 / (sd**2 + HALF_VIGOROUS_G**2)
    irregular = 1.0 - np.clip(np.asarray(repetition, np.float64), 0.0, 1.0)
    turned = np.clip(np.asarray(tilt_change_deg, np.float64), 0.0, 90.0) / 90.0
    score = 1.0 - (1.0 - vigour * irregular) * (1.0 - POSTURE_SHARE * vigour * turned)
    return np.where(sd < STILL_G, 0.0, score)


def band_of(score: np.ndarray) -> np.ndarray:
    """Bands (w,) of scores, NOT_SCORED where the score is NaN."""
    bands = np.where(score >= HIGH_FROM, "high", np.where(score >= MEDIUM_FROM, "medium", "low"))
    return np.where(np.isnan(score), NOT_SCORED, bands)


def _floats(table: pa.Table, name: str) -> np.ndarray:
    return pc.cast(table[name], pa.float64()).to_numpy(zero_copy_only=False)


def score_table(features: pa.Table) -> pa.Table:
    """Score a table of window features.

    Args:
        features: Rows of `curated.window_features`, with `INPUTS`, `worn` and `quality` (a reason for
            which a window has no features, else null).

    Returns:
        Rows of `WindowScores`, one for each window.
    """
    score = instability(*(_floats(features, name) for name in INPUTS)) if features.num_rows else np.empty(0)
    worn = features["worn"].to_pylist()
    quality = features["quality"].to_pylist()
    reasons: list[str | None] = []
    for i in range(features.num_rows):
        if quality[i] is not None:
            reasons.append(_REASONS.get(quality[i], quality[i]))
        elif not worn[i]:
            reasons.append(NOT_WORN)
        elif np.isnan(score[i]):
            reasons.append(TOO_LITTLE_DATA)
        else:
            reasons.append(None)
    scored = np.array([r is None for r in reasons], bool)
    score = np.where(scored, score, np.nan) if features.num_rows else score
    return conform(
        WindowScores,
        {
            **{
                name: features[name]
                for name in ("device_bucket", "device_id", "patient_id", "window_end", "hour")
            },
            "score": score.astype(np.float32),
            "band": band_of(score).tolist(),
            "reason": pa.array(reasons, pa.string()),
            "model_version": [VERSION] * features.num_rows,
        },
    )
