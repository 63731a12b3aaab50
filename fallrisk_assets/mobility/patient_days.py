"""Which samples make up a patient's local day, and their fold into one row of gait.

Here: the plan (patients, devices, hours) from coverage, and the fold over devices. Not here: reading from the
lake (`assets.py`), gait itself (`gait.py`, `daily.py`).
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fallrisk_assets.mobility.daily import day_measures
from fallrisk_assets.mobility.gait import DeviceGait, device_gait
from fallrisk_assets.mobility.gait_config import POSITION_ORDER
from fallrisk_assets.mobility.gait_signal import GRID_HZ, DayGrid, add_samples, empty_grid
from fallrisk_assets.mobility.local_days import LocalDay, local_days_ending_in
from fallrisk_assets.mobility.samples import DeviceSamples, Wearer
from fallrisk_assets.partitions import hour_key

DEFAULT_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class DeviceHours:
    """Hours in which a patient wore a device, as hourly partition keys in order."""

    device_id: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatientDay:
    """A patient's local day and the devices that have samples in it, best position first."""

    patient_id: str
    day: LocalDay
    devices: tuple[DeviceHours, ...]


def patient_days(utc_day: dt.date, coverage: pa.Table, zones: Mapping[str, str]) -> list[PatientDay]:
    """Return the patient-days that end in a UTC day, by patient: for each as many as its zone ends there.

    Args:
        utc_day: The day.
        coverage: Rows of `device_hour_coverage` of the day and the day before: `patient_id`, `device_id`,
            `hour`, `clean_samples`, `position`.
        zones: IANA zone by patient; UTC for patients whom the clinic does not know.

    Raises:
        ValueError: a zone is unknown.
    """
    hours: dict[tuple[str, LocalDay], dict[str, set[str]]] = {}
    places: dict[tuple[str, LocalDay, str], int] = {}
    days: dict[str, tuple[LocalDay, ...]] = {}
    for row in coverage.select(["patient_id", "device_id", "hour", "clean_samples", "position"]).to_pylist():
        patient, device = row["patient_id"], row["device_id"]
        if not row["clean_samples"] or not patient:
            continue
        if patient not in days:
            days[patient] = local_days_ending_in(utc_day, zones.get(patient, DEFAULT_ZONE))
        for day in days[patient]:
            if row["hour"] < day.end and row["hour"] + dt.timedelta(hours=1) > day.start:
                hours.setdefault((patient, day), {}).setdefault(device, set()).add(hour_key(row["hour"]))
                rank = POSITION_ORDER.index(row["position"])
                places[patient, day, device] = min(rank, places.get((patient, day, device), rank))
    return [
        PatientDay(
            patient,
            day,
            tuple(
                DeviceHours(device, tuple(sorted(devices[device])))
                for device in sorted(devices, key=lambda d: (places[patient, day, d], d))
            ),
        )
        for (patient, day), devices in sorted(hours.items(), key=lambda item: (item[0][0], item[0][1].start))
    ]


def _worn_by(samples: DeviceSamples, patient_id: str) -> Iterable[tuple[str, DeviceSamples]]:
    """Yield position and samples for each position at which a patient wore the device."""
    for code, who in enumerate(samples.wearers):
        if who.patient_id != patient_id:
            continue
        mine = samples.wearer == code
        if mine.all():
            yield who.position, samples
        elif mine.any():
            yield (
                who.position,
                DeviceSamples(
                    samples.device_id,
                    samples.time_us[mine],
                    samples.boot[mine],
                    np.zeros(int(mine.sum()), np.int32),
                    (Wearer(patient_id, who.position),),
                    np.ascontiguousarray(samples.accel_g[:, mine]),
                    None if samples.gyro_dps is None else np.ascontiguousarray(samples.gyro_dps[:, mine]),
                ),
            )


def _without(grid: DayGrid, covered: np.ndarray) -> None:
    """Take the seconds out of a grid that a better device has covered."""
    points = np.repeat(covered, GRID_HZ)[: grid.accel_g.shape[1]]
    grid.accel_g[:, : len(points)][:, points] = np.nan
    grid.gyro_dps[:, : len(points)][:, points] = np.nan


def fold_patient_day(
    plan: PatientDay, read: Callable[[DeviceHours], Iterable[DeviceSamples]]
) -> dict[str, Any] | None:
    """Return the measures of a patient-day, or None where no sample lies in it.

    One device's day is in memory at a time. Of two devices worn in the same second, the one at the better
    position counts (`POSITION_ORDER`).

    Args:
        plan: Patient, day and devices.
        read: Returns a device's samples, hour by hour, of any patient who wore it.
    """
    day = plan.day
    covered = np.zeros((day.end_us - day.start_us) // 1_000_000 + 1, bool)
    results: list[DeviceGait] = []
    for hours in plan.devices:
        grids: dict[str, DayGrid] = {}
        for samples in read(hours):
            for position, part in _worn_by(samples, plan.patient_id):
                if len(part.between(day.start_us, day.end_us)):
                    if position not in grids:
                        grids[position] = empty_grid(day.start_us, day.end_us)
                    add_samples(grids[position], part)
        for position in sorted(grids, key=POSITION_ORDER.index):
            grid = grids.pop(position)
            if covered.any():
                _without(grid, covered)
            results.append(device_gait(grid, hours.device_id, position, day.nights_us()))
            seconds = grid.accel_g.shape[1] // GRID_HZ
            first_points = grid.accel_g[0, : seconds * GRID_HZ].reshape(seconds, GRID_HZ)
            covered[:seconds] |= ~np.isnan(first_points).all(axis=1)
    return day_measures(plan.patient_id, day, results) if results else None
