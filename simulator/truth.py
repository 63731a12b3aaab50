"""What really happened: falls, activities and injected faults. Only tests and evaluation read it.

What belongs here: the rows and files of the truth folder. What does not: anything that a product would be
given.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from simulator.devices import Session
from simulator.drops import iso_ms, write_atomically
from simulator.faults import expected_in, refused_lines
from simulator.timeline import Timeline


@dataclass(frozen=True)
class FallTruth:
    """A row of `falls.csv`: ISO UTC with ms, `lying_s` from impact to getting up (empty if unknown)."""

    patient_id: str
    device_id: str
    onset_at: str
    impact_at: str
    kind: str
    recovered: bool | None
    lying_s: float | None
    peak_g: float
    position: str


@dataclass(frozen=True)
class ActivityTruth:
    """A row of `activities.csv`: `[start, end)`; steps and gait only where somebody walks."""

    patient_id: str
    device_id: str
    start: str
    end: str
    activity: str
    steps: int | None
    cadence_spm: float | None
    stride_time_s: float | None
    stride_time_cv: float | None
    position: str


@dataclass(frozen=True)
class FaultTruth:
    """A row of `faults.csv`: what was done to which drop, and what must be said of it where.

    `count` is the number of lines (or files) that were touched. `expected_reason` ("" for none) must be given
    in the place `expected_in`: as reason in the "quarantine", in `refused_lines` rows; as "coverage verdict"
    of the device's hour; or about the file in the "landing zone". With a `line_number`, the refused lines end
    there.
    """

    drop_key: str
    fault: str
    line_number: int | None
    count: int
    expected_reason: str
    device_id: str
    detail: str = ""
    expected_in: str = field(init=False)
    refused_lines: int = field(init=False)

    def __post_init__(self) -> None:
        """Say where the fault must show, and in how many lines of the quarantine."""
        object.__setattr__(self, "expected_in", expected_in(self.fault, self.expected_reason))
        object.__setattr__(self, "refused_lines", refused_lines(self.fault, self.expected_reason, self.count))


def session_truth(session: Session, line: Timeline) -> tuple[list[FallTruth], list[ActivityTruth]]:
    """Translate a timeline from session seconds to UTC."""

    def at(second: float) -> str:
        return iso_ms(session.start_ms + round(second * 1000))

    who = session.wearer.patient_id
    falls = [
        FallTruth(
            who,
            session.device_id,
            at(f.onset_s),
            at(f.impact_s),
            f.kind,
            f.recovered,
            round(f.lying_s, 3),
            round(f.peak_g, 3),
            session.position,
        )
        for f in line.falls
    ]
    activities = [
        ActivityTruth(
            who,
            session.device_id,
            at(a.start_s),
            at(a.end_s),
            a.activity,
            a.steps if a.cadence_spm is not None else None,
            _rounded(a.cadence_spm, 3),
            _rounded(a.stride_time_s, 4),
            _rounded(a.stride_time_cv, 5),
            session.position,
        )
        for a in sorted(line.activities, key=lambda a: (a.start_s, a.activity))
    ]
    return falls, activities


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with newlines only: None is empty, booleans are true and false."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([("true" if v else "false") if isinstance(v, bool) else v for v in row])
    return out.getvalue()


def write_rows(path: Path, kind: type, rows: Iterable[object]) -> None:
    """Write dataclass rows as CSV; an empty list gives the header alone."""
    names = [f.name for f in fields(kind)]
    text = csv_text(names, ([getattr(row, name) for name in names] for row in rows))
    write_atomically(path, text.encode())


def write_truth(
    folder: Path,
    falls: list[FallTruth],
    activities: list[ActivityTruth],
    faults: list[FaultTruth],
    cohort: dict[str, object],
) -> None:
    """Write `falls.csv`, `activities.csv`, `faults.csv` and `cohort.json`."""
    write_rows(folder / "falls.csv", FallTruth, falls)
    write_rows(folder / "activities.csv", ActivityTruth, activities)
    write_rows(folder / "faults.csv", FaultTruth, faults)
    write_atomically(folder / "cohort.json", (json.dumps(cohort, indent=2, sort_keys=True) + "\n").encode())
