"""Drops: a device's samples as one file in the landing zone, named by receipt time, device and content.

What belongs here: names, compression, atomic writes, Parquet as an option. What does not: what is in the
samples.
"""

import hashlib
import io
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip

JSONL_GZ = "jsonl.gz"
PARQUET = "parquet"
FORMATS = (JSONL_GZ, PARQUET)
GZIP_LEVEL = 1


def stamp(epoch_s: int) -> str:
    """Receipt time as a drop name writes it, such as `20260105T070312Z`."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y%m%dT%H%M%SZ")


def iso_ms(epoch_ms: int) -> str:
    """Epoch milliseconds as ISO 8601 UTC with milliseconds."""
    return (
        datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        + f".{epoch_ms % 1000:03d}Z"
    )


def gzip_bytes(content: np.ndarray) -> bytes:
    """Compress with no time stamp inside, so that equal content gives equal bytes."""
    return igzip.compress(memoryview(content.data), GZIP_LEVEL, mtime=0)


def drop_name(received_s: int, device_id: str, content: bytes, extension: str = JSONL_GZ) -> str:
    """`<receivedAt>-<deviceId>-<sha8>.<extension>`; sha8 are 8 hex digits of the content's SHA-256."""
    return f"{stamp(received_s)}-{device_id}-{hashlib.sha256(content).hexdigest()[:8]}.{extension}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the final name under a hidden name, then rename: nobody sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_bytes(content)
    os.replace(hidden, path)


def put_drop(
    landing: Path, received_s: int, device_id: str, content: bytes, extension: str = JSONL_GZ
) -> str:
    """Write a drop under `<landing>/telemetry/` and return its key, relative to the landing zone."""
    key = f"telemetry/{drop_name(received_s, device_id, content, extension)}"
    write_atomically(landing / key, content)
    return key


PARQUET_SCHEMA = pa.schema(
    [
        ("deviceId", pa.string()),
        ("patientId", pa.string()),
        ("seq", pa.int64()),
        ("ts", pa.timestamp("ms", "UTC")),
        *((f"{sensor}_{axis}", pa.float32()) for sensor in ("accel", "gyro") for axis in "xyz"),
        ("fw", pa.string()),
        ("battery", pa.float32()),
        ("schemaVersion", pa.int32()),
        ("position", pa.string()),
        ("boot", pa.int32()),
    ]
)


def parquet_bytes(table: pa.Table) -> bytes:
    """Samples as a Parquet file (zstd, floats split by byte, ids as dictionaries)."""
    sink = io.BytesIO()
    words = ["deviceId", "patientId", "fw", "position"]
    pq.write_table(
        table.cast(PARQUET_SCHEMA),
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=words,
        use_byte_stream_split=[name for name in PARQUET_SCHEMA.names if name[-2:] in ("_x", "_y", "_z")],
    )
    return sink.getvalue()
