"""A cheap structural check on every resource: required elements, no emptiness, sound times, references.

It runs on each resource that is written and so must cost microseconds. It is not a validator: required
bindings, invariants and units are judged by the R4B models on a sample (`models.py`) and by the independent
validators over everything (`validate.py`).
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
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
    "Provenance": ("id", "target", "recorded", "agent"),
}
"""Elements that each of our types carries: what R4 requires, and what our own readers rely on."""

ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "Observation": (
        ("valueQuantity", "valueCodeableConcept", "valueBoolean", "dataAbsentReason", "component"),
        ("effectivePeriod", "effectiveDateTime"),
    ),
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
    REFERENCE_UNRESOLVED, PERCENT_OUT_OF_RANGE.

    Args:
        resource: The resource.
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
    found += [Fault(name, where, reason) for where, reason in _values(resource, kind, known)]
    return found


def _values(value: Any, where: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if not value.strip():
            yield where, "VALUE_EMPTY"
        elif len(value) > 15 and _NAIVE.match(value):
            yield where, "TIME_NAIVE"
    elif isinstance(value, Mapping):
        if not value:
            yield where, "VALUE_EMPTY"
        for key, child in value.items():
            if key == "reference" and child not in known:
                yield f"{where}.{key} {child}", "REFERENCE_UNRESOLVED"
            if (
                key == "probabilityDecimal"
                and isinstance(child, int | float)
                and not 0 <= child <= _MAX_PERCENT
            ):
                yield f"{where}.{key}", "PERCENT_OUT_OF_RANGE"
            yield from _values(child, f"{where}.{key}", known)
    elif isinstance(value, list):
        if not value:
            yield where, "VALUE_EMPTY"
        for n, child in enumerate(value):
            yield from _values(child, f"{where}[{n}]", known)
    elif value is None:
        yield where, "VALUE_NULL"
    elif isinstance(value, float) and not math.isfinite(value):
        yield where, "VALUE_NOT_FINITE"
