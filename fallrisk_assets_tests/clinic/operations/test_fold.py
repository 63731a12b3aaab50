"""The state of an appointment depends on its events, not on how they came."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.operations.fold import NOT_SEEN, WHAT_TO_DO, fold
from fallrisk_assets.clinic.operations.log import parse_log
from fallrisk_assets.clinic.operations.vocabulary import EVENT_TYPES, STATUSES
from fallrisk_assets_tests.clinic.operations.rows import DAY, RECEIVED_AT, ZONES, event, lines

START = datetime(2026, 1, 6, 9, tzinfo=UTC)


def at(minutes: float) -> str:
    """Return the time so many minutes after the scheduled beginning."""
    return (START + timedelta(minutes=minutes)).isoformat()


def rows(*found: dict) -> list[dict]:
    log = parse_log("log", lines(*found), DAY, RECEIVED_AT, ZONES)
    assert not log.refusals, log.refusals
    return log.events


def folded(*found: dict, as_of: datetime = RECEIVED_AT):
    result = fold(rows(*found), as_of)
    return result.state, [(one.event["event_type"], one.reason) for one in result.refused]


def happened(event_type: str, minutes: float, **fields) -> dict:
    return event(event_type, timestamp=at(minutes), **fields)


VISIT = [
    event(planned_minutes=30, mode="Video/Online"),
    happened("patient_login", -5, device_type="Tablet", browser="Firefox"),
    happened("provider_login", 2),
    happened("session_started", 6, connection_quality="Good"),
    happened("technical_issue", 10, severity="high", resolved=False),
    happened("technical_issue", 12, issue_type="App Crash", severity="medium"),
    happened("session_ended", 31.5),
]


def test_a_visit_that_was_held():
    state, refused = folded(*VISIT)
    assert refused == []
    told = {name: state[name] for name in ("status", "wait_minutes", "duration_minutes", "patient_arrived")}
    assert told == {
        "status": "Completed",
        "wait_minutes": 6.0,  # from the scheduled time: the patient was early
        "duration_minutes": 25.5,
        "patient_arrived": True,
    }
    assert (state["had_technical_issue"], state["issue_type"]) == (True, "Audio Problems")
    assert (state["issue_severity"], state["unresolved_issues"]) == ("high", 1)
    assert (state["device_type"], state["connection_quality"]) == ("Tablet", "Good")


def test_the_wait_of_a_late_patient_begins_with_the_coming():
    state, _ = folded(event(), happened("patient_login", 10), happened("session_started", 12))
    assert state["wait_minutes"] == 2.0


def test_a_wait_or_duration_that_nobody_measured_is_null_and_never_zero():
    state, _ = folded(event(), happened("session_started", 5), happened("session_ended", 5))
    assert (state["status"], state["wait_minutes"], state["duration_minutes"]) == ("Completed", None, None)
    state, _ = folded(event(), event("appointment_cancelled", timestamp=at(-60)))
    assert (state["wait_minutes"], state["had_technical_issue"]) == (None, None)


@pytest.mark.parametrize(
    ("found", "minutes", "status", "arrived"),
    [
        ([], 29, "Scheduled", None),
        ([], 30, "No-show", False),
        ([happened("provider_login", 0)], 30, "No-show", False),
        ([happened("patient_login", 0)], 239, "Scheduled", True),
        ([happened("patient_login", 0)], 240, "Cancelled", True),
        ([happened("session_started", 1)], 1440, "In progress", True),
        ([happened("session_started", 1)], 1441, "Completed", True),
        ([event("appointment_cancelled", timestamp=at(-60))], 2000, "Cancelled", False),
    ],
)
def test_silence_counts_only_up_to_the_newest_receipt_of_the_log(found, minutes, status, arrived):
    state, _ = folded(event(), *found, as_of=START + timedelta(minutes=minutes))
    assert (state["status"], state["patient_arrived"]) == (status, arrived)


def test_a_patient_who_came_and_was_not_seen_is_no_no_show():
    state, _ = folded(event(), happened("patient_login", 0))
    assert (state["status"], state["cancellation_reason"]) == ("Cancelled", NOT_SEEN)


def test_a_moved_appointment_is_expected_at_its_new_time():
    moved = event("appointment_rescheduled", timestamp=at(-600), scheduled_start_at=at(60))
    state, _ = folded(event(), moved, as_of=START + timedelta(minutes=80))
    assert (state["status"], state["reschedule_count"]) == ("Scheduled", 1)
    assert state["scheduled_start_at"] == START + timedelta(minutes=60)
    assert state["appointment_type"] == "Follow-up"


def test_an_appointment_whose_place_another_takes_is_rescheduled():
    moved = event("appointment_rescheduled", timestamp=at(-600), new_appointment_id="APT2")
    state, refused = folded(event(rescheduled_from="APT0"), moved, happened("session_started", 0))
    assert (state["status"], state["rescheduled_from"], state["rescheduled_to"]) == (
        "Rescheduled",
        "APT0",
        "APT2",
    )
    assert refused == [("session_started", "AFTER_RESCHEDULING")]


CANCEL = event("appointment_cancelled", timestamp=at(-60), reason="Ill")


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        ([happened("session_started", 0)], ("session_started", "NOT_SCHEDULED")),
        ([event(), event("session_started", timestamp="2026-01-02T09:59:59Z")], "BEFORE_SCHEDULING"),
        ([event(), event(timestamp="2026-01-03T10:00:00Z")], "SCHEDULED_TWICE"),
        ([event(), happened("session_started", 0, patient_id="PAT000002")], "PATIENT_MISMATCH"),
        ([event(), happened("session_started", 0, provider_id="PROV0002")], "PROVIDER_MISMATCH"),
        ([event(), CANCEL, happened("session_started", 0)], "AFTER_CANCELLATION"),
        ([event(), CANCEL, event("appointment_cancelled", timestamp=at(-50))], "AFTER_CANCELLATION"),
        ([event(), happened("session_started", 0), happened("session_started", 1)], "STARTED_TWICE"),
        ([event(), happened("session_ended", 1)], "NOT_STARTED"),
        (
            [
                event(scheduled_start_at=at(-1440)),
                happened("session_started", -900),
                happened("session_ended", 0),
            ],
            "DURATION_IMPLAUSIBLE",
        ),
        ([event(), happened("session_started", 0), happened("appointment_cancelled", 1)], "AFTER_START"),
        ([*VISIT, happened("patient_login", 40)], "AFTER_END"),
    ],
)
def test_what_cannot_have_happened_as_told_is_refused_with_its_reason(found, refused):
    _, given_up = folded(*found)
    if isinstance(refused, tuple):
        assert given_up == [refused]
    else:
        assert [reason for _, reason in given_up] == [refused]
    assert all(reason in WHAT_TO_DO for _, reason in given_up)


def test_a_completed_visit_after_a_cancellation_stays_cancelled():
    state, refused = folded(event(), CANCEL, happened("session_started", 0), happened("session_ended", 20))
    assert (state["status"], state["cancellation_reason"]) == ("Cancelled", "Ill")
    assert [reason for _, reason in refused] == ["AFTER_CANCELLATION", "AFTER_CANCELLATION"]


def test_one_id_with_two_contents_is_refused_under_both():
    state, refused = folded(
        event(), happened("session_started", 0, event_id="e1"), happened("session_started", 3, event_id="e1")
    )
    assert state["status"] == "No-show"
    assert refused == [("session_started", "EVENT_ID_CONFLICT")] * 2


def test_the_same_content_under_two_ids_counts_once():
    once = folded(*VISIT)
    twice = folded(*VISIT, {**VISIT[4], "event_id": "again"})
    assert once == twice


def test_a_late_event_puts_things_right():
    state, refused = folded(*[one for one in VISIT if one["event_type"] != "session_started"])
    assert (state["status"], [reason for _, reason in refused]) == ("Cancelled", ["NOT_STARTED"])
    assert folded(*VISIT)[0]["status"] == "Completed"


def test_every_order_of_a_short_visit_gives_the_same_state():
    short = rows(
        event(), *[happened(kind, 5) for kind in ("patient_login", "session_started", "session_ended")]
    )
    assert len({repr(fold(order, RECEIVED_AT)) for order in permutations(short)}) == 1


_EVENTS = st.builds(
    lambda kind, minutes, event_id, patient, related, moved: event(
        kind,
        timestamp=at(minutes),
        event_id=event_id,
        patient_id=patient,
        scheduled_start_at=at(moved),
        **({"new_appointment_id": related} if kind == "appointment_rescheduled" else {}),
    ),
    st.sampled_from(EVENT_TYPES),
    st.integers(-300, 300),
    st.sampled_from([None, "e1", "e2", "e3"]),
    st.sampled_from(["PAT000001", "PAT000001", "PAT000002"]),
    st.sampled_from([None, "APT2"]),
    st.integers(-200, 200),
)


@settings(deadline=None)
@given(found=st.lists(_EVENTS, max_size=10), data=st.data())
def test_any_order_and_repetition_of_events_gives_the_same_appointment(found, data):
    plain = rows(*found) if found else []
    repeated = data.draw(st.lists(st.sampled_from(plain), max_size=5)) if plain else []
    shuffled = data.draw(st.permutations([*plain, *repeated]))
    one, other = fold(plain, RECEIVED_AT), fold(shuffled, RECEIVED_AT)
    assert one.state == other.state

    def told(result):
        return sorted({(r.event["event_id"], r.event["content_hash"], r.reason) for r in result.refused})

    assert told(one) == told(other)


@settings(deadline=None)
@given(st.lists(_EVENTS, max_size=10), st.integers(-400, 2000))
def test_every_event_is_taken_or_refused_and_no_state_contradicts_itself(found, minutes):
    plain = rows(*found) if found else []
    result = fold(plain, START + timedelta(minutes=minutes))
    contents = {row["content_hash"] for row in plain}  # the same content under two ids is one event
    refused = {r.event["content_hash"] for r in result.refused}
    assert refused <= contents
    state = result.state
    if state is None:
        assert refused == contents
        return
    assert state["event_count"] + len(refused) == len(contents)
    assert state["status"] in STATUSES
    if state["status"] in ("No-show", "Rescheduled"):
        assert state["session_started_at"] is None
    if state["wait_minutes"] is not None or state["duration_minutes"] is not None:
        assert state["status"] in ("Completed", "In progress")
        assert state["patient_arrived"]
