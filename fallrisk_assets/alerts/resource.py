"""The outbox as a Dagster resource: where the ledger is, which channels are real.

Belongs here: settings, and the clock at the edge. Does not belong here: the ledger's rules (`outbox`).
"""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from fallrisk_assets.alerts.channels import Channel, FileChannel, SmtpChannel, WebhookChannel
from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import ops_contact
from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets.lake.resource import data_folder

CHANNELS = ("email", "sms", "phone", "webhook", "file")


class OutboxResource(dg.ConfigurableResource):
    """The delivery ledger and the channels that it sends by.

    Without settings every channel is the file channel: a laptop mails nobody.

    Attributes:
        path: SQLite file of the ledger; empty means `<data folder>/outbox.db`.
        messages: file of the file channel; empty means `<data folder>/outbox.jsonl`.
        link: address in messages; `{alert_id}` stands for the alert's id.
        smtp_host: mail server; empty: mail goes to the file channel.
        smtp_port: its port.
        smtp_sender: From address.
        smtp_username: empty: no login.
        smtp_password: give it as an `EnvVar`, never as text.
        smtp_starttls: whether to ask for TLS.
        send_webhooks: whether webhook contacts are really called.
        webhook_token: bearer token; give it as an `EnvVar`.
        proxy: proxy for webhooks; empty: none.
        ops_channel: channel of whoever runs the platform, who is also told when a patient has no contact.
        ops_address: their address.
    """

    path: str = ""
    messages: str = ""
    link: str = "http://127.0.0.1:3000/assets/alerts?alert={alert_id}"
    smtp_host: str = ""
    smtp_port: int = 25
    smtp_sender: str = "fallrisk@localhost"
    smtp_username: str = ""
    smtp_password: str = ""
    smtp_starttls: bool = False
    send_webhooks: bool = False
    webhook_token: str = ""
    proxy: str = ""
    ops_channel: str = "file"
    ops_address: str = ""

    def now(self) -> datetime:
        """The current time, UTC: the only clock of the alerts domain."""
        return datetime.now(UTC)

    def ledger(self) -> Ledger:
        """Open the delivery ledger; the caller closes it."""
        return Ledger(Path(self.path or Path(data_folder()) / "outbox.db"))

    def channels(self) -> dict[str, Channel]:
        """The channels by the name that contacts use."""
        file = FileChannel(Path(self.messages or Path(data_folder()) / "outbox.jsonl"))
        channels: dict[str, Channel] = dict.fromkeys(CHANNELS, file)
        if self.smtp_host:
            channels["email"] = SmtpChannel(
                self.smtp_host,
                self.smtp_port,
                self.smtp_sender,
                self.smtp_username,
                self.smtp_password,
                self.smtp_starttls,
            )
        if self.send_webhooks:
            channels["webhook"] = WebhookChannel(token=self.webhook_token, proxy=self.proxy)
        return channels

    def ops(self) -> Contact:
        """Who is told about the platform itself, and about patients without contacts."""
        return ops_contact(self.ops_channel, self.ops_address)
