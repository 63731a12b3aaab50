"""The protocol of Redshift before a PostgreSQL: what a client of Redshift says, a PostgreSQL does.

What belongs here: messages of one connection, and what Redshift understands and PostgreSQL does not: keys of
tables (left out), `COPY … FORMAT PARQUET` and `UNLOAD … FORMAT PARQUET` (done here, inside the client's own
session and transaction, with the objects of a real S3 endpoint). What does not: starting servers.

Messages: https://www.postgresql.org/docs/15/protocol-message-formats.html. Redshift speaks protocol 3 and
calls itself PostgreSQL 8.0.2; drivers add start-up parameters that PostgreSQL refuses.
"""

import io
import re
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.fs as pafs
import pyarrow.parquet as pq

VERSION = "8.0.2"
#: What can become of a statement: the connection breaks before it is passed on, in the middle of what a COPY
#: loads, or after it was done and before anybody is told.
FAULTS = ("reset", "cut", "lost")
Plan = Callable[[str], str | None]

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_KEPT = ("user", "database", "application_name", "client_encoding", "options")
_COPY = re.compile(r"\s*COPY\s+(\S+)\s+FROM\s+'s3://([^']+)'\s*(.*?);?\s*", re.I | re.S)
_UNLOAD = re.compile(
    r"\s*UNLOAD\s*\(\s*'((?:[^']|'')*)'\s*\)\s*TO\s+'s3://([^']+)'\s*(.*?);?\s*", re.I | re.S
)
_ROLE = re.compile(r"\bIAM_ROLE\s+'([^']*)'", re.I)
_PARQUET = re.compile(r"\bFORMAT\s+(?:AS\s+)?PARQUET\b", re.I)
_CREATE_TABLE = re.compile(r"\s*CREATE\s+(?:TEMP(?:ORARY)?\s+)?TABLE\b", re.I)
#: Views are always bound here.
_LATE_BINDING = re.compile(r"\s+WITH\s+NO\s+SCHEMA\s+BINDING\s*$", re.I)
#: What PostgreSQL would do and Redshift does not know.
_FOREIGN = re.compile(
    r"\bON\s+CONFLICT\b|\bRETURNING\b|\bCREATE\s+(?:UNIQUE\s+)?INDEX\b|\bDISTINCT\s+ON\b"
    r"|\bDROP\s+NOT\s+NULL\b|\bFOR\s+UPDATE\b|\bLATERAL\b|\bFILTER\s*\(\s*WHERE\b",
    re.I,
)
#: Types of columns, by PostgreSQL's numbers of them, as Parquet has them.
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
}


@dataclass
class Backend:
    """What connections share.

    Attributes:
        port: PostgreSQL's, on loopback.
        filesystem: S3.
        role: The one role that may read and write there.
        plan: What becomes of a statement: a fault, or None.
        statements: All statements so far, as clients said them.
    """

    port: int
    filesystem: pafs.FileSystem
    role: str
    plan: Plan = lambda statement: None
    statements: list[str] = field(default_factory=list)


class _Refused(Exception):
    """Redshift would refuse this."""


class _Failed(Exception):
    """PostgreSQL has refused it; carries its error message."""

    def __init__(self, body: bytes) -> None:
        self.body = body


class _Broken(Exception):
    """The connection is to break now."""


def serve(client: socket.socket, shared: Backend) -> None:
    """Serve one client until it leaves, or a fault breaks its connection."""
    with socket.create_connection(("127.0.0.1", shared.port)) as postgres:
        try:
            _Connection(client, postgres, shared).run()
        except (_Broken, ConnectionError):
            pass


