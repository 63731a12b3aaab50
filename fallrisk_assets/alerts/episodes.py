"""Observations and people's actions, folded into alerts.

Belongs here: the fold, a pure function of a fixed look-back. Does not belong here: where observations come
from (`observations`) or who is told (`notifications`).

Why the look-back is three parts. An alert's identity contains when it opened, so every hour that sees the
alert has to find the same opening, though each sees only the look-back. A run of observations is therefore
cut at the first grid point (multiples of a third of the look-back since the epoch) that lies at least a
third after its visible start, and at every one after it; and only alerts that opened in the last two thirds
are reported. A run whose start is out of sight is then cut at the same points as it would be in full sight,
and every part that can still be alive is reported: no hour invents an opening.
"""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.rules import (
    ACKNOWLEDGED,
    ASSIGNED,
    CLOSED_AS,
    ESCALATED,
    OPEN,
    RESOLVED,
    RULES,
    SEVERITIES,
    SNOOZED,
    AlertRule,
)

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fallrisk-assets/alert")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SAME_OPENING = timedelta(minutes=1)
"""Two openings of one patient and rule closer than this are one: a re-decided fall moves by less."""


@dataclass(frozen=True, order=True)
class Observation:
    """One thing seen that a rule is about, or (`clear`) that the condition is over.

    Attributes:
        at: when it was seen, UTC.
        rule: name of the rule.
        source_id: identity of what was seen; the same source counts once.
        patient_id: wearable patient id; None for a device that nobody is assigned to.
        device_id: the device; None when no device is involved.
        severity: None: the rule's.
        clear: True when this says that the condition no longer holds.
    """

    at: datetime
    rule: str
    source_id: str
    patient_id: str | None = None
    device_id: str | None = None
    severity: str | None = None
    clear: bool = False

    @property
    def subject(self) -> str:
        """Whom the alert is about: the patient, else the device."""
        return self.patient_id or self.device_id or ""


@dataclass(frozen=True)
class Transition:
    """A change of an alert: what, when (UTC), at which escalation level, by whom."""

    at: datetime
    kind: str
    level: int = 0
    by: str | None = None


@dataclass
class Alert:
    """One alert as of a time; fields as in the `alerts` table."""

    alert_id: str
    rule: str
    patient_id: str | None
    device_id: str | None
    severity: str
    opened_at: datetime
    last_seen_at: datetime
    n: int = 1
    state: str = OPEN
    escalation_level: int = 0
    acknowledged_at: datetime | None = None
    assigned_to: str | None = None
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None
    notes: int = 0
    source_ids: list[str] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    def transitions_json(self) -> str:
        """All transitions so far as JSON, oldest first."""
        return json.dumps(
            [
                {"kind": t.kind, "at": t.at.isoformat(), "level": t.level, "by": t.by}
                for t in self.transitions
            ],
            separators=(",", ":"),
        )

    def matters_in(self, start: datetime, end: datetime) -> bool:
        """Whether the alert is unfinished, or changed in `[start, end)`.

        Unfinished alerts count in every slice, because an escalation may have become due in the part of an
        earlier slice that its watermark had not reached.
        """
        return self.closed_at is None or any(start <= t.at < end for t in self.transitions)


def alert_id(subject: str, rule: str, opened_at: datetime) -> str:
    """Identity of an alert: uuid5 of patient (or device), rule and opening."""
    return str(uuid.uuid5(_NAMESPACE, f"{subject}|{rule}|{opened_at.astimezone(UTC).isoformat()}"))


