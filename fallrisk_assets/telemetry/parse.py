"""Drops to columns: every line of a drop becomes a row or a bad line, never nothing.

Belongs here: JSON Lines, compiled where lines fit the template, strict where not. Does not belong here:
what needs the assignment or other drops (`clean.py`), units (`units.py`).

A line that holds only spaces, tabs and carriage returns is blank: it has a line number but is no line
received. A byte order mark before the first line is ignored.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fallrisk_assets.lake.origins import Origins, has_origin, without_origins
from fallrisk_assets.telemetry import parse_fast
from fallrisk_assets.telemetry.drops import DropName
from fallrisk_assets.telemetry.parse_parquet import parse_parquet_drop
from fallrisk_assets.telemetry.parse_strict import (
    Refusal,
    Sample,
    read_line,
    time_in_text,
)
from fallrisk_assets.telemetry.parsed import (
    COLUMNS,
    MAX_TEXTS,
    PAYLOAD_CHARS,
    BadLine,
    ParsedDrop,
    place_rows,
)
from fallrisk_assets.telemetry.reasons import Reason

__all__ = [
    "COLUMNS",
    "BadLine",
    "ParsedDrop",
    "parse_drop",
    "parse_drop_strictly",
    "parse_parquet_drop",
    "parse_pieces",
    "place_rows",
]

_BOM = b"\xef\xbb\xbf"
#: Lines are read in stretches that stay in the processor's cache.
_BUFFER_BYTES = 1 << 20

#: Columns in the order in which the compiled reader takes them: type, and shape of one slot.
_COLUMN_TYPES: dict[str, tuple[type, tuple[int, ...]]] = {
    "line_number": (np.int32, ()),
    "ts_us": (np.int64, ()),
    "seq": (np.int64, ()),
    "boot": (np.int32, ()),
    "accel_g": (np.float32, (3,)),
    "gyro_dps": (np.float32, (3,)),
    "has_gyro": (np.bool_, ()),
    "battery": (np.float32, ()),
    "codes": (np.int16, (4,)),
}


def parse_drop(data: bytes, name: DropName) -> ParsedDrop:
    """Read a drop's decompressed bytes: JSON Lines, or Parquet when its name says so.

    Raises:
        UnreadableDrop: a Parquet file that cannot be read; JSON Lines never raise.
    """
    return parse_pieces(lambda: (data,), name)


def parse_pieces(read: Callable[[], Iterable[bytes]], name: DropName) -> ParsedDrop:
    """Read a drop whose decompressed bytes come in pieces, cut anywhere.

    Args:
        read: Yields the pieces; called once more for a look at the first one, and for a drop of too many
            texts.
        name: What the drop's name says.

    Raises:
        UnreadableDrop: a Parquet file that cannot be read, or what `read` raises.
    """
    if name.format == "parquet":
        return parse_parquet_drop(b"".join(read()), name)
    if has_origin(next(iter(read()), b"")):
        content, origins = without_origins(b"".join(read()))
        return _with_origins(_parse_lines(lambda: (content,), name), origins)
    return _parse_lines(read, name)


def _with_origins(parsed: ParsedDrop, origins: Origins | None) -> ParsedDrop:
    """Return the lines of a log's drop; a bad one says where it came from."""
    if origins is None:
        return parsed
    bad_lines = []
    for bad in parsed.bad_lines:
        whence = origins.named(bad.line_number)
        bad_lines.append(replace(bad, detail=f"{bad.detail}; {whence}" if whence else bad.detail))
    return replace(parsed, origins=origins, bad_lines=bad_lines)


def _parse_lines(read: Callable[[], Iterable[bytes]], name: DropName) -> ParsedDrop:
    lines = _Lines()
    lines.read_template_lines(read())
    try:
        return lines.finish(name)
    except _TooManyTextsError:
        # Which lines are beyond the limit depends on the reading order: only the strict order counts.
        return parse_drop_strictly(b"".join(read()), name)


def parse_drop_strictly(data: bytes, name: DropName) -> ParsedDrop:
    """Read a JSON Lines drop line by line without the compiled reader: the reference that it must equal."""
    lines = _Lines()
    lines.leave_every_line(data)
    return lines.finish(name, refuse_beyond_limit=True)


