"""The detector on a live stream: pieces in, events out, the same bits as over the whole record.

Belongs here: what must be remembered between two pieces, bounded. Not here: how a fall is decided
(`detector.py`).
"""

import numpy as np

from fallrisk_assets.risk.detector import DECIDE_US, LOOKBACK_S, FallEvent, FallModel, detect_falls
from fallrisk_assets.risk.impact_kernels import MAX_GAP_S, last_loud

_LOOKBACK_US = int(LOOKBACK_S * 1e6)
_GAP_US = int(MAX_GAP_S * 1e6)
_LEAST_ROOM = 256


class FallStream:
    """One device on one person, fed piece by piece; remembers ``LOOKBACK_S`` and a little.

    Nearly all pieces of a day hold no sample that could be an impact: for them nothing is computed, which
    is what lets one core serve hundreds of devices.
    """

    def __init__(self, position: str, model: FallModel, late_s: float = 0.0) -> None:
        """Start a stream.

        Args:
            position: Where the device is worn.
            model: The detector's numbers.
            late_s: How much more is remembered, so that samples that come late can still be heard (`amend`).

        Raises:
            ValueError: the position is not one that devices are worn at.
        """
        model.of(position, gyro=False)
        self._position = position
        self._model = model
        self._ts = np.empty(_LEAST_ROOM, np.int64)
        self._accel = np.empty((_LEAST_ROOM, 3), np.float32)
        self._gyro = np.empty((_LEAST_ROOM, 3), np.float32)
        self._first = 0
        self._last = 0
        self._decided_to: int | None = None
        self._loud_us: int | None = None
        self._kept_us = _LOOKBACK_US + _GAP_US + 1 + int(late_s * 1e6)
        self._forgot = False
        self._reached = 0

    def push(self, ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray | None) -> list[FallEvent]:
        """Take the next samples and return the falls that they decide.

        Args:
            ts_us: (n,) int64 epoch microseconds, later than all before.
            accel_g: (n, 3) float32.
            gyro_dps: (n, 3) float32 with NaN where missing, or None.

        Raises:
            ValueError: times not strictly increasing, or shapes that do not fit.
        """
        n = len(ts_us)
        if n == 0:
            return []
        if accel_g.shape != (n, 3) or (gyro_dps is not None and gyro_dps.shape != accel_g.shape):
            raise ValueError(f"shapes do not fit: {n} times, accel {accel_g.shape}")
        latest = int(self._ts[self._last - 1]) if self._last > self._first else None
        if (latest is not None and ts_us[0] <= latest) or (ts_us[1:] <= ts_us[:-1]).any():
            raise ValueError("times are not strictly increasing; sort and deduplicate first")
        self._append(ts_us, accel_g, gyro_dps)
        loud = last_loud(accel_g)
        if loud >= 0:
            self._loud_us = int(ts_us[loud])
        return self._decide(int(ts_us[-1]) + 1)

    def close(self) -> list[FallEvent]:
        """The stream is over: decide about its last impacts with what there is."""
        if self._last == self._first:
            return []
        return self._decide(int(self._ts[self._last - 1]) + 1 + DECIDE_US)

    def amend(self, ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray) -> list[FallEvent]:
        """Take samples of a time that was decided about, and decide anew about what they touch.

        Of samples with one time the first that came holds. What is older than all that is remembered is left
        out. Falls that were told before are told again.

        Args:
            ts_us: (n,) int64, strictly increasing; later ones than all before may be among them.
            accel_g: (n, 3) float32.
            gyro_dps: (n, 3) float32 with NaN where missing.
        """
        a, b = self._first, self._last
        kept = ts_us >= self.oldest_us
        ts_us, accel_g, gyro_dps = ts_us[kept], accel_g[kept], gyro_dps[kept]
        if len(ts_us) == 0:
            return []
        joined = np.concatenate([self._ts[a:b], ts_us])
        times, first = np.unique(joined, return_index=True)
        accel, gyro = np.concatenate([self._accel[a:b], accel_g]), np.concatenate([self._gyro[a:b], gyro_dps])
        self._first = self._last = 0
        self._append(times, accel[first], gyro[first])
        loud = last_loud(accel_g)
        if loud >= 0:
            self._loud_us = max(int(ts_us[loud]), self._loud_us or 0)
        # A decision needs all of its look-back, and the sample before that.
        ground = int(times[0]) + (_LOOKBACK_US + _GAP_US + 1 if self._forgot else 0)
        if self._decided_to is not None:
            self._decided_to = min(self._decided_to, max(int(ts_us[0]), ground))
        return self._decide(max(int(times[-1]) + 1, self._reached))

    @property
    def decided_to_us(self) -> int:
        """Up to when it has been decided; samples before that are late. 0: nothing came yet."""
        return self._decided_to or 0

    @property
    def oldest_us(self) -> int:
        """How far back it remembers; 0: it remembers all that came."""
        return int(self._ts[self._first]) if self._forgot and self._last > self._first else 0

    @property
    def latest_us(self) -> int:
        """Time of the latest sample; 0: nothing came yet."""
        return int(self._ts[self._last - 1]) if self._last > self._first else 0

    @property
    def remembered(self) -> tuple[np.ndarray, np.ndarray]:
        """Times and acceleration (g) of what is remembered; views."""
        return self._ts[self._first : self._last], self._accel[self._first : self._last]

    @property
    def held_samples(self) -> int:
        """Samples kept for the next piece."""
        return self._last - self._first

    @property
    def held_bytes(self) -> int:
        """Bytes of the buffers."""
        return self._ts.nbytes + self._accel.nbytes + self._gyro.nbytes

    def _decide(self, end_us: int) -> list[FallEvent]:
        events: list[FallEvent] = []
        a, b = self._first, self._last
        since = self._decided_to
        if self._loud_us is not None and (since is None or self._loud_us + DECIDE_US >= since):
            events = detect_falls(
                self._ts[a:b], self._accel[a:b], self._gyro[a:b], self._position, self._model, since, end_us
            )
        self._decided_to = self._reached = end_us
        # The sample before the look-back tells whether a gap lies there.
        self._first = a + int(np.searchsorted(self._ts[a:b], end_us - self._kept_us))
        self._forgot |= self._first > a
        return events

    def _append(self, ts_us: np.ndarray, accel_g: np.ndarray, gyro_dps: np.ndarray | None) -> None:
        n = len(ts_us)
        if self._last + n > len(self._ts):
            held = self._last - self._first
            room = max(_LEAST_ROOM, 2 * (held + n))
            kept = slice(self._first, self._last)
            for name in ("_ts", "_accel", "_gyro"):
                old = getattr(self, name)
                new = np.empty((room, *old.shape[1:]), old.dtype)
                new[:held] = old[kept]
                setattr(self, name, new)
            self._first, self._last = 0, held
        here = slice(self._last, self._last + n)
        self._ts[here] = ts_us
        self._accel[here] = accel_g
        self._gyro[here] = np.nan if gyro_dps is None else gyro_dps
        self._last += n
