"""Tables of the clinic's operations: providers, the appointment log, appointments, feedback.

Here: the tables as received (sliced by the UTC day on which their drop was received), and the state of each
appointment that follows from them. Not here: how a line is judged (`log.py`, `feedback.py`, `providers.py`),
how events become a state (`fold.py`), dimensions and facts (`warehouse/operations/`).

Every row names its drop and line. A state of an appointment holds until a later day brings another one: who
wants it as of a day takes the newest row up to that day.
"""

from fallrisk_assets.clinic.contract import PATIENT_ID
from fallrisk_assets.clinic.files import OPERATIONS_KINDS
from fallrisk_assets.clinic.local_time import TIME_FLAGS
from fallrisk_assets.clinic.operations.vocabulary import (
    API_STATUSES,
    APPOINTMENT_TYPES,
    BY_API,
    CONNECTIONS,
    DEVICES,
    EVENT_TYPES,
    ISSUE_TYPES,
    LONGEST_VISIT_MINUTES,
    MODES,
    SEVERITIES,
    SOURCES,
    SPECIALTIES,
    STATUSES,
)
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

PROVIDER_ID = r"PROV\d{4,}"
APPOINTMENT_ID = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}"
TEXT_ID = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}"
CONTENT_HASH = r"[0-9a-f]{32}"

_REASON = r"[A-Z][A-Z0-9_]+"


@table(
    name="clinic_drops",
    namespace="raw",
    grain="one row per drop of the clinic's operations",
    key=("file",),
    slice_column="received_date",
    slicing="day",
    person=None,
    sort=("file",),
)
class ClinicDrops(Contract):
    """What became of each drop: received = clean + duplicates + superseded + quarantined.

    A drop that is refused as a whole counts as one line.
    """

    received_date: Date = column(1, "UTC day on which the drop was received")
    file: String = column(2, "Name of the drop in the landing zone")
    kind: String = column(3, "What it holds", isin=tuple(sorted(OPERATIONS_KINDS)))
    received_at: Timestamp = column(4, "Time of receipt, from its name")
    content_sha256: String = column(5, "Hash of its bytes", matches=r"[0-9a-f]{64}")
    received_lines: Int64 = column(6, "Lines, objects or rows in it", ge=0)
    clean_lines: Int64 = column(7, "Those that are in a table", ge=0)
    duplicate_lines: Int64 = column(8, "Those that repeat another of the day", ge=0)
    superseded_lines: Int64 = column(9, "Good ones of a snapshot that a later one of the day replaces", ge=0)
    quarantined_lines: Int64 = column(10, "Refused ones", ge=0)


@table(
    name="operations_quarantine",
    namespace="clean",
    grain="one row per refused line of a drop",
    key=("file", "line", "received_date"),
    slice_column="received_date",
    slicing="day",
    person="patient_id",
    sort=("file", "line"),
)
class OperationsQuarantine(Contract):
    """Lines of the clinic's operations that were refused, each with its reason. Line 0 is a whole drop."""

    received_date: Date = column(1, "UTC day on which the drop was received")
    file: String = column(2, "Name of the drop in the landing zone")
    line: Int32 = column(3, "Number of the line (of an array: of the element); 0 is the whole drop", ge=0)
    reason: String = column(4, "Reason code", matches=_REASON)
    detail: String = column(5, "What was wrong and what to do, without the person's data")
    payload: String = column(6, "The line as received", pii="direct")
    patient_id: String = column(
        7, "Patient that the line names, where it can be read", pii="pseudonym", nullable=True
    )


@table(
    name="providers",
    namespace="clean",
    grain="one row per provider and snapshot",
    key=("provider_id", "received_date"),
    slice_column="received_date",
    slicing="day",
    person=None,
    sort=("provider_id",),
)
class Providers(Contract):
    """Who sees patients: a full snapshot for each day on which a file came."""

    received_date: Date = column(1, "UTC day on which the snapshot was received")
    file: String = column(2, "Name of the drop")
    line: Int32 = column(3, "Line in it, the header being 1", ge=2)
    provider_id: String = column(4, "Clinic's id of the provider", matches=PROVIDER_ID)
    first_name: String = column(5, "First name", pii="direct", nullable=True)
    last_name: String = column(6, "Last name", pii="direct", nullable=True)
    specialty: String = column(7, "Specialty", isin=SPECIALTIES)
    years_experience: Int32 = column(8, "Years of practice", unit="a", nullable=True, ge=0, le=80)
    state: String = column(9, "State in which the provider is licensed, as the file says", nullable=True)
    hourly_rate: Float64 = column(10, "Price of an hour, in the clinic's currency", nullable=True, gt=0)
    available_hours_per_week: Float64 = column(
        11, "Hours a week offered to patients", unit="h", nullable=True, ge=0, le=168
    )
    active: Bool = column(12, "Whether the provider sees patients")
    time_zone: String = column(13, "IANA zone of the provider's clock; null if not known", nullable=True)


