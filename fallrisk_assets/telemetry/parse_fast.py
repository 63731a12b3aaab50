"""The compiled reader of telemetry lines that look exactly as our devices write them.

Belongs here: one pass over the bytes with a fixed template (key order, no spaces), eight bytes at a time.
Does not belong here: any judgement. A line that does not fit the template to the last byte is left to
`parse_strict.py`; a line that fits yields bit for bit what the strict reader yields.

Numbers: a decimal of at most 2^53 with a power of ten of at most 22 is converted with one exactly rounded
operation (Clinger, How to read floating point numbers accurately, PLDI 1990); others are left to the
strict reader. Eight digits are converted at once (Lemire, Number parsing at a gigabyte per second,
Software: Practice and Experience 51, 2021).

All of it is in one file, because numba's cache notices changes only in the file of the function it compiled.
"""

# Numba's decorators hide the types that its intrinsics and loops have.
# mypy: disable-error-code="call-arg, var-annotated, has-type"

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# No line that the template accepts is longer: texts and numbers are limited below. The reader therefore
# needs this many bytes after the start of a line, and checks no bound while it reads it.
MAX_LINE_BYTES = 1024
MAX_TEXT_BYTES = 64
MAX_TEXTS = 64

DEVICE, PATIENT, FIRMWARE, POSITION = 0, 1, 2, 3

FAST, SLOW = np.uint8(0), np.uint8(1)


@intrinsic
def _load8(typingctx, data, index):
    """Eight bytes at a byte position as one little-endian integer."""

    def codegen(context, builder, signature, args):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
        base = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        place = builder.gep(base, [args[1]])
        word = builder.bitcast(place, ir.IntType(64).as_pointer())
        return builder.load(word, align=1)

    return types.uint64(data, types.int64), codegen


