"""A cleaned device-hour as rows of the published tables.

Here: arrays into columns. Not here: what is clean (`clean.py`), where rows go (`ingest.py`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import conform, empty_table
from fallrisk_assets.telemetry.clean import CleanedHour
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry, TelemetryQuarantine


def samples_table(cleaned: CleanedHour, bucket: int) -> pa.Table:
    """Return a cleaned hour as a `Telemetry` table; texts stay dictionary-coded until they are written."""
    n = cleaned.rows
    if n == 0:
        return empty_table(Telemetry)
    gyro = {}
    complete = bool(cleaned.has_gyro.all())
    for i, axis in enumerate("xyz"):
        values = np.ascontiguousarray(cleaned.gyro_dps[:, i])
        gyro[f"gyro_{axis}_dps"] = pa.array(values, mask=None if complete else ~cleaned.has_gyro)
    columns = {
        "device_bucket": pa.array(np.full(n, bucket, np.int32)),
        "device_id": _coded(np.zeros(n, np.int32), [cleaned.device_id]),
        "patient_id": _coded(cleaned.patient_code, cleaned.patients),
        "position": _coded(cleaned.position_code, cleaned.positions),
        "ts": pa.array(cleaned.ts_us).view(pa.timestamp("us", "UTC")),
        "boot": pa.array(cleaned.boot),
        "seq": pa.array(cleaned.seq),
        **{
            f"accel_{a}_g": pa.array(np.ascontiguousarray(cleaned.accel_g[:, i])) for i, a in enumerate("xyz")
        },
        **gyro,
    }
    return pa.table(columns)


def quarantine_table(cleaned: CleanedHour, bucket: int, payloads: Mapping[tuple[int, int], str]) -> pa.Table:
    """Return a cleaned hour's refused lines as a `TelemetryQuarantine` table."""
    refused = cleaned.quarantine
    n = len(refused.line_number)
    if n == 0:
        return empty_table(TelemetryQuarantine)
    at = list(zip(refused.drop_index.tolist(), refused.line_number.tolist(), strict=True))
    return conform(
        TelemetryQuarantine,
        {
            "device_bucket": np.full(n, bucket, np.int32),
            "quarantine_hour": np.full(n, cleaned.hour_start_us),
            "drop_key": _coded(refused.drop_index, cleaned.drop_keys).cast(pa.string()),
            "line_number": refused.line_number.astype(np.int64),
            "reason": [refused.findings[i][0].value for i in refused.finding.tolist()],
            "detail": [refused.findings[i][1] for i in refused.finding.tolist()],
            "payload": [
                text if text is not None else payloads.get(where)
                for text, where in zip(refused.payload, at, strict=True)
            ],
            "device_id": [cleaned.device_id] * n,
            "patient_id": [p or None for p in refused.patient],
        },
    )


def _coded(codes: np.ndarray, words: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), pa.array(words, pa.string()))


def coverage_table(rows: Sequence[Mapping], bucket: int) -> pa.Table:
    """Return coverage rows of one device-hour as a `DeviceHourCoverage` table."""
    if not rows:
        return empty_table(DeviceHourCoverage)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return conform(DeviceHourCoverage, {"device_bucket": [bucket] * len(rows), **columns})
