"""One readable function per resource type: rows in, one FHIR R4 resource out, as a plain dict.

No function here reads a clock, a table or a file. A row is any mapping with the columns that its docstring
names. What has no value is left out, because FHIR knows neither null nor an empty list; why a value is
absent is said in words or with `dataAbsentReason`.
"""

from fallrisk_assets.fhir.mapping.alerts import communication, communication_request
from fallrisk_assets.fhir.mapping.devices import model_software, wearable
from fallrisk_assets.fhir.mapping.falls import fall_observation
from fallrisk_assets.fhir.mapping.feedback import questionnaire, questionnaire_response
from fallrisk_assets.fhir.mapping.gait import gait_observation
from fallrisk_assets.fhir.mapping.issues import detected_issue
from fallrisk_assets.fhir.mapping.patients import patient
from fallrisk_assets.fhir.mapping.provenance import provenance
from fallrisk_assets.fhir.mapping.risk import high_risk_flag, risk_assessment
from fallrisk_assets.fhir.mapping.visits import appointment, appointment_response, encounter, practitioner

__all__ = [
    "appointment",
    "appointment_response",
    "communication",
    "communication_request",
    "detected_issue",
    "encounter",
    "fall_observation",
    "gait_observation",
    "high_risk_flag",
    "model_software",
    "patient",
    "practitioner",
    "provenance",
    "questionnaire",
    "questionnaire_response",
    "risk_assessment",
    "wearable",
]
