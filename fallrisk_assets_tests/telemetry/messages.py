"""Telemetry lines for tests, written as devices write them, with nothing of the reader's own code."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np

from fallrisk_assets.telemetry.drops import DropName

DEVICE = "imu-10001"
PATIENT = "pt-1"
HOUR = datetime(2026, 1, 5, 7, tzinfo=UTC)
HOUR_START_US = round(HOUR.timestamp()) * 1_000_000
RECEIVED = HOUR + timedelta(hours=1, minutes=3)


def drop_name(
    received_at: datetime = RECEIVED, device_id: str = DEVICE, drop_format: str = "jsonl.gz"
) -> DropName:
    """A drop's name, received shortly after the hour."""
    return DropName(received_at, device_id, "0a1b2c3d", drop_format)


def message(seq: int = 0, /, **changes: object) -> dict:
    """One message; `changes` replace top-level fields, `meta_<field>` those of meta, None removes."""
    at = HOUR + timedelta(milliseconds=20 * seq)
    content: dict = {
        "deviceId": DEVICE,
        "patientId": PATIENT,
        "seq": seq,
        "ts": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
        "accel": {"x": 0.0123, "y": -0.9981, "z": 0.0411},
        "gyro": {"x": 1.25, "y": -0.5, "z": 0.06},
        "meta": {"fw": "2.4.1", "battery": 0.934, "schemaVersion": 1, "position": "waist", "boot": 1},
    }
    for name, value in changes.items():
        holder, key = (content["meta"], name[5:]) if name.startswith("meta_") else (content, name)
        if value is None:
            del holder[key]
        else:
            holder[key] = value
    return content


def line(seq: int = 0, /, **changes: object) -> str:
    """One line as the device writes it: fixed key order, no spaces."""
    return json.dumps(message(seq, **changes), separators=(",", ":"))


def walk(n: int, seed: int = 0, rate_hz: float = 50.0, scale: float = 1.0, **changes: object) -> list[str]:
    """Lines of n samples at a rate: gravity along -y with movement; `scale` gives it another unit than g."""
    rng = np.random.default_rng(seed)
    accel = rng.normal(0.0, 0.05, (n, 3))
    accel[:, 1] -= 1.0
    accel = (accel * scale).round(5)
    gyro = rng.normal(0.0, 30.0, (n, 3)).round(3)
    lines = []
    for i in range(n):
        at = HOUR + timedelta(milliseconds=round(1000 * i / rate_hz))
        ts = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
        axes = dict(zip("xyz", accel[i].tolist(), strict=True))
        turns = dict(zip("xyz", gyro[i].tolist(), strict=True))
        lines.append(line(i, **{"ts": ts, "accel": axes, "gyro": turns, **changes}))
    return lines


def as_drop(lines: list[str]) -> bytes:
    """The bytes of a drop with these lines."""
    return "".join(text + "\n" for text in lines).encode()
