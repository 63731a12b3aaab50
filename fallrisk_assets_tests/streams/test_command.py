"""The command line: what the registry is told counts, and what cannot be is refused by name."""

import os
import signal
import subprocess
import sys

import pytest

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.streams.__main__ import main
from fallrisk_assets.streams.registry import Refused
from fallrisk_assets.streams.registry_files import RegistrySource
from fallrisk_assets.streams.spool import SpoolBusy, alone_in
from fallrisk_assets_tests.streams.test_mqtt import message, publish
from fallrisk_assets_tests.streams.waiting import until
from simulator.brokers import mqtt_broker


@pytest.fixture
def told(tmp_path, landing, monkeypatch):
    """Tells the registry something by command, and gives the registry."""
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path))
    worn = {"imu-1": [Assignment("pt-1", 0, FOREVER_US, "waist")]}

    def tell(*arguments):
        assert main(["device", *arguments, "--by", "nurse-1"]) == 0
        return RegistrySource(landing, lambda: worn)()

    return tell


def test_a_device_is_registered_configured_and_revoked_by_command(told):
    assert told("imu-1", "registered").refusal("imu-1", b"") is None
    assert told("imu-1", "configured", "--config", '{"rate_hz": 50}').devices["imu-1"].config == (
        '{"rate_hz": 50}'
    )
    assert told("imu-1", "revoked").refusal("imu-1", b"") == Refused.DEVICE_REVOKED
    assert told("imu-1", "reinstated").refusal("imu-1", b"") is None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["../x", "registered"], "is no device's name"),
        (["imu-1", "configured"], "--config belongs to"),
        (["imu-1", "revoked", "--config", "{}"], "--config belongs to"),
        (["imu-1", "configured", "--config", "{"], "--config is no JSON"),
    ],
)
def test_what_the_registry_cannot_be_told_is_refused(arguments, why, capsys):
    assert main(["device", *arguments, "--by", "nurse-1"]) == 2
    assert why in capsys.readouterr().err


def test_a_missing_variable_is_named(monkeypatch, capsys):
    monkeypatch.delenv("FALLRISK_MQTT_HOST", raising=False)
    assert main(["mqtt"]) == 2
    assert "FALLRISK_MQTT_HOST: is not set" in capsys.readouterr().err


def test_a_spool_belongs_to_one_gateway(tmp_path):
    with alone_in(tmp_path), pytest.raises(SpoolBusy, match="another gateway"), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        pass


def test_the_gateway_as_a_process_lands_what_it_took_when_it_is_told_to_stop(
    mqtt_place, authority, landing, device, told, tmp_path
):
    told("imu-1", "registered")
    where = mqtt_place[2]
    place = {"HOST": where.host, "PORT": str(where.port), "CA": where.ca}
    place |= {"CERT": where.certificate, "KEY": where.key}
    variables = os.environ | {f"FALLRISK_MQTT_{name}": value for name, value in place.items()}
    command = [sys.executable, "-m", "fallrisk_assets.streams", "mqtt", "--flush-s", "3600"]
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
        try:
            lines = iter(process.stderr.readline, "")
            until(lambda: "connected to the broker" in next(lines), lambda: None)
            client = device("imu-1")
            for seq in range(5):
                publish(client, "imu-1", message("imu-1", seq).replace("pt-imu-1", "pt-1"))
            spool = tmp_path / "spool"
            until(lambda: sum(p.stat().st_size for p in spool.glob("*.open")) > 5 * 200)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert sum(len(landing.read(f.key)) > 0 for f in landing.list("telemetry")) >= 1
    assert list(spool.glob("*.open")) == list(spool.glob("*.sealed")) == []
