"""The job that keeps the warehouse from remembering longer than it may; a dry run unless told otherwise.

Here: the job. Not here: the periods (`retention.py`).
"""

import datetime as dt

import dagster as dg

from fallrisk_assets.publishing import retried_when_transient
from fallrisk_assets.warehouse import retention
from fallrisk_assets.warehouse.publishing import POOL
from fallrisk_assets.warehouse.store import AnyWarehouse


class RetentionConfig(dg.Config):
    """What the job may do.

    Attributes:
        dry_run: Only tell what is too old.
        today: Day as of which (YYYY-MM-DD); empty for the day on which the run was created.
    """

    dry_run: bool = True
    today: str = ""


@dg.op(required_resource_keys={"warehouse"}, pool=POOL)
def forget_old_rows(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
    """Delete rows that are older than their period, or tell which they are."""
    warehouse: AnyWarehouse = context.resources.warehouse
    today = dt.date.fromisoformat(config.today) if config.today else _created(context)
    with retried_when_transient():
        act = retention.expired if config.dry_run else retention.enforce
        counts = act(warehouse, today)
    context.add_output_metadata({"dry run": config.dry_run, **{table: int(n) for table, n in counts.items()}})
    context.log.info(retention.told(counts, today, config.dry_run))


def _created(context: dg.OpExecutionContext) -> dt.date:
    """Return the day on which the run was created: the only clock that retention needs."""
    record = context.instance.get_run_record_by_id(context.run_id)
    assert record is not None
    return record.create_timestamp.astimezone(dt.UTC).date()


@dg.job(executor_def=dg.in_process_executor)
def warehouse_retention() -> None:
    """Delete rows of the warehouse that are older than their period; only tell, unless `dry_run` is false."""
    forget_old_rows()
