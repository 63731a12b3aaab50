"""UMAFall: one raw `;` CSV for each trial, five positions in it; or the Parquet with its list of trials.

Belongs here: its files' layout. `%` lines are a header (person, movement, which sensor was worn where), then
come `time (ms);number;x;y;z;type;sensor` with type 0 = acceleration in g, 1 = rotation in deg/s. Waist,
wrist, chest and ankle are sensor tags of about 20 Hz; the pocket is a phone of 200 Hz without gyroscope that
stamps what it delivers at once with one time. Numbers that a spreadsheet has mangled (`1.012.598.156`, in
Subject_13's files) are never repaired: their trial is left out.

Source: the data set's files; Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017)
32-39.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fallrisk_assets.recordings.folders import files_in, root_of
from fallrisk_assets.recordings.number_table import read_bytes, read_numbers
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Source, Trial
from fallrisk_assets.recordings.timing import increasing, join_nearest, spread_bursts, to_us

SAMPLES_FILE = "umafall_waist_wrist_acc_gyr.parquet"
TRIALS_FILE = "umafall_trials.csv"
FILES = (SAMPLES_FILE, TRIALS_FILE)
RAW_FOLDER = "raw"
POSITIONS = {"waist": "WAIST", "wrist": "WRIST", "pocket": "RIGHTPOCKET", "chest": "CHEST", "ankle": "ANKLE"}
PREPARED = ("waist", "wrist")
_NAME = re.compile(
    r"(?:UMAFall_)?(Subject_(\d+)_(ADL|Fall|FALL)_(.+)_(\d+)_(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d))"
)
_SENSOR = re.compile(r"%\s*[0-9A-Fa-f:]{17}\s*;\s*(\d+)\s*;\s*([A-Z]+)\s*;")
_FACT = re.compile(r"%\s*(Age|Gender)\s*:\s*(\w+)")


_ByTrial = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A trial by its name, and what is known of it before its samples are read."""

    name: str
    subject: str
    is_fall: bool
    movement: str
    start: str
    age: int | None
    sex: str | None
    rows: int = 0
    bad_rows: int = 0


@dataclass(frozen=True)
class _Raw:
    """A raw file: (n, 6) rows time, x, y, z, type, sensor; position -> sensor; age, sex."""

    rows: np.ndarray
    sensors: dict[str, int]
    age: int | None
    sex: str | None


def sources(folder: Path, position: str | None) -> list[Source]:
    """Trials in the order in which each person recorded them; a list also tells what is not at hand."""
    root = root_of(
        folder,
        lambda path: (path / TRIALS_FILE).is_file() or bool(_raw_files(path)),
        "UMAFall",
        f"neither {TRIALS_FILE} nor a raw file UMAFall_Subject_01_….csv is there: {TRIALS_FILE}",
    )
    raw = _raw_files(root)
    listed = _read_list(root / TRIALS_FILE) if (root / TRIALS_FILE).is_file() else {}
    if listed and not raw and not (root / SAMPLES_FILE).is_file():
        raise FileNotFoundError(f"{folder} is not a UMAFall folder: {SAMPLES_FILE} is missing")
    known = {**{name: _from_name(name) for name in raw}, **listed}
    wanted = (position,) if position else tuple(POSITIONS)
    # A raw file holds all positions, the Parquet all trials; both are asked for again and again.
    read_raw, read_prepared = lru_cache(maxsize=1)(_read_raw), lru_cache(maxsize=2)(_read_prepared)
    found = []
    for trial in sorted(known.values(), key=lambda t: (t.subject, t.start, t.name)):
        path = raw.get(trial.name)
        for place in wanted:
            prepared = root / SAMPLES_FILE if trial.name in listed and place in PREPARED else None
            if position or prepared or path:
                file = path.relative_to(root).as_posix() if path else trial.name
                load = partial(_load, trial, place, path, prepared, read_raw, read_prepared)
                found.append(Source(file, trial.subject, place, load))
    return found


