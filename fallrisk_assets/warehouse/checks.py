"""Checks across the warehouse's tables: a query that returns what breaks a promise.

Here: the adapter from a query in `checks/*.sql` to an asset check. Not here: the queries' meaning (their
first lines say it).
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from fallrisk_assets.event_log import written_together
from fallrisk_assets.partitions import daily
from fallrisk_assets.warehouse.store import AnyWarehouse

_FOLDER = Path(__file__).parent / "checks"
_SHOWN = 5


def sql_check(
    asset: str, name: str, file: str, sentence: str, after: Sequence[str] = ()
) -> dg.AssetChecksDefinition:
    """Make a partition-aware check from a query.

    The check passes where the query returns no row. A query with a `?` is asked for each day of the run;
    one without is asked once, about the whole table.

    Args:
        asset: Asset that the check belongs to.
        name: Name of the check.
        file: Query in `checks/`; its rows have a column `member`.
        sentence: The promise, as people read it.
        after: Other assets that must be up to date first.
    """
    query = (_FOLDER / file).read_text()

    @dg.asset_check(
        asset=asset,
        name=name,
        description=sentence,
        partitions_def=daily,
        additional_deps=list(after),
        required_resource_keys={"warehouse"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        warehouse: AnyWarehouse = context.resources.warehouse
        keys = list(context.op_execution_context.partition_keys)
        broken = broken_by_day(warehouse, query, keys if "?" in query else keys[-1:])
        # The result of a range, be it of one day, is recorded without a partition.
        if not context.op_execution_context.has_partition_key:
            with written_together(context.instance):
                for key in keys:
                    rows = broken.get(key, broken[keys[-1]])
                    context.op_execution_context.log_event(
                        dg.AssetCheckEvaluation(  # type: ignore[arg-type]
                            asset_key=dg.AssetKey(asset),
                            check_name=name,
                            passed=rows.num_rows == 0,
                            metadata=_metadata(rows),
                            partition=key,
                        )
                    )
        total = pa.concat_tables(broken.values())
        return dg.AssetCheckResult(passed=total.num_rows == 0, metadata=_metadata(total))

    return check


def broken_rows(warehouse: AnyWarehouse, query: str, key: str) -> pa.Table:
    """Return what breaks the promise on a day."""
    return broken_by_day(warehouse, query, [key])[key]


def broken_by_day(warehouse: AnyWarehouse, query: str, keys: Sequence[str]) -> dict[str, pa.Table]:
    """Return what breaks the promise on each of some days."""
    days = [[date.fromisoformat(key)] if "?" in query else [] for key in keys]
    return dict(zip(keys, warehouse.query_each(query, days), strict=True))


def _metadata(rows: pa.Table) -> dict[str, Any]:
    metadata: dict[str, Any] = {"broken rows": rows.num_rows}
    if rows.num_rows:
        first = [
            dg.TableRecord({name: str(value) for name, value in row.items()})
            for row in rows.slice(0, _SHOWN).to_pylist()
        ]
        metadata["first broken rows"] = dg.MetadataValue.table(first)
    return metadata
