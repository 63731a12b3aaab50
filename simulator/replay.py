"""Recordings of real people as if devices had sent them: one device for each subject, trial after trial.

What belongs here: placing recordings in time, drops, clinic files and truth. What does not: reading the
data set's files (`umafall_files`).
"""

import csv
import io
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from simulator.clinic_log import ASSIGNMENT_COLUMNS, CONTACT_COLUMNS, PATIENT_COLUMNS
from simulator.devices import rng_of
from simulator.drops import gzip_bytes, iso_ms, put_drop, stamp, write_atomically
from simulator.json_lines import json_lines
from simulator.truth import ActivityTruth, FallTruth, csv_text, write_rows
from simulator.umafall_files import Recording, Skipped, read_recordings

FIRMWARE = "1.0.0"
FIRST_NUMBER = 20000
TIME_ZONE = "Europe/Madrid"
SITE = "SITE01"


@dataclass(frozen=True)
class ReplayResult:
    """What was replayed, and what was skipped and why."""

    drops: int
    samples: int
    trials: int
    falls: int
    skipped: list[Skipped]
    keys: list[str] = field(repr=False)
    clinic_keys: list[str] = field(repr=False)


@dataclass(frozen=True)
class Placed:
    """A recording at its place in time: `ts_ms` (n,) epoch ms, `first_seq` of its device."""

    recording: Recording
    ts_ms: np.ndarray
    first_seq: int


def device_of(subject: int) -> str:
    """Device that replays a subject."""
    return f"imu-{FIRST_NUMBER + subject}"


def patient_of(subject: int) -> str:
    """Wearable id of a subject."""
    return f"pt-{FIRST_NUMBER + subject}"


def clinic_id_of(subject: int) -> str:
    """Clinic id of a subject."""
    return f"PAT{FIRST_NUMBER + subject:06d}"


def place(recordings: list[Recording], start_ms: int, gap_s: float) -> dict[int, list[Placed]]:
    """Lay each subject's trials one after the other from `start_ms`, `gap_s` apart."""
    placed: dict[int, list[Placed]] = {}
    for recording in recordings:
        before = placed.setdefault(recording.info.subject, [])
        begin = start_ms if not before else int(before[-1].ts_ms[-1]) + round(gap_s * 1000)
        seq = 0 if not before else before[-1].first_seq + len(before[-1].ts_ms)
        before.append(Placed(recording, begin + recording.t_ms - int(recording.t_ms[0]), seq))
    return placed


def replay_umafall(
    source: Path,
    landing: Path,
    truth: Path | None,
    start: datetime,
    position: str = "waist",
    gap_s: float = 20.0,
    drop_minutes: int = 60,
    seed: int = 7,
) -> ReplayResult:
    """Replay UMAFall into a landing zone.

    The clinic's files are full snapshots: rows for the subjects are added to the last file of each kind on
    `start`'s day and on every later day that has one, so replay after the cohort.

    Args:
        source: Folder with the data set.
        landing: Landing zone.
        truth: Where truth goes, or None: `falls.csv` (impact_at = time of the largest acceleration norm,
            onset_at = start of the trial), `activities.csv` (a row for each trial), `replay_skipped.csv`,
            `replay.json`.
        start: When the first trial of each subject begins (aware).
        position: waist, wrist, chest, ankle or pocket.
        gap_s: Silence between two trials.
        drop_minutes: Minutes in one drop.
        seed: Decides the receipt delays.

    Returns:
        What was replayed and skipped.

    Raises:
        FileNotFoundError: `source` does not hold the data set.
        ValueError: An argument makes no sense.
    """
    if start.tzinfo is None:
        raise ValueError(f"start {start} has no time zone")
    if gap_s <= 0 or drop_minutes < 1:
        raise ValueError("gap and drop minutes must be positive")
    recordings, skipped = read_recordings(source, position)
    start_ms = round(start.timestamp()) * 1000
    placed = place(recordings, start_ms, gap_s)
    keys = []
    for subject, trials in placed.items():
        keys += _write_drops(landing, subject, trials, position, drop_minutes, seed)
    falls, activities = _truth_rows(placed, position)
    clinic_keys = _add_to_clinic(landing, placed, position, start)
    result = ReplayResult(
        drops=len(keys),
        samples=sum(len(trial.ts_ms) for trials in placed.values() for trial in trials),
        trials=len(recordings),
        falls=len(falls),
        skipped=skipped,
        keys=keys,
        clinic_keys=clinic_keys,
    )
    if truth is not None:
        write_rows(truth / "falls.csv", FallTruth, falls)
        write_rows(truth / "activities.csv", ActivityTruth, activities)
        write_rows(truth / "replay_skipped.csv", Skipped, skipped)
        about = {
            "data_set": "UMAFall, Casilari et al., Procedia Computer Science 110 (2017) 32-39",
            "position": position,
            "start": iso_ms(start_ms),
            "gap_s": gap_s,
            "subjects": sorted(placed),
            "trials": result.trials,
            "skipped": len(skipped),
            "samples": result.samples,
            "impact_at": "time of the largest acceleration norm of the trial",
        }
        write_atomically(truth / "replay.json", (json.dumps(about, indent=2, sort_keys=True) + "\n").encode())
    return result


