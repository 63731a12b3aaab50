"""The landing sensor on notifications of S3: what it is told of is looked at, the rest is swept up."""

import datetime as dt
import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.lake import Lake, landing_queue
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.landing_queue import LandingQueue
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.schedules import fill_silent_hours
from fallrisk_assets.sensors import landing_sensor
from fallrisk_assets_tests.aws.test_events import Queue

A = "20260105T071000Z-imu-1-aaaaaaaa.jsonl.gz"
B = "20260105T072000Z-imu-2-bbbbbbbb.jsonl.gz"
C = "20260105T081000Z-imu-1-cccccccc.jsonl.gz"


class Zone:
    """A landing zone in a bucket that notifies a queue, and ticks of the sensor on it."""

    def __init__(self, services, folder, *, by_bus=False):
        self.services = services
        self.s3 = services.client("s3")
        self.bucket = f"landing-{uuid.uuid4().hex}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.queue = Queue(services)
        to_queue = {"QueueArn": self.queue.arn, "Events": ["s3:ObjectCreated:*"]}
        if by_bus:
            a_rule(services, self.queue, self.bucket)
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket,
            NotificationConfiguration={"EventBridgeConfiguration": {}}
            if by_bus
            else {"QueueConfigurations": [to_queue]},
        )
        self.lake = Lake(root=str(folder / "lake"))
        with self.lake.publication(DeviceAssignment, ["2026-01-05"]) as publication:
            publication.commit()
        self.cursor = None

    def landing(self):
        return Landing(root=f"s3://{self.bucket}/zone é", queue=self.queue.url)

    def put(self, name, content=b"x", folder="telemetry"):
        self.s3.put_object(Bucket=self.bucket, Key=f"zone é/{folder}/{name}", Body=content)

    def tick(self):
        resources = {"lake": self.lake, "landing": self.landing()}
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=self.cursor, resources=resources)
            result = landing_sensor(context)
        self.cursor = result.cursor
        return sorted(request.partition_key for request in result.run_requests or [])

    def left(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.queue.client.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=names)
        return sum(int(found["Attributes"][name]) for name in names)


def a_rule(services, queue, bucket):
    client = services.client("events")
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}},
    }
    client.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
    client.put_targets(Rule=bucket, Targets=[{"Id": "q", "Arn": queue.arn}])


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("fallrisk_assets.sensors._WAIT_FOR_NOTIFICATION_S", 0)
    monkeypatch.delenv("FALLRISK_LANDING_QUEUE", raising=False)


