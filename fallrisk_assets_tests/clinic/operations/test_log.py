"""A bad line of the appointment log costs that line, and no time is guessed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.operations.log import parse_log
from fallrisk_assets_tests.clinic.operations.rows import DAY, RECEIVED_AT, ZONES, event, lines, record


def parse(*found: dict | str):
    return parse_log("log", lines(*found), DAY, RECEIVED_AT, ZONES)


def reason_of(line: dict | str) -> str | None:
    log = parse(line)
    assert len(log.events) + len(log.records) + len(log.refusals) == 1
    return log.refusals[0].reason if log.refusals else None


def test_an_event_and_a_record_of_the_older_form_stand_in_one_log():
    log = parse(event(), record())
    assert [row["event_type"] for row in log.events] == ["appointment_scheduled"]
    assert log.events[0]["scheduled_start_at"] == datetime(2026, 1, 6, 9, tzinfo=UTC)
    (row,) = log.records
    assert row["scheduled_start_at"] == datetime(2026, 1, 5, 7, 15, tzinfo=UTC)  # 08:15 in Madrid
    assert (row["wait_minutes"], row["duration_minutes"], row["status"]) == (7.5, 22.0, "Completed")
    assert row["recorded_at"] == datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "JSON_INVALID"),
        ("[1]", "JSON_INVALID"),
        ('{"status": 1, "status": 2}', "JSON_INVALID"),
        ('{"status": NaN}', "JSON_INVALID"),
        ("[" * 100_000, "JSON_INVALID"),
        ({"appointment_id": "APT1"}, "LINE_KIND_UNKNOWN"),
        (event("visited"), "VALUE_INVALID"),
        (event(patient_id="42"), "ID_INVALID"),
        (event(patient_id=None), "FIELD_MISSING"),
        (event(scheduled_start_at=None), "FIELD_MISSING"),
        (event(timestamp="2026-01-02"), "TIME_INVALID"),
        (event(timestamp="yesterday"), "TIME_INVALID"),
        (event(timestamp="2026-01-06T20:06:00Z"), "TIME_IN_FUTURE"),
        (event(timestamp="1999-01-01T00:00:00Z"), "TIME_IMPLAUSIBLE"),
        (event(scheduled_start_at="2036-01-01T00:00:00Z"), "TIME_IMPLAUSIBLE"),
        (event(timestamp="2026-01-02T10:00:00", provider_id="PROV0009"), "TIME_ZONE_UNKNOWN"),
        (event(planned_minutes=0), "VALUE_OUT_OF_RANGE"),
        (event(rescheduled_from="APT1"), "VALUE_INVALID"),
        (event("appointment_rescheduled"), "FIELD_MISSING"),
        (event("technical_issue", issue_type="Smoke"), "VALUE_INVALID"),
        (event("session_ended", connection_quality=5), "VALUE_INVALID"),
        (record(status="Cancelled"), "WAIT_WITHOUT_VISIT"),
        (record(status="No-show", wait_time_minutes=None), "DURATION_WITHOUT_VISIT"),
        (record(status="Scheduled"), "VALUE_INVALID"),
        (record(scheduled_time="800"), "TIME_INVALID"),
        (record(scheduled_time="2460"), "TIME_INVALID"),
        (record(appointment_date="2026-02-30"), "DATE_INVALID"),
        (record(appointment_date="2026-01-07", timestamp=None), "TIME_IN_FUTURE"),
        (record(wait_time_minutes=-1), "VALUE_OUT_OF_RANGE"),
        (record(duration_minutes=0), "VALUE_OUT_OF_RANGE"),
        (record(technical_issue_type="App Crash"), "ISSUE_CONTRADICTION"),
    ],
)
def test_a_line_that_cannot_be_is_refused_with_its_reason(line, reason):
    assert reason_of(line) == reason


def test_the_refused_line_is_kept_as_it_came_and_its_patient_is_named():
    (refused,) = parse("", event(timestamp="?"), "").refusals
    assert refused.line == 2
    assert '"timestamp": "?"' in refused.payload
    assert refused.patient_id == "PAT000001"


def test_a_cancelled_visit_without_times_is_taken():
    gone = record(status="canceled", wait_time_minutes=None, duration_minutes=None)
    assert parse(gone).records[0]["status"] == "Cancelled"


@pytest.mark.parametrize(("text", "hour"), [("0800", 8), ("08:00", 8), ("08:00:00", 8), ("00:00", 0)])
def test_a_local_time_keeps_its_zeros(text, hour):
    (row,) = parse(record(scheduled_time=text)).records
    assert row["scheduled_start_at"] == datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=hour - 1)


def test_a_time_without_a_zone_is_one_of_the_provider():
    madrid = parse(event(timestamp="2026-01-02T10:00:00")).events[0]
    new_york = parse(event(timestamp="2026-01-02T10:00:00", provider_id="PROV0002")).events[0]
    assert (madrid["occurred_at"].hour, new_york["occurred_at"].hour) == (9, 15)
    assert madrid["time_flag"] is None


@pytest.mark.parametrize(
    ("local", "utc_hour", "flag"),
    [
        ("2025-10-26T01:59:00", 23, None),
        ("2025-10-26T02:30:00", 0, "AMBIGUOUS_LOCAL_TIME"),
        ("2025-10-26T03:00:00", 2, None),
        ("2025-03-30T02:30:00", 1, "NONEXISTENT_LOCAL_TIME"),
        ("2025-10-26T02:30:00+01:00", 1, None),
    ],
)
def test_a_time_at_the_change_of_the_clocks_is_flagged_unless_it_names_its_offset(local, utc_hour, flag):
    (row,) = parse(event(timestamp=local)).events
    assert (row["occurred_at"].hour, row["time_flag"]) == (utc_hour, flag)


def test_an_ambiguous_schedule_is_flagged_too():
    (row,) = parse(
        event(
            scheduled_start_at=None,
            timestamp="2025-10-01T10:00:00Z",
            appointment_date="2025-10-26",
            scheduled_time="02:15",
        )
    ).events
    assert row["time_flag"] == "AMBIGUOUS_LOCAL_TIME"


def test_an_event_without_an_id_gets_the_same_one_wherever_it_is_received():
    one, other = parse(event(), "", event()).events
    assert one["event_id"] == other["event_id"]
    assert parse(event(timestamp="2026-01-02T10:00:01Z")).events[0]["event_id"] != one["event_id"]


def test_the_content_is_the_same_under_another_id():
    one, other = parse(event(event_id="e1"), event(event_id="e2")).events
    assert one["content_hash"] == other["content_hash"]
    assert (one["event_id"], other["event_id"]) == ("e1", "e2")


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(lines(event()).strip())), max_size=8))
def test_every_line_that_is_not_blank_is_a_row_or_refused(found):
    data = b"\n".join(found)
    log = parse_log("log", data, DAY, RECEIVED_AT, ZONES)
    expected = [n for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    got = [row["line"] for row in (*log.events, *log.records)] + [r.line for r in log.refusals]
    if not data.startswith(b"\xef\xbb\xbf"):
        assert sorted(got) == expected
    assert log.received_lines == len(got)
