"""Tables of the no-show model: who will probably not come.

Here: what the tables are. Not here: how they are made (`scoring.py`, `rows.py`), the artefacts themselves
(plain JSON in the registry).
"""

from fallrisk_assets.clinic.no_show.measures import METRICS
from fallrisk_assets.clinic.no_show.model import BASES
from fallrisk_assets.clinic.no_show.training import PARTS
from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float64,
    Int64,
    Rule,
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
CLINIC = "clinic"
PUBLIC_SET = "public_set"
SOURCES = (CLINIC, PUBLIC_SET)
CANDIDATE, IN_USE = "candidate", "in_use"
SHA256 = r"[0-9a-f]{64}"
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


@table(
    name="no_show_training_set",
    namespace="curated",
    grain="one row per settled booking",
    key=("appointment_id",),
    slice_column="trained_on",
    slicing="day",
    person="patient_id",
    sort=("visit_on", "appointment_id"),
    rules=(Rule("visit_on", "ge", "booked_on", "BOOKED_AFTER_VISIT"),),
    on_demand=True,
)
class NoShowTrainingSet(Contract):
    """Bookings with what was known when they were made, and what became of them.

    Split in time: `train` holds visits before a day, `test` those from it on.
    """

    trained_on: Date = column(1, "Day of training; the partition")
    appointment_id: String = column(2, "Appointment", pii="pseudonym")
    patient_id: String = column(3, "Patient", pii="pseudonym")
    source: String = column(4, "Whence the booking is", isin=SOURCES)
    basis: String = column(5, "What a version is that is trained on it", isin=BASES)
    part: String = column(6, "Learnt from, or judged by", isin=PARTS)
    booked_on: Date = column(7, "Local day of the booking")
    visit_on: Date = column(8, "Local day of the visit")
    lead_time_days: Int64 = column(9, "Local days between them", unit="d", ge=0)
    age_years: Float64 = column(10, "Age at the booking", unit="a", pii="quasi", ge=0, le=120)
    weekend: Bool = column(11, "Whether the visit is on a Saturday or Sunday")
    earlier_kept: Int64 = column(12, "Visits kept in the year before the booking's day", ge=0)
    earlier_missed: Int64 = column(13, "Visits missed in it", pii="sensitive", ge=0)
    last_missed: Bool = column(14, "Whether the last of them was missed", pii="sensitive")
    missed: Bool = column(15, "The label: whether the patient did not come", pii="sensitive")


@table(
    name="no_show_left_out",
    namespace="curated",
    grain="one row per line of a file, or appointment, that is not in the training set",
    key=("item",),
    slice_column="trained_on",
    slicing="day",
    person=None,
    sort=("item",),
    on_demand=True,
)
class NoShowLeftOut(Contract):
    """What a training set does not hold, row by row, with the reason: refused lines, bookings not held."""

    trained_on: Date = column(1, "Day of training; the partition")
    source: String = column(2, "Whence it is", isin=SOURCES)
    item: String = column(
        3, "Line of the file, the header being 1 (0: all of it), or appointment", pii="pseudonym"
    )
    reason: String = column(4, "Reason code", matches=r"[A-Z][A-Z0-9_]+")
    detail: String = column(5, "What was wrong and what to do, without the person's data")


@table(
    name="no_show_model",
    namespace="curated",
    grain="one row per version that was trained",
    key=("model_version",),
    slice_column="trained_on",
    slicing="day",
    person=None,
    sort=("model_version",),
    on_demand=True,
)
class NoShowModels(Contract):
    """Versions of the no-show model that were trained here; the artefact is plain JSON in the registry."""

    trained_on: Date = column(1, "Day of training; the partition")
    model_version: String = column(2, "Name, day, inputs and parameters of the version")
    artefact_sha256: String = column(3, "SHA-256 of the artefact", matches=SHA256)
    training_set_sha256: String = column(4, "Content hash of the training set", matches=SHA256)
    code_sha256: String = column(
        5, "SHA-256 of the training's source and its libraries' versions", matches=SHA256
    )
    basis: String = column(6, "What it was trained on", isin=BASES)
    visits: Int64 = column(7, "Visits it learnt from", ge=1)
    missed: Int64 = column(8, "Missed ones among them", ge=1)


@table(
    name="no_show_evaluation",
    namespace="curated",
    grain="one row per figure of a version",
    key=("model_version", "subgroup", "metric"),
    slice_column="evaluated_on",
    slicing="day",
    person=None,
    sort=("metric", "subgroup", "model_version"),
    rules=(Rule("upper", "ge", "lower", "INTERVAL_REVERSED"),),
    on_demand=True,
)
class NoShowEvaluation(Contract):
    """How good a version is on visits later than all that it learnt from, with 95 % intervals.

    The version in use is judged beside the day's candidate, on the same visits.
    `area_under_curve_of_one_fact` names the fact as its subgroup: a model must beat lead time by itself.
    """

    evaluated_on: Date = column(1, "Day of training of the candidate; the partition")
    model_version: String = column(2, "Version that was judged")
    role: String = column(3, "The day's candidate, or the version in use", isin=(CANDIDATE, IN_USE))
    source: String = column(4, "Whose visits it was judged on", isin=SOURCES)
    subgroup: String = column(5, "all, an age group, a lead time, a tenth of the probability, or a fact")
    metric: String = column(6, "What was measured", isin=METRICS)
    value: Float64 = column(7, "The figure")
    lower: Float64 = column(8, "Lower end of the 95 % interval")
    upper: Float64 = column(9, "Upper end of the 95 % interval")
    n: Int64 = column(10, "Visits that it rests on", ge=1)
    missed: Int64 = column(11, "Missed ones among them", ge=0)