def fold(
    observations: Iterable[Observation],
    actions: Iterable[Action],
    *,
    end: datetime,
    as_of: datetime,
    look_back: timedelta,
    rules: Mapping[str, AlertRule] = RULES,
) -> list[Alert]:
    """Fold observations and actions of `[end - look_back, end)` into the alerts that are certain in it.

    The result does not depend on the order of the inputs, nor on how often one is repeated.

    Args:
        observations: anything in the look-back; what lies outside is ignored.
        actions: people's actions on these alerts, all of them.
        end: end of the slice.
        as_of: min(end, watermark): time that escalates and clears an alert only counts up to here.
        look_back: what is read; see the module text for what is reported.
        rules: the rules by name.

    Returns:
        Alerts opened in the last two thirds of the look-back, ordered by opening, subject and rule.

    Raises:
        KeyError: an observation names a rule that is not in `rules`.
    """
    start = end - look_back
    part = look_back / 3
    seen: dict[tuple[str, str], set[Observation]] = defaultdict(set)
    for observation in observations:
        if start <= observation.at < end:
            seen[observation.subject, observation.rule].add(observation)
    done: dict[str, Action] = {a.action_id: a for a in actions}
    acted: dict[tuple[str, str], list[Action]] = defaultdict(list)
    for action in sorted(done.values(), key=lambda a: (a.at, a.action_id)):
        acted[action.subject, action.rule].append(action)

    alerts: list[Alert] = []
    for (subject, name), of_subject in sorted(seen.items()):
        rule, own = rules[name], acted[subject, name]
        bad = _unique(o for o in of_subject if not o.clear)
        clears = sorted((o.at, o.device_id or "") for o in of_subject if o.clear and o.at < as_of)
        episodes = _episodes(bad, own, rule, part)
        for i, (run_start, episode) in enumerate(episodes):
            opened_at = episode[0].at
            run_in_sight = run_start > start + rule.cooldown
            if opened_at < start + part or not (run_in_sight or opened_at >= start + part + rule.cooldown):
                continue
            until = episodes[i + 1][1][0].at if i + 1 < len(episodes) else None
            alerts.append(_alert(subject, episode, own, clears, rule, as_of, until))
    return sorted(alerts, key=lambda a: (a.opened_at, a.patient_id or a.device_id or "", a.rule))


def _unique(observations: Iterable[Observation]) -> list[Observation]:
    """One observation a source, in time order."""
    first: dict[str, Observation] = {}
    for o in sorted(observations, key=lambda o: (o.at, o.source_id, o.device_id or "", o.severity or "")):
        first.setdefault(o.source_id, o)
    return list(first.values())


def _episodes(
    bad: list[Observation], actions: list[Action], rule: AlertRule, part: timedelta
) -> list[tuple[datetime, list[Observation]]]:
    """Cut the observations of one subject and rule into episodes, each with the start of its run."""
    episodes: list[tuple[datetime, list[Observation]]] = []
    run_start, last = _EPOCH, None
    for o in bad:
        current = episodes[-1][1] if episodes else []
        if last is None or o.at - last > rule.cooldown:
            run_start, joins = o.at, False
        else:
            cut = _last_cut(run_start, o.at, part)
            joins = cut is None or last >= cut
            closed = rule.reopens and any(
                a.kind == "close" and a.at <= o.at and _about(a, current[0].at, last) for a in actions
            )
            if closed:
                run_start, joins = o.at, False
        if joins:
            current.append(o)
        else:
            episodes.append((run_start, [o]))
        last = o.at
    return episodes


def _last_cut(run_start: datetime, at: datetime, part: timedelta) -> datetime | None:
    """The last grid point up to `at` that is at least one part after the run's start."""
    cut = at - (at - _EPOCH) % part
    return cut if cut >= run_start + part else None


def _about(action: Action, opened_at: datetime, last_seen_at: datetime) -> bool:
    """Whether an action is about the episode, whose opening late data may have moved since it was seen."""
    return opened_at - SAME_OPENING <= action.opened_at <= last_seen_at + SAME_OPENING


