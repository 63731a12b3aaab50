"""One telemetry line, read strictly: the reference that says what a message is and why a line is none.

Belongs here: the message type, its field rules and their reason codes, time texts. Does not belong here:
speed (`parse_fast.py` handles the lines that look as expected) and whatever needs more than one line.
"""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from fallrisk_assets.telemetry.reasons import Reason

SCHEMA_VERSIONS = (1,)
MAX_TS_US = 4_102_444_800_000_000  # 2100-01-01T00:00:00Z
MAX_SEQ = 2**63 - 1
MAX_BOOT = 2**31 - 1
MAX_FLOAT32 = float(np.finfo(np.float32).max)

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d):([0-5]\d)(?:\.(\d{1,6})\d{0,3})?(Z|[+-]\d\d:\d\d)?", re.ASCII)
# A cut-off line often still tells its time: it is then quarantined under its own hour.
_TS_IN_TEXT = re.compile(rb'"ts"\s*:\s*(?:"([^"\\]{1,40})"|(\d{1,15})\s*[,}])')


class Refusal(ValueError):
    """A line that is no sample: reason code and what exactly is wrong."""

    def __init__(self, reason: Reason, detail: str):
        """Keep the reason code and the detail."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Axes(msgspec.Struct, gc=False):
    """Three axes of one sensor, in the unit as sent."""

    x: float
    y: float
    z: float


class Meta(msgspec.Struct, gc=False):
    """What the device says about itself; `boot` is required because it is part of the sample's key."""

    schemaVersion: int  # noqa: N815
    boot: int
    fw: str | None = None
    battery: float | None = None
    position: str | None = None


class Message(msgspec.Struct, gc=False):
    """One telemetry message of schema version 1."""

    deviceId: str  # noqa: N815
    patientId: str  # noqa: N815
    seq: int
    ts: int | str
    accel: Axes
    meta: Meta
    gyro: Axes | None = None


class Sample(NamedTuple):
    """One accepted line; `gyro_*` and `battery` are NaN when absent, texts are empty when absent."""

    ts_us: int
    seq: int
    boot: int
    accel_x: float
    accel_y: float
    accel_z: float
    has_gyro: bool
    gyro_x: float
    gyro_y: float
    gyro_z: float
    battery: float
    device: str
    patient: str
    firmware: str
    position: str


_decode = msgspec.json.Decoder(Message).decode
_NAN = float("nan")


