"""`python -m fallrisk_assets.stream mqtt | kafka`: falls are found while devices send, and told at once.

What belongs here: the command line: what is put together, and its loop. What does not: all that is done.

`mqtt` is the gateway as well: it lands drops (`python -m fallrisk_assets.streams mqtt` does nothing else).
`kafka` only reads; `python -m fallrisk_assets.streams kafka` lands the drops.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence

from fallrisk_assets.environments import opened
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.models.pinning import Detectors
from fallrisk_assets.streams.__main__ import FLUSH_S, Stop, spool_folder
from fallrisk_assets.streams.live import LiveDetector
from fallrisk_assets.streams.live_alerts import LiveAlerts, Teller
from fallrisk_assets.streams.registry_files import RegistrySource, assignments_in

logger = logging.getLogger("fallrisk_assets.stream")

REPORT_S = 60.0
#: How much of the spool is looked at again after a restart.
REPLAY_S = 60.0


class Live:
    """Detector and teller of a process, and the registry that they share."""

    def __init__(self) -> None:
        lake, landing = opened("lake"), opened("landing")
        self.landing = landing
        self.registry = RegistrySource(landing, lambda: assignments_in(lake))
        detectors = Detectors(lake)
        self.detector = LiveDetector(self.registry, detectors.load(detectors.in_use))
        self.teller = Teller(LiveAlerts(lake, landing, opened("outbox")).tell)
        self._reported_at = time.monotonic()
        logger.info("fall detector %s", detectors.in_use)

    def take(self, device_id: str, received_us: int, payload: bytes) -> None:
        """Look for falls in a message, and have them told."""
        self.teller.put(self.detector.take(device_id, received_us, payload))

    def run(self, step: Callable[[], int], stop: Stop) -> None:
        """Step until told to stop; `step` returns what time it is for the stream, us since the epoch."""
        while not stop.wanted:
            self.teller.put(self.detector.tick(step()))
            if time.monotonic() - self._reported_at >= REPORT_S:
                self.report()

    def report(self) -> None:
        """Log what was done so far."""
        self._reported_at = time.monotonic()
        delays = sorted(self.teller.delays_s)
        slow = f", p95 {delays[int(0.95 * (len(delays) - 1))]:.2f} s" if delays else ""
        found = self.detector
        left_out = {reason: n for reason, n in sorted(found.left_out.items()) if n}
        logger.info(
            "%s devices, %s samples, left out: %s; %s falls told%s",
            found.devices,
            found.samples,
            left_out or "none",
            self.teller.told,
            slow,
        )


def mqtt(options: argparse.Namespace) -> None:
    """Take what devices publish over MQTT: drops, and falls at once."""
    from fallrisk_assets.streams.gateway import TELEMETRY, Gateway, device_of_topic
    from fallrisk_assets.streams.mqtt import MqttGateway, MqttSettings
    from fallrisk_assets.streams.spool import Spool, alone_in, latest_records

    stop, settings = Stop(), MqttSettings.of_environment()
    with alone_in(spool_folder()) as folder:
        spool = Spool(folder)
        live = Live()
        live.teller.start()
        for record in latest_records(spool, REPLAY_S):
            found = device_of_topic(record.topic)
            if found is not None and found[1] == TELEMETRY:
                live.take(found[0], record.received_us, record.payload)
        gateway = Gateway(spool, live.landing, live.registry, live.take)
        running = MqttGateway(
            settings, gateway, spool, live.registry, flush_s=options.flush_s, keep_s=2 * REPLAY_S
        )

        def step() -> int:
            running.step()
            return time.time_ns() // 1000

        running.start()
        try:
            live.run(step, stop)
        finally:
            running.stop()
            live.teller.stop()
            live.report()


def kafka(options: argparse.Namespace) -> None:
    """Read telemetry topics of Kafka: falls at once, no drops."""
    from fallrisk_assets.streams.kafka import LIVE_GROUP, Topics, client_settings, consumer
    from fallrisk_assets.streams.kafka_live import KafkaLive

    stop = Stop()
    client = consumer(LIVE_GROUP, client_settings())
    live = Live()
    reader = KafkaLive(client, Topics.of_environment(), live.take, lambda: live.teller.is_idle)

    def step() -> int:
        # As long as there is a backlog, it is as late as what was read last.
        return reader.received_us if reader.step() else time.time_ns() // 1000

    live.teller.start()
    try:
        live.run(step, stop)
    finally:
        live.teller.stop()
        reader.close()
        live.report()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.stream", description=__doc__)
    parser.add_argument("source", choices=("kafka", "mqtt"))
    parser.add_argument(
        "--flush-s",
        type=float,
        default=FLUSH_S,
        help=f"mqtt: how long a message waits for its drop ({FLUSH_S:g})",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        {"kafka": kafka, "mqtt": mqtt}[options.source](options)
    except (Misconfigured, RuntimeError) as told:
        print(told, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
