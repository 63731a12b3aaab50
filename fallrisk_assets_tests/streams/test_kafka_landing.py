"""Consumers of a real broker write landing drops, and nothing that befalls them loses or doubles a line."""

import time
import uuid

import dagster as dg
import pytest
from isal import igzip

from fallrisk_assets.lake.origins import without_origins
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.streams.kafka import Topics, client_settings, consumer, lag
from fallrisk_assets.streams.kafka_landing import KafkaLanding
from fallrisk_assets.streams.lag_job import stream_lag
from fallrisk_assets.telemetry.drops import parse_drop_name
from fallrisk_assets_tests.telemetry.messages import HOUR, line
from simulator.brokers import free_port, kafka_broker

SENT_MS = round(HOUR.timestamp() * 1000)
PATIENCE_S = 60.0


@pytest.fixture
def send(settings):
    """Sends values to a topic, keyed by device, and waits until the broker has them."""
    from confluent_kafka import Producer

    producer = Producer(settings)

    def send(topic, values, device="imu-10001", partition=0):
        for i, value in enumerate(values):
            producer.produce(topic, value=value, key=device, partition=partition, timestamp=SENT_MS + 20 * i)
        assert producer.flush(10) == 0

    return send


@pytest.fixture
def member(settings, landing):
    """Makes consumers of one group; what a test leaves open is left as a crash leaves it."""
    made = []
    group = f"group-{uuid.uuid4().hex[:8]}"

    def make(topics, flush_s=0.0, at=landing, **more):
        own = KafkaLanding(consumer(more.pop("group", group), settings), at, topics, flush_s=flush_s, **more)
        made.append(own)
        return own

    make.group = group
    yield make
    for one in made:
        one._consumer.close()


