"""Large tables made small: windows by the hour, signals by the tenth of a second.

Belongs here: what has to be reduced piece by piece, because a clinic's day of it is too much for
memory or for a page. Does not belong here: putting the page's model together (`data.py`).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.dashboards.model import Signal

WALKING_SD_G, WALKING_REPETITION = 0.05, 0.5
"""From when a window looks like walking, see `hourly_walking`."""

_BIN_S = 0.1
_GAP_S = 0.5


def hourly_scores(window_scores: pa.Table) -> pa.Table:
    """Reduce window scores to one row for each patient and hour.

    Args:
        window_scores: rows with patient_id, window_end and score (null: NOT_SCORED).

    Returns:
        Table of patient_id, hour (timestamp of the hour's start; a window that ends exactly at H
        belongs to the hour before), score_max (null when none is scored), windows_scored and
        windows_not_scored.
    """
    end = window_scores["window_end"].cast(pa.timestamp("us", "UTC"))
    hour = pc.floor_temporal(pc.subtract(end, pa.scalar(1, pa.duration("us"))), unit="hour")
    scored = pc.is_valid(window_scores["score"])
    reduced = (
        pa.table(
            {
                "patient_id": window_scores["patient_id"].cast(pa.string()),
                "hour": hour,
                "score": window_scores["score"].cast(pa.float64()),
                "scored": scored.cast(pa.int64()),
                "not_scored": pc.invert(scored).cast(pa.int64()),
            }
        )
        .group_by(["patient_id", "hour"], use_threads=False)
        .aggregate([("score", "max"), ("scored", "sum"), ("not_scored", "sum")])
    )
    return reduced.select(["patient_id", "hour", "score_max", "scored_sum", "not_scored_sum"]).rename_columns(
        ["patient_id", "hour", "score_max", "windows_scored", "windows_not_scored"]
    )


def hourly_walking(window_features: pa.Table, *, hop_s: float) -> pa.Table:
    """Reduce window features to the minutes of walking-like movement of each patient and hour.

    A quick look for the timeline, not the bouts of `daily_gait`: a worn window counts for one hop when
    its acceleration norm varies by at least 0.05 g and repeats itself with an autocorrelation of at least
    0.5 at the lags of steps and strides (Moe-Nilssen & Helbostad, J Biomech 2004, 37:121-126, find 0.5
    and more in frail walkers).

    Args:
        window_features: rows with patient_id, hour, worn, quality, sd_accel_norm (g) and
            autocorrelation_peak_accel_norm.
        hop_s: distance between the starts of two windows in s.

    Returns:
        Table of patient_id, hour and walking_minutes; null in an hour without a usable window.
    """
    usable = pc.and_(window_features["worn"], pc.is_null(window_features["quality"]))
    moving = pc.greater_equal(window_features["sd_accel_norm"], WALKING_SD_G)
    repeating = pc.greater_equal(window_features["autocorrelation_peak_accel_norm"], WALKING_REPETITION)
    walking = pc.and_(usable, pc.fill_null(pc.and_(moving, repeating), False))
    reduced = (
        pa.table(
            {
                "patient_id": window_features["patient_id"].cast(pa.string()),
                "hour": window_features["hour"].cast(pa.timestamp("us", "UTC")),
                "usable": usable.cast(pa.int64()),
                "walking": walking.cast(pa.int64()),
            }
        )
        .group_by(["patient_id", "hour"], use_threads=False)
        .aggregate([("usable", "sum"), ("walking", "sum")])
    )
    minutes = pc.min_element_wise(pc.multiply(reduced["walking_sum"].cast(pa.float64()), hop_s / 60), 60.0)
    known = pc.if_else(pc.greater(reduced["usable_sum"], 0), minutes, pa.scalar(None, pa.float64()))
    return pa.table({"patient_id": reduced["patient_id"], "hour": reduced["hour"], "walking_minutes": known})


def downsample_norm(
    offset_s: np.ndarray, norm_g: np.ndarray, *, bin_s: float = _BIN_S, gap_s: float = _GAP_S
) -> Signal:
    """Reduce a signal to the smallest and largest value of each bin; a peak is always kept.

    Args:
        offset_s: (n,) seconds from the impact, ascending.
        norm_g: (n,) acceleration norm in g.
        bin_s: width of a bin in s.
        gap_s: a silence longer than this becomes a None, so that no line is drawn across it.

    Returns:
        The reduced signal, times rounded to 1 ms and norms to 1 mg.
    """
    times: list[float] = []
    norms: list[float | None] = []
    if offset_s.size:
        bins = np.floor(offset_s / bin_s).astype(np.int64)
        edges = np.flatnonzero(np.diff(bins)) + 1
        previous_end: float | None = None
        for begin, end in zip([0, *edges], [*edges, offset_s.size], strict=True):
            part = norm_g[begin:end]
            kept = sorted({begin + int(part.argmin()), begin + int(part.argmax())})
            if previous_end is not None and offset_s[begin] - previous_end > gap_s:
                times.append(round((previous_end + float(offset_s[begin])) / 2, 3))
                norms.append(None)
            for position in kept:
                times.append(round(float(offset_s[position]), 3))
                norms.append(round(float(norm_g[position]), 3))
            previous_end = float(offset_s[end - 1])
    return Signal(tuple(times), tuple(norms))
