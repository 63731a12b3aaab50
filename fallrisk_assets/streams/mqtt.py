"""The gateway's connection to an MQTT broker: settings, one persistent session, an ack after the disk.

What belongs here: the client. What does not: what becomes of a message (`gateway.py`).

Devices publish with QoS 1. The session outlasts the connection, so the broker keeps what comes meanwhile; a
message is acknowledged when the spool has it on disk. What is not acknowledged bounds memory: the broker
sends no more than its limit of messages in flight (mosquitto's `max_inflight_messages`, 100 at AWS IoT Core).
"""

import atexit
import logging
import os
import queue
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.secrets import is_reference, revealed
from fallrisk_assets.streams.gateway import CONFIG, STATUS, TELEMETRY, Gateway, topic_of
from fallrisk_assets.streams.registry import Registry
from fallrisk_assets.streams.spool import Record, Spool, SpoolFull

logger = logging.getLogger(__name__)

HOST, PORT = "FALLRISK_MQTT_HOST", "FALLRISK_MQTT_PORT"
CA, CERTIFICATE, KEY = "FALLRISK_MQTT_CA", "FALLRISK_MQTT_CERT", "FALLRISK_MQTT_KEY"
CLIENT_ID = "FALLRISK_MQTT_CLIENT_ID"
NOT_INSTALLED = "MQTT needs the package paho-mqtt: pip install paho-mqtt"
FLUSH_S = 10.0
_SUBSCRIPTIONS = [(topic_of("+", kind), 1) for kind in (TELEMETRY, STATUS)]
_QUEUE = 2_000
_AT_A_TIME = 500
_KEEPALIVE_S = 30


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is, and who we are: both sides show a certificate."""

    host: str
    port: int
    ca: str
    certificate: str
    key: str
    client_id: str = "fallrisk-gateway"

    @classmethod
    def of_environment(cls, variables: Mapping[str, str] = os.environ) -> "MqttSettings":
        """Read `FALLRISK_MQTT_HOST`, `_PORT` (8883), `_CA`, `_CERT`, `_KEY` and `_CLIENT_ID`.

        The certificates and the key are files, or references to secrets that hold what would be in the file.

        Raises:
            Misconfigured: one is missing, or no file, secret or number.
            SecretsUnavailable: the store of secrets does not answer for the moment.
        """
        for name in (HOST, CA, CERTIFICATE, KEY):
            if not variables.get(name):
                raise Misconfigured("mqtt", name, "is not set")
        ca, certificate, key = (_file(name, variables[name]) for name in (CA, CERTIFICATE, KEY))
        port = variables.get(PORT, "8883")
        if not port.isdigit():
            raise Misconfigured("mqtt", PORT, f"{port!r} is no number")
        return cls(
            variables[HOST],
            int(port),
            ca,
            certificate,
            key,
            variables.get(CLIENT_ID) or "fallrisk-gateway",
        )


def _file(name: str, value: str) -> str:
    """Return the file that a variable names; what a reference names is put into one that only we can read."""
    if not is_reference(value):
        if not os.path.isfile(value):
            raise Misconfigured("mqtt", name, f"{value} is no file")
        return value
    text = revealed(value, "mqtt", name)
    with tempfile.NamedTemporaryFile("w", prefix="fallrisk-mqtt-", suffix=".pem", delete=False) as file:
        file.write(text)
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name


def client_of(settings: MqttSettings, **options: Any) -> Any:
    """Return a client that is not connected yet, with mutual TLS and a persistent session.

    Raises:
        RuntimeError: the package is not installed.
    """
    try:
        from paho.mqtt import client as mqtt
    except ImportError as missing:
        raise RuntimeError(NOT_INSTALLED) from missing
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, settings.client_id, clean_session=False, **options)
    client.tls_set(settings.ca, settings.certificate, settings.key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    return client


class MqttGateway:
    """Feeds a gateway from a broker.

    Args:
        settings: The broker.
        gateway: What becomes of messages.
        spool: Its spool.
        registry: Gives the registry as it is now, whose configurations devices are told.
        flush_s: How long a message may wait in the spool before it is landed.
        keep_s: How long landed segments are kept.
        clock: Seconds since the epoch: when a message is received.
    """

    def __init__(
        self,
        settings: MqttSettings,
        gateway: Gateway,
        spool: Spool,
        registry: Callable[[], Registry],
        *,
        flush_s: float = FLUSH_S,
        keep_s: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway, self._spool, self._registry = gateway, spool, registry
        self._flush_s, self._keep_s, self._clock = flush_s, keep_s, clock
        self._waiting: queue.Queue[tuple[int, Any, Record]] = queue.Queue(_QUEUE)
        self._connection = 0
        self._told: dict[str, str] = {}
        self._sealed_at = time.monotonic()
        self._landing_due = threading.Event()
        self._closing = self._stopping = False
        self._failed: BaseException | None = None
        self._client = client_of(settings, manual_ack=True)
        self._client.on_connect = self._connected
        self._client.on_message = self._received
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._address = settings.host, settings.port
        self._lander = threading.Thread(target=self._land, name="landing", daemon=True)

    def start(self) -> None:
        """Connect, now or as soon as the broker is there, and begin to land what the spool still holds."""
        self._client.connect_async(*self._address, keepalive=_KEEPALIVE_S)
        self._client.loop_start()
        self._lander.start()
        self._landing_due.set()

    def step(self, timeout_s: float = 0.2) -> int:
        """Take what has come, acknowledge it, let it be landed when its time has come; returns how many.

        A full spool or disk is waited for: nothing is acknowledged, and the broker keeps the rest.

        Raises:
            RuntimeError: landing has ended for good, such as by a damaged segment.
        """
        if self._failed is not None:
            raise RuntimeError(f"nothing is landed any more: {self._failed}") from self._failed
        batch = self._drain(timeout_s)
        if batch:
            self._take(batch)
        if time.monotonic() - self._sealed_at >= self._flush_s:
            self._sealed_at = time.monotonic()
            self._gateway.seal()
            self._landing_due.set()
            self._configure()
        return len(batch)

    def stop(self) -> None:
        """Disconnect, and land what was taken."""
        self._closing = True
        self._client.disconnect()
        self._client.loop_stop()
        self._gateway.seal()
        self._stopping = True
        self._landing_due.set()
        if self._lander.is_alive():
            self._lander.join()

    def _take(self, batch: list[tuple[int, Any, Record]]) -> None:
        while True:
            try:
                self._gateway.take([record for _, _, record in batch])
                break
            except (SpoolFull, OSError) as full:
                logger.error("nothing is taken: %s", full)
                self._gateway.seal()
                self._landing_due.set()
                time.sleep(1.0)
                if self._stopping:
                    return
        for connection, message, _ in batch:
            # A number of an earlier connection may be another message's by now; that one comes again.
            if connection == self._connection:
                self._client.ack(message.mid, message.qos)

    def _drain(self, timeout_s: float) -> list[tuple[int, Any, Record]]:
        try:
            batch = [self._waiting.get(timeout=timeout_s)]
        except queue.Empty:
            return []
        while len(batch) < _AT_A_TIME:
            try:
                batch.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return batch

    def _connected(self, client: Any, _: Any, flags: Any, reason: Any, __: Any) -> None:
        if reason.is_failure:
            logger.error("the broker refuses us: %s", reason)
            return
        self._connection += 1
        self._told.clear()
        logger.info("connected to the broker%s", ", session kept" if flags.session_present else "")
        client.subscribe(_SUBSCRIPTIONS)

    def _received(self, _: Any, __: Any, message: Any) -> None:
        record = Record(int(self._clock() * 1e6), message.topic, bytes(message.payload))
        while not self._closing:  # what is not taken is not acknowledged, and comes again
            try:
                return self._waiting.put((self._connection, message, record), timeout=0.5)
            except queue.Full:
                continue

    def _configure(self) -> None:
        """Tell devices, by a retained message, what the registry wants of them, where that is new."""
        for device, entry in self._registry().devices.items():
            if entry.config and entry.revoked_at is None and self._told.get(device) != entry.config:
                sent = self._client.publish(topic_of(device, CONFIG), entry.config, qos=1, retain=True)
                if sent.rc == 0:
                    self._told[device] = entry.config

    def _land(self) -> None:
        wait_s = 1.0
        while True:
            self._landing_due.wait()
            self._landing_due.clear()
            try:
                self._gateway.land()
                self._spool.forget_before(int((self._clock() - self._keep_s) * 1e6))
                wait_s = 1.0
            except OSError as failed:
                logger.error("not landed, again in %.0f s: %s", wait_s, failed)
                if self._stopping:
                    return
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, 30.0)
                self._landing_due.set()
                continue
            except BaseException as ended:
                self._failed = ended
                raise
            if self._stopping and not self._spool.sealed():
                return
