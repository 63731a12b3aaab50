"""A lock on S3: one object, changed by compare-and-swap, that whoever holds it has to renew.

What belongs here: who may change a table now. What does not: what is changed.

S3 has no locks, but a put can be made conditional on what is there
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). As in DynamoDB's lock client
nobody compares clocks of two machines: who waits takes the lock over once it has seen it unchanged for a
whole lease by its own clock, and who holds it stops before its lease has passed by its own.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

LEASE_S = 60.0
_FREE = b'{"held_by": null}'
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")


class LeaseLost(TimeoutError):
    """A lock was not renewed in time: another process may hold it now, so nothing more may be written."""


class Lease:
    """A lock for one holder at a time.

    Attributes:
        client: boto3 client of S3.
        bucket: Bucket of the lock's object.
        key: Key of the lock's object; it stays when the lock is released.
        lease_s: How long a holder may be silent.
        clock: Seconds that only ever increase.
        pause: Waits for some seconds.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        key: str,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._bucket, self._key = client, bucket, key
        self._lease_s, self._clock, self._pause = lease_s, clock, pause
        self._etag: str | None = None
        self._renewed = 0.0

    def acquire(self) -> None:
        """Take the lock, waiting for whoever holds it; a holder that is silent for a lease has lost it."""
        seen: str | None = None
        since = 0.0
        wait_s = 0.02
        while True:
            body, etag = self._look()
            now = self._clock()
            if etag != seen:
                seen, since = etag, now
            if etag is None or body == _FREE or now - since >= self._lease_s:
                if self._swap(self._token(), etag):
                    return
                continue
            self._pause(wait_s)
            wait_s = min(2 * wait_s, 0.5)

    def keep(self) -> None:
        """Make sure that the lock is still ours, before each write that it protects.

        Raises:
            LeaseLost: it is not, or may not be for long enough.
        """
        silent_s = self._clock() - self._renewed
        if self._etag is None or silent_s > 0.8 * self._lease_s:
            raise LeaseLost(f"{self._bucket}/{self._key}: the lock was not renewed for {silent_s:.0f} s")
        if silent_s > self._lease_s / 3 and not self._swap(self._token(), self._etag):
            self._etag = None
            raise LeaseLost(f"{self._bucket}/{self._key}: another process took the lock over")

    def release(self) -> None:
        """Give the lock back, unless another process has taken it over."""
        etag, self._etag = self._etag, None
        if etag is not None:
            self._put(_FREE, etag)

    def _token(self) -> bytes:
        return json.dumps({"held_by": uuid.uuid4().hex}).encode()

    def _look(self) -> tuple[bytes, str | None]:
        """Return the object's content and tag; None where there is no object yet."""
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._key)
            return found["Body"].read(), found["ETag"]
        except self._client.exceptions.NoSuchKey:
            return b"", None

    def _swap(self, token: bytes, expected: str | None) -> bool:
        """Put our token where `expected` is; False where something else is by now."""
        before = self._clock()  # the lease counts from before the request: others may see it that early
        etag = self._put(token, expected)
        if etag is None:
            return False
        self._etag, self._renewed = etag, before
        return True

    def _put(self, body: bytes, expected: str | None) -> str | None:
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        try:
            done = self._client.put_object(Bucket=self._bucket, Key=self._key, Body=body, **condition)
            return str(done["ETag"])
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            # After a lost answer the client asks again, and then our own put is in the way.
            there, etag = self._look()
            return etag if there == body and body != _FREE else None
