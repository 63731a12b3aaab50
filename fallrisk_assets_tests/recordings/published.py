"""Small folders in the layout in which the data sets are published, from motion that is made up here."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.recording import Skipped, Trial, read_dataset

STANDARD_GRAVITY = 9.80665


@dataclass(frozen=True)
class Motion:
    """A made-up recording: `t_s` (n,), `accel_g` (n, 3), `gyro_dps` (n, 3), and when the impact is."""

    t_s: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray
    impact_s: float


def motion(rate_hz: float = 100.0, seconds: float = 8.0, fall: bool = False, seed: int = 0) -> Motion:
    """Stand, sway a little, and (in a fall) drop, hit and lie, turned by the body within half a second."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    n = len(t_s)
    impact_s = seconds / 2
    turn = np.zeros(n)
    if fall:
        turn = np.clip((t_s - impact_s + 0.5) / 0.5, 0, 1) * np.pi / 2
    accel = np.column_stack([np.sin(turn), np.cos(turn), np.zeros(n)])
    accel *= np.where(fall & (np.abs(t_s - impact_s + 0.2) < 0.15), 0.4, 1.0)[:, None]
    accel += fall * 3.5 * np.exp(-(((t_s - impact_s) / 0.02) ** 2))[:, None] * np.array([0.6, 0.6, 0.5])
    sway = 0.05 * np.sin(2 * np.pi * 0.8 * t_s)[:, None] * np.array([1.0, 0.2, 0.7])
    gyro = np.column_stack([np.zeros(n), np.zeros(n), np.degrees(np.gradient(turn, t_s))])
    return Motion(
        t_s, accel + sway + rng.normal(0, 0.01, (n, 3)), gyro + rng.normal(0, 0.5, (n, 3)), impact_s
    )


def trials(found: Sequence[Trial | Skipped]) -> dict[str, Trial]:
    """Trials by name and position."""
    return {f"{t.name} {t.position}": t for t in found if isinstance(t, Trial)}


def skips(found: Sequence[Trial | Skipped]) -> list[tuple[str, str]]:
    """File and reason of what was skipped."""
    return [(s.file, s.reason) for s in found if isinstance(s, Skipped)]


def read(name: str, folder: Path, position: str | None = None) -> list[Trial | Skipped]:
    return list(read_dataset(name, folder, position))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sisfall(root: Path, code: str = "F01", subject: str = "SA01", run: int = 1, seed: int = 0) -> Path:
    """One SisFall file: nine integers a line with blanks after commas and `;` at the end."""
    made = motion(200.0, fall=code[0] == "F", seed=seed)
    adxl = np.rint(made.accel_g * 256).astype(int)
    itg = np.rint(made.gyro_dps * 65536 / 4000).astype(int)
    mma = np.rint(made.accel_g * 1024).astype(int)
    rows = np.concatenate([adxl, itg, mma], axis=1)
    text = "".join(",".join(f"{value:5d}" for value in row) + ";\n" for row in rows)
    return write(root / subject / f"{code}_{subject}_R{run:02d}.txt", text)


KFALL_HEADER = "TimeStamp(s),FrameCounter,AccX,AccY,AccZ,GyrX,GyrY,GyrZ,EulerX,EulerY,EulerZ"
KFALL_LABELS: list[tuple[object, ...]] = [
    ("Task Code (Task ID)", "Description", "Trial ID", "Fall_onset_frame", "Fall_impact_frame"),
    ("F01 (20)", "Forward fall when trying to sit down", 1, 350, 400),
    (None, None, 2, 351, 401),
    ("F02 (21)", "Backward fall when trying to sit down", 1, 352, 402),
]


def kfall(root: Path, task: int = 20, run: int = 1, subject: str = "SA06", first_frame: int = 1) -> Path:
    """One KFall file; the frame counter begins at 1."""
    made = motion(100.0, fall=20 <= task <= 34, seed=task)
    lines = [KFALL_HEADER]
    for k in range(len(made.t_s)):
        values = [*made.accel_g[k], *made.gyro_dps[k], 0.0, 0.0, 0.0]
        lines.append(f"{made.t_s[k]:.2f},{k + first_frame}," + ",".join(f"{v:.6f}" for v in values))
    name = f"S{subject[2:]}T{task:02d}R{run:02d}.csv"
    return write(root / "sensor_data" / subject / name, "\n".join(lines) + "\n")


