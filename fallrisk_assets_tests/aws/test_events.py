"""What each stage tells other systems: once for each thing, to every sink, whatever fails on the way."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import Page
from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.events.ledger import EventLedger
from fallrisk_assets.events.resource import VARIABLES, EventSinks
from fallrisk_assets.events.sensor import stage_events
from fallrisk_assets.events.sinks import FileSink, SinkUnavailable
from fallrisk_assets.events.stages import StageEvent
from fallrisk_assets.events.telling import look, tell
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets_tests.warehouse.rows import index, indices

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def event(number=0, stage="risk.scored", **detail):
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{stage}{number}"))
    return StageEvent(identity, stage, NOW, {"partition": f"2026-01-{number + 1:02}", **detail})


class Queue:
    """A queue of the stand-in, and what arrives in it."""

    def __init__(self, server, name="", attributes=None):
        self.client = server.client("sqs")
        self.name = name or f"q-{uuid.uuid4().hex}"
        self.url = self.client.create_queue(QueueName=self.name, Attributes=attributes or {})["QueueUrl"]
        found = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = found["Attributes"]["QueueArn"]

    def receive(self, wait_s=1):
        found = self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s, MessageAttributeNames=["All"]
        )
        return found.get("Messages", [])

    def drain(self, count):
        """Take at least so many messages, or as many as come within seconds."""
        taken = []
        for _ in range(20):
            for message in self.receive():
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                taken.append(json.loads(message["Body"]))
            if len(taken) >= count:
                break
        return taken


def a_topic(server, queue, policy=None, redrive=None):
    client = server.client("sns")
    topic = client.create_topic(Name=f"t-{uuid.uuid4().hex}")["TopicArn"]
    attributes = {"RawMessageDelivery": "true"}
    if policy:
        attributes["FilterPolicy"] = json.dumps(policy)
    client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=attributes)
    return topic


def a_bus(server, queue, pattern):
    client = server.client("events")
    bus = f"bus-{uuid.uuid4().hex}"
    client.create_event_bus(Name=bus)
    client.put_rule(Name=f"{bus}-rule", EventBusName=bus, EventPattern=json.dumps(pattern))
    client.put_targets(Rule=f"{bus}-rule", EventBusName=bus, Targets=[{"Id": "q", "Arn": queue.arn}])
    return bus


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(params=["file", "bus", "topic", "queue"])
def told(request, monkeypatch, tmp_path):
    """The sinks as one variable (or none) sets them; yields them and what has arrived, at least so many."""
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    kind = request.param
    if kind == "file":

        def arrived(count):
            path = tmp_path / "data" / "events.jsonl"
            lines = path.read_text().splitlines() if path.exists() else []
            return [json.loads(line) for line in lines]

    else:
        server = request.getfixturevalue("services")
        queue = Queue(server)
        target = {
            "bus": lambda: a_bus(server, queue, {"source": [{"prefix": "fallrisk."}]}),
            "topic": lambda: a_topic(server, queue),
            "queue": lambda: queue.url,
        }[kind]()
        monkeypatch.setenv(VARIABLES[kind], target)

        def arrived(count):
            messages = queue.drain(count)
            return [m["detail"] for m in messages] if kind == "bus" else messages

    (sink,) = EventSinks().sinks()
    return sink, arrived


def by_id(bodies):
    return {body["eventId"]: body for body in bodies}


def test_every_event_arrives_with_what_it_says_also_more_than_a_request_takes(told):
    sink, arrived = told
    events = [event(n, rows=n) for n in range(23)]
    sink.send(events)
    assert by_id(arrived(23)) == {e.event_id: e.body() for e in events}


def test_what_a_sink_has_taken_is_not_sent_again(told, tmp_path):
    sink, arrived = told
    with EventLedger(tmp_path / "outbox.db") as ledger:
        assert tell(ledger, [sink], [event(1), event(2)], NOW).sent == {sink.name: 2}
        second = tell(ledger, [sink], [event(2), event(3)], NOW)
    assert (second.new, second.sent) == (1, {sink.name: 1})
    assert sorted(b["partition"] for b in arrived(3)) == ["2026-01-02", "2026-01-03", "2026-01-04"]


class Flaky:
    """A sink that takes so many events of each call and is away for the rest."""

    name = "flaky"

    def __init__(self, *takes):
        self.takes, self.got = list(takes), []

    def send(self, events):
        count = self.takes.pop(0) if self.takes else len(events)
        self.got += events[:count]
        if count < len(events):
            raise SinkUnavailable(self.name, "ThrottlingException", events[:count])


def test_a_sink_that_is_away_is_told_later_and_keeps_no_other_waiting(tmp_path):
    flaky, file = Flaky(1, 0), FileSink(tmp_path / "events.jsonl")
    events = [event(n) for n in range(4)]
    with EventLedger(tmp_path / "outbox.db") as ledger:
        first = tell(ledger, [flaky, file], events, NOW)
        assert first.sent == {"flaky": 1, "file": 4}
        assert first.waiting == {"flaky": "flaky: ThrottlingException"}
        assert tell(ledger, [flaky, file], [], NOW).sent == {"flaky": 0}
        assert tell(ledger, [flaky, file], [], NOW).waiting == {}
    assert flaky.got == events, "each once, in order"


def test_a_new_sink_is_told_what_happens_from_then_on(tmp_path):
    late = Flaky()
    with EventLedger(tmp_path / "outbox.db") as ledger:
        tell(ledger, [FileSink(tmp_path / "events.jsonl")], [event(1)], NOW)
        tell(ledger, [late], [event(2)], NOW)
    assert late.got == [event(2)]


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("bus", "arn:aws:events:us-east-1:000000000000:event-bus/nowhere"),
        ("topic", "arn:aws:sns:us-east-1:000000000000:nowhere"),
        ("queue", "http://127.0.0.1:{port}/000000000000/nowhere"),
    ],
)
def test_a_sink_that_does_not_exist_is_named_with_its_variable_and_nothing_is_lost(
    services, monkeypatch, tmp_path, kind, target
):
    target = target.format(port=services.endpoint.rpartition(":")[2])
    monkeypatch.setenv(VARIABLES[kind], target)
    file = FileSink(tmp_path / "events.jsonl")
    with EventLedger(tmp_path / "outbox.db") as ledger:
        with pytest.raises(Misconfigured, match=f"resource events: {VARIABLES[kind]}: .*nowhere"):
            tell(ledger, [*EventSinks().sinks(), file], [event(1)], NOW)
        assert ledger.waiting(EventSinks().sinks()[0].name, 9) == [event(1)]
        assert ledger.waiting("file", 9) == []


@pytest.mark.parametrize("kind", VARIABLES)
def test_a_service_that_does_not_answer_is_an_outage(services, monkeypatch, kind):
    for service in ("EVENTBRIDGE", "SNS", "SQS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:1")
    target = {"topic": "arn:aws:sns:us-east-1:000000000000:x", "queue": "http://127.0.0.1:1/000000000000/q"}
    (sink,) = EventSinks(**{kind: target.get(kind, "x")}).sinks()
    with pytest.raises(SinkUnavailable, match="EndpointConnectionError"):
        sink.send([event()])


def test_a_filter_policy_lets_through_what_it_names(services):
    urgent, everything = Queue(services), Queue(services)
    topic = a_topic(services, urgent, {"severity": ["high", "critical"]})
    services.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=everything.arn, Attributes={"RawMessageDelivery": "true"}
    )
    said = [event(1), event(2, "alert.opened", severity="low"), event(3, "alert.opened", severity="critical")]
    EventSinks(topic=topic).sinks()[0].send(said)
    assert by_id(everything.drain(3)).keys() == {e.event_id for e in said}
    assert [m["severity"] for m in urgent.drain(1)] == ["critical"]
    assert urgent.receive() == []


def test_a_rule_of_the_bus_chooses_by_stage(services):
    queue = Queue(services)
    bus = a_bus(services, queue, {"detail-type": ["risk.scored"]})
    EventSinks(bus=bus).sinks()[0].send([event(1, "features.ready"), event(2, "risk.scored")])
    (message,) = queue.drain(1)
    assert (message["detail-type"], message["source"]) == ("risk.scored", "fallrisk.lakehouse")
    assert queue.receive() == []


def test_what_nobody_can_handle_goes_to_the_dead_letter_queue(services):
    dead = Queue(services)
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue = Queue(services, attributes={"RedrivePolicy": redrive, "VisibilityTimeout": "0"})
    EventSinks(queue=queue.url).sinks()[0].send([event(1)])
    handled = sum(len(queue.receive(0)) for _ in range(6))
    assert handled == 2
    assert [m["eventId"] for m in dead.drain(1)] == [event(1).event_id]


def test_a_fifo_queue_takes_a_repeat_once(services):
    queue = Queue(services, f"q-{uuid.uuid4().hex}.fifo", {"FifoQueue": "true"})
    (sink,) = EventSinks(queue=queue.url).sinks()
    sink.send([event(1)])
    sink.send([event(1), event(2)])
    assert [m["eventId"] for m in queue.drain(2)] == [event(1).event_id, event(2).event_id]
    assert queue.receive() == []


def a_page(alert_id, *, severity="high", transition="OPENED", rule="FALL_DETECTED", level=0, at=NOW):
    return Page(
        alert_id=alert_id,
        subject="pt-1",
        rule=rule,
        severity=severity,
        transition=transition,
        level=level,
        at=at,
        known_at=at,
        stale_after=timedelta(minutes=30),
        opened_at=at,
        covers_until=at + timedelta(minutes=5),
        contact_id="c1",
        channel="file",
    )


class Channel:
    """Takes every page."""

    def send(self, message, address):
        pass


def deliver(ledger, now=NOW):
    contact = Contact("c1", "nurse", "file", "a")
    ledger.deliver(now, {"file": Channel()}, {"c1": contact})


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


def publish(lake, day, probability):
    publication = lake.publication(FallRiskIndex, [day], "run-1")
    publication.add(day, indices(index("pt-1", datetime.fromisoformat(day).date(), probability)))
    return publication.commit()


def stages(found):
    return [(e.stage, e.detail.get("partition") or e.detail["alertId"]) for e in found]


def test_a_published_partition_is_told_once_for_each_content_and_never_what_was_there_before(lake, tmp_path):
    publish(lake, "2026-01-04", 0.1)
    with Ledger(tmp_path / "outbox.db") as pages:
        found, cursor = look(lake, pages, None)
        assert found == []
        entry = publish(lake, "2026-01-05", 0.2)["2026-01-05"]
        first, cursor = look(lake, pages, cursor)
        again, cursor = look(lake, pages, cursor)
        publish(lake, "2026-01-05", 0.3)
        changed, cursor = look(lake, pages, cursor)
    new = [e for e in first if e.detail["partition"] == "2026-01-05"]
    assert stages(new) == [("risk.scored", "2026-01-05")]
    assert new[0].detail["rows"] == 1
    assert new[0].detail["contentHash"] == entry.content_hash
    assert {e.event_id for e in again} <= {e.event_id for e in first}
    assert len({e.event_id for e in [*first, *changed] if e.detail["partition"] == "2026-01-05"}) == 2


def test_an_alert_is_told_when_its_first_page_has_had_its_turn_and_no_duplicate_or_stale_one(lake, tmp_path):
    old = NOW - timedelta(days=2)
    with Ledger(tmp_path / "outbox.db") as pages:
        pages.enqueue([a_page("before")], NOW)
        deliver(pages)
        _, cursor = look(lake, pages, None)
        pages.enqueue([a_page("a2", at=NOW + timedelta(hours=1))], NOW)
        waiting, cursor = look(lake, pages, cursor)
        pages.enqueue([a_page("a3", at=NOW + timedelta(hours=1)), a_page("old", at=old)], NOW)
        pages.enqueue([a_page("a2", level=1, transition="ESCALATED", at=NOW + timedelta(hours=1))], NOW)
        pages.enqueue([a_page("run", rule="RUN_FAILED")], NOW)
        deliver(pages, NOW + timedelta(hours=1))
        found, cursor = look(lake, pages, cursor)
        again, _ = look(lake, pages, cursor)
    assert waiting == again == []
    assert stages(found) == [("alert.opened", "a2")]
    assert found[0].attributes() == {"stage": "alert.opened", "severity": "high", "rule": "FALL_DETECTED"}


def test_the_sensor_tells_what_was_published_since_its_last_tick(lake, tmp_path, monkeypatch):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    resources = {"lake": lake, "outbox": OutboxResource(), "events": EventSinks()}
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        cursor = None
        for day in ("2026-01-05", "2026-01-06"):
            context = dg.build_sensor_context(instance, cursor, resources=resources)
            stage_events(context)
            cursor = context.cursor
            publish(lake, day, 0.2)
        context = dg.build_sensor_context(instance, cursor, resources=resources)
        said = stage_events(context)
    assert said.skip_message.endswith("sent")
    lines = Path(tmp_path / "data" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["partition"] for line in lines] == ["2026-01-05", "2026-01-06"]
