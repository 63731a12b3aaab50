"""`python -m fallrisk_assets.stream`: killed and started again, it calls somebody about each fall, once."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from isal import igzip

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.stream import main
from fallrisk_assets.streams.registry import RegistryEvent
from fallrisk_assets.streams.registry_files import put_events
from fallrisk_assets_tests.alerts.test_assets import put
from fallrisk_assets_tests.streams.motions import START_US, lines, messages, samples
from fallrisk_assets_tests.streams.test_mqtt import publish
from fallrisk_assets_tests.streams.waiting import until
from fallrisk_assets_tests.telemetry.messages import DEVICE, PATIENT
from simulator.brokers import mqtt_broker


@pytest.fixture
def pieces():
    """A minute of somebody who falls, which ended just now."""
    ts, accel, gyro = samples(20.0)
    shift_us = (time.time_ns() // 1000 - START_US) // 1_000_000 * 1_000_000 - 60_000_000
    return messages(lines(ts + shift_us, accel, gyro))


@pytest.fixture
def data(tmp_path):
    """A data folder in which the device is registered, and assigned to a patient."""
    week_ago = datetime.now(UTC) - timedelta(days=7)
    put_events(
        Landing(root=str(tmp_path / "landing")),
        [RegistryEvent(week_ago, DEVICE, "registered", "nurse-1")],
        week_ago,
    )
    row = {"snapshot_date": date(2026, 1, 4), "device_id": DEVICE, "patient_id": PATIENT}
    row |= {"valid_from": week_ago, "position": "waist"}
    put(Lake(root=str(tmp_path / "lake")), DeviceAssignment, {"2026-01-04": [row]})
    return tmp_path


@contextmanager
def running(data, where, source="mqtt"):
    """The command as a process, connected; killed at the end, if it has not ended."""
    place = {"HOST": where.host, "PORT": str(where.port), "CA": where.ca}
    place |= {"CERT": where.certificate, "KEY": where.key}
    variables = os.environ | {f"FALLRISK_MQTT_{name}": value for name, value in place.items()}
    variables |= {"FALLRISK_DATA": str(data), "FALLRISK_ENV": "local"}
    command = [sys.executable, "-m", "fallrisk_assets.stream", source, "--flush-s", "1"]
    log = data / f"log-{time.monotonic_ns()}"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=variables, stderr=out)
    try:
        until(lambda: "connected to the broker" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def called(data):
    path = data / "outbox.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [m for m in map(json.loads, lines) if m["rule"] == "FALL_DETECTED"]


def landed(data):
    landing = Landing(root=str(data / "landing"))
    content = (igzip.decompress(landing.read(f.key)) for f in landing.list("telemetry"))
    return {line for part in content for line in part.splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("published_before", [15, 22])
def test_killed_before_or_amid_a_fall_it_calls_once_and_loses_no_sample(
    mqtt_place, authority, device, data, pieces, published_before
):
    with mqtt_broker(mqtt_place[0], authority, mqtt_place[1]):
        client = device(DEVICE)
        with running(data, mqtt_place[2]):
            for piece in pieces[:published_before]:
                publish(client, DEVICE, piece)
        for piece in pieces[published_before:40]:
            publish(client, DEVICE, piece)
        with running(data, mqtt_place[2]) as process:
            until(lambda: called(data))
            for piece in pieces[40:]:
                publish(client, DEVICE, piece)
            until(lambda: len(landed(data)) == 3000)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        with running(data, mqtt_place[2]) as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert [(m["subject"], m["level"]) for m in called(data)] == [(PATIENT, 0)]
    assert landed(data) == {line for piece in pieces for line in piece.splitlines()}


def test_a_missing_variable_is_named(monkeypatch, capsys):
    for name in ("FALLRISK_MQTT_HOST", "FALLRISK_KAFKA_BOOTSTRAP_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    for source, name in (("mqtt", "FALLRISK_MQTT_HOST"), ("kafka", "FALLRISK_KAFKA_BOOTSTRAP_SERVERS")):
        assert main([source]) == 2
        assert f"{name}: is not set" in capsys.readouterr().err