class _Connection:
    def __init__(self, client: socket.socket, postgres: socket.socket, shared: Backend) -> None:
        self._client, self._postgres, self._shared = client, postgres, shared
        self._status = b"I"
        self._prepared: dict[bytes, str] = {}  # statements that are done here, by name
        self._portals: dict[bytes, str] = {}
        self._here = False  # whether what came since the last Sync is done here
        self._skip = False  # until the next Sync, after an error

    def run(self) -> None:
        """Pass on messages in both directions."""
        if not self._start():
            return
        while True:
            for ready in select.select([self._client, self._postgres], [], [])[0]:
                kind, body = _receive(ready)
                if ready is self._postgres:
                    self._relay(kind, body)
                elif kind == b"X":
                    return
                else:
                    self._heard(kind, body)

    def _start(self) -> bool:
        while True:
            (length,) = struct.unpack("!I", _exactly(self._client, 4))
            body = _exactly(self._client, length - 4)
            (code,) = struct.unpack("!I", body[:4])
            if code in (_SSL, _GSS):
                self._client.sendall(b"N")
                continue
            if code == _CANCEL:
                self._postgres.sendall(struct.pack("!I", length) + body)
                return False
            words = body[4:].split(b"\0")
            given = dict(zip(words[::2], words[1::2], strict=False))
            kept = b"".join(
                name.encode() + b"\0" + given[name.encode()] + b"\0"
                for name in _KEPT
                if name.encode() in given
            )
            start = body[:4] + kept + b"\0"
            self._postgres.sendall(struct.pack("!I", len(start) + 4) + start)
            return True

    def _relay(self, kind: bytes, body: bytes) -> None:
        """Pass on what PostgreSQL says."""
        if kind == b"S" and body.startswith(b"server_version\0"):
            body = f"server_version\0{VERSION}\0".encode()
        if kind == b"Z":
            self._status = body
        _send(self._client, kind, body)

    def _heard(self, kind: bytes, body: bytes) -> None:
        """Pass on what the client says, or do it here."""
        if kind == b"Q":
            self._query(body.rstrip(b"\0").decode())
        elif kind in b"PBDECH" and not self._skip:
            try:
                self._extended(kind, body)
            except _Failed as failed:
                _send(self._client, b"E", failed.body)
                self._here = self._skip = True
        elif kind == b"S" and self._here:
            self._here = self._skip = False
            _send(self._client, b"Z", self._status)
        elif not self._skip:
            _send(self._postgres, kind, body)

    def _query(self, statement: str) -> None:
        fault = self._decide(statement)
        try:
            if _is_ours(statement):
                _send(self._client, b"C", self._do(statement, fault))
                _send(self._client, b"Z", self._status)
                return
            translated = self._translate(statement)
        except _Failed as failed:
            _send(self._client, b"E", failed.body)
            _send(self._client, b"Z", self._status)
            return
        if fault == "lost":
            self._ask(translated)
            raise _Broken
        _send(self._postgres, b"Q", translated.encode() + b"\0")

    def _extended(self, kind: bytes, body: bytes) -> None:
        """Prepared statements: those that are done here are answered here, message by message."""
        if kind == b"P":
            name, statement, rest = body.split(b"\0", 2)
            self._decide(statement.decode())
            self._prepared.pop(name, None)
            if _is_ours(statement.decode()):
                self._prepared[name] = statement.decode()
                return self._answer(b"1")
            body = name + b"\0" + self._translate(statement.decode()).encode() + b"\0" + rest
        elif kind == b"B":
            portal, name = body.split(b"\0", 2)[:2]
            self._portals.pop(portal, None)
            if name in self._prepared:
                self._portals[portal] = self._prepared[name]
                return self._answer(b"2")
        elif kind == b"D" and body[1:-1] in (self._prepared if body[:1] == b"S" else self._portals):
            if body[:1] == b"S":
                self._answer(b"t", struct.pack("!H", 0))
            return self._answer(b"n")
        elif kind == b"E" and (statement := self._portals.get(body.split(b"\0", 1)[0])):  # type: ignore[assignment]
            return self._answer(b"C", self._do(statement, None))  # type: ignore[arg-type]
        elif kind == b"C" and body[:1] == b"S" and self._prepared.pop(body[1:-1], ""):
            return self._answer(b"3")
        elif kind == b"H" and self._here:
            return None
        _send(self._postgres, kind, body)
        return None

    def _answer(self, kind: bytes, body: bytes = b"") -> None:
        self._here = True
        _send(self._client, kind, body)

    def _decide(self, statement: str) -> str | None:
        self._shared.statements.append(statement)
        fault = self._shared.plan(statement)
        assert fault is None or fault in FAULTS, fault
        if fault == "reset":
            raise _Broken
        return fault

    def _translate(self, statement: str) -> str:
        """Return a statement as PostgreSQL understands it."""
        if foreign := _FOREIGN.search(statement):
            self._fail(f'syntax error at or near "{foreign.group()}": Redshift does not know it')
        if _CREATE_TABLE.match(statement):
            return _without_keys(statement)
        return _LATE_BINDING.sub("", statement)

    def _do(self, statement: str, fault: str | None) -> bytes:
        """Do a COPY or UNLOAD and return the tag of its completion."""
        try:
            if copy := _COPY.fullmatch(statement):
                rows = self._copy(copy[1], copy[2], copy[3], cut=fault == "cut")
                tag = f"COPY {rows}\0".encode()
            elif unload := _UNLOAD.fullmatch(statement):
                rows = self._unload(unload[1].replace("''", "'"), unload[2], unload[3])
                tag = f"UNLOAD {rows}\0".encode()
            else:
                raise _Refused(f"syntax error: {statement[:80]}")
        except _Refused as refused:
            self._fail(str(refused))
        if fault == "lost":
            raise _Broken
        return tag

    def _fail(self, message: str) -> None:
        """Fail as Redshift would, which ends the transaction of the client, too."""
        quoted = message.replace("'", "''").replace("%", "%%")
        self._ask(f"DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = '{quoted}', ERRCODE = 'XX000'; END $do$")

    def _copy(self, table: str, prefix: str, options: str, *, cut: bool) -> int:
        self._authorise(options)
        files = self._files(prefix)
        if not files:
            raise _Refused(f"The specified S3 prefix '{prefix}' does not exist")
        columns = self._columns(f"SELECT * FROM {table} LIMIT 0")
        rows = 0
        for path in files:
            with self._shared.filesystem.open_input_file(path) as source:
                data = pq.read_table(source)
            if data.num_columns != len(columns):
                raise _Refused(
                    "Unmatched number of columns between table and file. "
                    f"Table columns: {len(columns)}, Data columns: {data.num_columns}"
                )
            for (name, wanted), given in zip(columns, data.schema, strict=True):
                if given.type != _ARROW.get(wanted):
                    raise _Refused(
                        f"File {path} has an incompatible Parquet schema for column '{name}': {given.type}"
                    )
            self._load(table, data, cut=cut)
            rows += data.num_rows
        return rows

    def _load(self, table: str, data: pa.Table, *, cut: bool) -> None:
        sink = io.BytesIO()
        options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
        pacsv.write_csv(data, sink, options)
        raw = sink.getvalue()
        _send(self._postgres, b"Q", f"COPY {table} FROM STDIN WITH (FORMAT csv)\0".encode())
        kind, body = _receive(self._postgres)
        if kind == b"G":
            _send(self._postgres, b"d", raw[: len(raw) // 2] if cut else raw)
            if cut:
                raise _Broken
            _send(self._postgres, b"c", b"")
            kind, body = _receive(self._postgres)
        self._rest(kind, body)

    def _unload(self, query: str, prefix: str, options: str) -> int:
        self._authorise(options)
        if self._files(prefix) and not re.search(r"\bALLOWOVERWRITE\b", options, re.I):
            raise _Refused("Specified unload destination on S3 is not empty. Consider using ALLOWOVERWRITE")
        columns = self._columns(f"SELECT * FROM ({query}) AS q LIMIT 0")
        for name, kind in columns:
            if kind not in _ARROW:
                raise _Refused(f"column '{name}': its type cannot be unloaded as Parquet by this stand-in")
        said = self._ask(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *)")
        raw = b"".join(body for kind, body in said if kind == b"d")
        types = {name: _ARROW[kind] for name, kind in columns}
        data = pa.schema(types.items()).empty_table()
        if raw:
            read = pacsv.ReadOptions(column_names=list(types))
            convert = pacsv.ConvertOptions(
                column_types=types,
                null_values=[""],
                true_values=["t"],
                false_values=["f"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            )
            parse = pacsv.ParseOptions(newlines_in_values=True)
            data = pacsv.read_csv(io.BytesIO(raw), read, parse, convert)
        with self._shared.filesystem.open_output_stream(f"{prefix}0000_part_00.parquet") as sink:
            pq.write_table(data, sink)
        return int(data.num_rows)

    def _authorise(self, options: str) -> None:
        role = _ROLE.search(options)
        if role is None:
            raise _Refused("Invalid credentials: no IAM_ROLE is given")
        if role[1] != self._shared.role:
            raise _Refused(f"Not authorized to get credentials of role {role[1]}")
        if not _PARQUET.search(options):
            raise _Refused("this stand-in knows FORMAT PARQUET only")

    def _files(self, prefix: str) -> list[str]:
        """Return the objects whose keys begin so, as Redshift reads a prefix: not only those of a folder."""
        folder = pafs.FileSelector(prefix.rpartition("/")[0], recursive=True, allow_not_found=True)
        found = self._shared.filesystem.get_file_info(folder)
        return sorted(
            i.path for i in found if i.type == pafs.FileType.File and i.path.startswith(prefix) and i.size
        )

    def _columns(self, query: str) -> list[tuple[str, int]]:
        """Return names and types of the columns of a query."""
        (described,) = [body for kind, body in self._ask(query) if kind == b"T"]
        found, rest = [], described[2:]
        for _ in range(struct.unpack("!H", described[:2])[0]):
            name, rest = rest.split(b"\0", 1)
            found.append((name.decode(), struct.unpack("!I", rest[6:10])[0]))
            rest = rest[18:]
        return found

    def _ask(self, statement: str) -> list[tuple[bytes, bytes]]:
        """Say something to PostgreSQL in this session and return its whole answer."""
        _send(self._postgres, b"Q", statement.encode() + b"\0")
        return self._rest(*_receive(self._postgres))

    def _rest(self, kind: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
        said = []
        while kind != b"Z":
            said.append((kind, body))
            kind, body = _receive(self._postgres)
        self._status = body
        for kind, body in said:
            if kind == b"E":
                raise _Failed(body)
        return said


def _without_keys(statement: str) -> str:
    """Return a `CREATE TABLE` without what only Redshift has in it."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(statement, read="redshift")
    keys = (exp.DistKeyProperty, exp.DistStyleProperty, exp.SortKeyProperty, exp.EncodeColumnConstraint)
    for node in list(tree.find_all(*keys)):
        (node.parent if isinstance(node.parent, exp.ColumnConstraint) else node).pop()
    return str(tree.sql("postgres"))


def _is_ours(statement: str) -> bool:
    return bool(re.match(r"\s*(?:COPY|UNLOAD)\b", statement, re.I))


def _exactly(source: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = source.recv(size)
        if not part:
            raise ConnectionError("closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _receive(source: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(source, 5)
    return head[:1], _exactly(source, struct.unpack("!I", head[1:])[0] - 4)


def _send(target: Any, kind: bytes, body: bytes) -> None:
    target.sendall(kind + struct.pack("!I", len(body) + 4) + body)
