"""RiskAssessment: the 12-month index of a patient-day. Flag: that a patient stands at high risk.

No Condition is written: "at risk for falls" as a diagnosis is a clinician's statement.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fallrisk_assets.fhir.identifiers import period, reference
from fallrisk_assets.fhir.mapping.resource import decimal, head, percent
from fallrisk_assets.fhir.terminology import (
    AT_RISK_FOR_FALLS,
    FALL,
    FALL_RISK_ASSESSMENT,
    QUALITATIVE_RISK,
    SAFETY,
)
from fallrisk_assets.mobility.local_days import LocalDay

HORIZON = timedelta(days=365)


def risk_assessment(
    row: Mapping[str, Any],
    local: LocalDay,
    patient: Mapping[str, Any],
    model: Mapping[str, Any],
    basis: Sequence[Mapping[str, Any]],
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the RiskAssessment of the day.

    A day that could not be scored is written as cancelled, with its reason and without any prediction: it is
    never a low risk.

    Args:
        row: Row of `fall_risk_index`: day, probability_12m, lower_12m, upper_12m (all 0 to 1), band, status,
            reason, confidence, components (JSON object of logit contributions), model_version.
        local: The patient's local day that the row is about.
        patient: The Patient resource.
        model: The scoring model's Device.
        basis: The Observations that the score rests on.
        test_data: Whether the data are simulated.
    """
    found = head(
        "RiskAssessment", "index-12m", patient["id"], row["day"].isoformat(), test_data=test_data
    ) | {
        "status": "final" if row["status"] == "SCORED" else "cancelled",
        "method": {"text": f"12-month fall risk index {row['model_version']}"},
        "code": {"coding": [FALL_RISK_ASSESSMENT]},
        "subject": reference(patient),
        "occurrencePeriod": period(local.start, local.end, local.time_zone),
        "performer": reference(model),
    }
    if basis:
        found["basis"] = [reference(b) for b in basis]
    if row["status"] != "SCORED":
        return found | {"note": [{"text": f"Not scored: {row['reason']}"}]}
    prediction: dict[str, Any] = {
        "outcome": {"coding": [FALL]},
        "probabilityDecimal": percent(row["probability_12m"]),
        "qualitativeRisk": {"coding": [QUALITATIVE_RISK[row["band"]]]},
        "whenPeriod": {
            "start": local.date.isoformat(),
            "end": (local.date + HORIZON).isoformat(),
        },
    }
    if rationale := _rationale(row):
        prediction["rationale"] = rationale
    return found | {"prediction": [prediction]}


def _rationale(row: Mapping[str, Any]) -> str:
    said = []
    if row["lower_12m"] is not None and row["upper_12m"] is not None:
        said.append(f"Interval {percent(row['lower_12m'])} to {percent(row['upper_12m'])} %.")
    if row["confidence"] is not None:
        confidence = row["confidence"]
        said.append(f"Confidence {confidence if isinstance(confidence, str) else decimal(confidence, 2)}.")
    if parts := json.loads(row["components"] or "{}"):
        said.append(
            "Contributions to the logit: "
            + ", ".join(f"{name} {value:+.3f}" for name, value in sorted(parts.items()))
            + "."
        )
    return " ".join(said)


def high_risk_flag(
    patient: Mapping[str, Any],
    model: Mapping[str, Any],
    since: date,
    cleared_on: date | None = None,
    *,
    test_data: bool,
) -> dict[str, Any]:
    """Return the Flag of a patient who stands, or stood, at high risk.

    Args:
        patient: The Patient resource.
        model: The scoring model's Device, the flag's author.
        since: Local day on which the high risk began; part of the flag's identity.
        cleared_on: First local day without it; None while it stands.
        test_data: Whether the data are simulated.
    """
    period = {"start": since.isoformat()}
    if cleared_on is not None:
        period["end"] = cleared_on.isoformat()
    return head("Flag", "high-fall-risk", patient["id"], since.isoformat(), test_data=test_data) | {
        "status": "active" if cleared_on is None else "inactive",
        "category": [{"coding": [SAFETY]}],
        "code": {"coding": [AT_RISK_FOR_FALLS], "text": "High risk of falling by the 12-month index"},
        "subject": reference(patient),
        "period": period,
        "author": reference(model),
    }
