"""A clinic's table of person-years: what was known of somebody on a day, and whether they fell after it.

Here: files, the map from the clinic's columns to ours, and which rows are refused why. Not here: what is
computed from them (`person_years.py`).

The map is a small TOML file:

    [columns]                  # our name = "their column"
    person_id = "ID"
    fell = "any_fall_12m"      # within 12 months after the index date: yes, no or a number of falls
    age_years = "age"
    walking_aid = "stick"

    [values.sex]               # their code = "our word", where they differ
    "1" = "male"
    "2" = "female"

Nothing is guessed and nothing is lost in silence: a cell that cannot be read refuses its row, with line and
column, and a cell that is empty or says so is unknown.
"""

import csv
import io
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fallrisk_assets.risk.index import Gait, History
from fallrisk_assets.risk.index_model import WAKING_MINUTES

HISTORY_FIELDS = tuple(History.__dataclass_fields__)
GAIT_FIELDS = tuple(Gait.__dataclass_fields__)
_COUNTS = ("falls_past_12_months", "medicine_count")
FIELDS = (
    *("person_id", "fell", "index_date", "follow_up_days", "age_years", "birth_date", "sex", "site"),
    *("probability_12m", *HISTORY_FIELDS, *GAIT_FIELDS),
)
_REQUIRED = ("person_id", "fell")

PERSON_MISSING, DUPLICATE_PERSON_YEAR = "PERSON_MISSING", "DUPLICATE_PERSON_YEAR"
OUTCOME_UNKNOWN, FOLLOW_UP_TOO_SHORT = "OUTCOME_UNKNOWN", "FOLLOW_UP_TOO_SHORT"
VALUE_UNREADABLE, LINE_UNREADABLE = "VALUE_UNREADABLE", "LINE_UNREADABLE"

#: Who did not fall must have been followed for a year but for two weeks of a last visit.
LEAST_FOLLOW_UP_DAYS = 351

_UNKNOWN = {"", "na", "n/a", "nan", "null", "none", "unknown", "missing", "?", "-", "."}
_YES = {"yes", "y", "true", "t", "present"}
_NO = {"no", "n", "false", "f", "absent"}


class MapRefused(ValueError):
    """The map does not fit: it names no such field or column, or leaves out a required one."""


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which column is what.

    Attributes:
        columns: Our field → their column.
        values: Our field → their code, in lower case → our word.
    """

    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class PersonYear:
    """One row that can be used: a person on a day and whether they fell in the 12 months after it."""

    line: int
    person_id: str
    fell: bool
    history: History
    gait: Gait
    age_years: int | None
    sex: str | None
    site: str | None
    probability_12m: float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row that was not used. The detail never holds a cell of the person's."""

    line: int
    reason: str
    detail: str


