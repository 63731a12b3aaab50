"""What alerts exist, how grave they are and how they behave in time: data, no logic.

Belongs here: the vocabulary (rules, severities, states) and every threshold that a clinician may want to
change. Does not belong here: how a rule is folded over time (`episodes`) or whom it reaches
(`notifications`).
"""

from dataclasses import dataclass
from datetime import timedelta

from fallrisk_assets.alerts.monitoring_rules import MONITORING_RULES
from fallrisk_assets.risk.baseline import BASELINE_DAYS, BASELINE_GAP_DAYS, BASELINE_MIN_DAYS

SEVERITIES = ("low", "medium", "high", "critical")

OPEN, ACKNOWLEDGED, ASSIGNED, SNOOZED = "OPEN", "ACKNOWLEDGED", "ASSIGNED", "SNOOZED"
ESCALATED, RESOLVED = "ESCALATED", "RESOLVED"
CLOSED_AS = {"confirmed": "CLOSED_CONFIRMED", "false": "CLOSED_FALSE", "device": "CLOSED_DEVICE"}
STATES = (OPEN, ACKNOWLEDGED, ASSIGNED, SNOOZED, ESCALATED, RESOLVED, *CLOSED_AS.values())

OPENED, CONTINUES, CONTINUED = "OPENED", "CONTINUES", "CONTINUED"
"""Transitions at an alert's ends: CONTINUES is the opening of an alert that goes on with another's condition,
CONTINUED is the end of that other one."""

ANSWERS = ("acknowledge", "assign", "close")
"""Actions that say that somebody has it: they stop the escalation; a later fall is a new alert that pages.
A snooze is no answer: the alert stays one, and its escalation goes on when the snooze ends."""

RAISED = "RAISED"
"""Transition of an alert that opened as less and becomes critical: it pages anew, and escalates from then."""

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
        lasts: whether it is about a condition that lasts, not about events. A condition that is too long for
            the look-back continues in further alerts, of which people hear once and for which what they did
            holds on: the same flat battery must not come back an hour after it was closed. A fall never
            continues another: what ends an episode of events (`ANSWERS`) must not silence the next fall.
        lapses_after: resolved when not observed for this long, cleared or not: nothing clears a device that
            was returned. At least cooldown and `known_after` together; None: never.
        escalate_after: without acknowledgement for this long, the next contact is told; None: never. In the
            alerts' rows it counts from when it became critical, in what is really sent from the page before.
        max_level: highest escalation level.
        known_after: how long after an observation's time it can be known at the earliest: a state of an hour
            is known at the hour's end. Staleness counts from there.
        stale_after: a page later than this after it could be known is not sent: a backfill pages nobody.
        ceiling: nor is one about what is older than this, whenever it came to be known; for what is known
            only when its drop is received.
        pages_cover: time after an alert's opening for which one page per contact and level is enough, even if
            the alert's id changes (late data, a device that comes and goes).
        longest_part: longest time from an alert's opening to that of the one that continues it: two thirds of
            the look-back (`episodes`).
    """

    rule: str
    severity: str
    cooldown: timedelta
    lasts: bool = True
    lapses_after: timedelta | None = None
    escalate_after: timedelta | None = None
    max_level: int = 0
    known_after: timedelta = timedelta(0)
    stale_after: timedelta = timedelta(minutes=60)
    ceiling: timedelta = timedelta(hours=6)
    pages_cover: timedelta = timedelta(hours=24)
    longest_part: timedelta = timedelta(hours=16)


def _device_rule(rule: str) -> AlertRule:
    return AlertRule(
        rule,
        "medium",
        cooldown=timedelta(hours=3),
        lapses_after=timedelta(hours=4),
        known_after=timedelta(hours=1),
    )


def _daily_rule(rule: str, severity: str = "high") -> AlertRule:
    return AlertRule(
        rule,
        severity,
        cooldown=timedelta(days=2),
        known_after=timedelta(days=1),
        stale_after=timedelta(hours=24),
        pages_cover=timedelta(days=7),
        longest_part=timedelta(days=14),
    )


RULES: dict[str, AlertRule] = {
    rule.rule: rule
    for rule in (
        AlertRule(
            FALL_DETECTED,
            "critical",
            cooldown=timedelta(minutes=30),
            lasts=False,
            escalate_after=timedelta(minutes=10),
            max_level=5,
            pages_cover=timedelta(minutes=1),
        ),
        _device_rule(DEVICE_SILENT),
        _device_rule(DEVICE_LOW_BATTERY),
        _device_rule(DEVICE_NOT_WORN),
        _device_rule(DEVICE_UNREGISTERED),
        _daily_rule(INDEX_LEVEL),
        _daily_rule(INDEX_CHANGE),
        *(_daily_rule(one.rule, one.severity) for one in MONITORING_RULES),
    )
}

HOURLY_RULES = (FALL_DETECTED, DEVICE_SILENT, DEVICE_LOW_BATTERY, DEVICE_NOT_WORN, DEVICE_UNREGISTERED)
DAILY_RULES = (INDEX_LEVEL, INDEX_CHANGE)
OPERATIONS_RULES = tuple(one.rule for one in MONITORING_RULES)

HOURLY_LOOK_BACK = timedelta(hours=24)
"""What the hourly alerts read of falls and states; `episodes` says how it is divided."""

HOURLY_ACTIONS_LOOK_BACK = timedelta(hours=72)
"""What the hourly alerts read of people's actions: an alert is 21 hours old at most while it can change, and
a device's state knows 48 hours back when it began."""

DAILY_LOOK_BACK = timedelta(days=21)
"""What the alerts on the 12-month index and on the clinic's running read."""

FALL_PROBABILITY_CRITICAL = 0.5
"""A detected fall at or above this probability is critical, below it high."""


@dataclass(frozen=True)
class IndexThresholds:
    """When the 12-month fall probability alerts; all are probabilities 0 to 1.

    A condition clears only below its `clear` value: between the two nothing changes, so that an index that
    hovers at the threshold is one alert. What a baseline is, `risk/baseline.py` says.
    """

    level: float = 0.50
    level_clear: float = 0.45
    change: float = 0.15
    change_clear: float = 0.10
    baseline_days: int = BASELINE_DAYS
    baseline_gap_days: int = BASELINE_GAP_DAYS
    baseline_min_days: int = BASELINE_MIN_DAYS


@dataclass(frozen=True)
class DeviceLimits:
    """When a device's state is worth a person's time (defaults of the monitoring rules).

    Attributes:
        silent_wear_hours: hours of expected wear without samples that are a silence.
        battery_fraction: below it the battery is low.
        battery_hours: for how many hours after it was measured a battery level says anything.
        not_worn_hours: hours with samples, none of them worn, that are worth a call.
        worn_fraction: share of an hour below which it was not worn.
    """

    silent_wear_hours: int = 6
    battery_fraction: float = 0.15
    battery_hours: int = 12
    not_worn_hours: int = 48
    worn_fraction: float = 0.05
