"""MobiFall v2: `sub1/FALLS/FOL/FOL_acc_1_1.txt`, a phone in the trouser pocket.

Belongs here: its files' layout and codes. A `#` header tells the person, `@DATA` begins the rows: a time in
nanoseconds, then x, y, z, in m/s² (`_acc_`) or rad/s (`_gyro_`, a file of its own with times of its own). The
rate is irregular and is taken from the times.

Source: the data set's Readme; Vavoulas et al., Int J Monit Surveill Technol Res 2(1) (2014).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.folders import files_in, folders_in, root_of
from fallrisk_assets.recordings.number_table import read_bytes, read_numbers
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Skipped, Source, Trial
from fallrisk_assets.recordings.timing import increasing, join_nearest, to_us
from fallrisk_assets.telemetry.units import STANDARD_GRAVITY

_FOLDER = re.compile(r"(sub|pat)\d+", re.IGNORECASE)
_NAME = re.compile(r"([A-Z]{3})_(acc|gyro|ori)_(\d+)_(\d+)\.txt")
_HEADER = re.compile(r"#\s*(Age|Gender)\s*:\s*(\w+)")
DATA = b"@DATA"

MOVEMENTS: dict[str, str] = {
    "STD": "standing with subtle movements",
    "WAL": "normal walking",
    "JOG": "jogging",
    "JUM": "continuous jumping",
    "STU": "stairs up (10 stairs)",
    "STN": "stairs down (10 stairs)",
    "SCH": "sitting on a chair",
    "CSI": "step in a car",
    "CSO": "step out of a car",
    "FOL": "fall forward from standing, use of hands to dampen fall",
    "FKL": "fall forward from standing, first impact on knees",
    "BSC": "fall backward while trying to sit on a chair",
    "SDL": "fall sidewards from standing, bending legs",
}
FALLS = ("FOL", "FKL", "BSC", "SDL")


@dataclass(frozen=True)
class _Sensor:
    """A file's header and rows: times in ns, values (n, 3)."""

    header: dict[str, str]
    stamps_ns: np.ndarray
    values: np.ndarray
    cut_off: bool


def sources(folder: Path, position: str | None) -> list[Source]:
    """The acceleration files of all subjects; a rotation file without one is reported."""
    root = root_of(
        folder,
        lambda path: any(
            _FOLDER.fullmatch(child.name)
            and any(p.name.upper() in ("FALLS", "ADL") for p in folders_in(child))
            for child in folders_in(path)
        ),
        "MobiFall",
        "a folder sub1/FALLS",
    )
    found = []
    for subject in folders_in(root):
        if not _FOLDER.fullmatch(subject.name):
            continue
        for path in (
            p for kind in folders_in(subject) for code in folders_in(kind) for p in files_in(code, "*.txt")
        ):
            named = _NAME.fullmatch(path.name)
            accel = path.with_name(path.name.replace("_gyro_", "_acc_"))
            if named is None or named[2] == "acc" or (named[2] == "gyro" and not accel.is_file()):
                found.append(_source(root, subject.name, path))
    return found


def _source(root: Path, subject: str, path: Path) -> Source:
    file = path.relative_to(root).as_posix()
    return Source(file, subject, "pocket", lambda: _load(path, file, subject))


def _load(path: Path, file: str, subject: str) -> Iterator[Trial | Skipped]:
    named = _NAME.fullmatch(path.name)
    if named is None or named[1] not in MOVEMENTS or named[3] != re.sub(r"\D+", "", subject):
        raise Unusable(Reason.FILE_NAME_INVALID, f"{path.name} is not named like FOL_acc_1_1.txt")
    if named[2] != "acc":
        raise Unusable(Reason.FIELD_MISSING, "there is a rotation file without its acceleration file")
    movement = named[1]
    accel = _read(path)
    rows = increasing(to_us(accel.stamps_ns, 1e-3))
    stamps_ns = accel.stamps_ns[rows]
    ts_us = to_us(stamps_ns, 1e-3)
    notes = []
    if accel.cut_off:
        notes.append("CUT_OFF: the last line is incomplete and left out")
    if len(rows) < len(accel.stamps_ns):
        notes.append(
            f"TIME_DUPLICATE: {len(accel.stamps_ns) - len(rows)} rows repeat a time and are left out"
        )
    gyro_dps = np.full((len(rows), 3), np.nan, np.float32)
    gyro_path = path.with_name(path.name.replace("_acc_", "_gyro_"))
    if gyro_path.is_file():
        try:
            gyro = _read(gyro_path)
            # Both clocks count from the phone's start.
            gyro_us = to_us(np.concatenate([stamps_ns[:1], gyro.stamps_ns]), 1e-3)[1:]
            order = increasing(gyro_us)
            gyro_dps = join_nearest(ts_us, gyro_us[order], np.degrees(gyro.values[order]))
        except Unusable as error:
            gyro_file = f"{file.rpartition('/')[0]}/{gyro_path.name}"
            yield Skipped(
                "mobifall",
                gyro_file,
                subject,
                "pocket",
                str(error.reason),
                error.detail,
                error.rows,
                error.bad_rows,
            )
            notes.append("GYRO_MISSING: the rotation file is not used")
    else:
        notes.append("GYRO_MISSING: there is no rotation file")
    age = accel.header.get("age", "")
    yield Trial(
        dataset="mobifall",
        name=f"{subject}/{movement}_{named[3]}_{named[4]}",
        subject=subject,
        age=int(age) if age.isascii() and age.isdecimal() and len(age) <= 3 else None,
        sex={"m": "M", "f": "F"}.get(accel.header.get("gender", "")[:1].lower()),
        movement=movement,
        description=MOVEMENTS[movement],
        is_fall=movement in FALLS,
        position="pocket",
        ts_us=ts_us,
        accel_g=(accel.values[rows] / STANDARD_GRAVITY).astype(np.float32),
        gyro_dps=gyro_dps,
        notes=tuple(notes),
    )


def _read(path: Path) -> _Sensor:
    content = read_bytes(path)
    head, mark, body = content.partition(DATA)
    if not mark:
        raise Unusable(Reason.FIELD_MISSING, "there is no line @DATA")
    header = {key.lower(): value for key, value in _HEADER.findall(head.decode("utf-8", "replace"))}
    values, cut_off = read_numbers(body, ",", 4, range(4), first_line=head.count(b"\n") + 1)
    return _Sensor(header, values[:, 0], values[:, 1:], cut_off)
