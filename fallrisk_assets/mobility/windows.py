"""Windows: which stretches of a device's samples are described together, and whether they may be.

Here: the grid of windows, which hour a window belongs to, and what disqualifies one. Not here: what is
computed on a window (`features.py`).

Windows are `[start, start + length)` with `start` a multiple of the hop since the epoch, so that the same
samples give the same windows wherever a read begins. A window belongs to the hour in which its last instant
lies: one that ends exactly at 08:00 belongs to hour 7. That hour is a column of its own (`hour`), because
`window_end` is exclusive and would put such a window into the next slice.
"""

from dataclasses import dataclass

import numpy as np

from fallrisk_assets.mobility.samples import DeviceSamples

HOUR_US = 3_600_000_000

PATIENT_CHANGED = "PATIENT_CHANGED"
DEVICE_RESTARTED = "DEVICE_RESTARTED"
GAP = "GAP"
RATE_IMPLAUSIBLE = "RATE_IMPLAUSIBLE"
TOO_FEW_SAMPLES = "TOO_FEW_SAMPLES"
NOT_WORN = "NOT_WORN"

#: Why a window has no features (all but the last) or must not be scored; the first that holds is given.
QUALITY_REASONS = (
    PATIENT_CHANGED,
    DEVICE_RESTARTED,
    RATE_IMPLAUSIBLE,
    GAP,
    TOO_FEW_SAMPLES,
    NOT_WORN,
)


@dataclass(frozen=True, slots=True)
class WindowConfig:
    """How windows are cut and judged.

    Attributes:
        length_s: Length of a window.
        hop_s: Distance between the starts of two windows; at most the length.
        max_gap_s: Longest distance between neighbouring samples that is not a gap. At 20 Hz, the slowest
            plausible rate, it is five samples: a lost radio packet passes, a pause does not.
        min_fill: Smallest share of the samples expected at the device's rate.
        min_rate_hz: Slowest plausible rate (20 Hz with 10 % tolerance).
        max_rate_hz: Fastest plausible rate (200 Hz with 10 % tolerance).
        still_sd_g: A window in which no axis of acceleration varies more than this is still. Worn devices
            exceed it by breathing and posture; a device on a table shows its noise, some 1 to 3 mg.
        not_worn_after_s: Stillness that lasts this long means that nobody wears the device.
    """

    length_s: float = 10.0
    hop_s: float = 5.0
    max_gap_s: float = 0.25
    min_fill: float = 0.9
    min_rate_hz: float = 18.0
    max_rate_hz: float = 220.0
    still_sd_g: float = 0.004
    not_worn_after_s: float = 600.0

    def __post_init__(self) -> None:
        """Refuse windows that would leave samples out or never advance.

        Raises:
            ValueError: naming the option.
        """
        if not 0 < self.hop_s <= self.length_s:
            raise ValueError(
                f"hop_s must be in (0, length_s], got {self.hop_s} with length_s {self.length_s}"
            )
        if self.length_s > 3600:
            raise ValueError(
                f"length_s must be at most an hour, the tail that a run reads; got {self.length_s}"
            )
        if not 0 < self.min_fill <= 1:
            raise ValueError(f"min_fill must be in (0, 1], got {self.min_fill}")

    @property
    def length_us(self) -> int:
        """Length of a window in microseconds."""
        return round(self.length_s * 1e6)

    @property
    def hop_us(self) -> int:
        """Hop in microseconds."""
        return round(self.hop_s * 1e6)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one device that hold at least one sample of their hour, in order of time.

    Attributes:
        start_us: Starts, int64 of shape (w,).
        end_us: Exclusive ends, int64 of shape (w,).
        first: Index of the first sample, int64 of shape (w,).
        stop: Index after the last sample, int64 of shape (w,).
        wearer: Who wore the device at the last sample, int32 of shape (w,).
        rate_hz: Rate inside the window, float64 of shape (w,), not a number below two samples.
        reason: Index into `QUALITY_REASONS`, or -1 where the window may be described; int8 of shape (w,).
    """

    start_us: np.ndarray
    end_us: np.ndarray
    first: np.ndarray
    stop: np.ndarray
    wearer: np.ndarray
    rate_hz: np.ndarray
    reason: np.ndarray

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.start_us)

    @property
    def n_samples(self) -> np.ndarray:
        """Samples in each window, int64 of shape (w,)."""
        return self.stop - self.first


def window_starts_us(hour_start_us: int, config: WindowConfig) -> np.ndarray:
    """Return the starts of all windows that belong to an hour, int64.

    A window belongs to the hour that holds its last instant: `hour_start < end <= hour_start + 1 h`.
    """
    hop, length = config.hop_us, config.length_us
    first = (hour_start_us - length) // hop + 1
    last = (hour_start_us + HOUR_US - length) // hop
    return np.arange(first, last + 1, dtype=np.int64) * hop


def nominal_rate_hz(time_us: np.ndarray) -> float:
    """Return the device's rate from its timestamps; not a number below two samples.

    Lost samples and gaps do not lower it: steps longer than one and a half times the median step are left
    out.

    Args:
        time_us: Increasing times, microseconds.
    """
    steps = np.diff(time_us)
    if len(steps) == 0:
        return float("nan")
    median = np.partition(steps, len(steps) // 2)[len(steps) // 2]
    regular = steps[steps <= 1.5 * median]
    return float(len(regular) * 1e6 / regular.sum())


def _changes_inside(changed_before: np.ndarray, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Tell windows in which a change lies; `changed_before[i]` counts the changes up to sample i."""
    return changed_before[stop - 1] > changed_before[first]


