"""The words of the clinic's operations: what can be said of an appointment, a session, a provider.

Here: closed vocabularies, and names for the words that code asks for. Not here: tables (`contract.py`).
"""

SPECIALTIES = (
    "Family Medicine",
    "Internal Medicine",
    "Pediatrics",
    "Cardiology",
    "Dermatology",
    "Neurology",
    "Psychiatry",
    "Orthopedics",
    "Obstetrics/Gynecology",
    "Ophthalmology",
    "Oncology",
    "Urology",
)
APPOINTMENT_TYPES = (
    "Initial Consultation",
    "Follow-up",
    "Urgent Care",
    "Specialist Referral",
    "Medication Review",
)
COMPLETED, CANCELLED, NO_SHOW, RESCHEDULED = "Completed", "Cancelled", "No-show", "Rescheduled"
FINAL_STATUSES = (COMPLETED, CANCELLED, NO_SHOW, RESCHEDULED)
"""How an appointment ends; the only ones that a record of the older form may have."""
SCHEDULED, IN_PROGRESS = "Scheduled", "In progress"
API_STATUSES = (SCHEDULED, *FINAL_STATUSES)
"""States that a record of the scheduling API may have: it tells of what lies ahead, too."""
STATUSES = (SCHEDULED, IN_PROGRESS, *FINAL_STATUSES)
DEVICES = ("Mobile Phone", "Tablet", "Laptop", "Desktop")
CONNECTIONS = {"Excellent": 5, "Good": 4, "Fair": 3, "Poor": 2, "Very Poor": 1}
ISSUE_TYPES = (
    "Audio Problems",
    "Video Problems",
    "Connection Lost",
    "Login Issues",
    "App Crash",
    "Browser Compatibility",
)
SEVERITIES = ("low", "medium", "high", "critical")
MODES = ("Face-to-Face", "Telephone", "Video/Online", "Home Visit")
"""Modes of a visit, in the words of NHS England's Appointments in General Practice; unknown is null."""

APPOINTMENT_SCHEDULED = "appointment_scheduled"
APPOINTMENT_RESCHEDULED = "appointment_rescheduled"
APPOINTMENT_CANCELLED = "appointment_cancelled"
PATIENT_LOGIN = "patient_login"
PROVIDER_LOGIN = "provider_login"
SESSION_STARTED = "session_started"
SESSION_ENDED = "session_ended"
TECHNICAL_ISSUE = "technical_issue"
EVENT_TYPES = (
    APPOINTMENT_SCHEDULED,
    APPOINTMENT_RESCHEDULED,
    APPOINTMENT_CANCELLED,
    PATIENT_LOGIN,
    PROVIDER_LOGIN,
    SESSION_STARTED,
    TECHNICAL_ISSUE,
    SESSION_ENDED,
)
"""Life-cycle events, in the order in which those of one instant are taken."""

BY_EVENTS, BY_RECORD, BY_API = "events", "record", "api"
SOURCES = (BY_EVENTS, BY_RECORD, BY_API)
"""Whence an appointment is known, the strongest first: events win over records, records over the API."""

LONGEST_VISIT_MINUTES = 720
