"""A row for each appointment ahead: judged by what its booking told, or refused with a reason."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from fallrisk_assets.clinic.no_show.clinic_bookings import clinic_bookings
from fallrisk_assets.clinic.no_show.contract import NoShowRisk
from fallrisk_assets.clinic.no_show.facts import facts_at_booking
from fallrisk_assets.clinic.no_show.model import SIMULATED, released
from fallrisk_assets.clinic.no_show.scoring import no_show_risk_table
from fallrisk_assets.clinic.operations.contract import AppointmentEvents, Appointments
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.validation import validate
from fallrisk_assets_tests.warehouse.rows import patient, patients

DAY = date(2026, 1, 5)


def at(day: float) -> datetime:
    return datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(days=day)


def state(appointment: str, visit: float, booked: float | None = -2, **columns) -> dict:
    start = at(visit)
    plain = {
        "day": DAY,
        "appointment_id": appointment,
        "patient_id": "PAT000001",
        "provider_id": "PROV0001",
        "source": "events",
        "status": "Scheduled",
        "booked_at": None if booked is None else at(booked),
        "scheduled_start_at": start,
        "scheduled_date": start.date(),
        "scheduled_time_id": "1000",
        "time_zone": "Europe/Madrid",
        "reschedule_count": 0,
        "event_count": 1,
        "as_of": at(0.5),
    }
    return {**dict.fromkeys(arrow_schema(Appointments).names), **plain, **columns}


def move(appointment: str, occurred: float, start: float) -> dict:
    return {
        **dict.fromkeys(arrow_schema(AppointmentEvents).names),
        "received_date": DAY,
        "file": "f",
        "line": 1,
        "event_id": "e",
        "content_hash": "0" * 64,
        "event_type": "appointment_rescheduled",
        "appointment_id": appointment,
        "occurred_at": at(occurred),
        "scheduled_start_at": at(start),
    }


def known(*states: dict, moves: tuple[dict, ...] = (), people: pa.Table | None = None):
    return clinic_bookings(
        pa.Table.from_pylist(list(states), schema=arrow_schema(Appointments)),
        pa.Table.from_pylist(list(moves), schema=arrow_schema(AppointmentEvents)),
        patients(patient()) if people is None else people,
    )


def scored(*states: dict, **options) -> list[dict]:
    table = no_show_risk_table(DAY, known(*states, **options), released())
    assert validate(NoShowRisk, table).passed
    return table.to_pylist()


def test_only_appointments_that_lie_ahead_at_the_end_of_the_day_are_judged():
    rows = scored(
        state("A1", 3),
        state("A2", 0.5),
        state("A3", 3, status="Cancelled"),
        state("A4", 3, refusal="PATIENT_UNKNOWN"),
        state("A5", 0.625),  # midnight in UTC: the end of the day
    )
    assert [row["appointment_id"] for row in rows] == ["A5", "A1"]


def test_every_row_says_by_which_version_and_what_that_was_trained_on():
    (row,) = scored(state("A1", 3))
    assert row["status"] == "SCORED"
    assert 0 < row["probability"] < 1
    assert row["model_version"] == released().version
    assert row["model_basis"] == SIMULATED


def test_the_probability_is_that_of_the_facts_of_the_booking():
    clinic = known(state("A1", 30, booked=0), state("V1", -3, booked=-9, status="No-show"))
    (row,) = no_show_risk_table(DAY, clinic, released()).to_pylist()
    facts = facts_at_booking(clinic.bookings.take(clinic.bookings.appointment_id == "A1"), clinic.visits)
    assert row["probability"] == pytest.approx(released().probability(facts)[0])
    assert (row["lead_time_days"], row["earlier_kept"], row["earlier_missed"]) == (30, 0, 1)
    assert facts.age_years.tolist() == [85.0]
    (plain,) = scored(state("A1", 1, booked=0))
    assert plain["probability"] < row["probability"] / 3


def test_what_happened_after_the_booking_changes_no_probability():
    later = [
        state("V1", -1, booked=-9, status="No-show"),
        state("V2", 0, booked=-9, status="No-show"),
    ]
    assert scored(state("A1", 3, booked=-1), *later) == scored(state("A1", 3, booked=-1))


@pytest.mark.parametrize(
    ("of", "options", "reason"),
    [
        ({"booked": None}, {}, "BOOKING_TIME_UNKNOWN"),
        ({"booked": 4}, {}, "BOOKED_AFTER_VISIT"),
        ({"booked": -70}, {}, "LEAD_TIME_BEYOND_TRAINING"),
        ({"patient_id": "PAT000009"}, {}, "AGE_UNKNOWN"),
        ({"reschedule_count": 1}, {}, "BOOKING_TIME_UNKNOWN"),
    ],
)
def test_what_cannot_be_judged_is_not_scored_with_its_reason_and_no_probability(of, options, reason):
    rows = scored(state("A1", 3, **of), state("A2", 3), **options)
    assert [(r["status"], r["reason"], r["probability"] is None) for r in rows] == [
        ("NOT_SCORED", reason, True),
        ("SCORED", None, False),
    ]


def test_a_moved_appointment_is_booked_when_its_present_time_was_set():
    moves = (move("A1", -1, 3), move("A1", -6, 9), move("A2", -4, 3))
    (row,) = scored(state("A1", 3, booked=-8, reschedule_count=2), moves=moves)
    assert row["lead_time_days"] == 4


def test_the_newest_state_of_an_appointment_counts():
    moved = state("A1", 3, status="Cancelled")
    assert scored({**state("A1", 3), "day": DAY - timedelta(days=1)}, moved) == []


def test_days_are_those_of_the_providers_clock():
    late = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)  # already the 6th in Madrid
    (row,) = scored(state("A1", 1, booked=None) | {"booked_at": late})
    assert row["lead_time_days"] == 0


def test_a_day_without_appointments_ahead_has_no_rows():
    assert scored() == []
    assert scored(state("A1", -3, status="Completed")) == []
