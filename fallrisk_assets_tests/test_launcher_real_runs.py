"""Real runs under the shipped `dagster.yaml`: started, cancelled as in the UI, killed, and tried again.

The queue, the monitoring and the retries are the daemon's own; only their clock is the test's.
"""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.controller import create_daemon_grpc_server_registry
from dagster._daemon.daemon import IntervalDaemon, MonitoringDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.test.utils import execute_dagster_graphql

from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.jobs import IDENTITY_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.launcher import WORKER_TAG, ForkServerRunLauncher
from fallrisk_assets.partitions import hour_range
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.warehouse.publishing import POOL
from fallrisk_assets_tests.integration.test_day import execute, hashes
from simulator.cohort import CohortOptions, simulate_cohort

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes in /proc"),
]

ROOT = Path(__file__).parents[1]
DAY = "2026-01-05"
HOURS = hour_range(f"{DAY}-01:00", f"{DAY}-05:00")
LIMIT_S = 60.0

#: A code location whose job says which process it is in and stops wherever there is a gate to wait at.
_GATED = f"""
import json, os
from pathlib import Path
import dagster as dg

HERE = Path(__file__).parent

def pass_gate(name):
    if (HERE / name).exists():
        (HERE / f"at-{{name}}").touch()
        (HERE / name).open().read()  # a pipe: until somebody opens it and closes it

pass_gate("import-gate")

@dg.op(pool="{POOL}")
def say(context):
    said = {{"word": "first", "pid": os.getpid(), "parent": os.getppid()}}
    (HERE / context.run_id).write_text(json.dumps(said))
    pass_gate("gate")

@dg.job(executor_def=dg.in_process_executor)
def gated():
    say()

defs = dg.Definitions(jobs=[gated])
"""

_LAUNCH = """
mutation ($job: String!, $location: String!, $tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {jobName: $job, repositoryLocationName: $location, repositoryName: "__repository__"}
    executionMetadata: {tags: $tags}
  }) {
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
    __typename
  }
}
"""
_TERMINATE = """
mutation ($run: String!, $policy: TerminateRunPolicy) {
  terminateRun(runId: $run, terminatePolicy: $policy) { __typename }
}
"""


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return what a condition says as soon as it is true; fail where it never is."""
    end = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {LIMIT_S:.0f} s: {what}"
        pause.wait(0.01)
    return found


class Platform:
    """The shipped instance with a daemon's parts at hand, over the project's code and a job with gates."""

    def __init__(self, home: Path, context: WorkspaceProcessContext) -> None:
        self.home = home
        self.context = context
        self.instance = context.instance

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return what the UI's server answers."""
        (answer,) = execute_dagster_graphql(
            self.context.create_request_context(), query, variables
        ).data.values()
        return answer

    def tick(self, daemon: IntervalDaemon) -> None:
        """Let a part of the daemon look once; it must not come across an error."""
        assert not [error for error in daemon.run_iteration(self.context) if error is not None]

    def submit(self, job: str, location: str = "gated", **tags: str) -> str:
        """Queue a run as the launchpad does."""
        pairs = [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]
        answer = self.ask(_LAUNCH, job=job, location=location, tags=pairs)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return answer["run"]["runId"]

    def launch(self, job: str, location: str = "gated", **tags: str) -> str:
        """Queue a run and let the queue start it."""
        run_id = self.submit(job, location, **tags)
        self.tick(QueuedRunCoordinatorDaemon(interval_seconds=1))
        return run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def worker(self, run_id: str) -> int:
        """Return the process of a run as soon as it is known."""
        tag = wait_for(lambda: self.run(run_id).tags.get(WORKER_TAG), f"{run_id} names its process")
        return int(tag.partition("@")[0])

    def end_of(self, run_id: str) -> str:
        """Return how a run ended, once its process is gone too."""
        wait_for(lambda: self.run(run_id).is_finished, f"{run_id} ends")
        self.gone(run_id)
        return self.run(run_id).status.value

    def gone(self, run_id: str) -> None:
        pid = self.worker(run_id)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"process {pid} of {run_id} ends")

    def kill(self, run_id: str) -> None:
        """End a run's process at once, as the kernel does when memory is short."""
        os.kill(self.worker(run_id), signal.SIGKILL)
        self.gone(run_id)

    def is_worker(self, pid: int) -> bool:
        """Tell whether a process was forked from the warm one."""
        status = Path(f"/proc/{pid}/status").read_text()
        return f"PPid:\t{forkserver._forkserver._forkserver_pid}\n" in status

    def processes(self) -> dict[int, str]:
        """Return every process that was started for this instance."""
        mark = f"DAGSTER_HOME={self.home}\0".encode()
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    root = tmp_path_factory.mktemp("platform")
    home, data, gated = root / "home", root / "data", root / "gated"
    for folder in (home, data, gated):
        folder.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    (gated / "gated.py").write_text(_GATED)
    project = {"module_name": "fallrisk_assets.definitions", "attribute": "defs", "location_name": "project"}
    locations = [
        {"python_module": {**project, "working_directory": str(ROOT)}},
        {"python_file": {"relative_path": "gated/gated.py", "location_name": "gated"}},
    ]
    (root / "workspace.yaml").write_text(json.dumps({"load_from": locations}))
    forkserver._forkserver._stop()
    resource_tracker.ensure_running()  # belongs to whoever runs the tests, not to this instance
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.setenv("FALLRISK_DATA", str(data))
        with (
            dg.DagsterInstance.get() as instance,
            create_daemon_grpc_server_registry(instance) as servers,
            WorkspaceProcessContext(
                instance, WorkspaceFileTarget([str(root / "workspace.yaml")]), grpc_server_registry=servers
            ) as context,
        ):
            assert isinstance(instance.run_launcher, ForkServerRunLauncher)
            platform = Platform(home, context)
            yield platform
            left = {pid: name for pid, name in platform.processes().items() if platform.is_worker(pid)}
            for pid in left:  # the fork server waits for them
                os.kill(pid, signal.SIGKILL)
        forkserver._forkserver._stop()
        assert not left, "runs left behind"
        wait_for(lambda: not platform.processes(), f"all processes end: {platform.processes()}")


