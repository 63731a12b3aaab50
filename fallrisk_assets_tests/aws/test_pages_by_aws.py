"""Pages by SNS and SQS: what arrives, and which of AWS's answers are worth another try."""

import json
import uuid
from datetime import UTC, datetime

import pytest

from fallrisk_assets.alerts.aws_channels import SnsChannel, SqsChannel
from fallrisk_assets.alerts.channels import PermanentFailure, TransientFailure
from fallrisk_assets.alerts.notifications import message_of, ops_alert, ops_contact
from fallrisk_assets.alerts.resource import NOT_CONFIGURED, VARIABLES, OutboxResource
from fallrisk_assets_tests.aws.test_events import Queue, a_topic

ACCOUNT = "arn:aws:sns:us-east-1:000000000000"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


def a_message(name="job-ü"):
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return message_of(ops_alert("RUN_FAILED", name, at=at, contact=ops_contact("sns", "x")), "http://x")


@pytest.fixture(params=["sns", "sqs"])
def paged(request, services):
    """A channel, an address, and what has arrived there."""
    queue = Queue(services)
    if request.param == "sqs":
        return SqsChannel(), queue.url, queue
    return SnsChannel(), a_topic(services, queue, {"severity": ["high", "critical"]}), queue


def test_a_page_arrives_with_headline_and_data(paged):
    channel, address, queue = paged
    channel.send(a_message(), address)
    (body,) = queue.drain(1)
    assert body == {"headline": "[high] Run failed: job-ü", **a_message().data}


def test_attributes_say_what_a_filter_chooses_by(services):
    queue = Queue(services)
    SqsChannel().send(a_message(), queue.url)
    (message,) = queue.receive()
    said = {name: a["StringValue"] for name, a in message["MessageAttributes"].items()}
    assert said == {
        "severity": "high",
        "rule": "RUN_FAILED",
        "transition": "OPENED",
        "level": "0",
        "idempotencyKey": a_message().idempotency_key,
    }


def test_a_repeat_to_a_fifo_queue_arrives_once(services):
    queue = Queue(services, f"q-{uuid.uuid4().hex}.fifo", {"FifoQueue": "true"})
    for _ in range(2):
        SqsChannel().send(a_message(), queue.url)
    assert len(queue.drain(1)) == 1
    assert queue.receive() == []


def test_a_text_message_goes_to_the_phone(services):
    SnsChannel().send(a_message(), "+4915112345678")


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (SnsChannel(), "0151 12345678"),
        (SnsChannel(), "ward@example.org"),
        (SnsChannel(), f"{ACCOUNT}:nowhere"),
        (SqsChannel(), "https://example.org"),
    ],
)
def test_an_address_that_cannot_be_is_given_up_and_not_told(services, channel, address):
    with pytest.raises(PermanentFailure) as failed:
        channel.send(a_message(), address)
    assert address not in str(failed.value)


def test_a_queue_that_is_not_there_is_given_up(services):
    with pytest.raises(PermanentFailure, match=r"NonExistentQueue|QueueDoesNotExist"):
        SqsChannel().send(a_message(), f"{services.endpoint}/000000000000/nowhere")


@pytest.mark.parametrize(("channel", "address"), [(SnsChannel(), f"{ACCOUNT}:x"), (SqsChannel(), "")])
def test_a_service_that_is_away_is_tried_again(services, monkeypatch, channel, address):
    for service in ("SNS", "SQS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.1:1")
    with pytest.raises(TransientFailure, match="EndpointConnectionError"):
        channel.send(a_message(), address or "http://127.0.0.1:1/000000000000/q")


def test_credentials_that_are_missing_are_to_be_mended_and_the_page_is_tried_again(services, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(TransientFailure, match="SNS: NoCredentialsError"):
        SnsChannel().send(a_message(), f"{ACCOUNT}:x")


def test_who_runs_the_platform_is_told_through_a_topic_and_nobody_else_by_a_file(paged, monkeypatch):
    _, address, queue = paged
    name = "sns" if address.startswith("arn:") else "sqs"
    monkeypatch.setenv("FALLRISK_OPS_CHANNEL", name)
    monkeypatch.setenv("FALLRISK_OPS_ADDRESS", address)
    outbox = OutboxResource()
    page = ops_alert("RUN_FAILED", "job", at=outbox.now(), contact=outbox.ops())
    with outbox.ledger() as ledger:
        ledger.enqueue([page], outbox.now())
        contacts = {outbox.ops().contact_id: outbox.ops()}
        report = ledger.deliver(outbox.now(), outbox.channels(), contacts)
    assert report.states["SENT"] == 1
    assert [body["alertId"] for body in queue.drain(1)] == [page.alert_id]
    assert set(outbox.channels()) == {name, "file"}


def test_with_text_messages_switched_on_ops_must_be_named(monkeypatch):
    monkeypatch.setenv("FALLRISK_SEND_SMS", "yes")
    assert isinstance(OutboxResource().channels()["sms"], SnsChannel)
    assert OutboxResource().ops().channel == NOT_CONFIGURED
    assert json.dumps(sorted(OutboxResource().channels())) == '["file", "sms"]'
