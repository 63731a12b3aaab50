"""The clinic's database as a source that is looked at by the clock: pull, and say whether it is as agreed.

Here: the Dagster side. Not here: the pull (`pull.py`). The clinic's sensor takes the drops from there.
"""

import datetime as dt
import os
import warnings

import dagster as dg

from fallrisk_assets.clinic.database.pull import Pulled
from fallrisk_assets.clinic.database.resource import ClinicDatabase
from fallrisk_assets.clinic.database.source import DATABASE_VARIABLE

# The one kind of asset that is looked at, not made, and can carry a check.
warnings.filterwarnings("ignore", message=".*multi_observable_source_asset", category=dg.BetaWarning)

NAME = "clinic_database"
AS_AGREED = "views_are_as_agreed"


@dg.multi_observable_source_asset(
    name=NAME,
    specs=[
        dg.AssetSpec(
            NAME,
            group_name="sources",
            kinds={"postgres"},
            owners=["team:data-engineering"],
            description="The clinic's own database. Looking at it drops what changed since the last look.",
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            AS_AGREED,
            asset=NAME,
            description="Every view has the columns that were agreed on; one that has not is not read.",
        )
    ],
    required_resource_keys={"landing", "clinic_database"},
)
def clinic_database(context: dg.AssetExecutionContext) -> dg.ObserveResult:
    """Pull, and show what was dropped and what is not as agreed."""
    database: ClinicDatabase = context.resources.clinic_database
    pulled = database.pull(context.resources.landing, dt.datetime.now(dt.UTC))
    rows = [dg.TableRecord({"view": name, "new rows": count}) for name, count in pulled.rows.items()]
    return dg.ObserveResult(
        asset_key=NAME,
        metadata={
            "rows": sum(pulled.rows.values()),
            "by view": dg.MetadataValue.table(
                rows, dg.TableSchema([dg.TableColumn("view"), dg.TableColumn("new rows", "int")])
            ),
            "drops": dg.MetadataValue.json(pulled.drops),
            "columns that nobody agreed on, not read": dg.MetadataValue.json(pulled.not_read),
        },
        check_results=[_verdict(pulled)],
    )


def _verdict(pulled: Pulled) -> dg.AssetCheckResult:
    wrong = [
        dg.TableRecord({"view": d.view, "column": d.column, "agreed": d.agreed, "found": d.found})
        for d in pulled.differences
    ]
    left = sorted({d.view for d in pulled.differences})
    what = f"not read, because not as agreed: {', '.join(left)}" if left else "all views are as agreed"
    columns = [dg.TableColumn(name) for name in ("view", "column", "agreed", "found")]
    return dg.AssetCheckResult(
        check_name=AS_AGREED,
        asset_key=NAME,
        passed=not wrong,
        description=what,
        metadata={"differences": dg.MetadataValue.table(wrong, dg.TableSchema(columns))},
    )


clinic_database_pull = dg.define_asset_job(
    "clinic_database_pull",
    selection=dg.AssetSelection.assets(NAME),
    description="Drop what changed in the clinic's own database.",
)


@dg.schedule(
    job=clinic_database_pull,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    description="Every quarter of an hour, what changed in the clinic's database, where one is configured.",
)
def pull_clinic_database(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a pull, where there is a database."""
    if not os.environ.get(DATABASE_VARIABLE):
        return dg.SkipReason(f"{DATABASE_VARIABLE} is not set: the clinic sends files")
    return dg.RunRequest()