@table(
    name="appointment_events",
    namespace="clean",
    grain="one row per event and UTC day of receipt",
    key=("event_id", "content_hash", "received_date"),
    slice_column="received_date",
    slicing="day",
    person="patient_id",
    sort=("appointment_id", "occurred_at", "content_hash"),
)
class AppointmentEvents(Contract):
    """Life-cycle events of appointments. The same event received again on another day is a row there too."""

    received_date: Date = column(1, "UTC day on which the event was received")
    file: String = column(2, "Name of the drop")
    line: Int32 = column(3, "Line in it", ge=1)
    event_id: String = column(4, "The log's id of the event, or uuid5 of its content", matches=TEXT_ID)
    content_hash: String = column(5, "Hash of what it says, its id aside", matches=CONTENT_HASH)
    event_type: String = column(6, "What happened", isin=EVENT_TYPES)
    appointment_id: String = column(7, "Appointment", pii="pseudonym", matches=APPOINTMENT_ID)
    occurred_at: Timestamp = column(8, "When it happened")
    time_flag: String = column(9, "Why a time without zone is doubtful", nullable=True, isin=TIME_FLAGS)
    patient_id: String = column(
        10, "Clinic's id of the patient", pii="pseudonym", nullable=True, matches=PATIENT_ID
    )
    provider_id: String = column(11, "Provider", nullable=True, matches=PROVIDER_ID)
    scheduled_start_at: Timestamp = column(12, "Beginning that is scheduled by it", nullable=True)
    appointment_type: String = column(13, "Type of visit", nullable=True, isin=APPOINTMENT_TYPES)
    mode: String = column(14, "Mode of visit", nullable=True, isin=MODES)
    planned_minutes: Float64 = column(
        15, "Length that is booked", unit="min", nullable=True, gt=0, le=LONGEST_VISIT_MINUTES
    )
    reason: String = column(16, "Why it was cancelled or moved", pii="sensitive", nullable=True)
    related_appointment_id: String = column(
        17,
        "Of a rescheduling: the appointment that takes its place; of a scheduling: whose place it takes",
        pii="pseudonym",
        nullable=True,
        matches=APPOINTMENT_ID,
    )
    device_type: String = column(18, "Device of the patient", nullable=True, isin=DEVICES)
    operating_system: String = column(19, "Operating system of that device", nullable=True)
    browser: String = column(20, "Browser or app", nullable=True)
    connection_quality: String = column(
        21, "Quality of the connection", nullable=True, isin=tuple(CONNECTIONS)
    )
    issue_type: String = column(22, "Technical issue", nullable=True, isin=ISSUE_TYPES)
    severity: String = column(23, "Its severity", nullable=True, isin=SEVERITIES)
    resolved: Bool = column(24, "Whether it was resolved", nullable=True)


