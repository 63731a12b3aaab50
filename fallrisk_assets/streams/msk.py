"""Who we are to MSK Serverless: a token that AWS's own signature makes of our role.

What belongs here: making the token. What does not: clients (`kafka.py`).

The token is a presigned request `kafka-cluster:Connect` to the region's Kafka service, as base64url without
padding; the broker sends it to AWS, which says who signed it.
https://github.com/aws/aws-msk-iam-sasl-signer-python (the same scheme, with a client of its own)
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fallrisk_assets.lake.s3 import Misconfigured

REGION_VARIABLE = "FALLRISK_MSK_REGION"
LASTS = timedelta(minutes=15)
"""The longest that a presigned request is taken; librdkafka asks anew before it ends."""
_ACTION, _SERVICE, _AGENT = "kafka-cluster:Connect", "kafka-cluster", "fallrisk-assets"


def token(region: str, credentials: Any) -> tuple[str, float]:
    """Return a token and when it ends, in s since the epoch.

    Args:
        region: Of the cluster.
        credentials: Of botocore, frozen.
    """
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    asked = AWSRequest(method="GET", url=f"https://kafka.{region}.amazonaws.com/", params={"Action": _ACTION})
    SigV4QueryAuth(credentials, _SERVICE, region, expires=int(LASTS.total_seconds())).add_auth(asked)
    signed = f"{asked.url}&User-Agent={_AGENT}"
    text = base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")
    return text, (datetime.now(UTC) + LASTS).timestamp()


def signer(region: str) -> Callable[[str], tuple[str, float]]:
    """Return what librdkafka calls for a token; each call looks the credentials up anew.

    Raises:
        Misconfigured: (when called) there are no credentials.
    """

    def signed(_: str) -> tuple[str, float]:
        import boto3

        found = boto3.Session(region_name=region).get_credentials()
        if found is None:
            raise Misconfigured(
                "kafka", REGION_VARIABLE, f"{region}: there are no AWS credentials to sign with"
            )
        return token(region, found.get_frozen_credentials())

    return signed
