"""How a table of the warehouse becomes a Dagster asset: the same check, schema and reports as a lake table.

Here: gathering validated slices of one table, one transaction, and the asset around them. Not here: any
particular table (`assets.py`), DuckDB (`resource.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, LedgerEntry, SliceRefused
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import (
    contract_check,
    contract_spec,
    doc_of,
    report_publication,
    retried_when_transient,
)
from fallrisk_assets.validation import SAMPLE_ROWS, ContractReport, pandera_refusals, sample_of
from fallrisk_assets.warehouse.store import WHOLE_TABLE, AnyWarehouse, judge

POOL = "warehouse"
"""Writers of the warehouse share this pool of one."""
_SAMPLED_OF_A_SLICE = 4


class WarehousePublication:
    """New contents of a table's partitions, gathered and then written in one transaction.

    A table without slices has the same contents whatever the partition: what was added last is written.
    """

    def __init__(
        self, warehouse: AnyWarehouse, model: ContractType, keys: Sequence[str], run_id: str
    ) -> None:
        self.model = model
        self.keys = list(keys)
        self.reports = {key: ContractReport(model) for key in self.keys}
        self.entries: dict[str, LedgerEntry] = {}
        self.shown: dict[str, dict[str, Any]] = {}
        self._warehouse = warehouse
        self._run_id = run_id
        self._slices: dict[str, pa.Table] = {}
        self._sampled: list[tuple[str, pa.Table]] = []
        self._whole: tuple[pa.Table, ContractReport] | None = None

    @property
    def bad(self) -> dict[str, ContractReport]:
        """Verdicts of the partitions that the contract refused."""
        return {key: report for key, report in self.reports.items() if not report.passed}

    @property
    def incomplete(self) -> bool:
        """Whether some partitions are not published."""
        return bool(self.bad)

    def add(self, key: str, rows: pa.Table) -> ContractReport:
        """Judge the rows of a whole partition and take them in if the contract accepts them.

        A table without slices that is added again as the same object is not judged again. Of slices the masks
        see all rows here; pandera sees a sample of the publication before anything is written.
        """
        if self.model.spec.slice_column is None:
            if self._whole is None or self._whole[0] is not rows:
                self._whole = (rows, judge(self.model, WHOLE_TABLE, rows))
            report = self._whole[1]
        else:
            report = judge(self.model, key, rows, ask_pandera=False)
            if report.passed and sum(some.num_rows for _, some in self._sampled) < SAMPLE_ROWS:
                self._sampled.append((key, sample_of(rows, _SAMPLED_OF_A_SLICE)))
        self.reports[key] = report
        if report.passed:
            self._slices[key] = rows
        return report

    def _ask_pandera(self) -> None:
        """Let the pandera model judge a few rows of the slices: it has the last word on them."""
        owners = [key for key, rows in self._sampled for _ in range(rows.num_rows)]
        if not owners:
            return
        pieces = pa.concat_tables(rows for _, rows in self._sampled).combine_chunks()
        for row, reason in pandera_refusals(self.model, pieces).items():
            self.reports[owners[row]].refuse({row: reason})
            self._slices.pop(owners[row], None)

    def commit(self) -> dict[str, LedgerEntry]:
        """Write the accepted partitions in one transaction and return their ledger entries by key."""
        self._ask_pandera()
        if not self._slices:
            return {}
        if self.model.spec.slice_column is not None:
            self.entries = self._warehouse.replace_slices(self.model, self._slices, self._run_id)
            return self.entries
        newest = {WHOLE_TABLE: self._slices[max(self._slices)]}
        entry = self._warehouse.replace_slices(self.model, newest, self._run_id)[WHOLE_TABLE]
        self.entries = dict.fromkeys(self._slices, entry)
        return self.entries


Body = Callable[[dg.AssetExecutionContext, Lake, AnyWarehouse, WarehousePublication], None]


def warehouse_asset(
    model: ContractType, *, deps: Sequence[Any] = ()
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make one step that publishes one table of the warehouse, a day or a range at a time.

    The decorated function gets `(context, lake, warehouse, publication)` and calls `publication.add` once
    per key of `publication.keys`.

    Args:
        model: The table.
        deps: Upstream assets.
    """

    def build(body: Body) -> dg.AssetsDefinition:
        spec = contract_spec(
            model,
            partitions_def=daily,
            group_name="warehouse",
            deps=deps,
            kinds=("duckdb", "sql"),
            description=doc_of(model, body),
        )

        @dg.multi_asset(
            name=model.spec.name,
            specs=[spec],
            check_specs=[contract_check(model, spec)],
            backfill_policy=dg.BackfillPolicy.single_run(),
            required_resource_keys={"lake", "warehouse"},
            pool=POOL,
        )
        def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
            warehouse: AnyWarehouse = context.resources.warehouse
            publication = WarehousePublication(warehouse, model, list(context.partition_keys), context.run_id)
            with retried_when_transient():
                body(context, context.resources.lake, warehouse, publication)
                yield from report_publication(context, spec, publication)
            if publication.bad:
                raise SliceRefused(model, publication.bad)

        return step

    return build
