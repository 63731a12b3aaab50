"""Who meets in the clinic: its patients, wearers or not, and its providers with their hours.

What belongs here: people and their files. What does not: their appointments.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from simulator.clinic_log import PATIENT_COLUMNS, ClinicPatient
from simulator.clinic_rates import NO_SHOW_SPREAD, SPECIALTIES
from simulator.devices import SITES, ZONES, rng_of
from simulator.truth import csv_text

PROVIDER_COLUMNS = (
    "provider_id",
    "first_name",
    "last_name",
    "specialty",
    "years_experience",
    "state",
    "hourly_rate",
    "available_hours",
    "active",
    "time_zone",
)
_FIRST = (
    "Nuria",
    "Paul",
    "Amara",
    "Iris",
    "Victor",
    "Leah",
    "Omar",
    "Celia",
    "Hugo",
    "Priya",
    "Sven",
    "Rosa",
)
_LAST = ("Serra", "Keller", "Osei", "Brandt", "Nolan", "Pujol", "Haddad", "Lund", "Rivas", "Mehta", "Costa")
_GIVEN = ("Ana", "John", "Marta", "Peter", "Laura", "David", "Sonia", "Brian", "Irene", "Kevin")
_FAMILY = ("Garcia", "Smith", "Lopez", "Miller", "Ruiz", "Baker", "Gomez", "Turner", "Sanz", "Cooper")
_LEFT = 7
"""Of so many providers one has left the clinic."""


@dataclass(frozen=True)
class Visitor:
    """A patient as the clinic's appointments know one.

    `no_show_trait` is the natural logarithm of the factor on the odds of not coming.
    """

    clinic_id: str
    time_zone: str
    registered_on: date
    visits_per_year: float
    no_show_trait: float


@dataclass(frozen=True)
class Provider:
    """A row of `providers.csv`; `quality` shifts the ratings that patients give, and is in no file."""

    provider_id: str
    first_name: str
    last_name: str
    specialty: str
    years_experience: int
    state: str
    hourly_rate: float
    available_hours: float
    active: bool
    time_zone: str
    quality: float

    @property
    def minutes_a_day(self) -> int:
        """Minutes offered on a working day."""
        return int(self.available_hours * 60 / 5)


def draw_visitors(
    patients: list[ClinicPatient], seed: int, wearers: int, visits_per_year: float
) -> list[Visitor]:
    """Draw how the people of `patients.csv` use the clinic; wearers, the first, come twice as often."""
    found = []
    for index, patient in enumerate(patients):
        row = dict(zip(PATIENT_COLUMNS, patient.values, strict=True))
        rng = rng_of(seed, "visitor", str(row["patient_id"]))
        found.append(
            Visitor(
                str(row["patient_id"]),
                str(row["time_zone"]),
                date.fromisoformat(str(row["registration_date"])),
                visits_per_year * (2.0 if index < wearers else 1.0),
                float(rng.normal(-(NO_SHOW_SPREAD**2) / 2, NO_SHOW_SPREAD)),
            )
        )
    return found


def draw_other_patients(count: int, seed: int, start: date) -> list[ClinicPatient]:
    """Draw patients of the clinic who wear no device."""
    found = []
    for index in range(count):
        rng: np.random.Generator = rng_of(seed, "other", index)
        zone = ZONES[index % len(ZONES)]
        values: dict[str, object] = {
            "patient_id": f"PAT{100_001 + index:06d}",
            "given_name": str(rng.choice(_GIVEN)),
            "family_name": str(rng.choice(_FAMILY)),
            "birth_date": (start - timedelta(days=int(rng.integers(18 * 366, 92 * 365)))).isoformat(),
            "gender": str(rng.choice(["female", "male"])),
            "has_insurance": bool(rng.uniform() < 0.88),
            "registration_date": (start - timedelta(days=int(rng.integers(30, 2500)))).isoformat(),
            "time_zone": zone,
            "site_id": SITES[zone],
        }
        found.append(ClinicPatient(tuple(values.get(name) for name in PATIENT_COLUMNS)))
    return found


def draw_providers(count: int, seed: int) -> list[Provider]:
    """Draw providers; they work in the patients' zones in turn, and every seventh has left."""
    found = []
    for index in range(count):
        rng: np.random.Generator = rng_of(seed, "provider", index)
        zone = ZONES[index % len(ZONES)]
        found.append(
            Provider(
                f"PROV{index + 1:04d}",
                str(rng.choice(_FIRST)),
                str(rng.choice(_LAST)),
                SPECIALTIES[index % len(SPECIALTIES)],
                int(rng.integers(1, 35)),
                "NY" if zone == "America/New_York" else "Madrid",
                float(rng.integers(80, 260)),
                float(rng.integers(20, 39)),
                index % _LEFT != _LEFT - 1,
                zone,
                float(rng.normal(0.0, 0.3)),
            )
        )
    return found


def on_day(providers: list[Provider], day_number: int) -> list[Provider]:
    """Return the providers as the file of a day has them: from the second day on, the first costs more."""
    if day_number == 0 or not providers:
        return providers
    return [replace(providers[0], hourly_rate=providers[0].hourly_rate + 10.0), *providers[1:]]


def providers_csv(providers: list[Provider]) -> str:
    """`providers.csv`."""
    return csv_text(PROVIDER_COLUMNS, ([getattr(p, name) for name in PROVIDER_COLUMNS] for p in providers))
