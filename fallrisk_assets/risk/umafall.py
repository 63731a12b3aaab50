"""UMAFall as trials in memory (Casilari, Santoyo-Ramón, Cano-García, Procedia CS 110 (2017) 32-39).

Reads the Parquet made from the published files. The data is not shipped: a folder is passed in.
Subject 13's trials hold numbers mangled by a spreadsheet and are left out, never repaired.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

FILES = ("umafall_waist_wrist_acc_gyr.parquet", "umafall_trials.csv")
CORRUPTED_SUBJECTS = frozenset({13})


@dataclass(frozen=True, slots=True)
class Trial:
    """One recording of one movement.

    Attributes:
        name: Name of the recording.
        subject: Number of the person.
        age: Years.
        movement: What was done.
        is_fall: Whether that is a fall.
        ts_us: (n,) int64 from the recording's start.
        accel_g: (n, 3) float32.
        gyro_dps: (n, 3) float32, NaN outside the gyroscope's record.
    """

    name: str
    subject: int
    age: int
    movement: str
    is_fall: bool
    ts_us: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray


def data_hash(folder: Path) -> str:
    """sha256 over the two files that are read."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def read_umafall(folder: Path, position: str) -> list[Trial]:
    """Read the trials of one position.

    Args:
        folder: Folder with ``FILES``.
        position: "waist" or "wrist".

    Returns:
        Trials sorted by name.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: another position.
    """
    if position not in ("waist", "wrist"):
        raise ValueError(f"UMAFall is held for waist and wrist only, not {position!r}")
    listed = pd.read_csv(folder / FILES[1])
    about = {str(row["trial"]): row for row in listed.to_dict("records")}
    rows = pd.read_parquet(folder / FILES[0], filters=[("pos", "==", position.upper())])
    rows = rows.assign(trial=rows["trial"].astype(str)).sort_values(["trial", "t_ms"], kind="stable")
    trials = []
    for name, part in rows.groupby("trial"):
        info = about[str(name)]
        if int(info["subject"]) in CORRUPTED_SUBJECTS:
            continue
        accel = part[part["type"] == 0].drop_duplicates("t_ms")
        turn = part[part["type"] == 1].drop_duplicates("t_ms")
        t_ms = accel["t_ms"].to_numpy(np.float64)
        gyro = np.full((len(accel), 3), np.nan, np.float32)
        if len(turn) > 1:
            for k, axis in enumerate("xyz"):
                gyro[:, k] = np.interp(
                    t_ms, turn["t_ms"].to_numpy(np.float64), turn[axis].to_numpy(np.float64)
                )
        trials.append(
            Trial(
                name=str(name),
                subject=int(info["subject"]),
                age=int(info["age"]),
                movement=str(info["movement"]),
                is_fall=bool(info["kind"] == "Fall"),
                ts_us=(t_ms * 1000).astype(np.int64),
                accel_g=np.ascontiguousarray(accel[["x", "y", "z"]].to_numpy(np.float32)),
                gyro_dps=gyro,
            )
        )
    return trials
