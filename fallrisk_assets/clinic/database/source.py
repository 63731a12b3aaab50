"""Asking the clinic's database: one read-only moment of it, view by view.

Here: the connection, and rows as texts of a drop. Not here: what is asked for (`pull.py`), the agreement
(`agreed.py`).
"""

import csv
import datetime as dt
import io
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fallrisk_assets.clinic.database.agreed import View
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.secrets import revealed

DATABASE_VARIABLE = "FALLRISK_CLINIC_DATABASE"
PASSWORD_VARIABLE = "FALLRISK_CLINIC_DATABASE_PASSWORD"
RESOURCE = "clinic_database"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_CONNECT_TIMEOUT_S = 10
_STATEMENT_TIMEOUT_S = 600
_PIECE_ROWS = 2_000
_COLUMNS = """
SELECT table_name, column_name, udt_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = ANY(%s) ORDER BY table_name, ordinal_position
"""


class DatabaseUnavailable(ConnectionError):
    """The clinic's database does not answer, or stopped answering: a later pull goes on from here."""


class Database:
    """One moment of the clinic's database: all views are read as they were at the same time.

    Args:
        connection: Of psycopg2, in a read-only transaction.
        schema: In which the views are.
    """

    def __init__(self, connection: Any, schema: str) -> None:
        self._connection = connection
        self._schema = schema

    def columns(self, views: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return PostgreSQL's type of each column of each view; a view that is not there has none."""
        found: dict[str, dict[str, str]] = {name: {} for name in views}
        with self._connection.cursor() as cursor:
            cursor.execute(_COLUMNS, [self._schema, list(views)])
            for view, column, kind in cursor.fetchall():
                found[view][column] = kind
        return found

    def rows(
        self, view: View, columns: Sequence[str], since: dt.datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield rows of a view by time of change and key, a piece at a time.

        Args:
            view: The view.
            columns: Which of its columns.
            since: Only rows changed then or later.
        """
        from psycopg2 import sql

        order = [*([view.changed_at] if view.changed_at else []), *view.key]
        query = sql.SQL("SELECT {columns} FROM {view}{where} ORDER BY {order}").format(
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            view=sql.Identifier(self._schema, view.name),
            where=sql.SQL(" WHERE {} >= %s").format(sql.Identifier(view.changed_at))
            if since is not None and view.changed_at
            else sql.SQL(""),
            order=sql.SQL(", ").join(map(sql.Identifier, order)),
        )
        with self._connection.cursor(name=f"fallrisk_{uuid.uuid4().hex}") as cursor:
            cursor.itersize = _PIECE_ROWS
            cursor.execute(query, [] if since is None else [since])
            for row in cursor:
                yield dict(zip(columns, row, strict=True))


@contextmanager
def opened_database(address: str, password: str, schema: str) -> Iterator[Database]:
    """Connect, and hold one moment of the database until the block ends.

    Args:
        address: `postgresql://user@host:5432/database`, options of libpq after a `?`.
        password: Of the user, or a reference to it.
        schema: In which the views are.

    Raises:
        Misconfigured: the address is none, has a password, or would carry people's data in clear; the
            database does not take the password; the driver is not installed.
        DatabaseUnavailable: it does not answer, or stopped answering.
    """
    look_at(address)
    try:
        import psycopg2
    except ImportError as error:
        what = "needs the driver psycopg2: pip install psycopg2-binary"
        raise Misconfigured(RESOURCE, DATABASE_VARIABLE, what) from error
    secret = revealed(password, RESOURCE, PASSWORD_VARIABLE)
    parts = urlsplit(address)
    said_how = "sslmode" in parse_qs(parts.query) or parts.hostname in _LOOPBACK
    mode = {} if said_how else {"sslmode": "require"}
    try:
        connection = psycopg2.connect(
            address, password=secret, connect_timeout=_CONNECT_TIMEOUT_S, application_name="fallrisk", **mode
        )
    except psycopg2.OperationalError as error:
        said = str(error).strip()
        if "authentication failed" in said or "does not exist" in said or "no password" in said:
            variable = PASSWORD_VARIABLE if "password" in said else DATABASE_VARIABLE
            raise Misconfigured(RESOURCE, variable, said) from error
        raise DatabaseUnavailable(f"{RESOURCE}: {said}; pull again later, it goes on from here") from error
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout TO {1000 * _STATEMENT_TIMEOUT_S}")
            cursor.execute("SET timezone TO 'UTC'")
        yield Database(connection, schema)
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        said = str(error).strip()
        raise DatabaseUnavailable(f"{RESOURCE}: {said}; pull again later, it goes on from here") from error
    finally:
        connection.close()


def look_at(address: str) -> None:
    """Look at an address.

    Raises:
        Misconfigured: it is none, has a password in it, or would carry people's data in clear.
    """
    parts = urlsplit(address)
    if parts.scheme != "postgresql" or not parts.hostname or not parts.path.strip("/"):
        what = (
            f"{parts._replace(netloc='…').geturl()!r} is no address such as postgresql://user@host/database"
        )
        raise Misconfigured(RESOURCE, DATABASE_VARIABLE, what)
    options = parse_qs(parts.query)
    if elsewhere := sorted(options.keys() & {"host", "hostaddr", "service"}):
        what = f"{', '.join(elsewhere)} after the ? would lead elsewhere; name the host before it"
        raise Misconfigured(RESOURCE, DATABASE_VARIABLE, what)
    if parts.password or "password" in options:
        what = f"a password in the address is seen in logs; put it into {PASSWORD_VARIABLE}"
        raise Misconfigured(RESOURCE, DATABASE_VARIABLE, what)
    mode = options.get("sslmode", ["require"])[0]
    if mode not in _ENCRYPTED and parts.hostname not in _LOOPBACK:
        what = f"sslmode={mode} would send people's data in clear; use verify-full, or require"
        raise Misconfigured(RESOURCE, DATABASE_VARIABLE, what)


def as_csv(columns: Sequence[str], rows: Iterator[Mapping[str, Any]]) -> bytes:
    """Return rows as a CSV file of the clinic's."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if (value := _plain(row[name])) is None else _word(value) for name in columns])
    return text.getvalue().encode()


def as_line(row: Mapping[str, Any]) -> str:
    """Return a row as a line of JSON."""
    return json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, uuid.UUID) else value


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
