"""Ids, references and times of resources: the same natural key always gives the same id.

A re-run therefore writes the same bytes, and a second `PUT` of a bundle changes nothing on a server.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from fallrisk_assets.fhir.terminology import PROJECT

NAMESPACE = uuid5(NAMESPACE_URL, PROJECT)


def resource_id(resource_type: str, *natural_key: object) -> str:
    """Return the id of the resource with this natural key: a uuid5, which is a valid FHIR id."""
    return str(uuid5(NAMESPACE, "|".join((resource_type, *map(str, natural_key)))))


def reference(resource: Mapping[str, Any], display: str | None = None) -> dict[str, str]:
    """Return a literal reference (`Type/id`) to a resource that we write."""
    found = {"reference": f"{resource['resourceType']}/{resource['id']}"}
    return found | {"display": display} if display else found


def instant(moment: datetime) -> str:
    """Return an aware datetime as a FHIR instant in UTC, with milliseconds.

    Raises:
        ValueError: the datetime is naive; FHIR refuses a time of day without zone.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"time without zone: {moment.isoformat()}")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def period(start: datetime, end: datetime, time_zone: str) -> dict[str, str]:
    """Return `[start, end)` as a Period, written with the offsets of a zone.

    Raises:
        ValueError: a time is naive.
    """
    zone = ZoneInfo(time_zone)
    return {"start": _with_offset(start, zone), "end": _with_offset(end, zone)}


def _with_offset(moment: datetime, zone: ZoneInfo) -> str:
    instant(moment)
    return moment.astimezone(zone).isoformat(timespec="seconds")
