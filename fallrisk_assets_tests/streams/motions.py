"""Scripted motions as messages of a device, a second each, for tests of what is live."""

import json
from datetime import UTC, datetime

import numpy as np

from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets_tests.telemetry.messages import DEVICE, PATIENT

START_US = 1_767_600_000_000_000  # 2026-01-05 08:00 UTC
RATE_HZ = 50


def samples(*falls_at_s, seconds=60.0, seed=2):
    """Times, acceleration and turn rate, at 50 Hz, of somebody who falls and lies: before and after, rest."""
    n = int(seconds * RATE_HZ)
    ts = START_US + np.arange(n, dtype=np.int64) * 20_000
    rng = np.random.default_rng(seed)
    accel = np.tile(np.float32([0.0, 0.0, 1.0]), (n, 1)) + rng.normal(0, 0.01, (n, 3))
    gyro = rng.normal(0, 1.0, (n, 3))
    for at_s in falls_at_s:
        _, a, g = motion.fall(at_s=6.0).sample(RATE_HZ, seed=seed)
        first = int((at_s - 6.0) * RATE_HZ)
        last = min(first + len(a), n)
        accel[first:last], gyro[first:last] = a[: last - first], g[: last - first]
    return ts, accel.round(5), gyro.round(3)


def lines(ts, accel, gyro, device=DEVICE, patient=PATIENT, boot=1, scale=1.0, fw="2.4.1"):
    """Each sample as the device writes it."""
    out = []
    for i, (t, a, g) in enumerate(zip(ts.tolist(), (accel * scale).round(5), gyro, strict=True)):
        at = datetime.fromtimestamp(t / 1e6, UTC)
        out.append(
            json.dumps(
                {
                    "deviceId": device,
                    "patientId": patient,
                    "seq": i,
                    "ts": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
                    "accel": dict(zip("xyz", a.tolist(), strict=True)),
                    "gyro": dict(zip("xyz", g.tolist(), strict=True)),
                    "meta": {
                        "fw": fw,
                        "battery": 0.9,
                        "schemaVersion": 1,
                        "position": "waist",
                        "boot": boot,
                    },
                },
                separators=(",", ":"),
            )
        )
    return out


def messages(text, per=RATE_HZ):
    """Cut lines into messages of a second."""
    return ["\n".join(text[i : i + per]).encode() for i in range(0, len(text), per)]