@pytest.fixture
def gates(platform):
    """Make gates for the job; whoever waits at one when the test ends is let through."""
    folder = platform.home.parent / "gated"

    def close(name: str = "gate") -> Path:
        os.mkfifo(folder / name)
        return folder / f"at-{name}"

    yield close
    for path in [*folder.glob("gate"), *folder.glob("import-gate"), *folder.glob("at-*")]:
        path.unlink()


def opened(platform: Platform, name: str = "gate") -> None:
    """Let who waits at a gate through, and everybody who comes later."""
    gate = platform.home.parent / "gated" / name
    reader = os.open(gate, os.O_WRONLY)
    gate.unlink()
    os.close(reader)


def said(platform: Platform, run_id: str) -> dict[str, Any]:
    return json.loads((platform.home.parent / "gated" / run_id).read_text())


def test_a_run_is_a_fork_of_the_warm_process_and_takes_the_code_as_it_is_now(platform):
    first = platform.launch("gated")
    assert platform.end_of(first) == "SUCCESS"
    code = platform.home.parent / "gated" / "gated.py"
    code.write_text(_GATED.replace('"first"', '"second, edited"'))
    second = platform.launch("gated")
    assert platform.end_of(second) == "SUCCESS"
    one, two = said(platform, first), said(platform, second)
    assert [one["pid"], two["pid"]] == [platform.worker(first), platform.worker(second)]
    assert len({one["pid"], two["pid"], one["parent"], os.getpid()}) == 4
    assert one["parent"] == two["parent"] == forkserver._forkserver._forkserver_pid
    assert "libarrow" in Path(f"/proc/{one['parent']}/maps").read_text(), "the libraries are there already"
    assert [one["word"], two["word"]] == ["first", "second, edited"]


def test_a_run_cancelled_in_the_ui_ends_as_cancelled_and_its_process_goes(platform, gates):
    waiting = gates()
    run_id = platform.launch("gated")
    wait_for(waiting.exists, "the step is under way")
    with dg.DagsterInstance.from_ref(platform.instance.get_ref()) as elsewhere:
        health = elsewhere.run_launcher.check_run_worker_health(platform.run(run_id))
    assert health.status == WorkerStatus.RUNNING
    assert platform.ask(_TERMINATE, run=run_id)["__typename"] == "TerminateRunSuccess"
    assert platform.end_of(run_id) == "CANCELED"
    assert platform.ask(_TERMINATE, run=run_id)["__typename"] == "TerminateRunFailure", (
        "nothing is left to end"
    )


def test_a_run_cancelled_while_it_loads_its_code_does_not_begin_and_ends_as_cancelled(platform, gates):
    waiting = gates("import-gate")
    run_id = platform.launch("gated")
    wait_for(waiting.exists, "the code is being loaded")
    force = "MARK_AS_CANCELED_IMMEDIATELY"  # all that the UI offers before a run's first step
    assert platform.ask(_TERMINATE, run=run_id, policy=force)["__typename"] == "TerminateRunSuccess"
    opened(platform, "import-gate")
    assert platform.end_of(run_id) == "CANCELED"
    assert not (platform.home.parent / "gated" / run_id).exists(), "its step did not begin"


def test_a_run_names_its_process_before_it_starts_however_slow_the_daemon_is(platform, gates, monkeypatch):
    waiting = gates()
    tag = platform.instance.add_run_tags

    def slowly(run_id: str, tags: dict[str, str]) -> None:
        wait_for(waiting.exists, "the step is under way")
        platform.tick(MonitoringDaemon(interval_seconds=30))
        tag(run_id, tags)

    monkeypatch.setattr(platform.instance, "add_run_tags", slowly)
    run_id = platform.launch("gated")
    wait_for(waiting.exists, "the step is under way")
    platform.tick(MonitoringDaemon(interval_seconds=30))
    assert platform.run(run_id).status is dg.DagsterRunStatus.STARTED, "nobody takes it for dead"
    opened(platform)
    assert platform.end_of(run_id) == "SUCCESS"


