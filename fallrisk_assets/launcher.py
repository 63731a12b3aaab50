"""Runs forked from a process that has imported the libraries already: a run starts in one second, not four.

What belongs here: how a run's process begins, is told to stop and is found dead. What does not: when it
begins (Dagster's queue), what it does.

Dagster's own launcher spawns an interpreter for each run, which imports Dagster, pandas, pyarrow and the
rest before it does anything. Here the daemon keeps one fork server (the standard library's), which imports
them once; each run is a fork of it. Only libraries are imported beforehand: the project's own modules are
imported by each run anew, so that an edited asset takes effect as it does with Dagster's launcher.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from dagster import DagsterInstance
from dagster._cli.api import ExecuteRunArgs, _execute_run_command_body
from dagster._core.errors import DagsterLaunchFailedError
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._core.storage.dagster_run import DagsterRun
from dagster._serdes import ConfigurableClass, ConfigurableClassData, deserialize_value, serialize_value
from dagster._utils.interrupts import capture_interrupts

#: Run tag that names the worker: its process id and, where the system tells it, its start.
WORKER_TAG = "fallrisk/worker"

#: Libraries that a run imports. The only threads they start (OpenBLAS, jemalloc) know how to be forked.
PRELOADED = (
    "dagster",
    "dagster._cli.api",
    "duckdb",
    "numba.core.typed_passes",
    "orjson",
    "pandas",
    "pandera.pandas",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pyiceberg.catalog.sql",
    "pyiceberg.table",
    "scipy.fft",
)


class ForkServerRunLauncher(RunLauncher, ConfigurableClass):
    """Starts each run as a fork of a process with the libraries imported, on the daemon's machine."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._workers: dict[str, ForkServerProcess] = {}
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """How the class was configured."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return the configuration: there is nothing to configure."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ForkServerRunLauncher":
        """Return the launcher that `dagster.yaml` names."""
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run.

        Raises:
            DagsterLaunchFailedError: the run does not say where its code is.
        """
        run = context.dagster_run
        origin = run.job_code_origin
        if origin is None:
            raise DagsterLaunchFailedError(f"run {run.run_id} does not say where its code is")
        arguments = ExecuteRunArgs(
            job_origin=origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        folder = origin.repository_origin.code_pointer
        worker = self._context.Process(
            target=_work,
            args=(serialize_value(arguments), getattr(folder, "working_directory", None)),
            name=f"run-{run.run_id[:8]}",
        )
        worker.start()
        self._workers = {k: w for k, w in self._workers.items() if w.is_alive()}
        self._workers[run.run_id] = worker

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run, from any process on its machine; False where there is nothing to interrupt."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        worker = run.tags.get(WORKER_TAG, "")
        self._instance.report_run_canceling(run)
        if not _is_alive(worker):
            return False
        os.kill(int(worker.partition("@")[0]), signal.SIGINT)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether a killed worker is noticed: yes."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Tell whether a run's process is still there.

        A run whose worker nobody named was started by another (`dagster job execute`): nothing can be said
        against it. Monitoring fails what is UNKNOWN, so it counts as running, until the longest run time.
        """
        worker = run.tags.get(WORKER_TAG)
        if worker is None or _is_alive(worker):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone; it may have been killed")

    def join(self, timeout: int = 30) -> None:
        """Wait for the runs that this process started."""
        for worker in self._workers.values():
            worker.join(timeout)


def _work(serialized: str, working_directory: str | None) -> None:
    """Execute a run in this process, as `dagster api execute_run` does."""
    if working_directory:
        os.chdir(working_directory)
    with capture_interrupts():
        arguments = deserialize_value(serialized, ExecuteRunArgs)
        assert arguments.instance_ref is not None
        with DagsterInstance.from_ref(arguments.instance_ref) as instance:
            # Here and not in the daemon: a busy one would be late, and take a run without it for dead.
            instance.add_run_tags(arguments.run_id, {WORKER_TAG: identity(os.getpid())})
            code = _execute_run_command_body(
                arguments.run_id, instance, lambda _event: None, set_exit_code_on_failure=True
            )
    raise SystemExit(code)


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks; empty where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]


def identity(pid: int) -> str:
    """Return what `WORKER_TAG` says of a process: its id and, where the system tells it, its start."""
    return f"{pid}@{_started(pid)}"


def _is_alive(identity: str) -> bool:
    """Tell whether a process is there and the same as when it was named: process ids are used again."""
    pid, _, started = identity.partition("@")
    if not pid:
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, PermissionError):  # after a restart the id may be another user's
        return False
    return not Path("/proc/self/stat").exists() or _started(int(pid)) == started != ""