def read_line(line: bytes) -> Sample:
    """Read one line (no newline) of schema version 1; any key order, spaces and further fields are fine.

    A key that stands twice in one object, at any level, makes the line no message: RFC 8259 leaves open which
    of the two counts, and readers differ.

    Raises:
        Refusal: with the reason code and the field at fault.
    """
    try:
        line.decode("utf-8")
        message = _decode(line)
    except UnicodeDecodeError as error:
        raise Refusal(Reason.LINE_NOT_JSON, f"not UTF-8 at byte {error.start + 1}") from None
    except msgspec.ValidationError as error:
        raise _explain(line, str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        if b"NaN" in line or b"Infinity" in line:
            raise _explain(line, str(error)) from None
        raise Refusal(Reason.LINE_NOT_JSON, str(error)[:200]) from None
    if line.count(b'"') > _quotes_needed(message):
        _refuse_repeated_keys(line)
    meta = message.meta
    if meta.schemaVersion not in SCHEMA_VERSIONS:
        raise _unknown_version(meta.schemaVersion)
    if not 0 <= message.seq <= MAX_SEQ:
        raise Refusal(Reason.VALUE_OUT_OF_RANGE, f"seq {message.seq} is outside 0 to 2^63-1")
    if not 0 <= meta.boot <= MAX_BOOT:
        raise Refusal(Reason.VALUE_OUT_OF_RANGE, f"meta.boot {meta.boot} is outside 0 to 2^31-1")
    ts_us = read_time(message.ts)
    accel = message.accel
    gyro = message.gyro
    battery = meta.battery
    _check_float32("accel", accel.x, accel.y, accel.z)
    if gyro is not None:
        _check_float32("gyro", gyro.x, gyro.y, gyro.z)
    if battery is not None and not abs(battery) <= MAX_FLOAT32:
        raise _too_large("meta.battery")
    return Sample(
        ts_us,
        message.seq,
        meta.boot,
        accel.x,
        accel.y,
        accel.z,
        gyro is not None,
        _NAN if gyro is None else gyro.x,
        _NAN if gyro is None else gyro.y,
        _NAN if gyro is None else gyro.z,
        _NAN if battery is None else battery,
        message.deviceId,
        message.patientId,
        meta.fw or "",
        meta.position or "",
    )


def read_time(ts: int | str) -> int:
    """Microseconds since the epoch of an ISO 8601 text with a zone, or of integer epoch milliseconds.

    Digits beyond the sixth of a fraction are cut off. A text without zone is refused, never guessed.

    Raises:
        Refusal: TIME_IMPLAUSIBLE when it is no time, has no zone, or lies outside 1970 to 2100.
    """
    if isinstance(ts, int):
        ts_us = ts * 1000
    else:
        match = _ISO.fullmatch(ts)
        if match is None:
            raise Refusal(Reason.TIME_IMPLAUSIBLE, f"ts {ts[:40]!r} is neither ISO 8601 nor epoch ms")
        minute, second, fraction, zone = match.groups()
        if zone is None:
            raise Refusal(Reason.TIME_IMPLAUSIBLE, f"ts {ts!r} has no zone")
        minute_s = _minute_s(minute)
        offset_s = 0 if zone == "Z" else _offset_s(zone)
        if minute_s is None or offset_s is None:
            raise Refusal(Reason.TIME_IMPLAUSIBLE, f"ts {ts!r} does not exist or is outside 1970 to 2100")
        ts_us = (minute_s + int(second) - offset_s) * 1_000_000
        if fraction:
            ts_us += int(fraction) * 10 ** (6 - len(fraction))
    if not 0 <= ts_us < MAX_TS_US:
        raise Refusal(Reason.TIME_IMPLAUSIBLE, f"ts {str(ts)[:40]} is outside 1970 to 2100")
    return ts_us


def time_in_text(line: bytes) -> int | None:
    """Time of a refused line in epoch microseconds where it can still be read, else None."""
    match = _TS_IN_TEXT.search(line)
    if match is None:
        return None
    try:
        return read_time(int(match[2]) if match[2] else match[1].decode("ascii"))
    except (Refusal, UnicodeDecodeError):
        return None


# A drop's lines share their minutes.
@lru_cache(maxsize=1024)
def _minute_s(text: str) -> int | None:
    """Epoch seconds of YYYY-MM-DDTHH:MM, None when it does not exist or is before 1970 or after 2100."""
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) if 1970 <= at.year <= 2100 else None


def _offset_s(zone: str) -> int | None:
    hour, minute = int(zone[1:3]), int(zone[4:6])
    if hour > 23 or minute > 59:
        return None
    return (hour * 3600 + minute * 60) * (-1 if zone[0] == "-" else 1)


def _check_float32(sensor: str, x: float, y: float, z: float) -> None:
    for axis, value in (("x", x), ("y", y), ("z", z)):
        if not abs(value) <= MAX_FLOAT32:
            raise _too_large(f"{sensor}.{axis}")


def _too_large(field: str) -> Refusal:
    return Refusal(Reason.VALUE_OUT_OF_RANGE, f"{field} does not fit 32-bit floats")


def _unknown_version(version: object) -> Refusal:
    known = ", ".join(map(str, SCHEMA_VERSIONS))
    return Refusal(
        Reason.SCHEMA_VERSION_UNKNOWN,
        f"meta.schemaVersion {version} is not one of {known}",
    )


class _NotFinite(NamedTuple):
    token: str


def _quotes_needed(message: Message) -> int:
    """Quotes that a line of this content has at least: with no more there is no room for another key."""
    meta = message.meta
    quotes = 26  # eleven required keys, and the texts of deviceId and patientId
    quotes += 2 * isinstance(message.ts, str)
    quotes += 8 * (message.gyro is not None)
    quotes += 4 * (meta.fw is not None) + 4 * (meta.position is not None) + 2 * (meta.battery is not None)
    return quotes


