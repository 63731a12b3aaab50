import signal
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus

from fallrisk_assets.launcher import WORKER_TAG, ForkServerRunLauncher, _identity, _is_alive


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_worker_is_alive_until_it_ends_and_no_other_process_passes_for_it(sleeper):
    identity = _identity(sleeper.pid)
    assert _is_alive(identity)
    pid, _, started = identity.partition("@")
    assert not _is_alive(f"{pid}@{int(started) - 1}"), "another process that had the same id"
    sleeper.kill()
    sleeper.wait()
    assert not _is_alive(identity)
    assert not _is_alive("")


def test_a_killed_worker_is_found_dead_and_a_cancelled_one_is_interrupted(sleeper):
    with dg.instance_for_test(
        overrides={"run_launcher": {"module": "fallrisk_assets.launcher", "class": "ForkServerRunLauncher"}}
    ) as instance:
        assert isinstance(instance.run_launcher, ForkServerRunLauncher)
        run = instance.create_run_for_job(dg.GraphDefinition("nothing", node_defs=[]).to_job())
        instance.add_run_tags(run.run_id, {WORKER_TAG: _identity(sleeper.pid)})
        found = instance.get_run_by_id(run.run_id)
        assert instance.run_launcher.check_run_worker_health(found).status == WorkerStatus.RUNNING
        assert instance.run_launcher.terminate(run.run_id)
        assert sleeper.wait(10) in (-signal.SIGINT, 1)
        found = instance.get_run_by_id(run.run_id)
        assert instance.run_launcher.check_run_worker_health(found).status == WorkerStatus.FAILED
        assert not instance.run_launcher.terminate(run.run_id)
