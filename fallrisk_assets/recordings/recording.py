"""What a recording is, whatever data set it comes from, and the one way to read a data set.

Belongs here: `Trial`, `Skipped`, `read_dataset`. Does not belong here: what a data set's files look like (a
module for each), its licence and positions (`datasets`), whether a recording is fit for use (`quality`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings import quality
from fallrisk_assets.recordings.datasets import DATASETS, Dataset
from fallrisk_assets.recordings.reasons import Reason, Unusable

__all__ = ["DATASETS", "Dataset", "Skipped", "Source", "Trial", "dataset_of", "read_dataset", "read_trials"]

OLD_AGE = 65


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One recording of one movement at one position of the body.

    Attributes:
        dataset: A key of `DATASETS`.
        name: Unique within data set and position.
        subject: The person, as published ("Subject_01", "SA06", "U01").
        age: Years, where published.
        sex: "F" or "M", where published.
        movement: What was done, by the data set's code or words ("F01", "D05", "FOL").
        description: The movement in words.
        is_fall: Whether the movement is a fall.
        position: Where the sensor was worn, one of the detector's positions.
        ts_us: (n,) int64 microseconds from the recording's start, strictly increasing.
        accel_g: (n, 3) float32, in g.
        gyro_dps: (n, 3) float32, in deg/s; NaN where nothing was measured.
        impact_us: Labelled time of the impact on the clock of `ts_us`, where published.
        onset_us: Labelled time at which the fall begins, likewise.
        notes: What was put right in reading, and what is missing: a code, a colon and words each.
    """

    dataset: str
    name: str
    subject: str
    age: int | None
    sex: str | None
    movement: str
    description: str
    is_fall: bool
    position: str
    ts_us: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray
    impact_us: int | None = None
    onset_us: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def age_group(self) -> str:
        """One of "under 65", "65+" and, where no age is published, "unknown"."""
        if self.age is None:
            return "unknown"
        return "65+" if self.age >= OLD_AGE else "under 65"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A recording, or a part of one, that is not used, and why.

    Attributes:
        dataset: A key of `DATASETS`.
        file: Path below the data set's folder.
        subject: The person, "" where the file does not tell.
        position: Where the sensor was worn, "" where the whole file is left out.
        reason: Code, a member of `reasons.Reason`.
        detail: One line for a person: where, and what was found.
        rows: Rows read.
        bad_rows: Rows for which the recording is left out.
    """

    dataset: str
    file: str
    subject: str
    position: str
    reason: str
    detail: str
    rows: int = 0
    bad_rows: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be read: where it is, whose it is, and how.

    `load` yields what the file holds and may raise `Unusable` or `OSError`, which concern this file alone.
    """

    file: str
    subject: str
    position: str
    load: Callable[[], Iterable[Trial | Skipped]]


def dataset_of(name: str, position: str | None = None) -> Dataset:
    """Facts of a data set.

    Raises:
        ValueError: The name or the position is unknown; the message lists the known ones.
    """
    if name not in DATASETS:
        raise ValueError(f"data set {name!r} is none of {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    if position is not None and position not in dataset.positions:
        raise ValueError(f"{name}: position {position!r} is none of {', '.join(dataset.positions)}")
    return dataset


def read_dataset(name: str, folder: Path, position: str | None = None) -> Iterator[Trial | Skipped]:
    """Read a data set as published, file by file, in a fixed order: subject after subject.

    A file that cannot be read, and a recording that is not fit for use, is a `Skipped` with its reason; what
    comes after it is read all the same.

    Args:
        name: A key of `DATASETS`.
        folder: The data set's root, or a folder up to two levels above it.
        position: Read this position only; None reads all.

    Yields:
        Trials, and what was skipped.

    Raises:
        ValueError: Unknown name or position (at once, not when iterating).
        FileNotFoundError: The folder does not hold the data set (likewise).
    """
    dataset = dataset_of(name, position)
    if not folder.is_dir():
        raise FileNotFoundError(f"{name}: {folder} is not a folder")
    return _read(name, import_module(dataset.reader).sources(folder, position))


def read_trials(name: str, folder: Path, position: str | None = None) -> list[Trial]:
    """All trials of a data set that are fit for use (see `read_dataset` for what else it tells)."""
    return [found for found in read_dataset(name, folder, position) if isinstance(found, Trial)]


def _read(name: str, sources: Iterable[Source]) -> Iterator[Trial | Skipped]:
    for source in sources:
        try:
            for found in source.load():
                yield found if isinstance(found, Skipped) else _judged(found, source)
        except Unusable as error:
            yield _skipped(name, source, source.position, error)
        except OSError as error:
            unreadable = Unusable(Reason.FILE_UNREADABLE, error.strerror or str(error))
            yield _skipped(name, source, source.position, unreadable)


def _judged(trial: Trial, source: Source) -> Trial | Skipped:
    try:
        notes = quality.check(trial.ts_us, trial.accel_g, trial.gyro_dps)
    except Unusable as error:
        return _skipped(trial.dataset, source, trial.position, error)
    return replace(trial, notes=(*trial.notes, *notes)) if notes else trial


def _skipped(name: str, source: Source, position: str, error: Unusable) -> Skipped:
    return Skipped(
        name,
        source.file,
        source.subject,
        position,
        str(error.reason),
        error.detail,
        error.rows,
        error.bad_rows,
    )
