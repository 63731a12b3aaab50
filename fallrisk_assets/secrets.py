"""Secrets by reference: configuration says where a secret is kept, and it is asked for when it is used.

What belongs here: what a reference looks like, asking the store, keeping values out of texts. What does not:
what a secret is for (the resource that wants it).

    secretsmanager:fallrisk/warehouse#password     AWS Secrets Manager: name or ARN, field of a JSON secret
    ssm:/fallrisk/webhook-token                    SSM Parameter Store: name or ARN, decrypted
    file:/run/secrets/smtp#password                a file, as Docker and ECS mount secrets

Anything else is the secret itself. Nothing is kept here: each call asks again, so what was rotated is found.
Region and credentials are the SDK's own. https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
"""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

from fallrisk_assets import aws
from fallrisk_assets.lake.s3 import REGION_VARIABLES, Misconfigured, region

_REFERENCE = re.compile(r"(secretsmanager|ssm|file):([^#]+)(?:#(.+))?")
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@\s]*@")
#: These tell whole answers to whoever listens at level DEBUG.
_TELLTALES = ("botocore.parsers", "botocore.endpoint", "botocore.hooks")


class SecretsUnavailable(ConnectionError):
    """The store of secrets does not answer for the moment."""


def is_reference(text: str) -> bool:
    """Tell a reference from a secret itself."""
    return _REFERENCE.fullmatch(text) is not None


def revealed(text: str, resource: str, variable: str) -> str:
    """Return the secret that a reference names, as it is now; a text that is none as it is.

    Args:
        text: The reference, or the secret itself.
        resource: Who wants it, for messages.
        variable: The variable that says it, for messages.

    Raises:
        Misconfigured: there is no such secret or field, it is empty, or we may not read it.
        SecretsUnavailable: the store does not answer for the moment.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        return text
    store, name, field = found.groups()

    def wrong(what: str) -> Misconfigured:
        return Misconfigured(resource, variable, f"{text} {what}")

    value = _from_file(name, wrong) if store == "file" else _from_aws(store, name, wrong)
    if field is not None:
        try:
            value = str(json.loads(value)[field])
        except (ValueError, KeyError, TypeError):
            # Without the cause: a parser's error carries the text that it could not read.
            raise wrong(f"is no JSON object with a field {field!r}") from None
    if not value:
        raise wrong("is empty")
    return value


def without_passwords(text: str) -> str:
    """Return a text with `***` in the place of the password of each address in it."""
    return _PASSWORD.sub(r"\1:***@", text)


def _from_file(name: str, wrong: Callable[[str], Misconfigured]) -> str:
    try:
        return Path(name).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise wrong(f"cannot be read ({type(error).__name__})") from None


def _from_aws(store: str, name: str, wrong: Callable[[str], Misconfigured]) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    if not region():
        raise wrong(f"needs a region, and {REGION_VARIABLES[0]} is not set")
    for logger in _TELLTALES:
        logging.getLogger(logger).setLevel(logging.INFO)
    try:
        if store == "ssm":
            answer = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
            return str(answer["Parameter"]["Value"])
        answer = aws.client("secretsmanager").get_secret_value(SecretId=name)
    except (BotoCoreError, ClientError) as error:
        why, passes = aws.reason(error)
        if passes:
            raise SecretsUnavailable(f"{store}:{name}: {why}") from error
        raise wrong(f"cannot be read ({why})") from error
    if "SecretString" not in answer:
        raise wrong("is binary, and a text is wanted")
    return str(answer["SecretString"])
