"""Drops to columns: every line of a drop becomes a row or a bad line, never nothing.

Belongs here: the reading of JSON Lines, compiled where lines fit, strict where not. Does not belong here: what needs the assignment or other drops (`clean.py`), units (`units.py`).

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
    return slots.finish(name)


def parse_drop_strictly(data: bytes, name: DropName) -> ParsedDrop:
    """Read a JSON Lines drop line by line without the compiled reader: the reference that it must equal."""
    slots = _Slots(data)
    slots.leave_every_line()
    return slots.finish(name)


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
            first = slot
            _, line, slot = parse_fast.read_lines(end, 0, size - at, size - at, line, slot, *learnt, *columns)
            self.spans[first:slot] += at
        self.used = int(slot)
        for kind in range(4):
            self.texts[kind] = [
                texts[kind, code, : lengths[kind, code]].tobytes().decode("ascii")
                for code in range(counts[kind])
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

    def finish(self, name: DropName) -> ParsedDrop:
        """Read the lines left over, and give the columns."""
        bad, bad_lines = self._read_left_lines()
        devices, patients, firmwares, positions = (self._sort_texts(kind) for kind in range(4))
        kept: slice | np.ndarray = slice(0, self.used)
        if bad:
            kept = np.ones(self.used, np.bool_)
            kept[bad] = False
            kept = np.flatnonzero(kept)
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
            device_code=self.codes[0][kept],
            patient_code=self.codes[1][kept],
            firmware_code=self.codes[2][kept],
            position_code=self.codes[3][kept],
            devices=devices,
            patients=patients,
            firmwares=firmwares,
            positions=positions,
            bad_lines=bad_lines,
        )

    def _read_left_lines(self) -> tuple[list[int], list[BadLine]]:
        bad: list[int] = []
        bad_lines: list[BadLine] = []
        good: list[int] = []
        samples: list[Sample] = []
        codes: list[list[int]] = [[], [], [], []]
        known = [{text: code for code, text in enumerate(texts)} for texts in self.texts]
        for slot in np.flatnonzero(self.status[: self.used] == parse_fast.SLOW).tolist():
            begin, end = self.spans[slot].tolist()
            line = self.data[begin:end]
            try:
                sample = read_line(line)
                row_codes = [_code(known[kind], sample[11 + kind]) for kind in range(4)]
            except Refusal as refusal:
                bad.append(slot)
                bad_lines.append(_bad_line(int(self.line_number[slot]), refusal, line))
                continue
            good.append(slot)
            samples.append(sample)
            for kind in range(4):
                codes[kind].append(row_codes[kind])
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
            self.codes[:, good] = codes
        return bad, bad_lines

    def _sort_texts(self, kind: int) -> list[str]:
        """Sorted texts in use; rewrites the codes, so that no reading order shows in the result."""
        texts = self.texts[kind]
        ordered = sorted(texts)
        if ordered != texts:
            rank = {text: code for code, text in enumerate(ordered)}
            recode = np.array([rank[text] for text in texts], np.int16)
            row = self.codes[kind, : self.used]
            # Slots of bad lines hold no code yet.
            row[(row < 0) | (row >= len(texts))] = 0
            row[:] = recode[row]
        return ordered


def _code(known: dict[str, int], text: str) -> int:
    code = known.get(text)
    if code is None:
        if len(known) >= MAX_TEXTS:
            raise Refusal(
                Reason.VALUE_OUT_OF_RANGE,
                f"more than {MAX_TEXTS} different texts in one drop",
            )
        code = known[text] = len(known)
    return code


def _bad_line(number: int, refusal: Refusal, line: bytes) -> BadLine:
    # Four bytes a character at most; the cut may fall inside one.
    payload = line[: 4 * PAYLOAD_CHARS].decode("utf-8", errors="replace")[:PAYLOAD_CHARS]
    return BadLine(number, refusal.reason, refusal.detail, payload, time_in_text(line))
