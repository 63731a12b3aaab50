"""From a device's message to the alert in the outbox: a broker, the live process, hundreds of devices.

Devices send a second of samples each second, one after the other, 50 Hz, six axes, JSON Lines. Some fall. The
clock of a fall starts when the message is published without which the detector cannot decide, and stops when
its alert can be read from the outbox, which is looked at every 20 ms.

python -m fallrisk_assets_tests.bench.stream mqtt | kafka <devices> <seconds>
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.contract import conform
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import device_bucket, hour_key
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.detector import detect_falls, released_model
from fallrisk_assets.risk.falls import event_id
from fallrisk_assets.streams.mqtt import MqttSettings, client_of
from fallrisk_assets.streams.registry import REGISTERED, RegistryEvent
from fallrisk_assets.streams.registry_files import put_events
from fallrisk_assets_tests.bench.workload import ROOT, WORK
from simulator.brokers import Authority, free_port, kafka_broker, mqtt_broker
from simulator.json_lines import json_lines

RATE_HZ = 50
_WARM_UP_S = 25
_AFTER_S = 8
_FALL_EVERY_S = 1.0
_CONNECTIONS = 8
_PARTITIONS = 4
_LOOK_S = 0.02
_START_S = 120.0
_HOURS = 24
_FALLS_AN_HOUR = 8
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")

Publish = Callable[[int, bytes], None]


class Devices:
    """What devices sense from a start on: walking, a hit every half minute, and a fall of some."""

    def __init__(self, count: int, seconds: int) -> None:
        self.count = count
        self.seconds = _WARM_UP_S + seconds + _AFTER_S
        self.start_s = int(time.time()) + 3
        model = released_model()
        _, walk, turns = motion.walking(amplitude_g=0.3).sample(RATE_HZ)
        n = self.seconds * RATE_HZ
        self._walk, self._turns = np.resize(walk, (n + 3_000, 3)), np.resize(turns, (n + 3_000, 3))
        self._falls: dict[int, tuple[int, np.ndarray, np.ndarray]] = {}
        #: device → second of its stream with whose message a fall is decided.
        self.decided: dict[int, int] = {}
        rng = np.random.default_rng(11)
        fallen = rng.permutation(count)[: int(seconds / _FALL_EVERY_S)]
        for i, device in enumerate(fallen.tolist()):
            first = int((_WARM_UP_S - 9 + i * _FALL_EVERY_S) * RATE_HZ)
            _, accel, gyro = motion.fall(at_s=6.0).sample(RATE_HZ, seed=i)
            self._falls[device] = first, accel, gyro
            found = detect_falls(self._times(0, n) * 1000, *self._signal(device, 0, n), "waist", model)
            if found:
                self.decided[device] = (found[0].decided_us - self.start_s * 1_000_000) // 1_000_000

    def name(self, device: int) -> tuple[str, str]:
        """Device and patient."""
        return f"imu-{20_000 + device}", f"pt-{device}"

    def payload(self, device: int, second: int) -> bytes:
        """A second of a device, as it writes it."""
        first = second * RATE_HZ
        accel, gyro = self._signal(device, first, first + RATE_HZ)
        raw, _ = json_lines(
            *self.name(device),
            first,
            self._times(first, first + RATE_HZ),
            (accel * 1e4).round().astype(np.int32),
            (gyro * 1e2).round().astype(np.int32),
            np.full(RATE_HZ, 900_000, np.int64),
            "2.4.1",
            "waist",
            1,
        )
        return raw.tobytes()

    def _times(self, first: int, last: int) -> np.ndarray:
        return self.start_s * 1000 + np.arange(first, last, dtype=np.int64) * (1000 // RATE_HZ)

    def _signal(self, device: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        shift = 37 * device % 3_000
        accel, gyro = (values[shift + first : shift + last].copy() for values in (self._walk, self._turns))
        hits = np.flatnonzero((np.arange(first, last) + 61 * device) % (30 * RATE_HZ) == 0)
        accel[hits] *= np.float32(2.0)
        if device in self._falls:
            begin, fallen, turned = self._falls[device]
            lo, hi = max(first, begin), min(last, begin + len(fallen))
            if lo < hi:
                accel[lo - first : hi - first] = fallen[lo - begin : hi - begin]
                gyro[lo - first : hi - first] = turned[lo - begin : hi - begin]
            if last > begin + len(fallen):  # lies still where the motion has ended
                rest = slice(max(first, begin + len(fallen)) - first, None)
                accel[rest], gyro[rest] = fallen[-1], 0.0
        return accel, gyro


def _prepare(data: Path, devices: Devices) -> None:
    """Register the devices and assign each to a patient."""
    ago = datetime.now(UTC) - timedelta(days=7)
    names = [devices.name(k) for k in range(devices.count)]
    events = [RegistryEvent(ago, device, REGISTERED, "bench") for device, _ in names]
    put_events(Landing(root=str(data / "landing")), events, ago)
    lake, key = Lake(root=str(data / "lake")), f"{ago:%Y-%m-%d}"
    n = len(names)
    columns: dict[str, list[Any]] = {
        "snapshot_date": [ago.date()] * n,
        "device_id": [device for device, _ in names],
        "patient_id": [patient for _, patient in names],
        "valid_from": [ago] * n,
        "valid_to": [None] * n,
        "position": ["waist"] * n,
        "corrected_at": [None] * n,
        "revision": [0] * n,
    }
    _publish(lake, DeviceAssignment, {key: conform(DeviceAssignment, columns)})
    # Telling reads what the hourly assets found in the last day.
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now - timedelta(hours=back) for back in range(_HOURS, 0, -1)]
    _publish(lake, FallEvents, {hour_key(hour): _falls_of(hour) for hour in hours})


def _falls_of(hour: datetime) -> pa.Table:
    """A fall of each of some people whom nothing else is measured of."""
    ats = [hour + timedelta(minutes=7 * k) for k in range(_FALLS_AN_HOUR)]
    devices = [f"imu-{10_000 + k}" for k in range(_FALLS_AN_HOUR)]
    n = len(ats)
    return conform(
        FallEvents,
        {
            "device_bucket": [device_bucket(device) for device in devices],
            "event_id": [event_id(d, int(at.timestamp() * 1e6)) for d, at in zip(devices, ats, strict=True)],
            "device_id": devices,
            "patient_id": [f"pt-other-{k}" for k in range(n)],
            "position": ["waist"] * n,
            "impact_at": ats,
            "decided_at": [at + timedelta(seconds=3.5) for at in ats],
            "probability": [0.9] * n,
            "peak_g": [4.0] * n,
            "free_fall_s": [0.2] * n,
            "posture_change_deg": [80.0] * n,
            "stillness_s": [2.0] * n,
            "recovered": [False] * n,
            "model_version": ["bench"] * n,
        },
    )


def _publish(lake: Lake, model: Any, tables: dict[str, pa.Table]) -> None:
    with lake.publication(model, list(tables)) as publication:
        for key, rows in tables.items():
            buckets = sorted(set(rows["device_bucket"].to_pylist())) if model.spec.bucketed else [None]
            for bucket in buckets:
                part = rows if bucket is None else rows.filter(pc.field("device_bucket") == bucket)
                report = publication.add(key, part, bucket)
                if not report.passed:
                    raise RuntimeError(report.sentence())
        publication.commit()


@contextmanager
def _mqtt(folder: Path, devices: Devices) -> Iterator[tuple[dict[str, str], Callable[[], Publish]]]:
    authority = Authority(folder / "authority")
    port = free_port()

    def settings(name: str, client: str) -> MqttSettings:
        certificate, key = authority.issue(name)
        ca = str(authority.certificate)
        return MqttSettings("127.0.0.1", port, ca, str(certificate), str(key), client)

    own = settings("gateway", "gateway")
    values = {"HOST": own.host, "PORT": str(port), "CA": own.ca, "CERT": own.certificate, "KEY": own.key}
    with mqtt_broker(folder / "broker", authority, port, fleet=True), ExitStack() as ending:

        def connect() -> Publish:
            clients = []
            for k in range(_CONNECTIONS):
                client = client_of(settings("fleet", f"fleet-{k}"))
                client.max_inflight_messages_set(500)
                client.connect("127.0.0.1", port)
                client.loop_start()
                ending.callback(client.loop_stop)
                ending.callback(client.disconnect)
                clients.append(client)

            def publish(device: int, payload: bytes) -> None:
                name = devices.name(device)[0]
                clients[device % _CONNECTIONS].publish(f"devices/{name}/telemetry", payload, qos=1)

            return publish

        yield {f"FALLRISK_MQTT_{name}": value for name, value in values.items()}, connect


@contextmanager
def _kafka(folder: Path, devices: Devices) -> Iterator[tuple[dict[str, str], Callable[[], Publish]]]:
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    with kafka_broker(folder / "broker") as address:
        reach = {"bootstrap.servers": address}
        topic = NewTopic("telemetry", num_partitions=_PARTITIONS)
        admin = AdminClient(reach)
        admin.create_topics([topic])["telemetry"].result(10)

        def connect() -> Publish:
            producer = Producer({**reach, "linger.ms": "5"})

            def publish(device: int, payload: bytes) -> None:
                producer.produce("telemetry", payload, key=devices.name(device)[0])
                producer.poll(0)

            return publish

        yield {"FALLRISK_KAFKA_BOOTSTRAP_SERVERS": address}, connect


class Outbox(threading.Thread):
    """Looks at the outbox and notes when it first sees somebody's fall."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path, self.seen, self.ended = path, dict[str, float](), False

    def run(self) -> None:
        """Look until told to end."""
        while not self._path.exists() and not self.ended:
            time.sleep(_LOOK_S)
        if self.ended:
            return
        with sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5) as db:
            last = 0
            while not self.ended:
                query = "select rowid, subject from deliveries where rowid > ? and rule = 'FALL_DETECTED'"
                for row, subject in _rows(db, query, last):
                    last = row
                    self.seen.setdefault(subject, time.time())
                time.sleep(_LOOK_S)


