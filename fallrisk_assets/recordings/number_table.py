"""Tables of numbers in text files, read strictly: what is no number is reported, never guessed.

Belongs here: bytes to numbers. Does not belong here: what the columns mean.
"""

import csv
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from fallrisk_assets.recordings.reasons import Reason, Unusable

NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|inf(inity)?)", re.IGNORECASE)
SHOWN_CHARACTERS = 80
#: A text file of one recording; a larger one is not what the published sets hold.
MAX_BYTES = 512 * 1024 * 1024


def read_bytes(path: Path) -> bytes:
    """Read a file that holds one recording.

    Raises:
        Unusable: The file cannot be read, is empty or beyond 512 MB.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unusable(Reason.FILE_UNREADABLE, f"larger than {MAX_BYTES // 2**20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise Unusable(Reason.FILE_UNREADABLE, error.strerror or str(error)) from error
    if not content.strip():
        raise Unusable(Reason.FILE_UNREADABLE, "the file is empty")
    return content.removeprefix(b"\xef\xbb\xbf")


def split_header(content: bytes, separator: str = ",") -> tuple[list[str], bytes, int]:
    """Split a file whose first line names the columns.

    Returns:
        (names without spaces and quotes around them, the rest, line number of the first row).
    """
    head, _, rest = content.partition(b"\n")
    names = [name.strip().strip('"') for name in head.decode("utf-8", "replace").split(separator)]
    return names, rest, 2


def column_numbers(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Positions of columns by name, whatever their case.

    Raises:
        Unusable: One is missing; the message names it and those that are there.
    """
    known = {name.casefold(): number for number, name in reversed(list(enumerate(names)))}
    missing = [name for name in wanted if name.casefold() not in known]
    if missing:
        there = ", ".join(names)[:SHOWN_CHARACTERS]
        raise Unusable(Reason.FIELD_MISSING, f"no column {', '.join(missing)} among {there!r}")
    return [known[name.casefold()] for name in wanted]


def read_numbers(
    content: bytes, separator: str, width: int, use: Sequence[int], first_line: int = 1
) -> tuple[np.ndarray, bool]:
    """Read rows of numbers; empty lines and a `;` or spaces at a line's end do not count.

    Args:
        content: Rows without header.
        separator: Between two cells.
        width: Cells in a row.
        use: Columns to return.
        first_line: Line number of the first row, for messages.

    Returns:
        (values (n, len(use)) float64, whether the last line was cut off and is left out).

    Raises:
        Unusable: No rows; or rows with other cells than numbers or another number of cells.
    """
    clean = _without_line_ends(content)
    if not clean.strip():
        raise Unusable(Reason.FILE_UNREADABLE, "no rows")
    try:
        table = pd.read_csv(
            BytesIO(clean),
            sep=separator,
            header=None,
            dtype=np.float64,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            skipinitialspace=True,
            encoding="latin-1",
        ).to_numpy()
    except (ValueError, OverflowError):
        table = None
    if table is not None and table.shape[1] == width and np.isfinite(table).all():
        return np.ascontiguousarray(table[:, list(use)]), False
    return _line_by_line(clean, separator, width, use, first_line)


def _without_line_ends(content: bytes) -> bytes:
    clean = content.replace(b"\r\n", b"\n").replace(b"\t\n", b"\n")
    while b" \n" in clean:
        clean = clean.replace(b" \n", b"\n")
    clean = clean.replace(b";\n", b"\n")
    return clean if clean.endswith(b"\n") else clean.rstrip(b" \t\r").removesuffix(b";")


def _line_by_line(
    clean: bytes, separator: str, width: int, use: Sequence[int], first_line: int
) -> tuple[np.ndarray, bool]:
    lines = clean.decode("latin-1").split("\n")
    rows, bad, last = [], [], 0
    for number, line in enumerate(lines, first_line):
        if not line.strip():
            continue
        last = number
        cells = [cell.strip() for cell in line.split(separator)]
        if len(cells) == width and all(NUMBER.fullmatch(cells[k]) for k in use):
            rows.append([float(cells[k]) for k in use])
        else:
            bad.append((number, line.strip()[:SHOWN_CHARACTERS]))
    # A copy that broke off leaves part of a line at the end: nothing has to be guessed to go without it.
    cut_off = len(bad) == 1 and bad[0][0] == last and len(rows) > 1 and not clean.endswith(b"\n")
    if bad and not cut_off:
        detail = (
            f"{len(bad)} of {len(rows) + len(bad)} rows are no numbers; first: line {bad[0][0]}: {bad[0][1]}"
        )
        raise Unusable(Reason.NUMBER_CORRUPTED, detail, len(rows) + len(bad), len(bad))
    return np.array(rows, np.float64).reshape(-1, len(use)), cut_off
