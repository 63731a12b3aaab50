"""What every step that folds or delivers alerts has in common, whatever table the alerts are of.

Here: the actions that a range of slices needs, one delivery, and a table of alerts in figures. Not here: the
steps (`assets.py`, `warehouse/monitoring/assets.py`), the fold (`episodes.py`).
"""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.alerts.actions import Action, actions_from_rows
from fallrisk_assets.alerts.contract import AlertActions
from fallrisk_assets.alerts.delivery import deliver
from fallrisk_assets.alerts.outbox import OutboxBusy, Report
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.slices import late_ends
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import HOUR, hour_key, hour_range
from fallrisk_assets.previews import bars
from fallrisk_assets.publishing import retried_when_transient


def actions_in_reach(
    lake: Lake,
    first: datetime,
    last: datetime,
    look_back: timedelta,
    rules: Sequence[str],
    step: timedelta,
    actions_back: timedelta,
) -> tuple[list[Action], list[tuple[datetime, datetime]]]:
    """The actions that slices in `[first, last)` need, and the windows that their folds have to see.

    Args:
        lake: where the actions are.
        first: start of the first slice, UTC.
        last: end of the last one.
        look_back: what a fold reads, its own slice included.
        rules: the rules of the table.
        step: length of a slice.
        actions_back: how far before `first` actions count.
    """

    def read(start: datetime, end: datetime) -> list[Action]:
        hours = hour_range(hour_key(start), hour_key(end - HOUR))
        found = lake.read(AlertActions, hours, where=pc.field("rule").isin(rules), optional=True)
        return actions_from_rows(found.to_pylist())

    actions = read(first - actions_back, last)
    windows = [(first - look_back + step, last)]
    starts = [first + i * step for i in range(int((last - first) / step))]
    late = sorted({e for s in starts for e in late_ends(actions, start=s, end=s + step, look_back=look_back)})
    windows += [(end - look_back, end) for end in late]
    if late:
        # What was done about those alerts before counts too.
        actions = read(min(late[0], first) - actions_back, last)
    return actions, windows


def delivered(
    context: dg.AssetExecutionContext, lake: Lake, outbox: OutboxResource, model: ContractType
) -> dg.MaterializeResult:
    """Tell the alerts of the run's partitions to whom they concern, each once."""
    rows = lake.read(model, sorted(context.partition_keys)).to_pylist()
    try:
        with retried_when_transient():
            report = deliver(lake, outbox, rows)
    except OutboxBusy:
        # What was enqueued here leaves with whoever is delivering, or with the next.
        context.log.info("another process is delivering")
        report = Report()
    for failure in report.failures:
        context.log.error("not delivered: %s", failure)
    with outbox.ledger() as ledger:
        ever = ledger.counts()
    return dg.MaterializeResult(
        metadata={
            "this run": dg.MetadataValue.md(bars(dict(report.states))),
            "in the ledger": dg.MetadataValue.md(bars(dict(ever))),
            "not delivered": dg.MetadataValue.json(report.failures),
        }
    )


def summary_of(table: pa.Table) -> dict[str, object]:
    """Counts for the UI: nobody's data, and a small table of what is going on."""
    by = Counter(zip(*(table[name].to_pylist() for name in ("rule", "severity", "state")), strict=True))
    lines = ["| rule | severity | state | alerts |", "|---|---|---|---|"]
    lines += [f"| {rule} | {severity} | {state} | {n} |" for (rule, severity, state), n in sorted(by.items())]
    opened = [
        t for text in table["transitions"].to_pylist() for t in json.loads(text) if t["kind"] == "OPENED"
    ]
    return {
        "alerts": table.num_rows,
        "openings": len(opened),
        "by state": dg.MetadataValue.md("\n".join(lines) if by else "none"),
    }