def _rows(db: sqlite3.Connection, query: str, after: int) -> list[tuple[int, str]]:
    try:
        return db.execute(query, (after,)).fetchall()
    except sqlite3.OperationalError as not_yet:
        if "no such table" in str(not_yet):
            return []
        raise


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def measure(source: str, count: int, seconds: int) -> dict[str, Any]:
    """Start broker and live process, send, measure, stop everything."""
    folder = WORK / f"stream-{source}-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        return _measure(folder, source, count, seconds)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, source: str, count: int, seconds: int) -> dict[str, Any]:
    data = folder / "data"
    devices = Devices(count, seconds)
    _prepare(data, devices)
    published: dict[str, float] = {}
    with {"mqtt": _mqtt, "kafka": _kafka}[source](folder, devices) as (variables, connect):
        known = {k: v for k, v in os.environ.items() if not k.startswith("FALLRISK_")}
        known |= {"FALLRISK_DATA": str(data), "FALLRISK_ENV": "local", "PYTHONPATH": str(ROOT), **variables}
        log = folder / "log"
        with log.open("w") as out:
            command = [sys.executable, "-m", "fallrisk_assets.stream", source]
            live = subprocess.Popen(command, cwd=ROOT, env=known, stderr=out)
        outbox = Outbox(data / "outbox.db")
        try:
            _wait(lambda: "fall detector" in log.read_text(), live, log)
            outbox.start()
            publish = connect()
            cpu, behind_s = _send(devices, publish, published, live.pid)
            peak_mb = _peak_mb(live.pid)
            time.sleep(5.0)
            live.send_signal(signal.SIGTERM)
            live.wait(60)
        finally:
            outbox.ended = True
            live.kill()
            live.wait()
    names = {devices.name(k)[1] for k in devices.decided}
    delays = np.array([outbox.seen[p] - published[p] for p in sorted(names) if p in outbox.seen])
    p50, p95, p99 = np.percentile(delays, (50, 95, 99)).tolist() if len(delays) else (np.nan,) * 3
    return {
        "source": source,
        "devices": count,
        "falls": len(names),
        "told": len(delays),
        "others_told": len(set(outbox.seen) - names),
        "p50_s": p50,
        "p95_s": p95,
        "p99_s": p99,
        "worst_s": float(delays.max()) if len(delays) else np.nan,
        "cpu_share": cpu,
        "devices_a_core": count / cpu,
        "peak_mb": peak_mb,
        "sender_behind_s": behind_s,
        "log": log.read_text().splitlines()[-1],
    }


def _wait(done: Callable[[], bool], live: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while not done():
        if live.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the live process did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def _send(devices: Devices, publish: Publish, published: dict[str, float], pid: int) -> tuple[float, float]:
    """Send all seconds in time; returns the live process's CPU share after the warm-up, and the worst lag."""
    devices.start_s = int(time.time()) + 1
    behind = cpu = 0.0
    begun_at = time.monotonic()
    for second in range(devices.seconds):
        if second == _WARM_UP_S:
            cpu, begun_at = _cpu_s(pid), time.monotonic()
        for device in range(devices.count):
            payload = devices.payload(device, second)
            due = devices.start_s + second + 1 + device / devices.count
            wait = due - time.time()
            if wait > 0:
                time.sleep(wait)
            behind = max(behind, -wait)
            now = time.time()
            publish(device, payload)
            if devices.decided.get(device) == second:
                published[devices.name(device)[1]] = now
    return (_cpu_s(pid) - cpu) / (time.monotonic() - begun_at), behind


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    print(json.dumps(measure(what, *map(int, numbers))))
