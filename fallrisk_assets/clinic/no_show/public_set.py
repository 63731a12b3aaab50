"""Reading the public medical no-show set in its published layout, row by row.

Here: a file's lines to bookings and visits, and what was wrong with the others. Not here: what is learnt from
them (`training.py`).

The set (Hoppen, Medical Appointment No Shows, 2016: 110,527 appointments of Vitória, Brazil; CC BY-NC-SA 4.0)
is not part of this project; whoever has it gives its file. What its readers have found in it, and what
becomes of it here:

- an age of −1, appointments before their booking: the row is refused;
- ids of patients with a fraction (`93779.52927`) or with digits lost (`2.98725E+13`), traces of a
  spreadsheet: the row is refused, for nobody knows whose it is, and a guess would give it another's history;
- visits always at 00:00: the time of day is unknown, and lead times are whole days, so that a visit on the
  day of its booking is no visit before it;
- `SMS_received` is written after the booking, to those with some days ahead: it is no fact of the booking,
  and is read but not used. Nor is anything else that the clinic's own bookings do not tell.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from fallrisk_assets.clinic.csv_file import CellError, Record, Refusal, read_records
from fallrisk_assets.clinic.no_show.facts import OLDEST_YEARS, Bookings, Visits, bookings_of, visits_of

LICENCE = "CC BY-NC-SA 4.0"
COLUMNS = (
    "PatientId",
    "AppointmentID",
    "Gender",
    "ScheduledDay",
    "AppointmentDay",
    "Age",
    "Neighbourhood",
    "Scholarship",
    "Hipertension",
    "Diabetes",
    "Alcoholism",
    "Handcap",
    "SMS_received",
    "No-show",
)
NOT_USED = (
    "Gender",
    "Neighbourhood",
    "Scholarship",
    "Hipertension",
    "Diabetes",
    "Alcoholism",
    "Handcap",
    "SMS_received",
)
WHAT_TO_DO = {
    "FILE_UNREADABLE": "the file has no usable header; take it anew from where it was published",
    "COLUMN_MISSING": "a column of the published layout is missing; take the file as it was published",
    "LINE_NOT_CSV": "the line is no CSV in UTF-8; mend it or leave it out",
    "FIELD_COUNT_WRONG": "the line has more or fewer fields than the header; mend it or leave it out",
    "PATIENT_ID_NOT_INTEGER": "the patient's id is no whole number, so that whose visit it was is unknown",
    "APPOINTMENT_ID_INVALID": "the appointment's id is no whole number",
    "APPOINTMENT_TWICE": "the appointment stands in an earlier line; the first counts",
    "DATE_UNREADABLE": "a day is not written as 2016-04-29T18:38:08Z",
    "BOOKED_AFTER_VISIT": "the booking's day lies after the visit's; one of the two is wrong",
    "AGE_OUT_OF_RANGE": f"the age is no whole number from 0 to {OLDEST_YEARS:.0f}",
    "OUTCOME_UNKNOWN": "No-show is neither Yes nor No",
    "VALUE_INVALID": "a yes-or-no column is neither 0 nor 1 (Handcap: 0 to 4), or Gender neither F nor M",
}

_AT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}:\d{2})(?:Z|\+00:00)?)?")
_WHOLE = re.compile(r"(\d{1,30})(?:\.(\d{1,30}))?(?:[eE]\+?(\d{1,2}))?", re.ASCII)
_MOST_DIGITS = 18
_FLAGS = ("scholarship", "hipertension", "diabetes", "alcoholism", "sms_received")
_Row = tuple[str, str, date, date, float, bool]


@dataclass(frozen=True, slots=True)
class PublicSet:
    """What a file holds.

    Attributes:
        bookings: Accepted rows, in the order of the file.
        visits: The same rows' outcomes.
        refusals: Refused lines; line 0 is the whole file. They hold no payload.
        received: Lines below the header that are not empty.
        without_time: Accepted rows whose visit is at 00:00.
        gender: F or M of each accepted row; no fact, for the clinic's files of patients only.
        neighbourhood: Where the visit was to be, of each accepted row; likewise, for its files of providers.
    """

    bookings: Bookings
    visits: Visits
    refusals: list[Refusal]
    received: int
    without_time: int
    gender: list[str]
    neighbourhood: list[str]

    def counts(self) -> Mapping[str, int]:
        """Return refused lines by reason."""
        return dict(sorted(Counter(refusal.reason for refusal in self.refusals).items()))


def read_public_set(data: bytes) -> PublicSet:
    """Read a file in the published layout; a bad line costs that line.

    Args:
        data: The file as published: CSV in UTF-8 with a header.

    Returns:
        Lines received are those accepted and those refused; each refused one has its reason.
    """
    records, refusals = read_records(data, [_name(column) for column in COLUMNS], {})
    received = len(records) + sum(refusal.line > 0 for refusal in refusals)
    refusals = [Refusal(r.line, r.reason, WHAT_TO_DO[r.reason], "") for r in refusals]
    rows: list[_Row] = []
    kept: list[Record] = []
    seen: set[str] = set()
    without_time = 0
    for record in records:
        try:
            row, has_time = _row(record)
            if row[0] in seen:
                raise CellError("APPOINTMENT_TWICE", "")
        except CellError as wrong:
            refusals.append(Refusal(record.line, wrong.reason, WHAT_TO_DO[wrong.reason], ""))
            continue
        seen.add(row[0])
        rows.append(row)
        kept.append(record)
        without_time += not has_time
    return PublicSet(
        bookings_of([row[:5] for row in rows]),
        visits_of([(row[0], row[1], row[3], row[5]) for row in rows]),
        sorted(refusals, key=lambda refusal: refusal.line),
        received,
        without_time,
        [record.cells["gender"] for record in kept],
        [record.cells["neighbourhood"] for record in kept],
    )


def _name(column: str) -> str:
    return column.lower().replace("-", "_")


def _row(record: Record) -> tuple[_Row, bool]:
    cells = record.cells
    patient = _whole(cells["patientid"], "PATIENT_ID_NOT_INTEGER")
    appointment = _whole(cells["appointmentid"], "APPOINTMENT_ID_INVALID")
    booked_on, _ = _day(cells["scheduledday"])
    visit_on, time = _day(cells["appointmentday"])
    if booked_on > visit_on:
        raise CellError("BOOKED_AFTER_VISIT", "")
    age = re.fullmatch(r"(\d{1,3})(\.0+)?", cells["age"])
    if age is None or int(age[1]) > OLDEST_YEARS:
        raise CellError("AGE_OUT_OF_RANGE", "")
    outcome = {"yes": True, "no": False}.get(cells["no_show"].lower())
    if outcome is None:
        raise CellError("OUTCOME_UNKNOWN", "")
    flags = all(cells[name] in ("0", "1") for name in _FLAGS) and cells["handcap"] in (
        "0",
        "1",
        "2",
        "3",
        "4",
    )
    if not flags or cells["gender"] not in ("F", "M"):
        raise CellError("VALUE_INVALID", "")
    return (appointment, patient, booked_on, visit_on, float(age[1]), outcome), time


def _whole(cell: str, reason: str) -> str:
    """The whole number that a cell tells in full, without leading zeros.

    `29872499824296.0` and `2.9872499824296E+13` tell all of its digits, `2.98725E+13` does not.
    """
    found = _WHOLE.fullmatch(cell)
    if found is None:
        raise CellError(reason, "")
    digits, fraction, exponent = found[1], found[2] or "", int(found[3] or 0)
    if exponent and (len(fraction) < exponent or len(digits) > 1):
        raise CellError(reason, "")
    if fraction[exponent:].strip("0"):
        raise CellError(reason, "")
    number = str(int(digits + fraction[:exponent]))
    if len(number) > _MOST_DIGITS:
        raise CellError(reason, "")
    return number


def _day(cell: str) -> tuple[date, bool]:
    """The day that a cell names, and whether it has a time other than 00:00."""
    found = _AT.fullmatch(cell)
    if found is None:
        raise CellError("DATE_UNREADABLE", "")
    try:
        return date.fromisoformat(found[1]), found[2] not in (None, "00:00:00")
    except ValueError as error:
        raise CellError("DATE_UNREADABLE", "") from error
