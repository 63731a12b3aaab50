"""What people do about alerts: append-only drops, one file an action.

Belongs here: the action itself, its file form, its table. Does not belong here: what an action does to an
alert (`episodes`).

An action carries the alert's patient (or device), rule and opening beside its id, because data that arrives
late may move an alert's opening and so its id; the person's decision must still find it.
"""

import json
import os
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fallrisk_assets.alerts.rules import CLOSED_AS, RULES
from fallrisk_assets.partitions import hour_key

ACTIONS_FOLDER = "alert_actions"
"""Of the landing zone."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fallrisk-assets/alert-action")

KINDS = {
    "acknowledge": "ACKNOWLEDGED",
    "assign": "ASSIGNED",
    "note": "NOTED",
    "snooze": "SNOOZED",
    "close": "CLOSED",
}
_NAME = re.compile(r"^(\d{8}T\d{6}Z)-([0-9a-f-]{36})\.json$")


class ActionRefused(ValueError):
    """An action that cannot be: the message names the field and what is allowed."""


@dataclass(frozen=True)
class Action:
    """One thing that a person did about one alert.

    Attributes:
        alert_id: the alert as the person saw it.
        subject: its patient, else its device.
        rule: its rule.
        opened_at: its opening as the person saw it, UTC.
        kind: acknowledge, assign, note, snooze or close.
        by: who did it (a staff id, not a name).
        at: when, UTC, whole microseconds.
        to: for assign: to whom.
        until: for snooze: until when, UTC.
        outcome: for close: confirmed, false or device.
        text: for note (or with any kind): free text; may contain health data.
    """

    alert_id: str
    subject: str
    rule: str
    opened_at: datetime
    kind: str
    by: str
    at: datetime
    to: str | None = None
    until: datetime | None = None
    outcome: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be folded."""
        required = {"assign": "to", "snooze": "until", "close": "outcome", "note": "text"}
        if self.kind not in KINDS:
            raise ActionRefused(f"action kind {self.kind!r}: must be one of {', '.join(KINDS)}")
        if self.rule not in RULES:
            raise ActionRefused(f"action {self.kind}: rule must be one of {', '.join(RULES)}")
        for name in ("to", "outcome", "text"):
            if not isinstance(getattr(self, name), str | None):
                raise ActionRefused(f"action {self.kind}: {name} must be text")
        field = required.get(self.kind)
        if field and not getattr(self, field):
            raise ActionRefused(f"action {self.kind}: {field} is required")
        if self.kind == "close" and self.outcome not in CLOSED_AS:
            raise ActionRefused(f"close as {self.outcome!r}: must be one of {', '.join(CLOSED_AS)}")
        if not self.by:
            raise ActionRefused(f"action {self.kind}: by is required")
        for name in ("at", "opened_at", "until"):
            value = getattr(self, name)
            if value is not None and value.tzinfo is None:
                raise ActionRefused(
                    f"action {self.kind}: {name} needs a time zone, e.g. 2026-01-05T07:12:00Z"
                )
        if self.until is not None and self.until <= self.at:
            raise ActionRefused(f"snooze until {self.until.isoformat()}: must be after {self.at.isoformat()}")

    @property
    def action_id(self) -> str:
        """uuid5 of everything in the action: the same deed twice is one action."""
        return str(uuid.uuid5(_NAMESPACE, self.to_json()))

    @property
    def transition(self) -> str:
        """The name of the transition that this makes."""
        return CLOSED_AS[self.outcome or ""] if self.kind == "close" else KINDS[self.kind]

    def to_json(self) -> str:
        """The file form: one JSON object with fixed key order."""
        return json.dumps(
            {
                "schemaVersion": 1,
                "alertId": self.alert_id,
                "subject": self.subject,
                "rule": self.rule,
                "openedAt": self.opened_at.astimezone(UTC).isoformat(),
                "kind": self.kind,
                "by": self.by,
                "at": self.at.astimezone(UTC).isoformat(),
                "to": self.to,
                "until": self.until.astimezone(UTC).isoformat() if self.until else None,
                "outcome": self.outcome,
                "text": self.text,
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )

    @property
    def file_name(self) -> str:
        """`<at>-<action_id>.json`: the hour that an action belongs to is read from its name."""
        return f"{self.at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{self.action_id}.json"


def action_from_json(text: str | bytes, name: str = "action") -> Action:
    """Read one action's file form.

    Raises:
        ActionRefused: not JSON, a field missing or of the wrong form; names the file.
    """
    try:
        raw = json.loads(text)
        return Action(
            alert_id=str(raw["alertId"]),
            subject=str(raw["subject"]),
            rule=str(raw["rule"]),
            opened_at=datetime.fromisoformat(raw["openedAt"]),
            kind=str(raw["kind"]),
            by=str(raw["by"]),
            at=datetime.fromisoformat(raw["at"]),
            to=raw.get("to"),
            until=datetime.fromisoformat(raw["until"]) if raw.get("until") else None,
            outcome=raw.get("outcome"),
            text=raw.get("text"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ActionRefused(f"{name}: not an alert action ({error})") from error


def append_action(folder: Path, action: Action) -> Path:
    """Append one action as a new file that is either whole on disk or absent.

    Args:
        folder: the landing folder of actions; created if missing.
        action: what was done. Appending it again changes nothing.

    Returns:
        The file's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / action.file_name
    part = folder / f".{action.file_name}.{os.getpid()}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(action.to_json() + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path


def hour_of_action_file(name: str) -> datetime | None:
    """The UTC hour that an action's file belongs to, read from its name; None if it is no action file."""
    match = _NAME.match(name)
    if match is None:
        return None
    try:
        at = datetime.strptime(match.group(1), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # the 31st of June
        return None
    return at.replace(minute=0, second=0)


def files_by_hour(keys: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The landed files by the hour in their names, and the names that say no hour."""
    files: dict[str, list[str]] = {}
    misnamed = []
    for key in keys:
        hour = hour_of_action_file(name_of(key))
        if hour is None:
            misnamed.append(name_of(key))
        else:
            files.setdefault(hour_key(hour), []).append(key)
    return files, misnamed


def name_of(key: str) -> str:
    """The file's name in a landed key."""
    return key.rpartition("/")[2]


def read_actions(files: Iterable[tuple[str, bytes]]) -> tuple[list[Action], list[str]]:
    """Read action files.

    Args:
        files: name and content of each.

    Returns:
        The actions in order of time and id, each once, and the refusals: one text a file that is none.
    """
    actions: dict[str, Action] = {}
    refused: list[str] = []
    for name, content in files:
        try:
            action = action_from_json(content, name)
            hour = hour_of_action_file(name_of(name))
            if hour is not None and hour != action.at.astimezone(UTC).replace(
                minute=0, second=0, microsecond=0
            ):
                raise ActionRefused(f"{name}: its name says another hour than its content")
        except ActionRefused as error:
            refused.append(str(error))
        else:
            actions[action.action_id] = action
    return sorted(actions.values(), key=lambda a: (a.at, a.action_id)), sorted(refused)


def actions_from_rows(rows: Sequence[dict]) -> list[Action]:
    """The actions of rows of the `alert_actions` table."""
    names = Action.__dataclass_fields__
    return [Action(**{name: row[name] for name in names}) for row in rows]