@pytest.fixture
def s3_services(services, monkeypatch):
    """The services' own S3, which notifies."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", services.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return services


@pytest.fixture(params=["direct", "bus"])
def zone(request, s3_services, tmp_path):
    return Zone(s3_services, tmp_path, by_bus=request.param == "bus")


def never(*_):
    raise AssertionError("the zone was listed")


def test_what_is_notified_is_asked_for_without_a_list_and_once(zone, monkeypatch):
    zone.put(A)
    assert zone.tick() == ["2026-01-05-07:00"], "the first look is at the list"
    zone.tick()  # what the queue was told before that
    monkeypatch.setattr(Landing, "list", never)
    assert zone.tick() == []
    zone.put(C)
    assert zone.tick() == ["2026-01-05-08:00"]
    assert zone.tick() == []
    assert zone.left() == 0


def test_what_comes_late_and_out_of_order_is_asked_for_though_the_mark_has_gone_on(zone):
    zone.put(C)
    zone.tick()
    zone.tick()
    zone.put(A)
    marked = json.loads(zone.cursor)
    marked["modified_ns"] += 3_600_000_000_000  # a newer file was seen before
    zone.cursor = json.dumps(marked)
    assert zone.tick() == ["2026-01-05-07:00"]
    assert json.loads(zone.cursor)["modified_ns"] == marked["modified_ns"]


def test_what_is_elsewhere_or_gone_again_asks_for_nothing(zone):
    zone.put(A)
    zone.tick()
    zone.tick()
    zone.put("20260105T090000Z-patients.csv", folder="clinic")
    zone.put("deeper/" + C)
    zone.put(f".{C}")
    zone.put(B)
    zone.s3.delete_object(Bucket=zone.bucket, Key=f"zone é/telemetry/{B}")
    assert zone.tick() == []
    assert zone.left() == 0


@pytest.fixture
def direct(s3_services, tmp_path):
    return Zone(s3_services, tmp_path)


def test_a_message_that_is_no_notification_stays_for_the_redrive_policy(direct):
    direct.put(A)
    direct.tick()
    direct.tick()
    for body in ("{", "[]", '"x"', '{"Records": [{"eventName": "ObjectCreated:Put"}]}'):
        direct.queue.client.send_message(QueueUrl=direct.queue.url, MessageBody=body)
    direct.put(C)
    assert direct.tick() == ["2026-01-05-08:00"]
    assert direct.left() == 4


def test_a_tick_that_dies_is_made_good_by_the_next(direct, monkeypatch):
    direct.put(A)
    direct.tick()
    direct.tick()
    direct.queue.client.set_queue_attributes(QueueUrl=direct.queue.url, Attributes={"VisibilityTimeout": "1"})
    direct.put(C)
    with monkeypatch.context() as broken:
        broken.setattr(Landing, "look", never)
        with pytest.raises(AssertionError):
            direct.tick()
    monkeypatch.setattr("fallrisk_assets.sensors._WAIT_FOR_NOTIFICATION_S", 5)
    assert direct.tick() == ["2026-01-05-08:00"]


def test_a_notification_that_never_came_is_swept_up_by_the_schedule(direct):
    direct.put(A)
    direct.tick()
    direct.tick()
    direct.put(C)
    direct.queue.drain(1)
    assert direct.tick() == []
    context = dg.build_schedule_context(
        scheduled_execution_time=dt.datetime(2026, 1, 9, 3, 10, tzinfo=dt.UTC),
        resources={"lake": direct.lake, "landing": direct.landing()},
    )
    (swept,) = [r for r in fill_silent_hours(context) if r.run_key.startswith("sweep")]
    assert swept.tags["dagster/asset_partition_range_end"] == "2026-01-05-08:00"


@pytest.mark.slow
def test_ten_thousand_notifications_are_handled_within_a_tick(services, monkeypatch):
    """A tick has 60 s; the messages alone, since a list of ten thousand files is measured elsewhere."""
    queue = Queue(services)
    bodies = [
        json.dumps(
            {"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}, "object": {"key": k}}}
        )
        for k in (f"z/telemetry/{n:05}" for n in range(10_000))
    ]

    def send(start):
        entries = [{"Id": str(n), "MessageBody": b} for n, b in enumerate(bodies[start : start + 10])]
        queue.client.send_message_batch(QueueUrl=queue.url, Entries=entries)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(0, len(bodies), 10)))
    asked = time.monotonic()
    told = LandingQueue(queue.url).receive(20_000, 0)
    LandingQueue(queue.url).confirm(told.receipts)
    took_s = time.monotonic() - asked
    assert len(told.keys) == 10_000
    print(f"10,000 notifications in {took_s:.1f} s")
    assert took_s < 60
    assert LandingQueue(queue.url).receive(10, 0).keys == set()


@pytest.mark.parametrize(
    ("body", "made"),
    [
        ({"Event": "s3:TestEvent"}, []),
        ({"Records": [{"eventName": "ObjectRemoved:Delete"}]}, []),
        ({"detail-type": "Object Deleted", "detail": {}}, []),
        (
            {
                "Records": [
                    {
                        "eventName": "ObjectCreated:CompleteMultipartUpload",
                        "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b%2Fc%C3%A9"}},
                    }
                ]
            },
            ["b/a b/cé"],
        ),
        (
            {"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b"}}},
            ["b/a+b"],
        ),
    ],
)
def test_both_kinds_of_notifications_are_read(body, made):
    assert landing_queue._made(json.dumps(body)) == made


def test_a_queue_that_does_not_exist_fails_at_launch_with_resource_and_variable(direct, monkeypatch):
    monkeypatch.setenv("FALLRISK_LANDING_QUEUE", f"{direct.services.endpoint}/000000000000/nowhere")
    with pytest.raises(Misconfigured, match=r"resource landing: FALLRISK_LANDING_QUEUE: .*nowhere"):
        Landing(root=f"s3://{direct.bucket}/zone").check()


def test_a_zone_on_disk_needs_no_queue_and_asks_none(monkeypatch, tmp_path):
    monkeypatch.setenv("FALLRISK_LANDING_QUEUE", "http://127.0.0.1:1/000000000000/nowhere")
    landing = Landing(root=str(tmp_path))
    landing.check()
    assert landing.notifications is None
