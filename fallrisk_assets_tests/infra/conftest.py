"""Templates of the deployment, made once by CDK in its own environment (`make infra` installs it)."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fallrisk_assets_tests.infra.house import House

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
VENV = ROOT / ".venv-infra"
WISHES = {
    "smtp_host": "mail.clinic.example",
    "smtp_sender": "alerts@clinic.example",
    "landing_events": "true",
    "iot_endpoint": "a1b2c3-ats.iot.eu-west-1.amazonaws.com",
    "kafka_servers": "boot-x.c1.kafka-serverless.eu-west-1.amazonaws.com:9098",
}
SETTINGS = {"account": "111111111111", "region": "eu-west-1", "contact": "ops@clinic.example"}


def tool(name: str) -> str:
    """Return a program of the infrastructure's environment, or skip."""
    program = VENV / "bin" / name
    if not program.exists():
        pytest.skip(f"{VENV.name} is missing: run make infra")
    if not shutil.which("node"):
        pytest.skip("CDK needs node on the PATH")
    return str(program)


def run_python(script: Path, out: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script of the infrastructure as `cdk` would, with settings given by `-c`."""
    context = {**json.loads((INFRA / "cdk.json").read_text())["context"], **settings}
    return subprocess.run(
        [tool("python"), str(script)],
        cwd=INFRA,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(INFRA),
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps(context),
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="session")
def synthesised(tmp_path_factory) -> Path:
    """Return the folder of templates of a clinic that set only what must be set."""
    out = tmp_path_factory.mktemp("infra")
    done = run_python(INFRA / "app.py", out, SETTINGS)
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="session")
def house(synthesised) -> House:
    """Return every resource of those templates."""
    return House.read(synthesised)


@pytest.fixture(scope="session")
def chosen_templates(tmp_path_factory) -> Path:
    """Return the folder of templates of a clinic that mails alerts, is told of drops, and has streams."""
    out = tmp_path_factory.mktemp("chosen")
    done = run_python(INFRA / "app.py", out, {**SETTINGS, **WISHES})
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="session")
def chosen(chosen_templates) -> House:
    """Return every resource of those templates."""
    return House.read(chosen_templates)
