"""Made bookings whose no-shows follow known odds, and files in the published layout of the public set."""

import numpy as np

from fallrisk_assets.clinic.no_show.facts import Bookings, Visits

HEADER = (
    "PatientId,AppointmentID,Gender,ScheduledDay,AppointmentDay,Age,Neighbourhood,Scholarship,"
    "Hipertension,Diabetes,Alcoholism,Handcap,SMS_received,No-show"
)


def made(n: int = 12000, seed: int = 0, effect: float = 0.6) -> tuple[Bookings, Visits]:
    """Bookings of n / 8 people over 200 days; log odds of a no-show rise by `effect` a unit of log lead."""
    rng = np.random.default_rng(seed)
    person = rng.integers(0, n // 8, n)
    booked = np.datetime64("2025-01-01") + rng.integers(0, 200, n)
    lead = np.where(rng.random(n) < 0.35, 0, rng.integers(1, 40, n))
    age = 20.0 + person % 70
    odds = np.exp(-2.6 + effect * np.log1p(lead))
    missed = rng.random(n) < odds / (1 + odds)
    ids = np.array([f"APT{i:06d}" for i in range(n)], object)
    people = np.array([f"PAT{p:06d}" for p in person], object)
    return Bookings(ids, people, booked, booked + lead, age), Visits(ids, people, booked + lead, missed)


def public_like(n: int, seed: int = 0, days: int = 40, leak: float = 0.0) -> tuple[Bookings, Visits]:
    """Bookings somewhat like the public set's: a fifth is missed, few weeks of visits, most come once.

    Who stays away depends on the lead time, on age, and mostly on what nobody knows of a person.

    Args:
        n: How many.
        seed: Seed.
        days: Days on which visits are.
        leak: Share of missed visits whose day of booking was overwritten by what was known only later: the
            appointment was "booked" months before.
    """
    rng = np.random.default_rng(seed)
    people = np.minimum(rng.zipf(2.1, n), 40)
    person = np.repeat(np.arange(n), people)[rng.permutation(people.sum())[:n]]
    unlucky = rng.normal(0, 0.9, n)[person]
    age = rng.integers(0, 90, n).astype(float)[person]
    visit = np.datetime64("2016-04-29") + rng.integers(0, days, n)
    lead = np.where(rng.random(n) < 0.36, 0, np.ceil(rng.exponential(14, n))).astype(int)
    lead = np.minimum(lead, 150)
    log_odds = -3.0 + 1.45 * (lead > 0) + 0.22 * np.log1p(lead) - 0.012 * (age - 37) + unlucky
    missed = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    lead = np.where(missed & (rng.random(n) < leak), 160 + lead, lead)
    ids = np.array([f"APT{5000000 + i}" for i in range(n)], object)
    of_people = np.array([f"PAT{29000000000000 + 7919 * p}" for p in person], object)
    return Bookings(ids, of_people, visit - lead, visit, age), Visits(ids, of_people, visit, missed)


def public_line(number: int, **cells: str) -> str:
    """A line of the public set; what is not named is plain."""
    plain = {
        "PatientId": f"{29872499824296 + number}",
        "AppointmentID": f"{5642903 + number}",
        "Gender": "F",
        "ScheduledDay": "2016-04-27T18:38:08Z",
        "AppointmentDay": "2016-04-29T00:00:00Z",
        "Age": "62",
        "Neighbourhood": "REPÚBLICA",
        **dict.fromkeys(("Scholarship", "Hipertension", "Diabetes", "Alcoholism", "Handcap"), "0"),
        "SMS_received": "1",
        "No-show": "No",
    }
    return ",".join(
        {**plain, **{name.replace("No_show", "No-show"): v for name, v in cells.items()}}.values()
    )


def public_file(*lines: str, header: str = HEADER) -> bytes:
    """A file of such lines."""
    return "\n".join([header, *lines, ""]).encode()


def public_set_of(bookings: Bookings, visits: Visits) -> bytes:
    """Made bookings as a file in the published layout."""
    outcome = dict(zip(visits.appointment_id, visits.missed, strict=True))
    return public_file(
        *(
            public_line(
                i,
                PatientId=person[3:],
                AppointmentID=one[3:],
                ScheduledDay=f"{booked}T09:00:00Z",
                AppointmentDay=f"{visit}T00:00:00Z",
                Age=str(int(age)),
                Gender="FM"[int(person[3:]) % 2],
                Neighbourhood=("CENTRO", "JARDIM CAMBURI")[i % 2],
                No_show="Yes" if outcome[one] else "No",
            )
            for i, (one, person, booked, visit, age) in enumerate(
                zip(
                    bookings.appointment_id,
                    bookings.patient_id,
                    bookings.booked_on,
                    bookings.visit_on,
                    bookings.age_years,
                    strict=True,
                )
            )
        )
    )
