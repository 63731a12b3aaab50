"""UMAFall's files: the prepared Parquet with its list of trials, and the raw `;` CSVs.

What belongs here: reading recordings, and saying which cannot be read and why. A number that a spreadsheet
has mangled (`1.012.598.156`) is never guessed: its trial is skipped with a reason. What does not: time and
devices (`replay`).

Source of the data: Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017) 32-39.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SAMPLES_FILE = "umafall_waist_wrist_acc_gyr.parquet"
TRIALS_FILE = "umafall_trials.csv"
POSITIONS = {"waist": "WAIST", "wrist": "WRIST", "chest": "CHEST", "ankle": "ANKLE", "pocket": "RIGHTPOCKET"}
CORRUPTED = "NUMBER_CORRUPTED"
NOT_RECORDED = "POSITION_NOT_RECORDED"
GYRO_WITHIN_MS = 25
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class TrialInfo:
    """One recording as `umafall_trials.csv` lists it; `start` sorts in time."""

    trial: str
    subject: int
    is_fall: bool
    movement: str
    start: str
    age: int
    sex: str
    rows: int
    bad_rows: int


@dataclass(frozen=True)
class Recording:
    """One trial at one position: `t_ms` (n,), `accel_g` (n, 3), `gyro_dps` (n, 3) with NaN where unknown."""

    info: TrialInfo
    t_ms: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray


@dataclass(frozen=True)
class Skipped:
    """A row of `replay_skipped.csv`: a trial that is not replayed, and why."""

    trial: str
    subject: int
    position: str
    reason: str
    rows: int
    bad_rows: int
    detail: str


def read_trials(folder: Path) -> list[TrialInfo]:
    """Read the list of trials, in the order in which each subject recorded them."""
    with (folder / TRIALS_FILE).open(newline="") as file:
        found = [
            TrialInfo(
                trial=row["trial"],
                subject=int(row["subject"]),
                is_fall=row["kind"].lower() == "fall",
                movement=row["movement"],
                start=row["start"],
                age=int(row["age"]),
                sex=row["sex"],
                rows=int(row["rows"]),
                bad_rows=int(row["bad_rows"]),
            )
            for row in csv.DictReader(file)
        ]
    return sorted(found, key=lambda info: (info.subject, info.start, info.trial))


def read_recordings(folder: Path, position: str) -> tuple[list[Recording], list[Skipped]]:
    """Read every trial of a position.

    Args:
        folder: Holds `umafall_trials.csv`, the Parquet file, and perhaps `raw/` with CSVs.
        position: One of `POSITIONS`; waist and wrist are in the Parquet file, the others in raw files only.

    Returns:
        (recordings by subject and time, skipped trials with reasons).

    Raises:
        FileNotFoundError: The folder does not hold UMAFall.
        ValueError: An unknown position.
    """
    if position not in POSITIONS:
        raise ValueError(f"position {position!r} is none of {', '.join(POSITIONS)}")
    for name in (TRIALS_FILE, SAMPLES_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} is not a UMAFall folder: {name} is missing")
    table = pq.read_table(folder / SAMPLES_FILE, filters=[("pos", "=", POSITIONS[position])])
    prepared = _by_trial(table)
    raw = {path.stem.removeprefix("UMAFall_"): path for path in sorted((folder / "raw").glob("*.csv"))}
    recordings = []
    skipped = []
    for info in read_trials(folder):
        if info.bad_rows:
            detail = f"{info.bad_rows} of {info.rows} rows hold numbers that a spreadsheet has mangled"
            if info.trial in raw:
                detail += f"; first: {first_bad_line(raw[info.trial])}"
            skipped.append(
                Skipped(info.trial, info.subject, position, CORRUPTED, info.rows, info.bad_rows, detail)
            )
        elif info.trial in prepared:
            accel, gyro = prepared[info.trial]
            recordings.append(join_gyro(info, accel, gyro))
        elif info.trial in raw:
            found = read_raw(raw[info.trial], info, position)
            (recordings if isinstance(found, Recording) else skipped).append(found)  # type: ignore[arg-type]
        else:
            detail = f"no {POSITIONS[position]} samples in {SAMPLES_FILE} and no raw file"
            skipped.append(Skipped(info.trial, info.subject, position, NOT_RECORDED, info.rows, 0, detail))
    return recordings, skipped


def _by_trial(table: pa.Table) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Trial -> ((n, 4) accel, (m, 4) gyro) with columns t_ms, x, y, z, sorted by time."""
    table = table.set_column(table.schema.get_field_index("trial"), "trial", table["trial"].cast(pa.string()))
    table = table.sort_by([("trial", "ascending"), ("type", "ascending"), ("t_ms", "ascending")])
    values = np.column_stack([table[name].to_numpy().astype(np.float64) for name in ("t_ms", "x", "y", "z")])
    kinds = table["type"].to_numpy()
    names = pc.run_end_encode(table["trial"].combine_chunks())
    found = {}
    first = 0
    for name, end in zip(names.values.to_pylist(), names.run_ends.to_pylist(), strict=True):
        rows, kind = values[first:end], kinds[first:end]
        found[name] = (rows[kind == 0], rows[kind == 1])
        first = end
    return found


