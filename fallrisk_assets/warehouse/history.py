"""Type 2 history: from observations in any order to versions that never overlap, and the keys of both.

Here: hashes of natural keys, the fold, and finding the version of an instant. Not here: which attributes a
dimension tracks (`dimensions.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Any


@dataclass(frozen=True)
class Observation:
    """What is known of one member from an instant on.

    Attributes:
        member: natural key.
        valid_from: instant from which it holds.
        attributes: all tracked attributes.
        rank: which of several observations of one instant counts: the greatest.
    """

    member: str
    valid_from: datetime
    attributes: Mapping[str, Any]
    rank: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Version:
    """One member's attributes during `[valid_from, valid_to)`; `valid_to` is None for the current version."""

    member: str
    valid_from: datetime
    valid_to: datetime | None
    attributes: Mapping[str, Any]


def natural_key(*parts: str) -> int:
    """Return the durable hash of a natural key: 64 bits of BLAKE2b, signed, the parts told apart."""
    digest = blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def version_key(member: str, valid_from: datetime) -> int:
    """Return the surrogate key of a version: the hash of the natural key and the start of the version."""
    return natural_key(member, valid_from.astimezone(UTC).isoformat(timespec="microseconds"))


def validity(version: Version, key: str) -> dict[str, Any]:
    """Return the columns that every dimension with history has.

    Args:
        version: the version.
        key: name of the column with its surrogate key.
    """
    return {
        key: version_key(version.member, version.valid_from),
        "valid_from": version.valid_from,
        "valid_to": version.valid_to,
        "is_current": version.valid_to is None,
    }


def kept(versions: Iterable[Version], horizon: date, days: int) -> list[Version]:
    """Return the versions that had not ended more than so many days before a day: what retention leaves.

    Args:
        versions: folded versions.
        horizon: newest day that is published.
        days: days for which an ended version is kept.
    """
    oldest = midnight(horizon) - timedelta(days=days)
    return [one for one in versions if one.valid_to is None or one.valid_to >= oldest]


def midnight(day: date) -> datetime:
    """Return the first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def fold(observations: Iterable[Observation]) -> list[Version]:
    """Fold observations into versions, in effective-time order whatever order they come in.

    An observation that changes nothing begins no version. Of several observations of one member and instant
    the one of the greatest rank counts.

    Returns:
        Versions sorted by member and `valid_from`; each member has exactly one without an end, its newest.
    """
    chosen: dict[tuple[str, datetime], Observation] = {}
    for one in observations:
        other = chosen.get((one.member, one.valid_from))
        if other is None or _order(other) < _order(one):
            chosen[one.member, one.valid_from] = one
    versions: list[Version] = []
    for (member, valid_from), one in sorted(chosen.items(), key=lambda item: item[0]):
        last = versions[-1] if versions and versions[-1].member == member else None
        if last is not None:
            if last.attributes == one.attributes:
                continue
            versions[-1] = Version(member, last.valid_from, valid_from, last.attributes)
        versions.append(Version(member, valid_from, None, one.attributes))
    return versions


def _order(one: Observation) -> tuple[Any, ...]:
    return (*one.rank, repr(sorted(one.attributes.items())))


def by_member(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Group folded versions by member, keeping their order in time."""
    grouped: dict[str, list[Version]] = {}
    for version in versions:
        grouped.setdefault(version.member, []).append(version)
    return grouped


def as_of(versions: Sequence[Version], instant: datetime) -> Version | None:
    """Return the version of one member that holds at an instant, or None before its first."""
    for version in reversed(versions):
        if version.valid_from <= instant:
            return version if version.valid_to is None or instant < version.valid_to else None
    return None
