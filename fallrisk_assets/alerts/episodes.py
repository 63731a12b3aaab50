"""Observations and people's actions, folded into alerts.

Belongs here: the fold, a pure function of a fixed look-back. Does not belong here: where observations come
from (`observations`) or who is told (`notifications`).

How the look-back is divided. An alert's identity contains when it opened, so every hour that sees the alert
has to find the same opening, though each sees only the look-back L (24 h). A run of observations is therefore
cut at the first grid point (multiples of L/2 since the epoch: 00:00 and 12:00 UTC) that lies at least L/6
after its start, and at every one after it. The first alert of a run that may have begun out of sight is not
reported; all others open where they would in full sight: at a cut, or where the run was seen to begin.

Why not the whole of L as grid: an alert has to be in sight until its end is known. A part lasts at most
L/2 + L/6, its end (the next part's opening, a clear, a lapse) is known a cooldown and a slice later, and its
run's start needs another cooldown before it: 12 + 4 + 3 + 1 + 3 = 23 of 24 hours (17 + 2 of 21 days for the
index). A grid of 14 hours would not fit.

At a cut a condition that lasts ends as RESOLVED with a transition CONTINUED that names the next alert, which
begins with CONTINUES in place of OPENED: one unfinished alert at any time. Its first transition says since
when the condition holds, as far as the observation knew; what people did about an earlier part since then
counts for the later ones too. Falls do not last: an answer ends their episode, and the next fall opens one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.rules import (
    ACKNOWLEDGED,
    ANSWERS,
    ASSIGNED,
    CLOSED_AS,
    CONTINUED,
    CONTINUES,
    ESCALATED,
    OPEN,
    OPENED,
    RAISED,
    RESOLVED,
    RULES,
    SEVERITIES,
    SNOOZED,
    AlertRule,
)
from fallrisk_assets.alerts.values import Alert, Episode, Observation, Transition, alert_id

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SAME_OPENING = timedelta(minutes=1)
"""Two openings of one patient and rule closer than this are one: a re-decided fall moves by less."""


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
        actions: people's actions on these alerts, all of them, and on those that they continue.
        end: end of the slice.
        as_of: min(end, watermark): time that escalates and clears an alert only counts up to here.
        look_back: what is read; see the module text for what is reported.
        rules: the rules by name.

    Returns:
        Alerts whose opening is certain, ordered by opening, subject and rule.

    Raises:
        KeyError: an observation names a rule that is not in `rules`.
    """
    start = end - look_back
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
        episodes = _episodes(bad, own, rule, look_back)
        free = own
        for i, episode in enumerate(episodes):
            following = episodes[i + 1] if i + 1 < len(episodes) else None
            mine = _actions_on(alert_id(subject, name, episode.opened_at), episode, following, own, free)
            free = [a for a in free if a not in mine]
            if start + rule.cooldown < episode.run_start or episode.run_start < episode.opened_at:
                alerts.append(_alert(subject, episode, following, mine, clears, rule, as_of))
    return sorted(alerts, key=lambda a: (a.opened_at, a.patient_id or a.device_id or a.scope or "", a.rule))


def _unique(observations: Iterable[Observation]) -> list[Observation]:
    """One observation a source, in time order."""
    first: dict[str, Observation] = {}
    for o in sorted(observations, key=lambda o: (o.at, o.source_id, o.device_id or "", o.severity or "")):
        first.setdefault(o.source_id, o)
    return list(first.values())


def _episodes(
    bad: list[Observation], actions: list[Action], rule: AlertRule, look_back: timedelta
) -> list[Episode]:
    """Cut the observations of one subject and rule into episodes."""
    episodes: list[Episode] = []
    answering = [] if rule.lasts else [a for a in actions if a.kind in ANSWERS]
    used: set[Action] = set()
    for o in bad:
        current = episodes[-1] if episodes else None
        last = current.seen[-1].at if current else None
        if current is None or last is None or o.at - last > rule.cooldown:
            episodes.append(Episode(o.at, False, [o]))
            continue
        # What answered an episode has ended that one: it says nothing about the falls after it.
        answers = {a for a in answering if a.at <= o.at and _about(a, current.opened_at, last)} - used
        used |= answers
        cut = _last_cut(current.run_start, o.at, look_back)
        if answers:
            episodes.append(Episode(o.at, False, [o]))
        elif cut is not None and last < cut:
            episodes.append(Episode(current.run_start, rule.lasts, [o]))
        else:
            current.seen.append(o)
    return episodes


def _last_cut(run_start: datetime, at: datetime, look_back: timedelta) -> datetime | None:
    """The last grid point up to `at` that is far enough after the run's start."""
    cut = at - (at - _EPOCH) % (look_back / 2)
    return cut if cut >= run_start + look_back / 6 else None


def _about(action: Action, opened_at: datetime, last_seen_at: datetime) -> bool:
    """Whether an action is about the episode, whose opening late data may have moved since it was seen."""
    return opened_at - SAME_OPENING <= action.opened_at <= last_seen_at + SAME_OPENING


