"""What a page of the clinic measures: indicators as `dim_kpi` defines them, and counts by class.

Belongs here: finding the definitions, and making them columns of a cube. Does not belong here: which of them
a page shows (`operations.py`, `worklist.py`), the definitions (`warehouse/operations/kpis.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb

from fallrisk_assets.dashboards.cubes import Measures

SHARE, COUNT, MINUTES, DAYS, SCORE, MONEY = "share", "count", "minutes", "days", "score", "money"
"""How the values of an indicator are written."""

_KPIS = """
SELECT kpi, title, definition, unit, source, day_column, numerator_sql, denominator_sql FROM dim_kpi
"""


class UnknownIndicatorError(LookupError):
    """A page names an indicator that `dim_kpi` does not define, or of a view that it does not read."""


@dataclass(frozen=True)
class Breakdown:
    """How rows fall into classes; each class is a label and a condition on the view's rows."""

    name: str
    title: str
    caption: str
    classes: tuple[tuple[str, str], ...]


def classes(column: str, unit: str, *bounds: int, of: str) -> tuple[tuple[str, str], ...]:
    """Return classes [lower, upper) of a number, the first from below, the last without an upper bound.

    Args:
        column: of the view.
        unit: for the labels.
        bounds: rising.
        of: condition for being in any class.
    """
    first = (f"under {bounds[0]} {unit}", f"{of} AND {column} < {bounds[0]}")
    between = [
        (f"{low} to {high} {unit}", f"{of} AND {column} >= {low} AND {column} < {high}")
        for low, high in pairwise(bounds)
    ]
    last = (f"{bounds[-1]} {unit} and more", f"{of} AND {column} >= {bounds[-1]}")
    return (first, *between, last)


def indicators(
    connection: duckdb.DuckDBPyConnection, shown_as: Mapping[str, str], measures: Mapping[str, Measures]
) -> list[dict[str, Any]]:
    """Return definitions with the numbers of their measures, in the order asked for.

    Args:
        connection: the warehouse.
        shown_as: how values are written, by indicator.
        measures: of the cubes, by view; the indicators' aggregates are added.

    Raises:
        UnknownIndicatorError: `dim_kpi` lacks one of them.
    """
    defined = {row["kpi"]: row for row in connection.sql(_KPIS).to_arrow_table().to_pylist()}
    found = []
    for name, way in shown_as.items():
        kpi = defined.get(name)
        if kpi is None or kpi["source"] not in measures:
            raise UnknownIndicatorError(
                f"pages: indicator {name} is not in dim_kpi with one of the views {', '.join(measures)}; "
                "materialise dim_kpi, or do not show it"
            )
        of_view = measures[kpi["source"]]
        numbers = {"n": of_view.number(kpi["numerator_sql"]), "d": of_view.number(kpi["denominator_sql"])}
        found.append({**kpi, **numbers, "shown_as": way})
    return found


def broken_down(breakdown: Breakdown, measures: Measures) -> dict[str, Any]:
    """Return a breakdown with the numbers of its measures."""
    counted = [(label, f"COUNT(CASE WHEN {condition} THEN 1 END)") for label, condition in breakdown.classes]
    return {
        "name": breakdown.name,
        "title": breakdown.title,
        "caption": breakdown.caption,
        "classes": [{"label": label, "sql": sql, "n": measures.number(sql)} for label, sql in counted],
    }
