"""Facts made column by column are those made row by row."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.operations.contract import Appointments, Feedback
from fallrisk_assets.clinic.operations.vocabulary import APPOINTMENT_TYPES, COMPLETED, CONNECTIONS, STATUSES
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.calendar import date_id
from fallrisk_assets.warehouse.history import midnight, natural_key
from fallrisk_assets.warehouse.operations.contract import FactAppointment, FactFeedback
from fallrisk_assets.warehouse.operations.facts import fact_appointment, fact_feedback
from fallrisk_assets_tests.warehouse.operations.rows import state

INSTANTS = st.integers(0, 10**7).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 1))


def rating():
    return st.none() | st.integers(1, 5)


STATES = st.lists(
    st.fixed_dictionaries(
        {
            "appointment_id": st.sampled_from(["APT1", "APT2", "APT3"]),
            "patient_id": st.sampled_from(["PAT000001", "PAT000002"]),
            "provider_id": st.sampled_from(["PROV0001", "PROV0002"]),
            "status": st.sampled_from(STATUSES),
            "appointment_type": st.none() | st.sampled_from(APPOINTMENT_TYPES),
            "connection_quality": st.none() | st.sampled_from(tuple(CONNECTIONS)),
            "session_started_at": st.none() | INSTANTS,
            "scheduled_date": DAYS,
            "scheduled_start_at": INSTANTS,
            "wait_minutes": st.none() | st.floats(0, 90),
            "refusal": st.none() | st.just("PATIENT_UNKNOWN"),
        }
    ),
    max_size=6,
)
ANSWERS = st.lists(
    st.fixed_dictionaries(
        {
            "received_date": DAYS,
            "feedback_id": st.sampled_from(["FB-1", "FB-2", "FB-3"]),
            "content_hash": st.sampled_from(["a", "b", "c"]),
            "appointment_id": st.sampled_from(["APT1", "APT2"]),
            "patient_id": st.sampled_from(["PAT000001", "PAT000002"]),
            "feedback_date": DAYS,
            "given_at": st.none() | INSTANTS,
            "overall_satisfaction": rating(),
            "would_recommend": st.none() | st.booleans(),
            "comments": st.none() | st.just("kind"),
        }
    ),
    max_size=6,
    unique_by=lambda row: (row["feedback_id"], row["content_hash"]),
)


def appointments_row_by_row(states: pa.Table) -> pa.Table:
    rows = [
        {
            **row,
            "date_id": date_id(row["scheduled_date"]),
            "time_id": row["scheduled_time_id"],
            "event_at": row["scheduled_start_at"],
            "appointment_key": natural_key(row["appointment_id"]),
            "patient_key": natural_key(row["patient_id"]),
            "provider_key": natural_key(row["provider_id"]),
            "status_key": natural_key(row["status"]),
            "appointment_type_key": row["appointment_type"] and natural_key(row["appointment_type"]),
            "session_started": row["session_started_at"] is not None or row["status"] == COMPLETED,
            "connection_score": CONNECTIONS.get(row["connection_quality"]),
        }
        for row in states.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(FactAppointment))


def feedback_row_by_row(answers: pa.Table) -> pa.Table:
    rows = [
        {
            **row,
            "day": row["received_date"],
            "date_id": date_id(row["feedback_date"]),
            "event_at": row["given_at"] or midnight(row["feedback_date"]),
            "appointment_key": natural_key(row["appointment_id"]),
            "patient_key": natural_key(row["patient_id"]),
            "has_comment": row["comments"] is not None,
        }
        for row in answers.to_pylist()
    ]
    table = pa.Table.from_pylist(rows, schema=arrow_schema(FactFeedback))
    return table.sort_by([("feedback_id", "ascending"), ("content_hash", "ascending")])


@settings(max_examples=100, deadline=None)
@given(STATES)
def test_appointments_are_the_same_column_by_column_and_row_by_row(rows):
    table = pa.Table.from_pylist([{**state(), **row} for row in rows], schema=arrow_schema(Appointments))
    assert fact_appointment(table).equals(appointments_row_by_row(table))


@settings(max_examples=100, deadline=None)
@given(ANSWERS)
def test_answers_are_the_same_column_by_column_and_row_by_row(rows):
    table = pa.Table.from_pylist(rows, schema=arrow_schema(Feedback))
    assert fact_feedback(table).equals(feedback_row_by_row(table))
