"""Redshift on this machine: a PostgreSQL behind a server that speaks as Redshift does, on loopback only.

What belongs here: starting and stopping both, and the variables by which they are reached. What does not: the
protocol (`redshift_wire.py`), S3 (`aws.py`).

What is proven against it is that our statements, transactions and loads do what they should. It is not
Redshift: plans, distribution, speed, concurrency of many writers and IAM are not shown by it.

    with aws_standin(folder) as aws, redshift_standin(aws) as redshift:
        subprocess.run(command, env=aws.environment() | redshift.variables())
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from simulator.aws import BUCKET, REGION, AwsStandin, StandinFailed
from simulator.redshift_wire import Backend, serve

USER = DATABASE = "fallrisk"
ROLE = "arn:aws:iam::000000000000:role/redshift-standin"
NOT_INSTALLED = "the Redshift stand-in needs PostgreSQL: apt-get install postgresql"
_START_TIMEOUT_S = 30.0
#: PostgreSQL refuses to run as root; the Debian package brings the first of these users.
_USERS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class RedshiftStandin:
    """A running stand-in.

    Attributes:
        port: Where it speaks as Redshift does.
        password: Of its one user.
        backend: What its connections share: set `plan` to break them, read `statements` to see what was said.
    """

    port: int
    password: str
    backend: Backend

    def variables(self, prefix: str = "demo") -> dict[str, str]:
        """Return the variables of a warehouse in a schema of its own."""
        schema = prefix.replace("-", "_")
        address = f"redshift://{USER}@127.0.0.1:{self.port}/{DATABASE}/{schema}?sslmode=disable"
        return {
            "FALLRISK_REDSHIFT": address,
            "FALLRISK_REDSHIFT_PASSWORD": self.password,
            "FALLRISK_REDSHIFT_ROLE": ROLE,
            "FALLRISK_REDSHIFT_STAGING": f"s3://{BUCKET}/{prefix}/warehouse",
        }


def programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs, None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def why_not() -> str:
    """Return what is missing to start a stand-in and reach it; nothing where nothing is."""
    if programs() is None:
        return NOT_INSTALLED
    missing = [name for name in ("psycopg2", "sqlglot") if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def both(aws: AwsStandin, redshift: RedshiftStandin | None, prefix: str = "demo") -> dict[str, str]:
    """Return the variables of `FALLRISK_ENV=aws`; without a Redshift the warehouse is the local one."""
    if redshift is None:
        return aws.variables(prefix) | {"FALLRISK_ENV": "aws,warehouse=local"}
    return aws.variables(prefix) | redshift.variables(prefix)


@contextmanager
def redshift_standin(aws: AwsStandin, folder: Path | None = None) -> Iterator[RedshiftStandin]:
    """Start a stand-in that loads from and unloads to an S3 stand-in, and stop it when the block ends.

    Args:
        aws: The S3 stand-in.
        folder: Where the database is kept; what an earlier stand-in left there is there again. By default,
            and where PostgreSQL may not enter, a temporary folder, which is removed.

    Raises:
        StandinFailed: PostgreSQL is not installed, or does not start.
    """
    found = programs()
    if found is None:
        raise StandinFailed(NOT_INSTALLED)
    if folder is not None and not _reachable(folder):
        what = f"{folder} is not open to {_user()}, as whom PostgreSQL runs: what it holds ends with it"
        print(what, file=sys.stderr)
        folder = None
    place = folder or Path(tempfile.mkdtemp(prefix="redshift-"))
    try:
        with postgres(found, place, kept=folder is not None) as (port, password):
            backend = Backend(port, _filesystem(aws), ROLE)
            with _listening(backend) as own:
                yield RedshiftStandin(own, password, backend)
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def postgres(bin_folder: Path, folder: Path, *, kept: bool) -> Iterator[tuple[int, str]]:
    """Run a PostgreSQL in a folder; yields its port and the user's password."""
    folder.mkdir(parents=True, exist_ok=True)
    user = _user()
    if user is not None:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
    folder.chmod(0o700)
    password_file, data = folder / "password", folder / "data"
    if not password_file.exists():
        password_file.write_text(secrets.token_hex(16))
        password_file.chmod(0o600)
        if user is not None:
            shutil.chown(password_file, user)
    if not (data / "PG_VERSION").exists():
        command = [str(bin_folder / "initdb"), "-D", str(data), "-U", USER, f"--pwfile={password_file}"]
        made = _as_user([*command, "-A", "md5", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"], user)
        said, _ = made.communicate()
        if made.returncode:
            raise StandinFailed(f"initdb in {folder} failed:\n{said.decode(errors='replace')[-1500:]}")
    port = _free_port()
    settings = {"fsync": "off", "synchronous_commit": "off", "timezone": "UTC", "unix_socket_directories": ""}
    command = [str(bin_folder / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port)]
    command += [f"-c{name}={value}" for name, value in settings.items()]
    log = (folder / "server.log").open("wb")
    process = _as_user(command, user, log)
    try:
        _wait(process, port, folder)
        create = [str(bin_folder / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", USER, DATABASE]
        made = _as_user(create, user, password=password_file.read_text())
        said, _ = made.communicate()
        if made.returncode and b"already exists" not in said:
            raise StandinFailed(f"createdb failed:\n{said.decode(errors='replace')[-1500:]}")
        yield port, password_file.read_text()
    finally:
        process.send_signal(signal.SIGINT if kept else signal.SIGQUIT)  # in order, or at once
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _as_user(
    command: list[str], user: str | None, log: Any = subprocess.PIPE, password: str = ""
) -> subprocess.Popen[bytes]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PG", "AWS_"))}
    environment |= {"PGPASSWORD": password} if password else {}
    return subprocess.Popen(
        command,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
    )


def _user() -> str | None:
    """Return as whom PostgreSQL is run; None for who we are."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in _USERS if name in known), None)


def _reachable(folder: Path) -> bool:
    """Tell whether the user as whom PostgreSQL runs may enter the folders above."""
    return _user() is None or all(one.stat().st_mode & stat.S_IXOTH for one in folder.parents if one.exists())


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    said = (folder / "server.log").read_text(errors="replace")[-1500:]
    raise StandinFailed(f"PostgreSQL did not start within {_START_TIMEOUT_S:g} s:\n{said}")


@contextmanager
def _listening(backend: Backend) -> Iterator[int]:
    """Accept clients on a free port of loopback, a thread for each."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            serve(self.request, backend)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _filesystem(aws: AwsStandin) -> pafs.FileSystem:
    return pafs.S3FileSystem(
        access_key=aws.access_key,
        secret_key=aws.secret_key,
        region=REGION,
        scheme="http",
        endpoint_override=aws.endpoint.removeprefix("http://"),
    )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
