"""Observation: one measure of one patient-day (steps, cadence, walking time, stride regularity ...)."""

from collections.abc import Mapping
from typing import Any

from fallrisk_assets.fhir.identifiers import period, reference
from fallrisk_assets.fhir.mapping.resource import head, quantity
from fallrisk_assets.fhir.terminology import ACTIVITY, NOT_PERFORMED, Measure


def gait_observation(
    row: Mapping[str, Any],
    measure: Measure,
    patient: Mapping[str, Any],
    device: Mapping[str, Any] | None,
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the Observation of one measure of the day.

    A measure without a value (too little walking, device not worn) is written with `dataAbsentReason`:
    absent is a statement, and it is not zero.

    Args:
        row: Row of `daily_gait`: day (the UTC day that the row is counted in), day_start and day_end (the
            patient's local day), time_zone, and the measure's column.
        measure: Which measure.
        patient: The Patient resource.
        device: The wearable's Device; None when the patient wore several that day (R4 has room for one).
        test_data: Whether the data are simulated.
    """
    key = (patient["id"], row["day"].isoformat(), measure.column)
    found = head("Observation", "daily-gait", *key, test_data=test_data) | {
        "status": "final",
        "category": [{"coding": [ACTIVITY]}],
        "code": {"coding": [measure.code], "text": measure.code["display"]},
        "subject": reference(patient),
        "effectivePeriod": period(row["day_start"], row["day_end"], row["time_zone"]),
    }
    if device is not None:
        found["device"] = reference(device)
    value = row[measure.column]
    if value is None:
        return found | {"dataAbsentReason": {"coding": [NOT_PERFORMED]}}
    return found | {
        "valueQuantity": quantity(measure.factor * value, measure.ucum, measure.unit, measure.decimals)
    }
