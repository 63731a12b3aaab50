"""The rows of `MartDayAhead`: each provider's next day and next seven, from the appointments ahead.

Here: how they are counted and added up. Not here: reading them (`assets.py`), how a probability is made
(`clinic/no_show`).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from math import fsum
from typing import Any

import pyarrow as pa

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.planning.contract import MartDayAhead

WEEK_DAYS = 7


def day_ahead(
    day: date,
    ahead: Iterable[Mapping[str, Any]],
    planned_minutes: Mapping[str, float],
    providers: Iterable[Mapping[str, Any]],
) -> pa.Table:
    """Return the `MartDayAhead` rows of a day, sorted; the order of what comes in does not matter.

    Args:
        day: UTC day at whose end the appointments lie ahead; the next day is the first that counts.
        ahead: `NoShowRisk` rows of that day; beyond seven days they are left aside.
        planned_minutes: by appointment, where known.
        providers: active ones with provider_id, specialty and available_hours_per_week; one without an
            appointment has a row too, for it has time.
    """
    rows_of: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in ahead:
        if 1 <= (row["scheduled_date"] - day).days <= WEEK_DAYS:
            rows_of[row["provider_id"]].append(row)
    active = {provider["provider_id"]: provider for provider in providers}
    rows = [
        {"day": day, **_provider(name, day, rows_of.get(name, []), planned_minutes, active.get(name, {}))}
        for name in sorted({*rows_of, *active})
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(MartDayAhead))


def _provider(
    name: str,
    day: date,
    week: list[Mapping[str, Any]],
    planned_minutes: Mapping[str, float],
    provider: Mapping[str, Any],
) -> dict[str, Any]:
    tomorrow = [row for row in week if (row["scheduled_date"] - day).days == 1]
    judged = [row["probability"] for row in tomorrow if row["probability"] is not None]
    hours = provider.get("available_hours_per_week")
    model = min(week, key=lambda row: row["model_version"], default={})
    return {
        "provider_id": name,
        "specialty": provider.get("specialty"),
        "booked": len(tomorrow),
        "judged": len(judged),
        "expected_no_shows": fsum(judged) if judged else None,
        "planned_minutes": _minutes(tomorrow, planned_minutes),
        "booked_7d": len(week),
        "planned_minutes_7d": _minutes(week, planned_minutes),
        "without_minutes_7d": sum(row["appointment_id"] not in planned_minutes for row in week),
        "available_minutes_7d": None if hours is None else 60 * hours,
        "model_version": model.get("model_version"),
        "model_basis": model.get("model_basis"),
    }


def _minutes(rows: list[Mapping[str, Any]], planned_minutes: Mapping[str, float]) -> float | None:
    """Return the sum of what is known: 0 of no appointment, null of those of which nothing is known."""
    found = [
        planned_minutes[row["appointment_id"]] for row in rows if row["appointment_id"] in planned_minutes
    ]
    return fsum(found) if found or not rows else None
