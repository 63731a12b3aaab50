"""Brokers that tests start are gone when they end."""

import socket
import sys

import pytest

from simulator.brokers import BrokerFailed, free_port, listens, running

#: As some packages' programs do: the server is a child, and a signal to its parent does not reach it.
SERVER = """
import socket, sys, time
held = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""
STARTER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"


def test_a_server_that_another_program_starts_ends_with_the_block(tmp_path):
    port = free_port()
    with running([sys.executable, "-c", STARTER, "-c", SERVER, str(port)], port, tmp_path / "log") as started:
        assert listens(port)
    assert not listens(port)
    assert started.poll() is not None


def test_somebody_elses_server_is_never_taken_for_ours(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerFailed, match="listens on port"), running(["true"], port, tmp_path / "log"):
            pass


def test_a_server_that_does_not_start_says_why(tmp_path):
    fails = [sys.executable, "-c", "raise SystemExit('no licence')"]
    with (
        pytest.raises(BrokerFailed, match="no licence"),
        running(fails, free_port(), tmp_path / "log"),
    ):
        pass
