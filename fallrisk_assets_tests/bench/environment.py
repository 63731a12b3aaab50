"""The peers' own virtual environment, `.venv-bench`, made from `requirements-bench.lock` where missing."""

import subprocess
import sys
from pathlib import Path

from fallrisk_assets_tests.bench.workload import ROOT

VENV = ROOT / ".venv-bench"
PYTHON = VENV / "bin" / "python"


def install_peers() -> None:
    """Create the environment; a lock that cannot be installed as a whole is tried peer by peer later."""
    marker = VENV / ".installed"
    lock = ROOT / "requirements-bench.lock"
    if marker.exists() and marker.stat().st_mtime >= lock.stat().st_mtime:
        return
    print("Installing the peers into .venv-bench …", flush=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], check=False)
    if done.returncode == 0:
        marker.touch()
    else:
        print("The peers could not all be installed; those that are missing are skipped.", flush=True)


def missing(module: str) -> str | None:
    """Return why a peer cannot be measured, or None where it can."""
    if not PYTHON.exists():
        return f"{VENV.name} could not be made"
    done = subprocess.run(
        [str(PYTHON), "-c", f"import {module}"], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def peer_script(name: str) -> str:
    """Return the path of a script that runs in the peers' environment."""
    return str(Path(__file__).parent / "peers" / f"{name}.py")
