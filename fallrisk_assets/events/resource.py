"""Where events go, as a Dagster resource: settings, and the clock at the edge."""

import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from fallrisk_assets.events.sinks import (
    BUS_VARIABLE,
    QUEUE_VARIABLE,
    TOPIC_VARIABLE,
    EventBridgeSink,
    FileSink,
    Sink,
    SnsSink,
    SqsSink,
)
from fallrisk_assets.lake.resource import data_folder

VARIABLES = {"bus": BUS_VARIABLE, "topic": TOPIC_VARIABLE, "queue": QUEUE_VARIABLE}


class EventSinks(dg.ConfigurableResource):
    """The sinks of events; a file where none is set.

    A setting that is not given is taken from the environment, when it is used; see `VARIABLES`.

    Attributes:
        bus: EventBridge bus, name or ARN.
        topic: SNS topic, ARN.
        queue: SQS queue, URL.
        file: file of the file sink; empty means `<data folder>/events.jsonl`.
    """

    bus: str = ""
    topic: str = ""
    queue: str = ""
    file: str = ""

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(UTC)

    def sinks(self) -> list[Sink]:
        """Return every sink that is set, else the file."""
        found: list[Sink] = []
        if bus := self._text("bus"):
            found.append(EventBridgeSink(bus))
        if topic := self._text("topic"):
            found.append(SnsSink(topic))
        if queue := self._text("queue"):
            found.append(SqsSink(queue))
        return found or [FileSink(Path(self.file or Path(data_folder()) / "events.jsonl"))]

    def _text(self, name: str) -> str:
        return str(getattr(self, name) or os.environ.get(VARIABLES[name], "").strip())
