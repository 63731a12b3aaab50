"""Dimensions of the warehouse: patients and devices with their history, sites.

Here: which attributes each dimension tracks and where a version begins. Not here: the fold itself
(`history.py`), days (`calendar.py`), facts (`facts.py`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.clinic.snapshots import changes
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.contract import DimDevice, DimPatient, DimSite
from fallrisk_assets.warehouse.history import (
    Observation,
    Version,
    by_member,
    fold,
    midnight,
    natural_key,
    validity,
)

AGE_LIMITS = ((18, "Under 18"), (35, "18-34"), (50, "35-49"), (65, "50-64"))
"""First age that no longer belongs to the group."""
OLDEST_GROUP = "65+"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRACKED = (
    "wearable_patient_id",
    "site_id",
    "gender",
    "birth_date",
    "has_insurance",
    "registration_date",
    "time_zone",
    "expected_wear_hours",
    "falls_past_12_months",
    "walking_aid",
    "gait_problem",
    "vertigo",
    "fear_of_falling",
    "parkinsons_disease",
    "medicine_count",
    "living_alone",
)


def birthday(birth_date: date, age: int) -> date:
    """Return the day on which somebody reaches an age; born on 29 February, on 1 March of common years."""
    try:
        return birth_date.replace(year=birth_date.year + age)
    except ValueError:
        return date(birth_date.year + age, 3, 1)


def age_group(birth_date: date, on: date) -> str:
    """Return the age group on a day: 18 is "18-34", 65 is "65+"."""
    return next((group for limit, group in AGE_LIMITS if on < birthday(birth_date, limit)), OLDEST_GROUP)


def patient_versions(snapshots: pa.Table, horizon: date) -> list[Version]:
    """Fold all snapshots of the patients into versions.

    A patient's first version begins with the registration (or the first snapshot, if that is earlier). A
    birthday into another age group begins a version. A patient absent from a later snapshot stays as he
    was.

    Args:
        snapshots: `Patients` rows of any number of days, in any order.
        horizon: last day up to which birthdays are looked at; at least the newest snapshot.

    Returns:
        Versions by clinic id, with the tracked attributes and `age_group`.
    """
    newest = pc.max(snapshots["snapshot_date"]).as_py()
    horizon = horizon if newest is None else max(horizon, newest)
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for row in changes(snapshots, "patient_id", "snapshot_date", _TRACKED).to_pylist():
        by_patient.setdefault(row["patient_id"], []).append(row)
    observations: list[Observation] = []
    for patient_id, rows in by_patient.items():
        starts = [row["snapshot_date"] for row in rows]
        starts[0] = min(starts[0], rows[0]["registration_date"])
        for row, start, end in zip(rows, starts, [*starts[1:], None], strict=True):
            last = horizon if end is None else end - timedelta(days=1)
            birthdays = (birthday(row["birth_date"], limit) for limit, _ in AGE_LIMITS)
            for begin in sorted({start, *(day for day in birthdays if start < day <= last)}):
                attributes = {name: row[name] for name in _TRACKED}
                attributes["age_group"] = age_group(row["birth_date"], begin)
                observations.append(Observation(patient_id, midnight(begin), attributes))
    return fold(observations)


def dim_patient(versions: Iterable[Version]) -> pa.Table:
    """Return the `DimPatient` rows of folded versions."""
    rows = []
    for version in versions:
        shown = {k: v for k, v in version.attributes.items() if k != "birth_date"}
        rows.append(
            {
                **shown,
                **validity(version, "patient_version_key"),
                "patient_key": natural_key(version.member),
                "patient_id": version.member,
                "site_key": natural_key(version.attributes["site_id"]),
                "birth_year": version.attributes["birth_date"].year,
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimPatient))


class Wearers:
    """Who is meant by a wearable id at an instant: the bridge from the wearables' world to the clinic's.

    Args:
        versions: folded patient versions.
    """

    def __init__(self, versions: Iterable[Version]) -> None:
        self._holders: dict[str, list[Version]] = {}
        for version in versions:
            if (wearable := version.attributes["wearable_patient_id"]) is not None:
                self._holders.setdefault(wearable, []).append(version)
        for held in self._holders.values():
            held.sort(key=lambda version: (version.valid_from, version.member))

    def patient_id(self, wearable_patient_id: str | None, instant: datetime) -> str | None:
        """Return the clinic's id, or None if nobody had that wearable id then.

        Where two patients carry one id at once, the one who got it last is meant.
        """
        holding = [
            version
            for version in self._holders.get(wearable_patient_id or "", ())
            if version.valid_from <= instant and (version.valid_to is None or instant < version.valid_to)
        ]
        return holding[-1].member if holding else None

    def patient_key(self, wearable_patient_id: str | None, instant: datetime) -> int | None:
        """Return the hash of the clinic's id, or None if nobody had that wearable id then."""
        patient_id = self.patient_id(wearable_patient_id, instant)
        return None if patient_id is None else natural_key(patient_id)