@intrinsic
def _trailing_zeros(typingctx, word):
    """Number of zero bits below the lowest set bit; 64 for zero."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), codegen


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text.ljust(8, b"\0"), "little"))


def _mask(length: int) -> np.uint64:
    return np.uint64((1 << (8 * length)) - 1)


_M1, _M2, _M3, _M4, _M5, _M6, _M7 = (_mask(n) for n in range(1, 8))

_DEVICE_A, _DEVICE_B = _word(b'{"device'), _word(b'iceId":"')  # 13 bytes, at 0 and 5
_PATIENT_A, _PATIENT_B = _word(b'","patie'), _word(b'entId":"')  # 15 bytes, at 0 and 7
_SEQ = _word(b'","seq":')
_TS = _word(b',"ts":')
_ACCEL_A, _ACCEL_B = _word(b',"accel"'), _word(b'l":{"x":')  # 14 bytes, at 0 and 6
_Y, _Z = _word(b',"y":'), _word(b',"z":')
_GYRO_A, _GYRO_B = _word(b'},"gyro"'), _word(b'o":{"x":')  # 14 bytes, at 0 and 6
_META_A, _META_B = _word(b'},"meta"'), _word(b':{"fw":"')  # 16 bytes, at 0 and 8
_BATTERY_A, _BATTERY_B = _word(b'","batte'), _word(b'ttery":')  # 12 bytes, at 0 and 5
_VERSION_A, _VERSION_B, _VERSION_C = (
    _word(b',"schema'),
    _word(b'Version"'),
    _word(b":1,"),
)
_POSITION_A, _POSITION_B = _word(b'"positio'), _word(b'ion":"')
_BOOT_A, _BOOT_B = _word(b'","boot"'), _word(b":")

_ZEROS = np.uint64(0x3030303030303030)
_NOT_DIGIT = np.uint64(0x7676767676767676)
_HIGH = np.uint64(0x8080808080808080)
_PAIRS, _PAIRS_MASK = np.uint64(1 + (10 << 8)), np.uint64(0x00FF00FF00FF00FF)
_QUADS, _QUADS_MASK = np.uint64(1 + (100 << 16)), np.uint64(0x0000FFFF0000FFFF)
_OCTETS = np.uint64(1 + (10000 << 32))
_U3, _U8, _U16, _U32, _U64 = (np.uint64(n) for n in (3, 8, 16, 32, 64))

_POWERS = np.array([10.0**n for n in range(23)])
_INT_POWERS = np.array([10**n for n in range(19)], dtype=np.int64)
_EXACT = np.int64(2**53)
_LARGEST = 1e9  # beyond any sensor, and safely within float32: the strict reader judges the rest

_EPOCH_DAYS_MAX = 47_482  # 2100-01-01


@njit(nogil=True, cache=True, inline="always")
def _count_digits(word):
    x = word ^ _ZEROS
    return np.int64(_trailing_zeros(((x + _NOT_DIGIT) | x) & _HIGH) >> _U3)


@njit(nogil=True, cache=True, inline="always")
def _digits_value(word, count):
    """Value of the first `count` (1 to 8) digits of the word."""
    x = (word ^ _ZEROS) << np.uint64(64 - 8 * count)
    x = ((x * _PAIRS) >> _U8) & _PAIRS_MASK
    x = ((x * _QUADS) >> _U16) & _QUADS_MASK
    return np.int64((x * _OCTETS) >> _U32)


@njit(nogil=True, cache=True)
def _integer(data, p):
    """Non-negative integer of at most 18 digits at p: (value, position after it), or position -1."""
    word = _load8(data, p)
    count = _count_digits(word)
    if count == 0 or (count > 1 and data[p] == 48):
        return np.int64(0), np.int64(-1)
    value = _digits_value(word, count)
    p += count
    if count == 8:
        word = _load8(data, p)
        count = _count_digits(word)
        if count > 0:
            value = value * _INT_POWERS[count] + _digits_value(word, count)
            p += count
            if count == 8:
                while 48 <= data[p] <= 57:
                    if value >= 10**17:
                        return np.int64(0), np.int64(-1)
                    value = value * 10 + (data[p] - 48)
                    p += 1
    return value, p


@njit(nogil=True, cache=True)
def _decimal(data, p):
    """JSON number at p: (value, position after it), or position -1 when the strict reader must read it."""
    negative = data[p] == 45
    if negative:
        p += 1
    word = _load8(data, p)
    count = _count_digits(word)
    if count == 0 or count == 8 or (count > 1 and data[p] == 48):
        return 0.0, np.int64(-1)
    mantissa = _digits_value(word, count)
    p += count
    scale = np.int64(0)
    if data[p] == 46:
        p += 1
        word = _load8(data, p)
        scale = _count_digits(word)
        if scale == 0:
            return 0.0, np.int64(-1)
        mantissa = mantissa * _INT_POWERS[scale] + _digits_value(word, scale)
        p += scale
        if scale == 8:
            word = _load8(data, p)
            more = _count_digits(word)
            if more > 3:
                # Up to 7 + 8 + 3 digits stay below 10^18; longer ones the strict reader reads.
                return 0.0, np.int64(-1)
            if more > 0:
                mantissa = mantissa * _INT_POWERS[more] + _digits_value(word, more)
                p += more
                scale += more
    elif negative and mantissa == 0:
        # JSON's integer -0 has no sign, its number -0.0 has.
        return 0.0, np.int64(-1)
    if (data[p] | 32) == 101:
        p += 1
        exponent_negative = data[p] == 45
        if exponent_negative or data[p] == 43:
            p += 1
        word = _load8(data, p)
        count = _count_digits(word)
        if count == 0 or count > 3:
            return 0.0, np.int64(-1)
        exponent = _digits_value(word, count)
        p += count
        scale += exponent if exponent_negative else -exponent
    if mantissa > _EXACT or scale > 22 or scale < -22:
        return 0.0, np.int64(-1)
    value = np.float64(mantissa)
    if scale > 0:
        value = value / _POWERS[scale]
    elif scale < 0:
        value = value * _POWERS[-scale]
    if value > _LARGEST:
        return 0.0, np.int64(-1)
    return (-value if negative else value), p


@njit(nogil=True, cache=True)
def _text(data, p):
    """Position of the quote that ends a plain ASCII text at p, or -1."""
    for end in range(p, p + MAX_TEXT_BYTES + 1):
        byte = data[end]
        if byte == 34:
            return np.int64(end)
        if byte < 32 or byte > 126 or byte == 92:
            return np.int64(-1)
    return np.int64(-1)


@njit(nogil=True, cache=True)
def _code(data, start, end, kind, texts, lengths, counts):
    """Code of a text in the dictionary of its kind, which learns it; -1 when the dictionary is full."""
    length = end - start
    for code in range(counts[kind]):
        if lengths[kind, code] == length:
            same = True
            for i in range(length):
                if texts[kind, code, i] != data[start + i]:
                    same = False
                    break
            if same:
                return np.int64(code)
    code = counts[kind]
    if code == MAX_TEXTS:
        return np.int64(-1)
    texts[kind, code, :length] = data[start:end]
    lengths[kind, code] = length
    counts[kind] = code + 1
    return np.int64(code)


@njit(nogil=True, cache=True)
def _same(data, a, b, length):
    """Whether the `length` bytes at a and at b are equal."""
    i = np.int64(0)
    while i + 8 <= length:
        if _load8(data, a + i) != _load8(data, b + i):
            return False
        i += 8
    rest = length - i
    if rest == 0:
        return True
    shift = np.uint64(64 - 8 * rest)
    return (_load8(data, a + i) << shift) == (_load8(data, b + i) << shift)


@njit(nogil=True, cache=True)
def _minute_us(data, p):
    """Epoch microseconds of `YYYY-MM-DDTHH:MM:` at p, or -1."""
    for i in range(17):
        byte = data[p + i]
        if i == 4 or i == 7:
            if byte != 45:
                return np.int64(-1)
        elif i == 10:
            if byte != 84:
                return np.int64(-1)
        elif i == 13 or i == 16:
            if byte != 58:
                return np.int64(-1)
        elif byte < 48 or byte > 57:
            return np.int64(-1)
    year = (data[p] - 48) * 1000 + (data[p + 1] - 48) * 100 + (data[p + 2] - 48) * 10 + (data[p + 3] - 48)
    month = (data[p + 5] - 48) * 10 + (data[p + 6] - 48)
    day = (data[p + 8] - 48) * 10 + (data[p + 9] - 48)
    hour = (data[p + 11] - 48) * 10 + (data[p + 12] - 48)
    minute = (data[p + 14] - 48) * 10 + (data[p + 15] - 48)
    if year < 1970 or year > 2099 or month < 1 or month > 12 or hour > 23 or minute > 59:
        return np.int64(-1)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month == 2:
        last = 29 if leap else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        last = 30
    else:
        last = 31
    if day < 1 or day > last:
        return np.int64(-1)
    # Days since 1970 in the proleptic Gregorian calendar, years counted from March.
    y = year - 1 if month <= 2 else year
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return np.int64(((days * 24 + hour) * 60 + minute) * 60_000_000)


@njit(nogil=True, cache=True)
def count_newlines(data):
    """Number of newline bytes."""
    total = np.int64(0)
    for i in range(data.size):
        total += data[i] == 10
    return total


@njit(nogil=True, cache=True)
def read_lines(
    data,
    start,
    stop,
    size,
    line_number,
    slot,
    texts,
    lengths,
    counts,
    line_numbers,
    ts_us,
    seqs,
    boots,
    accel,
    gyro,
    has_gyro,
    battery,
    codes,
    status,
    spans,
):
    """Read lines from byte `start` on while they begin before `stop`; each non-blank line takes a slot.

    The text ends at `size`; MAX_LINE_BYTES after `stop` must be readable, zeros beyond `size`. A line that
    fits the template fills its slot of the output columns (status FAST); any other only leaves the span of
    its bytes (status SLOW).

    Returns:
        Position, line number and slot at which to go on.
    """
    p = np.int64(start)
    memo = np.int64(-1)  # start of a line whose head was read: a head that repeats is compared, not read
    head_length = np.int64(0)
    device = np.int64(-1)
    patient = np.int64(-1)
    tail = np.int64(-1)  # the same for what follows the sensors' values
    tail_length = np.int64(0)
    tail_battery = 0.0
    tail_boot = np.int64(0)
    firmware = np.int64(-1)
    position = np.int64(-1)
    minute_at = np.int64(-1)
    minute = np.int64(0)
    while p < stop:
        line_number += 1
        begin = p
        fits = False
        # One pass that is left at the first byte that does not fit.
        while True:
            if memo >= 0 and _same(data, p, memo, head_length):
                p += head_length
            else:
                memo = np.int64(-1)
                if _load8(data, p) != _DEVICE_A or _load8(data, p + 5) != _DEVICE_B:
                    break
                p += 13
                end = _text(data, p)
                if end < 0:
                    break
                device = _code(data, p, end, DEVICE, texts, lengths, counts)
                p = end
                if _load8(data, p) != _PATIENT_A or _load8(data, p + 7) != _PATIENT_B:
                    break
                p += 15
                end = _text(data, p)
                if end < 0:
                    break
                patient = _code(data, p, end, PATIENT, texts, lengths, counts)
                p = end
                if _load8(data, p) != _SEQ:
                    break
                p += 8
                if device < 0 or patient < 0:
                    break
                memo = begin
                head_length = p - begin
            seq, p = _integer(data, p)
            if p < 0 or (_load8(data, p) & _M6) != _TS:
                break
            p += 6
            if data[p] == 34:
                p += 1
                if minute_at < 0 or not _same(data, p, minute_at, 17):
                    minute = _minute_us(data, p)
                    if minute < 0:
                        minute_at = np.int64(-1)
                        break
                    minute_at = p
                tens = np.int64(data[p + 17]) - 48
                ones = np.int64(data[p + 18]) - 48
                if tens < 0 or tens > 5 or ones < 0 or ones > 9:
                    break
                time = minute + (tens * 10 + ones) * 1_000_000
                p += 19
                if data[p] == 46:
                    word = _load8(data, p + 1)
                    count = _count_digits(word)
                    if count == 0 or count > 6:
                        break
                    time += _digits_value(word, count) * _INT_POWERS[6 - count]
                    p += 1 + count
                if data[p] != 90 or data[p + 1] != 34:
                    break
                p += 2
            else:
                time, p = _integer(data, p)
                if p < 0 or time >= _EPOCH_DAYS_MAX * 86_400_000:
                    break
                time *= 1000
            if _load8(data, p) != _ACCEL_A or _load8(data, p + 6) != _ACCEL_B:
                break
            ax, p = _decimal(data, p + 14)
            if p < 0 or (_load8(data, p) & _M5) != _Y:
                break
            ay, p = _decimal(data, p + 5)
            if p < 0 or (_load8(data, p) & _M5) != _Z:
                break
            az, p = _decimal(data, p + 5)
            if p < 0:
                break
            gx = np.nan
            gy = np.nan
            gz = np.nan
            gyro_present = False
            if _load8(data, p) == _GYRO_A:
                if _load8(data, p + 6) != _GYRO_B:
                    break
                gx, p = _decimal(data, p + 14)
                if p < 0 or (_load8(data, p) & _M5) != _Y:
                    break
                gy, p = _decimal(data, p + 5)
                if p < 0 or (_load8(data, p) & _M5) != _Z:
                    break
                gz, p = _decimal(data, p + 5)
                if p < 0:
                    break
                gyro_present = True
            if tail >= 0 and _same(data, p, tail, tail_length):
                p += tail_length
            else:
                tail = np.int64(-1)
                tail_begin = p
                if _load8(data, p) != _META_A or _load8(data, p + 8) != _META_B:
                    break
                p += 16
                end = _text(data, p)
                if end < 0:
                    break
                firmware = _code(data, p, end, FIRMWARE, texts, lengths, counts)
                p = end
                if _load8(data, p) != _BATTERY_A or (_load8(data, p + 5) & _M7) != _BATTERY_B:
                    break
                tail_battery, p = _decimal(data, p + 12)
                if p < 0:
                    break
                if (
                    _load8(data, p) != _VERSION_A
                    or _load8(data, p + 8) != _VERSION_B
                    or (_load8(data, p + 16) & _M3) != _VERSION_C
                ):
                    break
                p += 19
                if _load8(data, p) != _POSITION_A or (_load8(data, p + 6) & _M6) != _POSITION_B:
                    break
                p += 12
                end = _text(data, p)
                if end < 0:
                    break
                position = _code(data, p, end, POSITION, texts, lengths, counts)
                p = end
                if _load8(data, p) != _BOOT_A or (_load8(data, p + 8) & _M1) != _BOOT_B:
                    break
                tail_boot, p = _integer(data, p + 9)
                if p < 0 or tail_boot > 2**31 - 1:
                    break
                if data[p] != 125 or data[p + 1] != 125:
                    break
                p += 2
                if firmware < 0 or position < 0:
                    break
                tail = tail_begin
                tail_length = p - tail_begin
            if data[p] == 13:
                p += 1
            if p < size and data[p] != 10:
                break
            p += 1
            fits = True
            break
        if fits:
            line_numbers[slot] = line_number
            ts_us[slot] = time
            seqs[slot] = seq
            boots[slot] = tail_boot
            accel[slot, 0] = ax
            accel[slot, 1] = ay
            accel[slot, 2] = az
            gyro[slot, 0] = gx
            gyro[slot, 1] = gy
            gyro[slot, 2] = gz
            has_gyro[slot] = gyro_present
            battery[slot] = tail_battery
            codes[DEVICE, slot] = device
            codes[PATIENT, slot] = patient
            codes[FIRMWARE, slot] = firmware
            codes[POSITION, slot] = position
            status[slot] = FAST
            slot += 1
            continue
        p = begin
        blank = True
        while p < size and data[p] != 10:
            byte = data[p]
            if byte != 32 and byte != 9 and byte != 13:
                blank = False
            p += 1
        if not blank:
            line_numbers[slot] = line_number
            status[slot] = SLOW
            spans[slot, 0] = begin
            spans[slot, 1] = p
            slot += 1
        p += 1
    return p, line_number, slot
