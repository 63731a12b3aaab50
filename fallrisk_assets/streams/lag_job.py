"""How far the landing zone is behind Kafka, as a metric of the assets that are made from it.

What belongs here: the Dagster side. What does not: asking the broker (`kafka.py`).
"""

import os
from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from fallrisk_assets.streams.kafka import (
    LANDING_GROUP,
    SERVERS_VARIABLE,
    PartitionLag,
    Topics,
    client_settings,
    lag,
)

TELEMETRY_ASSET, APPOINTMENT_ASSET = "raw_telemetry", "appointment_events"


def lag_metadata(lags: Sequence[PartitionLag]) -> dict[str, dg.MetadataValue]:
    """Return a number that is plotted over time, and a table of the partitions."""
    rows = [
        dg.TableRecord(
            {
                "topic": p.topic,
                "partition": p.partition,
                "committed": p.committed,
                "end": p.end,
                "lag": p.messages,
            }
        )
        for p in lags
    ]
    columns = [dg.TableColumn("topic", "string")]
    columns += [dg.TableColumn(name, "int") for name in ("partition", "committed", "end", "lag")]
    return {
        "kafka lag (messages)": dg.MetadataValue.int(sum(p.messages for p in lags)),
        "kafka partitions": dg.MetadataValue.table(rows, dg.TableSchema(columns)),
    }


@dg.op
def observe_stream_lag(context: dg.OpExecutionContext) -> None:
    """Ask the broker and note the answer with each asset that topics feed."""
    topics = Topics.of_environment()
    by_asset: dict[str, list[PartitionLag]] = defaultdict(list)
    for place in lag(topics, LANDING_GROUP, client_settings()):
        asset = TELEMETRY_ASSET if place.topic in topics.telemetry else APPOINTMENT_ASSET
        by_asset[asset].append(place)
    for asset, places in sorted(by_asset.items()):
        context.log_event(dg.AssetObservation(asset, metadata=lag_metadata(places)))
        context.log.info("%s: %s messages wait in Kafka", asset, sum(p.messages for p in places))


@dg.job(executor_def=dg.in_process_executor)
def stream_lag() -> None:
    """Note how far the landing zone is behind Kafka, with the assets that are made from it."""
    observe_stream_lag()


@dg.schedule(
    job=stream_lag,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    description="Every five minutes, how far the landing zone is behind Kafka, where Kafka is configured.",
)
def watch_stream_lag(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the lag every five minutes, where Kafka is configured."""
    if not os.environ.get(SERVERS_VARIABLE):
        return dg.SkipReason(f"{SERVERS_VARIABLE} is not set: nothing comes from Kafka here")
    return dg.RunRequest()
