"""The fall detector measured in a process of its own: a device-day in one go, and hundreds of live streams.

python -m fallrisk_assets_tests.bench.detection day | streams [devices] [seconds]

Belongs here: what is timed. Not here: the targets (`__main__`).
"""

import json
import sys
import time
from typing import Any

import numpy as np

from fallrisk_assets.risk.detector import detect_falls, released_model
from fallrisk_assets.risk.fall_stream import FallStream
from fallrisk_assets.risk.simulated_wear import simulated_wear
from fallrisk_assets.risk.streams import Stream
from fallrisk_assets_tests.bench.peers.clock import cpu_of

RATE_HZ = 50.0
_PEOPLE = 8
_WINDOWS_A_DAY = 17_280
_WINDOW_SAMPLES = 500
_WAKING_H = 10


def _days(people: int) -> list[Stream]:
    return [wear.stream for wear in simulated_wear(people, 1, rate_hz=RATE_HZ, hours=24.0, seed=7)]


def day() -> dict[str, Any]:
    """CPU seconds of detection and of features on the same device-day of 24 h at 50 Hz, kernels warm."""
    from fallrisk_assets.mobility.features_numba import features_at

    (worn,) = _days(1)
    model = released_model()

    def detect() -> int:
        return len(detect_falls(worn.ts_us, worn.accel_g, worn.gyro_dps, worn.position, model, at_end=True))

    accel, gyro = np.ascontiguousarray(worn.accel_g.T), np.ascontiguousarray(np.nan_to_num(worn.gyro_dps.T))
    last = len(worn.ts_us) - _WINDOW_SAMPLES
    first = np.linspace(0, last, _WINDOWS_A_DAY).astype(np.int64)
    rates = np.full(_WINDOWS_A_DAY, RATE_HZ)
    detect()
    features_at(accel, gyro, first[:64], _WINDOW_SAMPLES, rates[:64])
    features_s, _ = cpu_of(lambda: features_at(accel, gyro, first, _WINDOW_SAMPLES, rates))
    detect_s, events = cpu_of(detect)
    return {"detect_s": detect_s, "features_s": features_s, "events": events, "samples": len(worn.ts_us)}


def streams(devices: int = 500, seconds: int = 120) -> dict[str, Any]:
    """CPU seconds a second of many live streams in one thread, pieces of 1 s each, and memory a device.

    Devices replay waking wear of some people, each from another moment; every half minute a sample is four
    times what it was, which is more hits than any day has.
    """
    model = released_model()
    worn = _days(_PEOPLE)
    piece = int(RATE_HZ)
    begin = int(_WAKING_H * 3600 * RATE_HZ)
    live = [FallStream(worn[k % _PEOPLE].position, model) for k in range(devices)]
    events = pushes = 0
    used_s = 0.0
    for second in range(seconds):
        pieces = []
        for k in range(devices):
            source = worn[k % _PEOPLE]
            at = begin + 977 * k + second * piece
            accel = source.accel_g[at : at + piece].copy()
            if (second + k) % 30 == 0:
                accel[piece // 2] *= np.float32(4.0)
            pieces.append((source.ts_us[at : at + piece], accel, source.gyro_dps[at : at + piece]))
        start = time.process_time()
        for stream, (ts_us, accel, gyro) in zip(live, pieces, strict=True):
            events += len(stream.push(ts_us, accel, gyro))
        if second > 0:  # the first one loads the kernels
            used_s += time.process_time() - start
            pushes += devices
    return {
        "devices": devices,
        "cpu_share": used_s / (seconds - 1),
        "us_a_push": used_s / pushes * 1e6,
        "events": events,
        "held_kb_a_device": max(stream.held_bytes for stream in live) / 1024,
    }


def main() -> None:
    """Measure what the command line names."""
    what, *numbers = sys.argv[1:]
    print(json.dumps({"day": day, "streams": streams}[what](*map(int, numbers))))


if __name__ == "__main__":
    main()
