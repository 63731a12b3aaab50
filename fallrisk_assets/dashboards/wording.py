"""Words of the pages: codes into sentences, numbers into text.

Belongs here: formats and vocabularies that people read. Does not belong here: HTML and figures.
Unknown is written as a dash, never as 0.
"""

import datetime as dt

UNKNOWN = "–"

BAND_LABELS = {"high": "High", "medium": "Medium", "low": "Low", "NOT_SCORED": "NOT_SCORED"}
BAND_GLYPHS = {"high": "▲", "medium": "◆", "low": "●", "NOT_SCORED": "○"}

VERDICT_GLYPHS = {
    "OK": "✓",
    "NOT_WORN": "N",
    "GAPPY": "G",
    "IMPLAUSIBLE_RATE": "R",
    "WRONG_UNITS": "U",
    "NO_DATA": "–",
}
VERDICT_LABELS = {
    "OK": "usable",
    "NOT_WORN": "not worn",
    "GAPPY": "gaps in the signal",
    "IMPLAUSIBLE_RATE": "sampling rate implausible",
    "WRONG_UNITS": "wrong units",
    "NO_DATA": "nothing received",
}

REASON_MEANINGS = {
    "LINE_NOT_JSON": "The line is not JSON; often cut off while sending.",
    "FIELD_MISSING": "A field that every message needs is not there.",
    "FIELD_WRONG_TYPE": "A field holds a text where a number belongs, or the reverse.",
    "VALUE_NOT_FINITE": "A value is NaN or infinite.",
    "VALUE_OUT_OF_RANGE": "A value lies outside what the sensor can measure.",
    "TIME_IMPLAUSIBLE": "The sample's time is far from the time at which it was received.",
    "DEVICE_MISMATCH": "The message names another device than its file.",
    "UNKNOWN_DEVICE": "The device is not registered; register it, then replay.",
    "DEVICE_NOT_ASSIGNED": "Nobody wore this device at that time by the assignments.",
    "PATIENT_MISMATCH": "The message names another patient than the assignment does.",
    "DUPLICATE_CONFLICT": "The same sequence number came twice with different content.",
    "UNIT_MISMATCH": "The values look like m/s², not g; declare the firmware's rule, then replay.",
    "RATE_IMPLAUSIBLE": "The sampling rate cannot be right.",
    "SCHEMA_VERSION_UNKNOWN": "The message's schema version is not known here.",
    "FILE_UNREADABLE": "The file could not be read at all.",
    "FILE_NAME_INVALID": "The file's name does not say when and from which device it came.",
}


GAIT_LABELS: dict[str, tuple[str, str, float]] = {
    "wear_minutes": ("Worn", "min", 1.0),
    "walking_minutes": ("Walking", "min", 1.0),
    "walking_bouts": ("Walking bouts", "", 1.0),
    "longest_bout_s": ("Longest bout", "s", 1.0),
    "steps": ("Steps", "", 1.0),
    "cadence_spm": ("Cadence", "steps/min", 1.0),
    "stride_time_s": ("Stride time", "s", 1.0),
    "stride_time_cv": ("Stride time variability", "%", 100.0),
    "step_regularity": ("Step regularity", "", 1.0),
    "stride_regularity": ("Stride regularity", "", 1.0),
    "harmonic_ratio": ("Harmonic ratio", "", 1.0),
    "sway_g": ("Sway", "g", 1.0),
    "turns": ("Turns", "", 1.0),
    "turn_duration_s": ("Turn duration", "s", 1.0),
    "turn_angle_deg": ("Turn angle", "°", 1.0),
    "sit_to_stands": ("Sit-to-stands", "", 1.0),
    "night_risings": ("Risings at night", "", 1.0),
    "upright_minutes": ("Upright", "min", 1.0),
    "lying_minutes": ("Lying", "min", 1.0),
}
"""Gait measures that a page shows, in order: label, unit, factor from the table's unit."""


