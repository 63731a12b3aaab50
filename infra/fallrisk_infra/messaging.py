"""What is said between parts: a bus for events, a topic for alerts, queues with a place for what fails."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

#: After so many tries a message is put aside, and somebody is told.
MAX_RECEIVES = 5


class Messaging(cdk.Stack):
    """New drops to a queue, urgent alerts to a queue, other events on a bus that keeps them for a month."""

    def __init__(
        self, scope: Construct, id: str, *, key: kms.IKey, landing: str, landing_events: bool, **kwargs
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self.key = key
        self.dead_letters: list[sqs.Queue] = []
        self.operators = self._topic("operators")
        self.alerts = self._topic("alerts")
        self.urgent = self._queue("urgent")
        self.alerts.add_subscription(
            subscriptions.SqsSubscription(
                self.urgent,
                raw_message_delivery=True,
                dead_letter_queue=self.dead_letters[-1],
                filter_policy={
                    "severity": sns.SubscriptionFilter.string_filter(allowlist=["high", "critical"])
                },
            )
        )
        self.drops = self._queue("drops")
        # Off until something reads the queue: what nobody takes would be gone after four days.
        rule = events.Rule(
            self,
            "new-drop",
            enabled=landing_events,
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [landing]}},
            ),
        )
        rule.add_target(targets.SqsQueue(self.drops, dead_letter_queue=self.dead_letters[-1]))
        self.bus = events.EventBus(self, "bus", event_bus_name="fallrisk", kms_key=key)
        # Stages are told by name alone: telemetry.ingested, features.ready, risk.scored, alert.opened …
        events.CfnArchive(
            self,
            "month",
            source_arn=self.bus.event_bus_arn,
            retention_days=30,
            event_pattern={"source": [{"prefix": "fallrisk."}]},
        )

    def _topic(self, name: str) -> sns.Topic:
        return sns.Topic(self, name, topic_name=f"fallrisk-{name}", master_key=self.key, enforce_ssl=True)

    def _queue(self, name: str) -> sqs.Queue:
        shared = {
            "encryption": sqs.QueueEncryption.KMS,
            "encryption_master_key": self.key,
            "enforce_ssl": True,
        }
        dead = sqs.Queue(
            self,
            f"{name}-dead",
            queue_name=f"fallrisk-{name}-dead",
            retention_period=cdk.Duration.days(14),
            **shared,
        )
        self.dead_letters.append(dead)
        return sqs.Queue(
            self,
            name,
            queue_name=f"fallrisk-{name}",
            visibility_timeout=cdk.Duration.minutes(5),
            retention_period=cdk.Duration.days(4),
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=MAX_RECEIVES),
            **shared,
        )
