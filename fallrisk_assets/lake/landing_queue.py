"""What S3 says of new files in the landing zone, in a queue.

What belongs here: reading notifications, which come directly or by EventBridge. What does not: the files
(`landing.py`), what they ask for (`sensors.py`).

A notification says that somebody should look, never what is there: the file itself is asked for its size and
time. They may come twice, late and out of order; what nobody understands is left, so that the queue's redrive
policy puts it aside.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from fallrisk_assets import aws
from fallrisk_assets.lake.s3 import Misconfigured

QUEUE_VARIABLE = "FALLRISK_LANDING_QUEUE"
_AT_ONCE, _AT_A_TIME = 10, 10


@dataclass
class Notified:
    """What the queue held.

    Attributes:
        keys: Objects that were made, as `bucket/key`, each once.
        receipts: What confirms the messages.
        unreadable: Messages that are no notifications; they stay.
    """

    keys: set[str] = field(default_factory=set)
    receipts: list[str] = field(default_factory=list)
    unreadable: int = 0


@dataclass(frozen=True)
class LandingQueue:
    """The queue, by its URL."""

    url: str

    def check(self) -> None:
        """Find out whether the queue is there and may be read.

        Raises:
            Misconfigured: it is not.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            aws.client("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        except (BotoCoreError, ClientError) as error:
            why, _ = aws.reason(error)
            raise Misconfigured("landing", QUEUE_VARIABLE, f"{self.url} does not let us in: {why}") from error

    def receive(self, limit: int, wait_s: int) -> Notified:
        """Take what the queue holds, up to about so many messages; waits for the first for some seconds."""
        client = aws.client("sqs")

        def ask(wait_s: int) -> list[dict[str, Any]]:
            answer = client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=wait_s
            )
            return list(answer.get("Messages", []))

        messages = ask(wait_s)
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            while messages and len(messages) < limit:
                more = [one for answer in pool.map(ask, [0] * _AT_A_TIME) for one in answer]
                messages += more
                if not more:
                    break
        found = Notified()
        for message in messages:
            made = _made(message["Body"])
            if made is None:
                found.unreadable += 1
            else:
                found.keys.update(made)
                found.receipts.append(message["ReceiptHandle"])
        return found

    def confirm(self, receipts: Sequence[str]) -> None:
        """Take messages from the queue; one that cannot be taken comes again, and asks for what is known."""
        client = aws.client("sqs")

        def confirm(start: int) -> None:
            batch = receipts[start : start + _AT_ONCE]
            entries = [{"Id": str(n), "ReceiptHandle": receipt} for n, receipt in enumerate(batch)]
            client.delete_message_batch(QueueUrl=self.url, Entries=entries)

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(confirm, range(0, len(receipts), _AT_ONCE)))


def _made(body: str) -> list[str] | None:
    """Return the objects that a notification says were made, as `bucket/key`; None where it is none."""
    try:
        said = json.loads(body)
        if said.get("Event") == "s3:TestEvent":
            return []
        if "detail-type" in said:  # by EventBridge, whose keys are plain
            if said["detail-type"] != "Object Created":
                return []
            return [f"{said['detail']['bucket']['name']}/{said['detail']['object']['key']}"]
        return list(_records(said["Records"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _records(records: list[dict[str, Any]]) -> Iterator[str]:
    for record in records:
        if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
            yield f"{record['s3']['bucket']['name']}/{unquote_plus(record['s3']['object']['key'])}"
