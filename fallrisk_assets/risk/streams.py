"""Drops and truth files of a simulated cohort, read as streams for the evaluation.

Plain on purpose: it shares no code with the ingestion whose output the detector sees in production.
"""

import csv
import datetime as dt
import gzip
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True, slots=True)
class Stream:
    """All samples of one device on one patient, in time order."""

    device_id: str
    patient_id: str
    position: str
    ts_us: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray


Key = tuple[str, str, str]
_PARQUET_COLUMNS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _microseconds(text: str) -> int:
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _lines(path: Path) -> dict[Key, list[np.ndarray]]:
    """Samples of a JSON Lines drop as rows (time in us, six values)."""
    rows: dict[Key, list[tuple[float, ...]]] = defaultdict(list)
    with gzip.open(path, "rt") as lines:
        for line in lines:
            m = json.loads(line)
            a, g, about = m["accel"], m.get("gyro"), m["meta"]
            ts = m["ts"] * 1000 if isinstance(m["ts"], int) else _microseconds(m["ts"])
            turn = (g["x"], g["y"], g["z"]) if g else (np.nan, np.nan, np.nan)
            rows[m["deviceId"], m["patientId"], about["position"]].append((ts, a["x"], a["y"], a["z"], *turn))
    return {key: [np.array(values, np.float64)] for key, values in rows.items()}


def _parquet(path: Path) -> dict[Key, list[np.ndarray]]:
    """Samples of a Parquet drop, as :func:`_lines`; a drop holds one device."""
    table = pq.read_table(path)
    ts = table["ts"]
    if pa.types.is_timestamp(ts.type):
        time_us = ts.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    elif pa.types.is_integer(ts.type):
        time_us = ts.to_numpy() * 1000
    else:
        time_us = np.array([_microseconds(t) for t in ts.to_pylist()], np.int64)
    values = np.full((len(time_us), 7), np.nan)
    values[:, 0] = time_us
    for k, name in enumerate(_PARQUET_COLUMNS):
        if name in table.column_names:
            values[:, 1 + k] = table[name].to_numpy()
    owners = table.select(["deviceId", "patientId", "position"]).to_pandas()
    return {
        tuple(map(str, key)): [values[rows]]  # type: ignore[misc]
        for key, rows in owners.groupby(["deviceId", "patientId", "position"]).indices.items()
    }


def read_drops(folder: Path) -> list[Stream]:
    """Read telemetry drops (`.jsonl.gz`, `.parquet`) below a folder as streams.

    Of samples with one time the first holds. Drops with faults are not for this reader.

    Raises:
        KeyError, ValueError: a line that no healthy device sends.
    """
    pieces: dict[Key, list[np.ndarray]] = defaultdict(list)
    for path in sorted(folder.rglob("telemetry/*")):
        if path.name.endswith((".jsonl.gz", ".parquet")):
            found = _lines(path) if path.name.endswith(".jsonl.gz") else _parquet(path)
            for key, arrays in found.items():
                pieces[key] += arrays
    streams = []
    for (device, patient, position), arrays in sorted(pieces.items()):
        rows = np.concatenate(arrays)
        # Microseconds since the epoch stay exact in float64 until the year 2255.
        times, first = np.unique(rows[:, 0].astype(np.int64), return_index=True)
        values = rows[first, 1:].astype(np.float32)
        accel, gyro = np.ascontiguousarray(values[:, :3]), np.ascontiguousarray(values[:, 3:])
        streams.append(Stream(device, patient, position, times, accel, gyro))
    return streams


def read_truth(
    folder: Path,
) -> tuple[dict[str, list[tuple[int, str]]], dict[str, list[tuple[int, int, str]]]]:
    """Read the simulator's `falls.csv` and `activities.csv` found below a folder.

    Returns:
        device → (impact_us, kind) of its falls, the onset where no impact is labelled;
        device → (start_us, end_us, activity), `[start, end)`.
    """
    falls: dict[str, list[tuple[int, str]]] = defaultdict(list)
    activities: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for path in sorted(folder.rglob("falls.csv")):
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                falls[row["device_id"]].append(
                    (_microseconds(row["impact_at"] or row["onset_at"]), row["kind"])
                )
    for path in sorted(folder.rglob("activities.csv")):
        with path.open(newline="") as lines:
            for row in csv.DictReader(lines):
                span = _microseconds(row["start"]), _microseconds(row["end"])
                activities[row["device_id"]].append((*span, row["activity"]))
    return dict(falls), dict(activities)


def activity_at(spans: Sequence[tuple[int, int, str]], moment_us: int) -> str:
    """The activity of a moment, of several the one that is listed last; "unlabelled" without any."""
    names = [name for start, end, name in spans if start <= moment_us < end]
    return names[-1] if names else "unlabelled"
