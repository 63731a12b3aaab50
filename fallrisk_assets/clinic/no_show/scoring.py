"""The probabilities of a day: one row for each appointment ahead.

Here: rows of `curated.no_show_risk`. Not here: the model (`model.py`), bookings (`clinic_bookings.py`).
"""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from fallrisk_assets.clinic.no_show.clinic_bookings import ClinicBookings
from fallrisk_assets.clinic.no_show.contract import (
    LEAD_TIME_BEYOND_TRAINING,
    NOT_SCORED,
    SCORED,
    NoShowRisk,
)
from fallrisk_assets.clinic.no_show.facts import facts_at_booking
from fallrisk_assets.clinic.no_show.model import NoShowModel
from fallrisk_assets.clinic.operations.vocabulary import SCHEDULED
from fallrisk_assets.contract import conform


def no_show_risk_table(day: date, clinic: ClinicBookings, model: NoShowModel) -> pa.Table:
    """Return the `NoShowRisk` rows of a day.

    Args:
        day: UTC day; appointments that begin at its end or later lie ahead.
        clinic: What is known of the clinic at its end.
        model: The version that judges.
    """
    states = clinic.states
    ends_at = pd.Timestamp(datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC))
    ahead = ((states["status"] == SCHEDULED) & (states["scheduled_start_at"] >= ends_at)).to_numpy()
    told = np.flatnonzero(np.array([one is None for one in clinic.reason], bool))
    wanted = ahead[told]
    facts = facts_at_booking(clinic.bookings.take(wanted), clinic.visits)
    rows = states.assign(reason=clinic.reason)
    columns = {
        "probability": model.probability(facts),
        "lead_time_days": facts.lead_time_days,
        "earlier_kept": facts.earlier_kept,
        "earlier_missed": facts.earlier_missed,
    }
    for name, values in columns.items():
        rows[name] = np.nan
        rows.loc[told[wanted], name] = values.astype(float)
    beyond = rows["reason"].isna() & (rows["lead_time_days"] > model.longest_lead_days)
    rows.loc[beyond, "reason"] = LEAD_TIME_BEYOND_TRAINING
    rows.loc[beyond, "probability"] = np.nan
    rows = rows[ahead].sort_values(["scheduled_start_at", "appointment_id"])
    scored = rows["reason"].isna()
    named = ("appointment_id", "patient_id", "provider_id", "scheduled_start_at", "scheduled_date")
    return conform(
        NoShowRisk,
        {
            **{name: pa.array(rows[name]) for name in named},
            "day": [day] * len(rows),
            "status": [SCORED if one else NOT_SCORED for one in scored],
            "reason": [None if one else reason for one, reason in zip(scored, rows["reason"], strict=True)],
            "model_version": [model.version] * len(rows),
            "model_basis": [model.basis] * len(rows),
            **{name: pa.array(rows[name], pa.float64(), from_pandas=True) for name in columns},
        },
    )
