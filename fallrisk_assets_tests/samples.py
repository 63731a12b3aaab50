"""A small table of its own for tests of contracts, schemas and the lake."""

import datetime as dt

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import (
    Contract,
    Date,
    Float32,
    Int32,
    Int64,
    Rule,
    String,
    Timestamp,
    column,
    conform,
    table,
)
from fallrisk_assets.partitions import window_of


@table(
    name="readings",
    namespace="clean",
    grain="one row per reading",
    key=("device_id", "seq"),
    slice_column="ts",
    slicing="hour",
    person="patient_id",
    bucketed=True,
    sort=("device_id", "ts"),
    rules=(Rule("highest", "ge", "lowest", "UPSIDE_DOWN"),),
)
class Readings(Contract):
    """Readings of a device."""

    device_bucket: Int32 = column(1, "Bucket", ge=0, lt=32)
    device_id: String = column(2, "Device", matches=r"imu-\d+", reason="BAD_DEVICE")
    patient_id: String = column(3, "Patient", pii="pseudonym")
    name: String = column(4, "Name", pii="direct", nullable=True)
    ts: Timestamp = column(5, "Time")
    seq: Int64 = column(6, "Counter", ge=0)
    lowest: Float32 = column(7, "Lowest", unit="g", ge=-32, le=32, reason="TOO_FAR", nullable=True)
    highest: Float32 = column(8, "Highest", unit="g", ge=-32, le=32, reason="TOO_FAR", nullable=True)
    kind: String = column(9, "Kind", isin=["a", "b"], reason="BAD_KIND")


@table(
    name="days",
    namespace="curated",
    grain="one row per patient and day",
    key=("patient_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
)
class Days(Contract):
    """A patient's days."""

    day: Date = column(1, "Day")
    patient_id: String = column(2, "Patient", pii="pseudonym")
    steps: Int64 = column(3, "Steps", unit="1", ge=0, nullable=True)


def readings(key: str, bucket: int = 1, rows: int = 20, seed: int = 0, **replaced: object) -> pa.Table:
    """Return good rows of one hour and bucket, with columns replaced on request."""
    start = window_of(key)[0]
    rng = np.random.default_rng(seed + bucket)
    low = rng.uniform(-1, 0, rows).astype(np.float32)
    columns: dict[str, object] = {
        "device_bucket": [bucket] * rows,
        "device_id": [f"imu-{bucket}"] * rows,
        "patient_id": ["pt-1"] * rows,
        "name": ["Ada Example"] * rows,
        "ts": [start + dt.timedelta(seconds=i) for i in range(rows)],
        "seq": list(range(rows)),
        "lowest": low,
        "highest": low + 1,
        "kind": ["a"] * rows,
    }
    return conform(Readings, {**columns, **replaced})


def days(key: str, patients: int = 3) -> pa.Table:
    """Return good rows of one day."""
    return conform(
        Days,
        {
            "day": [dt.date.fromisoformat(key)] * patients,
            "patient_id": [f"pt-{i}" for i in range(patients)],
            "steps": [100 * i for i in range(patients)],
        },
    )
