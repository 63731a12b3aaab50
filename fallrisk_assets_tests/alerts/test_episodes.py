"""The fold of observations and actions into alerts."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.episodes import Alert, Observation, alert_id, fold
from fallrisk_assets.alerts.rules import (
    DAILY_LOOK_BACK,
    DEVICE_LOW_BATTERY,
    DEVICE_SILENT,
    FALL_DETECTED,
    HOURLY_ACTIONS_LOOK_BACK,
    HOURLY_LOOK_BACK,
    INDEX_LEVEL,
)
from fallrisk_assets.alerts.slices import actions_table, late_ends, slice_alerts
from fallrisk_assets.validation import validate

T0 = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fall(at: datetime, patient: str = "pt-1", severity: str = "critical") -> Observation:
    return Observation(at, FALL_DETECTED, f"fall|{patient}|{at.isoformat()}", patient, "imu-1", severity)


def silent(
    hour: datetime, device: str = "imu-1", *, clear: bool = False, since: datetime | None = None
) -> Observation:
    source = f"{device}|{hour.isoformat()}|{clear}"
    return Observation(hour, DEVICE_SILENT, source, "pt-1", device, clear=clear, since=since)


def act(
    kind: str, at: datetime, opened_at: datetime = T0, rule: str = FALL_DETECTED, **more: object
) -> Action:
    return Action(
        alert_id=alert_id("pt-1", rule, opened_at),
        subject="pt-1",
        rule=rule,
        opened_at=opened_at,
        kind=kind,
        by="nurse-7",
        at=at,
        **more,  # type: ignore[arg-type]
    )


def folded(
    observations: list[Observation], actions: Sequence[Action] = (), end: datetime = T0 + HOUR
) -> list[Alert]:
    return fold(observations, actions, end=end, as_of=end, look_back=HOURLY_LOOK_BACK)


def kinds(alert: Alert) -> list[str]:
    return [t.kind for t in alert.transitions]


def test_one_fall_is_one_alert_however_often_it_is_seen() -> None:
    (alert,) = folded([fall(T0)] * 5)
    assert (alert.n, alert.opened_at, alert.alert_id) == (1, T0, alert_id("pt-1", FALL_DETECTED, T0))


def test_a_second_fall_in_the_episode_counts_and_opens_nothing() -> None:
    (alert,) = folded([fall(T0), fall(T0 + 29 * MINUTE)])
    assert (alert.n, alert.last_seen_at) == (2, T0 + 29 * MINUTE)
    assert kinds(alert).count("OPENED") == 1


def test_a_fall_after_the_cooldown_is_another_alert() -> None:
    assert [a.n for a in folded([fall(T0), fall(T0 + 31 * MINUTE)], end=T0 + 2 * HOUR)] == [1, 1]


def test_falls_of_two_patients_are_two_alerts() -> None:
    assert len(folded([fall(T0, "pt-1"), fall(T0, "pt-2")])) == 2


def test_the_gravest_observation_gives_the_severity() -> None:
    (alert,) = folded([fall(T0, severity="high"), fall(T0 + MINUTE)])
    assert alert.severity == "critical"


def test_an_alert_that_becomes_critical_says_when_and_escalates_from_there() -> None:
    seen = [fall(T0, severity="high"), fall(T0 + 12 * MINUTE), fall(T0 + 15 * MINUTE)]
    (alert,) = folded(seen, end=T0 + 23 * MINUTE)
    assert [(t.kind, t.at - T0) for t in alert.transitions if t.kind in ("RAISED", "ESCALATED")] == [
        ("RAISED", 12 * MINUTE),
        ("ESCALATED", 22 * MINUTE),
    ]
    (from_the_start,) = folded([fall(T0), fall(T0 + MINUTE, severity="high")])
    assert "RAISED" not in kinds(from_the_start)


def test_an_unacknowledged_critical_escalates_every_ten_minutes_up_to_the_last_level() -> None:
    for minutes, level in ((9, 0), (11, 1), (21, 2), (51, 5), (600, 5)):
        (alert,) = folded([fall(T0)], end=T0 + minutes * MINUTE)
        assert alert.escalation_level == level
        assert alert.state == ("ESCALATED" if level else "OPEN")


def test_escalation_counts_only_up_to_the_watermark() -> None:
    (alert,) = fold([fall(T0)], [], end=T0 + HOUR, as_of=T0 + 15 * MINUTE, look_back=HOURLY_LOOK_BACK)
    assert alert.escalation_level == 1


def test_a_fall_that_is_not_critical_does_not_escalate() -> None:
    (alert,) = folded([fall(T0, severity="high")])
    assert alert.escalation_level == 0


@pytest.mark.parametrize(
    ("kind", "more", "state"),
    [
        ("acknowledge", {}, "ACKNOWLEDGED"),
        ("assign", {"to": "nurse-8"}, "ASSIGNED"),
        ("close", {"outcome": "confirmed"}, "CLOSED_CONFIRMED"),
        ("close", {"outcome": "false"}, "CLOSED_FALSE"),
        ("close", {"outcome": "device"}, "CLOSED_DEVICE"),
    ],
)
def test_what_a_person_does_stops_the_escalation(kind: str, more: dict, state: str) -> None:
    (alert,) = folded([fall(T0)], [act(kind, T0 + 12 * MINUTE, **more)])
    assert (alert.state, alert.escalation_level) == (state, 1)


def test_a_note_is_counted_and_stops_nothing() -> None:
    (alert,) = folded([fall(T0)], [act("note", T0 + MINUTE, text="called, no answer")])
    assert (alert.notes, alert.state) == (1, "ESCALATED")


def test_a_snooze_holds_the_escalation_until_it_ends() -> None:
    snooze = act("snooze", T0 + 2 * MINUTE, until=T0 + 30 * MINUTE)
    (during,) = folded([fall(T0)], [snooze], end=T0 + 25 * MINUTE)
    (after,) = folded([fall(T0)], [snooze], end=T0 + 35 * MINUTE)
    assert (during.state, during.escalation_level) == ("SNOOZED", 0)
    assert (after.state, after.escalation_level) == ("ESCALATED", 1)


@pytest.mark.parametrize(
    ("kind", "more", "state"),
    [
        ("acknowledge", {}, "ACKNOWLEDGED"),
        ("assign", {"to": "nurse-8"}, "ASSIGNED"),
        ("close", {"outcome": "false"}, "CLOSED_FALSE"),
    ],
)
@pytest.mark.parametrize("later", [20 / 60, 7, 29])
def test_a_fall_after_somebody_answered_the_one_before_is_a_new_alert(
    kind: str, more: dict, state: str, later: float
) -> None:
    answered = act(kind, T0 + later / 2 * MINUTE, **more)
    seen = [fall(T0), fall(T0 + later * MINUTE), fall(T0 + (later + 25) * MINUTE)]
    first, second = folded(seen, [answered], end=T0 + 2 * HOUR)
    assert (first.state, first.n) == (state, 1)
    assert (second.opened_at, second.state, second.n) == (T0 + later * MINUTE, "ESCALATED", 2)


def test_a_snooze_is_no_answer_and_the_falls_after_it_stay_in_the_alert() -> None:
    snooze = act("snooze", T0 + 2 * MINUTE, until=T0 + 30 * MINUTE)
    (alert,) = folded([fall(T0), fall(T0 + 10 * MINUTE)], [snooze], end=T0 + 41 * MINUTE)
    assert (alert.n, alert.state, alert.escalation_level) == (2, "ESCALATED", 2)


def test_a_condition_that_lasts_after_it_was_closed_stays_closed() -> None:
    hours = [T0.replace(minute=0) + i * HOUR for i in range(4)]
    closed = act("close", hours[1] + MINUTE, hours[0], DEVICE_SILENT, outcome="device")
    (alert,) = folded([silent(h) for h in hours], [closed], end=hours[-1] + HOUR)
    assert (alert.state, alert.n) == ("CLOSED_DEVICE", 4)


def test_a_silence_resolves_when_the_device_is_heard_again_and_no_earlier_than_the_watermark() -> None:
    hour = T0.replace(minute=0)
    seen = [silent(hour), silent(hour + HOUR, clear=True)]
    (before,) = fold(seen, [], end=hour + 2 * HOUR, as_of=hour + HOUR, look_back=HOURLY_LOOK_BACK)
    (after,) = fold(seen, [], end=hour + 2 * HOUR, as_of=hour + 2 * HOUR, look_back=HOURLY_LOOK_BACK)
    assert (before.state, after.state, after.closed_at) == ("OPEN", "RESOLVED", hour + HOUR)


def test_one_device_heard_again_does_not_resolve_the_silence_of_another() -> None:
    hour = T0.replace(minute=0)
    seen = [silent(hour, "imu-1"), silent(hour, "imu-2"), silent(hour + HOUR, "imu-1", clear=True)]
    (alert,) = folded(seen, end=hour + 2 * HOUR)
    assert (alert.n, alert.state) == (2, "OPEN")


def test_flapping_within_the_cooldown_is_one_alert() -> None:
    hour = T0.replace(minute=0)
    seen = [silent(hour), silent(hour + HOUR, clear=True), silent(hour + 2 * HOUR)]
    (alert,) = folded(seen, end=hour + 3 * HOUR)
    assert (alert.n, alert.state) == (2, "OPEN")


def test_a_persons_decision_finds_the_alert_that_late_data_renamed() -> None:
    closed = act("close", T0 + 5 * MINUTE, outcome="confirmed")
    (alert,) = folded([fall(T0), fall(T0 - 3 * MINUTE)], [closed])
    assert alert.alert_id != closed.alert_id
    assert alert.state == "CLOSED_CONFIRMED"


def test_a_persons_decision_finds_the_alert_of_a_fall_that_was_decided_anew() -> None:
    closed = act("close", T0 + 5 * MINUTE, outcome="confirmed")
    (alert,) = folded([fall(T0 + timedelta(milliseconds=200))], [closed])
    assert alert.state == "CLOSED_CONFIRMED"


def test_the_last_close_counts_so_that_a_label_can_be_mended() -> None:
    actions = [
        act("close", T0 + 5 * MINUTE, outcome="false"),
        act("close", T0 + 9 * MINUTE, outcome="confirmed"),
    ]
    for order in (actions, actions[::-1]):
        (alert,) = folded([fall(T0)], order)
        assert alert.state == "CLOSED_CONFIRMED"


times = st.integers(0, 600).map(lambda m: T0 - 6 * HOUR + m * MINUTE)
observed = st.lists(st.builds(fall, times, st.sampled_from(["pt-1", "pt-2"])), min_size=1, max_size=12)
acts = st.lists(
    st.one_of(
        st.builds(lambda at, o: act("acknowledge", at, o), times, times),
        st.builds(
            lambda at, o, out: act("close", at, o, outcome=out),
            times,
            times,
            st.sampled_from(["false", "device"]),
        ),
        st.builds(
            lambda at, o, m: act("snooze", at, o, until=at + m * MINUTE), times, times, st.integers(1, 90)
        ),
    ),
    max_size=6,
)


@given(observed, acts, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_any_order_of_arrival_folds_to_the_same_alerts(
    seen: list[Observation], actions: list[Action], shuffle: random.Random
) -> None:
    # Actions that aim at real openings, so that they do something.
    actions += [
        act("close", o.at + 2 * MINUTE, o.at, outcome="false") for o in seen[:2] if o.patient_id == "pt-1"
    ]
    expected = folded(seen, actions, end=T0 + 6 * HOUR)
    seen, actions = seen * 2, actions * 2
    shuffle.shuffle(seen)
    shuffle.shuffle(actions)
    assert folded(seen, actions, end=T0 + 6 * HOUR) == expected
    assert sum(a.n for a in expected) == len({o.source_id for o in seen})


@given(observed, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 40)), max_size=6))
@settings(max_examples=120, deadline=None)
def test_no_fall_is_silenced_by_what_was_done_about_an_earlier_one(
    seen: list[Observation], answers: list[tuple[int, int]]
) -> None:
    actions: list[Action] = []
    for which, minutes in answers:
        mine = [a for a in folded(seen, actions, end=T0 + 6 * HOUR) if a.patient_id == "pt-1"]
        if mine:
            alert = mine[which % len(mine)]
            actions.append(act("acknowledge", alert.opened_at + minutes * MINUTE, alert.opened_at))
    alerts = folded(seen, actions, end=T0 + 6 * HOUR)
    assert sum(a.n for a in alerts) == len({o.source_id for o in seen})
    for alert in alerts:
        falls = [t.at for t in alert.transitions if t.kind == "REPEATED"]
        answered = [a.at for a in actions if a.alert_id == alert.alert_id]
        assert not answered or all(at < min(answered) for at in falls)
    assert {a.alert_id for a in alerts if a.acknowledged_at} == {a.alert_id for a in actions}


class Told(NamedTuple):
    """What hour after hour showed of one patient's silence: newest rows, openings, and how many were open."""

    newest: dict[str, Alert]
    unfinished: list[int]


