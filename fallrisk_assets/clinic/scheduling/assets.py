"""The scheduling API as a source that is looked at by the clock.

Here: the Dagster side. Not here: the pull (`pull.py`). The clinic's sensor takes the drop from there.
"""

import datetime as dt
import os
import warnings

import dagster as dg

from fallrisk_assets.clinic.scheduling.pull import pull
from fallrisk_assets.clinic.scheduling.resource import RESOURCE, URL_VARIABLE, SchedulingSource
from fallrisk_assets.clinic.scheduling.spool import Spool

# The kind of asset that is looked at, not made, and has an owner.
warnings.filterwarnings("ignore", message=".*multi_observable_source_asset", category=dg.BetaWarning)


@dg.multi_observable_source_asset(
    name=RESOURCE,
    specs=[
        dg.AssetSpec(
            RESOURCE,
            group_name="sources",
            kinds={"http"},
            owners=["team:data-engineering"],
            description="The external scheduling API. Looking at it drops what changed since the last look, "
            "and what lies 14 days ahead.",
        )
    ],
    required_resource_keys={"landing", "scheduling_api"},
)
def scheduling_api(context: dg.AssetExecutionContext) -> dg.ObserveResult:
    """Pull, and show what was dropped; a pull that stops is a failed run, which the next goes on with."""
    source: SchedulingSource = context.resources.scheduling_api
    api = source.api()
    pulled = pull(api, Spool(context.resources.landing), lambda: dt.datetime.now(dt.UTC))
    return dg.ObserveResult(
        asset_key=RESOURCE,
        metadata={
            "appointments": pulled.appointments,
            "gone when they were asked for": pulled.gone,
            "drop": pulled.key or "nothing to drop",
            "dropped up to": pulled.as_of,
            "requests": api.requests,
            "requests again": api.asked_again,
            "pages from a pull that had stopped": pulled.pages_resumed,
        },
    )


scheduling_api_pull = dg.define_asset_job(
    "scheduling_api_pull",
    selection=dg.AssetSelection.assets(RESOURCE),
    description="Drop what changed in the external scheduling API.",
)


@dg.schedule(
    job=scheduling_api_pull,
    cron_schedule="5-59/15 * * * *",
    execution_timezone="UTC",
    description="Every quarter of an hour, what changed in the scheduling API, where one is configured.",
)
def pull_scheduling_api(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a pull, where there is an API."""
    if not os.environ.get(URL_VARIABLE):
        return dg.SkipReason(f"{URL_VARIABLE} is not set: nobody is asked for appointments")
    return dg.RunRequest()
