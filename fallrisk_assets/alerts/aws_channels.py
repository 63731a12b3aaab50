"""Pages by AWS: to a topic or a phone (SNS), to a queue (SQS).

Belongs here: what is sent, and which of AWS's answers make trying again worth while. Does not belong here:
other channels (`channels.py`), who subscribes to a topic and what takes messages that nobody can handle
(`infra/`).

Attributes say what filter policies choose by: severity, rule, transition, level.
https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fallrisk_assets import aws
from fallrisk_assets.alerts.channels import PermanentFailure, TransientFailure
from fallrisk_assets.alerts.notifications import Message

_TOPIC = re.compile(r"arn:aws[\w-]*:sns:([\w-]+):\d{12}:[\w-]+(\.fifo)?")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_QUEUE = re.compile(r"https?://\S+/\d{12}/[\w-]+(\.fifo)?")
_SUBJECT_LENGTH = 100
_FILTERED_BY = ("severity", "rule", "transition", "level")
#: Our rights and settings, not the message: to be mended, and worth another try.
_TO_BE_MENDED = ("AuthorizationError", "AccessDenied", "KMS", "InvalidClientTokenId", "SignatureDoesNotMatch")


@dataclass(frozen=True)
class SnsChannel:
    """Publishes to the topic (ARN) or phone (E.164) that the contact's address is."""

    def send(self, message: Message, address: str) -> None:
        """Publish once; a FIFO topic drops a repeat within five minutes by the idempotency key."""
        topic, phone = _TOPIC.fullmatch(address), _PHONE.fullmatch(address)
        if topic is None and phone is None:
            raise PermanentFailure("SNS: the address is neither a topic nor a phone number")
        if topic is None:
            _ask("SNS", "sns", "publish", PhoneNumber=address, Message=message.text)
            return
        _ask(
            "SNS",
            "sns",
            "publish",
            topic[1],
            TopicArn=address,
            Subject=_ascii(message.headline)[:_SUBJECT_LENGTH],
            Message=_body(message),
            MessageAttributes=_attributes(message),
            **_ordered(message, fifo=bool(topic[2])),
        )


@dataclass(frozen=True)
class SqsChannel:
    """Puts the message into the queue (URL) that the contact's address is."""

    def send(self, message: Message, address: str) -> None:
        """Send once; a FIFO queue drops a repeat within five minutes by the idempotency key."""
        queue = _QUEUE.fullmatch(address)
        if queue is None:
            raise PermanentFailure("SQS: the address is no URL of a queue")
        _ask(
            "SQS",
            "sqs",
            "send_message",
            QueueUrl=address,
            MessageBody=_body(message),
            MessageAttributes=_attributes(message),
            **_ordered(message, fifo=bool(queue[1])),
        )


def _ask(name: str, service: str, call: str, region: str = "", **arguments: Any) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        getattr(aws.client(service, region), call)(**arguments)
    except (BotoCoreError, ClientError) as error:
        why, passes = aws.reason(error)
        if passes or why.startswith(_TO_BE_MENDED) or "Credentials" in why:
            raise TransientFailure(f"{name}: {why}") from None  # its text may quote the address
        raise PermanentFailure(f"{name}: {why}") from None


def _body(message: Message) -> str:
    return json.dumps({"headline": message.headline, **message.data}, separators=(",", ":"))


def _ascii(headline: str) -> str:
    """Return what SNS takes as a subject: printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in headline)


def _attributes(message: Message) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        name: {"DataType": "String", "StringValue": str(message.data[name])} for name in _FILTERED_BY
    }
    found["level"]["DataType"] = "Number"
    found["idempotencyKey"] = {"DataType": "String", "StringValue": message.idempotency_key}
    return found


def _ordered(message: Message, *, fifo: bool) -> dict[str, str]:
    if not fifo:
        return {}
    return {
        "MessageGroupId": str(message.data["alertId"]),
        "MessageDeduplicationId": message.idempotency_key,
    }
