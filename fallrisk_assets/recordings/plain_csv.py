"""Recordings of one's own: a folder of CSV files and a column map, `recordings.toml` or `recordings.json`.

Belongs here: reading the map and the files that it describes. The map:

    files = "*.csv"                # pattern of the files, below the map's folder
    separator = ","
    position = "waist"             # unless the label file tells it file by file

    [time]
    column = "t"                   # or none: rate_hz = 100.0
    unit = "ms"                    # s, ms, us, ns

    [accel]
    columns = ["ax", "ay", "az"]
    unit = "m/s2"                  # g, m/s2, mg

    [gyro]                         # may be left out
    columns = ["gx", "gy", "gz"]
    unit = "rad/s"                 # deg/s, rad/s

    [labels]                       # may be left out: then every file is an unlabelled activity
    file = "labels.csv"            # columns: file, and any of subject, age, sex, movement, description,
                                   # is_fall (true, false), position, onset_s, impact_s

Onset and impact are seconds on the file's own clock (of its first row, where there is no time column).
"""

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fallrisk_assets.recordings.datasets import ALL_POSITIONS
from fallrisk_assets.recordings.folders import natural, root_of
from fallrisk_assets.recordings.number_table import column_numbers, read_bytes, read_numbers, split_header
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Source, Trial
from fallrisk_assets.recordings.timing import increasing, to_us
from fallrisk_assets.telemetry.units import G_PER_UNIT

MAPS = ("recordings.toml", "recordings.json")
US_PER_UNIT = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
DPS_PER_UNIT = {"deg/s": 1.0, "rad/s": 180.0 / np.pi}
LABEL_COLUMNS = (
    "file", "subject", "age", "sex", "movement", "description", "is_fall", "position", "onset_s", "impact_s",
)  # fmt: skip
_KEYS = {
    "": ("files", "separator", "position", "time", "accel", "gyro", "labels"),
    "time": ("column", "unit", "rate_hz"),
    "accel": ("columns", "unit"),
    "gyro": ("columns", "unit"),
    "labels": ("file",),
}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How a folder's CSV files are to be read; factors make microseconds, g and deg/s of their units."""

    files: str
    separator: str
    position: str | None
    time_column: str | None
    us_per_unit: float
    accel_columns: tuple[str, ...]
    g_per_unit: float
    gyro_columns: tuple[str, ...]
    dps_per_unit: float
    labels: str | None


def sources(folder: Path, position: str | None) -> list[Source]:
    """The files that the map names, by subject.

    Raises:
        ValueError: The map or the label file makes no sense; the message names the file and the place.
    """
    root = root_of(
        folder, lambda path: any((path / name).is_file() for name in MAPS), "CSV", f"a map {MAPS[0]}"
    )
    columns = read_map(next(root / name for name in MAPS if (root / name).is_file()))
    labels = _read_labels(root / columns.labels) if columns.labels else None
    paths = sorted((p for p in root.glob(columns.files) if p.is_file()), key=natural)
    paths = [
        p for p in paths if p.name not in MAPS and (columns.labels is None or p != root / columns.labels)
    ]
    if not paths:
        raise FileNotFoundError(f"{root}: no file matches {columns.files!r}")
    found = []
    for path in paths:
        file = path.relative_to(root).as_posix()
        label = None if labels is None else labels.get(file)
        place = (label or {}).get("position") or columns.position or position or ""
        if position is None or place == position:
            subject = (label or {}).get("subject") or path.stem
            load = partial(_load, path, file, subject, place, columns, labels is not None, label)
            found.append(Source(file, subject, place, load))
    return sorted(found, key=lambda source: (natural(Path(source.subject)), source.position))


