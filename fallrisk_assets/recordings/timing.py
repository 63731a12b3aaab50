"""Times of samples: their order, bursts, and the join of two sensors.

Belongs here: making a strictly increasing clock of what files hold. Does not belong here: whether the rate is
plausible (`quality`).
"""

from itertools import pairwise

import numpy as np

from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.telemetry.coverage import GAP_MIN_S

#: Radios deliver late and together; stamps that step back by less than a gap are late, not from another time.
JITTER_US = round(GAP_MIN_S * 1e6)
#: A sample and a rotation rate are of the same moment within half a period of the slowest sensor (20 Hz).
JOIN_WITHIN_US = 25_000
#: Share of steps below a quarter of the mean step from which stamps tell deliveries, not samples.
BURSTY_SHARE = 0.02
#: No recording lasts longer; stamps further apart are no stamps.
MAX_SPAN_S = 400 * 86_400.0


def to_us(stamps: np.ndarray, us_per_unit: float) -> np.ndarray:
    """Stamps of any unit as whole microseconds after the first one.

    Raises:
        Unusable: Not finite, or more than 400 days apart.
    """
    if not np.isfinite(stamps).all():
        bad = int((~np.isfinite(stamps)).sum())
        raise Unusable(Reason.VALUE_NOT_FINITE, f"{bad} time stamps are not finite", len(stamps), bad)
    since = (stamps - stamps[0]) * us_per_unit if len(stamps) else stamps
    far = ~(np.abs(since) <= MAX_SPAN_S * 1e6)
    if far.any():
        row = int(np.argmax(far))
        detail = f"time stamp {stamps[row]:g} of row {row + 1} is more than 400 days from the first"
        raise Unusable(Reason.VALUE_OUT_OF_RANGE, detail, len(stamps), int(far.sum()))
    return np.rint(since).astype(np.int64)


def order_by_time(ts_us: np.ndarray) -> np.ndarray:
    """Order in which rows were measured, from stamps that may step back.

    Steps back by less than 0.25 s are jitter of delivery and keep the file's order. Where a step is larger,
    the file is made of parts (also split at gaps): parts that do not overlap are put in order, for then
    they were only written out of order.

    Args:
        ts_us: (n,) int64 stamps in the file's order.

    Returns:
        (n,) row numbers.

    Raises:
        Unusable: Parts overlap: the clock was set back while recording, and nobody knows by how much.
    """
    n = len(ts_us)
    if n == 0 or (np.diff(ts_us) >= 0).all():
        return np.arange(n)
    highest = np.maximum.accumulate(ts_us)
    back = np.flatnonzero(ts_us[1:] < highest[:-1] - JITTER_US) + 1
    if len(back) == 0:
        return np.arange(n)
    steps = np.diff(ts_us)
    starts = np.concatenate([[0], np.flatnonzero(np.abs(steps) > JITTER_US) + 1, [n]])
    parts = [np.arange(a, b) for a, b in pairwise(starts.tolist())]
    parts.sort(key=lambda part: (int(ts_us[part].min()), int(part[0])))
    order = np.concatenate(parts)
    if (ts_us[order] < np.maximum.accumulate(ts_us[order]) - JITTER_US).any():
        first = int(back[0])
        by_s = float(highest[first - 1] - ts_us[first]) / 1e6
        detail = f"the clock steps back by {by_s:.3f} s at row {first + 1} and parts overlap"
        raise Unusable(Reason.TIME_BACKWARDS, detail, n, len(back))
    return order


def increasing(ts_us: np.ndarray) -> np.ndarray:
    """Rows in strictly increasing order of time: of equal stamps the first is kept (see `order_by_time`)."""
    order = order_by_time(ts_us)
    order = order[np.argsort(ts_us[order], kind="stable")]
    sorted_us = ts_us[order]
    return order[np.concatenate([[True], np.diff(sorted_us) > 0])] if len(order) else order


def is_bursty(ts_us: np.ndarray) -> bool:
    """Whether ascending stamps are those of deliveries of several samples each."""
    steps = np.diff(ts_us)
    steps = steps[steps <= JITTER_US]
    return len(steps) > 1 and float((steps < steps.mean() / 4).mean()) > BURSTY_SHARE


def spread_bursts(ts_us: np.ndarray) -> np.ndarray:
    """Times of samples that were stamped when they were delivered, several at once; others are kept.

    A burst ends where the next stamp is more than the mean step away. Its samples are a period apart and the
    last one is as old as its stamp; where the burst before is nearer than that, they fill the time since.
    The period is the median over bursts of the time since the burst before by sample. So a gap stays a gap,
    a backlog fills its gap, and no error grows with the recording's length.

    Args:
        ts_us: (n,) int64, as `order_by_time` orders them.

    Returns:
        (n,) int64, ascending; moved by less than a burst.
    """
    if len(ts_us) < 3:
        return ts_us.copy()
    stamps = np.maximum.accumulate(ts_us)
    if not is_bursty(stamps):
        return ts_us.copy()
    steps = np.diff(stamps)
    usual = steps[steps <= JITTER_US]
    if len(usual) == 0:
        return stamps
    last = np.append(np.flatnonzero(steps > usual.mean()), len(stamps) - 1)
    counts = np.diff(last, prepend=-1)
    ends = stamps[last].astype(np.float64)
    since = np.diff(ends, prepend=ends[0])
    near = (since > 0) & (since <= JITTER_US)
    period = float(np.median(since[near] / counts[near])) if near.any() else float(usual.mean())
    since[0] = period * counts[0]
    spacing = np.minimum(period, since / counts)
    back = np.repeat(last, counts) - np.arange(len(stamps))
    return np.rint(np.repeat(ends, counts) - back * np.repeat(spacing, counts)).astype(np.int64)


def join_nearest(ts_us: np.ndarray, other_us: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Give each time the nearest of another sensor's values within 25 ms, or NaN: nothing is interpolated.

    Args:
        ts_us: (n,) ascending times.
        other_us: (m,) ascending times of the other sensor.
        values: (m, k) its values.

    Returns:
        (n, k) float32.
    """
    joined = np.full((len(ts_us), values.shape[1]), np.nan, np.float32)
    if len(other_us) and len(ts_us):
        right = np.clip(np.searchsorted(other_us, ts_us), 0, len(other_us) - 1)
        left = np.clip(right - 1, 0, None)
        nearer = np.abs(other_us[left] - ts_us) <= np.abs(other_us[right] - ts_us)
        nearest = np.where(nearer, left, right)
        close = np.abs(other_us[nearest] - ts_us) <= JOIN_WITHIN_US
        joined[close] = values[nearest[close]]
    return joined
