"""What differs between one clinic's account and another's.

What belongs here: settings, how they are read, what is refused. What does not: resources.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

_YES_OR_NO = {"true": True, "True": True, "false": False, "False": False}


@dataclass(frozen=True)
class Settings:
    """One deployment.

    Attributes:
        account: Number of the AWS account.
        region: Region of everything; a patient's data does not leave it.
        contact: Mail address that alarms and the budget write to.
        zones: Letters of three availability zones; Redshift Serverless wants three.
        smtp_host: Mail server for alerts; empty: none is mailed, they are written to a file.
        smtp_sender: From address of alerts.
        alert_link: Address in messages; `{alert_id}` stands for the alert.
        landing_events: Whether new drops are told to the queue `fallrisk-drops`, which the tasks then read.
        iot_endpoint: Address of the account's IoT Core (`aws iot describe-endpoint`); empty: no gateway runs.
        kafka_servers: Bootstrap brokers of MSK (`aws kafka get-bootstrap-brokers`); empty: nothing consumes.
        image_tag: Tag of the image in the registry that the `registry` stack makes.
        monthly_budget_usd: What a month may cost before somebody is told.
        runs_vcpu_units: CPU of a run, 1024 being one; with `runs_memory_mib` a pair that Fargate knows.
        runs_memory_mib: Memory of a run.
    """

    account: str
    region: str
    contact: str
    zones: str = "abc"
    smtp_host: str = ""
    smtp_sender: str = ""
    alert_link: str = "http://localhost:3000/assets/alerts?alert={alert_id}"
    landing_events: bool = False
    iot_endpoint: str = ""
    kafka_servers: str = ""
    image_tag: str = "1"
    monthly_budget_usd: int = 600
    runs_vcpu_units: int = 2048
    runs_memory_mib: int = 8192

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{12}", self.account):
            raise ValueError(f"account={self.account!r} is not the twelve digits of an AWS account")
        if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", self.region):
            raise ValueError(f"region={self.region!r} is not the name of a region, such as eu-west-1")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", self.contact):
            raise ValueError(f"contact={self.contact!r} is not a mail address: nobody would be told")
        if len(set(self.zones)) != 3 or len(self.zones) != 3:
            raise ValueError(f"zones={self.zones!r}: three different letters are wanted, such as abc")
        if self.smtp_host and "@" not in self.smtp_sender:
            raise ValueError(f"smtp_sender={self.smtp_sender!r} is no mail address, but smtp_host is given")
        if self.iot_endpoint and not re.fullmatch(r"[a-z0-9.-]+", self.iot_endpoint):
            raise ValueError(
                f"iot_endpoint={self.iot_endpoint!r} is no name of a machine, without scheme and port"
            )
        if self.kafka_servers and not re.fullmatch(r"[a-z0-9.-]+:\d+(,[a-z0-9.-]+:\d+)*", self.kafka_servers):
            raise ValueError(
                f"kafka_servers={self.kafka_servers!r}: name:port is wanted, several between commas"
            )

    @classmethod
    def of_context(cls, asked: Callable[[str], Any]) -> "Settings":
        """Read the settings that `cdk -c name=value` gave.

        Args:
            asked: Name of a setting → what was given, or None.

        Raises:
            ValueError: one that has no default is missing, or one is nothing that can be.
        """
        given = {f.name: asked(f.name) for f in fields(cls)}
        missing = [name for name in ("account", "region", "contact") if given[name] is None]
        if missing:
            raise ValueError("give " + ", ".join(f"-c {name}=…" for name in missing))
        kinds = {f.name: f.type for f in fields(cls)}
        return cls(**{n: _read(n, kinds[n], str(v)) for n, v in given.items() if v is not None})

    @property
    def availability_zones(self) -> list[str]:
        """Return the zones' full names."""
        return [self.region + letter for letter in self.zones]


def _read(name: str, kind: type, text: str) -> object:
    if kind is bool:
        if text not in _YES_OR_NO:
            raise ValueError(f"{name}={text!r}: say true or false")
        return _YES_OR_NO[text]
    if kind is int and not text.isdigit():
        raise ValueError(f"{name}={text!r} is no whole number")
    return kind(text)