def hour_after_hour(
    everything: list[Observation], actions: list[Action], start: datetime, hours: int, rule: str
) -> Told:
    """Each hour made of nothing but its own look-back, as single runs make it."""
    newest: dict[str, Alert] = {}
    unfinished = []
    for i in range(hours):
        begin, end = start + i * HOUR, start + (i + 1) * HOUR
        read = [o for o in everything if end - HOURLY_LOOK_BACK <= o.at < end]
        acted = [a for a in actions if end - HOURLY_ACTIONS_LOOK_BACK <= a.at < end]
        alerts = fold(read, acted, end=end, as_of=end, look_back=HOURLY_LOOK_BACK)
        in_a_range = [a for a in actions if a.at < end]
        assert alerts == fold(everything, in_a_range, end=end, as_of=end, look_back=HOURLY_LOOK_BACK)
        shown = [a for a in alerts if a.rule == rule and a.matters_in(begin, end)]
        newest |= {a.alert_id: a for a in shown}
        unfinished.append(sum(a.closed_at is None for a in shown))
    return Told(newest, unfinished)


@given(
    st.lists(st.sampled_from(["bad"] * 8 + ["clear", "unknown"]), min_size=30, max_size=50),
    st.integers(0, 11),
)
@settings(max_examples=30, deadline=None)
def test_a_condition_is_one_unfinished_alert_at_any_time_and_none_once_it_is_over(
    hours: list[str], offset: int
) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC) + offset * HOUR
    everything = [silent(start + i * HOUR, clear=h == "clear") for i, h in enumerate(hours) if h != "unknown"]
    newest, unfinished = hour_after_hour(everything, [], start, len(hours) + 5, DEVICE_SILENT)
    for i, hour in enumerate(hours):
        if hour != "unknown":
            assert unfinished[i] == (hour == "bad")
    assert max(unfinished) <= 1
    assert unfinished[-1] == 0
    assert {a.state for a in newest.values()} <= {"RESOLVED"}, "what is over is left open by no row"
    assert sum(a.n for a in newest.values()) == hours.count("bad"), "a bad hour belongs to exactly one alert"
    for alert in newest.values():
        first, since_cut = alert.transitions[0], (alert.opened_at - EPOCH) % (HOURLY_LOOK_BACK / 2)
        assert first.kind == "OPENED" or since_cut < 3 * HOUR, "only a grid point cuts"
        for t in alert.transitions:
            if t.next:
                assert (t.kind, t.at) == ("CONTINUED", newest[t.next].opened_at)
                assert kinds(newest[t.next])[0] == "CONTINUES"