COMPONENT_LABELS = {
    "base": "Base",
    "living_alone": "Lives alone",
    "parkinsons_disease": "Parkinson’s disease",
    "medicine_count": "Number of medicines",
    "not_known": "Not known",
    **{name: label for name, (label, _, _) in GAIT_LABELS.items()},
}
"""Parts of the index in words that staff use."""

ABSENT_LABELS = {
    "falls_past_12_months": "No fall in 12 months",
    "gait_problem": "No gait problem",
    "walking_aid": "No walking aid",
    "vertigo": "No vertigo",
    "parkinsons_disease": "No Parkinson’s disease",
    "fear_of_falling": "No fear of falling",
    "living_alone": "Not living alone",
}
"""Parts that lower the index because somebody does not have the risk factor: "walking aid" would read as if
the aid lowered the risk."""


def component_label(name: str, logit: float) -> str:
    """Return a part of the index in words, for its direction."""
    absent = ABSENT_LABELS.get(name) if logit < 0 else None
    return absent or COMPONENT_LABELS.get(name) or sentence_case(name)


TREND_LABELS = {"RISING": "▲ rising", "FALLING": "▼ falling", "STEADY": "no clear change"}
NO_TREND_REASONS = {
    "DAY_NOT_SCORED": "this day has no index",
    "SHORT_BASELINE": "fewer than 7 scored days in the four weeks before",
}

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def sentence_case(code: str | None) -> str:
    """Return "TOO_LITTLE_WEAR" as "Too little wear"; text that is no code stays as it is."""
    if not code:
        return ""
    if code == "OK":
        return code
    if code.upper() != code:
        return code[:1].upper() + code[1:].replace("_", " ")
    text = code.replace("_", " ").lower()
    return text[:1].upper() + text[1:]


def long_day(day: dt.date) -> str:
    """Return "Monday 5 January 2026" in English, whatever the locale."""
    return f"{_WEEKDAYS[day.weekday()]} {day.day} {_MONTHS[day.month - 1]} {day.year}"


def percent(share: float | None, digits: int = 0) -> str:
    """Return a share in [0, 1] as "12 %"."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f} %"


def probability(value: float | None) -> str:
    """Return a probability with one decimal below 10 % ("4.2 %"), else without ("31 %")."""
    if value is None:
        return UNKNOWN
    return percent(value, 1 if value < 0.0995 else 0)


def points(change: float | None) -> str:
    """Return a difference of two probabilities in percentage points with its sign ("+2.1 points")."""
    return UNKNOWN if change is None else f"{100 * change:+.1f} points"


def count(value: int | None) -> str:
    """Return a count with thousands separated."""
    return UNKNOWN if value is None else f"{value:,}"


def compact(value: int | None) -> str:
    """Return a count that is short even when large: "8,640", "21.5 M"."""
    if value is None or value < 1_000_000:
        return count(value)
    return f"{value / 1e9:.2f} G" if value >= 1_000_000_000 else f"{value / 1e6:.1f} M"


def hours_minutes(minutes: float | None) -> str:
    """Return minutes as "7 h 05 min"."""
    if minutes is None:
        return UNKNOWN
    whole = round(minutes)
    return f"{whole // 60} h {whole % 60:02d} min" if whole >= 60 else f"{whole} min"


def clock(moment: dt.datetime | None, day: dt.date | None = None) -> str:
    """Return "14:05:09", with the date before it when it is not of `day`."""
    if moment is None:
        return UNKNOWN
    text = moment.strftime("%H:%M:%S")
    return text if day is None or moment.date() == day else f"{moment.date().isoformat()} {text}"


def number(value: float | None, unit: str = "") -> str:
    """Return a measured value with three significant digits and its unit."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f} {unit}".strip()


def plural(n: int | None, one: str, many: str = "") -> str:
    """Return "1 fall", "2 falls", "– falls" (unknown)."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"
