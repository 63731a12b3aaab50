"""Questionnaire and QuestionnaireResponse: what the survey asks after a visit, and what a patient answered.

Left out on purpose: the free text. It has no question here, so that no response can carry it.
"""

from collections.abc import Mapping
from typing import Any

from fallrisk_assets.fhir.identifiers import instant, reference
from fallrisk_assets.fhir.mapping.resource import head
from fallrisk_assets.fhir.terminology import APPOINTMENT_IDENTIFIER, FEEDBACK_IDENTIFIER, PROJECT

QUESTIONNAIRE, VERSION = f"{PROJECT}/Questionnaire/visit-feedback", "1"
RATINGS = {
    "provider_rating": "How would you rate your provider?",
    "ease_of_use_rating": "How easy was it to use?",
    "audio_quality_rating": "How was the sound?",
    "video_quality_rating": "How was the picture?",
    "overall_satisfaction": "How satisfied are you with the visit as a whole?",
}
"""Column of `feedback`, which is the question's linkId → question; answers from 1 (worst) to 5 (best)."""
RECOMMENDATION = ("would_recommend", "Would you recommend it?")
_BOUNDS = (("minValue", 1), ("maxValue", 5))


def questionnaire(*, test_data: bool) -> dict[str, Any]:
    """Return the one Questionnaire, which is shared by bundles and so is the same bytes in each."""
    bounds = [
        {"url": f"http://hl7.org/fhir/StructureDefinition/{name}", "valueInteger": value}
        for name, value in _BOUNDS
    ]
    ratings = [
        {"linkId": column, "text": text, "type": "integer", "extension": bounds}
        for column, text in RATINGS.items()
    ]
    linked, text = RECOMMENDATION
    return head("Questionnaire", "visit-feedback", VERSION, test_data=test_data) | {
        "url": QUESTIONNAIRE,
        "version": VERSION,
        "name": "VisitFeedback",
        "title": "Feedback after a visit",
        "status": "active",
        "subjectType": ["Patient"],
        "item": [*ratings, {"linkId": linked, "text": text, "type": "boolean"}],
    }


def questionnaire_response(
    row: Mapping[str, Any], patient: Mapping[str, Any], *, test_data: bool
) -> dict[str, Any]:
    """Return the QuestionnaireResponse of an answered survey; a question without an answer is no item.

    One id of an answer with two contents is two responses. The visit is named by its identifier: nothing says
    that it was held, and a reference must not lead nowhere.

    Args:
        row: Row of `feedback`: feedback_id, content_hash, appointment_id, feedback_date, given_at, the
            ratings and would_recommend.
        patient: The Patient resource.
        test_data: Whether the data are simulated.
    """
    items: list[dict[str, Any]] = [
        {"linkId": column, "answer": [{"valueInteger": row[column]}]}
        for column in RATINGS
        if row[column] is not None
    ]
    if (would := row[RECOMMENDATION[0]]) is not None:
        items.append({"linkId": RECOMMENDATION[0], "answer": [{"valueBoolean": would}]})
    given = row["given_at"]
    visit = {"system": APPOINTMENT_IDENTIFIER, "value": row["appointment_id"]}
    found = head("QuestionnaireResponse", row["feedback_id"], row["content_hash"], test_data=test_data) | {
        "identifier": {"system": FEEDBACK_IDENTIFIER, "value": row["feedback_id"]},
        "questionnaire": f"{QUESTIONNAIRE}|{VERSION}",
        "status": "completed",
        "subject": reference(patient),
        "source": reference(patient),
        "encounter": {"type": "Encounter", "identifier": visit},
        "authored": row["feedback_date"].isoformat() if given is None else instant(given),
    }
    return found | {"item": items} if items else found