@given(st.integers(0, 23), st.integers(1, 80))
@settings(max_examples=30, deadline=None)
def test_a_long_condition_is_a_chain_in_which_each_alert_names_the_next(offset: int, hours: int) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC) + offset * HOUR
    seen = [silent(start + i * HOUR) for i in range(hours)] + [silent(start + hours * HOUR, clear=True)]
    newest, _ = hour_after_hour(seen, [], start, hours + 1, DEVICE_SILENT)
    chain = sorted(newest.values(), key=lambda a: a.opened_at)
    assert [kinds(a)[0] for a in chain] == ["OPENED"] + ["CONTINUES"] * (len(chain) - 1)
    named = [[t.next for t in a.transitions if t.kind == "CONTINUED"] for a in chain]
    assert named == [*([a.alert_id] for a in chain[1:]), []]
    lengths = [b.opened_at - a.opened_at for a, b in pairwise(chain)]
    assert all(4 * HOUR <= n < 16 * HOUR for n in lengths[:1])
    assert all(n == 12 * HOUR for n in lengths[1:])
    assert chain[-1].closed_at == start + hours * HOUR


def test_every_part_of_a_silence_says_since_when_it_lasts() -> None:
    start = datetime(2026, 1, 5, 5, tzinfo=UTC)
    since = start - 5 * HOUR
    seen = [silent(start + i * HOUR, since=since) for i in range(30)]
    newest, _ = hour_after_hour(seen, [], start, 30, DEVICE_SILENT)
    told = [json.loads(a.transitions_json())[0]["since"] for a in newest.values()]
    assert told == [since.isoformat()] * 3


