"""Which hours must run, from what has landed and what has been published: plain questions for sensors.

Here: decisions on names, sizes and hashes. Not here: reading drops (`ingest.py`), Dagster (`sensors.py`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fallrisk_assets.clinic.identity import Assignment
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.landing import LandedFile
from fallrisk_assets.partitions import hour_key, window_of
from fallrisk_assets.telemetry.drops import BadDropName, parse_drop_name

#: More hours than this in one tick become range runs: a run's start costs more than an hour's work.
MAX_SINGLE_HOURS = 6
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class LandingCursor:
    """High-water mark over the landing zone: everything changed up to it has been seen.

    Attributes:
        modified_ns: Newest change seen.
        at_mark: Files seen with exactly that time (clocks of object stores tick in seconds).
        ledger_ns: Newest change of the index of drops seen.
    """

    modified_ns: int = 0
    at_mark: frozenset[str] = field(default_factory=frozenset)
    ledger_ns: int = 0

    @classmethod
    def parse(cls, text: str | None) -> "LandingCursor":
        """Read a stored cursor; none is the beginning of time."""
        if not text:
            return cls()
        raw = json.loads(text)
        return cls(raw["modified_ns"], frozenset(raw["at_mark"]), raw["ledger_ns"])

    def __str__(self) -> str:
        return json.dumps(
            {"modified_ns": self.modified_ns, "at_mark": sorted(self.at_mark), "ledger_ns": self.ledger_ns}
        )


@dataclass(frozen=True, slots=True)
class NewDrops:
    """What a look at the landing zone found.

    Attributes:
        by_hour: New or changed drops by the hourly key of their receipt.
        misnamed: Keys that are no drop names and wait to be renamed.
        cursor: The mark to store.
    """

    by_hour: dict[str, list[LandedFile]]
    misnamed: list[str]
    cursor: LandingCursor


def new_drops(landed: Iterable[LandedFile], cursor: LandingCursor) -> NewDrops:
    """Return the drops that are new or changed since the cursor, grouped by the hour of their receipt."""
    by_hour: dict[str, list[LandedFile]] = {}
    misnamed = []
    mark, at_mark = cursor.modified_ns, set(cursor.at_mark)
    for file in landed:
        if file.modified_ns < cursor.modified_ns or (
            file.modified_ns == cursor.modified_ns and file.key in cursor.at_mark
        ):
            continue
        if file.modified_ns > mark:
            mark, at_mark = file.modified_ns, set()
        if file.modified_ns == mark:
            at_mark.add(file.key)
        try:
            name = parse_drop_name(file.key)
        except BadDropName:
            misnamed.append(file.key)
            continue
        by_hour.setdefault(hour_key(name.received_at), []).append(file)
    return NewDrops(by_hour, misnamed, LandingCursor(mark, frozenset(at_mark), cursor.ledger_ns))


def notified_drops(looked_at: Iterable[LandedFile], cursor: LandingCursor) -> NewDrops:
    """Return the drops among files that somebody was told of, also those that are older than the mark.

    The mark goes on to the newest of them: where the zone is listed again, only what follows is new.
    """
    files = list(looked_at)
    found = new_drops(files, LandingCursor())
    seen = new_drops(files, cursor).cursor
    return NewDrops(found.by_hour, found.misnamed, seen)


def unregistered(landed: Iterable[LandedFile], registered: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Return landed drops that the index does not know, by the hourly key of their receipt.

    A sensor's mark overlooks a file that appears with an older time of change (copied with its times, renamed
    into place, finished late); a look at the names does not.

    Args:
        landed: Files of the landing zone.
        registered: Drop keys that the index holds, by hourly key of receipt.
    """
    waiting: dict[str, list[str]] = {}
    for file in landed:
        try:
            key = hour_key(parse_drop_name(file.key).received_at)
        except BadDropName:
            continue
        if file.key not in registered.get(key, set()):
            waiting.setdefault(key, []).append(file.key)
    return waiting


def drops_hash(files: Iterable[LandedFile]) -> str:
    """Return a hash of what landed: names, sizes and times of change."""
    return combined_hash(f"{f.key} {f.size} {f.modified_ns}" for f in sorted(files))[:16]


def contiguous(keys: Iterable[str]) -> list[list[str]]:
    """Group hourly keys into runs without a hole, in order."""
    groups: list[list[str]] = []
    for key in sorted(set(keys)):
        if groups and window_of(groups[-1][-1])[1] == window_of(key)[0]:
            groups[-1].append(key)
        else:
            groups.append([key])
    return groups


def wearers_hash(assignments: Sequence[Assignment], hour_start_us: int) -> str:
    """Return a hash of who wore a device within one hour, of nothing outside it; empty where nobody did."""
    end_us = hour_start_us + _HOUR_US
    within = sorted(
        Assignment(a.patient_id, max(a.from_us, hour_start_us), min(a.to_us, end_us), a.position)
        for a in assignments
        if a.from_us < end_us and hour_start_us < a.to_us
    )
    return combined_hash(map(str, within))[:16] if within else ""


def hours_worn_otherwise(
    made_with: Mapping[str, Mapping[str, str]], now: Mapping[str, Sequence[Assignment]]
) -> dict[str, str]:
    """Return the hours whose samples were made with other wearers than are known now.

    Args:
        made_with: By hourly key, the wearers' hash of each device that the hour was made with.
        now: Assignments as known now, by device.

    Returns:
        A hash of old and new wearers by hourly key, so that a correction that is taken back is new again.
    """
    wanted = {}
    for key, recorded in sorted(made_with.items()):
        start_us = int(window_of(key)[0].timestamp()) * 1_000_000
        current = {d: h for d in set(now) | set(recorded) if (h := wearers_hash(now.get(d, ()), start_us))}
        before = {d: h for d, h in recorded.items() if h}
        if current != before:
            changes = sorted(set(current.items()) ^ set(before.items()))
            wanted[key] = combined_hash([*map(str, changes), sorted(before.items())])[:16]
    return wanted
