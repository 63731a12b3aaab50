"""Reading one of the clinic's CSV files line by line, so that a bad line costs that line and no more.

Here: bytes to records with line numbers, the header's names, and the reading of single cells. Not here:
what a row of a certain file means (`identity.py`).

A record never spans lines: with multi-line quoting, one stray quote would swallow every line up to the next.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_NEEDS_CSV = ('"', "\r", "\n", "\x00")
"""Characters that mean more to CSV than themselves, the comma apart."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Refusal:
    """A line that is not taken over: where it stands, why, and what it said."""

    line: int
    reason: str
    detail: str
    payload: str
    patient_id: str | None = None


class CellError(ValueError):
    """A cell that does not hold what its column promises.

    Args:
        reason: the reason code for the quarantine.
        detail: what was wrong, without the person's data.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Record:
    """One line of the file: its number (the header is line 1), its raw text, and its cells by column."""

    line: int
    payload: str
    cells: Mapping[str, str]


def read_records(
    data: bytes, required: Sequence[str], aliases: Mapping[str, str]
) -> tuple[list[Record], list[Refusal]]:
    """Split a CSV file into records and the lines that are none.

    Args:
        data: the file as received; UTF-8, a byte order mark is allowed, lines end in LF or CRLF.
        required: columns without which no line of the file can be read. Others are ignored or optional.
        aliases: other spellings of column names, after lower-casing and replacing blanks by underscores.

    Returns:
        The records in file order, and the refusals: a line that is not UTF-8 or not CSV costs that line
        (LINE_NOT_CSV, FIELD_COUNT_WRONG); a header that cannot be used costs the file (FILE_UNREADABLE,
        COLUMN_MISSING), told on line 0.
    """
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    header = _cells_of(lines[0]) if lines else None
    if header is None or not any(cell.strip() for cell in header):
        return [], [Refusal(0, "FILE_UNREADABLE", "no header line in UTF-8; send the file again", "")]
    columns = [_column_name(cell, aliases) for cell in header]
    missing = sorted(set(required) - set(columns))
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if missing or doubled:
        named = f"missing {', '.join(missing)}" if missing else f"twice {', '.join(doubled)}"
        detail = f"columns {named}; mend the header and send the file again"
        return [], [Refusal(0, "COLUMN_MISSING" if missing else "FILE_UNREADABLE", detail, "")]
    records: list[Record] = []
    refusals: list[Refusal] = []
    for number, raw in enumerate(lines[1:], start=2):
        payload = raw.rstrip(b"\r").decode("utf-8", errors="backslashreplace")
        if not payload.strip():
            continue
        cells = _cells_of(raw)
        if cells is None:
            detail = "not UTF-8, or a quote that is never closed; mend the line"
            refusals.append(Refusal(number, "LINE_NOT_CSV", detail, payload))
        elif len(cells) != len(columns):
            detail = f"{len(cells)} fields where the header has {len(columns)}"
            refusals.append(Refusal(number, "FIELD_COUNT_WRONG", detail, payload))
        else:
            stripped = (cell.strip() for cell in cells)
            records.append(Record(number, payload, dict(zip(columns, stripped, strict=True))))
    return records, refusals


def header_columns(data: bytes, aliases: Mapping[str, str]) -> frozenset[str]:
    """Return the columns that a CSV file's header names; none where it cannot be read.

    Args:
        data: the file as received.
        aliases: other spellings of column names, as `read_records` takes them.
    """
    header = _cells_of(data.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]) or []
    return frozenset(_column_name(cell, aliases) for cell in header)


def _cells_of(raw: bytes) -> list[str] | None:
    try:
        text = raw.rstrip(b"\r").decode("utf-8")
        if text and len(text) <= csv.field_size_limit() and not any(one in text for one in _NEEDS_CSV):
            return text.split(",")  # what the reader would do, at a tenth of its price
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return rows[0] if len(rows) == 1 and "\x00" not in text else None


def _column_name(cell: str, aliases: Mapping[str, str]) -> str:
    name = re.sub(r"[\s\-]+", "_", cell.strip().lower())
    return aliases.get(name, name)


class Cells:
    """Typed reading of one record's cells; a cell that cannot be read raises `CellError`."""

    def __init__(self, record: Record) -> None:
        self._cells = record.cells

    def optional_text(self, column: str) -> str | None:
        """Return the cell, or None when it is empty or the file has no such column."""
        return self._cells.get(column) or None

    def text(self, column: str) -> str:
        """Return the cell; an empty one is FIELD_MISSING."""
        value = self.optional_text(column)
        if value is None:
            raise CellError("FIELD_MISSING", f"{column} is empty")
        return value

    def matching(self, column: str, pattern: str) -> str:
        """Return the cell if the whole of it matches, otherwise ID_INVALID."""
        value = self.text(column)
        if re.fullmatch(pattern, value) is None:
            raise CellError("ID_INVALID", f"{column} does not look like {pattern}")
        return value

    def one_of(self, column: str, allowed: Sequence[str], aliases: Mapping[str, str] | None = None) -> str:
        """Return the cell, lower-cased, if it is one of the allowed words, otherwise VALUE_INVALID."""
        word = self.text(column).lower()
        word = (aliases or {}).get(word, word)
        if word not in allowed:
            raise CellError("VALUE_INVALID", f"{column} is none of {', '.join(allowed)}")
        return word

    def choice(self, column: str, allowed: Sequence[str], aliases: Mapping[str, str] | None = None) -> str:
        """Return the allowed word that the cell is, whatever its case, otherwise VALUE_INVALID."""
        by_lower = {word.lower(): word for word in allowed} | dict(aliases or {})
        found = by_lower.get(self.text(column).lower())
        if found is None:
            raise CellError("VALUE_INVALID", f"{column} is none of {', '.join(allowed)}")
        return found

    def optional_choice(
        self, column: str, allowed: Sequence[str], aliases: Mapping[str, str] | None = None
    ) -> str | None:
        """Return the allowed word that the cell is, or None when it is empty."""
        return None if self.optional_text(column) is None else self.choice(column, allowed, aliases)

    def optional_matching(self, column: str, pattern: str) -> str | None:
        """Return the cell if the whole of it matches, or None when it is empty."""
        return None if self.optional_text(column) is None else self.matching(column, pattern)

    def short_text(self, column: str, longest: int) -> str | None:
        """Return a text of at most so many characters, None when it is empty, otherwise VALUE_INVALID."""
        value = self.optional_text(column)
        if value is not None and len(value) > longest:
            raise CellError("VALUE_INVALID", f"{column} is longer than {longest} characters")
        return value

    def day(self, column: str) -> date:
        """Return an ISO date (YYYY-MM-DD), otherwise DATE_INVALID."""
        value = self.text(column)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is None:
            raise CellError("DATE_INVALID", f"{column} is not a date YYYY-MM-DD")
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise CellError("DATE_INVALID", f"{column} is not a day of the calendar") from error

    def instant(self, column: str) -> datetime:
        """Return an ISO 8601 time with its offset, in UTC, otherwise TIME_INVALID."""
        try:
            value = datetime.fromisoformat(self.text(column))
        except ValueError as error:
            if isinstance(error, CellError):
                raise
            raise CellError("TIME_INVALID", f"{column} is not an ISO 8601 time") from error
        if value.tzinfo is None:
            raise CellError("TIME_INVALID", f"{column} names no offset from UTC; write it with Z")
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            raise CellError("TIME_INVALID", f"{column} is out of the calendar's range") from error

    def optional_instant(self, column: str) -> datetime | None:
        """Return the time, or None when the cell is empty."""
        return None if self.optional_text(column) is None else self.instant(column)

    def optional_flag(self, column: str) -> bool | None:
        """Return yes or no, None when the cell is empty (unknown), otherwise VALUE_INVALID."""
        value = self.optional_text(column)
        if value is None:
            return None
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise CellError("VALUE_INVALID", f"{column} is neither true nor false")

    def optional_count(self, column: str, most: int) -> int | None:
        """Return a whole number from 0 to `most`, or None when the cell is empty."""
        value = self._number(column, r"-?[0-9]{1,9}")
        return None if value is None else int(_between(column, value, most))

    def optional_quantity(self, column: str, most: float) -> float | None:
        """Return a number from 0 to `most`, or None when the cell is empty."""
        value = self._number(column, r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
        return None if value is None else _between(column, value, most)

    def _number(self, column: str, pattern: str) -> float | None:
        value = self.optional_text(column)
        if value is None:
            return None
        if re.fullmatch(pattern, value) is None:
            raise CellError("VALUE_INVALID", f"{column} is not a number")
        return float(value)

    def time_zone(self, column: str) -> str:
        """Return the name of an IANA time zone, otherwise TIME_ZONE_UNKNOWN."""
        name = self.text(column)
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise CellError("TIME_ZONE_UNKNOWN", f"{column} is not an IANA zone") from error
        return name


def _between(column: str, value: float, most: float) -> float:
    if not 0 <= value <= most:
        raise CellError("VALUE_OUT_OF_RANGE", f"{column} is not between 0 and {most}")
    return value


def microseconds(instant: datetime) -> int:
    """Return the microseconds since 1970-01-01T00:00Z of a time with zone, exactly."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def each_row(
    records: Sequence[Record], read: Callable[[Cells], dict[str, Any]], patient_column: str
) -> tuple[list[tuple[Record, dict[str, Any]]], list[Refusal]]:
    """Read every record with `read`, setting aside those in which a cell is refused."""
    rows: list[tuple[Record, dict[str, Any]]] = []
    refusals: list[Refusal] = []
    for record in records:
        try:
            rows.append((record, read(Cells(record))))
        except CellError as refused:
            refusals.append(refusal(record, refused.reason, refused.detail, patient_column))
    return rows, refusals


def refusal(record: Record, reason: str, detail: str, patient_column: str) -> Refusal:
    """Return the refusal of a record, naming the patient that it speaks of."""
    return Refusal(record.line, reason, detail, record.payload, record.cells.get(patient_column) or None)