def xlsx(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """A minimal Excel sheet with inline text, as KFall's sheets are."""
    lines = []
    for number, row in enumerate(rows, 1):
        cells = []
        for column, value in zip("ABCDEFGH", row, strict=False):
            if isinstance(value, int | float):
                cells.append(f'<c r="{column}{number}"><v>{value}</v></c>')
            elif value is not None:
                cells.append(f'<c r="{column}{number}" t="inlineStr"><is><t>{value}</t></is></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{packages}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r1" '
            f'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets>'
            '<sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r1" '
            f'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{"".join(lines)}</sheetData></worksheet>',
        )
    return path


def bursts(t_s: np.ndarray, every_s: float = 0.1) -> np.ndarray:
    """When a watch delivers samples: those of a tenth of a second together, 1 to 2 ms apart."""
    burst = np.floor(t_s / every_s + 1e-9).astype(int)
    last = np.searchsorted(burst, burst, side="right") - 1
    behind = last - np.arange(len(t_s))
    return np.round((burst + 1) * every_s - 0.002 * behind, 3)


def weda(root: Path, code: str = "F01", name: str = "U01_R01", seed: int = 0) -> Motion:
    """One WEDA-FALL recording: accel, gyro, and the derived vertical_accel with its other columns."""
    made = motion(40.0, seconds=10.0, fall=code[0] == "F", seed=seed)
    stamps = bursts(made.t_s)
    folder = root / "dataset" / "50Hz" / code
    for sensor, values in (("accel", made.accel_g * STANDARD_GRAVITY), ("gyro", np.radians(made.gyro_dps))):
        lines = [",".join(f"{sensor}_{what}_list" for what in ("time", "x", "y", "z"))]
        lines += [
            f"{t:.3f}," + ",".join(f"{v:.4f}" for v in row) for t, row in zip(stamps, values, strict=True)
        ]
        write(folder / f"{name}_{sensor}.csv", "\n".join(lines) + "\n")
    vertical = ["vertical_Accel_x,vertical_Accel_y,vertical_Accel_z,accel_time_list"]
    vertical += [f"1.0,2.0,3.0,{t:.3f}" for t in stamps]
    write(folder / f"{name}_vertical_accel.csv", "\n".join(vertical) + "\n")
    write(folder / f"{name}_orientation.csv", "orientation_time_list,orientation_s_list\n0.0,1.0\n")
    return made


def weda_labels(root: Path, rows: Sequence[str]) -> Path:
    text = "\ufefffilename,start_time,end_time\n" + "\n".join(rows) + "\n"
    path = root / "dataset" / "fall_timestamps.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def mobifall(root: Path, code: str = "FOL", subject: int = 1, run: int = 1, gyro: bool = True) -> Motion:
    """One MobiFall trial: acceleration at an irregular 87 Hz, rotation at 200 Hz in a file of its own."""
    fall = code in ("FOL", "FKL", "BSC", "SDL")
    folder = root / f"sub{subject}" / ("FALLS" if fall else "ADL") / code
    made = motion(87.0, fall=fall, seed=run)
    rng = np.random.default_rng(run)
    about = (
        f"#Datetime: 05/07/2013 11:27:39\n#Age: 32\n#Height(cm): 180\n#Gender: Male\n{'#' * 42}\n\n\n@DATA\n"
    )
    boot_ns = 2_318_294_309_000
    jitter = np.rint(rng.uniform(-1e6, 1e6, len(made.t_s))).astype(np.int64)
    times = boot_ns + np.rint(made.t_s * 1e9).astype(np.int64) + jitter
    rows = [
        f"{t}, {x:.7f}, {y:.7f}, {z:.7f}"
        for t, (x, y, z) in zip(times, made.accel_g * STANDARD_GRAVITY, strict=True)
    ]
    head = "#Acceleration force along the x y z axes (including gravity).\n#timestamp(ns),x,y,z(m/s^2)\n"
    write(folder / f"{code}_acc_{subject}_{run}.txt", head + about + "\n".join(rows) + "\n")
    write(folder / f"{code}_ori_{subject}_{run}.txt", "#\n@DATA\n1,0,0,0\n")
    if gyro:
        fast = motion(200.0, fall=fall, seed=run)
        times = boot_ns + np.rint(fast.t_s * 1e9).astype(np.int64)
        rows = [
            f"{t}, {x:.7f}, {y:.7f}, {z:.7f}"
            for t, (x, y, z) in zip(times, np.radians(fast.gyro_dps), strict=True)
        ]
        head = "#Rate of rotation around the x y z axes (Angular velocity).\n#timestamp(ns),x,y,z(rad/s)\n"
        write(folder / f"{code}_gyro_{subject}_{run}.txt", head + about + "\n".join(rows) + "\n")
    return made


UMAFALL_SENSORS = {"RIGHTPOCKET": 0, "CHEST": 1, "WAIST": 2, "WRIST": 3, "ANKLE": 4}


def umafall(
    root: Path, subject: int = 2, kind: str = "Fall", movement: str = "forwardFall", run: int = 1
) -> Path:
    """One raw UMAFall file: five sensors, the phone at 200 Hz in bursts and without gyroscope."""
    name = f"Subject_{subject:02d}_{kind}_{movement}_{run}"
    lines = [
        "% Universidad de Malaga - ETSI de Telecomunicacion (Spain)                         ",
        f"% ID: {name}                                                        ",
        "% Age: 22                                                                          ",
        "% Gender: F                                                                        ",
        "                                                                                    ",
        "% MAC Address; Sensor_ID; Position; Device Model                                   ",
        *(f"%f8:95:c7:f3:ba:8{n}; {n}; {place}; SensorTag     " for place, n in UMAFALL_SENSORS.items()),
        "% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID;            ",
    ]
    rows: list[tuple[int, str]] = []
    for place, n in UMAFALL_SENSORS.items():
        made = motion(200.0 if n == 0 else 20.0, fall=kind == "Fall", seed=n)
        times = 100 + np.rint(made.t_s * 1000).astype(int)
        if place == "RIGHTPOCKET":
            times[:9] = times[8]
        for kind_of, values in ((0, made.accel_g), (1, made.gyro_dps)):
            if kind_of == 1 and n == 0:
                continue
            for k, (t, (x, y, z)) in enumerate(zip(times, values, strict=True), 1):
                rows.append((t + kind_of, f"{t + kind_of};{k};{x:.9f};{y:.9f};{z:.9f};{kind_of};{n}"))
    rows.sort(key=lambda row: row[0])
    text = "\n".join([*lines, *(row for _, row in rows)]) + "\n"
    return write(root / f"UMAFall_{name}_2016-06-13_20-51-3{run}.csv", text)
