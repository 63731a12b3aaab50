"""Parsed drops of the device at hand: in memory while they are few, in a temporary folder beyond that.

Here: keeping memory flat however much a device sent. Not here: parsing.
"""

import pickle
import tempfile
from pathlib import Path

from fallrisk_assets.telemetry.parsed import ParsedDrop

#: About 12 MB of parsed rows, an hour at 50 Hz. To disk and back costs a few percent of parsing.
MAX_ROWS_IN_MEMORY = 200_000


class DropShelf:
    """Parsed drops by key. The temporary files are this process's own and go when the shelf is closed."""

    def __init__(self, max_rows: int = MAX_ROWS_IN_MEMORY) -> None:
        self._max_rows = max_rows
        self._rows = 0
        self._memory: dict[str, ParsedDrop] = {}
        self._disk: dict[str, Path] = {}
        self._folder: tempfile.TemporaryDirectory | None = None

    def __contains__(self, key: str) -> bool:
        return key in self._memory or key in self._disk

    def put(self, key: str, drop: ParsedDrop) -> None:
        """Keep a parsed drop."""
        if self._rows + drop.rows <= self._max_rows:
            self._memory[key] = drop
            self._rows += drop.rows
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="fallrisk-shelf-")
        path = Path(self._folder.name) / f"{len(self._disk)}.pickle"
        with path.open("wb") as file:
            pickle.dump(drop, file, protocol=5)
        self._disk[key] = path

    def get(self, key: str) -> ParsedDrop:
        """Return a kept drop.

        Raises:
            KeyError: it was never kept.
        """
        if key in self._memory:
            return self._memory[key]
        with self._disk[key].open("rb") as file:
            return pickle.load(file)

    def clear(self) -> None:
        """Forget everything."""
        self._memory.clear()
        self._disk.clear()
        self._rows = 0
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
