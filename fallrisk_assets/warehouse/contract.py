"""Tables of the warehouse: dimensions, facts, and how they are keyed.

Here: the star. Not here: how its rows are made (`dimensions.py`, `facts.py`), and the joins (`views/*.sql`).

A `..._key` is the hash of a natural key and never changes; a `..._version_key` is the hash of the natural
key and `valid_from`. Facts carry natural-key hashes and an `event_at`; a view finds the version that held
then. Intervals are `[valid_from, valid_to)`.
"""

from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float32,
    Float64,
    Int32,
    Int64,
    Rule,
    String,
    Timestamp,
    column,
    table,
)

AGE_GROUPS = ("Under 18", "18-34", "35-49", "50-64", "65+")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_VERSIONED = (Rule("valid_to", "gt", "valid_from", "VERSION_EMPTY"),)


@table(
    name="dim_date",
    namespace="warehouse",
    grain="one row per day",
    key=("date_id",),
    slice_column=None,
    slicing="none",
    person=None,
    sort=("date_id",),
)
class DimDate(Contract):
    """Calendar days, with the national holidays of the countries in which the clinic has sites."""

    date_id: Int32 = column(1, "The day as YYYYMMDD", ge=19000101, le=29991231)
    date: Date = column(2, "The day")
    year: Int32 = column(3, "Calendar year")
    quarter: Int32 = column(4, "Quarter of the year", ge=1, le=4)
    month: Int32 = column(5, "Month", ge=1, le=12)
    day: Int32 = column(6, "Day of the month", ge=1, le=31)
    iso_year: Int32 = column(7, "Year of the ISO 8601 week")
    iso_week: Int32 = column(8, "ISO 8601 week", ge=1, le=53)
    day_of_week: Int32 = column(9, "1 is Monday, 7 is Sunday", ge=1, le=7)
    day_name: String = column(10, "Name of the weekday", isin=WEEKDAYS)
    is_weekend: Bool = column(11, "Saturday or Sunday")
    is_holiday: Bool = column(12, "A holiday in at least one of the countries")
    holiday_us: String = column(13, "US federal holiday, as observed", nullable=True)
    holiday_es: String = column(14, "Holiday in the whole of Spain", nullable=True)


@table(
    name="dim_site",
    namespace="warehouse",
    grain="one row per site",
    key=("site_id",),
    slice_column=None,
    slicing="none",
    person=None,
    sort=("site_id",),
)
class DimSite(Contract):
    """Clinic sites, as the patients' registrations name them (type 1: the newest state only)."""

    site_key: Int64 = column(1, "Hash of site_id")
    site_id: String = column(2, "Clinic site")
    time_zone: String = column(3, "IANA zone in which most of its patients live")
    first_seen: Date = column(4, "Day of the first snapshot that names it")


@table(
    name="dim_patient",
    namespace="warehouse",
    grain="one row per patient and version",
    key=("patient_version_key",),
    slice_column=None,
    slicing="none",
    person="patient_id",
    sort=("patient_id", "valid_from"),
    rules=_VERSIONED,
)
class DimPatient(Contract):
    """Patients with their history (type 2): a version for each change, birthdays into an age group included.

    The first version holds from the registration on. No names, no birth dates; unknown answers are null.
    """

    patient_version_key: Int64 = column(1, "Hash of patient_id and valid_from")
    patient_key: Int64 = column(2, "Hash of patient_id")
    patient_id: String = column(3, "Clinic's id of the patient", pii="pseudonym")
    wearable_patient_id: String = column(4, "Wearables' id of the patient", pii="pseudonym", nullable=True)
    site_key: Int64 = column(5, "Hash of site_id")
    site_id: String = column(6, "Clinic site that cares for the patient")
    gender: String = column(7, "Administrative gender (FHIR code)", pii="quasi")
    birth_year: Int32 = column(8, "Year of birth", pii="quasi")
    age_group: String = column(9, "Age group while this version holds", pii="quasi", isin=AGE_GROUPS)
    has_insurance: Bool = column(
        10, "Whether an insurance covers the patient", pii="sensitive", nullable=True
    )
    registration_date: Date = column(11, "Day of registration", pii="quasi")
    time_zone: String = column(12, "IANA zone of the patient", pii="quasi")
    expected_wear_hours: Float32 = column(13, "Hours a day of expected wear", unit="h", nullable=True)
    falls_past_12_months: Int32 = column(
        14, "Falls reported for the year before", pii="sensitive", nullable=True
    )
    walking_aid: Bool = column(15, "Uses a walking aid", pii="sensitive", nullable=True)
    gait_problem: Bool = column(16, "Has a known gait problem", pii="sensitive", nullable=True)
    vertigo: Bool = column(17, "Suffers from vertigo", pii="sensitive", nullable=True)
    fear_of_falling: Bool = column(18, "Reports fear of falling", pii="sensitive", nullable=True)
    parkinsons_disease: Bool = column(
        19, "Diagnosed with Parkinson's disease", pii="sensitive", nullable=True
    )
    medicine_count: Int32 = column(20, "Number of medicines", pii="sensitive", nullable=True)
    living_alone: Bool = column(21, "Lives alone", pii="sensitive", nullable=True)
    valid_from: Timestamp = column(22, "First instant at which this version holds")
    valid_to: Timestamp = column(
        23, "First instant at which it no longer does; null if current", nullable=True
    )
    is_current: Bool = column(24, "Whether this is the newest version")


