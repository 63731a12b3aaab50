"""Recordings of real people as if devices had sent them: one device for each subject, trial after trial.

What belongs here: placing recordings in time, drops, clinic files and truth. What does not: reading the data
sets' files (`fallrisk_assets.recordings`).
"""

import csv
import io
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.datasets import ALL_POSITIONS
from fallrisk_assets.recordings.recording import DATASETS, Skipped, Trial, dataset_of, read_dataset
from simulator.clinic_log import ASSIGNMENT_COLUMNS, CONTACT_COLUMNS, PATIENT_COLUMNS
from simulator.devices import rng_of
from simulator.drops import gzip_bytes, iso_ms, put_drop, stamp, write_atomically
from simulator.json_lines import json_lines
from simulator.truth import ActivityTruth, FallTruth, csv_text, write_rows

FIRMWARE = "1.0.0"
FIRST_NUMBER = 20_000
TIME_ZONE = "Europe/Madrid"
SITE = "SITE01"
#: The clinic's records need a date of birth; where no age is published this one is written and truth says so.
ASSUMED_AGE = 30
#: Data sets whose files say themselves where they were worn.
TELL_POSITIONS = ("axivity", "csv")
#: Of two groups of people that count from one each, the second counts on from here.
SECOND_GROUP = {"SE": 500}


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
class Wearer:
    """A subject at one position as the pipeline knows them: distinct for data set, subject and position.

    Attributes:
        subject: As published.
        number: The number in all ids.
        position: Where the device is worn.
        age: Years, where published.
        sex: "F" or "M", where published.
    """

    subject: str
    number: int
    position: str
    age: int | None
    sex: str | None

    @property
    def device_id(self) -> str:
        """Device that replays the subject."""
        return f"imu-{self.number}"

    @property
    def patient_id(self) -> str:
        """Wearables' id of the subject."""
        return f"pt-{self.number}"

    @property
    def clinic_id(self) -> str:
        """Clinic's id of the subject."""
        return f"PAT{self.number:06d}"


@dataclass(frozen=True)
class Placed:
    """A trial at its place in time: `ts_ms` (n,) epoch ms, `first_seq` of its device."""

    trial: Trial
    ts_ms: np.ndarray
    first_seq: int


def number_of(dataset: str, subject: str, position: str) -> int:
    """Number of a subject at a position, the same whatever else is replayed.

    Published numbers are kept as the last three digits; names without such a number (and those beyond 499)
    get ten digits of their own after the same beginning.
    """
    begin = FIRST_NUMBER + 10_000 * list(DATASETS).index(dataset) + 1_000 * ALL_POSITIONS.index(position)
    named = re.fullmatch(r"([A-Za-z]*)_?(\d{1,3})", subject)
    if named and dataset not in TELL_POSITIONS and int(named[2]) < 500:
        return begin + SECOND_GROUP.get(named[1], 0) + int(named[2])
    return begin * 10**10 + zlib.crc32(subject.encode())


def place(trials: Iterable[Trial], begin: int, seq: int, gap_s: float) -> Iterator[Placed]:
    """Lay a subject's trials one after the other from `begin` (epoch ms) and `seq` on, `gap_s` apart."""
    for trial in trials:
        ts_ms = begin + trial.ts_us // 1000
        yield Placed(trial, ts_ms, seq)
        begin, seq = int(ts_ms[-1]) + round(gap_s * 1000), seq + len(ts_ms)


def replay(
    dataset: str,
    source: Path,
    landing: Path,
    truth: Path | None,
    start: datetime,
    position: str | None = None,
    gap_s: float = 20.0,
    drop_minutes: int = 60,
    seed: int = 7,
) -> ReplayResult:
    """Replay a data set into a landing zone, one subject in memory at a time.

    The clinic's files are full snapshots: rows for the subjects are added to the last file of each kind on
    `start`'s day and on every later day that has one, so replay after the cohort.

    Args:
        dataset: A key of `DATASETS`.
        source: Folder with the data set.
        landing: Landing zone.
        truth: Where truth goes, or None: `falls.csv` (impact_at and onset_at as labelled; without a label the
            largest acceleration norm and the trial's start), `activities.csv` (a row for each trial),
            `replay_skipped.csv`, `replay.json`.
        start: When the first trial of each subject begins (aware).
        position: Where the sensor was worn; None is the data set's first position, or what its files tell.
        gap_s: Silence between two trials.
        drop_minutes: Minutes in one drop.
        seed: Decides the receipt delays.

    Returns:
        What was replayed and skipped.

    Raises:
        FileNotFoundError: `source` does not hold the data set.
        ModuleNotFoundError: The data set needs a library that is not installed.
        ValueError: An argument makes no sense.
    """
    if start.tzinfo is None:
        raise ValueError(f"start {start} has no time zone")
    if gap_s <= 0 or drop_minutes < 1:
        raise ValueError("gap and drop minutes must be positive")
    facts = dataset_of(dataset, position)
    if position is None and dataset not in TELL_POSITIONS:
        position = facts.positions[0]
    start_ms = round(start.timestamp()) * 1000
    skipped: list[Skipped] = []
    wearers: dict[int, Wearer] = {}
    notes: Counter[str] = Counter()
    following: dict[int, tuple[int, int]] = {}
    keys, falls, activities, samples = [], [], [], 0
    found = _without_skipped(read_dataset(dataset, source, position), skipped)
    for (subject, worn), group in groupby(found, key=lambda trial: (trial.subject, trial.position)):
        number = number_of(dataset, subject, worn)
        placed = list(place(group, *following.get(number, (start_ms, 0)), gap_s))
        last = placed[-1]
        following[number] = int(last.ts_ms[-1]) + round(gap_s * 1000), last.first_seq + len(last.ts_ms)
        wearer = Wearer(subject, number, worn, placed[0].trial.age, placed[0].trial.sex)
        if wearers.setdefault(number, wearer).subject != subject:
            raise ValueError(f"{dataset}: {subject} and {wearers[number].subject} share the number {number}")
        keys += _write_drops(landing, wearer, placed, drop_minutes, seed)
        for trial in placed:
            notes.update(note.partition(":")[0] for note in trial.trial.notes)
            activities.append(_activity(wearer, trial))
            if trial.trial.is_fall:
                falls.append(_fall(wearer, trial))
        samples += sum(len(trial.ts_ms) for trial in placed)
    clinic_keys = _add_to_clinic(landing, list(wearers.values()), start)
    result = ReplayResult(len(keys), samples, len(activities), len(falls), skipped, keys, clinic_keys)
    if truth is not None:
        write_rows(truth / "falls.csv", FallTruth, falls)
        write_rows(truth / "activities.csv", ActivityTruth, activities)
        write_rows(truth / "replay_skipped.csv", Skipped, skipped)
        about = {
            "data_set": ", ".join(text for text in (facts.title, facts.citation) if text),
            "licence": facts.licence,
            "position": position or "as the files tell",
            "start": iso_ms(start_ms),
            "gap_s": gap_s,
            "subjects": {wearer.device_id: wearer.subject for wearer in wearers.values()},
            "age_unknown": sorted(w.device_id for w in wearers.values() if w.age is None),
            "trials": result.trials,
            "skipped": len(skipped),
            "notes": dict(sorted(notes.items())),
            "samples": result.samples,
            "impact_at": "as labelled, or else the time of the largest acceleration norm of the trial",
        }
        write_atomically(truth / "replay.json", (json.dumps(about, indent=2, sort_keys=True) + "\n").encode())
    return result


