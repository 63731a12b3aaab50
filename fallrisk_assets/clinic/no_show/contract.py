"""Tables of the no-show model: who will probably not come.

Here: what the tables are. Not here: how they are made (`scoring.py`).
"""

from fallrisk_assets.clinic.no_show.model import BASES
from fallrisk_assets.contract import (
    Contract,
    Date,
    Float64,
    Int64,
    String,
    Timestamp,
    column,
    table,
)

SCORED, NOT_SCORED = "SCORED", "NOT_SCORED"
BOOKING_TIME_UNKNOWN = "BOOKING_TIME_UNKNOWN"
BOOKED_AFTER_VISIT = "BOOKED_AFTER_VISIT"
AGE_UNKNOWN = "AGE_UNKNOWN"
LEAD_TIME_BEYOND_TRAINING = "LEAD_TIME_BEYOND_TRAINING"
REASONS = (BOOKING_TIME_UNKNOWN, BOOKED_AFTER_VISIT, AGE_UNKNOWN, LEAD_TIME_BEYOND_TRAINING)


@table(
    name="no_show_risk",
    namespace="curated",
    grain="one row per appointment ahead at the end of a UTC day",
    key=("appointment_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("scheduled_start_at", "appointment_id"),
)
class NoShowRisk(Contract):
    """The probability that a patient does not come, for each appointment ahead, from what its booking told.

    An appointment that the model cannot judge is NOT_SCORED with the reason, never of low probability. What
    the version in use was trained on stands in every row.
    """

    day: Date = column(1, "UTC day at whose end the appointment lay ahead")
    appointment_id: String = column(2, "Appointment", pii="pseudonym")
    patient_id: String = column(3, "Clinic's id of the patient", pii="pseudonym")
    provider_id: String = column(4, "Provider")
    scheduled_start_at: Timestamp = column(5, "Scheduled beginning")
    scheduled_date: Date = column(6, "Local day of it, by the provider's clock")
    status: String = column(7, "Whether there is a probability", isin=(SCORED, NOT_SCORED))
    reason: String = column(8, "Why there is none; null if there is one", nullable=True, isin=REASONS)
    probability: Float64 = column(
        9, "Probability that the patient does not come", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    model_version: String = column(10, "Version of the model that judged, or refused to")
    model_basis: String = column(11, "What that version was trained on", isin=BASES)
    lead_time_days: Int64 = column(
        12, "Local days from the setting of this time to the visit", unit="d", nullable=True, ge=0
    )
    earlier_kept: Int64 = column(13, "Visits kept in the year before the booking's day", nullable=True, ge=0)
    earlier_missed: Int64 = column(14, "Visits missed in it", pii="sensitive", nullable=True, ge=0)
