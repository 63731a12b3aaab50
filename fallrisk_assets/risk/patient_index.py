"""A day's index of all patients: rows of `curated.fall_risk_index` from patients and daily gait.

Here: which rows belong together. Not here: how the index is put together (`index.py`).
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.risk.index import Gait, History, fall_risk_index
from fallrisk_assets.risk.index_model import LEAST_AGE_YEARS, VERSION

HISTORY_COLUMNS = tuple(History.__dataclass_fields__)
GAIT_COLUMNS = tuple(Gait.__dataclass_fields__)


def _input_hash(history: History | None, gait: Gait | None, age_years: int | None) -> str:
    inputs = [None if part is None else asdict(part) for part in (history, gait)]
    too_young = age_years is not None and age_years < LEAST_AGE_YEARS
    return hashlib.sha256(json.dumps([VERSION, *inputs, too_young], sort_keys=True).encode()).hexdigest()


def age_on(day: date, birth_date: date | None) -> int | None:
    """Completed years of age on a day; None where the date of birth is not known."""
    if birth_date is None:
        return None
    before_birthday = (day.month, day.day) < (birth_date.month, birth_date.day)
    return day.year - birth_date.year - before_birthday


def people_of(
    patients: pa.Table, gait: pa.Table, day: date
) -> Iterator[tuple[str, History | None, Gait | None, int | None]]:
    """Yield every patient of either world by id: history, gait and age, None where there is none.

    Args:
        patients: The clinic's current row of each patient: `wearable_patient_id`, `birth_date` and
            `HISTORY_COLUMNS`.
        gait: Rows of `daily_gait` of the day: patient_id (the wearables' id) and `GAIT_COLUMNS`.
        day: The day.
    """
    known = {
        row["wearable_patient_id"]: (
            History(**{name: row[name] for name in HISTORY_COLUMNS}),
            age_on(day, row["birth_date"]),
        )
        for row in patients.select(["wearable_patient_id", "birth_date", *HISTORY_COLUMNS]).to_pylist()
        if row["wearable_patient_id"] is not None
    }
    days = {
        row["patient_id"]: Gait(**{name: row[name] for name in GAIT_COLUMNS})
        for row in gait.select(["patient_id", *GAIT_COLUMNS]).to_pylist()
    }
    for patient in sorted(known.keys() | days.keys()):
        history, age_years = known.get(patient, (None, None))
        yield patient, history, days.get(patient), age_years


def index_table(patients: pa.Table, gait: pa.Table, day: date) -> pa.Table:
    """Index of every patient who wears a device or is known to wear one.

    Args:
        patients: The clinic's current row of each patient, as in `people_of`.
        gait: Rows of `daily_gait` of the day.
        day: The day.

    Returns:
        Rows of `FallRiskIndex` by patient id.
    """
    columns: dict[str, list[Any]] = {name: [] for name in FallRiskIndex.to_schema().columns}
    for patient, history, walked, age_years in people_of(patients, gait, day):
        index = fall_risk_index(history, walked, age_years)
        row = {
            "patient_id": patient,
            "day": day,
            "probability_12m": index.probability_12m,
            "lower_12m": index.lower_12m,
            "upper_12m": index.upper_12m,
            "band": index.band,
            "status": index.status,
            "reason": index.reason,
            "confidence": index.confidence,
            "components": index.components_json(),
            "model_version": VERSION,
            "input_hash": _input_hash(history, walked, age_years),
        }
        for name, value in row.items():
            columns[name].append(value)
    return conform(FallRiskIndex, columns)
