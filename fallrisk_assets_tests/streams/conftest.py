"""Real brokers on loopback, shared by the tests of a process; tests that miss theirs are skipped."""

import uuid

import pytest

from fallrisk_assets.lake.landing import Landing
from simulator.brokers import NO_KAFKA, kafka_broker, program


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory):
    """A Kafka broker's address."""
    pytest.importorskip("confluent_kafka", reason=NO_KAFKA)
    if program("noida-db") is None:
        pytest.skip(NO_KAFKA)
    with kafka_broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def settings(kafka_address):
    """How a client reaches the broker."""
    return {"bootstrap.servers": kafka_address, "session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


@pytest.fixture
def topic(settings):
    """Makes a topic that nobody else uses."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient(settings)

    def make(kind="telemetry", partitions=2):
        name = f"{kind}-{uuid.uuid4().hex[:8]}"
        # Samples of the tests are of January: a broker that minds its retention would delete them at once.
        new = NewTopic(name, num_partitions=partitions, config={"retention.ms": "-1"})
        admin.create_topics([new])[name].result(10)
        return name

    return make


@pytest.fixture
def landing(tmp_path):
    """An empty landing zone."""
    return Landing(root=str(tmp_path / "landing"))