def test_a_killed_run_fails_gives_its_pool_back_and_is_tried_again_twice(platform, gates, monkeypatch):
    platform.tick(EventLogConsumerDaemon())  # what failed before does not count
    waiting = gates()
    run_id = platform.launch("gated")
    tried = [run_id]
    for attempt in range(3):
        wait_for(waiting.exists, f"the step is under way, attempt {attempt}")
        waiting.unlink()
        platform.tick(MonitoringDaemon(interval_seconds=30))
        assert platform.run(run_id).status is dg.DagsterRunStatus.STARTED, "nobody takes it for dead"
        platform.kill(run_id)
        health = platform.instance.run_launcher.check_run_worker_health(platform.run(run_id))
        assert health.status == WorkerStatus.FAILED
        platform.tick(MonitoringDaemon(interval_seconds=30))
        assert platform.run(run_id).status is dg.DagsterRunStatus.FAILURE
        platform.tick(EventLogConsumerDaemon())
        again = platform.run(run_id).tags.get("dagster/auto_retry_run_id")
        assert bool(again) == (attempt < 2)
        soon = datetime.now(UTC) + timedelta(minutes=1)
        monkeypatch.setattr("dagster._daemon.monitoring.concurrency.get_current_datetime", lambda at=soon: at)
        platform.tick(MonitoringDaemon(interval_seconds=30))
        assert not platform.instance.event_log_storage.get_concurrency_info(POOL).claimed_slots
        if again:
            run_id = again
            tried.append(run_id)
            platform.tick(QueuedRunCoordinatorDaemon(interval_seconds=1))
    assert len(set(tried)) == 3
    opened_after = platform.launch("gated")
    wait_for(waiting.exists, "the next run has the pool")
    opened(platform)
    assert platform.end_of(opened_after) == "SUCCESS"


def _with_identities(data: Path) -> None:
    """Make the lake anew, with nothing in it but who is who."""
    for path in data.iterdir():
        if path.is_dir() and path.name != "landing":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    with dg.DagsterInstance.ephemeral() as instance:
        execute(data, instance, IDENTITY_DAILY, DAY, DAY)


def _ingest(platform: Platform) -> str:
    return platform.launch(
        TELEMETRY_HOURLY,
        "project",
        dagster__asset_partition_range_start=HOURS[0],
        dagster__asset_partition_range_end=HOURS[-1],
    )


def test_an_ingestion_killed_in_the_middle_twice_is_simply_run_again(platform, tmp_path):
    data = platform.home.parent / "data"
    options = CohortOptions(
        patients=2, days=1, start=date(2026, 1, 5), rate_hz=50, hours_per_day=(0.5,), falls_per_day=40
    )
    simulate_cohort(data / "landing", tmp_path / "truth", options)
    # Twice: kernels that a process has just compiled differ in the last bit from those it finds compiled.
    for _ in range(2):
        _with_identities(data)
        assert platform.end_of(_ingest(platform)) == "SUCCESS"
        undisturbed = hashes(data)
    _with_identities(data)

    platform.tick(EventLogConsumerDaemon())
    run_id = _ingest(platform)
    rows = data / "lake" / "clean" / "telemetry"
    wait_for(lambda: next(rows.rglob("*.parquet"), None), "rows are being written")
    platform.kill(run_id)
    lake = Lake(root=str(data / "lake"))
    assert set(lake.ledger.keys(Telemetry)) < set(HOURS), "killed before all were published"
    platform.tick(MonitoringDaemon(interval_seconds=30))
    assert platform.run(run_id).status is dg.DagsterRunStatus.FAILURE
    platform.tick(EventLogConsumerDaemon())
    run_id = platform.run(run_id).tags["dagster/auto_retry_run_id"]
    platform.tick(QueuedRunCoordinatorDaemon(interval_seconds=1))
    wait_for(lambda: lake.ledger.keys(FallEvents), "some tables are published")
    platform.kill(run_id)
    assert hashes(data).items() < undisturbed.items(), "killed before all were published"
    platform.tick(MonitoringDaemon(interval_seconds=30))
    assert platform.run(run_id).status is dg.DagsterRunStatus.FAILURE

    assert platform.end_of(_ingest(platform)) == "SUCCESS"
    assert hashes(data) == undisturbed
    assert lake.read(Telemetry, HOURS).num_rows > 10_000
    for model in all_contracts():
        if model.spec.namespace != "warehouse" and (keys := lake.ledger.keys(model)):
            vouched = sum(lake.ledger.get(model, key).rows for key in keys)
            assert lake.read(model, keys).num_rows == vouched, model.spec.identifier
