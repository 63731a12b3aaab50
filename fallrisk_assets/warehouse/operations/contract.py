"""Tables of the clinic's operations in the warehouse: dimensions, facts and marts.

Here: what they are. Not here: how their rows are made (`dimensions.py`, `facts.py`, `marts/*.sql`,
`kpis.py`), and the joins (`../views/*.sql`).
"""

from typing import Any

from fallrisk_assets.clinic.operations.vocabulary import APPOINTMENT_TYPES, MODES, SOURCES, STATUSES
from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float64,
    Int32,
    Int64,
    Rule,
    String,
    Timestamp,
    column,
    table,
)

TIME_ID = r"([01]\d|2[0-3])(00|15|30|45)"


def _whole(
    name: str,
    grain: str,
    key: tuple[str, ...],
    person: str | None = None,
    *,
    sort: tuple[str, ...] = (),
    rules: tuple[Rule, ...] = (),
) -> Any:
    """Declare a table of the warehouse without slices."""
    return table(
        name=name,
        namespace="warehouse",
        grain=grain,
        key=key,
        slice_column=None,
        slicing="none",
        person=person,
        sort=sort or key,
        rules=rules,
    )


@_whole(
    "dim_provider",
    "one row per provider and version",
    ("provider_version_key",),
    sort=("provider_id", "valid_from"),
    rules=(Rule("valid_to", "gt", "valid_from", "VERSION_EMPTY"),),
)
class DimProvider(Contract):
    """Providers with their history (type 2): a version for each change of price, hours or activity.

    The first version holds from the beginning of time: what was before the first snapshot is taken to have
    been as in it. No names.
    """

    provider_version_key: Int64 = column(1, "Hash of provider_id and valid_from")
    provider_key: Int64 = column(2, "Hash of provider_id")
    provider_id: String = column(3, "Clinic's id of the provider")
    specialty: String = column(4, "Specialty")
    years_experience: Int32 = column(5, "Years of practice", unit="a", nullable=True)
    state: String = column(6, "State in which the provider is licensed", nullable=True)
    hourly_rate: Float64 = column(7, "Price of an hour, in the clinic's currency", nullable=True, gt=0)
    available_hours_per_week: Float64 = column(8, "Hours a week offered", unit="h", nullable=True, ge=0)
    active: Bool = column(9, "Whether the provider sees patients")
    time_zone: String = column(10, "IANA zone of the provider's clock", nullable=True)
    valid_from: Timestamp = column(11, "First instant at which this version holds")
    valid_to: Timestamp = column(
        12, "First instant at which it no longer does; null if current", nullable=True
    )
    is_current: Bool = column(13, "Whether this is the newest version")


@_whole("dim_time", "one row per quarter of an hour", ("time_id",))
class DimTime(Contract):
    """The 96 quarter hours of a local day."""

    time_id: String = column(1, "Beginning of the quarter hour as text, such as 0815", matches=TIME_ID)
    hour: Int32 = column(2, "Hour", ge=0, le=23)
    minute: Int32 = column(3, "Minute", isin=(0, 15, 30, 45))
    label: String = column(4, "Beginning as people write it, such as 08:15")
    part_of_day: String = column(5, "Part of the day", isin=("night", "morning", "afternoon", "evening"))


@_whole("dim_status", "one row per status of an appointment", ("status_key",), sort=("status",))
class DimStatus(Contract):
    """States of an appointment, and in which denominators they count."""

    status_key: Int64 = column(1, "Hash of the status")
    status: String = column(2, "State", isin=STATUSES)
    is_final: Bool = column(3, "Whether it is an end")
    is_kept: Bool = column(4, "Whether it counts in the denominator of the no-show rate")
    description: String = column(5, "What it means")


@_whole(
    "dim_appointment_type", "one row per type of visit", ("appointment_type_key",), sort=("appointment_type",)
)
class DimAppointmentType(Contract):
    """Types of visits, a closed vocabulary; a visit whose type is not told has none."""

    appointment_type_key: Int64 = column(1, "Hash of the type")
    appointment_type: String = column(2, "Type of visit", isin=APPOINTMENT_TYPES)


