"""Figures of detection with their uncertainty: matching, proportions, ranking, calibration, bootstrap.

Belongs here: arithmetic on outcomes. Not here: who produced the outcomes (`evaluation.py`, `benchmark.py`).
`scipy.stats` is imported where it is used: every run loads this module, and it costs 50 MB and 0.4 s.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: An event within this many seconds of a true impact is that fall.
TOLERANCE_S = 5.0
_RESAMPLES = 1000
Array = np.ndarray
_BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Matching:
    """True falls and events, paired one to one.

    Attributes:
        hits: (index of truth, index of event).
        missed: Indices of truths without event.
        false_alarms: Indices of events without truth.
    """

    hits: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false_alarms: tuple[int, ...]


def match_events(
    truth_us: Sequence[int], event_us: Sequence[int], tolerance_s: float = TOLERANCE_S
) -> Matching:
    """Pair true impacts with detected ones, nearest in time first, each used once.

    Args:
        truth_us: True impact times, epoch microseconds.
        event_us: Detected impact times.
        tolerance_s: Largest distance of a pair.
    """
    pairs = sorted(
        (abs(t - e), i, j)
        for i, t in enumerate(truth_us)
        for j, e in enumerate(event_us)
        if abs(t - e) <= tolerance_s * 1e6
    )
    used_truth: set[int] = set()
    used_event: set[int] = set()
    hits = []
    for _, i, j in pairs:
        if i not in used_truth and j not in used_event:
            used_truth.add(i)
            used_event.add(j)
            hits.append((i, j))
    return Matching(
        tuple(sorted(hits)),
        tuple(i for i in range(len(truth_us)) if i not in used_truth),
        tuple(j for j in range(len(event_us)) if j not in used_event),
    )


def wilson_interval(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion (JASA 1927, 22:209); (0, 1) without observations."""
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def poisson_interval(events: int) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson mean (Garwood, Biometrika 1936, 28:437)."""
    from scipy.stats import chi2

    lower = float(chi2.ppf(0.025, 2 * events) / 2) if events else 0.0
    return lower, float(chi2.ppf(0.975, 2 * events + 2) / 2)


def area_under_curve(scores: np.ndarray, is_fall: np.ndarray) -> float:
    """Area under the ROC curve: how often a fall scores above a non-fall, ties half; NaN without both."""
    falls = int(is_fall.sum())
    others = len(is_fall) - falls
    if falls == 0 or others == 0:
        return float("nan")
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    return float((ranks[is_fall].sum() - falls * (falls + 1) / 2) / (falls * others))


def proportion_interval(
    subject: Sequence[object], hits: np.ndarray, n: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of sum(hits) / sum(n), a share of trials of several people.

    The wider of two at each end: people drawn with replacement (trials of one person are alike), and Wilson's
    interval on trials. People who all succeed, or all fail, leave nothing to draw from: then it is Wilson's
    interval on people.

    Args:
        subject: (k,) whose observation it is.
        hits: (k,) successes.
        n: (k,) trials.
        seed: Decides the draws.

    Returns:
        (lower, upper); (0, 1) without trials.
    """
    h, m = _by_person(subject, hits, n)
    seen = m > 0
    if not seen.any():
        return 0.0, 1.0
    if (h[seen] == m[seen]).all() or (h == 0).all():
        return wilson_interval(int(seen.sum()) if h.any() else 0, int(seen.sum()))
    low, high = _drawn(h, m, seed)
    a, b = wilson_interval(round(h.sum()), round(m.sum()))
    return min(low, a), max(high, b)


def rate_interval(
    subject: Sequence[object], events: np.ndarray, duration: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of sum(events) / sum(duration), a rate of events of several people.

    The wider of two at each end: people drawn with replacement, and the exact interval of a Poisson process.

    Args:
        subject: (k,) whose observation it is.
        events: (k,) counts.
        duration: (k,) hours, days …
        seed: Decides the draws.

    Returns:
        (lower, upper); (0, inf) without any duration.
    """
    h, m = _by_person(subject, events, duration)
    if m.sum() <= 0.0:
        return 0.0, float("inf")
    low, high = _drawn(h, m, seed)
    a, b = poisson_interval(round(h.sum()))
    return min(low, a / float(m.sum())), max(high, b / float(m.sum()))


def _by_person(subject: Sequence[object], top: np.ndarray, bottom: np.ndarray) -> tuple[Array, Array]:
    names, person = np.unique(np.array([str(s) for s in subject]), return_inverse=True)
    return (
        np.bincount(person, np.asarray(top, float), len(names)),
        np.bincount(person, np.asarray(bottom, float), len(names)),
    )


def _drawn(top: Array, bottom: Array, seed: int) -> tuple[float, float]:
    """Percentiles of a ratio, people drawn with replacement."""
    people = len(top)
    draws = np.random.default_rng(seed).multinomial(people, np.full(people, 1.0 / people), _RESAMPLES)
    above, below = draws @ top, draws @ bottom
    low, high = np.percentile(above[below > 0] / below[below > 0], (2.5, 97.5))
    return float(low), float(high)


def bootstrap_of(
    measure: Callable[[np.ndarray, np.ndarray], float],
    subject: Sequence[object],
    scores: np.ndarray,
    is_fall: np.ndarray,
    seed: int = 0,
    resamples: int = 200,
) -> tuple[float, float]:
    """95 % percentile interval of any measure of scores and outcomes, drawing people with replacement."""
    rng = np.random.default_rng(seed)
    names = np.array([str(s) for s in subject])
    _, person, sizes = np.unique(names, return_inverse=True, return_counts=True)
    order, begins = np.argsort(person, kind="stable"), np.cumsum(sizes) - sizes
    values = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(sizes), len(sizes))
        n = sizes[drawn]
        rows = order[np.arange(n.sum()) + np.repeat(begins[drawn] - (np.cumsum(n) - n), n)]
        value = measure(scores[rows], is_fall[rows])
        if not np.isnan(value):
            values.append(value)
    if not values:
        return 0.0, 1.0
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Said and seen in one range of probabilities `[low, high)` (the last one closed)."""

    low: float
    high: float
    n: int
    said: float
    seen: float


def reliability(scores: np.ndarray, is_fall: np.ndarray) -> list[CalibrationBin]:
    """Mean probability and share of falls by range of probability, both classes weighing the same.

    The detector's probability is that of a fall where falls and other impacts are equally frequent; so are
    the weights here.
    """
    fall = is_fall.astype(float)
    weight = np.where(is_fall, 0.5 / max(fall.sum(), 1.0), 0.5 / max((1.0 - fall).sum(), 1.0))
    bins = []
    for low, high in itertools.pairwise(_BINS):
        rows = (scores >= low) & ((scores < high) | (high == _BINS[-1]))
        w = weight[rows]
        if len(w):
            said, seen = float(np.average(scores[rows], weights=w)), float(np.average(fall[rows], weights=w))
            bins.append(CalibrationBin(low, high, len(w), said, seen))
    return bins