@table(
    name="appointment_records",
    namespace="clean",
    grain="one row per record and UTC day of receipt",
    key=("appointment_id", "content_hash", "received_date"),
    slice_column="received_date",
    slicing="day",
    person="patient_id",
    sort=("appointment_id", "content_hash"),
)
class AppointmentRecords(Contract):
    """Appointments in the older form, one record each; kept though events say the same or otherwise."""

    received_date: Date = column(1, "UTC day on which the record was received")
    file: String = column(2, "Name of the drop")
    line: Int32 = column(3, "Line in it", ge=1)
    content_hash: String = column(4, "Hash of what it says", matches=CONTENT_HASH)
    appointment_id: String = column(5, "Appointment", pii="pseudonym", matches=APPOINTMENT_ID)
    patient_id: String = column(6, "Clinic's id of the patient", pii="pseudonym", matches=PATIENT_ID)
    provider_id: String = column(7, "Provider", matches=PROVIDER_ID)
    scheduled_start_at: Timestamp = column(8, "Scheduled beginning")
    time_flag: String = column(9, "Why its time is doubtful", nullable=True, isin=TIME_FLAGS)
    appointment_type: String = column(10, "Type of visit", nullable=True, isin=APPOINTMENT_TYPES)
    mode: String = column(11, "Mode of visit", nullable=True, isin=MODES)
    status: String = column(
        12, "How it ended; of the scheduling API, also that it lies ahead", isin=API_STATUSES
    )
    wait_minutes: Float64 = column(13, "Wait of the patient", unit="min", nullable=True, ge=0, le=1440)
    duration_minutes: Float64 = column(
        14, "Length of the visit", unit="min", nullable=True, gt=0, le=LONGEST_VISIT_MINUTES
    )
    device_type: String = column(15, "Device of the patient", nullable=True, isin=DEVICES)
    operating_system: String = column(16, "Operating system of that device", nullable=True)
    browser: String = column(17, "Browser or app", nullable=True)
    connection_quality: String = column(
        18, "Quality of the connection", nullable=True, isin=tuple(CONNECTIONS)
    )
    had_technical_issues: Bool = column(19, "Whether there were technical issues", nullable=True)
    issue_type: String = column(20, "Technical issue", nullable=True, isin=ISSUE_TYPES)
    recorded_at: Timestamp = column(21, "When the record was written", nullable=True)
    source: String = column(
        22, "That the scheduling API told it; null for a record of a file", nullable=True, isin=(BY_API,)
    )


@table(
    name="feedback",
    namespace="clean",
    grain="one row per answer of a survey and UTC day of receipt",
    key=("feedback_id", "content_hash", "received_date"),
    slice_column="received_date",
    slicing="day",
    person="patient_id",
    sort=("appointment_id", "feedback_id", "content_hash"),
)
class Feedback(Contract):
    """What patients said of their visits; several answers a visit are possible.

    A question without an answer is null.
    """

    received_date: Date = column(1, "UTC day on which the answer was received")
    file: String = column(2, "Name of the drop")
    line: Int32 = column(3, "Line in it, or element of its array", ge=1)
    feedback_id: String = column(4, "Id of the answer", pii="pseudonym", matches=TEXT_ID)
    content_hash: String = column(5, "Hash of what it says", matches=CONTENT_HASH)
    appointment_id: String = column(6, "Appointment", pii="pseudonym", matches=APPOINTMENT_ID)
    patient_id: String = column(7, "Clinic's id of the patient", pii="pseudonym", matches=PATIENT_ID)
    provider_id: String = column(8, "Provider", nullable=True, matches=PROVIDER_ID)
    feedback_date: Date = column(9, "Day on which it was given")
    provider_rating: Int32 = column(10, "Rating of the provider, 1 to 5", nullable=True, ge=1, le=5)
    ease_of_use_rating: Int32 = column(11, "Rating of the ease of use", nullable=True, ge=1, le=5)
    audio_quality_rating: Int32 = column(12, "Rating of the sound", nullable=True, ge=1, le=5)
    video_quality_rating: Int32 = column(13, "Rating of the picture", nullable=True, ge=1, le=5)
    overall_satisfaction: Int32 = column(14, "Rating of the whole", nullable=True, ge=1, le=5)
    would_recommend: Bool = column(15, "Whether the patient would recommend it", nullable=True)
    comments: String = column(16, "Free text of the patient", pii="direct", nullable=True)
    given_at: Timestamp = column(17, "When it was given", nullable=True)
    time_flag: String = column(18, "Why that time is doubtful", nullable=True, isin=TIME_FLAGS)