def _alert(
    subject: str,
    episode: Episode,
    following: Episode | None,
    actions: list[Action],
    clears: list[tuple[datetime, str]],
    rule: AlertRule,
    as_of: datetime,
) -> Alert:
    seen = episode.seen
    first, last = seen[0], seen[-1]
    alert = Alert(
        alert_id=alert_id(subject, rule.rule, first.at),
        rule=rule.rule,
        patient_id=first.patient_id,
        device_id=first.device_id,
        scope=first.scope,
        severity=max((o.severity or rule.severity for o in seen), key=SEVERITIES.index),
        opened_at=first.at,
        last_seen_at=last.at,
        n=len(seen),
        source_ids=sorted(o.source_id for o in seen),
    )
    alert.transitions = [Transition(first.at, CONTINUES if episode.continues else OPENED, since=first.since)]
    alert.transitions += [Transition(o.at, "REPEATED") for o in seen[1:]]
    critical = [o.at for o in seen if (o.severity or rule.severity) == "critical"]
    if critical and critical[0] > first.at:
        alert.transitions.append(Transition(critical[0], RAISED))
    ending = _ending(subject, seen, following, clears, rule, as_of)
    _apply_actions(alert, actions, as_of, ending)
    if critical:
        _escalate(alert, actions, rule, critical[0], as_of, ending.at if ending else None)
    alert.transitions.sort(key=lambda t: (t.at, t.kind, t.level, t.by or ""))
    return alert


def _actions_on(
    ident: str, episode: Episode, following: Episode | None, actions: list[Action], free: list[Action]
) -> list[Action]:
    """The actions that count for an episode, in order.

    By the alert's id, or, of those that no earlier episode has taken (`free`), by the opening that the person
    saw; of a condition that goes on also what was done about its earlier parts.
    """
    until = following.opened_at if following else None
    since = episode.seen[0].since if episode.continues else None
    return [
        a
        for a in actions
        if a.alert_id == ident
        or (
            a in free
            and (until is None or a.opened_at < until)
            and _about(a, episode.opened_at, episode.seen[-1].at)
        )
        or _carries_on(a, since, episode.opened_at)
    ]


def _carries_on(action: Action, since: datetime | None, opened_at: datetime) -> bool:
    """Whether an action on an earlier part of the condition, which holds since then, counts here too."""
    return since is not None and since <= action.opened_at < opened_at and since <= action.at


def _ending(
    subject: str,
    seen: list[Observation],
    following: Episode | None,
    clears: list[tuple[datetime, str]],
    rule: AlertRule,
    as_of: datetime,
) -> Transition | None:
    """What ended the episode without anybody: it cleared, it went on as another alert, or it lapsed."""
    cleared_at = _cleared_at(seen, clears, following.opened_at if following else None)
    if following is not None and following.continues:
        if cleared_at is not None:
            return Transition(cleared_at, RESOLVED)
        return Transition(
            following.opened_at, CONTINUED, next=alert_id(subject, rule.rule, following.opened_at)
        )
    lapses_at = seen[-1].at + rule.lapses_after if rule.lapses_after is not None else None
    if lapses_at is not None and lapses_at < as_of:
        return Transition(min(lapses_at, cleared_at or lapses_at), RESOLVED)
    return Transition(cleared_at, RESOLVED) if cleared_at is not None else None


def _cleared_at(
    seen: list[Observation], clears: list[tuple[datetime, str]], until: datetime | None
) -> datetime | None:
    """When every device of the episode had cleared after it was last seen; None while one has not."""
    last_seen: dict[str, datetime] = {}
    for o in seen:
        last_seen[o.device_id or ""] = o.at
    cleared = []
    for device, at in last_seen.items():
        after = [c for c, d in clears if d == device and c > at and (until is None or c < until)]
        if not after:
            return None
        cleared.append(after[0])
    return max(cleared)


def _apply_actions(alert: Alert, actions: list[Action], as_of: datetime, ending: Transition | None) -> None:
    """Set the state that people, and then time, have given the alert."""
    handled = None
    for a in actions:
        if alert.closed_at is not None and a.kind not in ("close", "note"):
            continue
        at = max(a.at, alert.opened_at)
        alert.transitions.append(Transition(at, a.transition, by=a.by))
        if a.kind == "note":
            alert.notes += 1
        elif a.kind == "close":
            alert.closed_at, alert.state = at, CLOSED_AS[a.outcome or ""]
        elif a.kind == "snooze":
            alert.snoozed_until = a.until
        else:
            alert.acknowledged_at, alert.snoozed_until = alert.acknowledged_at or at, None
            handled = ASSIGNED if a.kind == "assign" or handled == ASSIGNED else ACKNOWLEDGED
            alert.assigned_to = a.to if a.kind == "assign" else alert.assigned_to
    if alert.closed_at is not None:
        return
    if ending is not None:
        alert.state, alert.closed_at = RESOLVED, ending.at
        alert.transitions.append(ending)
    elif alert.snoozed_until is not None and as_of < alert.snoozed_until:
        alert.state = SNOOZED
    elif handled:
        alert.state = handled


def _escalate(
    alert: Alert,
    actions: list[Action],
    rule: AlertRule,
    critical_since: datetime,
    as_of: datetime,
    resolved_at: datetime | None,
) -> None:
    """Add the escalations that were due before `as_of`: a function of time, not of how often this ran."""
    if rule.escalate_after is None:
        return
    stops = [a.at for a in actions if a.kind in ANSWERS]
    stop = min([*stops, resolved_at or as_of, as_of])
    snoozes = [(a.at, a.until) for a in actions if a.kind == "snooze" and a.until]
    due = critical_since + rule.escalate_after
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
