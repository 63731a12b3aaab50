"""What is measured: seeded cohorts of the simulator, made once and kept in `.bench/`."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / ".bench"
DAY = "2026-01-05"
#: Drops of a day's last hour are received in the first hour of the next day.
FIRST_HOUR, LAST_HOUR = "2026-01-05-00:00", "2026-01-06-00:00"

CLINIC_START, CLINIC_DAYS = "2026-01-05", 320
_CLINIC = {"patients": 12_800, "providers": 68, "visits-per-year": 12}


def clinic_landing() -> Path:
    """Return a landing zone of a clinic's year (320 days), simulated when it is missing.

    Its log tells of some 100,000 appointments, and its surveys of some 75,000 answers.
    """
    folder = WORK / "cohorts" / "clinic"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print("  simulating a clinic's year …", flush=True)
        options = [f"--{name}={value}" for name, value in _CLINIC.items()]
        options += [f"--days={CLINIC_DAYS}", f"--start={CLINIC_START}", "--seed=7"]
        command = [sys.executable, "-m", "simulator", "clinic", "--out", str(folder / "landing"), *options]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder / "landing"


def landing_of(patients: int) -> Path:
    """Return a landing zone of one day of some patients, 24 h each at 50 Hz, simulated when it is missing."""
    folder = WORK / "cohorts" / f"{patients}-patients"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"  simulating {patients} device-days …", flush=True)
        options = [f"--patients={patients}", "--days=1", "--hours-per-day=24", f"--start={DAY}"]
        out = ["--out", str(folder / "landing"), "--truth", str(folder / "truth")]
        command = [sys.executable, "-m", "simulator", "cohort", *out, *options, "--faults=none", "--quiet"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder / "landing"


def busiest_drop(patients: int = 1) -> Path:
    """Return the drop of a waking hour: the 15th of the day."""
    return sorted((landing_of(patients) / "telemetry").glob("*.jsonl.gz"))[14]


def fresh_data_folder(name: str, landing: Path) -> Path:
    """Return an empty data folder of the product over a landing zone, with the shipped `dagster.yaml`."""
    folder = WORK / "runs" / name
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "dagster_home").mkdir(parents=True)
    shutil.copy(ROOT / "dagster.yaml", folder / "dagster_home")
    (folder / "landing").symlink_to(landing)
    return folder
