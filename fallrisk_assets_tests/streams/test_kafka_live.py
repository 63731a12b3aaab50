"""Falls are found in topics of a real broker, and a reader that dies is followed by one that misses none."""

import uuid

import pytest

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.streams.kafka import Topics, consumer
from fallrisk_assets.streams.kafka_live import KafkaLive
from fallrisk_assets.streams.live import LiveDetector
from fallrisk_assets.streams.registry import Registry
from fallrisk_assets_tests.streams.motions import START_US, lines, messages, samples
from fallrisk_assets_tests.streams.waiting import until
from fallrisk_assets_tests.telemetry.messages import DEVICE, PATIENT

MODEL = released_model()
REGISTRY = Registry({}, {DEVICE: [Assignment(PATIENT, 0, FOREVER_US, "waist")]})
PIECES = messages(lines(*samples(20.0)))


@pytest.fixture
def send(settings):
    """Sends a device's seconds to a topic, each stamped when the log received it."""
    from confluent_kafka import Producer

    producer = Producer(settings)

    def send(topic, pieces, first=0):
        for i, piece in enumerate(pieces, start=first):
            at_ms = START_US // 1000 + (i + 1) * 1000 + 100
            producer.produce(topic, value=piece, key=DEVICE, partition=0, timestamp=at_ms)
        assert producer.flush(10) == 0

    return send


class Reader:
    """A reader with a detector of its own, as a process has."""

    def __init__(self, settings, topic, group, settled=lambda: True, keep_s=60.0):
        self.detector = LiveDetector(lambda: REGISTRY, MODEL)
        self.falls, self.taken = [], 0
        self.client = consumer(group, settings)
        self.now_s = 0.0
        self.kafka = KafkaLive(
            self.client, Topics((topic,), ()), self._take, settled, keep_s=keep_s, clock=lambda: self.now_s
        )

    def _take(self, *message):
        self.taken += 1
        self.falls += self.detector.take(*message)

    def read(self, count):
        until(lambda: self.taken >= count, lambda: self.kafka.step(0.05))

    def die(self):
        """Leave without a word about offsets, as when it is killed."""
        if self.client is not None:
            self.client.close()
        self.client = None

    def committed(self, topic):
        from confluent_kafka import TopicPartition

        return self.client.committed([TopicPartition(topic, 0)], timeout=10)[0].offset


@pytest.fixture
def reader(settings):
    """Makes readers of one group."""
    made = []
    group = f"live-{uuid.uuid4().hex[:8]}"

    def make(topic, **more):
        made.append(Reader(settings, topic, group, **more))
        return made[-1]

    yield make
    for one in made:
        one.die()


def test_a_fall_in_a_topic_is_found(topic, send, reader):
    name = topic(partitions=1)
    send(name, PIECES)
    one = reader(name)
    one.read(len(PIECES))
    assert [f.device_id for f in one.falls] == [DEVICE]


@pytest.mark.parametrize("read_before", [15, 21, 23])
def test_a_reader_that_dies_is_followed_by_one_that_finds_the_same_fall(topic, send, reader, read_before):
    """It dies before the impact, between impact and decision, or having decided."""
    whole, name = topic(partitions=1), topic(partitions=1)
    send(whole, PIECES)
    never_died = reader(whole)
    never_died.read(len(PIECES))
    never_died.die()
    send(name, PIECES[:read_before])
    first = reader(name, keep_s=20.0)
    first.read(read_before)
    first.now_s = 1e6
    first.kafka.step(0.05)
    first.die()
    send(name, PIECES[read_before:], first=read_before)
    second = reader(name, keep_s=20.0)
    until(lambda: second.kafka.received_us == START_US + len(PIECES) * 1_000_000 + 100_000, second.kafka.step)
    found = {f.event_id for f in first.falls} | {f.event_id for f in second.falls}
    assert found == {f.event_id for f in never_died.falls}
    assert len(found) == 1


def test_offsets_stay_behind_by_what_a_successor_must_know_and_wait_for_falls_to_be_told(topic, send, reader):
    name = topic(partitions=1)
    send(name, PIECES)
    settled = [False]
    one = reader(name, settled=lambda: settled[0], keep_s=20.0)
    one.read(len(PIECES))
    one.now_s = 100.0
    one.kafka.step(0.05)
    assert one.committed(name) < 0
    settled[0] = True
    one.kafka.step(0.05)
    assert one.committed(name) == len(PIECES) - 21


def test_poison_stops_nobody(topic, send, reader):
    name = topic(partitions=1)
    send(name, [b"\xff\x00", b"", b"null", *PIECES])
    one = reader(name)
    one.read(3 + len(PIECES))
    assert len(one.falls) == 1
    assert one.detector.left_out["UNREADABLE"] == 2