class _WholeLines:
    """Pieces cut anywhere, given on as whole lines of about a megabyte, in one buffer that is used again.

    Each is followed by zeros as far as the compiled reader looks ahead.
    """

    def __init__(self) -> None:
        self._buffer = np.zeros(2 * _BUFFER_BYTES, np.uint8)
        self._filled = 0
        self._first = True

    def of(self, pieces: Iterable[bytes]) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield the buffer and where in it whole lines begin and end (the last one may lack its newline)."""
        complete = 0
        for piece in pieces:
            newline = piece.rfind(b"\n")
            if newline >= 0:
                complete = self._filled + newline + 1
            self._append(piece)
            if complete >= _BUFFER_BYTES:
                yield from self._give(complete)
                complete = 0
        yield from self._give(self._filled)

    def _append(self, piece: bytes) -> None:
        end = self._filled + len(piece)
        if end + parse_fast.MAX_LINE_BYTES > self._buffer.size:
            larger = np.zeros(2 * end + parse_fast.MAX_LINE_BYTES, np.uint8)
            larger[: self._filled] = self._buffer[: self._filled]
            self._buffer = larger
        self._buffer[self._filled : end] = np.frombuffer(piece, np.uint8)
        self._filled = end

    def _give(self, size: int) -> Iterator[tuple[np.ndarray, int, int]]:
        rest = self._buffer[size : self._filled].copy()
        self._buffer[size : size + parse_fast.MAX_LINE_BYTES] = 0
        marked = self._first and self._buffer[:size][: len(_BOM)].tobytes() == _BOM
        self._first = False
        yield self._buffer, len(_BOM) if marked else 0, size
        self._buffer[: rest.size] = rest
        self._filled = rest.size


class _Lines:
    """Output columns with one slot per line while a drop is being read."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {name: [] for name in _COLUMN_TYPES}
        #: Lines left to the strict reader: slot, number, bytes.
        self.left: list[tuple[int, int, bytes]] = []
        self.texts: list[list[str]] = [[], [], [], []]
        self.used = 0

    def _new_slots(self, n: int) -> list[np.ndarray]:
        return [
            np.empty((*shape, n) if name == "codes" else (n, *shape), kind)
            for name, (kind, shape) in _COLUMN_TYPES.items()
        ]

    def read_template_lines(self, pieces: Iterable[bytes]) -> None:
        """Fill the slots of all lines that fit the template."""
        kinds, width = parse_fast.MAX_TEXTS, parse_fast.MAX_TEXT_BYTES
        texts = np.zeros((4, kinds, width), np.uint8)
        lengths = np.zeros((4, kinds), np.int64)
        counts = np.zeros(4, np.int64)
        learnt = (texts, lengths, counts)
        number = 0
        for buffer, start, size in _WholeLines().of(pieces):
            n = int(parse_fast.count_newlines(buffer[:size])) + 1
            columns = self._new_slots(n)
            left = status, spans = np.empty(n, np.uint8), np.empty((n, 2), np.int64)
            _, number, used = parse_fast.read_lines(  # type: ignore[call-arg]
                buffer, start, size, size, number, 0, *learnt, *columns, *left
            )
            for slot in np.flatnonzero(status[:used] == parse_fast.SLOW).tolist():
                begin, end = spans[slot].tolist()
                self.left.append((self.used + slot, int(columns[0][slot]), buffer[begin:end].tobytes()))
            for name, column in zip(_COLUMN_TYPES, columns, strict=True):
                self.parts[name].append(column[..., :used] if name == "codes" else column[:used])
            self.used += int(used)
        self.texts = [
            [
                texts[kind, code, : lengths[kind, code]].tobytes().decode("ascii")
                for code in range(counts[kind])
            ]
            for kind in range(4)
        ]

    def leave_every_line(self, data: bytes) -> None:
        """Leave every non-blank line to the strict reader."""
        for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
            if line.strip(b" \t\r"):
                self.left.append((self.used, number, line))
                self.used += 1
        columns = self._new_slots(self.used)
        columns[0][:] = [number for _, number, _ in self.left]
        self.parts = {name: [column] for name, column in zip(_COLUMN_TYPES, columns, strict=True)}

    def _column(self, name: str) -> np.ndarray:
        """Return a column whole, and let go of its parts."""
        parts = self.parts.pop(name)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1 if name == "codes" else 0)

    def finish(self, name: DropName, refuse_beyond_limit: bool = False) -> ParsedDrop:
        """Read the lines left over, and give the columns."""
        columns: dict[str, Any] = {column: self._column(column) for column in _COLUMN_TYPES}
        bad, bad_lines = self._read_left_lines(columns, refuse_beyond_limit)
        kept: slice | np.ndarray = slice(0, self.used)
        if bad:
            good = np.ones(self.used, np.bool_)
            good[bad] = False
            kept = np.flatnonzero(good)
        coded = columns.pop("codes")
        codes, texts = zip(*(self._sort_texts(kind, coded[kind][kept]) for kind in range(4)), strict=True)
        return ParsedDrop(
            name=name,
            lines=self.used,
            **{column: values[kept] for column, values in columns.items()},
            device_code=codes[parse_fast.DEVICE],
            patient_code=codes[parse_fast.PATIENT],
            firmware_code=codes[parse_fast.FIRMWARE],
            position_code=codes[parse_fast.POSITION],
            devices=texts[parse_fast.DEVICE],
            patients=texts[parse_fast.PATIENT],
            firmwares=texts[parse_fast.FIRMWARE],
            positions=texts[parse_fast.POSITION],
            bad_lines=bad_lines,
        )

    def _read_left_lines(
        self, columns: Mapping[str, np.ndarray], refuse_beyond_limit: bool
    ) -> tuple[list[int], list[BadLine]]:
        bad: list[int] = []
        bad_lines: list[BadLine] = []
        good: list[int] = []
        samples: list[Sample] = []
        codes: list[tuple[int, ...]] = []
        known = [{text: code for code, text in enumerate(texts)} for texts in self.texts]
        # A device's lines share their texts: all four are looked up at once.
        seen: dict[tuple[str, ...], tuple[int, ...]] = {}
        for slot, number, line in self.left:
            try:
                sample = read_line(line)
                texts = sample[11:]
                if texts not in seen:
                    seen[texts] = tuple(
                        _code(learnt, text) for learnt, text in zip(known, texts, strict=True)
                    )
            except Refusal as refusal:
                if isinstance(refusal, _TooManyTextsError) and not refuse_beyond_limit:
                    raise
                bad.append(slot)
                bad_lines.append(_bad_line(number, refusal, line))
                continue
            good.append(slot)
            samples.append(sample)
            codes.append(seen[texts])
        self.texts = [list(texts) for texts in known]
        if good:
            read = list(zip(*samples, strict=True))
            for column, values in zip(("ts_us", "seq", "boot"), read[:3], strict=True):
                columns[column][good] = values
            columns["accel_g"][good] = np.array(read[3:6], np.float64).T
            columns["has_gyro"][good] = read[6]
            columns["gyro_dps"][good] = np.array(read[7:10], np.float64).T
            columns["battery"][good] = read[10]
            # The wire's order is device, patient, firmware, position in samples and in codes alike.
            columns["codes"][:, good] = np.array(codes, np.int16).T
        return bad, bad_lines

    def _sort_texts(self, kind: int, codes: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Codes of the kept rows into the sorted texts that they use, so that no reading order shows."""
        texts = self.texts[kind]
        if len(texts) == 1 and codes.size:
            return codes, texts
        in_use = np.bincount(codes, minlength=len(texts)) > 0
        ordered = sorted(text for text, used in zip(texts, in_use, strict=True) if used)
        rank = {text: code for code, text in enumerate(ordered)}
        return np.array([rank.get(text, 0) for text in texts], np.int16)[codes], ordered


class _TooManyTextsError(Refusal):
    """More different texts in one drop than codes."""


def _code(known: dict[str, int], text: str) -> int:
    code = known.get(text)
    if code is None:
        if len(known) >= MAX_TEXTS:
            raise _TooManyTextsError(
                Reason.VALUE_OUT_OF_RANGE, f"more than {MAX_TEXTS} different texts in one drop"
            )
        code = known[text] = len(known)
    return code


def _bad_line(number: int, refusal: Refusal, line: bytes) -> BadLine:
    # Four bytes a character at most; the cut may fall inside one.
    payload = line[: 4 * PAYLOAD_CHARS].decode("utf-8", errors="replace")[:PAYLOAD_CHARS]
    return BadLine(number, refusal.reason, refusal.detail, payload, time_in_text(line))
