"""How a message leaves: a file, SMTP, a webhook.

Belongs here: one class per channel, each of which either delivers or says whether trying again makes
sense. Does not belong here: whether and when to try (`outbox`).
"""

import http.client
import json
import os
import smtplib
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import EmailMessage
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from fallrisk_assets.alerts.notifications import Message


class DeliveryFailed(Exception):
    """A message was not delivered."""


class TransientFailure(DeliveryFailed):
    """Trying again later may help; `retry_after_s` is the receiver's wish, if it had one."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class PermanentFailure(DeliveryFailed):
    """Trying again cannot help: the address or the message is refused."""


class Channel(Protocol):
    """Something that delivers messages; may deliver one twice, with the same idempotency key."""

    def send(self, message: Message, address: str) -> None:
        """Deliver, or raise `TransientFailure` or `PermanentFailure`."""


@dataclass(frozen=True)
class FileChannel:
    """Appends messages to one file, a JSON line each: the default, and what a laptop without mail has.

    The address is not written: the file is not a place for personal data.
    """

    path: Path

    def send(self, message: Message, address: str) -> None:
        """Append one line and see it to the disk."""
        del address
        line = json.dumps({"headline": message.headline, **message.data}, separators=(",", ":")) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, line.encode())
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise TransientFailure(f"{self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class SmtpChannel:
    """Mail by SMTP (RFC 5321); the Message-ID is the idempotency key.

    Attributes:
        host: server.
        port: its port.
        sender: From address.
        username: empty: no login.
        password: for the login.
        starttls: whether to ask for TLS before anything else.
        timeout_s: for every step of the conversation.
    """

    host: str
    port: int
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    timeout_s: float = 10.0

    def send(self, message: Message, address: str) -> None:
        """Send one mail. 4xx and lost connections are transient, 5xx is permanent."""
        mail = EmailMessage()
        try:
            mail["From"], mail["To"], mail["Subject"] = self.sender, address, message.headline
            usable = [bool(one.username) for one in mail["To"].addresses] == [True]
        except Exception as error:  # the library's parser trips over `ward-1@` and `a@[` in many ways
            raise PermanentFailure(f"SMTP: the address is not one ({type(error).__name__})") from error
        if not usable:
            raise PermanentFailure("SMTP: the address is not one")
        mail["Message-ID"] = f"<{message.idempotency_key}@{self.sender.rpartition('@')[2]}>"
        mail["X-Idempotency-Key"] = message.idempotency_key
        mail.set_content(message.text)
        try:
            with smtplib.SMTP(self.host, self.port, timeout=self.timeout_s) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.username:
                    server.login(self.username, self.password)
                server.send_message(mail)
        except (
            smtplib.SMTPAuthenticationError
        ) as error:  # our password, not the message: to be mended and retried
            raise TransientFailure(f"SMTP {error.smtp_code}: login refused") from error
        except smtplib.SMTPRecipientsRefused as error:
            code = min((code for code, _ in error.recipients.values()), default=550)
            raise _smtp_failure(code, "recipient refused") from error
        except smtplib.SMTPResponseException as error:
            raise _smtp_failure(error.smtp_code, "refused") from error
        except (smtplib.SMTPException, OSError) as error:
            raise TransientFailure(f"SMTP {self.host}:{self.port}: {type(error).__name__}") from error


def _smtp_failure(code: int, what: str) -> DeliveryFailed:
    reason = f"SMTP {code}: {what}"
    return PermanentFailure(reason) if code >= 500 else TransientFailure(reason)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET without its body: refuse instead."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Follow nothing."""
        return


_TRY_AGAIN = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


@dataclass(frozen=True)
class WebhookChannel:
    """POSTs the message as JSON with an `Idempotency-Key` header to the contact's address.

    Attributes:
        timeout_s: for connecting and for each read.
        token: sent as bearer token when not empty.
        proxy: address of the proxy for outgoing requests; empty: none, whatever the environment says.
    """

    timeout_s: float = 10.0
    token: str = field(default="", repr=False)
    proxy: str = ""

    def send(self, message: Message, address: str) -> None:
        """POST once. 408, 409, 425, 429, 5xx and lost connections are transient, other refusals permanent."""
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("https", "http") and bool(parts.hostname)
        except ValueError:  # `http://[::1`
            usable = False
        if not usable:
            raise PermanentFailure("webhook: the address is no http(s) URL")
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.idempotency_key}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = json.dumps({"headline": message.headline, **message.data}).encode()
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else {}
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler(proxies))
        try:
            request = urllib.request.Request(address, body, headers, method="POST")
            with opener.open(request, timeout=self.timeout_s):
                return
        except (ValueError, http.client.InvalidURL) as error:
            raise PermanentFailure("webhook: the address is no http(s) URL") from error
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"webhook: HTTP {error.code}"
            if error.code in _TRY_AGAIN or error.code >= 500:
                wish = error.headers.get("Retry-After", "")
                raise TransientFailure(reason, float(wish) if wish.isdigit() else None) from error
            raise PermanentFailure(reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise TransientFailure(f"webhook: {type(error).__name__}") from error
