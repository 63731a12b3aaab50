"""The states of appointments day by day: what counts, what does not, and what a day adds."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.operations.concerned import DayEnd
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentQuarantine,
    AppointmentRecords,
    Appointments,
    Providers,
)
from fallrisk_assets.clinic.operations.log import parse_log
from fallrisk_assets.clinic.operations.references import References
from fallrisk_assets.clinic.operations.states import WHAT_TO_DO, day_states
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.validation import validate
from fallrisk_assets_tests.clinic.operations.rows import ZONES, event, lines, record
from fallrisk_assets_tests.warehouse.rows import patient, patients

FIRST, LAST = date(2026, 1, 2), date(2026, 1, 9)
DAYS = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def end_of(day: date) -> DayEnd:
    return DayEnd(day, datetime(day.year, day.month, day.day, 22, tzinfo=UTC))


def provider(provider_id: str = "PROV0001", day: int = 1, **columns) -> dict:
    plain = {
        "received_date": date(2026, 1, day),
        "file": "p",
        "line": 2,
        "provider_id": provider_id,
        "specialty": "Cardiology",
        "active": True,
        "time_zone": "Europe/Madrid",
    }
    return {**dict.fromkeys(arrow_schema(Providers).names), **plain, **columns}


KNOWN = (
    patients(patient(day=1), patient("PAT000002", None, day=1)),
    pa.Table.from_pylist([provider()], schema=arrow_schema(Providers)),
)


def references(*, of_patients: pa.Table = KNOWN[0], providers: list[dict] | None = None) -> References:
    rows = KNOWN[1] if providers is None else pa.Table.from_pylist(providers, schema=arrow_schema(Providers))
    return References(of_patients, rows)


def tables(received: dict[int, list[dict]]) -> tuple[pa.Table, pa.Table]:
    """Return events and records received on days of January."""
    events, records = [], []
    for day, found in received.items():
        at = datetime(2026, 1, day, 22, tzinfo=UTC)
        for by_api in (False, True):
            mine = [one for one in found if one.get("by_api", False) == by_api]
            log = parse_log("log", lines(*mine), at.date(), at, ZONES, by_api)
            assert not log.refusals, log.refusals
            events += log.events
            records += log.records
    return (
        pa.Table.from_pylist(events, schema=arrow_schema(AppointmentEvents)),
        pa.Table.from_pylist(records, schema=arrow_schema(AppointmentRecords)),
    )


def states(received: dict[int, list[dict]], known: References | None = None, days: list[date] = DAYS):
    """Return states and refusals by day of January; those without any are left out."""
    ends = [end_of(day) for day in days]
    before = DayEnd(days[0] - timedelta(days=1), end_of(days[0] - timedelta(days=1)).as_of)
    found: dict[int, list[dict]] = {}
    refused: dict[int, list[dict]] = {}
    for day, rows, bad in day_states(ends, before, *tables(received), known or references()):
        assert validate(Appointments, rows).passed, validate(Appointments, rows).sentence()
        assert validate(AppointmentQuarantine, bad).passed
        if rows.num_rows:
            found.setdefault(day.day, []).extend(rows.to_pylist())
        if bad.num_rows:
            refused.setdefault(day.day, []).extend(bad.to_pylist())
    return found, refused


def told(found: dict[int, list[dict]]) -> dict[int, list[str]]:
    return {day: [row["status"] for row in rows] for day, rows in found.items()}


CAME = [
    event("session_started", timestamp="2026-01-06T09:05:00Z"),
    event("session_ended", timestamp="2026-01-06T09:25:00Z"),
]


def test_a_row_stands_on_the_days_on_which_the_state_became_another():
    found, refused = states({2: [event()], 6: CAME, 7: CAME})
    assert told(found) == {2: ["Scheduled"], 6: ["Completed"]}
    assert refused == {}
    (row,) = found[6]
    assert (row["scheduled_date"], row["scheduled_time_id"]) == (date(2026, 1, 6), "1000")
    assert (row["lead_time_days"], row["source"], row["time_zone"]) == (4, "events", "Europe/Madrid")


def test_a_patient_who_does_not_come_is_told_on_the_day_of_the_visit_though_nothing_is_received():
    assert told(states({2: [event()]})[0]) == {2: ["Scheduled"], 6: ["No-show"]}


def test_silence_is_no_no_show_while_the_log_itself_is_silent():
    ends = [DayEnd(day, end_of(FIRST).as_of) for day in DAYS]
    pieces = day_states(ends, DayEnd(date(2026, 1, 1), None), *tables({2: [event()]}), references())
    assert [s for _, rows, _ in pieces for s in rows["status"].to_pylist()] == ["Scheduled"]


def test_a_late_event_changes_the_state_on_the_day_on_which_it_comes():
    assert told(states({2: [event()], 8: CAME})[0]) == {
        2: ["Scheduled"],
        6: ["No-show"],
        8: ["Completed"],
    }


def test_events_win_over_records_and_what_the_loser_says_otherwise_is_named():
    gone = record(
        appointment_id="APT1", appointment_date="2026-01-06", scheduled_time="1000", browser="Opera"
    )
    found, _ = states({2: [event()], 6: [*CAME, gone]})
    (row,) = found[6]
    assert (row["source"], row["superseded_source"]) == ("events", "record")
    assert row["disagreements"] == "appointment_type,duration_minutes"
    assert row["duration_minutes"] == 20.0


def test_records_win_over_the_api_whenever_each_was_written_and_the_loser_is_named():
    own = record(timestamp="2026-01-05T09:00:00Z")
    api = record(timestamp="2026-01-05T18:00:00Z", duration_minutes=23, by_api=True)
    for received in ({5: [api], 6: [own]}, {5: [own], 6: [api]}, {6: [own, api]}):
        row = states(received)[0][6][0]
        assert (row["source"], row["superseded_source"]) == ("record", "api")
        assert (row["duration_minutes"], row["disagreements"]) == (22.0, "duration_minutes")


def test_of_three_sources_events_win_and_the_stronger_loser_is_named():
    of = {"appointment_id": "APT1", "appointment_date": "2026-01-06", "scheduled_time": "1000"}
    own, api = record(**of, timestamp=None), record(**of, timestamp=None, by_api=True)
    assert states({6: [event(), *CAME, own, api]})[0][6][0]["superseded_source"] == "record"
    assert states({6: [event(), *CAME, api]})[0][6][0]["superseded_source"] == "api"


def test_what_the_api_alone_tells_lies_ahead_until_the_api_tells_its_end():
    plain = {
        "wait_time_minutes": None,
        "duration_minutes": None,
        "had_technical_issues": None,
        "by_api": True,
    }
    ahead = record(**plain, status="Scheduled", timestamp="2026-01-04T09:00:00Z")
    missed = record(**plain, status="No-show", timestamp="2026-01-05T09:00:00Z")
    found, _ = states({4: [ahead], 6: [missed]})
    assert told(found) == {4: ["Scheduled"], 6: ["No-show"]}
    assert [found[day][0]["patient_arrived"] for day in (4, 6)] == [None, False]
    assert {row["source"] for rows in found.values() for row in rows} == {"api"}


def test_a_record_alone_is_an_appointment_and_events_take_over_when_they_come():
    old = record(appointment_id="APT1", appointment_date="2026-01-06", scheduled_time="1000", timestamp=None)
    found, _ = states({6: [old], 7: [event(), *CAME]})
    assert [found[day][0]["source"] for day in (6, 7)] == ["record", "events"]
    assert found[6][0]["booked_at"] is None
    assert found[6][0]["wait_minutes"] == 7.5


def test_of_two_records_the_one_written_last_holds():
    first = record(duration_minutes=10, timestamp="2026-01-05T09:00:00Z")
    second = record(duration_minutes=12, timestamp="2026-01-05T10:00:00Z")
    assert states({5: [second, first]})[0][5][0]["duration_minutes"] == 12.0


@pytest.mark.parametrize(
    ("received", "known", "reason"),
    [
        ({2: [event(patient_id="PAT000009")]}, {}, "PATIENT_UNKNOWN"),
        ({2: [event(provider_id="PROV0009")]}, {}, "PROVIDER_UNKNOWN"),
        ({2: [event(scheduled_start_at="2026-01-01T09:00:00Z")]}, {}, "BOOKED_AFTER_VISIT"),
        (
            {2: [event()]},
            {"of_patients": patients(patient(day=1, registration_date=date(2026, 1, 7)))},
            "BEFORE_REGISTRATION",
        ),
        ({2: [event()]}, {"providers": [provider(active=False)]}, "PROVIDER_INACTIVE"),
        ({5: [record()]}, {"providers": [provider(active=False)]}, "PROVIDER_INACTIVE"),
        (
            {2: [event()], 6: CAME},
            {"providers": [provider(), provider(day=5, active=False)]},
            "PROVIDER_INACTIVE",
        ),
    ],
)
def test_an_appointment_that_cannot_be_counts_nowhere(received, known, reason):
    found, refused = states(received, references(**known))
    newest = found[max(found)][-1]
    assert newest["refusal"] == reason
    (row,) = refused[max(refused)]
    assert (row["reason"], row["event_id"], row["detail"]) == (reason, "", WHAT_TO_DO[reason])


def test_an_open_appointment_of_a_provider_who_left_after_the_booking_still_counts():
    known = references(providers=[provider(), provider(day=5, active=False)])
    assert states({2: [event()]}, known)[0][6][0]["refusal"] is None


def test_an_appointment_counts_from_the_day_on_which_its_patient_is_known():
    known = references(of_patients=patients(patient(day=4)))
    found, refused = states({2: [event()]}, known)
    assert [(day, rows[0]["refusal"]) for day, rows in found.items()][:2] == [
        (2, "PATIENT_UNKNOWN"),
        (4, None),
    ]
    assert list(refused) == [2]


def test_an_appointment_whose_scheduling_turns_out_to_be_doubtful_counts_nowhere():
    one, other = event(event_id="e1"), event(event_id="e1", timestamp="2026-01-02T11:00:00Z")
    found, refused = states({2: [one], 4: [other]})
    assert [(day, rows[0]["refusal"]) for day, rows in found.items()] == [(2, None), (4, "NOT_SCHEDULED")]
    assert [row["reason"] for row in refused[4]] == ["EVENT_ID_CONFLICT"] * 2


_EVENTS = st.sampled_from(
    [
        event(),
        event(event_id="e9"),
        *CAME,
        event("appointment_cancelled", timestamp="2026-01-03T10:00:00Z"),
        event("patient_login", timestamp="2026-01-06T09:00:00Z"),
        event(
            "appointment_rescheduled",
            timestamp="2026-01-03T12:00:00Z",
            scheduled_start_at="2026-01-08T09:00:00Z",
        ),
        event(appointment_id="APT2", patient_id="PAT000002"),
        record(),
        record(appointment_id="APT1", appointment_date="2026-01-06", scheduled_time="1000", timestamp=None),
    ]
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(6, 9), _EVENTS), max_size=10), st.data())
def test_days_one_by_one_give_what_the_range_gives_and_the_end_does_not_depend_on_the_days_of_receipt(
    drawn, data
):
    received: dict[int, list[dict]] = {}
    for day, one in drawn:
        received.setdefault(day, []).append(one)
    of_range, refused = states(received)
    one_by_one: dict[int, list[dict]] = {}
    refused_one_by_one: dict[int, list[dict]] = {}
    for day in data.draw(st.permutations(DAYS)):
        rows, bad = states(received, days=[day])
        one_by_one |= rows
        refused_one_by_one |= bad
    assert one_by_one == of_range
    assert refused_one_by_one == refused

    def newest(found: dict[int, list[dict]]) -> dict[str, dict]:
        rows = {row["appointment_id"]: row for day in sorted(found) for row in found[day]}
        return {one: {k: v for k, v in row.items() if k not in ("day", "as_of")} for one, row in rows.items()}

    at_once = states({9: [one for _, one in drawn]})[0] if drawn else {}
    assert newest(of_range) == newest(at_once)


def test_appointments_looked_at_in_pieces_give_the_same_rows_in_the_same_order(monkeypatch):
    received = {
        2: [event(appointment_id=f"APT{n}") for n in range(5)],
        6: [{**one, "appointment_id": f"APT{n}"} for n in (0, 3) for one in CAME],
    }
    whole = states(received)
    monkeypatch.setattr("fallrisk_assets.clinic.operations.states.APPOINTMENTS_AT_ONCE", 2)
    assert states(received) == whole
    assert [row["appointment_id"] for row in whole[0][6]] == [f"APT{n}" for n in range(5)]


def test_a_day_on_which_nothing_changed_is_no_piece():
    before = DayEnd(FIRST - timedelta(days=1), None)
    events, records = tables({2: [event()], 6: CAME})
    pieces = list(day_states([end_of(day) for day in DAYS], before, events, records, references()))
    assert [day.day for day, _, _ in pieces] == [2, 6]
