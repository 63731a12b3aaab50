"""SisFall: `SA01/F01_SA01_R01.txt`, nine integers a line, 200 Hz, at the waist.

Belongs here: its files' layout, people and codes. The columns are ADXL345 x y z, ITG3200 x y z and MMA8451Q
x y z, in bits; value = 2 · range / 2^bits · bits. The first two sensors are used: ±16 g holds impacts that
the third one (±8 g) cuts.

Source: the data set's Readme (February 2016, version 1.0); Sucerquia, López, Vargas-Bonilla, Sensors
17(1):198 (2017).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.folders import files_in, folders_in, root_of
from fallrisk_assets.recordings.number_table import read_bytes, read_numbers
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Source, Trial

RATE_HZ = 200
ADXL345_BITS, ADXL345_RANGE_G = 13, 16
ITG3200_BITS, ITG3200_RANGE_DPS = 16, 2000
COLUMNS = 9
_FOLDER = re.compile(r"S[AE]\d\d")
_NAME = re.compile(r"([DF]\d\d)_(S[AE]\d\d)_(R\d\d)\.txt")

#: Age and sex as the Readme lists them; SA are young adults, SE elderly people.
SUBJECTS: dict[str, tuple[int, str]] = {
    "SA01": (26, "F"), "SA02": (23, "M"), "SA03": (19, "F"), "SA04": (23, "M"), "SA05": (22, "M"),
    "SA06": (21, "M"), "SA07": (21, "F"), "SA08": (21, "F"), "SA09": (24, "M"), "SA10": (21, "M"),
    "SA11": (19, "M"), "SA12": (25, "F"), "SA13": (22, "F"), "SA14": (27, "F"), "SA15": (25, "F"),
    "SA16": (20, "F"), "SA17": (23, "M"), "SA18": (23, "M"), "SA19": (30, "M"), "SA20": (30, "F"),
    "SA21": (30, "M"), "SA22": (19, "F"), "SA23": (24, "F"),
    "SE01": (71, "M"), "SE02": (75, "F"), "SE03": (62, "F"), "SE04": (63, "F"), "SE05": (63, "M"),
    "SE06": (60, "M"), "SE07": (65, "M"), "SE08": (68, "F"), "SE09": (66, "M"), "SE10": (64, "F"),
    "SE11": (66, "F"), "SE12": (69, "M"), "SE13": (65, "M"), "SE14": (67, "M"), "SE15": (64, "F"),
}  # fmt: skip

MOVEMENTS: dict[str, str] = {
    "D01": "walking slowly",
    "D02": "walking quickly",
    "D03": "jogging slowly",
    "D04": "jogging quickly",
    "D05": "walking upstairs and downstairs slowly",
    "D06": "walking upstairs and downstairs quickly",
    "D07": "slowly sit in a half height chair, wait a moment, and up slowly",
    "D08": "quickly sit in a half height chair, wait a moment, and up quickly",
    "D09": "slowly sit in a low height chair, wait a moment, and up slowly",
    "D10": "quickly sit in a low height chair, wait a moment, and up quickly",
    "D11": "sitting a moment, trying to get up, and collapse into a chair",
    "D12": "sitting a moment, lying slowly, wait a moment, and sit again",
    "D13": "sitting a moment, lying quickly, wait a moment, and sit again",
    "D14": "being on one's back, change to lateral position, wait a moment, and change to one's back",
    "D15": "standing, slowly bending at knees, and getting up",
    "D16": "standing, slowly bending without bending knees, and getting up",
    "D17": "standing, get into a car, remain seated and get out of the car",
    "D18": "stumble while walking",
    "D19": "gently jump without falling (trying to reach a high object)",
    "F01": "fall forward while walking caused by a slip",
    "F02": "fall backward while walking caused by a slip",
    "F03": "lateral fall while walking caused by a slip",
    "F04": "fall forward while walking caused by a trip",
    "F05": "fall forward while jogging caused by a trip",
    "F06": "vertical fall while walking caused by fainting",
    "F07": "fall while walking, with use of hands in a table to dampen fall, caused by fainting",
    "F08": "fall forward when trying to get up",
    "F09": "lateral fall when trying to get up",
    "F10": "fall forward when trying to sit down",
    "F11": "fall backward when trying to sit down",
    "F12": "lateral fall when trying to sit down",
    "F13": "fall forward while sitting, caused by fainting or falling asleep",
    "F14": "fall backward while sitting, caused by fainting or falling asleep",
    "F15": "lateral fall while sitting, caused by fainting or falling asleep",
}


def sources(folder: Path, position: str | None) -> list[Source]:
    """The files of all subjects, SA before SE."""
    root = root_of(
        folder,
        lambda path: any(_FOLDER.fullmatch(child.name) for child in folders_in(path)),
        "SisFall",
        "a folder SA01",
    )
    subjects = [path for path in folders_in(root) if _FOLDER.fullmatch(path.name)]
    return [_source(root, path) for subject in subjects for path in files_in(subject, "*.txt")]


def _source(root: Path, path: Path) -> Source:
    return Source(path.relative_to(root).as_posix(), path.parent.name, "waist", lambda: _load(path))


def _load(path: Path) -> Iterator[Trial]:
    named = _NAME.fullmatch(path.name)
    if named is None or named[2] != path.parent.name or named[1] not in MOVEMENTS:
        example = f"F01_{path.parent.name}_R01.txt"
        raise Unusable(Reason.FILE_NAME_INVALID, f"{path.name} is not named like {example}")
    bits, cut_off = read_numbers(read_bytes(path), ",", COLUMNS, range(6))
    _check_bits(bits)
    movement, subject, _ = named.groups()
    age, sex = SUBJECTS.get(subject, (None, None))
    yield Trial(
        dataset="sisfall",
        name=path.stem,
        subject=subject,
        age=age,
        sex=sex,
        movement=movement,
        description=MOVEMENTS[movement],
        is_fall=movement[0] == "F",
        position="waist",
        ts_us=np.arange(len(bits), dtype=np.int64) * (1_000_000 // RATE_HZ),
        accel_g=(bits[:, :3] * (2 * ADXL345_RANGE_G / 2**ADXL345_BITS)).astype(np.float32),
        gyro_dps=(bits[:, 3:] * (2 * ITG3200_RANGE_DPS / 2**ITG3200_BITS)).astype(np.float32),
        notes=("CUT_OFF: the last line is incomplete and left out",) if cut_off else (),
    )


def _check_bits(bits: np.ndarray) -> None:
    if not (bits == np.rint(bits)).all():
        bad = (bits != np.rint(bits)).any(axis=1)
        detail = f"row {int(np.argmax(bad)) + 1} holds no integers; these are not the sensors' bits"
        raise Unusable(Reason.NUMBER_CORRUPTED, detail, len(bits), int(bad.sum()))
    limits = np.repeat([2 ** (ADXL345_BITS - 1), 2 ** (ITG3200_BITS - 1)], 3)
    bad = ((bits < -limits) | (bits >= limits)).any(axis=1)
    if bad.any():
        detail = f"row {int(np.argmax(bad)) + 1} exceeds {ADXL345_BITS} and {ITG3200_BITS} bits"
        raise Unusable(Reason.VALUE_OUT_OF_RANGE, detail, len(bits), int(bad.sum()))
