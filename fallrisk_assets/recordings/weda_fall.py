"""WEDA-FALL: `dataset/50Hz/F01/U01_R01_accel.csv` and `_gyro.csv`, a smartwatch at the wrist.

Belongs here: its files' layout, people and codes. Columns are time (s), x, y, z, in m/s² and rad/s. The times
are those at which the watch delivered about four samples at once, every tenth of a second, sometimes seconds
late; the samples' own times are put back (`timing.spread_bursts`). `_vertical_accel.csv` is a derived signal
and not read.

`fall_timestamps.csv` brackets each fall and holds no impacts: `onset_us` is the bracket's start, and
`impact_us` the largest acceleration within the bracket.

Source: the data set's repository (Readme and files); Marques, Moreno (2023).
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.folders import files_in, folders_in, root_of
from fallrisk_assets.recordings.number_table import (
    NUMBER,
    SHOWN_CHARACTERS,
    column_numbers,
    read_bytes,
    read_numbers,
    split_header,
)
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Skipped, Source, Trial
from fallrisk_assets.recordings.timing import increasing, join_nearest, order_by_time, spread_bursts, to_us
from fallrisk_assets.telemetry.units import STANDARD_GRAVITY

RATE_FOLDER = "50Hz"
LABELS = "fall_timestamps.csv"
_NAME = re.compile(r"(U\d\d)_(R\d\d)_accel\.csv")

#: Age and sex as the Readme lists them; U21 to U31 are elderly people.
SUBJECTS: dict[str, tuple[int, str]] = {
    "U01": (22, "M"), "U02": (22, "M"), "U03": (20, "M"), "U04": (21, "F"), "U05": (23, "M"),
    "U06": (22, "M"), "U07": (21, "M"), "U08": (23, "F"), "U09": (22, "F"), "U10": (23, "M"),
    "U11": (23, "F"), "U12": (23, "F"), "U13": (22, "M"), "U14": (46, "M"),
    "U21": (95, "M"), "U22": (85, "F"), "U23": (82, "F"), "U24": (81, "F"), "U25": (81, "F"),
    "U26": (83, "M"), "U27": (89, "M"), "U28": (88, "F"), "U29": (77, "F"), "U30": (80, "M"),
    "U31": (88, "F"),
}  # fmt: skip

MOVEMENTS: dict[str, str] = {
    "F01": "fall forward while walking caused by a slip",
    "F02": "lateral fall while walking caused by a slip",
    "F03": "fall backward while walking caused by a slip",
    "F04": "fall forward while walking caused by a trip",
    "F05": "fall backward when trying to sit down",
    "F06": "fall forward while sitting, caused by fainting or falling asleep",
    "F07": "fall backward while sitting, caused by fainting or falling asleep",
    "F08": "lateral fall while sitting, caused by fainting or falling asleep",
    "D01": "walking",
    "D02": "jogging",
    "D03": "walking up and downstairs",
    "D04": "sitting on a chair, wait a moment, and get up",
    "D05": "sitting a moment, attempt to get up and collapse into a chair",
    "D06": "crouching (bending at the knees), tie shoes, and get up",
    "D07": "stumble while walking",
    "D08": "gently jump without falling (trying to reach high object)",
    "D09": "hit table with hand",
    "D10": "clapping hands",
    "D11": "opening and closing door",
}

Brackets = dict[str, tuple[float, float]]


def sources(folder: Path, position: str | None) -> list[Source]:
    """The label file, then the acceleration files of all subjects."""
    root = root_of(folder, lambda path: (path / RATE_FOLDER).is_dir(), "WEDA-FALL", f"a folder {RATE_FOLDER}")
    brackets: Brackets = {}
    paths = [
        path
        for movement in folders_in(root / RATE_FOLDER)
        for path in files_in(movement, "*_accel.csv")
        if not path.name.endswith("_vertical_accel.csv")
    ]
    paths.sort(key=lambda path: (path.name[:3], path.parent.name, path.name))
    # Loaded first and once: the sources are read in this order.
    labels = Source(LABELS, "", "wrist", lambda: _load_labels(root / LABELS, brackets))
    return [labels, *(_source(root, path, brackets) for path in paths)]


def _source(root: Path, path: Path, brackets: Brackets) -> Source:
    file = path.relative_to(root).as_posix()
    return Source(file, path.name.partition("_")[0], "wrist", lambda: _load(path, file, brackets))


def _load_labels(path: Path, brackets: Brackets) -> Iterator[Skipped]:
    names, body, first = split_header(read_bytes(path))
    at = column_numbers(names, ("filename", "start_time", "end_time"))
    for number, line in enumerate(body.decode("utf-8", "replace").split("\n"), first):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split(",")]
        name, start, end = (cells[k] if k < len(cells) else "" for k in at)
        if not (
            NUMBER.fullmatch(start) and NUMBER.fullmatch(end) and 0 <= float(start) < float(end) < math.inf
        ):
            detail = f"line {number}: {line.strip()[:SHOWN_CHARACTERS]}"
            yield Skipped("weda_fall", LABELS, "", "wrist", str(Reason.LABEL_INVALID), detail, 1, 1)
            continue
        brackets[name.replace("\\", "/")] = (float(start), float(end))


def _load(path: Path, file: str, brackets: Brackets) -> Iterator[Trial | Skipped]:
    named = _NAME.fullmatch(path.name)
    movement = path.parent.name
    if named is None or movement not in MOVEMENTS:
        raise Unusable(
            Reason.FILE_NAME_INVALID, f"{movement}/{path.name} is not named like F01/U01_R01_accel.csv"
        )
    subject, run = named.groups()
    stamps_us, accel, notes = _read(path, "accel")
    keep = increasing(stamps_us)
    ts_us, accel_g = stamps_us[keep], (accel[keep] / STANDARD_GRAVITY).astype(np.float32)
    gyro_dps = np.full((len(ts_us), 3), np.nan, np.float32)
    gyro_path = path.with_name(path.name.replace("_accel.csv", "_gyro.csv"))
    try:
        gyro_us, gyro, _ = _read(gyro_path, "gyro")
        order = increasing(gyro_us)
        gyro_dps = join_nearest(ts_us, gyro_us[order], np.degrees(gyro[order]))
    except Unusable as error:
        gyro_file = f"{file.rpartition('/')[0]}/{gyro_path.name}"
        yield Skipped(
            "weda_fall",
            gyro_file,
            subject,
            "wrist",
            str(error.reason),
            error.detail,
            error.rows,
            error.bad_rows,
        )
        notes.append("GYRO_MISSING: the rotation file is not used")
    onset_us = impact_us = None
    is_fall = movement[0] == "F"
    bracket = brackets.get(f"{movement}/{subject}_{run}")
    if is_fall and bracket is None:
        notes.append(f"LABEL_MISSING: {LABELS} does not list this fall")
    elif bracket is not None:
        inside = np.flatnonzero((ts_us >= bracket[0] * 1e6) & (ts_us <= bracket[1] * 1e6))
        if len(inside):
            norm = np.linalg.norm(accel_g[inside], axis=1)
            onset_us, impact_us = round(bracket[0] * 1e6), int(ts_us[inside[int(norm.argmax())]])
        else:
            notes.append(
                f"LABEL_INVALID: the fall's bracket {bracket[0]:g} to {bracket[1]:g} s holds no sample"
            )
    zero = int(ts_us[0]) if len(ts_us) else 0
    age, sex = SUBJECTS.get(subject, (None, None))
    yield Trial(
        dataset="weda_fall",
        name=f"{movement}/{subject}_{run}",
        subject=subject,
        age=age,
        sex=sex,
        movement=movement,
        description=MOVEMENTS[movement],
        is_fall=is_fall,
        position="wrist",
        ts_us=ts_us - zero,
        accel_g=accel_g,
        gyro_dps=gyro_dps,
        impact_us=None if impact_us is None else impact_us - zero,
        onset_us=None if onset_us is None else onset_us - zero,
        notes=tuple(notes),
    )


def _read(path: Path, sensor: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Sample times (n,) int64 from the file's zero, values (n, 3), and notes."""
    names, body, first = split_header(read_bytes(path))
    wanted = [f"{sensor}_{what}_list" for what in ("time", "x", "y", "z")]
    values, cut_off = read_numbers(body, ",", len(names), column_numbers(names, wanted), first)
    stamps = np.concatenate([[0.0], values[:, 0]])
    stamps_us = to_us(stamps, 1e6)[1:]
    order = order_by_time(stamps_us)
    notes = ["CUT_OFF: the last line is incomplete and left out"] if cut_off else []
    backward = int((np.diff(stamps_us) < 0).sum())
    if backward:
        notes.append(f"TIME_BACKWARDS: {backward} stamps of {sensor} step back and are put in order")
    return spread_bursts(stamps_us[order]), values[order, 1:], notes
