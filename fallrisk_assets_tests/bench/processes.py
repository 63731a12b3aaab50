"""Child processes whose cost is measured: CPU seconds and peak memory, reported as one line of JSON."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fallrisk_assets_tests.bench.workload import ROOT


def cpu_s() -> float:
    """Return the CPU seconds, user and system, of this process and the children it has waited for."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


@contextmanager
def measured(into: dict[str, Any], name: str) -> Iterator[None]:
    """Add `<name>_cpu_s` and `<name>_wall_s` of a block to a dict."""
    cpu, wall = cpu_s(), time.perf_counter()
    yield
    into[f"{name}_cpu_s"] = cpu_s() - cpu
    into[f"{name}_wall_s"] = time.perf_counter() - wall


def peak_mb() -> float:
    """Return this process's peak resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def run_json(
    command: list[str], *, python: Path | None = None, extra: dict[str, str] | None = None
) -> dict[str, Any]:
    """Run a Python command from the repository's root and return the JSON of its last line.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment.update({"PYTHONPATH": str(ROOT), **(extra or {})})
    done = subprocess.run(
        [str(python or sys.executable), *command],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])
