"""The index of drops: which drop has lines in which hour, so that an hour knows exactly what to read.

Here: a drop's index rows and their table. Not here: when a drop is registered (`ingest.py`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.partitions import device_bucket, hour_key, window_of
from fallrisk_assets.telemetry.contract import TelemetryDrops
from fallrisk_assets.telemetry.drops import DropName
from fallrisk_assets.telemetry.gather import bad_line_time_us
from fallrisk_assets.telemetry.parsed import HOUR_US, ParsedDrop, hour_of_all_rows, place_rows

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A drop's rows in one hour, as the index of drops keeps them."""

    drop_key: str
    event_hour: str
    sha256: str
    received_at: dt.datetime
    device_id: str
    bytes: int
    lines: int
    rows: int
    unplaceable: int
    status: str

    @property
    def bucket(self) -> int:
        """Device bucket."""
        return device_bucket(self.device_id)


def index_table(rows: Sequence[IndexRow]) -> pa.Table:
    """Return index rows as a `TelemetryDrops` table, sorted by device and drop."""
    ordered = sorted(rows, key=lambda r: (r.device_id, r.drop_key))
    columns = {
        name: [getattr(r, name) for r in ordered]
        for name in (
            "drop_key",
            "sha256",
            "received_at",
            "device_id",
            "bytes",
            "lines",
            "rows",
            "unplaceable",
            "status",
        )
    }
    return conform(
        TelemetryDrops,
        {
            "device_bucket": [r.bucket for r in ordered],
            "event_hour": [window_of(r.event_hour)[0] for r in ordered],
            **columns,
        },
    )


def index_rows(data: pa.Table) -> list[IndexRow]:
    """Return the rows of a `TelemetryDrops` table."""
    return [
        IndexRow(
            event_hour=hour_key(row["event_hour"]),
            **{k: v for k, v in row.items() if k not in ("device_bucket", "event_hour")},
        )
        for row in data.to_pylist()
    ]


def register(
    drop_key: str, name: DropName, digest: str, size_bytes: int, parsed: ParsedDrop | None
) -> list[IndexRow]:
    """Return a drop's index rows: one for each hour it has lines in, and one for the hour of its receipt.

    Args:
        drop_key: Key in the landing zone.
        name: What its name says.
        digest: SHA-256 of the file's bytes, in hexadecimal.
        size_bytes: Size of the file.
        parsed: Its lines, None where the file could not be read.
    """
    received_hour = name.received_us // HOUR_US
    placed: dict[int, int] = {received_hour: 0}
    unplaceable = 0
    if parsed is not None:
        if (only := hour_of_all_rows(parsed)) is not None:
            placed[only] = placed.get(only, 0) + parsed.rows
        else:
            hours, lost = place_rows(parsed)
            for hour, count in zip(*np.unique(hours[~lost], return_counts=True), strict=True):
                placed[int(hour)] = placed.get(int(hour), 0) + int(count)
            unplaceable = int(lost.sum())
        for bad in parsed.bad_lines:
            if bad.ts_us is not None and name.is_plausible(bad.ts_us):
                hour = bad_line_time_us(parsed, bad.ts_us) // HOUR_US
                placed[hour] = placed.get(hour, 0) + 1
            else:
                unplaceable += 1
    return [
        IndexRow(
            drop_key=drop_key,
            event_hour=hour_key(_EPOCH + dt.timedelta(hours=hour)),
            sha256=digest,
            received_at=name.received_at,
            device_id=name.device_id,
            bytes=size_bytes,
            lines=parsed.lines if parsed else 0,
            rows=rows,
            unplaceable=unplaceable if hour == received_hour else 0,
            status="READ" if parsed else "UNREADABLE",
        )
        for hour, rows in sorted(placed.items())
    ]