@table(
    name="dim_device",
    namespace="warehouse",
    grain="one row per device and version",
    key=("device_version_key",),
    slice_column=None,
    slicing="none",
    person="wearable_patient_id",
    sort=("device_id", "valid_from"),
    rules=_VERSIONED,
)
class DimDevice(Contract):
    """Devices with their history (type 2): who wears them, where on the body, with which firmware."""

    device_version_key: Int64 = column(1, "Hash of device_id and valid_from")
    device_key: Int64 = column(2, "Hash of device_id")
    device_id: String = column(3, "Device")
    wearable_patient_id: String = column(
        4, "Wearer; null while nobody is assigned", pii="pseudonym", nullable=True
    )
    patient_key: Int64 = column(
        5, "Hash of the wearer's clinic id; null while nobody is assigned", nullable=True
    )
    position: String = column(6, "Where it is worn", nullable=True)
    firmware: String = column(7, "Firmware; null before the first sample", nullable=True)
    valid_from: Timestamp = column(8, "First instant at which this version holds")
    valid_to: Timestamp = column(
        9, "First instant at which it no longer does; null if current", nullable=True
    )
    is_current: Bool = column(10, "Whether this is the newest version")


@table(
    name="fact_risk_score",
    namespace="warehouse",
    grain="one row per patient and local day",
    key=("wearable_patient_id", "day"),
    slice_column="day",
    slicing="day",
    person="wearable_patient_id",
    sort=("wearable_patient_id",),
)
class FactRiskScore(Contract):
    """The 12-month fall-risk index of each patient and day; a day without a score says why."""

    day: Date = column(1, "Patient's local day")
    date_id: Int32 = column(2, "The day as YYYYMMDD")
    event_at: Timestamp = column(3, "Instant as of which the dimensions are joined: the day's first, UTC")
    patient_key: Int64 = column(
        4, "Hash of the clinic's patient id; null if the clinic knows none", nullable=True
    )
    wearable_patient_id: String = column(5, "Wearables' id of the patient", pii="pseudonym")
    status: String = column(6, "Whether the day was scored", isin=("SCORED", "NOT_SCORED"))
    reason: String = column(7, "Why not, where it was not", nullable=True)
    probability_12m: Float64 = column(
        8, "Probability of a fall within 12 months", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    lower_12m: Float64 = column(9, "Lower bound", unit="1", pii="sensitive", nullable=True, ge=0, le=1)
    upper_12m: Float64 = column(10, "Upper bound", unit="1", pii="sensitive", nullable=True, ge=0, le=1)
    band: String = column(11, "Band of the index", pii="sensitive")
    confidence: Float32 = column(
        12, "Share of the index's reference spread that was observed", unit="1", nullable=True, ge=0, le=1
    )
    model_version: String = column(13, "Model that gave the score")


@table(
    name="fact_alert",
    namespace="warehouse",
    grain="one row per alert and UTC day on which it was unfinished or changed",
    key=("alert_id", "day"),
    slice_column="day",
    slicing="day",
    person="wearable_patient_id",
    sort=("opened_at", "alert_id"),
    rules=(Rule("last_seen_at", "ge", "opened_at", "SEEN_BEFORE_OPENED"),),
)
class FactAlert(Contract):
    """Alerts as they stood at the end of each day.

    `v_alert` shows the newest row of each alert on people and devices, `v_operations_alert` of the others.
    """

    day: Date = column(1, "UTC day at whose end the alert stood so")
    date_id: Int32 = column(2, "The day as YYYYMMDD")
    event_at: Timestamp = column(3, "Instant as of which the dimensions are joined: when it opened")
    alert_id: String = column(4, "Id of the alert")
    patient_key: Int64 = column(5, "Hash of the clinic's patient id; null for a device alone", nullable=True)
    wearable_patient_id: String = column(6, "Wearables' id of the patient", pii="pseudonym", nullable=True)
    device_key: Int64 = column(7, "Hash of the device id; null where none is involved", nullable=True)
    device_id: String = column(8, "Device seen first", nullable=True)
    origin: String = column(
        9, "From falls and devices, the index or the clinic's running", isin=("hourly", "index", "operations")
    )
    rule: String = column(10, "What was seen")
    severity: String = column(11, "Gravest of its observations")
    state: String = column(12, "State at the end of the day")
    escalation_level: Int32 = column(13, "0 is the first contact", ge=0)
    n: Int32 = column(14, "Observations so far", ge=1)
    opened_at: Timestamp = column(15, "Time of the first observation")
    last_seen_at: Timestamp = column(16, "Time of the last observation")
    acknowledged_at: Timestamp = column(17, "First acknowledgement", nullable=True)
    closed_at: Timestamp = column(18, "When it was closed or resolved", nullable=True)
    scope: String = column(19, "Indicator or table of an alert on the clinic's running", nullable=True)


@table(
    name="fact_device_day",
    namespace="warehouse",
    grain="one row per device, wearer and UTC day",
    key=("device_id", "wearable_patient_id", "day"),
    slice_column="day",
    slicing="day",
    person="wearable_patient_id",
    sort=("device_id", "wearable_patient_id"),
)
class FactDeviceDay(Contract):
    """What arrived from each device for each wearer and day. What was not measured is null, never 0."""

    day: Date = column(1, "UTC day")
    date_id: Int32 = column(2, "The day as YYYYMMDD")
    event_at: Timestamp = column(
        3, "Instant as of which the dimensions are joined: when this wearer's day began"
    )
    device_key: Int64 = column(4, "Hash of device_id")
    device_id: String = column(5, "Device")
    patient_key: Int64 = column(6, "Hash of the clinic's patient id; null if nobody wore it", nullable=True)
    wearable_patient_id: String = column(7, "Wearer; empty where nobody was assigned", pii="pseudonym")
    hours: Int32 = column(8, "Hours with a coverage row", unit="h", ge=1, le=24)
    hours_ok: Int32 = column(9, "Hours that can be scored", unit="h", ge=0, le=24)
    hours_not_worn: Int32 = column(10, "Hours in which it was not worn", unit="h", ge=0, le=24)
    hours_gappy: Int32 = column(11, "Hours with too many gaps", unit="h", ge=0, le=24)
    hours_faulty: Int32 = column(12, "Hours with an implausible rate or wrong units", unit="h", ge=0, le=24)
    hours_no_data: Int32 = column(13, "Hours without samples", unit="h", ge=0, le=24)
    expected_samples: Int64 = column(
        14,
        "Samples of gapless hours, silent ones at the day's median rate; null on a silent day",
        nullable=True,
        ge=0,
    )
    received_lines: Int64 = column(15, "Lines received", ge=0)
    clean_samples: Int64 = column(16, "Samples kept", ge=0)
    duplicate_lines: Int64 = column(17, "Repeated lines", ge=0)
    quarantined_lines: Int64 = column(18, "Refused lines", ge=0)
    completeness: Float64 = column(
        19, "Samples kept of those expected; null on a silent day", unit="1", nullable=True, ge=0
    )
    gap_count: Int64 = column(20, "Gaps", ge=0)
    gap_s: Float64 = column(21, "Time lost in gaps", unit="s", ge=0)
    wear_hours: Float64 = column(22, "Hours worn, where wear is known", unit="h", nullable=True, ge=0, le=24)
    battery_lowest: Float32 = column(23, "Lowest hourly battery", unit="1", nullable=True, ge=0, le=1)
    battery_last: Float32 = column(24, "Battery at the last sample", unit="1", nullable=True, ge=0, le=1)
    rate_hz: Float32 = column(25, "Median hourly rate", unit="Hz", nullable=True, ge=0)
    firmware: String = column(26, "Firmware at the last sample", nullable=True)
    firmware_since: Timestamp = column(
        27, "First hour of the day from which that firmware was sent without another", nullable=True
    )
    position: String = column(28, "Where it was worn last", nullable=True)
    is_final: Bool = column(29, "Whether every hour's watermark has passed")
    firmware_changes: String = column(
        30,
        "The device's changes of firmware while this wearer wore it, the day's first report included: "
        "JSON [[instant, firmware], …]; an hour tells its last. Null where none",
        nullable=True,
    )


TABLES = (DimDate, DimSite, DimPatient, DimDevice, FactRiskScore, FactAlert, FactDeviceDay)
"""Tables of the wearables; those of the clinic's operations are in `operations/contract.py`."""
