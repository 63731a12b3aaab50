"""Bookings of the clinic simulator, from which the version that ships is trained.

Here: making them, always the same for the same settings. Not here: what is learnt from them (`training.py`).
The simulator is imported where it is used: it is no part of what scores people.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from fallrisk_assets.clinic.no_show.facts import Bookings, Visits, bookings_of, visits_of

DAYS_IN_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Simulation:
    """How much is simulated."""

    patients: int = 3000
    providers: int = 60
    days: int = 540
    visits_per_year: float = 12.0
    seed: int = 20_260_217
    start: date = date(2024, 1, 1)


def simulated_bookings(settings: Simulation) -> tuple[Bookings, Visits]:
    """Return everything that is booked in a simulated clinic, and the visits that were kept or missed.

    Visits to come after the last day of the simulation have no outcome.
    """
    from simulator.appointments import COMPLETED, NO_SHOW, plan_appointments
    from simulator.clinic_log import PATIENT_COLUMNS
    from simulator.clinic_people import draw_other_patients, draw_providers, draw_visitors

    last_day = settings.start + timedelta(days=settings.days - 1)
    patients = draw_other_patients(settings.patients, settings.seed, settings.start)
    rows = [dict(zip(PATIENT_COLUMNS, patient.values, strict=True)) for patient in patients]
    born = {str(row["patient_id"]): date.fromisoformat(str(row["birth_date"])) for row in rows}
    visitors = draw_visitors(patients, settings.seed, 0, settings.visits_per_year)
    providers = draw_providers(settings.providers, settings.seed)
    bookings, visits = [], []
    for visit in plan_appointments(visitors, providers, settings.start, last_day, settings.seed):
        zone, person = ZoneInfo(visit.provider.time_zone), visit.visitor.clinic_id
        booked_on = visit.booked_at.astimezone(zone).date()
        visit_on = visit.starts_at.astimezone(zone).date()
        age = (booked_on - born[person]).days // DAYS_IN_YEAR
        bookings.append((visit.appointment_id, person, booked_on, visit_on, age))
        if visit.status in (COMPLETED, NO_SHOW) and visit_on <= last_day:
            visits.append((visit.appointment_id, person, visit_on, visit.status == NO_SHOW))
    return bookings_of(bookings), visits_of(visits)
