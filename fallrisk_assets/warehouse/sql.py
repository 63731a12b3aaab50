"""A prompt on the warehouse's snapshot: `python -m fallrisk_assets.warehouse.sql`, or `make sql`.

Here: reading statements and printing tables. The snapshot is opened to read, and nothing outside it can be
reached, so whatever is typed here a writer neither waits nor is changed.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import duckdb

from fallrisk_assets.warehouse.resource import Warehouse, open_snapshot

_MOST_ROWS = 200
_TABLES = """
SELECT t.table_name AS name, CASE t.table_type WHEN 'VIEW' THEN 'view' ELSE 'table' END AS kind,
    SUM(l.rows) AS rows
FROM information_schema.tables AS t
LEFT JOIN partition_ledger AS l ON l.table_name = 'warehouse.' || t.table_name
WHERE t.table_schema = 'main' AND t.table_name <> 'applied_schema'
GROUP BY t.table_name, t.table_type
ORDER BY kind, name
"""
_HELP = "A statement ends with a semicolon. `.tables` lists tables and views, `.quit` leaves."


def run_statement(connection: duckdb.DuckDBPyConnection, statement: str, layout: str, out: TextIO) -> bool:
    """Run one statement, print its result, and tell whether it succeeded.

    Args:
        connection: the snapshot.
        statement: SQL, or `.tables`.
        layout: table, csv or json (a line for each row).
        out: where to print; what DuckDB refuses is printed there too.
    """
    try:
        found = connection.sql(_TABLES if statement.strip() == ".tables" else statement)
        if found is None:
            return True
        if layout == "table":
            rows = found.limit(_MOST_ROWS + 1).fetchall()
            out.write(render(found.columns, rows[:_MOST_ROWS]))
            if len(rows) > _MOST_ROWS:
                out.write(f"(the first {_MOST_ROWS} rows; --format csv shows all)\n")
        elif layout == "csv":
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(found.columns)
            writer.writerows(found.fetchall())
        else:
            for row in found.fetchall():
                named = zip(found.columns, row, strict=True)
                out.write(json.dumps(dict(named), default=str, ensure_ascii=False) + "\n")
    except duckdb.Error as error:
        out.write(f"{error}\n")
        return False
    return True


def render(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a text table; null is shown as NULL, numbers are set to the right."""
    body = [["NULL" if value is None else _shown(value) for value in row] for row in rows]
    right = [all(_is_number(row[i]) for row in body) and bool(body) for i in range(len(columns))]
    widths = [max(map(len, [name, *(row[i] for row in body)])) for i, name in enumerate(columns)]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return " │ ".join(padded).rstrip()

    rule = "─┼─".join("─" * width for width in widths)
    count = f"({len(body)} row{'' if len(body) == 1 else 's'})"
    return "\n".join([line(columns), rule, *map(line, body), count, ""])


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).replace("\n", " ")


def _is_number(cell: str) -> bool:
    return cell == "NULL" or cell.replace(".", "", 1).lstrip("-").isdigit()


def _prompt(connection: duckdb.DuckDBPyConnection, layout: str) -> None:
    """Read statements from a person until the end of input."""
    sys.stdout.write(_HELP + "\n")
    pending = ""
    while True:
        try:
            typed = input("sql> " if not pending else "...> ")
        except EOFError:
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            pending = ""
            continue
        if not pending and typed.strip() in (".quit", ".exit"):
            return
        pending += typed + "\n"
        if pending.strip() == ".tables" or pending.rstrip().endswith(";"):
            run_statement(connection, pending, layout, sys.stdout)
            pending = ""
        elif not pending.strip():
            pending = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the snapshot and answer: a prompt, `-c SQL`, or statements from standard input.

    Returns:
        0; 1 where a statement failed; 2 where there is no snapshot.
    """
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.warehouse.sql", description=__doc__)
    parser.add_argument("-c", "--command", help="statements to run instead of a prompt")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    parser.add_argument("--snapshot", type=Path, help="another snapshot than the newest of the data folder")
    options = parser.parse_args(arguments)
    try:
        with open_snapshot(options.snapshot or Warehouse().snapshot_path) as connection:
            if options.command is None and sys.stdin.isatty():
                _prompt(connection, options.format)
                return 0
            text = sys.stdin.read() if options.command is None else options.command
            if text.strip() == ".tables":
                return 0 if run_statement(connection, ".tables", options.format, sys.stdout) else 1
            statements = [one.query for one in connection.extract_statements(text)]
            good = [run_statement(connection, one, options.format, sys.stdout) for one in statements]
            return 0 if all(good) else 1
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except duckdb.Error as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
