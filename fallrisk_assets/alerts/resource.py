"""The outbox as a Dagster resource: where the ledger is, which channels are real.

Belongs here: settings, and the clock at the edge. Does not belong here: the ledger's rules (`outbox`).
"""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from pydantic import Field

from fallrisk_assets.alerts.aws_channels import SnsChannel, SqsChannel
from fallrisk_assets.alerts.channels import Channel, FileChannel, SmtpChannel, WebhookChannel
from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import ops_contact
from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.secrets import SecretsUnavailable, revealed

CHANNELS = ("email", "sms", "phone", "webhook", "file")
LINK = "http://127.0.0.1:3000/assets/alerts?alert={alert_id}"
NOT_CONFIGURED = "not-configured"
"""The channel of whoever runs the platform where others are real and this one was forgotten: it fails."""

VARIABLES = {
    "link": "FALLRISK_ALERT_LINK",
    "smtp_host": "FALLRISK_SMTP_HOST",
    "smtp_port": "FALLRISK_SMTP_PORT",
    "smtp_sender": "FALLRISK_SMTP_SENDER",
    "smtp_username": "FALLRISK_SMTP_USERNAME",
    "smtp_password": "FALLRISK_SMTP_PASSWORD",
    "smtp_starttls": "FALLRISK_SMTP_STARTTLS",
    "send_webhooks": "FALLRISK_SEND_WEBHOOKS",
    "webhook_token": "FALLRISK_WEBHOOK_TOKEN",
    "send_sms": "FALLRISK_SEND_SMS",
    "ops_channel": "FALLRISK_OPS_CHANNEL",
    "ops_address": "FALLRISK_OPS_ADDRESS",
}
_OF_AWS: Mapping[str, Callable[[], Channel]] = {"sns": SnsChannel, "sqs": SqsChannel}
_BY_REFERENCE = ("smtp_username", "smtp_password", "webhook_token")
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class OutboxResource(dg.ConfigurableResource):
    """The delivery ledger and the channels that it sends by.

    Without settings every channel is the file channel: a laptop mails nobody. As soon as one channel is real,
    those that are not fail where everybody can see it: a file is nobody's phone.

    A setting that is not given is taken from the environment, when it is used: `FALLRISK_SMTP_HOST` and so
    on, see `VARIABLES`.

    Attributes:
        path: SQLite file of the ledger; empty means `<data folder>/outbox.db`.
        messages: file of the file channel; empty means `<data folder>/outbox.jsonl`.
        link: address in messages; `{alert_id}` stands for the alert's id.
        smtp_host: mail server; empty: mail goes to the file channel.
        smtp_port: its port; 25 by default.
        smtp_sender: From address; fallrisk@localhost by default.
        smtp_username: empty: no login.
        smtp_password: give it as an `EnvVar` or a reference (`secrets.py`), never as text.
        smtp_starttls: whether to ask for TLS.
        send_webhooks: whether webhook contacts are really called.
        webhook_token: bearer token; give it as an `EnvVar` or a reference.
        proxy: proxy for webhooks; empty: none.
        send_sms: whether text messages are really sent, by SNS.
        ops_channel: channel of whoever runs the platform, who is also told when a patient has no contact;
            without it the file, as long as no channel is real. `sns` and `sqs` are theirs alone.
        ops_address: their address; the ARN of a topic or the URL of a queue.
    """

    path: str = ""
    messages: str = ""
    link: str = ""
    smtp_host: str = ""
    smtp_port: int = 0
    smtp_sender: str = ""
    smtp_username: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_starttls: bool = False
    send_webhooks: bool = False
    webhook_token: str = Field(default="", repr=False)
    proxy: str = ""
    send_sms: bool = False
    ops_channel: str = ""
    ops_address: str = ""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look at the settings, references to secrets included, before a step runs; see `channels`.

        An outage of what keeps secrets is no reason to find no falls: pages wait for it, alerts do not.
        """
        try:
            self.channels()
        except SecretsUnavailable as away:
            if context.log is not None:
                context.log.warning("pages will wait: %s", away)

    def now(self) -> datetime:
        """The current time, UTC: the only clock of the alerts domain."""
        return datetime.now(UTC)

    def ledger(self) -> Ledger:
        """Open the delivery ledger; the caller closes it."""
        return Ledger(Path(self.path or Path(data_folder()) / "outbox.db"))

    def channels(self) -> dict[str, Channel]:
        """The channels by the name that contacts use; without a real one all of them are the file.

        Raises:
            ValueError: a variable of the environment that is no number, no yes or no, or a reference to
                nothing that we may read (`Misconfigured`); names it.
            SecretsUnavailable: what keeps a secret does not answer for the moment.
        """
        file = FileChannel(Path(self.messages or Path(data_folder()) / "outbox.jsonl"))
        real = self._real_channels()
        return {**real, "file": file} if real else dict.fromkeys(CHANNELS, file)

    def _real_channels(self) -> dict[str, Channel]:
        channels: dict[str, Channel] = {}
        if host := self._text("smtp_host"):
            port = self._text("smtp_port") or "25"
            if not port.isdigit():
                raise ValueError(f"{VARIABLES['smtp_port']}={port}: must be a number")
            channels["email"] = SmtpChannel(
                host,
                int(port),
                self._text("smtp_sender") or "fallrisk@localhost",
                self._text("smtp_username"),
                self._text("smtp_password"),
                self._yes("smtp_starttls"),
            )
        if self._yes("send_webhooks"):
            channels["webhook"] = WebhookChannel(token=self._text("webhook_token"), proxy=self.proxy)
        if self._yes("send_sms"):
            channels["sms"] = SnsChannel()
        if (ops := self._text("ops_channel")) in _OF_AWS:
            channels[ops] = _OF_AWS[ops]()
        return channels

    def _text(self, name: str) -> str:
        """A setting as it was given, else from the environment, now."""
        given = str(getattr(self, name) or os.environ.get(VARIABLES[name], "").strip())
        return revealed(given, "outbox", VARIABLES[name]) if name in _BY_REFERENCE else given

    def _yes(self, name: str) -> bool:
        given = self._text(name).lower()
        if given not in (*_YES, *_NO):
            raise ValueError(f"{VARIABLES[name]}={given}: must be true or false")
        return given in _YES

    def alert_link(self) -> str:
        """The address in messages."""
        return self._text("link") or LINK

    def ops(self) -> Contact:
        """Who is told about the platform itself, and about patients without contacts."""
        real = self._text("smtp_host") or self._yes("send_webhooks") or self._yes("send_sms")
        missing = NOT_CONFIGURED if real else "file"
        return ops_contact(self._text("ops_channel") or missing, self._text("ops_address"))
