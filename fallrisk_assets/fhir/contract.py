"""The table of the FHIR domain: every resource that was written, one row each."""

from fallrisk_assets.contract import Contract, Date, Int32, String, column, table

RESOURCE_TYPES = (
    "Appointment",
    "AppointmentResponse",
    "Communication",
    "CommunicationRequest",
    "DetectedIssue",
    "Device",
    "Encounter",
    "Flag",
    "Observation",
    "Patient",
    "Practitioner",
    "Questionnaire",
    "QuestionnaireResponse",
    "RiskAssessment",
)


@table(
    name="fhir_resources",
    namespace="curated",
    grain="one row per patient-day and resource",
    key=("day", "patient_id", "resource_type", "resource_id"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("patient_id", "resource_type", "resource_id"),
)
class FhirResources(Contract):
    """FHIR R4 resources of a patient-day, as written in the bundle.

    A device that two patients wore is in the rows of both, with the same bytes; so is who saw both of them.
    """

    day: Date = column(1, "Day of the bundle")
    patient_id: String = column(2, "Clinic's id of the patient", pii="pseudonym", matches=r"PAT\d{6,}")
    resource_type: String = column(3, "FHIR R4 resource type", isin=RESOURCE_TYPES)
    resource_id: String = column(
        4, "Id of the resource, a uuid5 of its natural key", matches=r"[A-Za-z0-9\-.]{1,64}"
    )
    entry: Int32 = column(
        5, "Position in the patient-day's bundle, from 0: referred-to before referring", ge=0
    )
    content: String = column(6, "The resource as one line of JSON, keys sorted", pii="direct")
    content_sha256: String = column(7, "sha256 of the content", matches=r"[0-9a-f]{64}")
