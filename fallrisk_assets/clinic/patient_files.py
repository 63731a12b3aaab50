"""Many days' `patients.csv` read at the price of what is new in them.

Here: what is remembered of files read before, by one run. Not here: how a line is judged (`intake.py`), which
files make up a day (`day.py`). Whatever is remembered, the result is that of reading every file by itself.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.csv_file import Record
from fallrisk_assets.clinic.files import ClinicFile
from fallrisk_assets.clinic.intake import (
    OLDEST_YEARS,
    PatientsFile,
    parse_patients,
    patient_ids_in,
    patient_records,
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class _Remembered:
    """A file that was read: who is named by each line that was taken over, and the rows of all of them."""

    header: bytes
    patient_of: dict[bytes, str]
    parsed: PatientsFile


class PatientFiles:
    """The patients' files that a run looks at.

    Args:
        read: gives a file's bytes by its key.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._named: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._last: _Remembered | None = None

    def named_in(self, files: Sequence[ClinicFile]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the clinic ids and the wearable ids that any of some files names, faulty lines included."""
        for file in files:
            if file.key not in self._named:
                self._named[file.key] = patient_ids_in(self._read(file.key))
        found = [self._named[file.key] for file in files]
        return (
            frozenset().union(*(patients for patients, _ in found)),
            frozenset().union(*(wearables for _, wearables in found)),
        )

    def parse(self, file: str, data: bytes, snapshot_date: date) -> PatientsFile:
        """Judge a `patients.csv` as `parse_patients` does; only lines that are new are looked at one by one.

        A line that the file before had too is taken as it was judged then, unless it may mean another thing
        now: because a new line speaks of the same patient or wearable, or because the day makes a date
        implausible. Then the whole file is judged anew.
        """
        header, *lines = data.removeprefix(_BYTE_ORDER_MARK).split(b"\n")
        last = self._last if self._last is not None and self._last.header == header else None
        known = last.patient_of if last is not None else {}
        rest = b"\n".join([header, *(b"" if line in known else line for line in lines)])
        again = [known[line] for line in lines if line in known]
        records = patient_records(rest)  # known lines are blank: skipped, and the others keep their numbers
        parsed = None
        if last is not None and again:
            parsed = _from_known(last.parsed, again, records, file, rest, snapshot_date)
        if parsed is None:
            records = patient_records(data)
            again = []
            parsed = parse_patients(file, data, snapshot_date)
        self._last = _Remembered(header, _patient_of(lines, again, known, records, parsed), parsed)
        return parsed


def _from_known(
    last: PatientsFile,
    again: Sequence[str],
    records: Sequence[Record],
    file: str,
    rest: bytes,
    snapshot_date: date,
) -> PatientsFile | None:
    """Return a file's rows from those of its known lines and from reading the rest, or None.

    Args:
        last: the file before.
        again: patients of the known lines.
        records: what is new.
        file: name of the file.
        rest: the file with its known lines blank.
        snapshot_date: the UTC day on which it was received.
    """
    if len(set(again)) != len(again):
        return None
    kept = pc.is_in(last.patients["patient_id"], pa.array(again, pa.string()))
    patients, identities = last.patients.filter(kept), last.identities.filter(kept)
    if not _plausible_on(patients, snapshot_date) or not _apart(patients, records):
        return None
    fresh = parse_patients(file, rest, snapshot_date)
    return PatientsFile(
        _together(patients, fresh.patients, snapshot_date),
        _together(identities, fresh.identities, snapshot_date),
        fresh.refusals,
    )


def _plausible_on(patients: pa.Table, day: date) -> bool:
    """Tell whether no date of rows that were good on another day is implausible on this one."""
    if patients.num_rows == 0:
        return True
    births, registrations = (
        pc.min_max(patients[name]).as_py() for name in ("birth_date", "registration_date")
    )
    youngest, oldest = births["max"], births["min"]
    return youngest <= day and oldest.year >= day.year - OLDEST_YEARS and registrations["max"] <= day


def _apart(patients: pa.Table, records: Sequence[Record]) -> bool:
    """Tell whether new lines name nobody of whom known rows speak, by clinic id or by wearable id."""
    for column in ("patient_id", "wearable_patient_id"):
        named = pa.array([record.cells.get(column) or None for record in records], pa.string())
        if pc.any(pc.is_in(patients[column], named.drop_null())).as_py():
            return False
    return True


def _together(known: pa.Table, fresh: pa.Table, day: date) -> pa.Table:
    """Return known rows, as of a day, and fresh ones in the order of their patients."""
    at = known.schema.get_field_index("snapshot_date")
    days = pa.repeat(pa.scalar(day, pa.date32()), known.num_rows)
    dated = known.set_column(at, known.schema.field(at), days)
    return pa.concat_tables([dated, fresh]).sort_by("patient_id").combine_chunks()


def _patient_of(
    lines: Sequence[bytes],
    again: Sequence[str],
    known: Mapping[bytes, str],
    records: Sequence[Record],
    parsed: PatientsFile,
) -> dict[bytes, str]:
    """Return who is named by each line that is the only one of a patient that was taken over."""
    taken = frozenset(parsed.patients["patient_id"].to_pylist())
    uses = Counter(record.cells["patient_id"] for record in records)
    found = {line: known[line] for line in lines if line in known} if again else {}
    for record in records:
        who = record.cells["patient_id"]
        if uses[who] == 1 and who in taken:
            found[lines[record.line - 2]] = who
    return found
