"""Faults of whole files: late, sent again, cut off on the way, or badly named.

What belongs here: what happens to a finished drop on its way to the landing zone. What does not: its lines.
"""

from pathlib import Path

import numpy as np

from simulator.drops import put_drop, write_atomically
from simulator.truth import FaultTruth


def put_with_file_faults(
    landing: Path,
    device_id: str,
    received_s: int,
    content: bytes,
    extension: str,
    lines: int,
    wanted: dict[str, int],
    rng: np.random.Generator,
) -> tuple[list[str], int, list[FaultTruth]]:
    """Write a drop and the files that its faults add.

    Returns:
        (keys, the drop's own first; its receipt time in epoch seconds; what was done).
    """
    faults = []
    if wanted.get("late_file"):
        delay_s = int(rng.integers(6 * 3600, 20 * 3600))
        received_s += delay_s
    key = put_drop(landing, received_s, device_id, content, extension)
    keys = [key]
    if wanted.get("late_file"):
        faults.append(FaultTruth(key, "late_file", None, lines, "", device_id, f"{delay_s} s late"))
    if wanted.get("unreadable_file"):
        # The gateway's first attempt broke off; its second, a second later, is the good drop.
        cut = content[: int(len(content) * float(rng.uniform(0.3, 0.9)))]
        bad = put_drop(landing, received_s - 1, device_id, cut, extension)
        keys.append(bad)
        faults.append(
            FaultTruth(bad, "unreadable_file", None, 1, "FILE_UNREADABLE", device_id, f"{len(cut)} bytes")
        )
    if wanted.get("resent_file"):
        again = put_drop(landing, received_s + int(rng.integers(600, 5400)), device_id, content, extension)
        keys.append(again)
        faults.append(FaultTruth(again, "resent_file", None, lines, "", device_id, f"same bytes as {key}"))
    if wanted.get("invalid_name"):
        odd = f"telemetry/export of {device_id} final.{extension}"
        write_atomically(landing / odd, content)
        keys.append(odd)
        faults.append(FaultTruth(odd, "invalid_name", None, 1, "FILE_NAME_INVALID", device_id))
    return keys, received_s, faults
