"""Finding a data set below the folder that somebody names.

Belongs here: which folder is the root, in which order its files come. Does not belong here: their content.
"""

import re
from collections.abc import Callable
from pathlib import Path

#: Archives unpack into a folder of their own, sometimes twice.
LEVELS_BELOW = 2


def root_of(folder: Path, is_root: Callable[[Path], bool], dataset: str, expected: str) -> Path:
    """The data set's root: the folder itself, or the one folder up to two levels below it.

    Raises:
        FileNotFoundError: None is; the message says what is expected.
        ValueError: Several are, on the same level.
    """
    level = [folder]
    for _ in range(LEVELS_BELOW + 1):
        roots = [path for path in level if is_root(path)]
        if len(roots) == 1:
            return roots[0]
        if roots:
            names = ", ".join(path.name for path in roots[:3])
            raise ValueError(f"{dataset}: {folder} holds {len(roots)} copies ({names}); name one of them")
        level = [path for parent in level for path in folders_in(parent)]
    raise FileNotFoundError(f"{folder} is not a {dataset} folder: {expected} is missing")


def folders_in(folder: Path) -> list[Path]:
    """Folders directly in a folder, hidden ones left out, in natural order."""
    return sorted((p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._"), key=natural)


def files_in(folder: Path, pattern: str) -> list[Path]:
    """Files directly in a folder that match a glob pattern, hidden ones left out, in natural order."""
    return sorted((p for p in folder.glob(pattern) if p.is_file() and p.name[0] not in "._"), key=natural)


def natural(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which `sub2` comes before `sub10`."""
    parts = re.findall(r"\d+|\D+", path.as_posix())
    return tuple((0, int(p), p) if p.isdecimal() and p.isascii() else (1, 0, p) for p in parts)