@table(
    name="appointments",
    namespace="curated",
    grain="one row per appointment and UTC day that changed its state",
    key=("appointment_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("appointment_id",),
    rules=(Rule("session_ended_at", "ge", "session_started_at", "ENDED_BEFORE_START"),),
)
class Appointments(Contract):
    """The state of each appointment, as everything received up to the end of a day tells it.

    A row stands on the days on which the state became another: something was received, a visit's time passed
    without the patient, or a patient or provider became known. A row with a `refusal` counts nowhere.
    """

    day: Date = column(1, "UTC day up to which what was received is told")
    appointment_id: String = column(2, "Appointment", pii="pseudonym", matches=APPOINTMENT_ID)
    patient_id: String = column(3, "Clinic's id of the patient", pii="pseudonym")
    provider_id: String = column(4, "Provider")
    source: String = column(5, "Whence it is known", isin=SOURCES)
    superseded_source: String = column(
        6, "Weaker source that told of it too; kept in its table", nullable=True, isin=SOURCES
    )
    disagreements: String = column(7, "Columns in which that source says otherwise, by comma", nullable=True)
    refusal: String = column(8, "Why the appointment counts nowhere", nullable=True, matches=_REASON)
    status: String = column(9, "State", isin=STATUSES)
    booked_at: Timestamp = column(10, "When it was booked; null in the older form", nullable=True)
    scheduled_start_at: Timestamp = column(11, "Scheduled beginning")
    scheduled_date: Date = column(12, "Local day of it, by the provider's clock")
    scheduled_time_id: String = column(13, "Local quarter hour of it, such as 0815", matches=r"\d{4}")
    time_zone: String = column(14, "Zone of that clock")
    time_flag: String = column(15, "Why its time is doubtful", nullable=True, isin=TIME_FLAGS)
    appointment_type: String = column(16, "Type of visit", nullable=True, isin=APPOINTMENT_TYPES)
    mode: String = column(17, "Mode of visit", nullable=True, isin=MODES)
    planned_minutes: Float64 = column(18, "Length that is booked", unit="min", nullable=True)
    lead_time_days: Int32 = column(
        19, "Local days from the booking to the visit", unit="d", nullable=True, ge=0
    )
    cancelled_at: Timestamp = column(20, "When it was cancelled", nullable=True)
    cancellation_reason: String = column(21, "Why", pii="sensitive", nullable=True)
    reschedule_count: Int32 = column(22, "How often its time was moved", ge=0)
    rescheduled_from: String = column(23, "Appointment whose place it takes", pii="pseudonym", nullable=True)
    rescheduled_to: String = column(24, "Appointment that takes its place", pii="pseudonym", nullable=True)
    patient_login_at: Timestamp = column(25, "When the patient came", nullable=True)
    provider_login_at: Timestamp = column(26, "When the provider came", nullable=True)
    session_started_at: Timestamp = column(27, "When the visit began", nullable=True)
    session_ended_at: Timestamp = column(28, "When it ended", nullable=True)
    patient_arrived: Bool = column(29, "Whether the patient came; null while nobody can know", nullable=True)
    wait_minutes: Float64 = column(
        30,
        "From the scheduled time, or the patient's coming if later, to the beginning",
        unit="min",
        nullable=True,
        ge=0,
    )
    duration_minutes: Float64 = column(31, "Length of the visit", unit="min", nullable=True, gt=0)
    device_type: String = column(32, "Device of the patient", nullable=True, isin=DEVICES)
    operating_system: String = column(33, "Operating system of that device", nullable=True)
    browser: String = column(34, "Browser or app", nullable=True)
    connection_quality: String = column(
        35, "Quality of the connection", nullable=True, isin=tuple(CONNECTIONS)
    )
    had_technical_issue: Bool = column(
        36, "Whether a session had a technical issue; null without a session", nullable=True
    )
    issue_type: String = column(37, "First technical issue", nullable=True, isin=ISSUE_TYPES)
    issue_severity: String = column(38, "Gravest of them", nullable=True, isin=SEVERITIES)
    unresolved_issues: Int32 = column(39, "Issues that were not resolved", nullable=True, ge=0)
    event_count: Int32 = column(40, "Events that the state is made of; 0 in the older form", ge=0)
    as_of: Timestamp = column(41, "Newest receipt of the log up to the day: silence counts up to it")


@table(
    name="appointment_quarantine",
    namespace="curated",
    grain="one row per refused event, or refused appointment, and UTC day of its state",
    key=("appointment_id", "event_id", "content_hash", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("appointment_id", "event_id", "content_hash"),
)
class AppointmentQuarantine(Contract):
    """Events that cannot have happened as told, and appointments that count nowhere, each with its reason.

    The events themselves stay in `appointment_events`, so that a late event can put things right.
    """

    day: Date = column(1, "UTC day up to which what was received is told")
    appointment_id: String = column(2, "Appointment", pii="pseudonym")
    event_id: String = column(3, "Refused event; empty for the whole appointment")
    content_hash: String = column(4, "Hash of what that event says; empty for the whole appointment")
    event_type: String = column(5, "What it says happened", nullable=True)
    reason: String = column(6, "Reason code", matches=_REASON)
    detail: String = column(7, "What was wrong and what to do, without the person's data")
    patient_id: String = column(8, "Patient, where known", pii="pseudonym", nullable=True)