@_whole("dim_kpi", "one row per indicator", ("kpi",))
class DimKpi(Contract):
    """Each indicator's only definition: what it means, and the SQL of its numerator and denominator."""

    kpi: String = column(1, "Name", matches=r"[a-z][a-z0-9_]+")
    title: String = column(2, "Name for people")
    definition: String = column(3, "What is divided by what")
    unit: String = column(4, "Unit of the value (UCUM; 1 for a share, {currency} for an amount)")
    source: String = column(5, "View that it is computed from")
    day_column: String = column(6, "Column of that view that says to which day a row belongs")
    numerator_sql: String = column(7, "Numerator, over the rows of a day")
    denominator_sql: String = column(8, "Denominator; null for a count or a sum", nullable=True)


@table(
    name="fact_appointment",
    namespace="warehouse",
    grain="one row per appointment and UTC day that changed its state",
    key=("appointment_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("appointment_id",),
)
class FactAppointment(Contract):
    """Appointments as they stood at the end of the days that changed them; `v_appointment` shows the newest.

    What was not measured is null, never 0. A row with a refusal says that the appointment counts nowhere.
    """

    day: Date = column(1, "UTC day at whose end the appointment stood so")
    date_id: Int32 = column(2, "Local day of the visit as YYYYMMDD")
    time_id: String = column(3, "Local quarter hour of the visit", matches=TIME_ID)
    event_at: Timestamp = column(4, "Instant as of which the dimensions are joined: the scheduled beginning")
    appointment_key: Int64 = column(5, "Hash of appointment_id")
    appointment_id: String = column(6, "Appointment", pii="pseudonym")
    patient_key: Int64 = column(7, "Hash of patient_id")
    patient_id: String = column(8, "Clinic's id of the patient", pii="pseudonym")
    provider_key: Int64 = column(9, "Hash of provider_id")
    status_key: Int64 = column(10, "Hash of the status")
    appointment_type_key: Int64 = column(11, "Hash of the type of visit", nullable=True)
    status: String = column(12, "State", isin=STATUSES)
    refusal: String = column(13, "Why the appointment counts nowhere", nullable=True)
    source: String = column(14, "Whence it is known", isin=SOURCES)
    scheduled_date: Date = column(15, "Local day of the visit")
    booked_at: Timestamp = column(16, "When it was booked", nullable=True)
    lead_time_days: Int32 = column(17, "Local days from booking to visit", unit="d", nullable=True, ge=0)
    mode: String = column(18, "Mode of visit", nullable=True, isin=MODES)
    planned_minutes: Float64 = column(19, "Length that was booked", unit="min", nullable=True, gt=0)
    wait_minutes: Float64 = column(20, "Wait of a patient who arrived", unit="min", nullable=True, ge=0)
    duration_minutes: Float64 = column(21, "Length of the visit", unit="min", nullable=True, gt=0)
    patient_arrived: Bool = column(22, "Whether the patient came", nullable=True)
    session_started: Bool = column(23, "Whether the visit began")
    had_technical_issue: Bool = column(24, "Whether it had a technical issue", nullable=True)
    issue_type: String = column(25, "First technical issue", nullable=True)
    connection_score: Int32 = column(26, "Quality of the connection, 5 is best", nullable=True, ge=1, le=5)
    device_type: String = column(27, "Device of the patient", nullable=True)
    browser: String = column(28, "Browser or app", nullable=True)
    cancelled_at: Timestamp = column(29, "When it was cancelled", nullable=True)
    reschedule_count: Int32 = column(30, "How often its time was moved", ge=0)
    rescheduled_to: String = column(31, "Appointment in its place", pii="pseudonym", nullable=True)
    as_of: Timestamp = column(32, "Newest receipt of the log up to the day")


@table(
    name="fact_feedback",
    namespace="warehouse",
    grain="one row per answer, content and UTC day of receipt",
    key=("feedback_id", "content_hash", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("feedback_id", "content_hash"),
)
class FactFeedback(Contract):
    """Answers of surveys; `v_answer` shows each once, `v_feedback` with its visit.

    What patients wrote stays in the lake.
    """

    day: Date = column(1, "UTC day on which the answer was received")
    date_id: Int32 = column(2, "Day on which it was given as YYYYMMDD")
    event_at: Timestamp = column(3, "When it was given, or that day's first instant in UTC")
    feedback_id: String = column(4, "Answer", pii="pseudonym")
    content_hash: String = column(5, "Hash of what it says")
    appointment_key: Int64 = column(6, "Hash of appointment_id")
    appointment_id: String = column(7, "Appointment", pii="pseudonym")
    patient_key: Int64 = column(8, "Hash of patient_id")
    patient_id: String = column(9, "Clinic's id of the patient", pii="pseudonym")
    feedback_date: Date = column(10, "Day on which it was given")
    provider_rating: Int32 = column(11, "Rating of the provider", nullable=True, ge=1, le=5)
    ease_of_use_rating: Int32 = column(12, "Rating of the ease of use", nullable=True, ge=1, le=5)
    audio_quality_rating: Int32 = column(13, "Rating of the sound", nullable=True, ge=1, le=5)
    video_quality_rating: Int32 = column(14, "Rating of the picture", nullable=True, ge=1, le=5)
    overall_satisfaction: Int32 = column(15, "Rating of the whole", nullable=True, ge=1, le=5)
    would_recommend: Bool = column(16, "Whether the patient would recommend it", nullable=True)
    has_comment: Bool = column(17, "Whether the patient wrote something")


@_whole("mart_daily_kpis", "one row per day and indicator", ("day", "kpi"))
class MartDailyKpis(Contract):
    """Indicators of each day up to the newest receipt of the log; no denominator gives null, never 0."""

    day: Date = column(1, "Local day of the visits, or day of the answers")
    kpi: String = column(2, "Indicator, defined in dim_kpi")
    numerator: Float64 = column(3, "Numerator", nullable=True)
    denominator: Float64 = column(4, "Denominator; null for a count or a sum", nullable=True)
    value: Float64 = column(5, "Numerator by denominator", nullable=True)
    is_final: Bool = column(6, "Whether the log tells of the whole day; late events can still change it")


@_whole(
    "mart_provider_utilisation",
    "one row per provider and ISO week",
    ("iso_year", "iso_week", "provider_id"),
)
class MartProviderUtilisation(Contract):
    """Minutes delivered of those offered, by week, for providers who were active in it."""

    iso_year: Int32 = column(1, "ISO 8601 year")
    iso_week: Int32 = column(2, "ISO 8601 week", ge=1, le=53)
    provider_id: String = column(3, "Provider")
    specialty: String = column(4, "Specialty on the week's Monday")
    booked: Int64 = column(5, "Appointments of the week", ge=0)
    completed: Int64 = column(6, "Completed ones", ge=0)
    delivered_minutes: Float64 = column(
        7, "Minutes of completed visits, where known", unit="min", nullable=True, ge=0
    )
    visits_without_length: Int64 = column(8, "Completed visits of which nobody knows the length", ge=0)
    available_minutes: Float64 = column(9, "Minutes offered in the week", unit="min", nullable=True, ge=0)
    utilisation: Float64 = column(10, "Delivered of available minutes", unit="1", nullable=True, ge=0)
    is_complete: Bool = column(11, "Whether the log reaches to the end of the week")


@_whole("mart_revenue", "one row per provider and day", ("day", "provider_id"))
class MartRevenue(Contract):
    """Estimates of revenue: minutes by hourly rate as of the visit. Nobody invoiced these amounts."""

    day: Date = column(1, "Local day of the visits")
    provider_id: String = column(2, "Provider")
    completed: Int64 = column(3, "Completed visits", ge=0)
    no_shows: Int64 = column(4, "No-shows", ge=0)
    delivered_estimate: Float64 = column(5, "Delivered minutes at the hourly rate", nullable=True, ge=0)
    lost_estimate: Float64 = column(6, "Booked minutes of no-shows at that rate", nullable=True, ge=0)
    visits_without_estimate: Int64 = column(7, "Visits and no-shows of which length or rate is unknown", ge=0)
    is_estimate: Bool = column(8, "Always true: an estimate and no invoice", isin=(True,))


@_whole("mart_patient_journey", "one row per patient with an appointment", ("patient_id",), "patient_id")
class MartPatientJourney(Contract):
    """Each patient's way through the clinic, with the newest fall risk where there is one."""

    patient_id: String = column(1, "Clinic's id of the patient", pii="pseudonym")
    site_id: String = column(2, "Clinic site", nullable=True)
    age_group: String = column(3, "Age group", pii="quasi", nullable=True)
    registration_date: Date = column(4, "Day of registration", pii="quasi", nullable=True)
    first_booked_at: Timestamp = column(5, "First booking known", nullable=True)
    first_visit_on: Date = column(6, "First completed visit", nullable=True)
    last_visit_on: Date = column(7, "Last completed visit", nullable=True)
    next_visit_at: Timestamp = column(8, "Next scheduled visit", nullable=True)
    booked: Int64 = column(9, "Appointments", ge=1)
    completed: Int64 = column(10, "Completed", ge=0)
    no_shows: Int64 = column(11, "No-shows", ge=0)
    cancelled: Int64 = column(12, "Cancelled", ge=0)
    rescheduled: Int64 = column(13, "Rescheduled", ge=0)
    mean_satisfaction: Float64 = column(14, "Mean of answered surveys", nullable=True, ge=1, le=5)
    answers: Int64 = column(15, "Answered surveys with that rating", ge=0)
    risk_day: Date = column(16, "Day of the newest risk score", nullable=True)
    risk_band: String = column(17, "Its band, or NOT_SCORED", pii="sensitive", nullable=True)
    probability_12m: Float64 = column(
        18, "Its probability", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )


@table(
    name="mart_outreach",
    namespace="warehouse",
    grain="one row per patient to call and UTC day",
    key=("patient_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("rank",),
)
class MartOutreach(Contract):
    """Whom to call: at high or rising risk or after a fall, and without a visit ahead or after a missed one.

    As known at the end of the day: a list of the past can be looked up and made again.
    """

    day: Date = column(1, "UTC day at whose end the list was made")
    rank: Int32 = column(2, "1 is called first", ge=1)
    patient_key: Int64 = column(3, "Hash of patient_id")
    patient_id: String = column(4, "Clinic's id of the patient", pii="pseudonym")
    site_id: String = column(5, "Clinic site")
    reasons: String = column(6, "Reason codes, by comma", pii="sensitive", matches=r"[A-Z_]+(,[A-Z_]+)+")
    falls: Int64 = column(
        7, "Falls detected in the 14 days before, false alarms aside", pii="sensitive", ge=0
    )
    last_fall_at: Timestamp = column(8, "Newest of them", pii="sensitive", nullable=True)
    risk_status: String = column(9, "Whether the newest day was scored", nullable=True)
    risk_band: String = column(10, "Band of the newest scored day of 14", pii="sensitive", nullable=True)
    probability_12m: Float64 = column(
        11, "Its probability", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    is_rising: Bool = column(12, "Whether an alert on a rising index is open", pii="sensitive")
    next_visit_at: Timestamp = column(13, "Next scheduled visit", nullable=True)
    missed_visit_at: Timestamp = column(
        14, "Last visit that was due, of 60 days, if it was missed", nullable=True
    )


TABLES = (
    DimProvider,
    DimTime,
    DimStatus,
    DimAppointmentType,
    DimKpi,
    FactAppointment,
    FactFeedback,
    MartDailyKpis,
    MartProviderUtilisation,
    MartRevenue,
    MartPatientJourney,
    MartOutreach,
)
