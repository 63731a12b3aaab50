"""Parquet drops to columns, under the same rules as JSON Lines.

Belongs here: the flat Parquet form of the telemetry message. Does not belong here: JSON Lines (`parse.py`).

Columns: deviceId, patientId, seq, ts, accel_x, accel_y, accel_z, schemaVersion, boot; optional gyro_x,
gyro_y, gyro_z, fw, battery, position. `ts` is a timestamp with a zone, integer epoch milliseconds, or ISO
8601 text. A null is a missing field. A row's line number is its place in the file, from 1.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fallrisk_assets.telemetry.drops import DropName, UnreadableDrop
from fallrisk_assets.telemetry.parse_strict import (
    MAX_BOOT,
    MAX_FLOAT32,
    MAX_TS_US,
    SCHEMA_VERSIONS,
    Refusal,
    read_time,
)
from fallrisk_assets.telemetry.parsed import (
    MAX_TEXTS,
    PAYLOAD_CHARS,
    BadLine,
    ParsedDrop,
)
from fallrisk_assets.telemetry.reasons import Reason

REQUIRED = (
    "deviceId",
    "patientId",
    "seq",
    "ts",
    "accel_x",
    "accel_y",
    "accel_z",
    "schemaVersion",
    "boot",
)
GYRO = ("gyro_x", "gyro_y", "gyro_z")
OPTIONAL = (*GYRO, "fw", "battery", "position")

_TICKS_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def parse_parquet_drop(data: bytes, name: DropName) -> ParsedDrop:
    """Read a Parquet drop.

    Raises:
        UnreadableDrop: corrupt file, a required column missing, a column that is there twice, or a column of
            a type that cannot hold it. Nothing else: whatever one device sends costs its file or its line,
            never the run.
    """
    try:
        return _Rows(_read_table(data)).finish(name)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UnreadableDrop(f"corrupt Parquet: {str(error)[:200]}") from error


def row_payloads(data: bytes, line_numbers: Iterable[int]) -> list[str]:
    """Chosen rows (numbers from 1, any order) of a readable Parquet drop as JSON, cut to 500 characters.

    The fields stand in the order of `REQUIRED` and `OPTIONAL`; a null is null. A time of a timestamp column
    is written in UTC, or as its bare number of ticks where it lies outside 1970 to 2100.
    """
    return _as_json(_read_table(data), np.fromiter(line_numbers, np.int64) - 1)


def _read_table(data: bytes) -> pa.Table:
    """The columns of a telemetry message, each in one chunk."""
    source = pq.ParquetFile(io.BytesIO(data))
    present = Counter(source.schema_arrow.names)
    missing = [column for column in REQUIRED if column not in present]
    if missing:
        raise UnreadableDrop(f"Parquet column {', '.join(missing)} is missing")
    wanted = [column for column in (*REQUIRED, *OPTIONAL) if column in present]
    repeated = [column for column in wanted if present[column] > 1]
    if repeated:
        raise UnreadableDrop(f"Parquet column {', '.join(repeated)} is there more than once")
    return source.read(columns=wanted).combine_chunks()


def _as_json(table: pa.Table, rows: np.ndarray) -> list[str]:
    """Rows (indices from 0) of a table whose columns have been read as telemetry, as in `row_payloads`."""
    if rows.size == 0:
        return []
    chosen = pa.array(rows)
    names = table.column_names
    columns = [_plain_values(table.column(name).take(chosen)) for name in names]
    return [
        json.dumps(dict(zip(names, row, strict=True)), separators=(",", ":"), ensure_ascii=False)[
            :PAYLOAD_CHARS
        ]
        for row in zip(*columns, strict=True)
    ]


def _plain_values(column: pa.ChunkedArray) -> list:
    """Values that JSON knows, None where null; never asks Python for a date or a zone that it lacks."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        per_s = _TICKS_PER_S[kind.unit]
        ticks = column.cast(pa.int64()).to_pylist()
        return [
            tick if tick is None or not 0 <= tick < MAX_TS_US // 1_000_000 * per_s else _iso(tick, kind.unit)
            for tick in ticks
        ]
    if pa.types.is_float32(kind):
        # 0.1 as sent, not 0.10000000149011612.
        return [None if v is None else float(str(np.float32(v))) for v in column.to_pylist()]
    return column.to_pylist()


