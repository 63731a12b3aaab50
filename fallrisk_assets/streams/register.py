"""The device register of a day, from registry events, assignments, coverage and what the gateway heard.

What belongs here: a pure function of those. What does not: reading them (`assets.py`).
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.contract import conform
from fallrisk_assets.streams.contract import CONNECTIONS, Devices
from fallrisk_assets.streams.registry import DeviceEntry

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass
class Heard:
    """What the gateway heard of a device: its last state, and what was refused on the day."""

    connection: str | None = None
    connection_at: datetime | None = None
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def read_gateway_events(
    files: Iterable[tuple[str, bytes]], start: datetime, end: datetime
) -> tuple[dict[str, Heard], list[str]]:
    """Read the gateway's event files.

    Args:
        files: Key and content of each.
        start: Start of the day, UTC: refusals count from here.
        end: Its exclusive end: nothing after it counts.

    Returns:
        What was heard by device, and what is wrong with lines that cannot be read.
    """
    heard: dict[str, Heard] = defaultdict(Heard)
    problems = []
    for key, content in files:
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                told = json.loads(line)
                at, device, kind = datetime.fromisoformat(told["at"]), str(told["device_id"]), told["event"]
                if at >= end:
                    continue
                if kind == "state":
                    _note_state(heard[device], told["state"], at)
                elif kind == "refused" and at >= start:
                    heard[device].refused[str(told["reason"])] += int(told["messages"])
            except (ValueError, TypeError, KeyError) as unread:
                problems.append(f"{key} line {number}: {unread!r}")
    return {device: h for device, h in heard.items() if device}, problems


def _note_state(heard: Heard, state: str, at: datetime) -> None:
    if state not in CONNECTIONS:
        raise ValueError(f"state {state!r}")
    if heard.connection_at is None or (at, state) > (heard.connection_at, heard.connection or ""):
        heard.connection, heard.connection_at = state, at


def devices_table(
    day: date,
    entries: Mapping[str, DeviceEntry],
    assignments: Mapping[str, Sequence[Assignment]],
    coverage: pa.Table,
    heard: Mapping[str, Heard],
) -> pa.Table:
    """Return the register's rows.

    Args:
        day: The UTC day.
        entries: What the registry said at the day's end, as of `registry.entries`.
        assignments: As of `resolve_assignments`; those that begin after the day do not count.
        coverage: `device_hour_coverage` of the day; columns device_id, firmware, last_ts.
        heard: As of `read_gateway_events`. A name that neither registry, assignment nor sample knows is a
            row too: somebody tries to publish under it.

    Returns:
        Table in the schema of `Devices`, by device and stretch.
    """
    end_us = ((datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)) + (
        24 * 3_600_000_000
    )
    seen: dict[str, tuple[datetime, str | None]] = {}
    names = ("device_id", "firmware", "last_ts")
    for device, firmware, last in zip(*(coverage[name].to_pylist() for name in names), strict=True):
        if last is not None and (device not in seen or last > seen[device][0]):
            seen[device] = last, firmware
    known = {device: [a for a in of if a.from_us < end_us] for device, of in assignments.items()}
    worn = {device: of for device, of in known.items() if of}
    rows: list[dict[str, Any]] = []
    for device in sorted({*entries, *worn, *seen, *heard}):
        entry, told = entries.get(device), heard.get(device, Heard())
        last_seen, firmware = seen.get(device, (None, None))
        plain = {
            "day": day,
            "device_id": device,
            "registered_at": entry.registered_at if entry else None,
            "revoked_at": entry.revoked_at if entry else None,
            "certificate_sha256": (entry.certificate_sha256 or None) if entry else None,
            "config": (entry.config or None) if entry else None,
            "firmware": firmware,
            "last_seen_at": last_seen,
            "connection": told.connection,
            "connection_at": told.connection_at,
            "refused_messages": sum(told.refused.values()),
            "refused_for": json.dumps(dict(sorted(told.refused.items())), separators=(",", ":")),
        }
        stretches = [_stretch(number, one) for number, one in enumerate(worn.get(device, ()), start=1)]
        rows += [plain | stretch for stretch in stretches or [_NOBODY]]
    columns = {name: [row[name] for row in rows] for name in Devices.to_schema().columns}
    return conform(Devices, columns)


_NOBODY: dict[str, Any] = {
    "assignment_no": 0,
    "patient_id": None,
    "position": None,
    "assigned_from": None,
    "assigned_to": None,
}


def _stretch(number: int, one: Assignment) -> dict[str, Any]:
    return {
        "assignment_no": number,
        "patient_id": one.patient_id,
        "position": one.position,
        "assigned_from": _EPOCH + timedelta(microseconds=one.from_us),
        "assigned_to": None if one.to_us == FOREVER_US else _EPOCH + timedelta(microseconds=one.to_us),
    }