def cut_windows(samples: DeviceSamples, hour_start_us: int, config: WindowConfig) -> Windows:
    """Return the windows of an hour, each with the reason for which it cannot be described.

    A window without a sample of the hour itself does not exist: an hour in which the device was silent has no
    windows, whatever the hour before held, and need not know of it.

    Args:
        samples: One device, the hour and at least `length_s` of the hour before (a longer stretch is the
            same).
        hour_start_us: Start of the hour, microseconds since the epoch.
        config: Length, hop and limits.

    Returns:
        Windows with `NOT_WORN` not yet decided: it needs what is computed on them (`not_worn`).
    """
    time_us = samples.time_us
    starts = window_starts_us(hour_start_us, config)
    ends = starts + config.length_us
    first = np.searchsorted(time_us, starts)
    stop = np.searchsorted(time_us, ends)
    held = stop > np.maximum(first, np.searchsorted(time_us, hour_start_us))
    starts, ends, first, stop = starts[held], ends[held], first[held], stop[held]
    n = stop - first
    if len(starts) == 0:
        nothing = np.empty(0)
        return Windows(starts, ends, first, stop, nothing.astype(np.int32), nothing, nothing.astype(np.int8))
    lo, hi = int(first[0]), int(stop.max())
    local = time_us[lo:hi]
    max_gap_us = config.max_gap_s * 1e6
    reason = np.full(len(starts), -1, np.int8)

    def disqualify(name: str, where: np.ndarray) -> None:
        reason[where & (reason < 0)] = QUALITY_REASONS.index(name)

    def breaks_inside(broken: np.ndarray) -> np.ndarray:
        return _changes_inside(np.concatenate([[0], np.cumsum(broken)]), first - lo, stop - lo)

    disqualify(PATIENT_CHANGED, breaks_inside(np.diff(samples.wearer[lo:hi]) != 0))
    disqualify(DEVICE_RESTARTED, breaks_inside(np.diff(samples.boot[lo:hi]) != 0))
    nominal = nominal_rate_hz(local)
    implausible = not config.min_rate_hz <= nominal <= config.max_rate_hz
    if implausible and len(local) > 1:
        disqualify(RATE_IMPLAUSIBLE, np.ones(len(starts), bool))
    edges = (time_us[first] - starts > max_gap_us) | (ends - time_us[stop - 1] > max_gap_us)
    disqualify(GAP, breaks_inside(np.diff(local) > max_gap_us) | edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = (n - 1) * 1e6 / (time_us[stop - 1] - time_us[first])
    disqualify(RATE_IMPLAUSIBLE, rate > config.max_rate_hz)
    if not implausible:
        disqualify(TOO_FEW_SAMPLES, n < config.min_fill * nominal * config.length_s)
    return Windows(starts, ends, first, stop, samples.wearer[stop - 1], rate, reason)


def not_worn(windows: Windows, still: np.ndarray, config: WindowConfig) -> np.ndarray:
    """Tell the windows that lie in stillness too long for a living wearer.

    Choi et al. 2011 and van Hees et al. 2011 judge stretches, not moments: a sleeper is still for seconds,
    a table for as long as one looks.

    Args:
        windows: Windows of one device.
        still: Whether each window is still, bool of shape (w,).
        config: How long stillness must last.

    Returns:
        bool of shape (w,).
    """
    result = np.zeros(len(windows), bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(np.int8), [0]])))
    for lo, hi in zip(edges[::2], edges[1::2], strict=True):
        gaps = np.flatnonzero(np.diff(windows.start_us[lo:hi]) > config.length_us) + 1
        for a, b in zip([lo, *(lo + gaps)], [*(lo + gaps), hi], strict=True):
            if windows.end_us[b - 1] - windows.start_us[a] >= config.not_worn_after_s * 1e6:
                result[a:b] = True
    return result
