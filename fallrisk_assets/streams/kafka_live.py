"""A consumer of Kafka for live detection: in order, a little again after a restart.

What belongs here: reading and committing. What does not: falls (`live.py`), landing drops, which another
consumer group writes (`kafka_landing.py`).

What is committed lies `keep_s` behind what was read, and never behind a fall that is not told yet: whoever
goes on reads those seconds again, knows what each device did just before, and tells again what was told.
"""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

from fallrisk_assets.streams.kafka import Topics
from fallrisk_assets.streams.kafka_landing import NoTimestamp, Place
from fallrisk_assets.streams.log_drops import Message, device_of

logger = logging.getLogger(__name__)

KEEP_S = 60.0
COMMIT_S = 5.0
_AT_A_TIME = 500


class KafkaLive:
    """Reads telemetry topics.

    Args:
        consumer: As of `kafka.consumer`; it belongs to this object.
        topics: Whose telemetry topics are read.
        take: What becomes of a message: device, receipt (us) and payload.
        is_settled: Whether all that was taken has been told.
        keep_s: How far behind offsets are committed.
        clock: Seconds that only ever increase.
    """

    def __init__(
        self,
        consumer: Any,
        topics: Topics,
        take: Callable[[str, int, bytes], object],
        is_settled: Callable[[], bool],
        *,
        keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer, self._take, self._is_settled = consumer, take, is_settled
        self._keep_ms, self._clock = int(keep_s * 1000), clock
        self._read: dict[Place, deque[tuple[int, int]]] = defaultdict(deque)
        self._committed_at = clock()
        self.received_us = 0
        consumer.subscribe(list(topics.telemetry), on_revoke=self._revoked, on_lost=self._revoked)

    def step(self, timeout_s: float = 0.2) -> int:
        """Read what is there; returns how many messages came.

        Raises:
            NoTimestamp: see there.
            RuntimeError: librdkafka cannot go on.
        """
        count = 0
        for message in self._consumer.consume(_AT_A_TIME, timeout_s):
            if (error := message.error()) is not None:
                if error.fatal():
                    raise RuntimeError(f"Kafka: {error.str()}")
                logger.warning("Kafka: %s", error.str())
                continue
            self._one(message)
            count += 1
        if self._clock() - self._committed_at >= COMMIT_S and self._is_settled():
            self.commit()
        return count

    def commit(self) -> None:
        """Commit where somebody else would have to go on."""
        import confluent_kafka as client

        self._committed_at = self._clock()
        places = [client.TopicPartition(*place, read[0][0]) for place, read in self._read.items() if read]
        if not places:
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except client.KafkaException as failed:
            # Whoever has the partition now reads more again, which changes nothing.
            logger.warning("offsets not committed: %s", failed)

    def close(self) -> None:
        """Commit if all is told, and leave the group."""
        if self._is_settled():
            self.commit()
        self._consumer.close()

    def _one(self, message: Any) -> None:
        kind, timestamp_ms = message.timestamp()
        place = message.topic(), message.partition()
        if kind == 0:
            raise NoTimestamp(f"{place[0]}[{place[1]}] at {message.offset()} has no time stamp")
        read = self._read[place]
        read.append((message.offset(), timestamp_ms))
        while read[0][1] < timestamp_ms - self._keep_ms:
            read.popleft()
        value = message.value() or b""
        kept = Message(*place, message.offset(), timestamp_ms, message.key(), value)
        self.received_us = max(self.received_us, timestamp_ms * 1000)
        self._take(device_of(kept), timestamp_ms * 1000, value)

    def _revoked(self, _: Any, places: Iterable[Any]) -> None:
        for place in places:
            self._read.pop((place.topic, place.partition), None)