def _alert(
    subject: str,
    episode: list[Observation],
    actions: list[Action],
    clears: list[tuple[datetime, str]],
    rule: AlertRule,
    as_of: datetime,
    until: datetime | None,
) -> Alert:
    first, last = episode[0], episode[-1]
    alert = Alert(
        alert_id=alert_id(subject, rule.rule, first.at),
        rule=rule.rule,
        patient_id=first.patient_id,
        device_id=first.device_id,
        severity=max((o.severity or rule.severity for o in episode), key=SEVERITIES.index),
        opened_at=first.at,
        last_seen_at=last.at,
        n=len(episode),
        source_ids=sorted(o.source_id for o in episode),
    )
    alert.transitions = [Transition(first.at, "OPENED")]
    alert.transitions += [Transition(o.at, "REPEATED") for o in episode[1:]]
    own = [a for a in actions if _is_of(a, alert, until)]
    resolved_at = _resolved_at(episode, clears, until)
    _apply_actions(alert, own, as_of, resolved_at)
    _escalate(alert, own, rule, as_of, resolved_at)
    alert.transitions.sort(key=lambda t: (t.at, t.kind, t.level, t.by or ""))
    return alert


def _is_of(action: Action, alert: Alert, until: datetime | None) -> bool:
    if action.alert_id == alert.alert_id:
        return True
    if until is not None and action.opened_at >= until:
        return False
    return _about(action, alert.opened_at, alert.last_seen_at)


def _resolved_at(
    episode: list[Observation], clears: list[tuple[datetime, str]], until: datetime | None
) -> datetime | None:
    """When every device of the episode had cleared after it was last seen; None while one has not."""
    last_seen: dict[str, datetime] = {}
    for o in episode:
        last_seen[o.device_id or ""] = o.at
    cleared = []
    for device, at in last_seen.items():
        after = [c for c, d in clears if d == device and c > at and (until is None or c < until)]
        if not after:
            return None
        cleared.append(after[0])
    return max(cleared)


def _apply_actions(
    alert: Alert, actions: list[Action], as_of: datetime, resolved_at: datetime | None
) -> None:
    """Set the state that people, and then time, have given the alert."""
    handled = None
    for a in actions:
        if alert.closed_at is not None and a.kind not in ("close", "note"):
            continue
        alert.transitions.append(Transition(max(a.at, alert.opened_at), a.transition, by=a.by))
        if a.kind == "note":
            alert.notes += 1
        elif a.kind == "close":
            alert.closed_at, alert.state = a.at, CLOSED_AS[a.outcome or ""]
        elif a.kind == "snooze":
            alert.snoozed_until = a.until
        else:
            alert.acknowledged_at, alert.snoozed_until = alert.acknowledged_at or a.at, None
            handled = ASSIGNED if a.kind == "assign" or handled == ASSIGNED else ACKNOWLEDGED
            alert.assigned_to = a.to if a.kind == "assign" else alert.assigned_to
    if alert.closed_at is not None:
        return
    if resolved_at is not None:
        alert.state, alert.closed_at = RESOLVED, resolved_at
        alert.transitions.append(Transition(resolved_at, RESOLVED))
    elif alert.snoozed_until is not None and as_of < alert.snoozed_until:
        alert.state = SNOOZED
    elif handled:
        alert.state = handled


def _escalate(
    alert: Alert, actions: list[Action], rule: AlertRule, as_of: datetime, resolved_at: datetime | None
) -> None:
    """Add the escalations that were due before `as_of`: a function of time, not of how often this ran."""
    if rule.escalate_after is None or alert.severity != "critical":
        return
    stops = [a.at for a in actions if a.kind in ("acknowledge", "assign", "close")]
    stop = min([*stops, resolved_at or as_of, as_of])
    snoozes = [(a.at, a.until) for a in actions if a.kind == "snooze" and a.until]
    due = alert.opened_at + rule.escalate_after
    while alert.escalation_level < rule.max_level:
        for begins, ends in sorted(snoozes):
            if begins <= due < ends:
                due = ends
        if due >= stop:
            break
        alert.escalation_level += 1
        alert.transitions.append(Transition(due, ESCALATED, alert.escalation_level))
        due += rule.escalate_after
    if alert.escalation_level and alert.state == OPEN:
        alert.state = ESCALATED
