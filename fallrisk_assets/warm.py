"""Compile the signal kernels once, at install time: a cold cache costs the first run about ten seconds.

What belongs here: one tiny call of every compiled path. What does not: anything that keeps its result.
"""

import datetime as dt
import gzip
import hashlib

import numpy as np

_SAMPLES = 1_500
_RATE_HZ = 50


def _drop() -> tuple[str, bytes]:
    """Return a drop of half a minute of quiet sensor data."""
    start = dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC)
    lines = []
    for i in range(_SAMPLES):
        moment = start + dt.timedelta(seconds=i / _RATE_HZ)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        lines.append(
            f'{{"deviceId":"imu-1","patientId":"pt-1","seq":{i},"ts":"{stamp}",'
            f'"accel":{{"x":0.0{i % 7},"y":-0.99{i % 5},"z":0.04}},"gyro":{{"x":1.2,"y":-0.5,"z":0.{i % 9}}},'
            '"meta":{"fw":"2.4.1","battery":0.93,"schemaVersion":1,"position":"waist","boot":1}}'
        )
    raw = gzip.compress("\n".join(lines).encode(), mtime=0)
    return f"telemetry/20260105T070032Z-imu-1-{hashlib.sha256(raw).hexdigest()[:8]}.jsonl.gz", raw


def main() -> int:
    """Run drop → samples → features → falls once in memory."""
    from fallrisk_assets.mobility.warm import warm_features
    from fallrisk_assets.risk.detector import detect_falls, load_detector
    from fallrisk_assets.telemetry.clean import Assignment, clean_device_hour
    from fallrisk_assets.telemetry.coverage import device_hour_coverage
    from fallrisk_assets.telemetry.drops import parse_drop_name, read_drop_bytes
    from fallrisk_assets.telemetry.gather import gather_device_hour
    from fallrisk_assets.telemetry.parse import parse_drop

    key, raw = _drop()
    name = parse_drop_name(key)
    parsed = parse_drop(read_drop_bytes(raw, name.format), name)
    hour_us = name.received_us // 3_600_000_000 * 3_600_000_000
    always = Assignment("pt-1", 0, 1 << 62, "waist")
    cleaned = clean_device_hour(gather_device_hour("imu-1", [(key, parsed)], hour_us), [always], hour_us)
    device_hour_coverage(cleaned, hour_us, hour_us + 3_600_000_000)
    detect_falls(cleaned.ts_us, cleaned.accel_g, cleaned.gyro_dps, "waist", load_detector())
    warm_features(np.ascontiguousarray(cleaned.accel_g), np.ascontiguousarray(cleaned.gyro_dps))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