@pytest.mark.parametrize(
    ("kind", "more", "state"),
    [
        ("acknowledge", {}, "ACKNOWLEDGED"),
        ("assign", {"to": "nurse-8"}, "ASSIGNED"),
        ("close", {"outcome": "device"}, "CLOSED_DEVICE"),
    ],
)
def test_what_a_person_did_about_a_silence_holds_for_all_its_parts(kind: str, more: dict, state: str) -> None:
    start = datetime(2026, 1, 5, 5, tzinfo=UTC)
    seen = [silent(start + i * HOUR, since=start - 5 * HOUR) for i in range(40)]
    done = act(kind, start + 2 * HOUR, start, DEVICE_SILENT, **more)
    newest, unfinished = hour_after_hour(seen, [done], start, 40, DEVICE_SILENT)
    assert len(newest) == 4
    assert list(newest.values())[-1].state == state
    assert unfinished[3:] == [int(kind != "close")] * 37


def test_what_was_done_about_an_earlier_silence_says_nothing_about_the_next() -> None:
    start = datetime(2026, 1, 5, 1, tzinfo=UTC)
    closed = act("close", start, start, DEVICE_SILENT, outcome="device")
    seen = [silent(start), silent(start + HOUR, clear=True)]
    seen += [silent(start + i * HOUR, since=start + 3 * HOUR) for i in range(6, 20)]
    newest, unfinished = hour_after_hour(seen, [closed], start, 20, DEVICE_SILENT)
    assert [a.state for a in newest.values()] == ["CLOSED_DEVICE", "RESOLVED", "OPEN"]
    assert unfinished[6:] == [1] * 14


