"""A consumer of Kafka that writes landing drops, and nothing else.

What belongs here: reading, buffering within bounds, putting, committing. What does not: what a drop looks
like (`log_drops.py`), and what is in it: nothing is judged here, so that nothing can be lost by a judgement.

Offsets are committed after the drops are in the landing zone, which is an optimisation: whatever is consumed
again is put again, under the same name where the range is the same, and else its lines are known by their
origins. So no exactly-once protocol is needed, and a consumer that wrongly believes to own a partition does
no harm.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.streams.kafka import Topics
from fallrisk_assets.streams.log_drops import Drop, Message, appointment_drops, telemetry_drops

logger = logging.getLogger(__name__)

Place = tuple[str, int]
Maker = Callable[[Iterable[Message]], list[Drop]]

FLUSH_S = 10.0
#: Of messages in memory, beside what librdkafka has fetched ahead (32 MB).
FLUSH_BYTES = 32 << 20
_AT_A_TIME = 1_000
_TRIES = 6


class NoTimestamp(ValueError):
    """A message without a time stamp: nobody could say when it was received."""


class KafkaLanding:
    """Consumes topics of one consumer group into the landing zone.

    Args:
        consumer: As of `kafka.consumer`; it belongs to this object.
        landing: Where drops are put.
        topics: What is consumed.
        flush_s: How long a message may wait in memory.
        flush_bytes: How much may wait.
        clock: Seconds that only ever increase.
        pause: Waits for some seconds.
    """

    def __init__(
        self,
        consumer: Any,
        landing: Landing,
        topics: Topics,
        *,
        flush_s: float = FLUSH_S,
        flush_bytes: int = FLUSH_BYTES,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._consumer, self._landing = consumer, landing
        self._makers: dict[str, Maker] = dict.fromkeys(topics.appointments, appointment_drops)
        self._makers |= dict.fromkeys(topics.telemetry, telemetry_drops)
        self._flush_s, self._flush_bytes = flush_s, flush_bytes
        self._clock, self._pause = clock, pause
        self._waiting: dict[Place, list[Message]] = {}
        self._bytes = 0
        self._since = 0.0
        self.put = self.there_already = self.consumed = 0
        consumer.subscribe(list(self._makers), on_revoke=self._revoked, on_lost=self._lost)

    def step(self, timeout_s: float = 0.5) -> int:
        """Take what is there, and put it if enough has come together; returns how many messages came.

        Raises:
            NoTimestamp: see there.
            OSError: the landing zone cannot be written, after several tries; nothing was committed.
        """
        count = 0
        for message in self._consumer.consume(_AT_A_TIME, timeout_s):
            if message.error() is not None:
                self._judge(message.error())
                continue
            self._keep(message)
            count += 1
        full = self._bytes >= self._flush_bytes
        if self._waiting and (full or self._clock() - self._since >= self._flush_s):
            self.flush()
        return count

    def flush(self, places: Iterable[Place] | None = None) -> None:
        """Put what waits, of all partitions or of some, and then commit their offsets."""
        chosen = list(self._waiting) if places is None else [p for p in places if p in self._waiting]
        done: dict[Place, int] = {}
        for place in chosen:
            messages = self._waiting[place]
            for drop in self._makers[place[0]](messages):
                self._put(drop)
            done[place] = messages[-1].offset + 1
            self._forget(place)
        if done:
            self._commit(done)

    def close(self) -> None:
        """Put and commit what waits, and leave the group."""
        self.flush()
        self._consumer.close()

    def _keep(self, message: Any) -> None:
        kind, timestamp_ms = message.timestamp()
        if kind == 0:
            raise NoTimestamp(
                f"{message.topic()}[{message.partition()}] at {message.offset()} has no time stamp; set "
                "message.timestamp.type=LogAppendTime for the topic"
            )
        if not self._waiting:
            self._since = self._clock()
        kept = Message(
            message.topic(),
            message.partition(),
            message.offset(),
            timestamp_ms,
            message.key(),
            message.value(),
        )
        self._waiting.setdefault((kept.topic, kept.partition), []).append(kept)
        self._bytes += len(kept.value or b"")
        self.consumed += 1

    def _put(self, drop: Drop) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                if self._landing.put_if_absent(drop.key, drop.content):
                    self.put += 1
                else:
                    self.there_already += 1
                return
            except OSError as failed:
                if attempt == _TRIES:
                    raise
                logger.warning("%s: not put (%s), again", drop.key, failed)
                self._pause(min(0.1 * 2**attempt, 2.0))

    def _commit(self, next_offsets: Mapping[Place, int]) -> None:
        import confluent_kafka as client

        places = [client.TopicPartition(*place, offset) for place, offset in next_offsets.items()]
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except client.KafkaException as failed:
            # Whoever has the partition now consumes these messages again, which changes nothing.
            logger.warning("offsets not committed: %s", failed)

    def _forget(self, place: Place) -> None:
        self._bytes -= sum(len(m.value or b"") for m in self._waiting.pop(place))

    def _revoked(self, _: Any, places: Iterable[Any]) -> None:
        self.flush([(p.topic, p.partition) for p in places])

    def _lost(self, _: Any, places: Iterable[Any]) -> None:
        """Forget what is somebody else's by now, who begins where we committed last."""
        for place in places:
            if (place.topic, place.partition) in self._waiting:
                self._forget((place.topic, place.partition))

    def _judge(self, error: Any) -> None:
        """Go on after what librdkafka repairs itself.

        Raises:
            RuntimeError: it says that it cannot.
        """
        if error.fatal():
            raise RuntimeError(f"Kafka: {error.str()}")
        logger.warning("Kafka: %s", error.str())
