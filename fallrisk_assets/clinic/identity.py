"""Who is who: the patients of a day, and which device was worn by whom and when.

Here: plain questions to the tables of the clinic, answered from any number of snapshots in any order. Not
here: judging the lines of the clinic's files (`intake.py`), the lake (`assets.py`), which samples follow
(`telemetry/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.clinic.csv_file import microseconds
from fallrisk_assets.contract import arrow_schema

FOREVER_US = microseconds(datetime(9999, 12, 31, tzinfo=UTC))
"""`to_us` of an assignment that still lasts."""

_NEVER_CORRECTED = datetime(1, 1, 1, tzinfo=UTC)


def current_patients(snapshots: pa.Table, as_of: date) -> pa.Table:
    """Return the newest row of each patient on a day.

    A patient whose line was refused, or is absent from a later file, keeps the row received before: absence
    from a file is no discharge. Where a newer row of another patient carries the same wearable id, the
    older row loses it.

    Args:
        snapshots: `Patients` rows of any number of days, in any order.
        as_of: the last snapshot day that counts.

    Returns:
        A `Patients` table, one row per patient, sorted by `patient_id`.
    """
    rows = snapshots.filter(pc.less_equal(snapshots["snapshot_date"], pa.scalar(as_of, pa.date32())))
    newest: dict[str, dict[str, Any]] = {}
    for row in rows.sort_by("snapshot_date").to_pylist():
        newest[row["patient_id"]] = row
    holder: dict[str, dict[str, Any]] = {}
    for row in sorted(newest.values(), key=lambda row: (str(row["snapshot_date"]), str(row["patient_id"]))):
        wearable = row["wearable_patient_id"]
        if wearable is None:
            continue
        if str(wearable) in holder:
            holder[str(wearable)]["wearable_patient_id"] = None
        holder[str(wearable)] = row
    ordered = [newest[patient_id] for patient_id in sorted(newest)]
    return pa.Table.from_pylist(ordered, schema=arrow_schema(Patients))


@dataclass(frozen=True, order=True)
class Assignment:
    """A patient wears a device during `[from_us, to_us)`, in microseconds since 1970 UTC.

    Attributes:
        patient_id: the wearables' id (`pt-42`).
        from_us: first microsecond.
        to_us: first microsecond after; `FOREVER_US` while it lasts.
        position: where on the body.
    """

    patient_id: str
    from_us: int
    to_us: int
    position: str


def resolve_assignments(rows: pa.Table) -> dict[str, list[Assignment]]:
    """Resolve corrections into who wore each device at every instant.

    Of rows with the same device and start the one corrected last replaces the others; where the rest
    overlap, the later correction holds. Between equal corrections the later snapshot holds, then the later
    start. So the result depends on the set of rows only, not on their order.

    Args:
        rows: `DeviceAssignment` rows of one or several snapshots, in any order.

    Returns:
        For each device its assignments, sorted by `from_us`, disjoint, `[from_us, to_us)`, neighbours of
        the same patient and position merged. A device whose assignments are all void is absent.
    """
    latest: dict[tuple[str, int], tuple[tuple[object, ...], Assignment]] = {}
    columns = (
        "device_id",
        "patient_id",
        "valid_from",
        "valid_to",
        "position",
        "corrected_at",
        "snapshot_date",
    )
    for row in rows.select(columns).to_pylist():
        from_us, to_us = interval_us(row)
        candidate = Assignment(row["patient_id"], from_us, to_us, row["position"])
        rank = (row["corrected_at"] or _NEVER_CORRECTED, row["snapshot_date"], from_us, candidate)
        key = (row["device_id"], from_us)
        if key not in latest or latest[key][0] < rank:
            latest[key] = (rank, candidate)
    by_device: dict[str, list[tuple[tuple[object, ...], Assignment]]] = {}
    for (device_id, _), ranked in latest.items():
        by_device.setdefault(device_id, []).append(ranked)
    resolved = {device: _paint([one for _, one in sorted(by_device[device])]) for device in sorted(by_device)}
    return {device: intervals for device, intervals in resolved.items() if intervals}


def _paint(by_rank: Sequence[Assignment]) -> list[Assignment]:
    """Lay intervals over each other, the last on top, and return what can be seen."""
    visible: list[Assignment] = []
    for top in by_rank:
        if top.from_us == top.to_us:
            continue
        cut: list[Assignment] = []
        for below in visible:
            if below.from_us < top.from_us:
                cut.append(
                    Assignment(below.patient_id, below.from_us, min(below.to_us, top.from_us), below.position)
                )
            if below.to_us > top.to_us:
                cut.append(
                    Assignment(below.patient_id, max(below.from_us, top.to_us), below.to_us, below.position)
                )
        visible = sorted([*cut, top], key=lambda one: one.from_us)
    merged: list[Assignment] = []
    for one in visible:
        last = merged[-1] if merged else None
        if last and (last.to_us, last.patient_id, last.position) == (
            one.from_us,
            one.patient_id,
            one.position,
        ):
            merged[-1] = Assignment(last.patient_id, last.from_us, one.to_us, last.position)
        else:
            merged.append(one)
    return merged


def interval_us(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return `[from, to)` of an assignment's row in microseconds since 1970 UTC."""
    valid_to = row["valid_to"]
    return microseconds(row["valid_from"]), FOREVER_US if valid_to is None else microseconds(valid_to)
