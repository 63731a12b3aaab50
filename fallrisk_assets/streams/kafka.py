"""How Kafka is reached: settings from the environment, and clients made from them.

What belongs here: variables, names of topics, clients, lag. What does not: what becomes of messages
(`log_drops.py`, `kafka_landing.py`).

Every variable `FALLRISK_KAFKA_…` is handed on to librdkafka as the property of that name, dots for
underscores: `FALLRISK_KAFKA_BOOTSTRAP_SERVERS`, `FALLRISK_KAFKA_SECURITY_PROTOCOL=SASL_SSL`,
`FALLRISK_KAFKA_SASL_MECHANISM=SCRAM-SHA-512`, `FALLRISK_KAFKA_SASL_USERNAME`, `FALLRISK_KAFKA_SASL_PASSWORD`,
`FALLRISK_KAFKA_SSL_CA_LOCATION` and so on; a value may be a reference to a secret (`secrets.py`)
(https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md). With `FALLRISK_MSK_REGION` the
brokers are those of MSK, which knows clients by their IAM role (`msk.py`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.secrets import revealed
from fallrisk_assets.streams.msk import REGION_VARIABLE, signer

PREFIX = "FALLRISK_KAFKA_"
SERVERS_VARIABLE = f"{PREFIX}BOOTSTRAP_SERVERS"
TELEMETRY_VARIABLE = "FALLRISK_STREAM_TELEMETRY_TOPICS"
APPOINTMENT_VARIABLE = "FALLRISK_STREAM_APPOINTMENT_TOPICS"
LANDING_GROUP = "fallrisk-landing"
LIVE_GROUP = "fallrisk-live"
NOT_INSTALLED = "Kafka needs the package confluent-kafka: pip install confluent-kafka"
_ANSWER_TIMEOUT_S = 10.0
_QUEUE_KB = 32 * 1024


@dataclass(frozen=True, slots=True)
class Topics:
    """Which topics hold what."""

    telemetry: tuple[str, ...] = ("telemetry",)
    appointments: tuple[str, ...] = ("appointment_events",)

    @classmethod
    def of_environment(cls, variables: Mapping[str, str] = os.environ) -> "Topics":
        """Read `FALLRISK_STREAM_TELEMETRY_TOPICS` and `…_APPOINTMENT_TOPICS`, names between commas."""
        return cls(
            _names(variables.get(TELEMETRY_VARIABLE, "telemetry")),
            _names(variables.get(APPOINTMENT_VARIABLE, "appointment_events")),
        )

    @property
    def all(self) -> tuple[str, ...]:
        """Every topic, once."""
        return tuple(dict.fromkeys((*self.telemetry, *self.appointments)))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def client_settings(variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return librdkafka's properties from the variables, and what it calls for a token where it needs one.

    Raises:
        Misconfigured: no broker is named, or there is no secret of the name that a value refers to.
        SecretsUnavailable: the store of secrets does not answer for the moment.
    """
    settings: dict[str, Any] = {
        name.removeprefix(PREFIX).lower().replace("_", "."): revealed(value, "kafka", name)
        for name, value in variables.items()
        if name.startswith(PREFIX)
    }
    if not settings.get("bootstrap.servers"):
        raise Misconfigured("kafka", SERVERS_VARIABLE, "is not set")
    if region := variables.get(REGION_VARIABLE):
        by_role = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "OAUTHBEARER",
            "oauth_cb": signer(region),
        }
        settings = {**settings, **by_role}
    return settings


def consumer(group: str, settings: Mapping[str, Any]) -> Any:
    """Return a consumer whose offsets are committed by us alone; a new group begins at the beginning.

    Raises:
        Misconfigured: a variable names no property of librdkafka, or has a value that it cannot have.
        RuntimeError: the package is not installed.
    """
    client = _library()
    chosen = {
        "group.id": group,
        "queued.max.messages.kbytes": str(_QUEUE_KB),
        **settings,
        # What our guarantees rest on is not for the environment to choose.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
    }
    try:
        return client.Consumer(chosen)
    except client.KafkaException as refused:
        why = refused.args[0].str() if hasattr(refused.args[0], "str") else str(refused)
        raise Misconfigured("kafka", f"{PREFIX}*", why) from refused


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far a group is behind in a partition; `committed` is -1 where it has not committed yet."""

    topic: str
    partition: int
    committed: int
    begin: int
    end: int

    @property
    def messages(self) -> int:
        """Messages that wait."""
        return self.end - max(self.committed, self.begin)


def lag(topics: Topics, group: str, settings: Mapping[str, str]) -> list[PartitionLag]:
    """Ask how far a group is behind; nothing is consumed and no partition is taken from anybody.

    Raises:
        Misconfigured: no broker answers, or a topic does not exist.
    """
    client = _library()
    asking = consumer(group, settings)
    try:
        known = asking.list_topics(timeout=_ANSWER_TIMEOUT_S).topics
        missing = [topic for topic in topics.all if topic not in known]
        if missing:
            raise Misconfigured("kafka", TELEMETRY_VARIABLE, f"no topic {', '.join(missing)} at the broker")
        places = [
            client.TopicPartition(topic, number) for topic in topics.all for number in known[topic].partitions
        ]
        found = []
        for place in asking.committed(places, timeout=_ANSWER_TIMEOUT_S):
            begin, end = asking.get_watermark_offsets(place, timeout=_ANSWER_TIMEOUT_S)
            found.append(PartitionLag(place.topic, place.partition, max(place.offset, -1), begin, end))
    except client.KafkaException as silent:
        raise Misconfigured("kafka", SERVERS_VARIABLE, silent.args[0].str()) from silent
    finally:
        asking.close()
    return sorted(found, key=lambda one: (one.topic, one.partition))


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as missing:
        raise RuntimeError(NOT_INSTALLED) from missing
    return confluent_kafka
