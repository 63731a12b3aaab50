"""From a drop to its alert row, through daemon, sensor, queue and run worker as shipped.

An hour in which 300 devices have sent already receives a drop with a fall; the time until the alert can be
read from the lake is measured, for one drop after another, and then for a burst of 200 at once.

python -m fallrisk_assets_tests.bench.latency <drops> <devices> <burst>
"""

import csv
import datetime as dt
import gzip
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dagster import DagsterRunStatus

from fallrisk_assets_tests.bench.workload import ROOT, WORK, fresh_data_folder, landing_of

_SENSOR_WAIT_S = 120.0
_BURST_WAIT_S = 900.0
_ENDED = tuple(DagsterRunStatus[name] for name in ("SUCCESS", "FAILURE", "CANCELED"))


def _clinic(devices: int) -> Path:
    """Return a landing zone with the clinic's files of many patients (and hardly any samples)."""
    folder = WORK / "cohorts" / f"{devices}-assigned"
    if not (folder / "complete").exists():
        options = [f"--patients={devices}", "--days=1", "--hours-per-day=0.02", "--start=2026-01-05"]
        command = [sys.executable, "-m", "simulator", "cohort", "--out", str(folder / "landing"), *options]
        command += ["--truth", str(folder / "truth"), "--faults=none", "--falls-per-day=0", "--quiet"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder / "landing"


def _assigned(clinic: Path) -> list[tuple[str, str]]:
    """Return devices and the patients who wear them."""
    (path,) = (clinic / "clinic").glob("*-device_assignment.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return sorted({(row["device_id"], row["patient_id"]) for row in rows})


class Minutes:
    """A minute with a fall and one without, of a simulated day, that any device can be said to send."""

    def __init__(self) -> None:
        landing = landing_of(1)
        with (landing.parent / "truth" / "falls.csv").open(newline="") as file:
            fall = next(csv.DictReader(file))
        impact = dt.datetime.fromisoformat(fall["impact_at"])
        self.hour = impact.replace(minute=0, second=0, microsecond=0)
        self.device = fall["device_id"]
        received = f"{self.hour + dt.timedelta(hours=1):%Y%m%dT%H}"
        (drop,) = (landing / "telemetry").glob(f"{received}*-{self.device}-*")
        lines = gzip.decompress(drop.read_bytes()).splitlines(keepends=True)
        at = [(json.loads(line)["ts"], line) for line in lines[::50]]
        self.patient = json.loads(lines[0])["patientId"]
        stamps = [dt.datetime.fromisoformat(ts) for ts, _ in at]
        near = min(range(len(stamps)), key=lambda i: abs(stamps[i] - impact)) * 50
        self.fall = b"".join(lines[max(0, near - 1500) : near + 1500])
        quiet = 0 if near > 6000 else len(lines) - 3000
        self.quiet = b"".join(lines[quiet : quiet + 3000])
        self.received_at = impact + dt.timedelta(minutes=2)

    def drop(self, device: str, patient: str, *, fall: bool, second: int = 0) -> tuple[str, bytes]:
        """Return name and content of a device's drop."""
        text = self.fall if fall else self.quiet
        text = text.replace(self.device.encode(), device.encode())
        text = text.replace(f'"patientId":"{self.patient}"'.encode(), f'"patientId":"{patient}"'.encode())
        content = gzip.compress(text, 1, mtime=0)
        stamp = self.received_at + dt.timedelta(seconds=second)
        return f"{stamp:%Y%m%dT%H%M%SZ}-{device}-{hashlib.sha256(content).hexdigest()[:8]}.jsonl.gz", content


def _land(landing: Path, name: str, content: bytes) -> None:
    """Put a drop in place as a gateway does: written under another name, then renamed."""
    hidden = landing / "telemetry" / f".{name}"
    hidden.write_bytes(content)
    hidden.rename(landing / "telemetry" / name)


def _alerted(lake: Any, key: str) -> set[str]:
    from fallrisk_assets.alerts.contract import Alerts

    if lake.ledger.find(Alerts, key) is None:
        return set()
    return set(lake.read(Alerts, [key], columns=["patient_id"])["patient_id"].to_pylist())


def _wait_for(lake: Any, key: str, patient: str, limit_s: float) -> float:
    """Return the moment at which a patient's alert could be read.

    Raises:
        TimeoutError: it never came.
    """
    from fallrisk_assets.alerts.contract import Alerts

    seen = lake.ledger.changes(Alerts).get(key)
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        now = lake.ledger.changes(Alerts).get(key)
        if now != seen:
            seen = now
            if patient in _alerted(lake, key):
                return time.monotonic()
        time.sleep(0.05)
    raise TimeoutError(f"no alert of {patient} within {limit_s:.0f} s")


def _wait_until_idle() -> None:
    """Wait until no run is queued or under way: what is measured is one drop on a quiet machine."""
    import dagster as dg

    busy = [s for s in DagsterRunStatus if s not in _ENDED]
    with dg.DagsterInstance.get() as instance:
        while instance.get_runs_count(dg.RunsFilter(statuses=busy)):
            time.sleep(0.5)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measure(drops: int, devices: int, burst: int) -> dict[str, Any]:
    """Start everything, measure, stop everything."""
    minutes = Minutes()
    clinic = _clinic(devices + drops + burst + 1)
    data = fresh_data_folder("latency", clinic)
    landing = data / "landing"
    landing.unlink()
    (landing / "telemetry").mkdir(parents=True)
    (landing / "clinic").symlink_to(clinic / "clinic")
    os.environ.update(FALLRISK_DATA=str(data), DAGSTER_HOME=str(data / "dagster_home"))

    from fallrisk_assets.definitions import defs
    from fallrisk_assets.lake import Lake
    from fallrisk_assets.partitions import hour_key

    key = hour_key(minutes.hour)
    worn = _assigned(clinic)
    for device, patient in worn[:devices]:
        _land(landing, *minutes.drop(device, patient, fall=False))
    _prepare(defs, key)
    lake = Lake()
    bin_folder = Path(sys.executable).parent
    dagster = str(bin_folder / "dagster")
    daemon = subprocess.Popen(
        [
            *("setsid", "env", "--default-signal=SIGINT,SIGTERM"),
            *(str(bin_folder / "dagster-daemon"), "run", "-w", "workspace.yaml"),
        ],
        cwd=ROOT,
        stdout=(data / "daemon.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        _run(dagster, "sensor", "start", "landing_sensor", "-w", "workspace.yaml")
        result = _measure(lake, landing, minutes, worn[devices:], key, drops, burst)
    finally:
        daemon.send_signal(signal.SIGINT)
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
    return {"devices": devices, **result}


def _prepare(defs: Any, key: str) -> None:
    """Publish the clinic's day and the hour as the devices' first drops make it."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        defs.resolve_job_def("identity_daily").execute_in_process(partition_key=key[:10], instance=instance)
        hourly = defs.resolve_job_def("telemetry_hourly")
        hourly.execute_in_process(partition_key=key, instance=instance)


def _measure(
    lake: Any,
    landing: Path,
    minutes: Minutes,
    worn: list[tuple[str, str]],
    key: str,
    drops: int,
    burst: int,
) -> dict[str, Any]:
    waits = []
    device, patient = worn[0]
    _land(landing, *minutes.drop(device, patient, fall=True))
    first = time.monotonic()
    warm_up_s = _wait_for(lake, key, patient, _SENSOR_WAIT_S) - first  # sensor and code server have started
    for i, (device, patient) in enumerate(worn[1 : drops + 1], start=1):
        _wait_until_idle()
        time.sleep(1.0 + 0.37 * i)  # at another phase of the sensor's five seconds each time
        _land(landing, *minutes.drop(device, patient, fall=True, second=i))
        landed = time.monotonic()
        waits.append(_wait_for(lake, key, patient, _SENSOR_WAIT_S) - landed)
        print(f"  {waits[-1]:.1f} s", file=sys.stderr, flush=True)
    result: dict[str, Any] = {"warm_up_s": warm_up_s, "waits_s": waits}
    if waits:
        result["median_s"] = statistics.median(waits)
    if burst:
        _wait_until_idle()
        many = worn[drops + 1 : drops + 1 + burst]
        for i, (device, patient) in enumerate(many):
            _land(landing, *minutes.drop(device, patient, fall=True, second=60 + i % 20))
        landed = time.monotonic()
        wanted = {patient for _, patient in many}
        while (left := len(wanted - _alerted(lake, key))) and time.monotonic() - landed < _BURST_WAIT_S:
            time.sleep(1.0)
        result.update(burst=len(many), burst_s=time.monotonic() - landed, burst_left_behind=left)
    return result


def main() -> None:
    """Measure what the command line says."""
    print(json.dumps(measure(*(int(n) for n in sys.argv[1:4]))))


if __name__ == "__main__":
    main()
