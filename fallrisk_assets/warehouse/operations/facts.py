"""Facts of the clinic's operations of a day: appointments and feedback, keyed for the warehouse.

Here: curated rows of one day to fact rows. Not here: dimensions, the joins (`../views/*.sql`). A measure that
was not taken stays null.
"""

import pyarrow as pa

from fallrisk_assets.clinic.operations.vocabulary import COMPLETED, CONNECTIONS
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.calendar import date_id
from fallrisk_assets.warehouse.history import midnight, natural_key
from fallrisk_assets.warehouse.operations.contract import FactAppointment, FactFeedback


def fact_appointment(states: pa.Table) -> pa.Table:
    """Return the `FactAppointment` rows of a day.

    Args:
        states: `Appointments` rows of that day.
    """
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


def fact_feedback(answers: pa.Table) -> pa.Table:
    """Return the `FactFeedback` rows of a day.

    Args:
        answers: `Feedback` rows received on that day.
    """
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
    return table.sort_by([(name, "ascending") for name in FactFeedback.spec.sort])
