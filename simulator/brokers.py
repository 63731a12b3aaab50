"""Kafka and MQTT on this machine: real brokers on loopback, for tests, measurements and a first look.

What belongs here: starting and stopping brokers, and certificates for devices. What does not: what is sent.

Kafka's protocol is spoken by `noida-db` (a broker of its own with consumer groups, rebalancing, committed
offsets; not Apache Kafka, and it may lose the last second when it is killed). MQTT is mosquitto's own.
"""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NO_MQTT = "the MQTT broker is not installed: apt-get install mosquitto openssl, pip install paho-mqtt"
NO_KAFKA = "the Kafka stand-in is not installed: pip install noida-db==0.2.3 confluent-kafka"
_START_TIMEOUT_S = 15.0
_END_TIMEOUT_S = 10.0


_MOSQUITTO = """\
user root
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
acl_file {acl}
persistence true
persistence_location {folder}/
autosave_interval 1
max_queued_messages 0
max_inflight_messages 1000
"""
#: A device speaks and hears under its own name only, which is the one in its certificate.
_RIGHTS = """\
user gateway
topic read devices/+/telemetry
topic read devices/+/status
topic write devices/+/config
pattern write devices/%u/telemetry
pattern write devices/%u/status
pattern read devices/%u/config
"""
#: For measurements: one connection that speaks for many devices, as no device of a clinic may.
_FLEET_RIGHTS = """\
user fleet
topic write devices/+/telemetry
"""


class BrokerFailed(RuntimeError):
    """A broker did not start; the message has the end of its log."""


def program(name: str) -> str | None:
    """Return a program's path, beside this Python or on the path (Debian: also sbin); None: none."""
    places = (sysconfig.get_path("scripts"), os.environ.get("PATH", ""), "/usr/sbin")
    return shutil.which(name, path=os.pathsep.join(places))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def kafka_broker(folder: Path, port: int | None = None) -> Iterator[str]:
    """Start a Kafka broker that keeps its log in a folder; yields its address, and stops it.

    Raises:
        BrokerFailed: it is not installed, or does not start.
    """
    server = program("noida-db")
    if server is None:
        raise BrokerFailed(NO_KAFKA)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port()
    place = ("--data-dir", str(folder / "data"), "--host", "127.0.0.1")
    command = [server, "start", *place, "--only", "kafka", "--kafka-port", str(chosen)]
    with running(command, chosen, folder / "kafka.log"):
        yield f"127.0.0.1:{chosen}"


class Authority:
    """A certificate authority in a folder, made with openssl, as a clinic has one for its devices."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.crt"
        if not self.certificate.exists():
            _openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "3650", "-subj", "/CN=stand-in authority"),
                *("-keyout", str(folder / "ca.key"), "-out", str(self.certificate)),
            )

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key of a name (CN); made when it is asked for first."""
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        if not certificate.exists():
            request, names = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
            names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
            _openssl(
                *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request)),
            )
            _openssl(
                *("x509", "-req", "-in", str(request), "-days", "365", "-extfile", str(names)),
                *("-CA", str(self.certificate), "-CAkey", str(self._folder / "ca.key"), "-CAcreateserial"),
                *("-out", str(certificate)),
            )
        return certificate, key


@contextmanager
def mqtt_broker(
    folder: Path, authority: Authority, port: int | None = None, *, fleet: bool = False
) -> Iterator[int]:
    """Start mosquitto with mutual TLS, where a certificate's name is the user; yields its port, and stops it.

    Args:
        folder: Of its settings, its log and what it keeps.
        authority: Who signs certificates.
        port: A free one by default.
        fleet: Whether the user `fleet` may publish for every device.

    Raises:
        BrokerFailed: it is not installed, or does not start.
    """
    server = program("mosquitto")
    if server is None:
        raise BrokerFailed(NO_MQTT)
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = authority.issue("broker")
    rights = folder / "acl"
    rights.write_text(_FLEET_RIGHTS + _RIGHTS if fleet else _RIGHTS)
    chosen = port or free_port()
    places = {"ca": authority.certificate, "certificate": certificate, "key": key, "acl": rights}
    settings = folder / "mosquitto.conf"
    settings.write_text(_MOSQUITTO.format(port=chosen, folder=folder, **places))
    with running([server, "-c", str(settings)], chosen, folder / "mosquitto.log"):
        yield chosen


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerFailed(f"openssl {arguments[0]}: {done.stderr[-500:]}")


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, once it listens.

    Raises:
        BrokerFailed: it ends, does not listen in time, or does not end; or its port is somebody else's.
    """
    if listens(port):
        raise BrokerFailed(f"{command[0]}: somebody listens on port {port} of 127.0.0.1 already")
    with log.open("ab") as out:
        # A group of its own: some servers are started by a program that does not pass a signal on.
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BrokerFailed(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        _end(process, port)


def _end(process: subprocess.Popen[bytes], port: int) -> None:
    """End a server and whatever it started; it is gone when nobody listens on its port.

    Raises:
        BrokerFailed: it goes on all the same.
    """
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        deadline = time.monotonic() + _END_TIMEOUT_S
        while time.monotonic() < deadline:
            if process.poll() is not None and not listens(port):
                return
            time.sleep(0.02)
    raise BrokerFailed(f"process group {process.pid} still listens on port {port}")


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
