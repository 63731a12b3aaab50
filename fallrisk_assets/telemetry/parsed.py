"""What reading a drop gives: columns of samples, bad lines, and the hour that each row belongs to.

Belongs here: the shape of a parsed drop and the plausibility of its times. Does not belong here: reading.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from fallrisk_assets.lake.origins import Origins
from fallrisk_assets.telemetry.drops import NEWEST_US, OLDEST_US, DropName
from fallrisk_assets.telemetry.reasons import Reason

PAYLOAD_CHARS = 500
MAX_TEXTS = 32_767  # codes are 16-bit; a drop of one device has a handful of texts

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no sample: 1-based number, reason code, what is wrong, its first 500 characters.

    `ts_us` is the line's own time in epoch microseconds where it can still be read, else None.
    """

    line_number: int
    reason: Reason
    detail: str
    payload: str
    ts_us: int | None


@dataclass(frozen=True, slots=True)
class ParsedDrop:
    """The samples of one drop, one row per parsable line in line order, and its bad lines.

    `accel_g` and `gyro_dps` (n, 3) hold the values as sent: `units.py` decides whether they are g. Texts are
    codes into sorted lists. `battery` is NaN and `gyro_dps` NaN with `has_gyro` False where absent; a missing
    firmware or position is the empty text. `lines` counts the non-blank lines: rows + bad lines. `origins` is
    None unless the lines came from a log.
    """

    name: DropName
    lines: int
    line_number: np.ndarray
    ts_us: np.ndarray
    seq: np.ndarray
    boot: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray
    has_gyro: np.ndarray
    battery: np.ndarray
    device_code: np.ndarray
    patient_code: np.ndarray
    firmware_code: np.ndarray
    position_code: np.ndarray
    devices: list[str]
    patients: list[str]
    firmwares: list[str]
    positions: list[str]
    bad_lines: list[BadLine]
    origins: Origins | None = None

    @property
    def rows(self) -> int:
        """Number of parsable lines."""
        return int(self.ts_us.size)

    def select(self, chosen: np.ndarray) -> "ParsedDrop":
        """The rows chosen by a mask, slice or index array; bad lines and line count stay the drop's."""
        columns = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name in COLUMNS}
        return replace(self, **columns)


COLUMNS = (
    "line_number",
    "ts_us",
    "seq",
    "boot",
    "accel_g",
    "gyro_dps",
    "has_gyro",
    "battery",
    "device_code",
    "patient_code",
    "firmware_code",
    "position_code",
)


def place_rows(parsed: ParsedDrop) -> tuple[np.ndarray, np.ndarray]:
    """UTC hour that each row belongs to, and which rows have no plausible time.

    A time is plausible within [receivedAt - 30 days, receivedAt + 5 min): later ones come from a clock that
    runs ahead, earlier ones from a clock that was never set.

    Returns:
        Hours since the epoch (int64, n) and the mask of unplaceable rows (bool, n), which carry the hour
        of receivedAt and are to be quarantined as TIME_IMPLAUSIBLE.
    """
    received_us = parsed.name.received_us
    unplaceable = (parsed.ts_us < received_us - OLDEST_US) | (parsed.ts_us >= received_us + NEWEST_US)
    hours = parsed.ts_us // HOUR_US
    hours[unplaceable] = received_us // HOUR_US
    return hours, unplaceable


def hour_of_all_rows(parsed: ParsedDrop) -> int | None:
    """The one hour (since the epoch) that all rows belong to, each with a plausible time; else None.

    What `place_rows` says of each row costs several passes, and nearly every drop holds one hour.
    """
    if parsed.rows == 0:
        return None
    first_us, last_us = int(parsed.ts_us.min()), int(parsed.ts_us.max())
    if first_us // HOUR_US != last_us // HOUR_US:
        return None
    plausible = parsed.name.is_plausible(first_us) and parsed.name.is_plausible(last_us)
    return first_us // HOUR_US if plausible else None
