"""Devices with certificates, a broker and the gateway: nothing is lost, and nobody speaks for another."""

import json
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from isal import igzip

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.streams.gateway import EVENTS_FOLDER, Gateway
from fallrisk_assets.streams.mqtt import MqttGateway, MqttSettings, client_of
from fallrisk_assets.streams.registry import Registry, RegistryEvent, entries
from fallrisk_assets.streams.spool import Spool
from fallrisk_assets_tests.streams.waiting import PATIENCE_S, until
from fallrisk_assets_tests.telemetry.messages import line
from simulator.brokers import mqtt_broker

JUNE = datetime(2025, 6, 1, tzinfo=UTC)
DEVICES = ("imu-1", "imu-2", "imu-gone")
EVENTS = [
    *(RegistryEvent(JUNE, device, "registered", "nurse-1") for device in DEVICES),
    RegistryEvent(JUNE.replace(day=2), "imu-gone", "revoked", "nurse-1"),
    RegistryEvent(JUNE.replace(day=2), "imu-1", "configured", "nurse-1", config='{"rate_hz": 50}'),
]
REGISTRY = Registry(
    entries(EVENTS), {d: [Assignment(f"pt-{d}", 0, FOREVER_US, "waist")] for d in ("imu-1", "imu-2")}
)


def publish(client, name, payload, kind="telemetry"):
    sent = client.publish(f"devices/{name}/{kind}", payload, qos=1)
    sent.wait_for_publish(PATIENCE_S)
    assert sent.is_published()


def message(name, seq):
    return line(seq, deviceId=name, patientId=f"pt-{name}")


@contextmanager
def gateway(mqtt_place, landing, folder, crash=False):
    """A gateway on a spool in a folder; `crash`: its connection and memory go, nothing is said or landed."""
    spool = Spool(folder)
    core = Gateway(spool, landing, lambda: REGISTRY)
    running = MqttGateway(mqtt_place[2], core, spool, lambda: REGISTRY, flush_s=0.2)
    running.core = core
    running.start()
    until(lambda: running._connection > 0)
    yield running
    if crash:
        running._client._sock_close()
        running._client.loop_stop()
        running._stopping = True
        running._landing_due.set()
    else:
        running.stop()


def landed_lines(landing):
    found = []
    for file in landing.list("telemetry"):
        found += igzip.decompress(landing.read(file.key)).decode().splitlines()
    return found


def events(landing):
    raw = b"".join(landing.read(file.key) for file in landing.list(EVENTS_FOLDER))
    return [json.loads(text) for text in raw.splitlines()]


def test_samples_of_devices_land_and_a_revoked_ones_are_refused_and_counted(
    mqtt_place, authority, landing, device, tmp_path
):
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            for name in DEVICES:
                client = device(name)
                for seq in range(20):
                    publish(client, name, message(name, seq))
            until(lambda: running.core.taken + running.core.refused.total() == 60, lambda: running.step(0.05))
        expected = {message(name, seq) for name in ("imu-1", "imu-2") for seq in range(20)}
        assert sorted(landed_lines(landing)) == sorted(expected)
        refused = [e for e in events(landing) if e["event"] == "refused"]
        assert {(e["device_id"], e["reason"]) for e in refused} == {("imu-gone", "DEVICE_REVOKED")}
        assert sum(e["messages"] for e in refused) == 20


def test_a_device_cannot_publish_under_anothers_name(mqtt_place, authority, landing, device, tmp_path):
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            thief = device("imu-2", certificate="imu-gone")
            thief.publish("devices/imu-2/telemetry", message("imu-2", 1), qos=1).wait_for_publish(5)
            publish(device("imu-1"), "imu-1", message("imu-1", 1))
            until(lambda: running.core.taken == 1, lambda: running.step(0.05))
            for _ in range(5):
                running.step(0.05)
        assert landed_lines(landing) == [message("imu-1", 1)]


def test_without_a_certificate_of_the_clinic_nobody_connects(mqtt_place, authority, tmp_path):
    from simulator.brokers import Authority

    stranger = Authority(tmp_path / "stranger").issue("imu-1")
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        own = replace(mqtt_place[2], certificate=str(stranger[0]), key=str(stranger[1]))
        client = client_of(own)
        told = []
        client.on_connect = lambda *arguments: told.append(arguments)
        with suppress(OSError):
            client.connect(own.host, own.port)
            for _ in range(20):
                client.loop(0.05)
        assert told == []


def test_what_is_published_while_the_gateway_is_away_is_kept_for_it(
    mqtt_place, authority, landing, device, tmp_path
):
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            running.step(0.05)
        client = device("imu-1")
        for seq in range(30):
            publish(client, "imu-1", message("imu-1", seq))
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            until(lambda: running.core.taken == 30, lambda: running.step(0.05))
    assert sorted(landed_lines(landing)) == sorted(message("imu-1", seq) for seq in range(30))


