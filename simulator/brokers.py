"""Kafka and MQTT on this machine: real brokers on loopback, for tests, measurements and a first look.

What belongs here: starting and stopping brokers, and certificates for devices. What does not: what is sent.

Kafka's protocol is spoken by `noida-db` (a broker of its own with consumer groups, rebalancing, committed
offsets; not Apache Kafka, and it may lose the last second when it is killed). MQTT is mosquitto's own.
"""

import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_KAFKA = "the Kafka stand-in is not installed: pip install noida-db==0.2.3 confluent-kafka"
_START_TIMEOUT_S = 15.0


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


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, once it listens.

    Raises:
        BrokerFailed: it ends, or does not listen in time.
    """
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BrokerFailed(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
