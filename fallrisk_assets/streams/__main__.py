"""`python -m fallrisk_assets.streams kafka`: what comes by streams, into the landing zone.

What belongs here: the command line and its end. What does not: what is done with messages.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Sequence

from fallrisk_assets.environments import opened
from fallrisk_assets.lake.s3 import Misconfigured

logger = logging.getLogger("fallrisk_assets.streams")


class Stop:
    """Set by SIGTERM and Ctrl-C: what waits is put, then the process ends."""

    def __init__(self) -> None:
        self.wanted = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._ask)

    def _ask(self, *_: object) -> None:
        self.wanted = True


def kafka(options: argparse.Namespace, stop: Stop) -> None:
    """Consume topics of Kafka into landing drops until told to stop."""
    from fallrisk_assets.streams.kafka import LANDING_GROUP, Topics, client_settings, consumer
    from fallrisk_assets.streams.kafka_landing import KafkaLanding

    client = consumer(LANDING_GROUP, client_settings())
    member = KafkaLanding(client, opened("landing"), Topics.of_environment(), flush_s=options.flush_s)
    while not stop.wanted:
        member.step()
    member.close()
    logger.info(
        "%s messages, %s drops put, %s there already", member.consumed, member.put, member.there_already
    )


COMMANDS: dict[str, Callable[[argparse.Namespace, Stop], None]] = {"kafka": kafka}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.streams", description=__doc__)
    parser.add_argument("source", choices=sorted(COMMANDS))
    parser.add_argument(
        "--flush-s", type=float, default=10.0, help="how long a message may wait for its drop, in seconds"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        COMMANDS[options.source](options, Stop())
    except (Misconfigured, RuntimeError) as told:
        print(told, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
