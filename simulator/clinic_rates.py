"""How often things happen in a clinic: the numbers of the simulation, with their sources.

What belongs here: numbers. What does not: what is made of them.

Lead times, modes and no-shows are those of NHS England, Appointments in General Practice, the three regional
files of Dorset, Lincolnshire and Somerset, March 2019 to August 2021, 28.9 million appointments (Open
Government Licence v3.0). Cancelled appointments are not in these files; rates of cancelling and of technical
issues are assumptions.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class LeadTime:
    """A class of the time from the booking to the visit, in whole days, and what is known of it."""

    name: str
    first_day: int
    last_day: int
    share: float
    no_show: float


LEAD_TIMES = (
    LeadTime("Same Day", 0, 0, 0.4228, 0.0154),
    LeadTime("1 Day", 1, 1, 0.0748, 0.0356),
    LeadTime("2 to 7 Days", 2, 7, 0.1980, 0.0475),
    LeadTime("8 to 14 Days", 8, 14, 0.1320, 0.0613),
    LeadTime("15 to 21 Days", 15, 21, 0.0727, 0.0679),
    LeadTime("22 to 28 Days", 22, 28, 0.0483, 0.0740),
    LeadTime("More than 28 Days", 29, 60, 0.0514, 0.0904),
)
"""`no_show` is the share of visits, attended or not, to which the patient did not come."""

NHS_MODES = {
    "Face-to-Face": 0.6717,
    "Telephone": 0.2469,
    "": 0.0716,
    "Home Visit": 0.0061,
    "Video/Online": 0.0037,
}
"""Modes in those files; without a name: not told."""
TELEMEDICINE_MODES = {"Video/Online": 0.82, "Telephone": 0.15, "": 0.03}
"""Modes of a telemedicine clinic: an assumption."""
MODES = {"nhs": NHS_MODES, "telemedicine": TELEMEDICINE_MODES}

TYPES = {
    "Initial Consultation": (0.18, 30, 27.0),
    "Follow-up": (0.44, 20, 17.0),
    "Urgent Care": (0.14, 15, 13.0),
    "Specialist Referral": (0.12, 30, 24.0),
    "Medication Review": (0.12, 15, 11.0),
}
"""Share, planned minutes, median minutes that a visit takes: an assumption."""
SPECIALTIES = (
    "Family Medicine",
    "Internal Medicine",
    "Cardiology",
    "Neurology",
    "Orthopedics",
    "Psychiatry",
    "Dermatology",
    "Ophthalmology",
    "Urology",
    "Oncology",
    "Obstetrics/Gynecology",
    "Pediatrics",
)

CANCELLED = 0.055
CANCELLED_PER_LEAD_DAY = 0.002
"""An appointment further ahead is cancelled more often."""
RESCHEDULED = 0.035
MOVED_IN_PLACE = 0.02
NOT_SEEN = 0.002
CANCELLATION_REASONS = {
    "Feeling better": 0.3,
    "Ill": 0.2,
    "No time": 0.2,
    "Transport": 0.1,
    "Provider unavailable": 0.15,
    "": 0.05,
}

DEVICES = {
    "Mobile Phone": (0.46, ("Android", "iOS"), ("Chrome", "Safari")),
    "Tablet": (0.2, ("iOS", "Android"), ("Safari", "Chrome")),
    "Laptop": (0.24, ("Windows", "macOS"), ("Chrome", "Edge", "Firefox", "Safari")),
    "Desktop": (0.1, ("Windows", "Linux"), ("Edge", "Chrome", "Firefox")),
}
CONNECTIONS = {
    "Excellent": (0.34, 0.03),
    "Good": (0.36, 0.07),
    "Fair": (0.18, 0.18),
    "Poor": (0.09, 0.38),
    "Very Poor": (0.03, 0.6),
}
"""Share, and how often a session with that connection has a technical issue."""
ISSUES = {
    "Audio Problems": 0.3,
    "Video Problems": 0.25,
    "Connection Lost": 0.22,
    "Login Issues": 0.1,
    "App Crash": 0.08,
    "Browser Compatibility": 0.05,
}
SEVERITIES = {"low": 0.45, "medium": 0.35, "high": 0.17, "critical": 0.03}
RESOLVED = 0.7
ANSWERED = 0.72
"""Share of completed visits after which the survey is answered."""
ANSWERED_TWICE = 0.02
COMMENTED = 0.55
WEEKEND = 0.25
"""Bookings and visits on a weekend day, of those on a working day."""
EARLIER_NO_SHOW_ODDS = 1.8
"""Factor on the odds of a no-show for each earlier one, up to two."""
NO_SHOW_SPREAD = 0.6
"""Standard deviation of the logarithm of these odds between patients."""
