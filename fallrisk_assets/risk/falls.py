"""Samples of one device and hour, judged by the detector: rows of `curated.fall_events`.

Here: who wore the device, whose hour a decision belongs to, and ids. Not here: how a fall is found
(`detector.py`), and reading from the lake (`assets.py`).
"""

import uuid
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import conform, empty_table
from fallrisk_assets.partitions import device_bucket
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.detector import FallEvent, FallModel, detect_falls

#: Namespace of event ids: uuid5 of the project's name for them.
EVENT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://fallrisk-assets/fall_events")
SAMPLE_COLUMNS = [
    "device_id",
    "patient_id",
    "position",
    "ts",
    *(f"accel_{axis}_g" for axis in "xyz"),
    *(f"gyro_{axis}_dps" for axis in "xyz"),
]


def event_id(device_id: str, impact_us: int) -> str:
    """Id of a fall: same device and impact (to the millisecond), same event, however often computed."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{device_id}|{impact_us // 1000}"))


def _one(values: pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)


def _numbers(rows: pa.Table, names: list[str]) -> np.ndarray:
    """Columns as (n, 3) float32 (memory column by column), nulls as NaN."""
    out = np.empty((3, rows.num_rows), np.float32)
    for k, name in enumerate(names):
        out[k] = _one(rows[name]).to_numpy(zero_copy_only=False)
    return out.T


def _codes(rows: pa.Table, name: str) -> tuple[np.ndarray, list[str]]:
    values = _one(rows[name])
    encoded = values if pa.types.is_dictionary(values.type) else pc.dictionary_encode(values)
    return encoded.indices.to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()


def _stretches(patient: np.ndarray, position: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of rows with one wearer and one position."""
    if len(patient) == 0:
        return
    changed = (np.diff(patient) != 0) | (np.diff(position) != 0)
    edges = np.concatenate([[0], np.flatnonzero(changed) + 1, [len(patient)]])
    yield from zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)


def device_falls(
    rows: pa.Table, model: FallModel, hour_start_us: int, hour_end_us: int, *, final: bool = True
) -> tuple[pa.Table, list[tuple[FallEvent, np.ndarray, np.ndarray]]]:
    """Falls of one device that were decided in an hour.

    Args:
        rows: `SAMPLE_COLUMNS` of one device: the hour, and the last `LOOKBACK_S` of the hour before.
        model: The detector's numbers.
        hour_start_us: Start of the hour, microseconds since the epoch.
        hour_end_us: Its exclusive end.
        final: Whether all samples of the hour are there. If not, nothing is decided beyond the last one: a
            decision that later samples could revoke is no decision.

    Returns:
        Rows of `FallEvents` by time, and for each the event with time (s from impact) and norm (g) around it.
    """
    if rows.num_rows == 0:
        return empty_table(FallEvents), []
    device = rows["device_id"][0].as_py()
    ts = _one(rows["ts"]).cast(pa.int64()).to_numpy(zero_copy_only=False)
    patient, patients = _codes(rows, "patient_id")
    position, positions = _codes(rows, "position")
    accel = _numbers(rows, [f"accel_{axis}_g" for axis in "xyz"])
    gyro = _numbers(rows, [f"gyro_{axis}_dps" for axis in "xyz"])
    if not (ts[1:] > ts[:-1]).all():
        # A restarted device can repeat a time: the sample that came first holds.
        ts, keep = np.unique(ts, return_index=True)
        patient, position, accel, gyro = patient[keep], position[keep], accel[keep], gyro[keep]
    end_us = hour_end_us if final else min(hour_end_us, int(ts[-1]) + 1)
    found: list[tuple[str, str, FallEvent]] = []
    around: list[tuple[FallEvent, np.ndarray, np.ndarray]] = []
    for a, b in _stretches(patient, position):
        where = positions[position[a]]
        for event in detect_falls(ts[a:b], accel[a:b], gyro[a:b], where, model, hour_start_us, end_us):
            found.append((patients[patient[a]], where, event))
            lo, hi = np.searchsorted(
                ts[a:b], (event.impact_us - 5_000_000, event.impact_us + 5_000_000)
            ) + np.int64(a)
            norm = np.sqrt((accel[lo:hi].astype(np.float64) ** 2).sum(axis=1))
            around.append((event, (ts[lo:hi] - event.impact_us) * 1e-6, norm))
    return _table(device, found, model.version), around


def _table(device: str, found: list[tuple[str, str, FallEvent]], version: str) -> pa.Table:
    n = len(found)
    events = [e for _, _, e in found]
    return conform(
        FallEvents,
        {
            "device_bucket": [device_bucket(device)] * n,
            "event_id": [event_id(device, e.impact_us) for e in events],
            "device_id": [device] * n,
            "patient_id": [patient for patient, _, _ in found],
            "position": [where for _, where, _ in found],
            "impact_at": pa.array([e.impact_us for e in events], pa.int64()).cast(pa.timestamp("us", "UTC")),
            "decided_at": pa.array([e.decided_us for e in events], pa.int64()).cast(
                pa.timestamp("us", "UTC")
            ),
            "probability": [e.probability for e in events],
            "peak_g": [e.peak_g for e in events],
            "free_fall_s": [e.free_fall_s for e in events],
            "posture_change_deg": [e.posture_change_deg for e in events],
            "stillness_s": [e.stillness_s for e in events],
            "recovered": [e.recovered for e in events],
            "model_version": [version] * n,
        },
    )
