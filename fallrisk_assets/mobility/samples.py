"""Samples of one device as arrays, the form in which every kernel of this domain reads them.

Here: the container, its construction from rows of `clean.telemetry`, and slicing. Not here: windows
(`windows.py`), features (`features.py`), or any reading from the lake (`assets.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class Wearer:
    """Who wears a device, and where on the body."""

    patient_id: str
    position: str


@dataclass(frozen=True, slots=True)
class DeviceSamples:
    """Samples of one device, in order of time.

    Attributes:
        device_id: The device.
        time_us: Microseconds since the epoch, UTC, strictly increasing, int64 of shape (n,).
        boot: Count of restarts, int32 of shape (n,).
        wearer: Index into `wearers`, int32 of shape (n,).
        wearers: Who wore it, and where.
        accel_g: Acceleration in g, float32 of shape (3, n); finite.
        gyro_dps: Angular velocity in deg/s, float32 of shape (3, n), not a number where the device sent none;
            None where it never did.
    """

    device_id: str
    time_us: np.ndarray
    boot: np.ndarray
    wearer: np.ndarray
    wearers: tuple[Wearer, ...]
    accel_g: np.ndarray
    gyro_dps: np.ndarray | None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.time_us)

    def between(self, start_us: int, end_us: int) -> "DeviceSamples":
        """Return the samples in `[start_us, end_us)` as views."""
        lo, hi = np.searchsorted(self.time_us, (start_us, end_us))
        return DeviceSamples(
            self.device_id,
            self.time_us[lo:hi],
            self.boot[lo:hi],
            self.wearer[lo:hi],
            self.wearers,
            self.accel_g[:, lo:hi],
            None if self.gyro_dps is None else self.gyro_dps[:, lo:hi],
        )


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """Return a numeric column as one contiguous array, nulls as not a number."""
    column = table[name]
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    return array.to_numpy(zero_copy_only=False)


def _codes(table: pa.Table, name: str) -> tuple[np.ndarray, list[str]]:
    """Return a text column as integer codes and the texts that they stand for."""
    column = table[name]
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if pa.types.is_dictionary(array.type):
        codes = array.indices.to_numpy(zero_copy_only=False)
        words = array.dictionary.to_pylist()
        used = np.bincount(codes, minlength=len(words)) > 0
        if not used.all():  # a slice keeps the words of the whole
            codes = (np.cumsum(used, dtype=np.int32) - 1)[codes]
            words = [word for word, is_used in zip(words, used, strict=True) if is_used]
        return codes, words
    # Neighbours are nearly always equal: runs cost a quarter of a dictionary.
    runs = pc.run_end_encode(array)
    encoded = runs.values.dictionary_encode()
    lengths = np.diff(runs.run_ends.to_numpy(), prepend=0)
    codes = np.repeat(encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32), lengths)
    return codes, encoded.dictionary.to_pylist()


def _microseconds(table: pa.Table, name: str) -> np.ndarray:
    column = table[name]
    return np.asarray(pc.cast(column, pa.int64()).to_numpy())


def device_samples(rows: pa.Table) -> DeviceSamples:
    """Return rows of one device of `clean.telemetry` as arrays.

    Args:
        rows: At least one row, all of one device; sorted by time or not. Of several samples at one time the
            first stays.

    Raises:
        ValueError: no rows, more than one device, or an acceleration that is not finite.
    """
    if rows.num_rows == 0:
        raise ValueError("no rows: an absent device has no samples to convert")
    _, devices = _codes(rows, "device_id")
    if len(devices) != 1:
        raise ValueError(f"rows of several devices: {sorted(devices)[:3]}; split them by device first")
    patient, patients = _codes(rows, "patient_id")
    position, positions = _codes(rows, "position")
    if len(patients) == len(positions) == 1:
        wearers: tuple[Wearer, ...] = (Wearer(patients[0], positions[0]),)
        wearer = np.zeros(rows.num_rows, np.int32)
    else:
        pairs, codes = np.unique(patient * len(positions) + position, return_inverse=True)
        wearers = tuple(Wearer(patients[p // len(positions)], positions[p % len(positions)]) for p in pairs)
        wearer = codes.astype(np.int32)
    time_us = _microseconds(rows, "ts")
    boot = _numbers(rows, "boot").astype(np.int32)
    accel = np.stack([_numbers(rows, f"accel_{axis}_g").astype(np.float32, copy=False) for axis in "xyz"])
    gyro = None
    if any(rows[f"gyro_{axis}_dps"].null_count < rows.num_rows for axis in "xyz"):
        gyro = np.stack([_numbers(rows, f"gyro_{axis}_dps").astype(np.float32, copy=False) for axis in "xyz"])
    steps = np.diff(time_us)
    if (steps < 0).any():
        order = np.argsort(time_us, kind="stable")
        time_us, boot, wearer = time_us[order], boot[order], wearer[order]
        accel = accel[:, order]
        gyro = None if gyro is None else gyro[:, order]
        steps = np.diff(time_us)
    if (steps == 0).any():  # a restarted device counts anew and may repeat a time: the first sample stands
        first = np.concatenate([[True], steps > 0])
        time_us, boot, wearer = time_us[first], boot[first], wearer[first]
        accel = accel[:, first]
        gyro = None if gyro is None else gyro[:, first]
    if not np.isfinite(accel.sum(dtype=np.float64)):
        raise ValueError(
            f"{devices[0]}: an acceleration is not finite; the contract of clean telemetry is broken"
        )
    return DeviceSamples(devices[0], time_us, boot, wearer, wearers, accel, gyro)


def split_devices(rows: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows of each device in order of device id; rows need not be sorted.

    Rows sorted by device, as the lake keeps them, are sliced without a copy.
    """
    if rows.num_rows == 0:
        return
    codes, devices = _codes(rows, "device_id")
    edges = np.flatnonzero(np.diff(codes)) + 1
    if len(edges) + 1 != len(set(devices)):
        rows = rows.sort_by([("device_id", "ascending"), ("ts", "ascending")])
        codes, devices = _codes(rows, "device_id")
        edges = np.flatnonzero(np.diff(codes)) + 1
    starts = np.concatenate([[0], edges])
    ends = np.concatenate([edges, [len(codes)]])
    for i in np.argsort([devices[codes[s]] for s in starts], kind="stable"):
        yield rows.slice(int(starts[i]), int(ends[i] - starts[i]))
