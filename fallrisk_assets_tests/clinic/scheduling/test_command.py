"""The two command lines: the simulator serves, the connector pulls, through every kind of trouble."""

import json
import queue
import re
import threading

import pytest

from fallrisk_assets.clinic.files import FOLDER
from fallrisk_assets.clinic.scheduling.__main__ import TOKEN_VARIABLE, URL_VARIABLE, main
from simulator.__main__ import parser
from simulator.scheduling_command import serve


@pytest.fixture
def served():
    """Serve a small clinic in a thread, in trouble at each ninth request; return its address."""
    stop = threading.Event()
    options = ["--patients", "20", "--providers", "3", "--days", "2", "--trouble-every", "9", "--port", "0"]
    args = parser().parse_args(["scheduling-api", *options, "--token", "hush"])
    said: queue.Queue[str] = queue.Queue()
    thread = threading.Thread(target=serve, args=(args, stop, said.put))
    thread.start()
    yield re.search(r"http://\S+", said.get(timeout=30))[0]
    stop.set()
    thread.join()


def test_a_pull_through_all_troubles_gives_the_whole_clinic(served, landing, capsys):
    variables = {URL_VARIABLE: served, TOKEN_VARIABLE: "hush"}
    assert main(["--page-size", "10"], landing, variables, sleep=lambda _: None) == 0
    (file,) = landing.list(FOLDER)
    ids = [json.loads(line)["appointment_id"] for line in landing.read(file.key).splitlines()]
    assert len(ids) == len(set(ids)) > 20
    out = capsys.readouterr().out
    assert file.key in out
    assert int(re.search(r"requests, (\d+) of them again", out)[1]) >= 4
    assert "hush" not in out


def test_who_cannot_ask_says_so_and_drops_nothing(landing, capsys):
    assert main([], landing, {}) == 2
    assert URL_VARIABLE in capsys.readouterr().err
    assert main(["--url", "http://127.0.0.1:1/v1", "--retries", "0"], landing, {}) == 1
    assert "pull again later" in capsys.readouterr().err
    assert landing.list(FOLDER) == []
