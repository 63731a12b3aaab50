"""The rows of `MartDataQuality`: a day's checks, refusals, publications and device-days, side by side.

Here: how they become rows. Not here: reading them (`assets.py`), what a check or a reason means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.observability.contract import (
    CHECK,
    DEVICE,
    FAILED,
    NOT_RUN,
    PASSED,
    REFUSAL,
    TABLE,
    MartDataQuality,
)

_OUTCOME = {True: PASSED, False: FAILED, None: NOT_RUN}
_MOST_DETAIL = 200


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Latest outcome of one check on one asset for the day; `passed` None: it has not run."""

    asset: str
    check: str
    passed: bool | None
    severity: str
    detail: str


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of a table for a day."""

    table: str
    rows: int
    partitions: int
    expected_partitions: int


@dataclass(frozen=True, slots=True)
class Samples:
    """What a device sent on a day, whoever wore it; nothing expected where it was silent all day."""

    device_id: str
    kept: int
    expected: int | None


def refusals(quarantine: pa.Table) -> pa.Table:
    """Reduce refused rows to one row per reason. Payloads are not looked at.

    Args:
        quarantine: with reason and detail.

    Returns:
        Table of reason, rows and detail (the smallest text, so that the order of rows does not matter).
    """
    texts = pa.table(
        {
            "reason": quarantine["reason"].cast(pa.string()),
            "detail": quarantine["detail"].cast(pa.string()).fill_null(""),
        }
    )
    reduced = texts.group_by("reason", use_threads=False).aggregate([([], "count_all"), ("detail", "min")])
    return reduced.select(["reason", "count_all", "detail_min"]).rename_columns(["reason", "rows", "detail"])


def merged_refusals(pieces: Sequence[pa.Table]) -> pa.Table:
    """Add up what `refusals` returned of several partitions."""
    added = (
        pa.concat_tables(pieces)
        .group_by("reason", use_threads=False)
        .aggregate([("rows", "sum"), ("detail", "min")])
    )
    return added.select(["reason", "rows_sum", "detail_min"]).rename_columns(["reason", "rows", "detail"])


def data_quality(
    day: date,
    checks: Iterable[CheckOutcome],
    refused: Iterable[tuple[str, pa.Table]],
    published: Iterable[Published],
    samples: Iterable[Samples],
) -> pa.Table:
    """Return the `MartDataQuality` rows of a day, sorted; the order of what comes in does not matter.

    Args:
        day: UTC day.
        checks: latest outcomes.
        refused: table with what `refusals` returned.
        published: tables of the lake.
        samples: one for each device.
    """
    rows: list[dict[str, Any]] = [
        _row(CHECK, c.asset, c.check, outcome=_OUTCOME[c.passed], severity=c.severity, detail=_cut(c.detail))
        for c in checks
    ]
    for table, counts in refused:
        rows += [
            _row(REFUSAL, table, one["reason"], rows=one["rows"], detail=_cut(one["detail"]))
            for one in counts.to_pylist()
        ]
    rows += [
        _row(TABLE, p.table, "", rows=p.rows, partitions=p.partitions,
             expected_partitions=p.expected_partitions)
        for p in published
    ]  # fmt: skip
    rows += [
        _row(DEVICE, "warehouse.fact_device_day", s.device_id, rows=s.kept, expected_samples=s.expected)
        for s in samples
    ]
    rows.sort(key=lambda row: (row["kind"], row["table_name"], row["name"]))
    return pa.Table.from_pylist([{**row, "day": day} for row in rows], schema=arrow_schema(MartDataQuality))


def _row(kind: str, table: str, name: str, **values: Any) -> dict[str, Any]:
    return {"kind": kind, "table_name": table, "name": name, **values}


def _cut(text: str) -> str | None:
    if not text:
        return None
    return text if len(text) <= _MOST_DETAIL else text[: _MOST_DETAIL - 1] + "…"
