"""What HL7 publishes as R4 examples: our models accept it, and our resources have its shape."""

import json
import os
from pathlib import Path

import pytest

from fallrisk_assets.fhir.models import model_errors
from fallrisk_assets.fhir.patient_day import patient_days
from fallrisk_assets_tests.fhir.rows import DAY, day_rows

SHARED = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
EXAMPLES = SHARED / "fhir_r4_examples"
KINDS = (
    "Appointment",
    "AppointmentResponse",
    "Communication",
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

pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(),
    reason="no R4 examples of HL7 here; set FALLRISK_SHARED_DATA to the folder of fhir_r4_examples",
)


#: It has items without a linkId, which R4 requires: the example breaks the rule, not the models.
NOT_VALID = {"Questionnaire-qs1.json"}


def examples(kind: str) -> list[dict]:
    paths = (path for path in sorted(EXAMPLES.glob(f"{kind}-*.json")) if path.name not in NOT_VALID)
    return [json.loads(path.read_bytes()) for path in paths]


@pytest.mark.parametrize("kind", KINDS)
def test_the_r4b_models_accept_the_official_examples(kind):
    found = examples(kind)
    assert found
    assert [e for example in found for e in model_errors(example)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_element_that_we_share_with_the_official_examples_has_their_shape(kind):
    """A list where they have a list, an object where they have an object, a text where they have a text."""
    theirs: dict[str, type] = {}
    for example in examples(kind):
        theirs |= {name: type(value) for name, value in example.items()}
    ours = [
        r
        for r in patient_days(DAY, day_rows(), test_data=True).resources["PAT000001"]
        if r["resourceType"] == kind
    ]
    shared = {(name, type(value)) for r in ours for name, value in r.items() if name in theirs}
    assert len(shared) >= 4
    assert {(name, kind) for name, kind in shared if theirs[name] is not kind} == set()
