"""The clinic's files in the landing zone: what their names say, and which of them make up a day.

Here: names, kinds, and the choice of files. Not here: what is inside a file.
"""

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

FOLDER = "clinic"

PATIENTS = "patients"
DEVICE_ASSIGNMENT = "device_assignment"
CARE_CONTACTS = "care_contacts"
PROVIDERS = "providers"
APPOINTMENT_LOG = "appointment_events"
SCHEDULING_API = "scheduling_api"
FEEDBACK = "feedback"

IDENTITY_KINDS = frozenset({PATIENTS, DEVICE_ASSIGNMENT, CARE_CONTACTS})
"""Who is who: full snapshots."""
OPERATIONS_KINDS = frozenset({PROVIDERS, APPOINTMENT_LOG, SCHEDULING_API, FEEDBACK})
"""What the clinic does: who sees patients, which visits there were, what was said of them."""

NAMES = {
    "patients.csv": PATIENTS,
    "device_assignment.csv": DEVICE_ASSIGNMENT,
    "care_contacts.csv": CARE_CONTACTS,
    "providers.csv": PROVIDERS,
    "appointment_events.jsonl": APPOINTMENT_LOG,
    "appointments.jsonl": APPOINTMENT_LOG,
    "scheduling_api.jsonl": SCHEDULING_API,
    "feedback.json": FEEDBACK,
    "feedback.jsonl": FEEDBACK,
}
"""Kind of a file by its name behind the time of receipt. A log may hold events, records, or both."""

_NAME = re.compile(r"(\d{8}T\d{6}Z)-([^-]+?)(?:-[0-9a-f]{8})?(\.[^.]+)")


@dataclass(frozen=True, order=True)
class ClinicFile:
    """A file of the clinic in the landing zone.

    Attributes:
        received_at: UTC time in its name.
        key: its name in the landing zone.
        kind: what it holds; None for a name that says nothing known.
    """

    received_at: datetime
    key: str
    kind: str | None = field(compare=False)

    @property
    def name(self) -> str:
        """Its name without the folder."""
        return self.key.rsplit("/", 1)[-1]


def clinic_file(key: str) -> ClinicFile | None:
    """Read the name of a file; None if it carries no time.

    Args:
        key: such as `clinic/20260105T060000Z-patients.csv`; eight hexadecimal digits of the content may stand
            behind the kind (`…-feedback-0a1b2c3d.json`), for drops received in one second.
    """
    name = key.rsplit("/", 1)[-1]
    stamp, dash, rest = name.partition("-")
    if not dash or not rest:
        return None
    try:
        received_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    found = _NAME.fullmatch(name)
    return ClinicFile(received_at, key, NAMES.get(found[2] + found[3]) if found else None)


class ClinicFolder:
    """The files of the clinic's folder by day of receipt, their names read once however many days ask.

    Args:
        keys: names of all files in the clinic's folder; those that carry no time are left out.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._by_day: dict[date, list[ClinicFile]] = {}
        self._by_kind: dict[str | None, list[ClinicFile]] = {}
        for file in sorted(file for key in keys if (file := clinic_file(key)) is not None):
            self._by_day.setdefault(file.received_at.date(), []).append(file)
            self._by_kind.setdefault(file.kind, []).append(file)

    def received_on(self, day: date, kinds: Collection[str | None]) -> list[ClinicFile]:
        """Return the files of some kinds received on a UTC day, by time of receipt.

        Args:
            day: UTC day of receipt.
            kinds: kinds that are wanted; None stands for names that say nothing known.
        """
        return [file for file in self._by_day.get(day, []) if file.kind in kinds]

    def newest_before(self, day: date, kind: str, most: int) -> list[ClinicFile]:
        """Return the newest files of a kind received before a UTC day, at most so many, the oldest first."""
        of_kind = self._by_kind.get(kind, [])
        end = bisect_left(of_kind, day, key=lambda file: file.received_at.date())
        return of_kind[max(end - most, 0) : end]