def _without_skipped(found: Iterable[Trial | Skipped], skipped: list[Skipped]) -> Iterator[Trial]:
    for one in found:
        if isinstance(one, Skipped):
            skipped.append(one)
        else:
            yield one


def _write_drops(
    landing: Path, wearer: Wearer, trials: list[Placed], drop_minutes: int, seed: int
) -> list[str]:
    ts_ms = np.concatenate([trial.ts_ms for trial in trials])
    first_seq = trials[0].first_seq
    accel = np.rint(np.concatenate([t.trial.accel_g for t in trials]) * 1e4).astype(np.int32)
    turn = np.concatenate([t.trial.gyro_dps for t in trials])
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
                wearer.device_id,
                wearer.patient_id,
                first_seq + a,
                ts_ms[a:b],
                accel[a:b],
                gyro[a:b] if has_gyro[a] else None,
                np.full(b - a, 900_000, np.int64),
                FIRMWARE,
                wearer.position,
                1,
            )
            lines.append(text)
        rng = rng_of(seed, "replay", wearer.number, int(window[first]))
        received_s = math.ceil(int(ts_ms[last - 1]) / 1000) + int(rng.integers(2, 7))
        keys.append(put_drop(landing, received_s, wearer.device_id, gzip_bytes(np.concatenate(lines))))
    return keys


def _fall(wearer: Wearer, placed: Placed) -> FallTruth:
    """A fall's truth; unlabelled, it began with the trial and hit where the acceleration is largest."""
    trial, begin = placed.trial, int(placed.ts_ms[0])
    norm = np.linalg.norm(trial.accel_g, axis=1)
    impact_ms = (
        int(placed.ts_ms[norm.argmax()]) if trial.impact_us is None else begin + trial.impact_us // 1000
    )
    onset_ms = begin if trial.onset_us is None else begin + trial.onset_us // 1000
    return FallTruth(
        patient_id=wearer.patient_id,
        device_id=wearer.device_id,
        onset_at=iso_ms(onset_ms),
        impact_at=iso_ms(impact_ms),
        kind=trial.movement,
        recovered=None,
        lying_s=None,
        peak_g=round(float(norm.max()), 3),
        position=wearer.position,
    )


def _activity(wearer: Wearer, placed: Placed) -> ActivityTruth:
    return ActivityTruth(
        patient_id=wearer.patient_id,
        device_id=wearer.device_id,
        start=iso_ms(int(placed.ts_ms[0])),
        end=iso_ms(int(placed.ts_ms[-1]) + 1),
        activity=placed.trial.movement,
        steps=None,
        cadence_spm=None,
        stride_time_s=None,
        stride_time_cv=None,
        position=wearer.position,
    )


def _add_to_clinic(landing: Path, wearers: list[Wearer], start: datetime) -> list[str]:
    start = start.astimezone(UTC)
    patients, assignments, contacts = [], [], []
    for wearer in sorted(wearers, key=lambda wearer: wearer.number):
        patients.append(
            {
                "patient_id": wearer.clinic_id,
                "wearable_patient_id": wearer.patient_id,
                "given_name": "Volunteer",
                "family_name": wearer.subject.replace("_", " "),
                "birth_date": f"{start.year - (ASSUMED_AGE if wearer.age is None else wearer.age)}-01-01",
                "gender": {"F": "female", "M": "male"}.get(wearer.sex or "", "unknown"),
                "registration_date": (start - timedelta(days=30)).date().isoformat(),
                "time_zone": TIME_ZONE,
                "site_id": SITE,
                # Minutes of trials and then nothing: nobody expects wear, so nobody is told of silence.
                "expected_wear_hours": "0",
            }
        )
        assignments.append(
            {
                "device_id": wearer.device_id,
                "patient_id": wearer.patient_id,
                "from": iso_ms(int((start - timedelta(days=1)).timestamp()) * 1000),
                "position": wearer.position,
            }
        )
        contacts.append(
            {
                "patient_id": wearer.clinic_id,
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
