"""Real brokers on loopback, shared by the tests of a process; tests that miss theirs are skipped."""

import threading
import uuid
from dataclasses import replace

import pytest

from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.streams.mqtt import MqttSettings, client_of
from fallrisk_assets_tests.streams.waiting import PATIENCE_S
from simulator.brokers import NO_KAFKA, NO_MQTT, Authority, free_port, kafka_broker, program


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


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Who signs the certificates of broker, gateway and devices."""
    pytest.importorskip("paho.mqtt.client", reason=NO_MQTT)
    if program("mosquitto") is None or program("openssl") is None:
        pytest.skip(NO_MQTT)
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def mqtt_place(authority, tmp_path):
    """A port and a folder for a broker, and how the gateway reaches it."""
    port = free_port()
    certificate, key = authority.issue("gateway")
    where = MqttSettings("127.0.0.1", port, str(authority.certificate), str(certificate), str(key))
    return tmp_path / "broker", port, where


@pytest.fixture
def device(authority, mqtt_place):
    """Connects devices with their own certificates; a test that crashes one leaves its last will."""
    made = []

    def connect(name, certificate=None, will=False, on_message=None):
        _, _, where = mqtt_place
        issued, key = authority.issue(certificate or name)
        own = replace(where, certificate=str(issued), key=str(key), client_id=f"device-{name}")
        client = client_of(own)
        if will:
            client.will_set(f"devices/{name}/status", '{"state":"lost"}', qos=1, retain=True)
        client.on_message = on_message
        up = threading.Event()
        client.on_connect = lambda *_: up.set()
        client.connect(own.host, own.port, keepalive=5)
        client.loop_start()
        assert up.wait(PATIENCE_S)
        made.append(client)
        return client

    yield connect
    for client in made:
        client.disconnect()
        client.loop_stop()
