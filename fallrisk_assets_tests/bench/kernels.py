"""Our parts measured one by one in a process of their own: features, reading a drop, judging rows.

python -m fallrisk_assets_tests.bench.kernels features <windows.npy> <rate> | ingest <drop> | validate <drop>
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fallrisk_assets_tests.bench.peers.clock import cpu_of


def features(path: str, rate: float) -> dict[str, Any]:
    """Describe windows as the asset does: 17 statistics of 8 channels, and what lies across channels."""
    from fallrisk_assets.mobility.feature_names import FEATURE_NAMES
    from fallrisk_assets.mobility.features_numba import features_at

    windows = np.load(path)
    w, _, n = windows.shape
    joined = np.ascontiguousarray(windows[:, [0, 1, 2, 4, 5, 6]].transpose(1, 0, 2).reshape(6, w * n))
    first = np.arange(w, dtype=np.int64) * n
    rates = np.full(w, rate)

    def run() -> np.ndarray:
        return features_at(joined[:3], joined[3:], first, n, rates)

    run()
    seconds, _ = cpu_of(run)
    return {"us_a_window": seconds / w * 1e6, "features": len(FEATURE_NAMES), "windows": w}


def _cleaner(path: str) -> Callable[[], Any]:
    """Return a function that reads a drop into clean and quarantined rows, line by line judged."""
    from fallrisk_assets.partitions import device_bucket
    from fallrisk_assets.telemetry.clean import Assignment, clean_device_hour
    from fallrisk_assets.telemetry.drops import drop_pieces, parse_drop_name
    from fallrisk_assets.telemetry.gather import gather_device_hour
    from fallrisk_assets.telemetry.hour_tables import quarantine_table, samples_table
    from fallrisk_assets.telemetry.parse import parse_pieces
    from fallrisk_assets.telemetry.parsed import HOUR_US, place_rows

    name = parse_drop_name(f"telemetry/{Path(path).name}")
    device = name.device_id
    bucket = device_bucket(device)

    def run() -> Any:
        raw = Path(path).read_bytes()
        drop = parse_pieces(lambda: drop_pieces(raw, name.format), name)
        hour_us = int(np.median(place_rows(drop)[0])) * HOUR_US
        known = [Assignment(drop.patients[0], hour_us - HOUR_US, None, drop.positions[0])]
        rows = gather_device_hour(device, [(Path(path).name, drop)], hour_us)
        cleaned = clean_device_hour(rows, known, hour_us)
        return samples_table(cleaned, bucket), quarantine_table(cleaned, bucket, {})

    return run


def ingest(path: str) -> dict[str, Any]:
    """Read a drop into clean rows and a quarantine with line numbers and reasons."""
    run = _cleaner(path)
    run()
    seconds, (samples, refused) = cpu_of(run, least_s=2)
    return {"cpu_s": seconds, "rows": samples.num_rows, "quarantined": refused.num_rows}


def validate(path: str) -> dict[str, Any]:
    """Judge the rows of a drop with the full report: masks on all, pandera on a sample."""
    from fallrisk_assets.telemetry.contract import Telemetry
    from fallrisk_assets.validation import validate as judge

    samples, _ = _cleaner(path)()
    assert judge(Telemetry, samples).passed
    seconds, _ = cpu_of(lambda: judge(Telemetry, samples))
    return {"cpu_s": seconds, "rows": samples.num_rows}


def main() -> None:
    """Measure what the command line names."""
    what, path = sys.argv[1:3]
    result = features(path, float(sys.argv[3])) if what == "features" else globals()[what](path)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