def join_gyro(info: TrialInfo, accel: np.ndarray, gyro: np.ndarray) -> Recording:
    """Give each sample the nearest rotation rate within `GYRO_WITHIN_MS`, or none: no interpolation."""
    turn = np.full((len(accel), 3), np.nan)
    if len(gyro):
        right = np.clip(np.searchsorted(gyro[:, 0], accel[:, 0]), 0, len(gyro) - 1)
        left = np.clip(right - 1, 0, None)
        nearer = np.abs(gyro[left, 0] - accel[:, 0]) <= np.abs(gyro[right, 0] - accel[:, 0])
        nearest = np.where(nearer, left, right)
        close = np.abs(gyro[nearest, 0] - accel[:, 0]) <= GYRO_WITHIN_MS
        turn[close] = gyro[nearest[close], 1:]
    return Recording(info, accel[:, 0].astype(np.int64), accel[:, 1:], turn)


def read_raw(path: Path, info: TrialInfo, position: str) -> Recording | Skipped:
    """Read one raw CSV: `%` lines are the header (sensors by position), then `t;n;x;y;z;type;sensor`."""
    sensor = None
    rows: dict[str, list[tuple[float, ...]]] = {"0": [], "1": []}
    count = bad = 0
    first_bad = ""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        if line.startswith("%"):
            cells = [cell.strip() for cell in line[1:].split(";")]
            if len(cells) >= 3 and cells[2] == POSITIONS[position] and cells[1].isdigit():
                sensor = cells[1]
            continue
        cells = [cell.strip() for cell in line.split(";")]
        if len(cells) < 7 or not cells[0]:
            continue
        count += 1
        if not all(_NUMBER.fullmatch(cell) for cell in (cells[0], *cells[2:5])):
            bad += 1
            first_bad = first_bad or f"line {number}: {line.strip()}"
        elif cells[6] == sensor and cells[5] in rows:
            rows[cells[5]].append((float(cells[0]), float(cells[2]), float(cells[3]), float(cells[4])))
    if bad:
        detail = f"{bad} of {count} rows hold numbers that a spreadsheet has mangled; first: {first_bad}"
        return Skipped(info.trial, info.subject, position, CORRUPTED, count, bad, detail)
    if not rows["0"]:
        detail = f"{path.name} has no {POSITIONS[position]} sensor"
        return Skipped(info.trial, info.subject, position, NOT_RECORDED, count, 0, detail)
    accel, gyro = (np.array(sorted(rows[kind])).reshape(-1, 4) for kind in ("0", "1"))
    return join_gyro(info, accel, gyro)


def first_bad_line(path: Path) -> str:
    """The first mangled line of a raw file, with its number."""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        cells = [cell.strip() for cell in line.split(";")]
        if line.startswith("%") or len(cells) < 7 or not cells[0]:
            continue
        if not all(_NUMBER.fullmatch(cell) for cell in (cells[0], *cells[2:5])):
            return f"line {number}: {line.strip()}"
    return "none in the raw file"
