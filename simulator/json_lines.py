"""Samples as JSON lines, formatted by compiled code: one line a sample, fixed key order.

What belongs here: digits and bytes. What does not: files (`drops`) and errors put in on purpose (`faults`).
"""

import numpy as np
from numba import njit

from simulator.imu_stream import ACCEL_DECIMALS, GYRO_DECIMALS

_ACCEL_X = np.frombuffer(b'Z","accel":{"x":', np.uint8)
_Y = np.frombuffer(b',"y":', np.uint8)
_Z = np.frombuffer(b',"z":', np.uint8)
_GYRO_X = np.frombuffer(b'},"gyro":{"x":', np.uint8)
_TS_KEY = np.frombuffer(b',"ts":"', np.uint8)
_META_KEY = np.frombuffer(b'},"meta":{"fw":"', np.uint8)
LONGEST_VARIABLE_PART = 200


@njit(nogil=True, cache=True, inline="always")
def _text(out, at, text):
    for i in range(len(text)):
        out[at + i] = text[i]
    return at + len(text)


@njit(nogil=True, cache=True, inline="always")
def _padded(out, at, value, digits):
    for i in range(digits - 1, -1, -1):
        out[at + i] = 48 + value % 10
        value //= 10
    return at + digits


@njit(nogil=True, cache=True, inline="always")
def _integer(out, at, value):
    digits, rest = 1, value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    return _padded(out, at, value, digits)


@njit(nogil=True, cache=True, inline="always")
def _decimal(out, at, scaled, decimals, power):
    # As json.dumps(round(value, decimals)): no trailing zeros, at least one decimal, no negative zero.
    if scaled < 0:
        out[at] = 45
        at += 1
        scaled = -scaled
    at = _integer(out, at, scaled // power)
    out[at] = 46
    at = _padded(out, at + 1, scaled % power, decimals)
    keep = decimals
    while keep > 1 and out[at - 1] == 48:
        at -= 1
        keep -= 1
    return at


@njit(nogil=True, cache=True)
def _civil(out, at, ms):
    """Write `YYYY-MM-DDTHH:MM:SS.mmm` of an epoch in ms (days to civil: Hinnant's algorithm)."""
    day = ms // 86400000
    rest = ms - day * 86400000
    z = day + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    year = yoe + era * 400 + (1 if month <= 2 else 0)
    at = _padded(out, at, year, 4)
    out[at] = 45
    at = _padded(out, at + 1, month, 2)
    out[at] = 45
    at = _padded(out, at + 1, doy - (153 * mp + 2) // 5 + 1, 2)
    out[at] = 84
    at = _padded(out, at + 1, rest // 3600000, 2)
    out[at] = 58
    at = _padded(out, at + 1, rest // 60000 % 60, 2)
    out[at] = 58
    at = _padded(out, at + 1, rest // 1000 % 60, 2)
    out[at] = 46
    return _padded(out, at + 1, rest % 1000, 3)


@njit(nogil=True, cache=True)
def _lines(out, ends, head, tail, fw, first_seq, ts_ms, accel, gyro, has_gyro, battery_ppm):
    at, ts_column = 0, 0
    for i in range(len(ts_ms)):
        at = _text(out, at, head)
        at = _integer(out, at, first_seq + i)
        at = _text(out, at, _TS_KEY)
        if i > 0 and ts_ms[i] // 1000 == ts_ms[i - 1] // 1000:
            # The second has not changed: copy its text from the line before.
            source = (ends[i - 2] if i > 1 else 0) + ts_column
            for j in range(20):
                out[at + j] = out[source + j]
            ts_column = at - ends[i - 1]
            at = _padded(out, at + 20, ts_ms[i] % 1000, 3)
        else:
            ts_column = at - (ends[i - 1] if i > 0 else 0)
            at = _civil(out, at, ts_ms[i])
        at = _text(out, at, _ACCEL_X)
        at = _decimal(out, at, accel[i, 0], ACCEL_DECIMALS, 10**ACCEL_DECIMALS)
        at = _text(out, at, _Y)
        at = _decimal(out, at, accel[i, 1], ACCEL_DECIMALS, 10**ACCEL_DECIMALS)
        at = _text(out, at, _Z)
        at = _decimal(out, at, accel[i, 2], ACCEL_DECIMALS, 10**ACCEL_DECIMALS)
        if has_gyro:
            at = _text(out, at, _GYRO_X)
            at = _decimal(out, at, gyro[i, 0], GYRO_DECIMALS, 10**GYRO_DECIMALS)
            at = _text(out, at, _Y)
            at = _decimal(out, at, gyro[i, 1], GYRO_DECIMALS, 10**GYRO_DECIMALS)
            at = _text(out, at, _Z)
            at = _decimal(out, at, gyro[i, 2], GYRO_DECIMALS, 10**GYRO_DECIMALS)
        at = _text(out, at, _META_KEY)
        at = _text(out, at, fw)
        at = _decimal(out, at, battery_ppm[i] // 1000, 3, 1000)
        at = _text(out, at, tail)
        ends[i] = at
    return at


def json_lines(
    device_id: str,
    patient_id: str,
    first_seq: int,
    ts_ms: np.ndarray,
    accel: np.ndarray,
    gyro: np.ndarray | None,
    battery_ppm: np.ndarray,
    firmware: str,
    position: str,
    boot: int,
    schema_version: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Format samples as lines.

    Args:
        device_id: Written as `deviceId`.
        patient_id: Written as `patientId`.
        first_seq: `seq` of the first sample; the others follow by one.
        ts_ms: (n,) int64 epoch milliseconds.
        accel: (n, 3) int32 in 1e-4 g.
        gyro: (n, 3) int32 in 1e-2 deg/s, or None for a device without a gyroscope.
        battery_ppm: (n,) int64 battery level in millionths.
        firmware: Written as `meta.fw`.
        position: Written as `meta.position`.
        boot: Written as `meta.boot`.
        schema_version: Written as `meta.schemaVersion`.

    Returns:
        (bytes as uint8, end offset of each line as int64, its newline included).
    """
    head = f'{{"deviceId":"{device_id}","patientId":"{patient_id}","seq":'.encode()
    fw = f'{firmware}","battery":'.encode()
    tail = f',"schemaVersion":{schema_version},"position":"{position}","boot":{boot}}}}}\n'.encode()
    n = len(ts_ms)
    out = np.empty(n * (len(head) + len(fw) + len(tail) + LONGEST_VARIABLE_PART), np.uint8)
    ends = np.empty(n, np.int64)
    size = _lines(
        out,
        ends,
        np.frombuffer(head, np.uint8),
        np.frombuffer(tail, np.uint8),
        np.frombuffer(fw, np.uint8),
        first_seq,
        ts_ms,
        accel,
        accel if gyro is None else gyro,
        gyro is not None,
        battery_ppm,
    )
    return out[:size], ends
