"""A connection to Redshift: its address, one transaction, and rows as Arrow.

Here: what the driver (psycopg2, as in dagster-aws) needs to be told. Not here: what is said (`redshift.py`).
"""

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa

_PORT = 5439
_SCHEMES = ("redshift", "postgresql")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONNECT_TIMEOUT_S = 10
#: What a driver's description calls a type; what is not here is taken as it comes.
_ARROW: dict[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    25: pa.string(),
    700: pa.float32(),
    701: pa.float64(),
    1043: pa.string(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
}
_MARK = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|[?%]")
#: Errors that mean that another transaction came first, be it in making the same table: begin anew.
_CONFLICTS = ("40001", "40P01", "42P06", "42P07", "23505")
_CONFLICT_OF_REDSHIFT = "Serializable isolation violation"
_TIMED_OUT = "57014"
_REFUSED = "authentication failed"


class RedshiftUnreachable(ConnectionError):
    """Redshift does not answer, or stopped answering: whether a commit was done is then not known."""


class LoginRefusedError(RedshiftUnreachable):
    """Redshift does not take the password; nothing was done."""


class ConflictError(RuntimeError):
    """Another transaction came first; nothing was changed."""


class TookTooLongError(TimeoutError):
    """A statement was ended because it took longer than we wait."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a warehouse is: `redshift://user@host:5439/database/schema?sslmode=verify-full`."""

    user: str
    host: str
    port: int
    database: str
    schema: str
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an address.

        Raises:
            ValueError: it is none, or it has a password in it, which belongs elsewhere.
        """
        url = urlsplit(text)
        path = [unquote(part) for part in url.path.split("/") if part]
        if url.scheme not in _SCHEMES or not url.hostname or not url.username or len(path) not in (1, 2):
            raise ValueError("is no address such as redshift://user@host:5439/database/schema")
        if url.password is not None:
            raise ValueError("has a password in it; that is a variable of its own")
        schema = path[1] if len(path) == 2 else "public"
        if not _SCHEMA.fullmatch(schema):
            raise ValueError(f"{schema!r} is no name for a schema")
        options = dict(parse_qsl(url.query)) | {}
        options.setdefault("sslmode", "require")
        return cls(
            unquote(url.username),
            url.hostname,
            url.port or _PORT,
            path[0],
            schema,
            tuple(sorted(options.items())),
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}/{self.schema}"


class Session:
    """One open transaction; statements have `?` where parameters are."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "Session":
        """Run a statement."""
        if parameters:
            self._cursor.execute(placeholders(sql), tuple(parameters))
        else:
            self._cursor.execute(sql)
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows of the last statement."""
        return list(self._cursor.fetchall())

    def arrow(self) -> pa.Table:
        """Return all rows of the last statement, typed as it described them."""
        description = self._cursor.description or ()
        columns = list(zip(*self._cursor.fetchall(), strict=True)) or [()] * len(description)
        arrays = [
            _array(values, column.type_code) for column, values in zip(description, columns, strict=True)
        ]
        return pa.Table.from_arrays(arrays, names=[column.name for column in description])


@contextmanager
def connected(address: Address, password: str) -> Iterator[Session]:
    """Open a connection, and commit when the block ends well; whatever fails rolls back.

    Raises:
        RedshiftUnreachable: nothing answers, or the connection was lost.
        LoginRefusedError: it does not take the password.
        ConflictError: another transaction came first.
        TookTooLongError: a statement ran into the session's time limit.
    """
    import psycopg2

    with _told(address, psycopg2):
        connection = psycopg2.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=password,
            dbname=address.database,
            connect_timeout=_CONNECT_TIMEOUT_S,
            **dict(address.options),
        )
    try:
        with _told(address, psycopg2):
            with connection.cursor() as cursor:
                session = Session(cursor)
                # Two more digits than a DOUBLE PRECISION has for people: those that it takes to tell it.
                session.execute("SET extra_float_digits TO 2")
                session.execute("SET timezone TO 'UTC'")
                session.execute(f'SET search_path TO "{address.schema}"')
                yield session
            connection.commit()
    finally:
        connection.close()  # rolls back what is open


@contextmanager
def _told(address: Address, psycopg2: Any) -> Iterator[None]:
    """Say in our words what the driver says in its own; what is wrong with a statement stays as it is."""
    try:
        yield
    except psycopg2.Error as error:
        said = str(error).strip()
        if error.pgcode in _CONFLICTS or _CONFLICT_OF_REDSHIFT in said:
            raise ConflictError(f"{address}: {said}") from error
        if error.pgcode == _TIMED_OUT:
            raise TookTooLongError(f"{address}: {said}") from error
        if _REFUSED in said:
            raise LoginRefusedError(f"{address}: {said}") from error
        lost = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        if lost and (error.pgcode or "08").startswith(("08", "57P")):
            raise RedshiftUnreachable(f"{address}: {said}") from error
        raise


def placeholders(sql: str) -> str:
    """Return a statement with the driver's placeholders in the place of `?`, texts and comments apart."""
    return _MARK.sub(lambda found: {"?": "%s", "%": "%%"}.get(found[0], found[0].replace("%", "%%")), sql)


def _array(values: Sequence[Any], kind: int) -> pa.Array:
    if kind in _ARROW:
        return pa.array(values, _ARROW[kind])
    if not any(isinstance(value, Decimal | dt.timedelta | str) for value in values):
        return pa.array(values, pa.null() if all(v is None for v in values) else None)
    return pa.array(values)
