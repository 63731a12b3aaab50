"""All rows of one device in one hour, from however many drops they came.

Belongs here: choosing and joining rows of parsed drops, and what their lines said originally. Does not belong
here: judging the rows (`clean.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fallrisk_assets.lake.origins import SeenOrigins
from fallrisk_assets.telemetry.parse_parquet import row_payloads
from fallrisk_assets.telemetry.parsed import (
    HOUR_US,
    PAYLOAD_CHARS,
    BadLine,
    ParsedDrop,
    hour_of_all_rows,
    place_rows,
)
from fallrisk_assets.telemetry.reasons import Reason


@dataclass(frozen=True, slots=True)
class Refused:
    """Lines refused before they were cleaned: parse faults and rows without a plausible time.

    `ts_us` is the line's time, or the drop's receipt where it has no plausible one: it tells whose hour and
    whose assignment the line counts for. `payload` is None for rows that parsed (`line_payloads` finds it).
    """

    drop_index: int
    line_number: int
    reason: Reason
    detail: str
    payload: str | None
    ts_us: int


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """Rows of one device, joined from drops in the order (received_at, drop_key, line).

    Columns as in `ParsedDrop`, with `drop_index` into `drop_keys`. `drop_last_ts_us` is the latest plausible
    time in each whole drop, -1 for a drop without rows in this hour. `repeated_us` are the times of lines,
    good or bad, whose message in a log an earlier drop holds already: they are duplicates, whatever they say.
    """

    device_id: str
    drop_keys: list[str]
    drop_received_us: np.ndarray
    drop_last_ts_us: np.ndarray
    drop_index: np.ndarray
    line_number: np.ndarray
    ts_us: np.ndarray
    seq: np.ndarray
    boot: np.ndarray
    accel: np.ndarray
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
    refused: list[Refused]
    repeated_us: np.ndarray

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.ts_us.size)


def gather_device_hour(
    device_id: str, drops: Iterable[tuple[str, ParsedDrop]], hour_start_us: int
) -> DeviceRows:
    """Join the rows, bad lines and unplaceable rows of one device and one UTC hour.

    Args:
        device_id: the device in the drops' names.
        drops: (drop key, parsed drop) in any order; a key that comes twice counts once.
        hour_start_us: start of the hour in epoch microseconds.

    Raises:
        ValueError: a drop of another device.
    """
    unique = dict(drops)
    ordered = sorted(unique.items(), key=lambda item: (item[1].name.received_us, item[0]))
    hour = hour_start_us // HOUR_US
    parts: list[ParsedDrop] = []
    refused: list[Refused] = []
    last_ts_us = []
    seen = SeenOrigins()
    repeated: list[np.ndarray] = []
    for index, (key, whole) in enumerate(ordered):
        if whole.name.device_id != device_id:
            raise ValueError(f"{key} is a drop of {whole.name.device_id}, not of {device_id}")
        drop, again = _without_repeated(whole, seen)
        if again is not None:
            repeated.append(_times_in(again, hour))
        if hour_of_all_rows(drop) == hour:
            parts.append(drop)
            last_ts_us.append(int(drop.ts_us.max()))
            refused += _refused(index, drop, hour, None)
            continue
        hours, unplaceable = place_rows(drop)
        placed = (hours == hour) & ~unplaceable
        parts.append(drop if placed.all() else drop.select(placed))
        plausible = drop.ts_us[~unplaceable] if unplaceable.any() else drop.ts_us
        last_ts_us.append(int(plausible.max()) if placed.any() else -1)
        refused += _refused(index, drop, hour, unplaceable)
    sizes = [part.rows for part in parts]
    coded: dict[str, Any] = {}
    for kind, plural in (
        ("device", "devices"),
        ("patient", "patients"),
        ("firmware", "firmwares"),
        ("position", "positions"),
    ):
        texts = sorted({text for part in parts for text in getattr(part, plural)})
        rank = {text: code for code, text in enumerate(texts)}
        recoded = []
        for part in parts:
            codes, own = getattr(part, f"{kind}_code"), getattr(part, plural)
            same = own == texts[: len(own)]
            recoded.append(codes if same else np.array([rank[text] for text in own], np.int16)[codes])
        coded[f"{kind}_code"] = _join(recoded, np.int16)
        coded[plural] = texts
    return DeviceRows(
        device_id=device_id,
        drop_keys=[key for key, _ in ordered],
        drop_received_us=np.array([drop.name.received_us for _, drop in ordered], np.int64),
        drop_last_ts_us=np.array(last_ts_us, np.int64),
        drop_index=np.repeat(np.arange(len(parts), dtype=np.int32), sizes),
        line_number=_join([part.line_number for part in parts], np.int32),
        ts_us=_join([part.ts_us for part in parts], np.int64),
        seq=_join([part.seq for part in parts], np.int64),
        boot=_join([part.boot for part in parts], np.int32),
        accel=_join([part.accel_g for part in parts], np.float32, 3),
        gyro_dps=_join([part.gyro_dps for part in parts], np.float32, 3),
        has_gyro=_join([part.has_gyro for part in parts], np.bool_),
        battery=_join([part.battery for part in parts], np.float32),
        refused=refused,
        repeated_us=_join(repeated, np.int64),
        **coded,
    )


def _without_repeated(drop: ParsedDrop, seen: SeenOrigins) -> tuple[ParsedDrop, ParsedDrop | None]:
    """Part a log's drop into what is new and what an earlier drop held; None where all of it is new."""
    if drop.origins is None:
        return drop, None
    again = seen.repeated(drop.origins)
    if not again.any():
        return drop, None
    rows = again[drop.line_number - 1]
    parts: list[list[BadLine]] = [[], []]
    for bad in drop.bad_lines:
        parts[int(again[bad.line_number - 1])].append(bad)
    return replace(drop.select(~rows), bad_lines=parts[0]), replace(drop.select(rows), bad_lines=parts[1])


