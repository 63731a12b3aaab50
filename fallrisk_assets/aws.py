"""Clients of AWS's services, and which of their errors pass by themselves.

What belongs here: time limits and retries of boto3, the same for each service. What does not: S3, which is
spoken to through pyarrow (`lake/s3.py`), and what is asked (`secrets.py`, `alerts/aws_channels.py`,
`events/sinks.py`).

Region, endpoints and credentials are the SDK's own.
https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

from typing import Any

from fallrisk_assets.lake.s3 import region

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S, _ATTEMPTS = 5.0, 10.0, 4
#: What a service may say for the moment; anything else that it says is about what was asked, or our rights.
_FOR_THE_MOMENT = (
    "Throttl",
    "InternalError",
    "InternalFailure",
    "InternalException",
    "InternalServ",
    "ServiceUnavailable",
    "RequestTimeout",
    "KMSThrottling",
    "KmsThrottled",
)


def client(service: str, region_name: str = "") -> Any:
    """Return a boto3 client of a service, in the environment's region unless another is given."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        region_name=region_name or region() or None,
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        ),
    )


def passes(code: str) -> bool:
    """Tell whether an error of a service, by its code, passes by itself."""
    return code.startswith(_FOR_THE_MOMENT)


def reason(error: Exception) -> tuple[str, bool]:
    """Return what an error of botocore is called, without what it quotes, and whether it passes by itself."""
    from botocore import exceptions as said

    if isinstance(error, said.ClientError):
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        return code, passes(code)
    lasting = (
        said.NoCredentialsError,
        said.PartialCredentialsError,
        said.ParamValidationError,
        said.NoRegionError,
        said.InvalidRegionError,
    )
    return type(error).__name__, not isinstance(error, lasting)
