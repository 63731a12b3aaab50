"""Which recordings may train a detector that is shipped, and how they are read.

Belongs here: facts of each source (licence, citation) and its reader. Does not belong here: what a file of a
source looks like (its reader), what is made of the trials (`training_set`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fallrisk_assets.risk.umafall import FILES, Trial, data_hash, read_umafall

#: Positions that the detector is trained at.
TRAINED_POSITIONS = ("waist", "wrist")


class RecordingsMissing(FileNotFoundError):
    """The folder with the recordings is not given, or does not hold what it should."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that a detector can be trained on.

    Attributes:
        title: Its name in print.
        licence: Under which terms it is published, as its publishers say.
        may_ship_model: Whether those terms allow shipping a model trained on it, commercial use included.
        citation: How to cite it.
        files: What its folder holds.
        read: Folder and position to trials.
        sha256: Folder to the hash of what is read.
    """

    title: str
    licence: str
    may_ship_model: bool
    citation: str
    files: tuple[str, ...]
    read: Callable[[Path, str], list[Trial]]
    sha256: Callable[[Path], str]


SOURCES: dict[str, Source] = {
    "umafall": Source(
        "UMAFall",
        "CC BY 4.0",
        True,
        "Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017) 32-39",
        FILES,
        read_umafall,
        data_hash,
    )
}


def source_of(name: str) -> Source:
    """Facts of a source.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in SOURCES:
        raise ValueError(f"no source {name!r} to train on: {', '.join(SOURCES)}")
    return SOURCES[name]


def folder_of(name: str, folder: str) -> Path:
    """Return where a source's files are: the given folder, or the one of the source's name in it.

    Raises:
        RecordingsMissing: no folder was given, or neither holds the files.
    """
    files = source_of(name).files
    if not folder:
        raise RecordingsMissing(
            f"no folder with recordings is given: set FALLRISK_RECORDINGS (make train SOURCE=…) to a folder "
            f"that holds {name}/ with {', '.join(files)}; scoring needs none, the released version is shipped"
        )
    for place in (Path(folder) / name, Path(folder)):
        if all((place / file).is_file() for file in files):
            return place
    raise RecordingsMissing(
        f"{folder} holds no {name}: {', '.join(files)} are neither in it nor in {name}/ below it"
    )


@dataclass(frozen=True, slots=True)
class Corpus:
    """Recordings of one source, read.

    Attributes:
        name: Name of the source.
        source: Its facts.
        sha256: Hash of the files.
        trials: Position to trials.
    """

    name: str
    source: Source
    sha256: str
    trials: dict[str, list[Trial]]


def read_corpora(names: Sequence[str], folder: str) -> list[Corpus]:
    """Read the recordings of some sources at the trained positions.

    Args:
        names: Names of sources.
        folder: Where they are.

    Raises:
        RecordingsMissing, ValueError: as `folder_of`.
    """
    corpora = []
    for name in names:
        source, place = source_of(name), folder_of(name, folder)
        trials = {position: source.read(place, position) for position in TRAINED_POSITIONS}
        corpora.append(Corpus(name, source, source.sha256(place), trials))
    return corpora


def trials_at(corpora: Sequence[Corpus], position: str) -> list[Trial]:
    """All trials at a position."""
    return [trial for corpus in corpora for trial in corpus.trials[position]]
