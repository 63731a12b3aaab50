"""The fold of observations and actions into alerts."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.episodes import Alert, Observation, alert_id, fold
from fallrisk_assets.alerts.rules import (
    DEVICE_LOW_BATTERY,
    DEVICE_SILENT,
    FALL_DETECTED,
    HOURLY_LOOK_BACK,
)
from fallrisk_assets.alerts.slices import actions_table, late_ends, slice_alerts
from fallrisk_assets.validation import validate

T0 = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def fall(at: datetime, patient: str = "pt-1", severity: str = "critical") -> Observation:
    return Observation(at, FALL_DETECTED, f"fall|{patient}|{at.isoformat()}", patient, "imu-1", severity)


def silent(hour: datetime, device: str = "imu-1", *, clear: bool = False) -> Observation:
    return Observation(
        hour, DEVICE_SILENT, f"{device}|{hour.isoformat()}|{clear}", "pt-1", device, clear=clear
    )


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


def test_a_fall_after_a_false_alarm_was_closed_is_a_new_alert() -> None:
    closed = act("close", T0 + 5 * MINUTE, outcome="false")
    first, second = folded([fall(T0), fall(T0 + 10 * MINUTE)], [closed])
    assert (first.state, first.n) == ("CLOSED_FALSE", 1)
    assert (second.opened_at, second.state) == (T0 + 10 * MINUTE, "ESCALATED")


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


@given(
    st.lists(st.sampled_from([True, True, True, False]), min_size=30, max_size=60),
    st.integers(0, 7),
)
@settings(max_examples=40, deadline=None)
def test_every_hour_finds_the_same_openings_however_long_the_condition_lasts(
    bad: list[bool], offset: int
) -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC) + offset * HOUR
    everything = [silent(start + i * HOUR, clear=not b) for i, b in enumerate(bad)]
    openings: dict[datetime, str] = {}
    for i in range(len(bad)):
        end = start + (i + 1) * HOUR
        alerts = fold(everything, [], end=end, as_of=end, look_back=HOURLY_LOOK_BACK)
        for alert in alerts:
            assert openings.setdefault(alert.opened_at, alert.alert_id) == alert.alert_id
        alive = [a for a in alerts if a.last_seen_at == end - HOUR]
        assert len(alive) == int(bad[i]), "a bad hour belongs to exactly one alert"
    # An opening follows a pause, or a grid point at which a long run was cut.
    part = HOURLY_LOOK_BACK / 3
    for opened in openings:
        i = int((opened - start) / HOUR)
        assert bad[i]
        since_cut = (opened - datetime(1970, 1, 1, tzinfo=UTC)) % part
        assert not any(bad[max(0, i - 3) : i]) or since_cut <= 2 * HOUR


def test_a_long_condition_is_split_and_each_part_keeps_its_identity() -> None:
    start = datetime(2026, 1, 5, 5, tzinfo=UTC)
    seen = [silent(start + i * HOUR) for i in range(72)]
    alive = []
    for i in range(72):
        end = start + (i + 1) * HOUR
        (now,) = [a for a in folded(seen, end=end) if a.last_seen_at == end - HOUR]
        alive.append(now.opened_at)
    assert alive == sorted(alive)
    assert sorted(set(alive))[:3] == [start, start + 11 * HOUR, start + 19 * HOUR]


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
    (end,) = late_ends([closed], start=days_later, end=days_later + HOUR, look_back=HOURLY_LOOK_BACK)
    assert end - HOURLY_LOOK_BACK <= T0 - HOURLY_LOOK_BACK / 3 < T0 < end


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
