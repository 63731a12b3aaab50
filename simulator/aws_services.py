"""What AWS says and keeps beside S3, on this machine: secrets, topics, queues, a bus; on loopback only.

What belongs here: starting and stopping the stand-in, and the variables by which it is reached. What does
not: S3 and the catalog (`aws.py`), Redshift (`redshift.py`).

MiniStack (https://github.com/ministackorg/ministack, MIT) delivers: a message to a topic arrives in the
queues whose filter takes it, what is received too often goes to the dead-letter queue. It is not AWS: rights
are not enforced, and nothing is encrypted. It wants another botocore than ours, so it lives in an environment
of its own: `make standins`.
"""

import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulator.aws import REGION, StandinFailed, free_ports

FOLDER = Path(__file__).resolve().parents[1] / ".venv-standins"
NOT_INSTALLED = "the stand-in for AWS's services is not installed: make standins"
_SERVICES = ("SECRETS_MANAGER", "SSM", "SNS", "SQS", "EVENTBRIDGE")
_START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class AwsServices:
    """A running stand-in.

    Attributes:
        endpoint: Its address, the same for each service.
    """

    endpoint: str

    def variables(self) -> dict[str, str]:
        """Return the variables by which an AWS SDK reaches each service here, and nothing else of AWS."""
        return {
            **{f"AWS_ENDPOINT_URL_{service}": self.endpoint for service in _SERVICES},
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str):  # type: ignore[no-untyped-def]  # boto3 makes its clients' types
        """Return a client that sees the stand-in, whatever the environment says."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def program() -> str | None:
    """Return the stand-in's program, None where it is not installed."""
    return shutil.which("ministack", path=f"{FOLDER / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def aws_services() -> Iterator[AwsServices]:
    """Start a stand-in that keeps everything in memory, and stop it when the block ends.

    Raises:
        StandinFailed: it is not installed, or does not start.
    """
    found = program()
    if found is None:
        raise StandinFailed(NOT_INSTALLED)
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="aws-services-") as folder, tempfile.TemporaryFile() as log:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))},
            **{"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)},
            **{"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "HOME": folder},
        }
        process = subprocess.Popen([found], env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            if not _answers(process, f"{endpoint}/_ministack/health"):
                log.seek(0)
                said = log.read()[-1500:].decode(errors="replace")
                raise StandinFailed(f"the stand-in for AWS's services did not start:\n{said}")
            yield AwsServices(endpoint)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(url, timeout=2):
                return True
        except OSError:
            time.sleep(0.1)
    return False
