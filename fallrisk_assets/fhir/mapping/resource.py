"""What every resource of ours shares: its head, and how a number is written."""

import math
from typing import Any

from fallrisk_assets.fhir.identifiers import resource_id
from fallrisk_assets.fhir.terminology import TEST_DATA, UCUM


def head(resource_type: str, *natural_key: object, test_data: bool) -> dict[str, Any]:
    """Return type, id and, on simulated data, the security label HTEST ("test health data")."""
    found: dict[str, Any] = {"resourceType": resource_type, "id": resource_id(resource_type, *natural_key)}
    if test_data:
        found["meta"] = {"security": [TEST_DATA]}
    return found


def decimal(value: float, decimals: int) -> float | int:
    """Return a number as FHIR may carry it: rounded, so that float32's noise is not shown as precision.

    Raises:
        ValueError: the number is not finite; FHIR has no NaN and no infinity.
    """
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {value}")
    return round(float(value), decimals) + 0.0 if decimals else round(value)


def quantity(value: float, ucum: str, unit: str, decimals: int = 4) -> dict[str, Any]:
    """Return a Quantity with a UCUM unit."""
    return {"value": decimal(value, decimals), "unit": unit, "system": UCUM, "code": ucum}


def percent(probability: float) -> float | int:
    """Return a probability of 0 to 1 as R4's `probabilityDecimal` wants it: in percent, 0 to 100 (ras-2).

    Source: FHIR R4 RiskAssessment.prediction.probability[x]; R5 says the same, and no validator can tell
    0.37 from 37.

    Raises:
        ValueError: the probability is outside 0 to 1, for instance because it is a percentage already.
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability outside 0 to 1: {probability}")
    return decimal(100.0 * probability, 2)