def read_map(path: Path) -> ColumnMap:
    """Read a map.

    Raises:
        MapRefused: it is no TOML, names a field that we do not know, or leaves out a required one.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MapRefused(f"{path}: not a TOML file: {error}") from error
    columns, values = found.get("columns", {}), found.get("values", {})
    unknown = sorted({*columns, *values} - set(FIELDS))
    if unknown:
        raise MapRefused(f"{path}: no field {', '.join(unknown)}; there are {', '.join(FIELDS)}")
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise MapRefused(f"{path}: [columns] must name a column for {', '.join(missing)}")
    spoken = {
        field: {str(code).strip().lower(): str(word) for code, word in words.items()}
        for field, words in values.items()
    }
    return ColumnMap({field: str(column) for field, column in columns.items()}, spoken)


def read_person_years(path: Path, columns: ColumnMap) -> tuple[list[PersonYear], list[Refusal]]:
    """Read a table and sort its rows into those that can be used and those that cannot.

    Args:
        path: CSV (comma, semicolon or tab; UTF-8) or Parquet.
        columns: See `read_map`.

    Returns:
        Person-years and refusals, each in the order of the file; together they are all of its rows.

    Raises:
        MapRefused: the table does not have a column that the map names.
        OSError, UnicodeDecodeError, pyarrow.ArrowInvalid: the file cannot be read at all.
    """
    header, rows = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    missing = sorted(set(columns.columns.values()) - set(header))
    if missing:
        raise MapRefused(f"{path}: no column {', '.join(missing)}; there are {', '.join(header)}")
    used: list[PersonYear] = []
    refused: list[Refusal] = []
    seen: dict[tuple[str, Any], int] = {}
    for line, cells in rows:
        if isinstance(cells, str):
            refused.append(Refusal(line, LINE_UNREADABLE, cells))
            continue
        row = _Row(columns, cells)
        try:
            found = _person_year(line, row, seen)
        except _Unreadable as error:
            found = Refusal(line, VALUE_UNREADABLE, str(error))
        if isinstance(found, Refusal):
            refused.append(found)
        else:
            used.append(found)
    return used, refused


def _csv(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any] | str]]]:
    text = path.read_text(encoding="utf-8-sig")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip() for name in next(reader, [])]

    def rows() -> Iterator[tuple[int, dict[str, Any] | str]]:
        for cells in reader:
            if not cells:
                continue  # csv's way to say "blank line"
            if len(cells) != len(header):
                yield reader.line_num, f"{len(cells)} cells, where the header has {len(header)}"
            else:
                yield reader.line_num, dict(zip(header, cells, strict=True))

    return header, rows()


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, Any] | str]]]:
    table = pq.read_table(path)
    return table.schema.names, iter(enumerate(table.to_pylist(), start=1))


class _Unreadable(ValueError):
    """A cell does not say what its column is for."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row's cells, read as what a field is."""

    map: ColumnMap
    cells: Mapping[str, Any]

    def cell(self, field: str) -> Any:
        """Return the cell in our words, None where it is unknown."""
        column = self.map.columns.get(field)
        value = self.cells[column] if column is not None else None
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if isinstance(value, str | bool | int | float):
            text = str(value).strip()
            value = self.map.values.get(field, {}).get(
                text.lower(), text if isinstance(value, str) else value
            )
        return None if isinstance(value, str) and value.lower() in _UNKNOWN else value

    def text(self, field: str) -> str | None:
        """Return a text."""
        value = self.cell(field)
        return None if value is None else str(value)

    def number(self, field: str) -> float | None:
        """Return a finite number; a decimal comma is read as a point."""
        value = self.cell(field)
        if value is None:
            return None
        try:
            number = float(value.replace(",", ".") if isinstance(value, str) else value)
        except (TypeError, ValueError):
            raise self._unreadable(field, "a number") from None
        if not math.isfinite(number):
            raise self._unreadable(field, "a finite number")
        return number

    def count(self, field: str) -> int | None:
        """Return a whole number of at least 0."""
        number = self.number(field)
        if number is None:
            return None
        if number < 0 or number != int(number):
            raise self._unreadable(field, "a whole number of 0 or more")
        return int(number)

    def flag(self, field: str) -> bool | None:
        """Return yes or no; a number above 0 is yes."""
        value = self.cell(field)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _YES | _NO:
            return value.lower() in _YES
        try:
            return bool(self.count(field))
        except _Unreadable:
            raise self._unreadable(field, "yes or no") from None

    def day(self, field: str) -> date | None:
        """Return a date (ISO 8601)."""
        value = self.cell(field)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        try:
            return value.date() if isinstance(value, datetime) else date.fromisoformat(str(value)[:10])
        except ValueError:
            raise self._unreadable(field, "a date such as 2026-01-31") from None

    def _unreadable(self, field: str, wanted: str) -> _Unreadable:
        return _Unreadable(f"column {self.map.columns[field]} ({field}) is not {wanted}")


def _person_year(line: int, row: _Row, seen: dict[tuple[str, Any], int]) -> PersonYear | Refusal:
    person, index_date = row.text("person_id"), row.day("index_date")
    if person is None:
        return Refusal(line, PERSON_MISSING, "nobody can tell whose row this is")
    if (person, index_date) in seen:
        return Refusal(
            line, DUPLICATE_PERSON_YEAR, f"same person and date as line {seen[person, index_date]}"
        )
    seen[person, index_date] = line
    fell, followed = row.flag("fell"), row.number("follow_up_days")
    if fell is None:
        return Refusal(line, OUTCOME_UNKNOWN, "whether the person fell is not known")
    if not fell and followed is not None and followed < LEAST_FOLLOW_UP_DAYS:
        return Refusal(
            line, FOLLOW_UP_TOO_SHORT, f"no fall in {followed:g} days: the rest of the year is open"
        )
    answers: dict[str, Any] = {
        name: row.count(name) if name in _COUNTS else row.flag(name) for name in HISTORY_FIELDS
    }
    measures = {name: row.number(name) for name in GAIT_FIELDS}
    if "wear_minutes" not in row.map.columns:
        measures["wear_minutes"] = WAKING_MINUTES
    wear = measures.pop("wear_minutes")
    probability = row.number("probability_12m")
    if probability is not None and not 0.0 < probability < 1.0:
        raise _Unreadable(f"column {row.map.columns['probability_12m']} is not between 0 and 1")
    return PersonYear(
        line,
        person,
        fell,
        History(**answers),
        Gait(wear_minutes=0.0 if wear is None else wear, **measures),
        _age(row, index_date),
        row.text("sex"),
        row.text("site"),
        probability,
    )


def _age(row: _Row, index_date: date | None) -> int | None:
    """Age as given, else from the date of birth where the index date is known too."""
    given, born = row.number("age_years"), row.day("birth_date")
    if given is not None:
        return int(given)
    if born is None or index_date is None:
        return None
    return index_date.year - born.year - ((index_date.month, index_date.day) < (born.month, born.day))


def fields_of(columns: ColumnMap, among: Sequence[str]) -> list[str]:
    """Return which of some fields the map has."""
    return [name for name in among if name in columns.columns]
