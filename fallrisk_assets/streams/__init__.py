"""Streams in: Kafka and MQTT into the landing zone, the device registry, falls detected live."""
