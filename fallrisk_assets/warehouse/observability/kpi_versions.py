"""How the figures of a whole day were first known, and each time that late data made them others.

Belongs here: comparing what is known with what was. Does not belong here: the figures (`operations/kpis.py`),
reading either (`assets.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.observability.contract import KpiVersions

FIGURES = ("numerator", "denominator", "value")


def kpi_versions(
    known: Iterable[Mapping[str, Any]], mart: Iterable[Mapping[str, Any]], at: datetime, run_id: str
) -> pa.Table:
    """Return the `KpiVersions` rows: those that are known, and one for each figure that is new or another.

    A day of which the log does not tell the whole yet has no figure that could be restated.

    Args:
        known: `KpiVersions` rows.
        mart: `MartDailyKpis` rows.
        at: now, UTC.
        run_id: which run looked.
    """
    rows = [dict(row) for row in known]
    newest: dict[tuple[Any, str], Mapping[str, Any]] = {}
    for told in sorted(rows, key=lambda row: row["version"]):
        newest[told["day"], told["kpi"]] = told
    for row in mart:
        before = newest.get((row["day"], row["kpi"]))
        if not row["is_final"] or (before is not None and all(before[name] == row[name] for name in FIGURES)):
            continue
        rows.append(
            {
                "day": row["day"],
                "kpi": row["kpi"],
                "version": 1 if before is None else before["version"] + 1,
                **{name: row[name] for name in FIGURES},
                "known_at": at,
                "run_id": run_id,
            }
        )
    rows.sort(key=lambda row: (row["day"], row["kpi"], row["version"]))
    return pa.Table.from_pylist(rows, schema=arrow_schema(KpiVersions))
