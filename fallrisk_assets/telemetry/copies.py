"""Time order of samples, and which of them are copies of one sample.

Belongs here: sorting and comparing rows. Does not belong here: what becomes of a copy (`clean.py`).
"""

import numpy as np
from numba import njit

from fallrisk_assets.telemetry.gather import DeviceRows

_REPEATS, _CONFLICTS = 1, 2


def time_order(ts_us: np.ndarray, boot: np.ndarray, seq: np.ndarray) -> np.ndarray | None:
    """Indices that sort by (ts, boot, seq), stable; None when sorted already, which is far cheaper to see."""
    return None if _is_sorted(ts_us, boot, seq) else np.lexsort((seq, boot, ts_us))


def find_copies(rows: DeviceRows, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that repeat an earlier equal row, and rows that share (boot, seq) with a different one.

    Equal means equal time, acceleration, gyroscope, battery and firmware, bit by bit. Where any two rows of
    a key differ, all of its rows conflict.

    Args:
        rows: rows of one device.
        chosen: indices of the rows to look at; of equal rows the first in this order stays.

    Returns:
        Indices of duplicates and of conflicting rows.
    """
    by_key = chosen
    boot, seq = np.take(rows.boot, chosen), np.take(rows.seq, chosen)
    if not _keys_do_not_decrease(boot, seq):
        by_key = chosen[np.lexsort((seq, boot))]
    fate = _judge_copies(
        by_key,
        rows.boot,
        rows.seq,
        rows.ts_us,
        rows.accel.view(np.uint32),
        rows.gyro_dps.view(np.uint32),
        rows.has_gyro,
        rows.battery.view(np.uint32),
        rows.firmware_code,
    )
    return by_key[fate == _REPEATS], by_key[fate == _CONFLICTS]


@njit(nogil=True, cache=True)
def _is_sorted(ts_us, boot, seq):
    for i in range(1, ts_us.size):
        if ts_us[i] > ts_us[i - 1]:
            continue
        if ts_us[i] < ts_us[i - 1]:
            return False
        if boot[i] > boot[i - 1]:
            continue
        if boot[i] < boot[i - 1] or seq[i] < seq[i - 1]:
            return False
    return True


@njit(nogil=True, cache=True)
def keys_increase(boot, seq):
    """Whether (boot, seq) strictly increases: then there are no copies."""
    for i in range(1, boot.size):
        if boot[i] > boot[i - 1]:
            continue
        if boot[i] < boot[i - 1] or seq[i] <= seq[i - 1]:
            return False
    return True


@njit(nogil=True, cache=True)
def _keys_do_not_decrease(boot, seq):
    for i in range(1, boot.size):
        if boot[i] < boot[i - 1] or (boot[i] == boot[i - 1] and seq[i] < seq[i - 1]):
            return False
    return True


@njit(nogil=True, cache=True)
def _judge_copies(by_key, boot, seq, ts_us, accel, gyro, has_gyro, battery, firmware):
    """Fate of each row: 0 stays, or one of the above."""
    n = by_key.size
    fate = np.zeros(n, np.uint8)
    start = 0
    while start < n:
        first = by_key[start]
        end = start + 1
        conflict = False
        while end < n:
            row = by_key[end]
            if boot[row] != boot[first] or seq[row] != seq[first]:
                break
            if ts_us[row] != ts_us[first] or has_gyro[row] != has_gyro[first]:
                conflict = True
            if firmware[row] != firmware[first] or battery[row] != battery[first]:
                conflict = True
            for axis in range(3):
                if accel[row, axis] != accel[first, axis]:
                    conflict = True
                if has_gyro[first] and gyro[row, axis] != gyro[first, axis]:
                    conflict = True
            end += 1
        if conflict:
            fate[start:end] = _CONFLICTS
        else:
            fate[start + 1 : end] = _REPEATS
        start = end
    return fate
