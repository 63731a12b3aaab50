"""`python -m fallrisk_assets.streams kafka | mqtt`: what comes by streams, into the landing zone.

`python -m fallrisk_assets.streams device imu-10001 registered --by nurse-7`: what the registry is told.

What belongs here: the command line and its end. What does not: what is done with messages.
"""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from fallrisk_assets.environments import opened
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.streams.registry import DEVICE_ID, KINDS

logger = logging.getLogger("fallrisk_assets.streams")

SPOOL_VARIABLE = "FALLRISK_SPOOL"
FLUSH_S = 10.0


class Stop:
    """Set by SIGTERM and Ctrl-C: what waits is put, then the process ends."""

    def __init__(self) -> None:
        self.wanted = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._ask)

    def _ask(self, *_: object) -> None:
        self.wanted = True


def spool_folder() -> Path:
    """Return where messages wait on disk: `FALLRISK_SPOOL`, else `<data folder>/spool`."""
    return Path(os.environ.get(SPOOL_VARIABLE) or Path(data_folder()) / "spool")


def kafka(options: argparse.Namespace) -> None:
    """Consume topics of Kafka into landing drops until told to stop."""
    from fallrisk_assets.streams.kafka import LANDING_GROUP, Topics, client_settings, consumer
    from fallrisk_assets.streams.kafka_landing import KafkaLanding

    stop = Stop()
    client = consumer(LANDING_GROUP, client_settings())
    member = KafkaLanding(client, opened("landing"), Topics.of_environment(), flush_s=options.flush_s)
    while not stop.wanted:
        member.step()
    member.close()
    logger.info(
        "%s messages, %s drops put, %s there already", member.consumed, member.put, member.there_already
    )


def mqtt(options: argparse.Namespace) -> None:
    """Take what devices publish over MQTT into landing drops until told to stop."""
    from fallrisk_assets.streams.gateway import Gateway
    from fallrisk_assets.streams.mqtt import MqttGateway, MqttSettings
    from fallrisk_assets.streams.registry_files import RegistrySource, assignments_in
    from fallrisk_assets.streams.spool import Spool, alone_in

    stop = Stop()
    settings, landing, lake = MqttSettings.of_environment(), opened("landing"), opened("lake")
    with alone_in(spool_folder()) as folder:
        spool = Spool(folder)
        registry = RegistrySource(landing, lambda: assignments_in(lake))
        gateway = Gateway(spool, landing, registry)
        running = MqttGateway(settings, gateway, spool, registry, flush_s=options.flush_s)
        running.start()
        try:
            while not stop.wanted:
                running.step()
        finally:
            running.stop()
    logger.info("%s messages taken, refused: %s", gateway.taken, dict(gateway.refused) or "none")


def device(options: argparse.Namespace) -> None:
    """Tell the registry what was decided about a device."""
    from fallrisk_assets.streams.registry import CONFIGURED, RegistryEvent
    from fallrisk_assets.streams.registry_files import put_events

    if not DEVICE_ID.fullmatch(options.device_id):
        raise RuntimeError(f"{options.device_id!r} is no device's name: {DEVICE_ID.pattern}")
    if (options.event == CONFIGURED) != bool(options.config):
        raise RuntimeError("--config belongs to `configured`, and to nothing else")
    try:
        config = json.dumps(json.loads(options.config), sort_keys=True) if options.config else ""
    except ValueError as unread:
        raise RuntimeError(f"--config is no JSON: {unread}") from unread
    certificate = sha256(_der(options.certificate)).hexdigest() if options.certificate else ""
    now = datetime.now(UTC)
    told = RegistryEvent(now, options.device_id, options.event, options.by, certificate, config)
    print(put_events(opened("landing"), [told], now))


def _der(certificate: str) -> bytes:
    import ssl

    return ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {"kafka": kafka, "mqtt": mqtt, "device": device}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.streams", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("kafka", "mqtt"):
        source = commands.add_parser(name, help=(COMMANDS[name].__doc__ or "").strip())
        source.add_argument(
            "--flush-s",
            type=float,
            default=FLUSH_S,
            help=f"how long a message may wait for its drop, in seconds ({FLUSH_S:g})",
        )
    register = commands.add_parser("device", help=(device.__doc__ or "").strip())
    register.add_argument("device_id", help="the name in its certificate")
    register.add_argument("event", choices=KINDS)
    register.add_argument("--by", required=True, help="staff id of who decided it")
    register.add_argument("--certificate", help="its certificate (PEM), whose fingerprint is kept")
    register.add_argument("--config", help="what the device is told, as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        COMMANDS[options.command](options)
    except (Misconfigured, RuntimeError) as told:
        print(told, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
