"""Pre-aggregated cubes: what a page needs to filter by itself, as a few bytes of text.

Belongs here: the query of a cube, and how its rows are packed into a page. Does not belong here: which cubes
a page has (`operations.py`, `worklist.py`), the adding up under a filter (`static/cube.js`).

A measure is an aggregate that adds up: sums and counts. Numbers with decimals travel as whole numbers with a
scale, so that the browser adds without rounding and comes to what the warehouse comes to.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

_COMPRESSION = 6


@dataclass(frozen=True)
class Source:
    """A view with the columns by which a page filters and groups it.

    Attributes:
        view: name.
        day_column: column that says to which day a row belongs.
        dimensions: column by the name that the page calls it.
    """

    view: str
    day_column: str
    dimensions: Mapping[str, str]


class Measures:
    """Aggregates of a cube, each once however often it is asked for."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, sql: str | None) -> int | None:
        """Return the number of an aggregate's column; None for none."""
        return None if sql is None else self._numbers.setdefault(sql, len(self._numbers))

    def select(self) -> str:
        """Return the aggregates as a select list: m0, m1 and so on."""
        return ", ".join(f"{sql} AS m{number}" for sql, number in self._numbers.items())

    def __len__(self) -> int:
        return len(self._numbers)


def read_cube(
    connection: duckdb.DuckDBPyConnection, source: Source, measures: Measures, first: date, last: date
) -> dict[str, Any]:
    """Return a cube by day and the source's dimensions, ready for `packed`.

    Args:
        connection: the warehouse.
        source: view and dimensions.
        measures: at least one.
        first: first day.
        last: last day.

    Returns:
        `day`: days after the first; `dimensions`: names (sorted, null where not known) and codes;
        `measures`: scale and scaled whole numbers (floats where the column is one), in the order of numbers.
    """
    names = ", ".join(source.dimensions.values())
    rows = connection.sql(
        f"SELECT CAST({source.day_column} - CAST(? AS DATE) AS INTEGER) AS day, {names}, {measures.select()} "
        f"FROM {source.view} WHERE {source.day_column} BETWEEN ? AND ? "
        f"GROUP BY {source.day_column}, {names} ORDER BY day, {names}",
        params=[first, first, last],
    ).to_arrow_table()
    return {
        "day": rows["day"].to_pylist(),
        "dimensions": {name: _coded(rows[column].to_pylist()) for name, column in source.dimensions.items()},
        "measures": [_whole(rows[f"m{number}"]) for number in range(len(measures))],
    }


def packed(content: Any) -> str:
    """Return content as base64 of zlib of JSON; the same content gives the same text.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(content, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), _COMPRESSION)).decode()


def unpacked(text: str) -> Any:
    """Return what was packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def _coded(values: Sequence[str | None]) -> dict[str, Any]:
    names = sorted({*values}, key=lambda name: (name is None, name or ""))
    codes = {name: code for code, name in enumerate(names)}
    return {"names": names, "codes": [codes[value] for value in values]}


def _whole(column: pa.ChunkedArray) -> dict[str, Any]:
    """Return a column as whole numbers by a power of ten; null is what nobody measured."""
    values = column.to_pylist()
    if pa.types.is_decimal(column.type):
        places = column.type.scale
        return {"places": places, "values": [None if v is None else int(v.scaleb(places)) for v in values]}
    return {"places": 0, "values": values}
