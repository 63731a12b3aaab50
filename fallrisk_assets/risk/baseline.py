"""A person's own baseline: the one definition, for the trend and for the alerts on change.

Here: which days count. Not here: what is made of the difference (`trend.py`, `alerts/observations.py`).

The baseline of a day is the median of the scored days in the four weeks that end three days before it, so
that what is new is not part of what it is compared with.
"""

from collections.abc import Mapping
from datetime import date, timedelta

BASELINE_DAYS = 28
BASELINE_GAP_DAYS = 3
BASELINE_MIN_DAYS = 7


def window_values(days: Mapping[date, float], last: date, n_days: int) -> list[float]:
    """Values of the scored days among the `n_days` that end with `last`, included, by day."""
    oldest = last - timedelta(days=n_days)
    return [days[d] for d in sorted(days) if oldest < d <= last]


def baseline_values(
    days: Mapping[date, float],
    day: date,
    *,
    n_days: int = BASELINE_DAYS,
    gap_days: int = BASELINE_GAP_DAYS,
) -> list[float]:
    """Values of the days of which a day's baseline is the median; the caller decides how many it takes.

    Args:
        days: A person's scored days, of one model version, with their probabilities.
        day: The day that is compared.
        n_days: Length of the window.
        gap_days: The window's last day lies this many days before `day`.
    """
    return window_values(days, day - timedelta(days=gap_days), n_days)
