"""Recordings that a detector is trained and judged on, read from the folder that somebody names.

Belongs here: where each data set lies, at which positions it is read, and the hash of what was read. Does not
belong here: what a data set's files look like and its licence (`recordings`), what is made of the trials
(`training_set`).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fallrisk_assets.recordings.recording import Dataset, Skipped, Trial, dataset_of, read_dataset

#: Positions that the detector is trained at.
TRAINED_POSITIONS = ("waist", "wrist")


class RecordingsMissing(FileNotFoundError):
    """The folder with the recordings is not given, or does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recordings of one data set, read.

    Attributes:
        name: Its key in `recordings.DATASETS`.
        dataset: Its facts.
        sha256: Hash of the recordings that are used, whatever files they came from.
        trials: Position to trials.
        skipped: Reason to how many recordings are left out for it.
    """

    name: str
    dataset: Dataset
    sha256: str
    trials: dict[str, list[Trial]]
    skipped: dict[str, int]


def folder_of(name: str, folder: str) -> Path:
    """Return where a data set is looked for: the folder of its name in the given one, or that one itself.

    Raises:
        ValueError: there is no such data set.
        RecordingsMissing: no folder was given.
    """
    title = dataset_of(name).title
    if not folder:
        raise RecordingsMissing(
            f"no folder with recordings is given: set FALLRISK_RECORDINGS (make train SOURCE=…) to a folder "
            f"that holds {title}; scoring needs none, the released version is shipped"
        )
    own = Path(folder) / name
    return own if own.is_dir() else Path(folder)


def read_corpora(names: Sequence[str], folder: str) -> list[Corpus]:
    """Read data sets at the trained positions.

    Args:
        names: Keys of `recordings.DATASETS`.
        folder: Where they are.

    Raises:
        ValueError: there is no such data set, or it has no recordings at a trained position.
        RecordingsMissing: the folder is not given or does not hold a data set.
    """
    return [_read(name, folder_of(name, folder)) for name in names]


def _read(name: str, place: Path) -> Corpus:
    dataset = dataset_of(name)
    positions = [position for position in TRAINED_POSITIONS if position in dataset.positions]
    if not positions:
        raise ValueError(
            f"{name} was recorded at {', '.join(dataset.positions)}: a detector is trained at "
            f"{' and '.join(TRAINED_POSITIONS)}"
        )
    trials: dict[str, list[Trial]] = {position: [] for position in TRAINED_POSITIONS}
    skipped = Counter[str]()
    try:
        for position in positions:
            for found in read_dataset(name, place, position):
                if isinstance(found, Skipped):
                    skipped[found.reason] += 1
                else:
                    trials[position].append(found)
    except FileNotFoundError as error:
        raise RecordingsMissing(str(error)) from error
    return Corpus(name, dataset, _hash(trials), trials, dict(sorted(skipped.items())))


def _hash(trials: dict[str, list[Trial]]) -> str:
    digest = hashlib.sha256()
    for position, found in trials.items():
        for trial in found:
            told = (position, trial.name, trial.subject, trial.age, trial.movement, trial.is_fall)
            digest.update(repr(told).encode())
            for values in (trial.ts_us, trial.accel_g, trial.gyro_dps):
                digest.update(values.tobytes())
    return digest.hexdigest()


def trials_at(corpora: Sequence[Corpus], position: str) -> list[Trial]:
    """All trials at a position."""
    return [trial for corpus in corpora for trial in corpus.trials[position]]
