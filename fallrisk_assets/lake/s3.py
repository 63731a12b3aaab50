"""How S3 is reached: the settings that every resource on it shares, and what is wrong with them.

What belongs here: addresses, the endpoint, the region, clients. What does not: what is stored.

Region, endpoint and credentials are what the AWS SDKs themselves read: `AWS_REGION`, `AWS_ENDPOINT_URL_S3`
(or `AWS_ENDPOINT_URL`; neither is needed for AWS itself) and the SDK's chain of credentials, which on ECS is
the task's role. https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

import os
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
SCHEME = "s3://"
#: Requests that S3 refuses for the moment (500, 503, a broken connection) are sent again this often.
ATTEMPTS = 6
_ATTEMPTS_OF_A_LOOK = 2
_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 20.0


class Misconfigured(ValueError):
    """A resource cannot be used as it is configured; the message names it, its variable and the way out."""

    def __init__(self, resource: str, variable: str, what: str) -> None:
        super().__init__(f"resource {resource}: {variable}: {what}")


def is_s3(address: str) -> bool:
    """Tell an address on S3 from a folder."""
    return address.startswith(SCHEME)


def region() -> str:
    """Return the region that the environment names; empty where it names none."""
    return next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), "")


def endpoint() -> str:
    """Return the endpoint that the environment names; empty for AWS's own."""
    return next((os.environ[name] for name in ENDPOINT_VARIABLES if os.environ.get(name)), "")


def locate(
    address: str, resource: str, variable: str, attempts: int | None = None
) -> tuple[pafs.S3FileSystem, str]:
    """Return the file system of an `s3://bucket/prefix` address, and the path inside it.

    Args:
        address: The address.
        resource: Whose it is, for messages.
        variable: The variable that set it, for messages.
        attempts: How often a request is sent; `ATTEMPTS` by default.

    Raises:
        Misconfigured: the address names no bucket, or no region is set, or the endpoint is no URL.
    """
    path = address.removeprefix(SCHEME).strip("/")
    if not is_s3(address) or not path:
        raise Misconfigured(resource, variable, f"{address!r} is no address such as s3://bucket/prefix")
    if not region():
        raise Misconfigured(resource, REGION_VARIABLES[0], f"is not set, and {address} needs a region")
    url = urlsplit(endpoint())
    if endpoint() and not (url.scheme in ("http", "https") and url.netloc):
        raise Misconfigured(resource, ENDPOINT_VARIABLES[0], f"{endpoint()!r} is no http(s) URL")
    filesystem = pafs.S3FileSystem(
        region=region(),
        endpoint_override=url.netloc or None,
        scheme=url.scheme or "https",
        connect_timeout=_CONNECT_TIMEOUT_S,
        request_timeout=_READ_TIMEOUT_S,
        allow_delayed_open=True,  # a small object is one request, not the three of a multipart upload
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=attempts or ATTEMPTS),
    )
    return filesystem, path


def check(address: str, resource: str, variable: str) -> None:
    """Look whether the bucket of an address is there and may be listed; a folder needs no look.

    Raises:
        Misconfigured: it is not there, not ours, or nothing answers at the endpoint.
    """
    if "://" not in address:
        return
    filesystem, path = locate(address, resource, variable, _ATTEMPTS_OF_A_LOOK)
    bucket = path.partition("/")[0]
    where = f"bucket {bucket} at {endpoint() or 'AWS'} ({region()})"
    try:
        found = filesystem.get_file_info(bucket)
        if found.type != pafs.FileType.NotFound:
            filesystem.get_file_info(f"{path}/_")  # HeadBucket may be allowed where objects are not
    except OSError as error:
        raise Misconfigured(resource, variable, f"{where} does not let us in: {error}") from error
    if found.type == pafs.FileType.NotFound:
        raise Misconfigured(resource, variable, f"{where} does not exist")


def client() -> Any:
    """Return a boto3 client of S3 with the same settings, for what pyarrow lacks: conditional puts."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        region_name=region() or None,
        endpoint_url=endpoint() or None,
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )
