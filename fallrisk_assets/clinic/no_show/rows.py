"""Training sets, versions and figures as rows of their tables, and back.

Here: the shape of rows. Not here: what they mean (`training.py`, `measures.py`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date

import numpy as np
import pyarrow as pa

from fallrisk_assets.clinic.no_show.clinic_bookings import ClinicBookings
from fallrisk_assets.clinic.no_show.contract import (
    AGE_UNKNOWN,
    BOOKED_AFTER_VISIT,
    BOOKING_TIME_UNKNOWN,
    CLINIC,
    PUBLIC_SET,
    NoShowEvaluation,
    NoShowLeftOut,
    NoShowModels,
    NoShowTrainingSet,
)
from fallrisk_assets.clinic.no_show.facts import FACTS, Bookings, Facts
from fallrisk_assets.clinic.no_show.measures import Measure
from fallrisk_assets.clinic.no_show.public_set import PublicSet
from fallrisk_assets.clinic.no_show.training import TEST, TRAIN, TrainingSet
from fallrisk_assets.contract import conform
from fallrisk_assets.models.sealing import text_hash, version_of

NOT_HELD = "NOT_HELD"
WHAT_TO_DO = {
    NOT_HELD: "the visit lies ahead, was cancelled or moved: neither kept nor missed",
    BOOKING_TIME_UNKNOWN: "nobody told when the visit's time was set; send the events of its booking",
    BOOKED_AFTER_VISIT: "the booking's day lies after the visit's; mend one of the times",
    AGE_UNKNOWN: "the patient's file has no usable date of birth; mend it",
}


def training_rows(day: date, of: TrainingSet, source: str, basis: str) -> pa.Table:
    """Return rows of `NoShowTrainingSet`."""
    n = len(of.missed)
    return conform(
        NoShowTrainingSet,
        {
            "trained_on": [day] * n,
            "source": [source] * n,
            "basis": [basis] * n,
            "part": np.where(of.is_test, TEST, TRAIN).tolist(),
            "missed": of.missed,
            **{name: getattr(of.bookings, name).tolist() for name in ("appointment_id", "patient_id")},
            **{name: getattr(of.bookings, name).tolist() for name in ("booked_on", "visit_on")},
            **{name: pa.array(getattr(of.facts, name)) for name in FACTS},
        },
    )


def training_set_of(rows: pa.Table) -> TrainingSet:
    """Return the training set that rows of `NoShowTrainingSet` hold."""
    arrays = {name: rows[name].to_numpy() for name in (*FACTS, "booked_on", "visit_on", "missed", "part")}
    text = {name: np.array(rows[name].to_pylist(), object) for name in ("appointment_id", "patient_id")}
    days = {name: arrays[name].astype("datetime64[D]") for name in ("booked_on", "visit_on")}
    return TrainingSet(
        Bookings(**text, **days, age_years=arrays["age_years"]),
        Facts(**{name: arrays[name] for name in FACTS}),
        arrays["missed"].astype(bool),
        days["visit_on"][arrays["part"] == TEST].min(),
    )


def left_out_of_file(day: date, found: PublicSet) -> pa.Table:
    """Return the refused lines of a file as rows of `NoShowLeftOut`."""
    return _left_out(day, PUBLIC_SET, [(f"line {r.line:07d}", r.reason, r.detail) for r in found.refusals])


def left_out_of_clinic(day: date, clinic: ClinicBookings) -> pa.Table:
    """Return the clinic's appointments that no model learns from as rows of `NoShowLeftOut`."""
    held = set(clinic.visits.appointment_id)
    found = [
        (one, why if one in held else NOT_HELD)
        for one, why in zip(clinic.states["appointment_id"], clinic.reason, strict=True)
        if why is not None or one not in held
    ]
    return _left_out(day, CLINIC, [(one, why, WHAT_TO_DO[why]) for one, why in found])


def _left_out(day: date, source: str, found: Sequence[tuple[str, str, str]]) -> pa.Table:
    rows = sorted(found)
    names = ("item", "reason", "detail")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return conform(
        NoShowLeftOut, {"trained_on": [day] * len(rows), "source": [source] * len(rows), **columns}
    )


def model_row(day: date, text: str) -> pa.Table:
    """Return the row of `NoShowModels` of an artefact."""
    training = json.loads(text)["training"]
    told = {n: [training[n]] for n in ("training_set_sha256", "code_sha256", "basis", "visits", "missed")}
    facts = {"model_version": [version_of(text)], "artefact_sha256": [text_hash(text)]}
    return conform(NoShowModels, {"trained_on": [day], **facts, **told})


def evaluation_rows(day: date, source: str, judged: Iterable[tuple[str, str, Sequence[Measure]]]) -> pa.Table:
    """Return rows of `NoShowEvaluation`.

    Args:
        day: Day of training of the candidate.
        source: Whose visits were judged on.
        judged: Version, role and figures of each version.
    """
    rows = [
        {"evaluated_on": day, "source": source, "model_version": version, "role": role, **asdict(measure)}
        for version, role, found in judged
        for measure in found
    ]
    rows.sort(key=lambda row: tuple(row[name] for name in NoShowEvaluation.spec.sort))
    names = list(NoShowEvaluation.to_schema().columns)
    return conform(NoShowEvaluation, {name: [row[name] for row in rows] for name in names})