def test_falls_that_go_on_for_hours_ring_again_and_are_finished_by_people_alone() -> None:
    start = datetime(2026, 1, 5, 5, tzinfo=UTC)
    alerts = folded([fall(start + i * 20 * MINUTE) for i in range(60)], end=start + 20 * HOUR)
    assert [(kinds(a)[0], a.state) for a in alerts] == [("OPENED", "ESCALATED")] * 3


def test_a_condition_that_nothing_clears_lapses_when_it_is_not_observed_any_more() -> None:
    hour = T0.replace(minute=0)
    (before,) = folded([silent(hour)], end=hour + 4 * HOUR)
    (after,) = folded([silent(hour)], end=hour + 5 * HOUR)
    assert (before.state, after.state, after.closed_at) == ("OPEN", "RESOLVED", hour + 4 * HOUR)
    waiting = fold([silent(hour)], [], end=hour + 9 * HOUR, as_of=hour + HOUR, look_back=HOURLY_LOOK_BACK)
    assert [a.state for a in waiting] == ["OPEN"], "what is late is not over"


def test_an_index_that_stays_high_for_months_is_one_unfinished_alert_each_day() -> None:
    day, start = timedelta(days=1), datetime(2026, 1, 5, tzinfo=UTC)
    seen = [Observation(start + i * day, INDEX_LEVEL, str(i), "pt-1") for i in range(60)]
    openings = set()
    for i in range(60):
        end = start + (i + 1) * day
        alerts = fold(seen, [], end=end, as_of=end, look_back=DAILY_LOOK_BACK)
        (alive,) = [a for a in alerts if a.closed_at is None]
        openings.add(alive.opened_at)
    assert len(openings) == 7, "the first of a week, then of ten or eleven days"


def hour_slice(seen: list[Observation], actions: list[Action], hour: datetime) -> list[dict]:
    rows = slice_alerts(
        Alerts,
        seen,
        actions,
        start=hour,
        end=hour + HOUR,
        as_of=hour + HOUR,
        look_back=HOURLY_LOOK_BACK,
    )
    assert validate(Alerts, rows).passed
    return rows.to_pylist()