def data_hash(folder: Path) -> str:
    """sha256 over the prepared Parquet and its list: what a model was trained on."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _raw_files(root: Path) -> dict[str, Path]:
    paths = [*files_in(root, "*.csv"), *files_in(root / RAW_FOLDER, "*.csv")]
    return {m[1]: path for path in paths if (m := _NAME.fullmatch(path.stem))}


def _from_name(name: str) -> _Listed:
    found = _NAME.fullmatch(name)
    assert found is not None
    return _Listed(name, f"Subject_{found[2]}", found[3].lower() == "fall", found[4], found[6], None, None)


def _read_list(path: Path) -> dict[str, _Listed]:
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.DictReader(file))
        return {
            row["trial"]: _Listed(
                name=row["trial"],
                subject=f"Subject_{int(row['subject']):02d}",
                is_fall=row["kind"].lower() == "fall",
                movement=row["movement"],
                start=row["start"],
                age=int(row["age"]),
                sex=row["sex"],
                rows=int(row["rows"]),
                bad_rows=int(row["bad_rows"]),
            )
            for row in rows
        }
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ValueError(f"{path} is no list of trials ({error!r}); fetch it again") from error


def _load(
    trial: _Listed,
    position: str,
    raw: Path | None,
    prepared: Path | None,
    read_raw: Callable[[Path], _Raw],
    read_prepared: Callable[[Path, str], _ByTrial],
) -> Iterator[Trial]:
    if trial.bad_rows:
        detail = f"{trial.bad_rows} of {trial.rows} rows hold numbers that a spreadsheet has mangled"
        if raw:
            detail += f"; {_first_bad(raw)}"
        raise Unusable(Reason.NUMBER_CORRUPTED, detail, trial.rows, trial.bad_rows)
    if prepared is not None and prepared.is_file():
        both = read_prepared(prepared, POSITIONS[position]).get(trial.name)
        if both is not None:
            yield _trial(trial, position, *both, trial.age, trial.sex)
            return
    if raw is None:
        detail = f"no {POSITIONS[position]} samples in {SAMPLES_FILE} and no raw file"
        raise Unusable(Reason.POSITION_NOT_RECORDED, detail, trial.rows)
    table = read_raw(raw)
    sensor = table.sensors.get(POSITIONS[position])
    rows = table.rows[table.rows[:, 5] == sensor] if sensor is not None else table.rows[:0]
    accel, gyro = (rows[rows[:, 4] == kind, :4] for kind in (0, 1))
    if len(accel) == 0:
        detail = f"{raw.name} has no {POSITIONS[position]} sensor"
        raise Unusable(Reason.POSITION_NOT_RECORDED, detail, len(table.rows))
    yield _trial(trial, position, accel, gyro, table.age, table.sex)


def _trial(
    trial: _Listed, position: str, accel: np.ndarray, gyro: np.ndarray, age: int | None, sex: str | None
) -> Trial:
    """Put a trial together from (n, 4) and (m, 4) rows: time in ms, x, y, z."""
    accel_us = to_us(accel[:, 0], 1e3)
    notes = []
    if position == "pocket":
        accel_us = spread_bursts(accel_us)
    keep = increasing(accel_us)
    if len(keep) < len(accel):
        notes.append(f"TIME_DUPLICATE: {len(accel) - len(keep)} rows repeat a time and are left out")
    gyro_us = to_us(np.concatenate([accel[:1, 0], gyro[:, 0]]), 1e3)[1:]
    order = increasing(gyro_us)
    ts_us = accel_us[keep]
    return Trial(
        dataset="umafall",
        name=trial.name,
        subject=trial.subject,
        age=age,
        sex=sex if sex in ("F", "M") else None,
        movement=trial.movement,
        description=_in_words(trial.movement),
        is_fall=trial.is_fall,
        position=position,
        ts_us=ts_us - ts_us[:1],
        accel_g=np.ascontiguousarray(accel[keep, 1:], np.float32),
        gyro_dps=join_nearest(ts_us, gyro_us[order], gyro[order, 1:]),
        notes=tuple(notes),
    )


def _in_words(movement: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", movement).replace("_", " ").lower()


def _read_prepared(path: Path, position: str) -> _ByTrial:
    """Trial -> (acceleration, rotation) of one position, rows time, x, y, z, by time."""
    try:
        table = pq.read_table(path, filters=[("pos", "=", position)])
        names = table["trial"].cast(pa.string())
        table = table.set_column(table.schema.get_field_index("trial"), "trial", names)
        table = table.sort_by([("trial", "ascending"), ("type", "ascending"), ("t_ms", "ascending")])
        columns = [table[name].to_numpy().astype(np.float64) for name in ("t_ms", "x", "y", "z")]
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise Unusable(Reason.FILE_UNREADABLE, f"{path.name}: {error}"[:200]) from error
    values, kinds = np.column_stack(columns), table["type"].to_numpy()
    runs = pc.run_end_encode(table["trial"].combine_chunks())
    found = {}
    first = 0
    for name, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        rows, kind = values[first:end], kinds[first:end]
        found[name] = (rows[kind == 0], rows[kind == 1])
        first = end
    return found


def _read_raw(path: Path) -> _Raw:
    content = read_bytes(path)
    lines = content.split(b"\n")
    last = max((k for k, line in enumerate(lines) if line.lstrip().startswith(b"%")), default=-1)
    header = b"\n".join(lines[: last + 1]).decode("utf-8", "replace")
    body = b"\n".join(lines[last + 1 :])
    values, _ = read_numbers(body, ";", 7, (0, 2, 3, 4, 5, 6), first_line=last + 2)
    facts = dict(_FACT.findall(header))
    age = facts.get("Age", "")
    return _Raw(
        rows=values,
        sensors={position: int(sensor) for sensor, position in _SENSOR.findall(header)},
        age=int(age) if age.isascii() and age.isdecimal() and len(age) <= 3 else None,
        sex=facts.get("Gender"),
    )


def _first_bad(path: Path) -> str:
    """What is wrong with a raw file, with the first mangled line."""
    try:
        _read_raw(path)
    except Unusable as error:
        return error.detail.partition("; ")[2] or error.detail
    return "none in the raw file"