def read_map(path: Path) -> ColumnMap:
    """Read a column map.

    Raises:
        ValueError: With the map's name, the key, and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: not a column map: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a column map: it must be a table of keys")
    for section, allowed in _KEYS.items():
        part = content.get(section, {}) if section else content
        if not isinstance(part, Mapping):
            raise ValueError(f"{path}: {section} must be a section")
        unknown = sorted(set(part) - set(allowed))
        if unknown:
            raise ValueError(
                f"{path}: {section or 'top'}: unknown {unknown[0]!r}; known: {', '.join(allowed)}"
            )
    time, gyro = content.get("time", {}), content.get("gyro", {})
    if ("column" in time) == ("rate_hz" in time):
        raise ValueError(f"{path}: time: say either column and unit, or rate_hz")
    rate_hz = time.get("rate_hz")
    if rate_hz is not None and not (isinstance(rate_hz, int | float) and 0 < rate_hz < 1e6):
        raise ValueError(f"{path}: time: rate_hz {rate_hz!r} is no rate")
    position = content.get("position")
    if position is not None and position not in ALL_POSITIONS:
        raise ValueError(f"{path}: position {position!r} is none of {', '.join(ALL_POSITIONS)}")
    files, separator = _word(path, content, "files", "*.csv"), _word(path, content, "separator", ",")
    if len(separator) != 1 or Path(files).is_absolute():
        raise ValueError(f"{path}: separator must be one character, files a pattern below the map's folder")
    return ColumnMap(
        files=files,
        separator=separator,
        position=position,
        time_column=_word(path, time, "column", "") or None,
        us_per_unit=1e6 / rate_hz if rate_hz else _factor(path, "time", time, US_PER_UNIT),
        accel_columns=_three(path, "accel", content.get("accel", {})),
        g_per_unit=_factor(path, "accel", content.get("accel", {}), G_PER_UNIT),
        gyro_columns=_three(path, "gyro", gyro) if gyro else (),
        dps_per_unit=_factor(path, "gyro", gyro, DPS_PER_UNIT) if gyro else 1.0,
        labels=_word(path, content.get("labels", {}), "file", "") or None,
    )


def _word(path: Path, part: Mapping[str, Any], key: str, default: str) -> str:
    value = part.get(key, default)
    if not isinstance(value, str) or (default and not value):
        raise ValueError(f"{path}: {key} must be a word, not {value!r}")
    return value


def _three(path: Path, section: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    columns = part.get("columns")
    if not isinstance(columns, list) or len(columns) != 3 or not all(isinstance(c, str) for c in columns):
        raise ValueError(f"{path}: {section}: columns must name three columns, x y z, not {columns!r}")
    return tuple(columns)


def _factor(path: Path, section: str, part: Mapping[str, Any], units: Mapping[str, float]) -> float:
    unit = part.get("unit")
    if not isinstance(unit, str) or unit not in units:
        raise ValueError(f"{path}: {section}: unit {unit!r} is none of {', '.join(units)}")
    return units[unit]


def _read_labels(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            unknown = sorted(set(rows.fieldnames or ()) - set(LABEL_COLUMNS))
            if "file" not in (rows.fieldnames or ()) or unknown:
                wrong = f"unknown column {unknown[0]!r}" if unknown else "no column 'file'"
                raise ValueError(f"{path}: {wrong}; known: {', '.join(LABEL_COLUMNS)}")
            return {row["file"]: {k: (v or "").strip() for k, v in row.items() if k} for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: the label file cannot be read: {error}") from error


def _load(
    path: Path,
    file: str,
    subject: str,
    position: str,
    columns: ColumnMap,
    labelled: bool,
    label: dict[str, str] | None,
) -> Iterator[Trial]:
    if labelled and label is None:
        raise Unusable(Reason.LABEL_MISSING, "the label file does not list it")
    if position not in ALL_POSITIONS:
        reason = Reason.LABEL_INVALID if position else Reason.POSITION_UNKNOWN
        raise Unusable(reason, f"position {position!r} is none of {', '.join(ALL_POSITIONS)}")
    facts = _facts(label or {})
    names, body, first = split_header(read_bytes(path), separator=columns.separator)
    wanted = [
        *([columns.time_column] if columns.time_column else []),
        *columns.accel_columns,
        *columns.gyro_columns,
    ]
    values, cut_off = read_numbers(body, columns.separator, len(names), column_numbers(names, wanted), first)
    notes = ["CUT_OFF: the last line is incomplete and left out"] if cut_off else []
    if columns.time_column:
        stamps, values = values[:, 0], values[:, 1:]
    else:
        stamps = np.arange(len(values), dtype=np.float64)
    rows = increasing(to_us(stamps, columns.us_per_unit))
    if len(rows) < len(values):
        notes.append(f"TIME_DUPLICATE: {len(values) - len(rows)} rows repeat a time and are left out")
    stamps, values = stamps[rows], values[rows]
    ts_us = to_us(stamps, columns.us_per_unit)
    zero_s = float(stamps[0]) * columns.us_per_unit / 1e6
    onset_us, impact_us = (
        None if at_s is None else round((at_s - zero_s) * 1e6)
        for at_s in (facts["onset_s"], facts["impact_s"])
    )
    for at_us in (onset_us, impact_us):
        if at_us is not None and not 0 <= at_us <= int(ts_us[-1]):
            raise Unusable(Reason.LABEL_INVALID, "onset or impact lie outside the recording", len(values))
    with np.errstate(over="ignore"):  # What single precision cannot hold is infinite, and judged as such.
        accel_g = (values[:, :3] * columns.g_per_unit).astype(np.float32)
    gyro = values[:, 3:] * columns.dps_per_unit if columns.gyro_columns else np.full((len(values), 3), np.nan)
    yield Trial(
        dataset="csv",
        name=file,
        subject=subject,
        age=facts["age"],
        sex=facts["sex"],
        movement=(label or {}).get("movement") or "unlabelled",
        description=(label or {}).get("description") or (label or {}).get("movement") or "unlabelled",
        is_fall=facts["is_fall"],
        position=position,
        ts_us=ts_us,
        accel_g=accel_g,
        gyro_dps=gyro.astype(np.float32),
        impact_us=impact_us,
        onset_us=onset_us,
        notes=tuple(notes),
    )


def _facts(label: Mapping[str, str]) -> dict[str, Any]:
    """Typed values of a label row.

    Raises:
        Unusable: One makes no sense.
    """
    truths = {"": False, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        seconds = {key: float(label[key]) if label.get(key) else None for key in ("onset_s", "impact_s")}
        if not all(value is None or np.isfinite(value) for value in seconds.values()):
            raise ValueError("a time is not finite")
        return {
            **seconds,
            "age": int(label["age"]) if label.get("age") else None,
            "sex": {"": None, "f": "F", "m": "M"}[label.get("sex", "").lower()],
            "is_fall": truths[label.get("is_fall", "").lower()],
        }
    except (KeyError, ValueError) as error:
        raise Unusable(Reason.LABEL_INVALID, f"its label makes no sense: {error}") from error