def test_an_hour_shows_its_unfinished_alerts_and_the_finished_ones_that_changed_in_it() -> None:
    hour = T0.replace(minute=0)
    closed = act("close", T0 + 35 * MINUTE, outcome="confirmed")
    shown = [[r["state"] for r in hour_slice([fall(T0)], [closed], hour + i * HOUR)] for i in range(3)]
    assert shown == [["ESCALATED"], ["CLOSED_CONFIRMED"], []]


def test_an_end_that_the_watermark_reaches_hours_later_is_shown_when_it_does() -> None:
    hour = T0.replace(minute=0)
    seen = [silent(hour), silent(hour + HOUR, clear=True)]
    marks = [hour + HOUR, hour + HOUR, hour + HOUR, hour + 4 * HOUR, hour + 5 * HOUR]
    shown = []
    for i, (before, as_of) in enumerate(pairwise([hour, *marks])):
        begin = hour + i * HOUR
        rows = slice_alerts(
            Alerts,
            seen,
            [],
            start=begin,
            end=begin + HOUR,
            as_of=as_of,
            look_back=HOURLY_LOOK_BACK,
            known_before=before,
        )
        shown.append(rows["state"].to_pylist())
    assert shown == [["OPEN"], ["OPEN"], ["OPEN"], ["RESOLVED"], []]


def test_an_alert_that_nobody_finished_stays_in_sight() -> None:
    hour = T0.replace(minute=0)
    seen = act("acknowledge", T0 + 5 * MINUTE)
    shown = [[r["state"] for r in hour_slice([fall(T0)], [seen], hour + i * HOUR)] for i in (0, 5)]
    assert shown == [["ACKNOWLEDGED"], ["ACKNOWLEDGED"]]


def test_closing_an_alert_days_later_still_closes_it() -> None:
    hour = T0.replace(minute=0)
    closed = act("close", T0 + 50 * HOUR, outcome="false")
    days_later = hour + 50 * HOUR
    (row,) = hour_slice([fall(T0)], [closed], days_later)
    assert (row["alert_id"], row["state"]) == (closed.alert_id, "CLOSED_FALSE")
    ends = late_ends([closed], start=days_later, end=days_later + HOUR, look_back=HOURLY_LOOK_BACK)
    assert [end - hour for end in ends] == [16 * HOUR, 20 * HOUR]


@pytest.mark.parametrize("days", [1, 2, 5])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_late_note_changes_nothing_about_how_an_alert_ended(days: int, part: int) -> None:
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    seen = [silent(start + i * HOUR) for i in range(34)] + [silent(start + 34 * HOUR, clear=True)]
    newest, _ = hour_after_hour(seen, [], start, 35, DEVICE_SILENT)
    alert = list(newest.values())[part]
    noted_at = start + timedelta(days=days) + 20 * HOUR
    note = act("note", noted_at, alert.opened_at, DEVICE_SILENT, text="called")
    (row,) = [r for r in hour_slice(seen, [note], noted_at) if r["notes"]]
    assert (row["alert_id"], row["state"], row["n"]) == (alert.alert_id, "RESOLVED", alert.n)
    told = [t for t in json.loads(row["transitions"]) if t["kind"] != "NOTED"]
    assert told == json.loads(alert.transitions_json())


def test_a_row_tells_every_transition_so_far() -> None:
    (row,) = hour_slice([fall(T0)], [act("acknowledge", T0 + 12 * MINUTE)], T0.replace(minute=0))
    told = [(t["kind"], t["level"], t["by"]) for t in json.loads(row["transitions"])]
    assert told == [("OPENED", 0, None), ("ESCALATED", 1, None), ("ACKNOWLEDGED", 0, "nurse-7")]


def test_low_battery_and_silence_of_one_patient_are_two_alerts() -> None:
    hour = T0.replace(minute=0)
    low = Observation(hour, DEVICE_LOW_BATTERY, "x", "pt-1", "imu-1")
    assert {a.rule for a in folded([silent(hour), low])} == {DEVICE_SILENT, DEVICE_LOW_BATTERY}


def test_actions_become_rows_that_keep_their_contract() -> None:
    from fallrisk_assets.alerts.actions import actions_from_rows
    from fallrisk_assets.alerts.contract import AlertActions

    actions = [act("note", T0, text="x"), act("close", T0 + MINUTE, outcome="false")]
    rows = actions_table(reversed(actions * 2))
    assert validate(AlertActions, rows).passed
    assert actions_from_rows(rows.to_pylist()) == actions