def _refuse_repeated_keys(line: bytes) -> None:
    """Refuse a line of UTF-8 in which a key stands twice in one object; other faults are not judged here."""
    with suppress(json.JSONDecodeError, RecursionError):
        _find_repeated_key(line.decode("utf-8"))


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object's pairs as a dictionary.

    Raises:
        Refusal: LINE_NOT_JSON when a key stands twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Refusal(Reason.LINE_NOT_JSON, f"key {key[:40]!r} stands twice in one object")
            seen.add(key)
    return content


# Numbers are of no interest here, and Python refuses integers of more than 4,300 digits.
_find_repeated_key = json.JSONDecoder(
    object_pairs_hook=_no_key_twice, parse_int=len, parse_float=len, parse_constant=len
).decode


# Python's reader also takes NaN and Infinity, which are no JSON but a frequent device fault.
_read_with_nan = json.JSONDecoder(parse_constant=_NotFinite).decode


# (path, types by name, required), in the order in which a line is explained.
_FIELDS: tuple[tuple[tuple[str, ...], str, bool], ...] = (
    (("deviceId",), "text", True),
    (("patientId",), "text", True),
    (("seq",), "integer", True),
    (("ts",), "time", True),
    (("accel",), "object", True),
    (("accel", "x"), "number", True),
    (("accel", "y"), "number", True),
    (("accel", "z"), "number", True),
    (("gyro",), "object", False),
    (("gyro", "x"), "number", True),
    (("gyro", "y"), "number", True),
    (("gyro", "z"), "number", True),
    (("meta",), "object", True),
    (("meta", "schemaVersion"), "integer", True),
    (("meta", "boot"), "integer", True),
    (("meta", "fw"), "text", False),
    (("meta", "battery"), "number", False),
    (("meta", "position"), "text", False),
)


def _explain(line: bytes, parser_says: str) -> Refusal:
    """Why the typed decoder refused this line; its own message only when nothing better is found."""
    not_json = Refusal(Reason.LINE_NOT_JSON, parser_says[:200])
    _refuse_repeated_keys(line)
    try:
        message = _read_with_nan(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return not_json
    if not isinstance(message, dict):
        return Refusal(Reason.LINE_NOT_JSON, f"a JSON {type(message).__name__}, not an object")
    meta = message.get("meta")
    if isinstance(meta, dict):
        version = meta.get("schemaVersion")
        if isinstance(version, int) and not isinstance(version, bool) and version not in SCHEMA_VERSIONS:
            return _unknown_version(version)
    for path, kind, required in _FIELDS:
        refusal = _explain_field(message, path, kind, required)
        if refusal is not None:
            return refusal
    return not_json


def _explain_field(message: dict, path: tuple[str, ...], kind: str, required: bool) -> Refusal | None:
    name = ".".join(path)
    holder = message if len(path) == 1 else message.get(path[0])
    if holder is None:
        return None  # an absent optional object; an absent required one was refused before
    if path[-1] not in holder:
        return Refusal(Reason.FIELD_MISSING, f"{name} is missing") if required else None
    value = holder[path[-1]]
    if value is None and not required:
        return None
    if isinstance(value, _NotFinite):
        return Refusal(Reason.VALUE_NOT_FINITE, f"{name} is {value.token}")
    if kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        if isinstance(value, float) and abs(value) == float("inf"):
            return Refusal(Reason.VALUE_OUT_OF_RANGE, f"{name} does not fit 64-bit floats")
        if isinstance(value, int) and abs(value) > MAX_FLOAT32:
            return _too_large(name)
        return None
    accepted = {
        "text": (str,),
        "integer": (int,),
        "time": (int, str),
        "object": (dict,),
        "number": (),
    }[kind]
    if isinstance(value, accepted) and not isinstance(value, bool):
        return None
    article = {"text": "a text", "integer": "an integer", "time": "ISO 8601 or epoch ms"}.get(
        kind, f"a {kind}"
    )
    # Identifiers belong in their own column of the quarantine, not in a detail that anybody may read.
    found = f"a JSON {type(value).__name__}" if kind == "text" else json.dumps(value, default=str)[:60]
    return Refusal(Reason.FIELD_WRONG_TYPE, f"{name} is {found}, not {article}")
