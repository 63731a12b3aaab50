import logging
import signal
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._daemon.monitoring.run_monitoring import monitor_started_run

from fallrisk_assets.launcher import WORKER_TAG, ForkServerRunLauncher, _is_alive, identity


@pytest.fixture
def sleeper():
    # Who starts the tests in the background of a shell has them ignore interrupts, and their children, too.
    code = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.stdout.close()
    process.kill()
    process.wait()


def test_a_worker_is_alive_until_it_ends_and_no_other_process_passes_for_it(sleeper):
    worker = identity(sleeper.pid)
    assert _is_alive(worker)
    pid, _, started = worker.partition("@")
    assert not _is_alive(f"{pid}@{int(started) - 1}"), "another process that had the same id"
    sleeper.kill()
    sleeper.wait()
    assert not _is_alive(worker)
    assert not _is_alive("")


def test_a_killed_worker_is_found_dead_and_a_cancelled_one_is_interrupted(sleeper):
    with dg.instance_for_test(
        overrides={"run_launcher": {"module": "fallrisk_assets.launcher", "class": "ForkServerRunLauncher"}}
    ) as instance:
        assert isinstance(instance.run_launcher, ForkServerRunLauncher)
        run = instance.create_run_for_job(dg.GraphDefinition("nothing", node_defs=[]).to_job())
        instance.add_run_tags(run.run_id, {WORKER_TAG: identity(sleeper.pid)})
        found = instance.get_run_by_id(run.run_id)
        assert instance.run_launcher.check_run_worker_health(found).status == WorkerStatus.RUNNING
        assert instance.run_launcher.terminate(run.run_id)
        assert sleeper.wait(10) in (-signal.SIGINT, 1)
        found = instance.get_run_by_id(run.run_id)
        assert instance.run_launcher.check_run_worker_health(found).status == WorkerStatus.FAILED
        assert not instance.run_launcher.terminate(run.run_id)


def test_run_monitoring_leaves_a_run_alone_whose_worker_nobody_named():
    launcher = {"module": "fallrisk_assets.launcher", "class": "ForkServerRunLauncher"}
    with dg.instance_for_test(
        overrides={"run_launcher": launcher, "run_monitoring": {"enabled": True}}
    ) as instance:
        job = dg.GraphDefinition("nothing", node_defs=[]).to_job()
        by_hand = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        killed = instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.STARTED, tags={WORKER_TAG: "999999999@1"}
        )
        for run in (by_hand, killed):
            record = instance.get_run_record_by_id(run.run_id)
            monitor_started_run(instance, None, record, logging.getLogger("monitoring"))
        assert instance.get_run_by_id(by_hand.run_id).status == dg.DagsterRunStatus.STARTED
        assert instance.get_run_by_id(killed.run_id).status == dg.DagsterRunStatus.FAILURE


def test_a_process_id_that_is_now_another_users_is_no_worker(sleeper, monkeypatch):
    name = identity(sleeper.pid)

    def refuse(pid: int, number: int) -> None:
        raise PermissionError(pid, number)

    monkeypatch.setattr("fallrisk_assets.launcher.os.kill", refuse)
    assert not _is_alive(name)