def _iso(ticks: int, unit: str) -> str:
    return f"{np.array(ticks).astype(f'datetime64[{unit}]')}Z"


class _Rows:
    """The rows of one table and the first fault found in each."""

    def __init__(self, table: pa.Table):
        self.table = table
        self.n = table.num_rows
        self.reasons: list[tuple[Reason, str]] = []
        self.fault = np.full(self.n, -1, np.int32)

    def refuse(self, rows: np.ndarray, reason: Reason, detail: str) -> None:
        fresh = rows & (self.fault < 0)
        if fresh.any():
            self.fault[fresh] = len(self.reasons)
            self.reasons.append((reason, detail))

    def column(self, name: str) -> pa.Array | None:
        if name not in self.table.column_names:
            return None
        column = self.table.column(name)
        if column.num_chunks > 1:
            raise UnreadableDrop(f"Parquet column {name} is too large for one piece")
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)

    def integers(self, name: str, largest: int) -> np.ndarray:
        column = self.column(name)
        if column is not None and pa.types.is_null(column.type):
            column = column.cast(pa.int64())
        if column is None or not pa.types.is_integer(column.type):
            raise _wrong_type(name, column, "integers")
        self.refuse(
            column.is_null().to_numpy(zero_copy_only=False),
            Reason.FIELD_MISSING,
            f"{name} is missing",
        )
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        outside = (values < 0) | (values > largest)
        self.refuse(outside, Reason.VALUE_OUT_OF_RANGE, f"{name} is outside 0 to {largest}")
        return np.where(outside, 0, values).astype(np.int64)

    def numbers(self, name: str, required: bool) -> tuple[np.ndarray, np.ndarray]:
        """Values as float32 (NaN where null) and where they are null."""
        column = self.column(name)
        if column is None:
            return np.full(self.n, np.nan, np.float32), np.ones(self.n, np.bool_)
        if pa.types.is_null(column.type):
            column = column.cast(pa.float64())
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise _wrong_type(name, column, "numbers")
        null = column.is_null().to_numpy(zero_copy_only=False)
        if required:
            self.refuse(null, Reason.FIELD_MISSING, f"{name} is missing")
        values = pc.cast(column, pa.float64(), safe=False).fill_null(0.0).to_numpy(zero_copy_only=False)
        self.refuse(~np.isfinite(values), Reason.VALUE_NOT_FINITE, f"{name} is not finite")
        large = np.abs(values) > MAX_FLOAT32
        self.refuse(large, Reason.VALUE_OUT_OF_RANGE, f"{name} does not fit 32-bit floats")
        values32 = np.where(large, np.nan, values).astype(np.float32)
        values32[null] = np.nan
        return values32, null

    def texts(self, name: str, required: bool) -> tuple[np.ndarray, list[str]]:
        column = self.column(name)
        if column is None:
            return np.zeros(self.n, np.int16), [""] if self.n else []
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
            raise _wrong_type(name, column, "texts")
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if required:
            null = column.is_null().to_numpy(zero_copy_only=False)
            self.refuse(null, Reason.FIELD_MISSING, f"{name} is missing")
        coded = column.cast(pa.string()).fill_null("").dictionary_encode()
        found = coded.dictionary.to_pylist()
        if len(found) > MAX_TEXTS:
            raise UnreadableDrop(f"Parquet column {name} holds more than {MAX_TEXTS} different texts")
        ordered = sorted(found)
        rank = {text: code for code, text in enumerate(ordered)}
        recode = np.array([rank[text] for text in found], np.int16)
        codes = recode[coded.indices.to_numpy()] if self.n else np.zeros(0, np.int16)
        return codes, ordered

    def times(self) -> np.ndarray:
        column = self.column("ts")
        assert column is not None
        null = column.is_null().to_numpy(zero_copy_only=False)
        self.refuse(null, Reason.FIELD_MISSING, "ts is missing")
        if pa.types.is_timestamp(column.type):
            if column.type.tz is None:
                raise UnreadableDrop("Parquet column ts has no time zone")
            ticks = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
            per_s = _TICKS_PER_S[column.type.unit]
            outside = (ticks < 0) | (ticks // per_s >= MAX_TS_US // 1_000_000)
            ticks = np.where(outside, 0, ticks)
            times = ticks // (per_s // 1_000_000) if per_s > 1_000_000 else ticks * (1_000_000 // per_s)
        elif pa.types.is_integer(column.type):
            ms = column.fill_null(0).to_numpy(zero_copy_only=False)
            outside = (ms < 0) | (ms >= MAX_TS_US // 1000)
            times = np.where(outside, 0, ms).astype(np.int64) * 1000
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            times, outside = np.zeros(self.n, np.int64), np.zeros(self.n, np.bool_)
            for row, text in enumerate(column.to_pylist()):
                try:
                    times[row] = 0 if text is None else read_time(text)
                except Refusal:
                    outside[row] = True
        else:
            raise _wrong_type("ts", column, "times")
        self.refuse(
            outside,
            Reason.TIME_IMPLAUSIBLE,
            "ts is no time from 1970 to 2100 with a zone",
        )
        return times

    def finish(self, name: DropName) -> ParsedDrop:
        version = self.integers("schemaVersion", 2**31 - 1)
        known = np.isin(version, SCHEMA_VERSIONS)
        self.refuse(
            ~known,
            Reason.SCHEMA_VERSION_UNKNOWN,
            f"schemaVersion is not in {SCHEMA_VERSIONS}",
        )
        device_code, devices = self.texts("deviceId", required=True)
        patient_code, patients = self.texts("patientId", required=True)
        seq = self.integers("seq", 2**63 - 1)
        ts_us = self.times()
        accel = np.column_stack([self.numbers(f"accel_{axis}", required=True)[0] for axis in "xyz"])
        gyro_parts = [self.numbers(column, required=False) for column in GYRO]
        gyro = np.column_stack([values for values, _ in gyro_parts])
        absent = np.column_stack([null for _, null in gyro_parts])
        some_absent: np.ndarray = np.asarray(absent.any(axis=1))
        all_absent: np.ndarray = np.asarray(absent.all(axis=1))
        has_gyro = ~some_absent
        self.refuse(some_absent & ~all_absent, Reason.FIELD_MISSING, "gyro lacks an axis")
        boot = self.integers("boot", MAX_BOOT).astype(np.int32)
        firmware_code, firmwares = self.texts("fw", required=False)
        battery, _ = self.numbers("battery", required=False)
        position_code, positions = self.texts("position", required=False)
        good = np.flatnonzero(self.fault < 0)
        return ParsedDrop(
            name=name,
            lines=self.n,
            line_number=(good + 1).astype(np.int32),
            ts_us=ts_us[good],
            seq=seq[good],
            boot=boot[good],
            accel_g=np.ascontiguousarray(accel[good]),
            gyro_dps=np.ascontiguousarray(gyro[good]),
            has_gyro=has_gyro[good],
            battery=battery[good],
            device_code=device_code[good],
            patient_code=patient_code[good],
            firmware_code=firmware_code[good],
            position_code=position_code[good],
            devices=devices,
            patients=patients,
            firmwares=firmwares,
            positions=positions,
            bad_lines=self._bad_lines(ts_us),
        )

    def _bad_lines(self, ts_us: np.ndarray) -> list[BadLine]:
        bad = np.flatnonzero(self.fault >= 0)
        return [
            BadLine(
                row + 1,
                self.reasons[self.fault[row]][0],
                self.reasons[self.fault[row]][1],
                payload,
                int(ts_us[row]) if ts_us[row] > 0 else None,
            )
            for row, payload in zip(bad.tolist(), _as_json(self.table, bad), strict=True)
        ]


def _wrong_type(name: str, column: pa.Array | None, wanted: str) -> UnreadableDrop:
    found = "absent" if column is None else str(column.type)
    return UnreadableDrop(f"Parquet column {name} is {found}, not {wanted}")
