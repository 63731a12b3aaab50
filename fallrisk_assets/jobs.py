"""The jobs: one for each kind of partition, because a job cannot mix them.

What belongs here: which assets run together. What does not: when they run (`schedules.py`, `sensors.py`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from fallrisk_assets.partitions import daily, hourly

TELEMETRY_HOURLY = "telemetry_hourly"
IDENTITY_DAILY = "identity_daily"
LAKEHOUSE_DAILY = "lakehouse_daily"
DETECTOR_TRAINING = "detector_training"
RESCORE_FALLS = "rescore_falls"
NO_SHOW_TRAINING = "no_show_training"
FEEDBACK_TEXT_TRAINING = "feedback_text_training"

IDENTITY_GROUP = "clinic"
#: Groups that run when somebody asks, never by the clock: each is a job of its own.
ON_DEMAND = {
    DETECTOR_TRAINING: daily,
    RESCORE_FALLS: hourly,
    NO_SHOW_TRAINING: daily,
    FEEDBACK_TEXT_TRAINING: daily,
}

_ON_DEMAND_DESCRIPTIONS = {
    DETECTOR_TRAINING: "Train the fall detector on recordings and judge it; promoting it is another step.",
    RESCORE_FALLS: "Score old hours with another version of the fall detector, beside what is published.",
    NO_SHOW_TRAINING: "Train the no-show model on bookings and judge it; promoting it is another step.",
    FEEDBACK_TEXT_TRAINING: "Train the models of comments and judge them; promoting them is another step.",
}

#: Runs of one hour are never concurrent: `dagster.yaml` limits this tag to one run for each value.
HOUR_TAG = "fallrisk/hour"


def partitioned_jobs(
    assets: Sequence[dg.AssetsDefinition], without: dg.AssetChecksDefinition | None = None
) -> list[Any]:
    """Return the hourly job, the daily jobs of the clinic's files and of everything else, those on demand.

    All run in one process: a step costs 0.07 s there against 2 s in a process of its own.

    Args:
        assets: All assets.
        without: Checks that have a job of their own.
    """
    hours, identity, days = [], [], []
    asked: dict[str, list[dg.AssetKey]] = {group: [] for group in ON_DEMAND}
    for definition in assets:
        for spec in definition.specs:
            if spec.group_name in asked:
                asked[spec.group_name].append(spec.key)
            elif spec.partitions_def == hourly:
                hours.append(spec.key)
            elif spec.group_name == IDENTITY_GROUP:
                identity.append(spec.key)
            elif spec.partitions_def == daily:
                days.append(spec.key)
    chosen = [
        (TELEMETRY_HOURLY, hours, hourly, "Landing to alerts, an hour or a range of hours in one run."),
        (
            IDENTITY_DAILY,
            identity,
            daily,
            "The clinic's files of a day: who is who, and what became of the appointments.",
        ),
        (LAKEHOUSE_DAILY, days, daily, "Gait, risk index, FHIR, warehouse and pages of a day."),
        *((group, asked[group], ON_DEMAND[group], _ON_DEMAND_DESCRIPTIONS[group]) for group in ON_DEMAND),
    ]
    others = dg.AssetSelection.checks(without) if without else dg.AssetSelection.checks()
    return [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*keys) - others,
            partitions_def=partitions,
            executor_def=dg.in_process_executor,
            description=description,
        )
        for name, keys, partitions, description in chosen
        if keys
    ]
