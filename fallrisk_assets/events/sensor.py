"""The sensor that tells events: what is published, which alerts opened."""

import dagster as dg

from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.events.ledger import EventLedger
from fallrisk_assets.events.resource import EventSinks
from fallrisk_assets.events.telling import look, tell
from fallrisk_assets.lake import Lake


@dg.sensor(
    minimum_interval_seconds=15,
    description="Tell other systems what was published and which alerts opened: bus, topic, queue or file.",
)
def stage_events(
    context: dg.SensorEvaluationContext, lake: Lake, outbox: OutboxResource, events: EventSinks
) -> dg.SkipReason:
    """Tell other systems what was published and which alerts opened."""
    with outbox.ledger() as pages:
        found, cursor = look(lake, pages, context.cursor)
        path = pages.path
    with EventLedger(path) as ledger:
        told = tell(ledger, events.sinks(), found, events.now())
    context.update_cursor(cursor)
    away = "".join(f"; {name} waits: {why}" for name, why in sorted(told.waiting.items()))
    return dg.SkipReason(f"{told.new} new events, {sum(told.sent.values())} sent{away}")
