"""Parsed drops of the device at hand: in memory while they are few, in a scratch file beyond that.

Here: keeping memory flat however much a device sent. Not here: parsing.
"""

import os
import pickle
import tempfile
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from fallrisk_assets.telemetry.parsed import ParsedDrop

#: About 6 MB of parsed rows, half an hour at 50 Hz. To disk and back costs a few percent of parsing.
MAX_ROWS_IN_MEMORY = 100_000


@dataclass(frozen=True, slots=True)
class _Shelved:
    """Where a drop lies: its pickled outline, and the places of its columns in the scratch file."""

    outline: bytes
    columns: tuple[tuple[int, int], ...]


class DropShelf:
    """Parsed drops by key. The scratch file has no name and goes with the process.

    It is written over for each device: pages that are there already cost a fifth of new ones.
    """

    def __init__(self, max_rows: int = MAX_ROWS_IN_MEMORY) -> None:
        self._max_rows = max_rows
        self._rows = 0
        self._memory: dict[str, ParsedDrop] = {}
        self._shelved: dict[str, _Shelved] = {}
        self._scratch: BinaryIO | None = None
        self._end = 0

    def __contains__(self, key: str) -> bool:
        return key in self._memory or key in self._shelved

    def put(self, key: str, drop: ParsedDrop) -> None:
        """Keep a parsed drop."""
        if self._rows + drop.rows <= self._max_rows:
            self._memory[key] = drop
            self._rows += drop.rows
            return
        if self._scratch is None:
            self._scratch = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the shelf
        buffers: list[pickle.PickleBuffer] = []
        outline = pickle.dumps(drop, protocol=5, buffer_callback=buffers.append)
        columns = []
        for buffer in buffers:
            raw = buffer.raw()
            columns.append((self._end, raw.nbytes))
            self._scratch.seek(self._end)
            while raw.nbytes:
                raw = raw[self._scratch.write(raw) :]
            self._end = self._scratch.tell()
        self._shelved[key] = _Shelved(outline, tuple(columns))

    def get(self, key: str) -> ParsedDrop:
        """Return a kept drop.

        Raises:
            KeyError: it was never kept.
        """
        if key in self._memory:
            return self._memory[key]
        shelved = self._shelved[key]
        assert self._scratch is not None
        columns = []
        for start, size in shelved.columns:
            column = np.empty(size, np.uint8)
            filled = 0
            while filled < size:
                filled += os.preadv(self._scratch.fileno(), [column.data[filled:]], start + filled)
            columns.append(column)
        return pickle.loads(shelved.outline, buffers=columns)

    def clear(self) -> None:
        """Forget everything."""
        self._memory.clear()
        self._shelved.clear()
        self._rows = 0
        self._end = 0
