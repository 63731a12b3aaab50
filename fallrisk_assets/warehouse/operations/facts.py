"""Facts of the clinic's operations of a day: appointments and feedback, keyed for the warehouse.

Here: curated rows of one day to fact rows. Not here: dimensions, the joins (`../views/*.sql`). A measure that
was not taken stays null.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.operations.vocabulary import COMPLETED, CONNECTIONS
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.warehouse.calendar import date_id
from fallrisk_assets.warehouse.history import midnight, natural_key
from fallrisk_assets.warehouse.operations.contract import FactAppointment, FactFeedback

_INSTANT = pa.timestamp("us", "UTC")


def fact_appointment(states: pa.Table) -> pa.Table:
    """Return the `FactAppointment` rows of a day.

    Args:
        states: `Appointments` rows of that day.
    """
    begun, completed = pc.is_valid(states["session_started_at"]), pc.equal(states["status"], COMPLETED)
    return _of_schema(
        FactAppointment,
        states,
        date_id=_each(states["scheduled_date"], date_id),
        time_id=states["scheduled_time_id"],
        event_at=states["scheduled_start_at"],
        appointment_key=_each(states["appointment_id"], natural_key),
        patient_key=_each(states["patient_id"], natural_key),
        provider_key=_each(states["provider_id"], natural_key),
        status_key=_each(states["status"], natural_key),
        appointment_type_key=_each(states["appointment_type"], natural_key),
        session_started=pc.or_(begun, completed),
        connection_score=_each(states["connection_quality"], CONNECTIONS.get),
    )


def fact_feedback(answers: pa.Table) -> pa.Table:
    """Return the `FactFeedback` rows of a day.

    Args:
        answers: `Feedback` rows received on that day.
    """
    table = _of_schema(
        FactFeedback,
        answers,
        day=answers["received_date"],
        date_id=_each(answers["feedback_date"], date_id),
        event_at=pc.coalesce(answers["given_at"], _each(answers["feedback_date"], midnight, _INSTANT)),
        appointment_key=_each(answers["appointment_id"], natural_key),
        patient_key=_each(answers["patient_id"], natural_key),
        has_comment=pc.is_valid(answers["comments"]),
    )
    return table.sort_by([(name, "ascending") for name in FactFeedback.spec.sort])


def _each(
    values: pa.ChunkedArray, function: Callable[[Any], Any], kind: pa.DataType | None = None
) -> pa.ChunkedArray:
    """Return a function of each value, asked once for each distinct one; null stays null."""
    coded = values.combine_chunks().dictionary_encode()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) else coded
    answers = pa.array([function(value) for value in coded.dictionary.to_pylist()], kind or pa.int64())
    return pa.chunked_array([answers.take(coded.indices)])


def _of_schema(model: ContractType, rows: pa.Table, **columns: pa.ChunkedArray) -> pa.Table:
    """Return rows in the schema of a table, its columns those given or else those of the same name."""
    schema = arrow_schema(model)
    chosen = [columns[name] if name in columns else rows[name] for name in schema.names]
    return pa.table([one.cast(f.type) for one, f in zip(chosen, schema, strict=True)], schema=schema)