def dim_site(snapshots: pa.Table) -> pa.Table:
    """Return the `DimSite` rows; a site's zone is the commonest in the newest snapshot that names it."""
    rows = snapshots.select(["site_id", "snapshot_date", "time_zone"])
    days = rows.group_by("site_id").aggregate([("snapshot_date", "min"), ("snapshot_date", "max")])
    seen = {row["site_id"]: row for row in days.to_pylist()}
    zones: dict[str, dict[str, int]] = {site: {} for site in seen}
    counted = rows.group_by(["site_id", "snapshot_date", "time_zone"]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        site = row["site_id"]
        if row["snapshot_date"] == seen[site]["snapshot_date_max"]:
            zones[site][row["time_zone"]] = row["count_all"]
    sites = [
        {
            "site_key": natural_key(site),
            "site_id": site,
            "time_zone": min(zones[site], key=lambda zone: (-zones[site][zone], zone)),
            "first_seen": seen[site]["snapshot_date_min"],
        }
        for site in sorted(seen)
    ]
    return pa.Table.from_pylist(sites, schema=arrow_schema(DimSite))


@dataclass(frozen=True)
class FirmwareSeen:
    """A device reported a firmware from an instant on."""

    device_id: str
    since: datetime
    firmware: str


def firmware_seen(device_days: Iterable[Mapping[str, Any]]) -> list[FirmwareSeen]:
    """Return every change of firmware that device-days tell.

    Args:
        device_days: `FactDeviceDay` rows of any number of days: device_id, firmware_changes, firmware and
            firmware_since. Days published before changes were told tell their last firmware only.
    """
    seen = []
    for row in device_days:
        device_id = row["device_id"]
        if row["firmware_changes"] is not None:
            told = json.loads(row["firmware_changes"])
            seen += [FirmwareSeen(device_id, datetime.fromisoformat(at), firmware) for at, firmware in told]
        elif row["firmware_since"] is not None:
            seen.append(FirmwareSeen(device_id, row["firmware_since"].astimezone(UTC), row["firmware"]))
    return seen


def device_versions(
    assignments: Mapping[str, Sequence[Assignment]], firmware: Iterable[FirmwareSeen]
) -> list[Version]:
    """Fold assignments and reported firmware into versions of the devices.

    Args:
        assignments: disjoint intervals by device (`clinic.identity.resolve_assignments`).
        firmware: reports of any number of days, in any order.

    Returns:
        Versions by device with wearable_patient_id, position (both None while nobody is assigned) and
        firmware (None before the first report).
    """
    reports: dict[str, list[Version]] = by_member(
        fold(Observation(seen.device_id, seen.since, {"firmware": seen.firmware}) for seen in firmware)
    )
    observations: list[Observation] = []
    for device_id in sorted({*assignments, *reports}):
        worn = list(_wear_steps(assignments.get(device_id, ())))
        sent = [(one.valid_from, one.attributes["firmware"]) for one in reports.get(device_id, ())]
        for instant in sorted({at for at, _, _ in worn} | {at for at, _ in sent}):
            patient_id, position = next(
                ((p, q) for at, p, q in reversed(worn) if at <= instant), (None, None)
            )
            version = next((f for at, f in reversed(sent) if at <= instant), None)
            attributes = {"wearable_patient_id": patient_id, "position": position, "firmware": version}
            observations.append(Observation(device_id, instant, attributes))
    return fold(observations)


def _wear_steps(intervals: Sequence[Assignment]) -> Iterator[tuple[datetime, str | None, str | None]]:
    """Yield each instant at which the wearer may change, with who wears it from then on."""
    for at, one in enumerate(intervals):
        yield instant_of(one.from_us), one.patient_id, one.position
        followed = at + 1 < len(intervals) and intervals[at + 1].from_us == one.to_us
        if one.to_us != FOREVER_US and not followed:
            yield instant_of(one.to_us), None, None


def instant_of(us: int) -> datetime:
    """Return the UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def dim_device(versions: Iterable[Version], wearers: Wearers) -> pa.Table:
    """Return the `DimDevice` rows of folded versions."""
    rows = [
        {
            **version.attributes,
            **validity(version, "device_version_key"),
            "device_key": natural_key(version.member),
            "device_id": version.member,
            "patient_key": wearers.patient_key(version.attributes["wearable_patient_id"], version.valid_from),
        }
        for version in versions
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(DimDevice))
