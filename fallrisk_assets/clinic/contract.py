"""Tables of the clinic domain: who the patients are, which device each wears, whom to call.

Here: the tables that are read from the clinic's own files, as received (one snapshot a day). Not here: how a
line is judged (`identity.py`), and the type 2 dimensions folded from these snapshots (`warehouse/`).

Every table is sliced by `snapshot_date`, the UTC day on which its file was received. A file is a full
snapshot. Two worlds of ids meet in `patient_identity` and nowhere else: `PAT000001` is the clinic's,
`pt-42` the wearable's.
"""

from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float32,
    Int32,
    Rule,
    String,
    Timestamp,
    column,
    table,
)

PATIENT_ID = r"PAT\d{6,}"
WEARABLE_PATIENT_ID = r"pt-[A-Za-z0-9_.-]+"
DEVICE_ID = r"[A-Za-z][A-Za-z0-9_.-]*"

GENDERS = ("female", "male", "other", "unknown")
"""HL7 administrative gender, the codes of a FHIR R4 Patient."""
POSITIONS = ("waist", "wrist", "pocket", "chest", "lowback", "ankle")
CONTACT_ROLES = ("patient", "relative", "nurse", "on-call")
CONTACT_CHANNELS = ("email", "sms", "phone", "webhook", "file")


@table(
    name="patients",
    namespace="clean",
    grain="one row per patient and snapshot",
    key=("patient_id", "snapshot_date"),
    slice_column="snapshot_date",
    slicing="day",
    person="patient_id",
    sort=("patient_id",),
    rules=(Rule("registration_date", "ge", "birth_date", "REGISTERED_BEFORE_BIRTH"),),
)
class Patients(Contract):
    """Patients of the clinic with the history that a fall-risk index needs.

    A history column without an answer is null: unknown is not absent.
    """

    snapshot_date: Date = column(1, "UTC day on which the file with this row was received")
    patient_id: String = column(2, "Clinic's id of the patient", pii="pseudonym", matches=PATIENT_ID)
    wearable_patient_id: String = column(
        3, "Id under which the wearables know the patient", pii="pseudonym", nullable=True
    )
    birth_date: Date = column(4, "Date of birth", pii="quasi")
    gender: String = column(5, "Administrative gender (FHIR code)", pii="quasi", isin=GENDERS)
    has_insurance: Bool = column(6, "Whether an insurance covers the patient", pii="sensitive", nullable=True)
    registration_date: Date = column(7, "Day on which the clinic registered the patient", pii="quasi")
    time_zone: String = column(8, "IANA zone in which the patient's days begin and end", pii="quasi")
    site_id: String = column(9, "Clinic site that cares for the patient")
    expected_wear_hours: Float32 = column(
        10, "Hours a day for which the device should be worn", unit="h", nullable=True, ge=0, le=24
    )
    falls_past_12_months: Int32 = column(
        11, "Falls reported for the 12 months before", pii="sensitive", nullable=True, ge=0, le=400
    )
    walking_aid: Bool = column(12, "Uses a cane, a walker or the like", pii="sensitive", nullable=True)
    gait_problem: Bool = column(13, "Has a known gait problem", pii="sensitive", nullable=True)
    vertigo: Bool = column(14, "Suffers from vertigo or dizziness", pii="sensitive", nullable=True)
    fear_of_falling: Bool = column(15, "Reports fear of falling", pii="sensitive", nullable=True)
    parkinsons_disease: Bool = column(
        16, "Diagnosed with Parkinson's disease", pii="sensitive", nullable=True
    )
    medicine_count: Int32 = column(
        17, "Number of medicines taken", pii="sensitive", nullable=True, ge=0, le=100
    )
    living_alone: Bool = column(18, "Lives alone", pii="sensitive", nullable=True)


