"""How each device does at the end of an hour.

Belongs here: the judgement on one hour from the coverage of the hours before. Does not belong here: whether
anybody is told (`rules`, `episodes`).

A silence is only a silence where the watermark has passed it: until then the samples may be on their way.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from fallrisk_assets.alerts.contract import DeviceStates
from fallrisk_assets.alerts.rules import DeviceLimits
from fallrisk_assets.contract import conform

HOUR = timedelta(hours=1)
LOOK_BACK_HOURS = 48
"""Hours of coverage that one hour's states are made of."""

FACTS = ("device_id", "patient_id", "hour", "received_lines", "wear_fraction", "battery_fraction")
"""What is known of a device's hour, here and in the coverage."""

_BED_HOUR = 22


@dataclass(frozen=True)
class Assigned:
    """A device on a patient in `[start, end)`; `end` None while it lasts."""

    device_id: str
    patient_id: str
    start: datetime
    end: datetime | None


@dataclass(frozen=True)
class ExpectedWear:
    """For how many hours a day the device should be worn; counted back from 22:00 local time.

    Attributes:
        time_zone: IANA zone of the patient.
        hours: hours a day, 0 to 24; 0: nobody expects that the device is worn. Where the clinic does not say,
            16: the waking day.
    """

    time_zone: str = "UTC"
    hours: float = 16.0

    def holds(self, hour: datetime) -> bool:
        """Whether the device should be worn in the UTC hour that starts at `hour`."""
        begin = max(0.0, _BED_HOUR - self.hours)
        return begin <= hour.astimezone(ZoneInfo(self.time_zone)).hour < begin + self.hours


@dataclass(frozen=True)
class _Hour:
    received: int
    wear: float | None
    battery: float | None


def watermark(coverage: pa.Table, end: datetime) -> datetime:
    """As-of time of a slice: min(its end, the newest watermark of the coverage).

    Args:
        coverage: rows with `hour` and `watermark_at`; hours at or after `end` do not count.
        end: end of the slice, UTC.

    Returns:
        The time up to which silence can be told from delay; the epoch when there is no coverage at all.
    """
    newest = datetime.fromtimestamp(0, end.tzinfo)
    pairs = zip(coverage["hour"].to_pylist(), coverage["watermark_at"].to_pylist(), strict=True)
    for hour, mark in pairs:
        if mark is not None and hour < end:
            newest = max(newest, mark)
    return min(end, newest)


def device_states(
    coverage: pa.Table,
    assigned: Iterable[Assigned],
    wear: Mapping[str, ExpectedWear],
    unregistered: Mapping[str, int],
    *,
    hour: datetime,
    as_of: datetime,
    limits: DeviceLimits | None = None,
) -> pa.Table:
    """Judge every device for one hour.

    Args:
        coverage: facts of the 48 hours up to and including `hour`, from `device_hour_coverage` or from
            `device_states` itself; other hours are ignored. Columns: `FACTS`.
        assigned: who wore what; everybody to whom a device was assigned at some time in the hour counts.
        wear: expected wear by wearable patient id; 16 hours a day in UTC for a patient that it does not know.
        unregistered: lines quarantined in the hour by id of the unknown device.
        hour: start of the hour, UTC.
        as_of: min(hour end, watermark).
        limits: thresholds.

    Returns:
        Table `device_states`, ordered by device and patient.
    """
    limits = limits or DeviceLimits()
    end = hour + HOUR
    as_of = max(hour, min(as_of, end))
    hours: dict[tuple[str, str], dict[datetime, _Hour]] = defaultdict(dict)
    for device, patient, at, received, worn, battery in zip(
        *(coverage[name].to_pylist() for name in FACTS), strict=True
    ):
        if end - LOOK_BACK_HOURS * HOUR <= at < end:
            hours[device, patient][at] = _Hour(received or 0, worn, battery)

    pairs: dict[tuple[str, str], Assigned] = {}
    for a in sorted(assigned, key=lambda a: (a.device_id, a.start, a.patient_id)):
        if a.start < end and (a.end is None or a.end > hour):
            pairs[a.device_id, a.patient_id] = a

    rows: list[dict] = []
    for device in set(unregistered) - {device for device, _ in pairs}:
        fact = _Hour(unregistered[device], None, None)
        judged = ("UNREGISTERED", hour, f"{fact.received} lines of a device that the registry does not know")
        rows.append(_row(device, None, judged, fact))
    for (device, patient), a in pairs.items():
        seen = hours.get((device, patient), {})
        judged = _judge(seen, a, wear.get(patient, ExpectedWear()), hour, as_of, limits)
        rows.append(_row(device, patient, judged, seen.get(hour, _Hour(0, None, None))))
    rows.sort(key=lambda row: (row["device_id"], row["patient_id"] or ""))
    names = ["device_id", "patient_id", "state", "since", "detail", *FACTS[3:]]
    columns: dict[str, list] = {name: [row[name] for row in rows] for name in names}
    return conform(DeviceStates, {"hour": [hour] * len(rows), "as_of": [as_of] * len(rows), **columns})


def _row(device: str, patient: str | None, judged: tuple[str, datetime, str], fact: _Hour) -> dict:
    state, since, detail = judged
    return {
        "device_id": device,
        "patient_id": patient,
        "state": state,
        "since": since,
        "detail": detail,
        "received_lines": fact.received,
        "wear_fraction": fact.wear,
        "battery_fraction": fact.battery,
    }


def _judge(
    seen: Mapping[datetime, _Hour],
    assigned: Assigned,
    wear: ExpectedWear,
    hour: datetime,
    as_of: datetime,
    limits: DeviceLimits,
) -> tuple[str, datetime, str]:
    """The gravest state that holds, since when, and why."""
    start = max(hour + HOUR - LOOK_BACK_HOURS * HOUR, _hour_of(assigned.start))
    known = [
        start + i * HOUR for i in range(int((hour - start) / HOUR) + 1) if start + (i + 1) * HOUR <= as_of
    ]
    heard = [h for h in sorted(seen) if seen[h].received > 0]

    quiet_from = heard[-1] + HOUR if heard else max(start, assigned.start)
    missed = sum(1 for h in known if h >= quiet_from and wear.holds(h))
    whole = not heard and missed > 0 and len(known) >= LOOK_BACK_HOURS
    if missed >= limits.silent_wear_hours or whole:
        return "SILENT", quiet_from, f"no samples in {missed} h of expected wear"

    fractions = {h: f for h in heard if (f := seen[h].wear) is not None}
    long_enough = (
        len(known) >= limits.not_worn_hours and heard and heard[0] < start + limits.not_worn_hours * HOUR / 2
    )
    if wear.hours and fractions and long_enough and max(fractions.values()) < limits.worn_fraction:
        return "NOT_WORN", start, f"not worn in the {limits.not_worn_hours} h before"

    levels = [(h, b) for h in sorted(seen) if (b := seen[h].battery) is not None]
    measured = levels and levels[-1][0] > hour - limits.battery_hours * HOUR
    if measured and levels[-1][1] < limits.battery_fraction:
        since = levels[-1][0]
        for h, b in reversed(levels):
            if b >= limits.battery_fraction:
                break
            since = h
        return "LOW_BATTERY", since, f"battery at {levels[-1][1]:.0%}"
    if not heard:
        return "OK", start, "no samples yet"
    if heard[-1] < hour:
        return "OK", quiet_from, f"no samples, {missed} h of them in expected wear"
    return "OK", heard[-1], "in order"


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
