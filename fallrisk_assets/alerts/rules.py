"""What alerts exist, how grave they are and how they behave in time: data, no logic.

Belongs here: the vocabulary (rules, severities, states) and every threshold that a clinician may want to
change. Does not belong here: how a rule is folded over time (`episodes`) or whom it reaches
(`notifications`).
"""

from dataclasses import dataclass
from datetime import timedelta

SEVERITIES = ("low", "medium", "high", "critical")

OPEN, ACKNOWLEDGED, ASSIGNED, SNOOZED = "OPEN", "ACKNOWLEDGED", "ASSIGNED", "SNOOZED"
ESCALATED, RESOLVED = "ESCALATED", "RESOLVED"
CLOSED_AS = {"confirmed": "CLOSED_CONFIRMED", "false": "CLOSED_FALSE", "device": "CLOSED_DEVICE"}
STATES = (OPEN, ACKNOWLEDGED, ASSIGNED, SNOOZED, ESCALATED, RESOLVED, *CLOSED_AS.values())

FALL_DETECTED = "FALL_DETECTED"
DEVICE_SILENT = "DEVICE_SILENT"
DEVICE_LOW_BATTERY = "DEVICE_LOW_BATTERY"
DEVICE_NOT_WORN = "DEVICE_NOT_WORN"
DEVICE_UNREGISTERED = "DEVICE_UNREGISTERED"
INDEX_LEVEL = "INDEX_LEVEL"
INDEX_CHANGE = "INDEX_CHANGE"


@dataclass(frozen=True)
class AlertRule:
    """How the observations of one rule become alerts.

    Attributes:
        rule: name, part of the alert's identity.
        severity: of an observation that carries none of its own.
        cooldown: an observation at most this long after the last one belongs to the same alert.
        reopens: whether an observation after a person closed the alert opens a new one. True for falls: a
            nurse's "false" must not silence the next fall. False for conditions that last: the same flat
            battery must not come back an hour after it was closed.
        escalate_after: without acknowledgement for this long, the next contact is told; None: never.
        max_level: highest escalation level.
        known_after: how long after an observation's time it can be known at the earliest: a state of an hour
            is known at the hour's end. Staleness counts from there.
        stale_after: a page later than this after it could be known is not sent: a backfill pages nobody.
        pages_cover: time after an alert's opening for which one page per contact and level is enough, even if
            the alert's id changes (late data, split episodes).
    """

    rule: str
    severity: str
    cooldown: timedelta
    reopens: bool = False
    escalate_after: timedelta | None = None
    max_level: int = 0
    known_after: timedelta = timedelta(0)
    stale_after: timedelta = timedelta(minutes=60)
    pages_cover: timedelta = timedelta(hours=24)


def _device_rule(rule: str) -> AlertRule:
    return AlertRule(rule, "medium", cooldown=timedelta(hours=3), known_after=timedelta(hours=1))


def _index_rule(rule: str) -> AlertRule:
    return AlertRule(
        rule,
        "high",
        cooldown=timedelta(days=2),
        known_after=timedelta(days=1),
        stale_after=timedelta(hours=24),
        pages_cover=timedelta(days=7),
    )


RULES: dict[str, AlertRule] = {
    rule.rule: rule
    for rule in (
        AlertRule(
            FALL_DETECTED,
            "critical",
            cooldown=timedelta(minutes=30),
            reopens=True,
            escalate_after=timedelta(minutes=10),
            max_level=5,
            pages_cover=timedelta(minutes=1),
        ),
        _device_rule(DEVICE_SILENT),
        _device_rule(DEVICE_LOW_BATTERY),
        _device_rule(DEVICE_NOT_WORN),
        _device_rule(DEVICE_UNREGISTERED),
        _index_rule(INDEX_LEVEL),
        _index_rule(INDEX_CHANGE),
    )
}

HOURLY_RULES = (FALL_DETECTED, DEVICE_SILENT, DEVICE_LOW_BATTERY, DEVICE_NOT_WORN, DEVICE_UNREGISTERED)
DAILY_RULES = (INDEX_LEVEL, INDEX_CHANGE)

HOURLY_LOOK_BACK = timedelta(hours=24)
"""What the hourly alerts read; `episodes` says why it is cut in thirds."""

DAILY_LOOK_BACK = timedelta(days=21)
"""What the alerts on the 12-month index read."""

FALL_PROBABILITY_CRITICAL = 0.5
"""A detected fall at or above this probability is critical, below it high."""


@dataclass(frozen=True)
class IndexThresholds:
    """When the 12-month fall probability alerts; all are probabilities 0 to 1.

    A condition clears only below its `clear` value: between the two nothing changes, so that an index that
    hovers at the threshold is one alert.
    """

    level: float = 0.50
    level_clear: float = 0.45
    change: float = 0.15
    change_clear: float = 0.10
    baseline_days: int = 28
    baseline_gap_days: int = 3
    baseline_min_days: int = 7


@dataclass(frozen=True)
class DeviceLimits:
    """When a device's state is worth a person's time (defaults of the monitoring rules)."""

    silent_wear_hours: int = 6
    battery_fraction: float = 0.15
    not_worn_hours: int = 48
    worn_fraction: float = 0.05