@table(
    name="patient_identity",
    namespace="clean",
    grain="one row per patient and snapshot",
    key=("patient_id", "snapshot_date"),
    slice_column="snapshot_date",
    slicing="day",
    person="patient_id",
    sort=("patient_id",),
)
class PatientIdentity(Contract):
    """The one place where the clinic's ids, the wearables' ids and names meet."""

    snapshot_date: Date = column(1, "UTC day on which the file with this row was received")
    patient_id: String = column(2, "Clinic's id of the patient", pii="direct", matches=PATIENT_ID)
    wearable_patient_id: String = column(
        3, "Id under which the wearables know the patient", pii="direct", nullable=True
    )
    given_name: String = column(4, "Given name", pii="direct", nullable=True)
    family_name: String = column(5, "Family name", pii="direct", nullable=True)


@table(
    name="device_assignment",
    namespace="clean",
    grain="one row per device, start of wear and correction, in a snapshot",
    key=("device_id", "valid_from", "revision", "snapshot_date"),
    slice_column="snapshot_date",
    slicing="day",
    person="patient_id",
    sort=("device_id", "valid_from", "revision"),
    rules=(Rule("valid_to", "ge", "valid_from", "ASSIGNMENT_BACKWARDS"),),
)
class DeviceAssignment(Contract):
    """Who wore which device, from when to when (`[valid_from, valid_to)`), with dated corrections.

    `patient_id` is the wearables' id (`pt-42`). An assignment with `valid_to` equal to `valid_from` is
    void: it withdraws an earlier one with the same start.
    """

    snapshot_date: Date = column(1, "UTC day on which the file with this row was received")
    device_id: String = column(2, "Device worn", matches=DEVICE_ID)
    patient_id: String = column(3, "Wearables' id of the patient who wore it", pii="pseudonym")
    valid_from: Timestamp = column(4, "First instant of the assignment")
    valid_to: Timestamp = column(5, "First instant after the assignment; null while it lasts", nullable=True)
    position: String = column(6, "Where on the body it is worn", isin=POSITIONS)
    corrected_at: Timestamp = column(
        7, "When this row was corrected; null for the first entry", nullable=True
    )
    revision: Int32 = column(
        8, "Rows of one file with the same device and start, counted from 0 by correction time", ge=0
    )


@table(
    name="care_contacts",
    namespace="clean",
    grain="one row per patient, role and order of call, in a snapshot",
    key=("patient_id", "contact_order", "role", "channel", "snapshot_date"),
    slice_column="snapshot_date",
    slicing="day",
    person="patient_id",
    sort=("patient_id", "contact_order", "role", "channel"),
)
class CareContacts(Contract):
    """Whom to reach about a patient, in which order. Quiet hours never hold for critical alerts."""

    snapshot_date: Date = column(1, "UTC day on which the file with this row was received")
    patient_id: String = column(2, "Clinic's id of the patient", pii="pseudonym", matches=PATIENT_ID)
    contact_order: Int32 = column(3, "1 is reached first", ge=1, le=99)
    role: String = column(4, "Who it is", isin=CONTACT_ROLES)
    channel: String = column(5, "How they are reached", isin=CONTACT_CHANNELS)
    address: String = column(6, "Address on that channel", pii="direct")
    quiet_from: String = column(
        7, "Local time HH:MM at which quiet hours begin", nullable=True, matches=r"\d\d:\d\d"
    )
    quiet_to: String = column(
        8, "Local time HH:MM at which quiet hours end", nullable=True, matches=r"\d\d:\d\d"
    )


@table(
    name="identity_quarantine",
    namespace="clean",
    grain="one row per refused line of a clinic file",
    key=("file", "line", "snapshot_date"),
    slice_column="snapshot_date",
    slicing="day",
    person="patient_id",
    sort=("file", "line"),
)
class IdentityQuarantine(Contract):
    """Lines of the clinic's files that were refused, each with its reason. Line 0 stands for a whole file."""

    snapshot_date: Date = column(1, "UTC day on which the file was received")
    file: String = column(2, "Name of the file in the landing zone")
    line: Int32 = column(3, "Line number in the file, the header being 1; 0 is the whole file", ge=0)
    reason: String = column(4, "Reason code", matches=r"[A-Z][A-Z0-9_]+")
    detail: String = column(5, "What was wrong and what to do, without the person's data")
    payload: String = column(6, "The line as received", pii="direct")
    patient_id: String = column(
        7, "Patient that the line names, where it can be read", pii="pseudonym", nullable=True
    )
