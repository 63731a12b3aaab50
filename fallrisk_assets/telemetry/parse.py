"""Drops to columns: every line of a drop becomes a row or a bad line, never nothing.

Belongs here: JSON Lines, compiled where lines fit the template, strict where not. Does not belong here:
what needs the assignment or other drops (`clean.py`), units (`units.py`).

A line that holds only spaces, tabs and carriage returns is blank: it has a line number but is no line
received. A byte order mark before the first line is ignored.
"""

import numpy as np

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
    "place_rows",
]

_BOM = b"\xef\xbb\xbf"


def parse_drop(data: bytes, name: DropName) -> ParsedDrop:
    """Read a drop's decompressed bytes: JSON Lines, or Parquet when its name says so.

    Raises:
        UnreadableDrop: a Parquet file that cannot be read; JSON Lines never raise.
    """
    if name.format == "parquet":
        return parse_parquet_drop(data, name)
    slots = _Slots(data)
    slots.read_template_lines()
    try:
        return slots.finish(name)
    except _TooManyTextsError:
        # Which lines are beyond the limit depends on the reading order: only the strict order counts.
        return parse_drop_strictly(data, name)


def parse_drop_strictly(data: bytes, name: DropName) -> ParsedDrop:
    """Read a JSON Lines drop line by line without the compiled reader: the reference that it must equal."""
    slots = _Slots(data)
    slots.leave_every_line()
    return slots.finish(name, refuse_beyond_limit=True)


class _Slots:
    """Output columns with one slot per line while a drop is being read."""

    def __init__(self, data: bytes):
        self.data = data
        self.start = len(_BOM) if data.startswith(_BOM) else 0
        self.raw = np.frombuffer(data, dtype=np.uint8)
        n = int(parse_fast.count_newlines(self.raw)) + 1
        self.line_number = np.empty(n, np.int32)
        self.ts_us = np.empty(n, np.int64)
        self.seq = np.empty(n, np.int64)
        self.boot = np.empty(n, np.int32)
        self.accel = np.empty((n, 3), np.float32)
        self.gyro = np.empty((n, 3), np.float32)
        self.has_gyro = np.empty(n, np.bool_)
        self.battery = np.empty(n, np.float32)
        self.codes = np.empty((4, n), np.int16)
        self.status = np.empty(n, np.uint8)
        self.spans = np.empty((n, 2), np.int64)
        self.texts: list[list[str]] = [[], [], [], []]
        self.used = 0

    def read_template_lines(self) -> None:
        """Fill the slots of all lines that fit the template."""
        kinds, width = parse_fast.MAX_TEXTS, parse_fast.MAX_TEXT_BYTES
        texts = np.zeros((4, kinds, width), np.uint8)
        lengths = np.zeros((4, kinds), np.int64)
        counts = np.zeros(4, np.int64)
        learnt = (texts, lengths, counts)
        columns = (
            self.line_number,
            self.ts_us,
            self.seq,
            self.boot,
            self.accel,
            self.gyro,
            self.has_gyro,
            self.battery,
            self.codes,
            self.status,
            self.spans,
        )
        size = self.raw.size
        reach = parse_fast.MAX_LINE_BYTES
        at, line, slot = parse_fast.read_lines(
            self.raw,
            self.start,
            max(self.start, size - reach),
            size,
            0,
            0,
            *learnt,
            *columns,
        )
        if at < size:
            # The last lines are read from a padded copy, so that the reader need not look for the end.
            end = np.zeros(size - at + reach, np.uint8)
            end[: size - at] = self.raw[at:]
            # As the drop's own bytes are, or the reader would be compiled twice.
            end.flags.writeable = False
            first = slot
            _, line, slot = parse_fast.read_lines(end, 0, size - at, size - at, line, slot, *learnt, *columns)
            self.spans[first:slot] += at
        self.used = int(slot)
        self.texts = [
            [
                texts[kind, code, : lengths[kind, code]].tobytes().decode("ascii")
                for code in range(counts[kind])
            ]
            for kind in range(4)
        ]

    def leave_every_line(self) -> None:
        """Leave every non-blank line to the strict reader."""
        at, slot = self.start, 0
        for number, line in enumerate(self.data[self.start :].split(b"\n"), start=1):
            if line.strip(b" \t\r"):
                self.line_number[slot] = number
                self.status[slot] = parse_fast.SLOW
                self.spans[slot] = at, at + len(line)
                slot += 1
            at += len(line) + 1
        self.used = slot

    def finish(self, name: DropName, refuse_beyond_limit: bool = False) -> ParsedDrop:
        """Read the lines left over, and give the columns."""
        bad, bad_lines = self._read_left_lines(refuse_beyond_limit)
        kept: slice | np.ndarray = slice(0, self.used)
        if bad:
            good = np.ones(self.used, np.bool_)
            good[bad] = False
            kept = np.flatnonzero(good)
        codes, texts = zip(*(self._sort_texts(kind, kept) for kind in range(4)), strict=True)
        return ParsedDrop(
            name=name,
            lines=self.used,
            line_number=self.line_number[kept],
            ts_us=self.ts_us[kept],
            seq=self.seq[kept],
            boot=self.boot[kept],
            accel_g=self.accel[kept],
            gyro_dps=self.gyro[kept],
            has_gyro=self.has_gyro[kept],
            battery=self.battery[kept],
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

    def _read_left_lines(self, refuse_beyond_limit: bool) -> tuple[list[int], list[BadLine]]:
        bad: list[int] = []
        bad_lines: list[BadLine] = []
        good: list[int] = []
        samples: list[Sample] = []
        codes: list[tuple[int, ...]] = []
        known = [{text: code for code, text in enumerate(texts)} for texts in self.texts]
        # A device's lines share their texts: all four are looked up at once.
        seen: dict[tuple[str, ...], tuple[int, ...]] = {}
        left = np.flatnonzero(self.status[: self.used] == parse_fast.SLOW)
        numbers = self.line_number[left].tolist()
        for slot, number, (begin, end) in zip(left.tolist(), numbers, self.spans[left].tolist(), strict=True):
            line = self.data[begin:end]
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
            columns = list(zip(*samples, strict=True))
            self.ts_us[good] = columns[0]
            self.seq[good] = columns[1]
            self.boot[good] = columns[2]
            self.accel[good] = np.array(columns[3:6], np.float64).T
            self.has_gyro[good] = columns[6]
            self.gyro[good] = np.array(columns[7:10], np.float64).T
            self.battery[good] = columns[10]
            # The wire's order is device, patient, firmware, position in samples and in codes alike.
            self.codes[:, good] = np.array(codes, np.int16).T
        return bad, bad_lines

    def _sort_texts(self, kind: int, kept: slice | np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Codes of the kept rows into the sorted texts that they use, so that no reading order shows."""
        texts, codes = self.texts[kind], self.codes[kind][kept]
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
