"""Deployed into an emulator, the buckets, topics, queues and rules do together what the templates mean."""

import json
import re

import boto3
import pytest
from botocore.exceptions import ClientError

from fallrisk_assets_tests.infra.conftest import SETTINGS
from fallrisk_assets_tests.infra.emulator import NOT_TRIED, UNKNOWN, deploy, stacks_in_order
from simulator.aws_services import NOT_INSTALLED, aws_services, program

pytestmark = pytest.mark.slow
LANDING = "fallrisk-landing-111111111111-eu-west-1"


@pytest.fixture(scope="module")
def client():
    """Return a function that makes a client of the emulator, which runs as long as this module's tests."""
    if program() is None:
        pytest.skip(NOT_INSTALLED)
    with aws_services() as running:
        yield lambda service: boto3.client(
            service,
            endpoint_url=running.endpoint,
            region_name=SETTINGS["region"],
            aws_access_key_id=SETTINGS["account"],  # which account it is, for the emulator
            aws_secret_access_key="none",
        )


@pytest.fixture(scope="module")
def deployed(client, chosen_templates):
    return deploy(client("cloudformation"), chosen_templates)


def said(sqs, url, seconds=10):
    """Return the bodies of what waits in a queue, or comes within some seconds; they stay in it."""
    answer = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=seconds, VisibilityTimeout=0, MaxNumberOfMessages=10
    )
    return [json.loads(m["Body"]) for m in answer.get("Messages", [])]


def test_every_resource_that_the_emulator_knows_is_made(deployed, chosen_templates):
    for stack, (wanted, made) in deployed.items():
        assert made == wanted, stack
    untouched = set(stacks_in_order(chosen_templates)) - set(deployed)
    assert untouched == {*NOT_TRIED, "fallrisk-streaming"}
    assert sum(len(made) for _, made in deployed.values()) >= 120


def test_the_emulator_refuses_what_is_left_out_for_it(client):
    template = {"Resources": {f"r{n}": {"Type": type} for n, type in enumerate(sorted(UNKNOWN))}}
    with pytest.raises(ClientError) as refused:
        client("cloudformation").create_stack(StackName="unknown", TemplateBody=json.dumps(template))
    assert set(re.findall(r"AWS::\w+::\w+", str(refused.value))) == UNKNOWN


def test_a_drop_that_lands_is_told_to_the_queue_of_drops(client, deployed):
    client("s3").put_object(Bucket=LANDING, Key="landing/telemetry/one.jsonl.gz", Body=b"x")
    sqs = client("sqs")
    (event,) = said(sqs, sqs.get_queue_url(QueueName="fallrisk-drops")["QueueUrl"])
    assert event["detail-type"] == "Object Created"
    assert event["detail"]["bucket"]["name"] == LANDING
    assert event["detail"]["object"]["key"] == "landing/telemetry/one.jsonl.gz"


def test_what_the_lake_writes_is_told_to_nobody(client, deployed):
    client("s3").put_object(Bucket=LANDING.replace("landing", "lake"), Key="lake/clean/x.parquet", Body=b"x")
    sqs = client("sqs")
    waiting = said(sqs, sqs.get_queue_url(QueueName="fallrisk-drops")["QueueUrl"], seconds=1)
    assert not [event for event in waiting if event["detail"]["bucket"]["name"] != LANDING]


def test_an_urgent_alert_reaches_the_urgent_queue_and_a_mild_one_does_not(client, deployed):
    topic = f"arn:aws:sns:{SETTINGS['region']}:{SETTINGS['account']}:fallrisk-alerts"
    for number, severity in enumerate(("low", "high")):
        client("sns").publish(
            TopicArn=topic,
            Message=json.dumps({"alert": number}),
            MessageAttributes={"severity": {"DataType": "String", "StringValue": severity}},
        )
    sqs = client("sqs")
    assert said(sqs, sqs.get_queue_url(QueueName="fallrisk-urgent")["QueueUrl"]) == [{"alert": 1}]


def test_a_message_that_nobody_can_handle_is_put_aside_after_five_tries(client, deployed):
    sqs = client("sqs")
    queue, aside = (
        sqs.get_queue_url(QueueName=f"fallrisk-{name}")["QueueUrl"] for name in ("urgent", "urgent-dead")
    )
    sqs.purge_queue(QueueUrl=queue)
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"poison": True}))
    for _ in range(5):
        assert said(sqs, queue, seconds=1) == [{"poison": True}]
    assert said(sqs, queue, seconds=1) == []
    assert said(sqs, aside) == [{"poison": True}]


def test_buckets_keep_versions_and_are_shut_as_the_template_says(client, deployed):
    s3 = client("s3")
    for name in ("landing", "lake", "reports", "logs"):
        bucket = LANDING.replace("landing", name)
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        shut = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert set(shut.values()) == {True}


def test_secrets_are_generated_with_every_field_that_tasks_ask_for(client, deployed):
    manager = client("secretsmanager")
    outbox = json.loads(manager.get_secret_value(SecretId="fallrisk/outbox")["SecretString"])
    assert set(outbox) == {"smtp_username", "smtp_password", "webhook_token"}
    assert len(outbox["webhook_token"]) == 40
    loader = json.loads(manager.get_secret_value(SecretId="fallrisk/warehouse")["SecretString"])
    assert loader["username"] == "fallrisk_loader"
    assert len(loader["password"]) == 40
