"""Codes that our resources use: system, code and display, and which measure has which.

Here: constants only. A code that is not confirmed in a published system lives in a code system of this
project (`PROJECT`), which `code_systems` defines in full, so that no reader meets a code that nobody
defined. The Morse Fall Scale's LOINC codes are deliberately absent: nothing here is a Morse score.
"""

from dataclasses import dataclass
from typing import Any

PROJECT = "https://fallrisk.example/fhir"
"""Base of this project's canonical URLs. `.example` is reserved (RFC 2606): nothing is ever served there."""

GAIT_MEASURES = f"{PROJECT}/CodeSystem/gait-measures"
FALL_FINDINGS = f"{PROJECT}/CodeSystem/fall-findings"
ISSUES = f"{PROJECT}/CodeSystem/detected-issues"
PATIENT_IDENTIFIER = f"{PROJECT}/sid/patient"
DEVICE_IDENTIFIER = f"{PROJECT}/sid/device"
MODEL_IDENTIFIER = f"{PROJECT}/sid/model"
ALERT_IDENTIFIER = f"{PROJECT}/sid/alert"
APPOINTMENT_IDENTIFIER = f"{PROJECT}/sid/appointment"
PROVIDER_IDENTIFIER = f"{PROJECT}/sid/provider"
FEEDBACK_IDENTIFIER = f"{PROJECT}/sid/feedback"
RUN_IDENTIFIER = f"{PROJECT}/sid/run"
SNAPSHOT_IDENTIFIER = f"{PROJECT}/sid/snapshot"
CONTENT_IDENTIFIER = f"{PROJECT}/sid/content-hash"

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
MDC = "urn:iso:std:iso:11073:10101"


def coding(system: str, code: str, display: str) -> dict[str, Any]:
    """Return a Coding."""
    return {"system": system, "code": code, "display": display}


def concept(system: str, code: str, display: str, text: str | None = None) -> dict[str, Any]:
    """Return a CodeableConcept with one coding, and a text where it says more than the display."""
    found: dict[str, Any] = {"coding": [coding(system, code, display)]}
    if text:
        found["text"] = text
    return found


FALL = coding(SNOMED, "1912002", "Fall")
ACCIDENTAL_FALL = coding(SNOMED, "217082002", "Accidental fall")
AT_RISK_FOR_FALLS = coding(SNOMED, "129839007", "At risk for falls")
FALL_RISK_ASSESSMENT = coding(LOINC, "73830-2", "Fall risk assessment")
FALL_SENSOR = coding(MDC, "528501", "MDC_DEV_SPEC_PROFILE_AI_FALL_SENSOR")
TEST_DATA = coding("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST", "test health data")
ACTIVITY = coding("http://terminology.hl7.org/CodeSystem/observation-category", "activity", "Activity")
SAFETY = coding("http://terminology.hl7.org/CodeSystem/flag-category", "safety", "Safety")
ALERT = coding("http://terminology.hl7.org/CodeSystem/communication-category", "alert", "Alert")
ASSEMBLER = coding(
    "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "assembler", "Assembler"
)
NOT_PERFORMED = coding(
    "http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-performed", "Not Performed"
)
_RISK_PROBABILITY = "http://terminology.hl7.org/CodeSystem/risk-probability"
QUALITATIVE_RISK = {
    "low": coding(_RISK_PROBABILITY, "low", "Low likelihood"),
    "medium": coding(_RISK_PROBABILITY, "moderate", "Moderate likelihood"),
    "high": coding(_RISK_PROBABILITY, "high", "High likelihood"),
}
"""Our three bands; HL7's word for the middle one is moderate."""

PRIORITY = {"critical": "stat", "high": "urgent", "medium": "routine", "low": "routine"}
"""Severity of an alert → FHIR request-priority (required binding)."""
ISSUE_SEVERITY = {"critical": "high", "high": "high", "medium": "moderate", "low": "low"}
"""Severity of an alert → FHIR detectedissue-severity (required binding), which has no critical."""