@pytest.mark.parametrize("taken_before", [0, 10])
def test_a_gateway_that_crashes_loses_nothing(mqtt_place, authority, landing, device, tmp_path, taken_before):
    """It crashes with messages on disk that are not landed, and with messages that it never wrote."""
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, tmp_path / "spool", crash=True) as running:
            running._sealed_at = time.monotonic() + 1e6
            client = device("imu-1")
            for seq in range(taken_before):
                publish(client, "imu-1", message("imu-1", seq))
            until(lambda: running.core.taken == taken_before, lambda: running.step(0.05))
            for seq in range(taken_before, 25):
                publish(client, "imu-1", message("imu-1", seq))
            until(lambda: running._waiting.qsize() == 25 - taken_before)
        assert landed_lines(landing) == []
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            until(lambda: running.core.taken >= 25 - taken_before, lambda: running.step(0.05))
        assert set(landed_lines(landing)) == {message("imu-1", seq) for seq in range(25)}


def test_a_broker_that_restarts_loses_nothing_that_it_took(mqtt_place, authority, landing, device, tmp_path):
    spool = tmp_path / "spool"
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, spool) as running:
            running.step(0.05)
        client = device("imu-1")
        for seq in range(10):
            publish(client, "imu-1", message("imu-1", seq))
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]), gateway(mqtt_place, landing, spool) as running:
        until(lambda: running.core.taken == 10, lambda: running.step(0.05))
    assert sorted(landed_lines(landing)) == sorted(message("imu-1", seq) for seq in range(10))


def test_a_device_that_vanishes_is_lost_by_its_last_will(mqtt_place, authority, landing, device, tmp_path):
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            client = device("imu-1", will=True)
            publish(client, "imu-1", '{"state":"online"}', kind="status")
            until(lambda: running.core._states.get("imu-1") == "online", lambda: running.step(0.05))
            client._sock_close()
            client.loop_stop()
            until(lambda: running.core._states.get("imu-1") == "lost", lambda: running.step(0.05))
        told = [(e["device_id"], e["state"]) for e in events(landing) if e["event"] == "state"]
        assert told == [("imu-1", "online"), ("imu-1", "lost")]


def test_a_device_that_comes_later_still_hears_its_configuration(
    mqtt_place, authority, landing, device, tmp_path
):
    heard = []
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        with gateway(mqtt_place, landing, tmp_path / "spool") as running:
            until(lambda: running._told, lambda: running.step(0.05))
        hear = lambda _client, _data, told: heard.append((told.topic, told.payload, told.retain))  # noqa: E731
        device("imu-1", on_message=hear).subscribe("devices/imu-1/config", qos=1)
        device("imu-2", on_message=hear).subscribe("devices/imu-1/config", qos=1)
        until(lambda: heard)
    assert heard == [("devices/imu-1/config", b'{"rate_hz": 50}', True)]


def test_settings_that_cannot_be_are_refused_by_name(tmp_path):
    with pytest.raises(Misconfigured, match="FALLRISK_MQTT_HOST: is not set"):
        MqttSettings.of_environment({})
    files = {f"FALLRISK_MQTT_{name}": str(tmp_path / name) for name in ("CA", "CERT", "KEY")}
    with pytest.raises(Misconfigured, match=r"FALLRISK_MQTT_CA: .* is no file"):
        MqttSettings.of_environment({"FALLRISK_MQTT_HOST": "h", **files})
    for name in ("CA", "CERT", "KEY"):
        (tmp_path / name).touch()
    with pytest.raises(Misconfigured, match="FALLRISK_MQTT_PORT"):
        MqttSettings.of_environment({"FALLRISK_MQTT_HOST": "h", "FALLRISK_MQTT_PORT": "x", **files})


def test_a_certificate_may_be_a_reference_and_its_file_is_ours_alone(tmp_path):
    pem = tmp_path / "gateway.json"
    pem.write_text(json.dumps({"certificate": "of the gateway\n", "key": "its key\n"}))
    authority = tmp_path / "ca.pem"
    authority.write_text("of whom we trust\n")
    known = {
        "FALLRISK_MQTT_HOST": "broker",
        "FALLRISK_MQTT_CA": str(authority),
        "FALLRISK_MQTT_CERT": f"file:{pem}#certificate",
        "FALLRISK_MQTT_KEY": f"file:{pem}#key",
    }
    settings = MqttSettings.of_environment(known)
    assert settings.ca == str(authority)
    assert Path(settings.certificate).read_text() == "of the gateway\n"
    assert Path(settings.key).read_text() == "its key\n"
    assert Path(settings.key).stat().st_mode & 0o077 == 0
    with pytest.raises(Misconfigured, match="FALLRISK_MQTT_KEY"):
        MqttSettings.of_environment({**known, "FALLRISK_MQTT_KEY": f"file:{pem}#nothing"})
