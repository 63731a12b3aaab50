"""The clinic's files about the wearers: who they are, who wears which device, and whom to call.

What belongs here: CSV text as a clinic system would export it, one snapshot for each day. What does not:
appointments.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from simulator.devices import SITES, Assignment, Wearer, rng_of
from simulator.drops import iso_ms, stamp, write_atomically
from simulator.truth import csv_text

PATIENT_COLUMNS = (
    "patient_id",
    "wearable_patient_id",
    "given_name",
    "family_name",
    "birth_date",
    "gender",
    "has_insurance",
    "registration_date",
    "time_zone",
    "site_id",
    "expected_wear_hours",
    "falls_past_12_months",
    "walking_aid",
    "gait_problem",
    "vertigo",
    "fear_of_falling",
    "parkinsons_disease",
    "medicine_count",
    "living_alone",
)
ASSIGNMENT_COLUMNS = ("device_id", "patient_id", "from", "to", "position", "corrected_at")
CONTACT_COLUMNS = ("patient_id", "role", "channel", "address", "order", "quiet_from", "quiet_to")
_GIVEN = {
    "female": (
        "Elena",
        "Carmen",
        "Ruth",
        "Ingrid",
        "Teresa",
        "Dorothy",
        "Pilar",
        "Agnes",
        "Lucia",
        "Margaret",
    ),
    "male": ("Tomas", "Walter", "Julian", "Emilio", "Harold", "Andres", "George", "Ramon", "Arthur", "Felix"),
}
_FAMILY = (
    "Vidal",
    "Moreno",
    "Whitaker",
    "Lindqvist",
    "Ortega",
    "Hughes",
    "Navarro",
    "Castle",
    "Ibarra",
    "Thornton",
)
# (falls past year, walking aid, gait problem, vertigo, fear, medicines): means by phenotype.
_HISTORY = {
    "robust": (0.2, 0.02, 0.05, 0.08, 0.1, 2.0),
    "pre-frail": (0.8, 0.2, 0.3, 0.2, 0.35, 4.0),
    "frail": (2.0, 0.7, 0.8, 0.35, 0.7, 7.0),
    "parkinsonian": (2.4, 0.5, 0.95, 0.3, 0.7, 6.0),
}


@dataclass(frozen=True)
class ClinicPatient:
    """A row of `patients.csv`, in the order of `PATIENT_COLUMNS`."""

    values: tuple[object, ...]


def draw_patient(wearer: Wearer, seed: int, start: date) -> ClinicPatient:
    """Draw one patient's record: names, dates and a history that fits the phenotype."""
    rng = rng_of(seed, "clinic", wearer.index)
    phenotype = wearer.person.phenotype.name
    falls, aid, gait, vertigo, fear, medicines = _HISTORY[phenotype]
    gender = str(rng.choice(["female", "male"], p=[0.6, 0.4]))
    age_days = int(rng.normal(29400 if phenotype != "robust" else 27200, 1800))
    return ClinicPatient(
        (
            wearer.clinic_id,
            wearer.patient_id,
            str(rng.choice(_GIVEN[gender])),
            str(rng.choice(_FAMILY)),
            (start - timedelta(days=age_days)).isoformat(),
            gender,
            bool(rng.uniform() < 0.9),
            (start - timedelta(days=int(rng.integers(40, 1500)))).isoformat(),
            wearer.time_zone,
            SITES[wearer.time_zone],
            f"{wearer.hours_per_day:g}",
            int(rng.poisson(falls)),
            bool(rng.uniform() < aid),
            bool(rng.uniform() < gait),
            bool(rng.uniform() < vertigo),
            bool(rng.uniform() < fear),
            phenotype == "parkinsonian",
            int(rng.poisson(medicines)),
            bool(rng.uniform() < 0.45),
        )
    )


def patients_csv(patients: list[ClinicPatient]) -> str:
    """`patients.csv`."""
    return csv_text(PATIENT_COLUMNS, (patient.values for patient in patients))


def assignment_csv(assignments: list[Assignment], known_at_ms: int) -> str:
    """`device_assignment.csv` as the clinic knew it at a time: later changes are not in it yet.

    A closed row is a correction of the open one before it, dated when it was closed.
    """
    rows = []
    for a in assignments:
        if a.from_ms > known_at_ms:
            continue
        closed = a.to_ms is not None and a.to_ms <= known_at_ms
        until = iso_ms(a.to_ms) if closed and a.to_ms is not None else None
        corrected = iso_ms(a.to_ms) if closed and a.to_ms is not None else None
        rows.append((a.device_id, a.patient_id, iso_ms(a.from_ms), until, a.position, corrected))
    return csv_text(ASSIGNMENT_COLUMNS, rows)


def contacts_csv(clinic_ids: list[str], seed: int) -> str:
    """`care_contacts.csv`: a relative, a nurse and the on-call service for each patient."""
    rows = []
    for clinic_id in clinic_ids:
        rng: np.random.Generator = rng_of(seed, "contacts", clinic_id)
        word = clinic_id.lower()
        rows.append(
            (clinic_id, "nurse", "email", f"ward-{int(rng.integers(1, 4))}@clinic.example", 1, "", "")
        )
        rows.append((clinic_id, "relative", "email", f"family.{word}@mail.example", 2, "22:00", "07:00"))
        rows.append((clinic_id, "on-call", "file", "on-call-desk", 3, "", ""))
    return csv_text(CONTACT_COLUMNS, rows)


def write_clinic_files(
    landing: Path,
    days: list[date],
    midnight_ms: list[int],
    patients: list[ClinicPatient],
    assignments: list[Assignment],
    seed: int,
) -> list[str]:
    """Write three files for each day at 00:01 UTC, and an assignment file after each change; returns keys.

    Patients without a device have no contacts: nobody is called about them.
    """
    written = []
    clinic_ids = [str(patient.values[0]) for patient in patients if patient.values[1] is not None]

    def put(at_ms: int, name: str, text: str) -> None:
        key = f"clinic/{stamp(at_ms // 1000)}-{name}.csv"
        write_atomically(landing / key, text.encode())
        written.append(key)

    for _, midnight in zip(days, midnight_ms, strict=True):
        at_ms = midnight + 60_000
        put(at_ms, "patients", patients_csv(patients))
        put(at_ms, "device_assignment", assignment_csv(assignments, at_ms))
        put(at_ms, "care_contacts", contacts_csv(clinic_ids, seed))
    begin = midnight_ms[0] + 60_000
    changes = {a.from_ms for a in assignments} | {a.to_ms for a in assignments if a.to_ms is not None}
    for change in sorted(ms for ms in changes if ms > begin):
        put(change + 240_000, "device_assignment", assignment_csv(assignments, change + 240_000))
    return written
