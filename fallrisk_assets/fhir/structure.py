"""A cheap structural check on every resource: required elements, no emptiness, sound times, references.

It runs on each resource that is written and so must cost microseconds. It is not a validator: required
bindings, invariants and units are judged by the R4B models on a sample (`models.py`) and by the independent
validators over everything (`validate.py`).
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REQUIRED: dict[str, tuple[str, ...]] = {
    "Patient": ("id", "identifier", "active", "gender", "birthDate"),
    "Device": ("id", "identifier", "status", "type"),
    "Observation": ("id", "status", "code", "subject"),
    "RiskAssessment": ("id", "status", "code", "subject", "performer"),
    "Flag": ("id", "status", "code", "subject", "period"),
    "CommunicationRequest": ("id", "status", "subject", "payload"),
    "Communication": ("id", "status", "subject"),
    "DetectedIssue": ("id", "status", "code", "patient"),
    "Practitioner": ("id", "identifier"),
    "Appointment": ("id", "identifier", "status", "participant"),
    "AppointmentResponse": ("id", "appointment", "actor", "participantStatus"),
    "Encounter": ("id", "identifier", "status", "class", "subject", "participant"),
    "Questionnaire": ("id", "url", "version", "status", "item"),
    "QuestionnaireResponse": ("id", "questionnaire", "status", "subject", "encounter", "authored"),
    "Provenance": ("id", "target", "recorded", "agent"),
}
"""Elements that each of our types carries: what R4 requires, and what our own readers rely on."""

ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "Observation": (
        ("valueQuantity", "valueCodeableConcept", "valueBoolean", "dataAbsentReason", "component"),
        ("effectivePeriod", "effectiveDateTime"),
    ),
    "Appointment": (("start", "requestedPeriod"),),
    "RiskAssessment": (("prediction", "note"), ("occurrencePeriod", "occurrenceDateTime")),
}
"""Groups of which at least one element is there: a value, or the statement why there is none."""

_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}T(?!.*(?:Z|[+-]\d{2}:\d{2})$)")
_MAX_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in one resource."""

    resource: str
    where: str
    reason: str

    def __str__(self) -> str:
        """Return the fault as one line for people."""
        return f"{self.resource} {self.where}: {self.reason}"


def faults(resource: Mapping[str, Any], known: Collection[str]) -> list[Fault]:
    """Return what is structurally wrong with a resource; empty when nothing is.

    Reasons: TYPE_UNKNOWN, ELEMENT_MISSING, VALUE_NULL, VALUE_NOT_FINITE, VALUE_EMPTY, TIME_NAIVE,
    REFERENCE_UNRESOLVED, PERCENT_OUT_OF_RANGE, VALUE_NOT_JSON (a numpy number, a date: no resource of ours).

    Args:
        resource: The resource, of plain dicts and lists.
        known: References (`Type/id`) that resolve: the resources of the same bundle and those known
            otherwise.
    """
    kind = resource.get("resourceType", "")
    name = f"{kind or '(no type)'}/{resource.get('id', '(no id)')}"
    if kind not in REQUIRED:
        return [Fault(name, "resourceType", "TYPE_UNKNOWN")]
    found = [Fault(name, e, "ELEMENT_MISSING") for e in REQUIRED[kind] if e not in resource]
    found += [
        Fault(name, "|".join(group), "ELEMENT_MISSING")
        for group in ONE_OF.get(kind, ())
        if not any(e in resource for e in group)
    ]
    found += [Fault(name, f"{kind}{where}", reason) for where, reason in _values(resource, known)]
    return found


_NOTHING: tuple[tuple[str, str], ...] = ()


def _values(value: Any, known: Collection[str]) -> Sequence[tuple[str, str]]:
    """Return (place below the value, reason) of each fault; places are put together on the way back only."""
    kind = type(value)
    if kind is str:
        if not value or value.isspace():
            return (("", "VALUE_EMPTY"),)
        return (("", "TIME_NAIVE"),) if value[10:11] == "T" and _NAIVE.match(value) else _NOTHING
    if kind is dict:
        found = _NOTHING if value else (("", "VALUE_EMPTY"),)
        for key, child in value.items():
            if below := _values(child, known):
                found = (*found, *((f".{key}{where}", reason) for where, reason in below))
            elif key == "reference" and child not in known:
                found = (*found, (f".reference {child}", "REFERENCE_UNRESOLVED"))
            elif key == "probabilityDecimal" and not 0 <= child <= _MAX_PERCENT:
                found = (*found, (".probabilityDecimal", "PERCENT_OUT_OF_RANGE"))
        return found
    if kind is list:
        if not value:
            return (("", "VALUE_EMPTY"),)
        return [
            (f"[{n}]{where}", reason)
            for n, child in enumerate(value)
            for where, reason in _values(child, known)
        ]
    if kind is int or kind is bool:
        return _NOTHING
    if kind is float:
        return _NOTHING if math.isfinite(value) else (("", "VALUE_NOT_FINITE"),)
    return (("", "VALUE_NULL" if value is None else "VALUE_NOT_JSON"),)
