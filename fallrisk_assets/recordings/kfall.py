"""KFall: `sensor_data/SA06/S06T20R01.csv` and `label_data/SA06_label.xlsx`, 100 Hz, on the low back.

Belongs here: its files' layout and labels. Acceleration is in g, rotation in deg/s. Folders are named SA06,
files S06 (or SA06, as the data set's page says). A label sheet lists the falls of a person: task ("F01 (20)",
the number being that in the files' names, filled on a task's first row only), trial, and the frames of onset
and impact, which are values of the files' FrameCounter.

Source: the data set's page; Yu, Jang, Xiong, Frontiers in Aging Neuroscience 13:692865 (2021).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openpyxl

from fallrisk_assets.recordings.folders import files_in, folders_in, root_of
from fallrisk_assets.recordings.number_table import column_numbers, read_bytes, read_numbers, split_header
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Skipped, Source, Trial
from fallrisk_assets.recordings.timing import increasing, to_us

#: Tasks 20 to 34 are the falls F01 to F15; the others are daily activities.
FALL_TASKS = range(20, 35)
SENSOR_COLUMNS = ("TimeStamp(s)", "FrameCounter", "AccX", "AccY", "AccZ", "GyrX", "GyrY", "GyrZ")
LABEL_COLUMNS = ("Task Code (Task ID)", "Description", "Trial ID", "Fall_onset_frame", "Fall_impact_frame")
_FOLDER = re.compile(r"SA\d\d")
_NAME = re.compile(r"SA?(\d\d)T(\d\d)R(\d\d)\.csv")
_TASK = re.compile(r"\D*\d*\s*\(\s*(\d+)\s*\)\s*|T?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Label:
    """A row of a label sheet: what was done, and the frames of onset and impact."""

    description: str
    onset_frame: int
    impact_frame: int


@dataclass
class _Labels:
    """Labels of one person by (task, trial); None until the sheet is read."""

    by_trial: dict[tuple[int, int], Label] = field(default_factory=dict)


def sources(folder: Path, position: str | None) -> list[Source]:
    """For each person the label sheet, then the recordings."""
    root = root_of(
        folder, lambda path: _part(path, "sensor_data") is not None, "KFall", "a folder sensor_data"
    )
    sensors, sheets = _part(root, "sensor_data"), _part(root, "label_data")
    assert sensors is not None
    found = []
    for person in folders_in(sensors):
        if not _FOLDER.fullmatch(person.name):
            continue
        labels = _Labels()
        sheet = (sheets or root / "label_data") / f"{person.name}_label.xlsx"
        found.append(_label_source(root, person.name, sheet, labels))
        found += [_source(root, path, labels) for path in files_in(person, "*.csv")]
    return found


def _part(root: Path, name: str) -> Path | None:
    """The folder `sensor_data` or `label_data`, also as the archive names it (`sensor_data_new`)."""
    return next((path for path in folders_in(root) if path.name.lower().startswith(name)), None)


def _label_source(root: Path, subject: str, sheet: Path, labels: _Labels) -> Source:
    file = sheet.relative_to(root).as_posix()

    def load() -> Iterator[Skipped]:
        if not sheet.is_file():
            raise Unusable(
                Reason.LABEL_MISSING, f"no sheet tells when the falls of {subject} had their impact"
            )
        found, skipped = read_labels(_cells(sheet))
        labels.by_trial.update(found)
        for reason, detail in skipped:
            yield Skipped("kfall", file, subject, "lowback", str(reason), detail, 1, 1)

    return Source(file, subject, "lowback", load)


def _cells(sheet: Path) -> list[Sequence[object]]:
    try:
        book = openpyxl.load_workbook(sheet, read_only=True, data_only=True)
        try:
            return [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except Exception as error:  # The library raises whatever the broken part of the file makes it raise.
        detail = f"not an Excel sheet: {type(error).__name__}: {error}"
        raise Unusable(Reason.FILE_UNREADABLE, detail[:200]) from error


def read_labels(
    rows: Iterable[Sequence[object]],
) -> tuple[dict[tuple[int, int], Label], list[tuple[Reason, str]]]:
    """Read the rows of a label sheet, header first.

    Args:
        rows: Cells; the task and its description are empty but for a task's first row.

    Returns:
        ((task, trial) -> label, what cannot be used and why).

    Raises:
        Unusable: There is no header with the columns.
    """
    remaining = iter(rows)
    header = next((row for row in remaining if any(cell is not None for cell in row)), ())
    names = ["" if cell is None else str(cell).strip() for cell in header]
    at = column_numbers(names, LABEL_COLUMNS)
    labels: dict[tuple[int, int], Label] = {}
    skipped = []
    task, description = None, ""
    for number, row in enumerate(remaining, 2):
        code, words, trial, onset, impact = (row[k] if k < len(row) else None for k in at)
        if code is not None and str(code).strip():
            matched = _TASK.fullmatch(str(code).strip())
            task = int(matched[1] or matched[2]) if matched else None
            description = ""
        if words is not None:
            description = " ".join(str(words).split())
        if trial is None and onset is None and impact is None:
            continue
        whole = [_whole(cell) for cell in (trial, onset, impact)]
        if task is None or None in whole or not 0 <= whole[1] <= whole[2]:  # type: ignore[operator]
            told = f"task {code or task}, trial {trial}, onset {onset}, impact {impact}"
            skipped.append((Reason.LABEL_INVALID, f"row {number}: {told}"))
            continue
        labels[task, whole[0]] = Label(description, whole[1], whole[2])  # type: ignore[index,arg-type]
    return labels, skipped


def _whole(cell: object) -> int | None:
    text = str(cell).strip().upper().removeprefix("R")
    text = text.removesuffix(".0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _source(root: Path, path: Path, labels: _Labels) -> Source:
    file = path.relative_to(root).as_posix()
    return Source(file, path.parent.name, "lowback", lambda: _load(path, labels))


def _load(path: Path, labels: _Labels) -> Iterator[Trial]:
    subject = path.parent.name
    named = _NAME.fullmatch(path.name)
    if named is None or f"SA{named[1]}" != subject:
        raise Unusable(Reason.FILE_NAME_INVALID, f"{path.name} is not named like S{subject[2:]}T20R01.csv")
    task, run = int(named[2]), int(named[3])
    names, body, first = split_header(read_bytes(path))
    values, cut_off = read_numbers(body, ",", len(names), column_numbers(names, SENSOR_COLUMNS), first)
    rows = increasing(to_us(values[:, 0], 1e6))
    notes = ["CUT_OFF: the last line is incomplete and left out"] if cut_off else []
    if len(rows) < len(values):
        notes.append(f"TIME_DUPLICATE: {len(values) - len(rows)} rows repeat a time and are left out")
    values = values[rows]
    ts_us = to_us(values[:, 0], 1e6)
    label = labels.by_trial.get((task, run))
    is_fall = task in FALL_TASKS or any(known == task for known, _ in labels.by_trial)
    onset_us = impact_us = None
    if label is not None:
        onset_us, impact_us = (
            _time_of(frame, values[:, 1], ts_us) for frame in (label.onset_frame, label.impact_frame)
        )
        if onset_us is None or impact_us is None:
            notes.append(f"LABEL_INVALID: frames {label.onset_frame}, {label.impact_frame} are not recorded")
            onset_us = impact_us = None
    elif is_fall:
        notes.append("LABEL_MISSING: the label sheet does not list this fall")
    yield Trial(
        dataset="kfall",
        name=f"{subject}/T{task:02d}R{run:02d}",
        subject=subject,
        age=None,
        sex="M",  # All 32 were young men; single ages are not published.
        movement=f"F{task - FALL_TASKS.start + 1:02d}" if task in FALL_TASKS else f"T{task:02d}",
        description=label.description if label else f"{'fall' if is_fall else 'daily activity'}, task {task}",
        is_fall=is_fall,
        position="lowback",
        ts_us=ts_us,
        accel_g=values[:, 2:5].astype(np.float32),
        gyro_dps=values[:, 5:8].astype(np.float32),
        impact_us=impact_us,
        onset_us=onset_us,
        notes=tuple(notes),
    )


def _time_of(frame: int, frames: np.ndarray, ts_us: np.ndarray) -> int | None:
    at = np.flatnonzero(frames == frame)
    return int(ts_us[at[0]]) if len(at) else None
