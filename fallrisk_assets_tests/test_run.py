import sys

import dagster as dg
import pytest

from fallrisk_assets import run
from fallrisk_assets.launcher import WORKER_TAG


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FALLRISK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return tmp_path


JOB = """
import os
import dagster as dg
from fallrisk_assets.launcher import identity

@dg.asset
def a(context):
    open({path!r}, "w").write(identity(os.getpid()))

defs = dg.Definitions([a], jobs=[dg.define_asset_job("job_of_a", executor_def=dg.in_process_executor)])
"""


@pytest.mark.slow
def test_a_run_of_the_command_line_names_its_own_process_so_that_a_killed_one_is_noticed(home, monkeypatch):
    (home / "one_job.py").write_text(JOB.format(path=str(home / "worker")))
    real = run.subprocess.Popen

    def elsewhere(command, **options):
        swapped = ["one_job" if word == "fallrisk_assets.definitions" else word for word in command]
        return real(swapped, **options)

    monkeypatch.setenv("PYTHONPATH", ":".join([str(home), *sys.path]))
    monkeypatch.setattr(run.subprocess, "Popen", elsewhere)
    run.execute("job_of_a", "2026-01-05", "2026-01-05", {"said": "by hand"})
    with dg.DagsterInstance.get() as instance:
        (done,) = instance.get_runs()
    assert done.tags[WORKER_TAG] == (home / "worker").read_text()
    assert done.tags["said"] == "by hand"