_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ENCOUNTER_CLASS = {
    "Face-to-Face": coding(_ACT_CODE, "AMB", "ambulatory"),
    "Telephone": coding(_ACT_CODE, "VR", "virtual"),
    "Video/Online": coding(_ACT_CODE, "VR", "virtual"),
    "Home Visit": coding(_ACT_CODE, "HH", "home health"),
}
"""Mode of a visit → Encounter.class (extensible binding v3-ActEncounterCode)."""
UNKNOWN_CLASS = coding("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK", "unknown")


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of `daily_gait` as an Observation.

    Attributes:
        column: Column of the table.
        code: Its coding.
        ucum: UCUM code of the value.
        unit: Unit for people.
        factor: What the column's number is multiplied by to be in `ucum`.
        decimals: Digits kept after the point; float32 carries no more than seven in all.
    """

    column: str
    code: dict[str, Any]
    ucum: str
    unit: str
    factor: float = 1.0
    decimals: int = 4


def _own(
    column: str, code: str, display: str, ucum: str, unit: str, factor: float = 1.0, decimals: int = 4
) -> Measure:
    return Measure(column, coding(GAIT_MEASURES, code, display), ucum, unit, factor, decimals)


MEASURES: tuple[Measure, ...] = (
    Measure(
        "steps",
        coding(LOINC, "41950-7", "Number of steps in 24 hour Measured"),
        "/d",
        "steps per day",
        decimals=0,
    ),
    _own("wear_minutes", "wear-time", "Time the device was worn", "min", "min", decimals=1),
    _own("walking_minutes", "walking-time", "Time spent walking", "min", "min", decimals=1),
    _own("cadence_spm", "cadence", "Cadence of walking", "/min", "steps per minute", decimals=2),
    _own("stride_time_s", "stride-time", "Mean stride time", "s", "s"),
    _own("stride_time_cv", "stride-time-cv", "Variability of stride time", "%", "%", 100.0, 2),
    _own("step_regularity", "step-regularity", "Step regularity", "1", "1"),
    _own("stride_regularity", "stride-regularity", "Stride regularity", "1", "1"),
    _own("harmonic_ratio", "harmonic-ratio", "Harmonic ratio of walking", "1", "1", decimals=3),
    _own("walking_bouts", "walking-bouts", "Number of walking bouts", "{bouts}", "bouts", decimals=0),
    _own(
        "longest_bout_s", "longest-walking-bout", "Duration of the longest walking bout", "s", "s", decimals=1
    ),
    _own("sway_g", "standing-sway", "Sway in quiet standing, acceleration", "[g]", "g", decimals=5),
    _own("turns", "turns", "Number of turns", "{turns}", "turns", decimals=0),
    _own("turn_duration_s", "turn-duration", "Median duration of a turn", "s", "s", decimals=2),
    _own("turn_angle_deg", "turn-angle", "Median angle of a turn", "deg", "degrees", decimals=1),
    _own(
        "sit_to_stands",
        "sit-to-stands",
        "Number of sit-to-stand transitions",
        "{transitions}",
        "transitions",
        decimals=0,
    ),
    _own("night_risings", "night-risings", "Number of risings at night", "{risings}", "risings", decimals=0),
    _own("upright_minutes", "upright-time", "Time upright", "min", "min", decimals=1),
    _own("lying_minutes", "lying-time", "Time lying", "min", "min", decimals=1),
)
"""Every measure that the daily table may carry and that is written as an Observation, in this order."""

FINDINGS: dict[str, str] = {
    "detection-probability": "Probability that the detector gives to the fall",
    "peak-acceleration": "Largest acceleration norm of the impact",
    "free-fall-duration": "Time in reduced gravity in the second before the impact",
    "posture-change": "Angle between gravity before and after the impact",
    "stillness-duration": "Time without movement from the impact up to the decision",
    "recovered": "Whether the person was back in the old posture and moving at the decision",
}
"""Components of a detected fall, codes of `FALL_FINDINGS`."""

ISSUE_CODES: dict[str, str] = {
    "high-fall-risk": "12-month fall risk index in the high band",
    "index-alert": "12-month fall risk index above its alert threshold, or risen against the baseline",
    "detected-fall": "Fall detected by a wearable",
}
"""Codes of `ISSUES`."""


def code_systems() -> list[dict[str, Any]]:
    """Return this project's own code systems as CodeSystem resources, complete and case sensitive."""
    contents = {
        GAIT_MEASURES: (
            "GaitMeasures",
            {m.code["code"]: m.code["display"] for m in MEASURES if m.code["system"] == GAIT_MEASURES},
        ),
        FALL_FINDINGS: ("FallFindings", FINDINGS),
        ISSUES: ("DetectedIssues", ISSUE_CODES),
    }
    return [
        {
            "resourceType": "CodeSystem",
            "id": url.rsplit("/", 1)[1],
            "url": url,
            "name": name,
            "status": "active",
            "experimental": True,
            "caseSensitive": True,
            "content": "complete",
            "count": len(codes),
            "concept": [{"code": code, "display": display} for code, display in sorted(codes.items())],
        }
        for url, (name, codes) in sorted(contents.items())
    ]
