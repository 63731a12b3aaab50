"""Where events go: a file, a bus (EventBridge), a topic (SNS), a queue (SQS).

What belongs here: one class per sink, each of which says what it took. What does not: whether an event was
told before (`ledger.py`).

AWS takes ten entries at a time and may refuse single ones of them.
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fallrisk_assets import aws
from fallrisk_assets.events.stages import StageEvent
from fallrisk_assets.lake.s3 import Misconfigured

SOURCE = "fallrisk.lakehouse"
BUS_VARIABLE, TOPIC_VARIABLE, QUEUE_VARIABLE = (
    "FALLRISK_EVENT_BUS",
    "FALLRISK_EVENT_TOPIC",
    "FALLRISK_EVENT_QUEUE",
)
_AT_ONCE = 10


class SinkUnavailable(ConnectionError):
    """A sink did not take everything, for the moment; `taken` says what it did take."""

    def __init__(self, sink: str, why: str, taken: Sequence[StageEvent]) -> None:
        super().__init__(f"{sink}: {why}")
        self.taken = taken


class Sink(Protocol):
    """Something that takes events; may be given one twice, with the same id."""

    @property
    def name(self) -> str:
        """What the ledger calls it."""
        ...

    def send(self, events: Sequence[StageEvent]) -> None:
        """Deliver all, or raise `SinkUnavailable`, or `Misconfigured` where trying again cannot help."""
        ...


@dataclass(frozen=True)
class FileSink:
    """Appends events to a file, a JSON line each: what a laptop has."""

    path: Path

    @property
    def name(self) -> str:
        """The same wherever the file is."""
        return "file"

    def send(self, events: Sequence[StageEvent]) -> None:
        """Append lines and see them to the disk."""
        lines = "".join(json.dumps(event.body(), separators=(",", ":")) + "\n" for event in events)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, lines.encode())
            os.fsync(file)
        finally:
            os.close(file)


@dataclass(frozen=True)
class EventBridgeSink:
    """Puts events on a bus, by name or ARN; the stage is the detail type."""

    bus: str

    @property
    def name(self) -> str:
        """The bus."""
        return f"bus {self.bus}"

    def send(self, events: Sequence[StageEvent]) -> None:
        """Put all events on the bus."""

        def entry(event: StageEvent) -> dict[str, Any]:
            return {
                "EventBusName": self.bus,
                "Source": SOURCE,
                "DetailType": event.stage,
                "Time": event.at,
                "Detail": json.dumps(event.body()),
            }

        client = aws.client("events")

        def ask(entries: list[dict[str, Any]]) -> dict[int, str]:
            client.describe_event_bus(Name=self.bus)  # a bus that is not there takes all, in silence
            answer = client.put_events(Entries=entries)
            return {n: e["ErrorCode"] for n, e in enumerate(answer["Entries"]) if e.get("ErrorCode")}

        _in_batches(self.name, BUS_VARIABLE, events, entry, ask)


@dataclass(frozen=True)
class SnsSink:
    """Publishes events to a topic; their attributes are for filter policies."""

    topic: str

    @property
    def name(self) -> str:
        """The topic."""
        return f"topic {self.topic}"

    def send(self, events: Sequence[StageEvent]) -> None:
        """Publish all events."""
        parts = self.topic.split(":")

        def entry(event: StageEvent) -> dict[str, Any]:
            return {"Message": json.dumps(event.body()), **_said(event, fifo=self.topic.endswith(".fifo"))}

        def ask(entries: list[dict[str, Any]]) -> dict[int, str]:
            client = aws.client("sns", parts[3] if len(parts) > 4 else "")
            answer = client.publish_batch(TopicArn=self.topic, PublishBatchRequestEntries=_numbered(entries))
            return {int(e["Id"]): e["Code"] for e in answer.get("Failed", [])}

        _in_batches(self.name, TOPIC_VARIABLE, events, entry, ask)


@dataclass(frozen=True)
class SqsSink:
    """Sends events to a queue, by its URL."""

    queue: str

    @property
    def name(self) -> str:
        """The queue."""
        return f"queue {self.queue}"

    def send(self, events: Sequence[StageEvent]) -> None:
        """Send all events."""

        def entry(event: StageEvent) -> dict[str, Any]:
            return {
                "MessageBody": json.dumps(event.body()),
                **_said(event, fifo=self.queue.endswith(".fifo")),
            }

        def ask(entries: list[dict[str, Any]]) -> dict[int, str]:
            answer = aws.client("sqs").send_message_batch(QueueUrl=self.queue, Entries=_numbered(entries))
            return {int(e["Id"]): e["Code"] for e in answer.get("Failed", [])}

        _in_batches(self.name, QUEUE_VARIABLE, events, entry, ask)


def _said(event: StageEvent, *, fifo: bool) -> dict[str, Any]:
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in event.attributes().items()
    }
    ordered = {"MessageGroupId": event.stage, "MessageDeduplicationId": event.event_id} if fifo else {}
    return {"MessageAttributes": attributes, **ordered}


def _numbered(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Id": str(n), **entry} for n, entry in enumerate(entries)]


def _in_batches(
    name: str,
    variable: str,
    events: Sequence[StageEvent],
    entry: Callable[[StageEvent], dict[str, Any]],
    ask: Callable[[list[dict[str, Any]]], dict[int, str]],
) -> None:
    """Send events ten at a time; what is refused alone does not keep back the others of its ten."""
    from botocore.exceptions import BotoCoreError, ClientError

    taken: list[StageEvent] = []
    for batch in _batches(events):
        try:
            refused = ask([entry(event) for event in batch])
        except (BotoCoreError, ClientError) as error:
            why, passes = aws.reason(error)
            if passes or taken:  # what was taken is to be noted first; the next call tells what lasts
                raise SinkUnavailable(name, why, taken) from error
            raise Misconfigured("events", variable, f"{name} does not take events: {why}") from error
        taken += [event for n, event in enumerate(batch) if n not in refused]
        if refused:
            lasting = sorted({code for code in refused.values() if not aws.passes(code)})
            if lasting and not taken:
                what = f"{name} does not take events: {', '.join(lasting)}"
                raise Misconfigured("events", variable, what)
            raise SinkUnavailable(name, ", ".join(sorted(set(refused.values()))), taken)


def _batches(events: Sequence[StageEvent]) -> Iterator[Sequence[StageEvent]]:
    for start in range(0, len(events), _AT_ONCE):
        yield events[start : start + _AT_ONCE]