def until(done, *members):
    """Let consumers take turns until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "did not happen in time"
        for one in members:
            one.step(0.05)


def lines_in(landing):
    """Every line in the zone, with its origin, as often as it is there."""
    found = []
    for file in landing.list("telemetry"):
        content = igzip.decompress(landing.read(file.key))
        _, origins = without_origins(content)
        lines = content.split(b"\n")
        found += [(origins.logs[c], int(o), lines[i]) for i, (c, o) in enumerate(_pairs(origins)) if c >= 0]
    return found


def _pairs(origins):
    return zip(origins.log_code.tolist(), origins.offset.tolist(), strict=True)


def samples(n, first=0):
    return [line(first + i) for i in range(n)]


def test_messages_become_drops_of_their_device_and_offsets_are_committed(
    topic, send, member, landing, settings
):
    topics = Topics((topic(),), ())
    send(topics.telemetry[0], samples(30))
    send(topics.telemetry[0], samples(20), device="imu-2", partition=1)
    one = member(topics)
    until(lambda: len(lines_in(landing)) == 50, one)
    assert {parse_drop_name(f.key).device_id for f in landing.list("telemetry")} == {"imu-10001", "imu-2"}
    assert [(p.partition, p.committed, p.messages) for p in lag(topics, member.group, settings)] == [
        (0, 30, 0),
        (1, 20, 0),
    ]


def test_a_crash_before_the_commit_loses_nothing_and_whatever_is_put_again_has_the_same_origin(
    topic, send, member, landing
):
    topics = Topics((topic(),), ())
    name = topics.telemetry[0]
    send(name, samples(20))
    crashed = member(topics)
    crashed._commit = lambda offsets: None  # it dies after putting, before committing
    until(lambda: len(lines_in(landing)) == 20, crashed)
    crashed._waiting.clear()
    crashed._consumer.close()
    send(name, samples(20, first=20))
    until(lambda: len({origin[:2] for origin in lines_in(landing)}) == 40, member(topics))
    by_origin = {}
    for log, offset, text in lines_in(landing):
        assert by_origin.setdefault((log, offset), text) == text


def test_a_topic_that_is_consumed_again_from_its_beginning_adds_nothing(topic, send, member, landing):
    topics = Topics((topic(),), ())
    send(topics.telemetry[0], samples(40))
    first = member(topics, flush_s=1e9)
    until(lambda: first.consumed == 40, first)
    first.flush()
    held = [file.key for file in landing.list("telemetry")]
    again = member(topics, flush_s=1e9, group="replay-" + member.group)
    until(lambda: again.consumed == 40, again)
    again.flush()
    assert (again.put, again.there_already) == (0, len(held))
    assert [file.key for file in landing.list("telemetry")] == held


def test_a_rebalance_loses_nothing(topic, send, member, landing):
    topics = Topics((topic(partitions=4),), ())
    name = topics.telemetry[0]
    for partition in range(4):
        send(name, samples(25), partition=partition)
    one = member(topics, flush_s=0.2)
    until(lambda: one.consumed > 0, one)
    two = member(topics, flush_s=0.2)
    for partition in range(4):
        send(name, samples(25, first=25), partition=partition)
    until(lambda: len({(log, offset) for log, offset, _ in lines_in(landing)}) == 200, one, two)


def test_a_storm_of_rebalances_loses_nothing(topic, send, member, landing):
    topics = Topics((topic(partitions=4),), ())
    name = topics.telemetry[0]
    steady = member(topics, flush_s=0.2)
    for round_ in range(4):
        for partition in range(4):
            send(name, samples(10, first=10 * round_), partition=partition)
        comer = member(topics, flush_s=0.2)
        until(lambda comer=comer: comer.consumed > 0 or len(lines_in(landing)) >= 40, steady, comer)
        if round_ % 2:
            comer.close()  # leaves as it should
        else:
            comer._waiting.clear()  # dies with what it holds
            comer._consumer.close()
    until(lambda: len({(log, offset) for log, offset, _ in lines_in(landing)}) == 160, steady)


def test_a_zombie_that_lost_its_partitions_does_no_harm(topic, send, member, landing):
    topics = Topics((topic(partitions=1),), ())
    send(topics.telemetry[0], samples(30))
    zombie = member(topics, flush_s=1e9)
    until(lambda: zombie.consumed == 30, zombie)
    held = zombie._waiting
    zombie._waiting = {}
    zombie._consumer.close()
    heir = member(topics, flush_s=1e9)
    until(lambda: heir.consumed == 30, heir)
    heir.flush()
    before = sorted(lines_in(landing))
    zombie._waiting = held
    zombie._commit = lambda offsets: None
    zombie.flush()
    assert sorted(lines_in(landing)) == before
    assert len(before) == 30


def test_poison_lands_with_its_origin_and_stops_nobody(topic, send, member, landing):
    topics = Topics((topic(),), ())
    poison = [b"\xff\xfe\x00", b"two\nlines", b"{", b'{"deviceId":5}']
    send(topics.telemetry[0], [*poison, *samples(5)])
    until(lambda: len(lines_in(landing)) == 10, member(topics))
    by_offset = sorted(lines_in(landing), key=lambda found: found[1])
    texts = [without_origins(text)[0] for _, _, text in by_offset]
    assert texts[:5] == [b"\xff\xfe\x00", b"two", b"lines", b"{", b'{"deviceId":5}']


def test_appointment_events_land_in_the_clinics_folder(topic, send, member, landing):
    topics = Topics((), (topic("appointment_events"),))
    send(topics.appointments[0], [b'{"event_type":"patient_login"}'] * 3)
    one = member(topics)
    until(lambda: sum(landing.read(f.key).count(b"\n") for f in landing.list("clinic")) == 3, one)
    assert all("-appointment_events-" in file.key for file in landing.list("clinic"))


def test_a_zone_that_cannot_be_written_commits_nothing(topic, send, member, landing, settings, tmp_path):
    topics = Topics((topic(partitions=1),), ())
    send(topics.telemetry[0], samples(10))
    waits = []

    class Full:
        def put_if_absent(self, key, content):
            raise OSError("no space left")

    broken = member(topics, at=Full(), pause=waits.append)
    with pytest.raises(OSError, match="no space left"):
        until(lambda: False, broken)
    assert len(waits) == 5
    assert [p.committed for p in lag(topics, member.group, settings)] == [-1]
    assert [p.messages for p in lag(topics, member.group, settings)] == [10]
    broken._waiting.clear()
    broken._consumer.close()
    until(lambda: len(lines_in(landing)) == 10, member(topics))


def test_what_waits_in_memory_is_bounded(topic, send, member, landing):
    topics = Topics((topic(partitions=1),), ())
    send(topics.telemetry[0], samples(40))
    one = member(topics, flush_s=1e9, flush_bytes=1_000)
    until(lambda: one.consumed == 40, one)
    assert one._bytes < 1_000
    assert len(lines_in(landing)) > 0


def test_a_broker_that_restarts_loses_nothing(settings, landing, tmp_path):
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    port = free_port()
    own = {**settings, "bootstrap.servers": f"127.0.0.1:{port}", "reconnect.backoff.max.ms": "200"}
    topics = Topics(("telemetry",), ())

    def send(first):
        producer = Producer(own)
        for i, text in enumerate(samples(15, first)):
            producer.produce("telemetry", value=text, key="imu-10001", timestamp=SENT_MS + i)
        assert producer.flush(10) == 0

    with kafka_broker(tmp_path, port):
        admin = AdminClient(own)
        new = NewTopic("telemetry", num_partitions=1, config={"retention.ms": "-1"})
        admin.create_topics([new])["telemetry"].result(10)
        send(0)
        one = KafkaLanding(consumer("g", own), landing, topics, flush_s=0.0)
        until(lambda: len(lines_in(landing)) == 15, one)
    one.step(0.05)
    with kafka_broker(tmp_path, port):
        send(15)
        until(lambda: len({offset for _, offset, _ in lines_in(landing)}) == 30, one)
        one.close()


def test_the_lag_is_noted_with_the_asset_that_the_topic_feeds(topic, send, settings, monkeypatch):
    name = topic(partitions=1)
    send(name, samples(7))
    monkeypatch.setenv("FALLRISK_KAFKA_BOOTSTRAP_SERVERS", settings["bootstrap.servers"])
    monkeypatch.setenv("FALLRISK_STREAM_TELEMETRY_TOPICS", name)
    monkeypatch.setenv("FALLRISK_STREAM_APPOINTMENT_TOPICS", "")
    with dg.DagsterInstance.ephemeral() as instance:
        assert stream_lag.execute_in_process(instance=instance).success
        (seen,) = instance.fetch_observations(dg.AssetKey("raw_telemetry"), limit=5).records
    assert seen.asset_observation.metadata["kafka lag (messages)"].value == 7


def test_variables_are_handed_on_to_the_client_as_they_are():
    variables = {
        "FALLRISK_KAFKA_BOOTSTRAP_SERVERS": "b-1:9096",
        "FALLRISK_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "FALLRISK_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "FALLRISK_KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
        "OTHER": "x",
    }
    assert client_settings(variables) == {
        "bootstrap.servers": "b-1:9096",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "ssl.ca.location": "/etc/ca.pem",
    }


def test_a_password_may_be_a_reference_to_a_secret(tmp_path):
    (tmp_path / "password").write_text("opened\n")
    found = client_settings(
        {
            "FALLRISK_KAFKA_BOOTSTRAP_SERVERS": "b:9092",
            "FALLRISK_KAFKA_SASL_PASSWORD": f"file:{tmp_path}/password",
        }
    )
    assert found["sasl.password"] == "opened"


def test_settings_that_cannot_be_are_refused_by_name(settings):
    with pytest.raises(Misconfigured, match="FALLRISK_KAFKA_BOOTSTRAP_SERVERS: is not set"):
        client_settings({})
    pytest.importorskip("confluent_kafka")
    with pytest.raises(Misconfigured, match=r"no\.such\.thing"):
        consumer("g", {**settings, "no.such.thing": "1"})
    with pytest.raises(Misconfigured, match="no topic nowhere"):
        lag(Topics(("nowhere",), ()), "g", settings)