def _write_drops(
    landing: Path, subject: int, trials: list[Placed], position: str, drop_minutes: int, seed: int
) -> list[str]:
    ts_ms = np.concatenate([trial.ts_ms for trial in trials])
    accel = np.rint(np.concatenate([t.recording.accel_g for t in trials]) * 1e4).astype(np.int32)
    turn = np.concatenate([t.recording.gyro_dps for t in trials])
    has_gyro = ~np.isnan(turn).any(axis=1)
    gyro = np.rint(np.nan_to_num(turn) * 1e2).astype(np.int32)
    window = ts_ms // (drop_minutes * 60_000)
    keys = []
    edges = np.concatenate([[0], np.nonzero(np.diff(window))[0] + 1, [len(ts_ms)]])
    for first, last in pairwise(edges.tolist()):
        lines = []
        # A line has all of gyro or none of it, so runs of equal kind are written together.
        kinds = np.concatenate([[first], np.nonzero(np.diff(has_gyro[first:last]))[0] + 1 + first, [last]])
        for a, b in pairwise(kinds.tolist()):
            text, _ = json_lines(
                device_of(subject),
                patient_of(subject),
                a,
                ts_ms[a:b],
                accel[a:b],
                gyro[a:b] if has_gyro[a] else None,
                np.full(b - a, 900_000, np.int64),
                FIRMWARE,
                position,
                1,
            )
            lines.append(text)
        rng = rng_of(seed, "replay", subject, int(window[first]))
        received_s = math.ceil(int(ts_ms[last - 1]) / 1000) + int(rng.integers(2, 7))
        keys.append(put_drop(landing, received_s, device_of(subject), gzip_bytes(np.concatenate(lines))))
    return keys


def _truth_rows(
    placed: dict[int, list[Placed]], position: str
) -> tuple[list[FallTruth], list[ActivityTruth]]:
    falls = []
    activities = []
    for subject, trials in placed.items():
        for trial in trials:
            info = trial.recording.info
            norm = np.linalg.norm(trial.recording.accel_g, axis=1)
            peak = int(norm.argmax())
            begin, end = iso_ms(int(trial.ts_ms[0])), iso_ms(int(trial.ts_ms[-1]) + 1)
            who, device = patient_of(subject), device_of(subject)
            if info.is_fall:
                impact = iso_ms(int(trial.ts_ms[peak]))
                falls.append(
                    FallTruth(
                        who,
                        device,
                        begin,
                        impact,
                        info.movement,
                        None,
                        None,
                        round(float(norm[peak]), 3),
                        position,
                    )
                )
            activities.append(
                ActivityTruth(who, device, begin, end, info.movement, None, None, None, None, position)
            )
    return falls, activities


def _add_to_clinic(
    landing: Path, placed: dict[int, list[Placed]], position: str, start: datetime
) -> list[str]:
    start = start.astimezone(UTC)
    patients, assignments, contacts = [], [], []
    for subject, trials in sorted(placed.items()):
        info = trials[0].recording.info
        patients.append(
            {
                "patient_id": clinic_id_of(subject),
                "wearable_patient_id": patient_of(subject),
                "given_name": "Volunteer",
                "family_name": f"Subject {subject:02d}",
                "birth_date": f"{start.year - info.age}-01-01",
                "gender": {"F": "female", "M": "male"}.get(info.sex, "unknown"),
                "registration_date": (start - timedelta(days=30)).date().isoformat(),
                "time_zone": TIME_ZONE,
                "site_id": SITE,
                # Minutes of trials and then nothing: nobody expects wear, so nobody is told of silence.
                "expected_wear_hours": "0",
            }
        )
        assignments.append(
            {
                "device_id": device_of(subject),
                "patient_id": patient_of(subject),
                "from": iso_ms(int((start - timedelta(days=1)).timestamp()) * 1000),
                "position": position,
            }
        )
        contacts.append(
            {
                "patient_id": clinic_id_of(subject),
                "role": "nurse",
                "channel": "email",
                "address": "ward-1@clinic.example",
                "order": "1",
            }
        )
    return [
        *_add_rows(landing, start, "patients", PATIENT_COLUMNS, patients),
        *_add_rows(landing, start, "device_assignment", ASSIGNMENT_COLUMNS, assignments),
        *_add_rows(landing, start, "care_contacts", CONTACT_COLUMNS, contacts),
    ]


def _add_rows(
    landing: Path, start: datetime, name: str, columns: tuple[str, ...], rows: list[dict[str, str]]
) -> list[str]:
    """Add rows to the day's snapshot and to each later one that exists already."""
    first_day = f"{start:%Y%m%d}"
    last_of_day: dict[str, Path] = {}
    for path in sorted((landing / "clinic").glob(f"*Z-{name}.csv")):
        if path.name[:8] >= first_day:
            last_of_day[path.name[:8]] = path
    written = []
    ids = {(row.get("device_id"), row["patient_id"]) for row in rows}
    for day in sorted({first_day, *last_of_day}):
        before = last_of_day.get(day)
        known: list[dict[str, str]] = []
        received = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) + timedelta(minutes=1)
        if before is not None:
            known = list(csv.DictReader(io.StringIO(before.read_text())))
            received = datetime.strptime(before.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(
                seconds=1
            )
            if ids <= {(row.get("device_id"), row["patient_id"]) for row in known}:
                continue
        kept = [row for row in known if (row.get("device_id"), row["patient_id"]) not in ids]
        text = csv_text(columns, ([row.get(column, "") for column in columns] for row in [*kept, *rows]))
        key = f"clinic/{stamp(int(received.timestamp()))}-{name}.csv"
        write_atomically(landing / key, text.encode())
        written.append(key)
    return written