def _times_in(drop: ParsedDrop, hour: int) -> np.ndarray:
    """Times under which the lines of a drop, good or bad, count in an hour; int64."""
    hours, unplaceable = place_rows(drop)
    times = np.where(unplaceable, drop.name.received_us, drop.ts_us)[hours == hour]
    bad = np.array([bad_line_time_us(drop, bad.ts_us) for bad in drop.bad_lines], np.int64)
    return np.concatenate([times, bad[bad // HOUR_US == hour]])


def bad_line_time_us(parsed: ParsedDrop, ts_us: int | None) -> int:
    """Time under which a bad line counts: its own where plausible, else the drop's receipt."""
    received_us = parsed.name.received_us
    if ts_us is None or not parsed.name.is_plausible(ts_us):
        return received_us
    return ts_us


def line_payloads(
    data: bytes, line_numbers: np.ndarray, drop_format: str = "jsonl", chars: int = PAYLOAD_CHARS
) -> list[str]:
    """Text of chosen lines (1-based numbers, any order) of a readable drop, cut to `chars` characters.

    Args:
        data: The drop's decompressed bytes.
        line_numbers: Lines, or rows of a Parquet drop, which are shown as compact JSON.
        drop_format: "jsonl", "jsonl.gz" or "parquet", as the name says.
        chars: Longest text.
    """
    if len(line_numbers) == 0:
        return []
    if drop_format == "parquet":
        return [text[:chars] for text in row_payloads(data, np.asarray(line_numbers).tolist())]
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    payloads = []
    for number in np.asarray(line_numbers).tolist():
        begin = 0 if number == 1 else int(ends[number - 2]) + 1
        end = int(ends[number - 1]) if number <= ends.size else len(data)
        line = data[begin : min(end, begin + 4 * chars)]
        payloads.append(line.decode("utf-8", errors="replace").lstrip("\ufeff")[:chars])
    return payloads


def _refused(index: int, drop: ParsedDrop, hour: int, unplaceable: np.ndarray | None) -> list[Refused]:
    found = []
    for bad in drop.bad_lines:
        ts_us = bad_line_time_us(drop, bad.ts_us)
        if ts_us // HOUR_US == hour:
            found.append(Refused(index, bad.line_number, bad.reason, bad.detail, bad.payload, ts_us))
    if unplaceable is not None and drop.name.received_us // HOUR_US == hour:
        for row in np.flatnonzero(unplaceable).tolist():
            off_s = (int(drop.ts_us[row]) - drop.name.received_us) / 1e6
            detail = f"ts is {abs(off_s):.0f} s {'after' if off_s > 0 else 'before'} receivedAt"
            found.append(
                Refused(
                    index,
                    int(drop.line_number[row]),
                    Reason.TIME_IMPLAUSIBLE,
                    detail,
                    None,
                    drop.name.received_us,
                )
            )
    return sorted(found, key=lambda line: line.line_number)


def _join(arrays: list[np.ndarray], dtype: type, width: int = 0) -> np.ndarray:
    filled = [a for a in arrays if len(a)]
    if len(filled) == 1:
        return filled[0]
    return np.concatenate(arrays) if arrays else np.empty((0, width) if width else 0, dtype)
