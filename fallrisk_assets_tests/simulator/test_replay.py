import csv
import gzip
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fallrisk_assets.recordings.recording import DATASETS
from fallrisk_assets_tests.recordings import published as made
from simulator.cohort import CohortOptions, simulate_cohort
from simulator.replay import ReplayResult, number_of, replay

START = datetime(2026, 1, 5, 10, 50, tzinfo=UTC)
HEADER = "trial,subject,kind,movement,n,start,age,height,weight,sex,phone,rows,bad_rows,positions"
RAW_HEADER = """% Universidad de Malaga
% MAC Address; Sensor_ID; Position; Device Model
%C4:BE:84:71:A5:02; 2; WAIST; SensorTag
%f8:95:c7:f3:ba:82; 0; RIGHTPOCKET; phone

% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID;
"""


def replay_umafall(
    source: Path, landing: Path, truth: Path | None, start: datetime, gap_s: float = 20.0
) -> ReplayResult:
    return replay("umafall", source, landing, truth, start, gap_s=gap_s)


def trial_rows(name: str, n: int, spike: int | None = None) -> dict[str, list[object]]:
    """Standing, with the noise of a living sensor in the fourth decimal; the first sample is round."""
    t_ms = 100 + 50 * np.arange(n)
    accel = np.tile([0.0, -1.0, 0.0], (n, 1))
    accel[1:] += 1e-4 * np.random.default_rng(n).integers(-9, 10, (n - 1, 3))
    if spike is not None:
        accel[spike] = [3.0, -4.0, 0.0]
    gyro = np.tile([1.5, -0.25, 0.0], (n, 1))
    both = np.concatenate([accel, gyro])
    return {
        "trial": [name] * (2 * n),
        "pos": ["WAIST"] * (2 * n),
        "type": [0] * n + [1] * n,
        "t_ms": [*t_ms.tolist(), *(t_ms + 2).tolist()],
        "x": both[:, 0].tolist(),
        "y": both[:, 1].tolist(),
        "z": both[:, 2].tolist(),
    }


def raw_rows(n: int) -> str:
    """Rows of a raw file: the first sample has a rotation rate, the others have none."""
    first = "193;1;0.1;-1.0;0.2;0;2\n195;1;2.5;1;-3e-2;1;2\n193;1;0;0;9;0;0\n"
    rest = "".join(
        f"{193 + 50 * k};{k + 1};{0.1 + 0.001 * (k % 7):.3f};-1.0{k % 3};0.2{k % 5};0;2\n"
        for k in range(1, n)
    )
    return first + rest


@pytest.fixture
def umafall(tmp_path: Path) -> Path:
    """A data set of the real one's shape: two subjects, one of them 13, whose numbers are mangled."""
    folder = tmp_path / "umafall"
    (folder / "raw").mkdir(parents=True)
    trials = [
        "Subject_02_Fall_forwardFall_1,02,Fall,forwardFall,1,2016-06-13_20-51-32,22,167,63,F,phone,600,0,WAIST",
        "Subject_02_ADL_Walking_1,02,ADL,Walking,1,2016-06-13_20-27-49,22,167,63,F,phone,400,0,WAIST",
        "Subject_02_ADL_Hopping_1,02,ADL,Hopping,1,2016-06-13_20-59-49,22,167,63,F,phone,400,0,WRIST",
        "Subject_02_ADL_Jogging_1_2016-06-13_20-58-49,02,ADL,Jogging,1,2016-06-13_20-58-49,22,167,63,F,phone,4,0,WAIST",
        "Subject_13_ADL_Bending_1_2016-06-06_16-37-56,13,ADL,Bending,1,2016-06-06_16-37-56,18,159,50,F,phone,400,190,WAIST",
        "Subject_13_ADL_Bending_2_2016-06-06_16-39-22,13,ADL,Bending,2,2016-06-06_16-39-22,18,159,50,F,phone,4,0,WAIST",
    ]
    (folder / "umafall_trials.csv").write_text("\n".join([HEADER, *trials]) + "\n")
    parts = [
        trial_rows("Subject_02_Fall_forwardFall_1", 300, spike=120),
        trial_rows("Subject_02_ADL_Walking_1", 200),
        trial_rows("Subject_13_ADL_Bending_1_2016-06-06_16-37-56", 10),
    ]
    merged = {name: [value for part in parts for value in part[name]] for name in parts[0]}
    pq.write_table(pa.table(merged), folder / "umafall_waist_wrist_acc_gyr.parquet")
    good = raw_rows(60)
    mangled = good.replace("-1.0", "1.012.598.156", 1)
    (folder / "raw" / "UMAFall_Subject_02_ADL_Jogging_1_2016-06-13_20-58-49.csv").write_text(
        RAW_HEADER + good
    )
    (folder / "raw" / "UMAFall_Subject_13_ADL_Bending_1_2016-06-06_16-37-56.csv").write_text(
        RAW_HEADER + mangled
    )
    (folder / "raw" / "UMAFall_Subject_13_ADL_Bending_2_2016-06-06_16-39-22.csv").write_text(
        RAW_HEADER + mangled
    )
    return folder


def messages(landing: Path, keys: list[str]) -> list[dict]:
    return [
        json.loads(line)
        for key in keys
        for line in gzip.decompress((landing / key).read_bytes()).splitlines()
    ]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_subject_13_is_skipped_with_a_reason_and_the_first_mangled_line(
    umafall: Path, tmp_path: Path
) -> None:
    result = replay_umafall(umafall, tmp_path / "landing", tmp_path / "truth", START)
    skipped = {skip.file.removeprefix("raw/UMAFall_").removesuffix(".csv"): skip for skip in result.skipped}
    assert set(skipped) == {
        "Subject_13_ADL_Bending_1_2016-06-06_16-37-56",
        "Subject_13_ADL_Bending_2_2016-06-06_16-39-22",
        "Subject_02_ADL_Hopping_1",
    }
    for trial in (
        "Subject_13_ADL_Bending_1_2016-06-06_16-37-56",
        "Subject_13_ADL_Bending_2_2016-06-06_16-39-22",
    ):
        assert skipped[trial].reason == "NUMBER_CORRUPTED"
        assert "line 7: 193;1;0.1;1.012.598.156;0.2;0;2" in skipped[trial].detail
    assert skipped["Subject_02_ADL_Hopping_1"].reason == "POSITION_NOT_RECORDED"
    written = rows(tmp_path / "truth" / "replay_skipped.csv")
    assert [(row["file"], row["reason"]) for row in written] == [(s.file, s.reason) for s in result.skipped]
    assert {m["deviceId"] for m in messages(tmp_path / "landing", result.keys)} == {"imu-20002"}


def test_recorded_numbers_arrive_unchanged_in_recorded_order(umafall: Path, tmp_path: Path) -> None:
    result = replay_umafall(umafall, tmp_path / "landing", None, START, gap_s=20.0)
    found = messages(tmp_path / "landing", result.keys)
    assert len(found) == result.samples == 200 + 300 + 60
    assert [m["seq"] for m in found] == list(range(len(found)))
    assert found[0]["ts"] == "2026-01-05T10:50:00.000Z"
    assert found[0]["accel"] == {"x": 0.0, "y": -1.0, "z": 0.0}
    assert found[0]["gyro"] == {"x": 1.5, "y": -0.25, "z": 0.0}
    times = [datetime.fromisoformat(m["ts"]) for m in found]
    pauses = [i for i, (a, b) in enumerate(pairwise(times), 1) if b - a > timedelta(seconds=1)]
    assert pauses == [200, 500]
    assert times[200] - times[199] == timedelta(seconds=20)
    assert found[500]["gyro"] == {"x": 2.5, "y": 1.0, "z": -0.03}
    assert "gyro" not in found[501]


def test_each_drop_is_named_by_its_hash_and_split_at_the_hour(umafall: Path, tmp_path: Path) -> None:
    start = datetime(2026, 1, 5, 10, 59, 55, tzinfo=UTC)
    result = replay_umafall(umafall, tmp_path, None, start)
    assert len(result.keys) == 2
    for key in result.keys:
        assert hashlib.sha256((tmp_path / key).read_bytes()).hexdigest()[:8] == key[-17:-9]
        assert len({m["ts"][:13] for m in messages(tmp_path, [key])}) == 1


def test_the_truth_places_a_recorded_fall_at_its_peak(umafall: Path, tmp_path: Path) -> None:
    result = replay_umafall(umafall, tmp_path / "landing", tmp_path / "truth", START)
    (fall,) = rows(tmp_path / "truth" / "falls.csv")
    at = next(m for m in messages(tmp_path / "landing", result.keys) if m["ts"] == fall["impact_at"])
    assert at["accel"] == {"x": 3.0, "y": -4.0, "z": 0.0}
    assert (fall["kind"], float(fall["peak_g"]), fall["patient_id"]) == ("forwardFall", 5.0, "pt-20002")
    kinds = [row["activity"] for row in rows(tmp_path / "truth" / "activities.csv")]
    assert kinds == ["Walking", "forwardFall", "Jogging"]


def test_replay_twice_gives_the_same_files(umafall: Path, tmp_path: Path) -> None:
    for _ in range(2):
        replay_umafall(umafall, tmp_path / "again", None, START)
    replay_umafall(umafall, tmp_path / "once", None, START)
    again, once = (
        {
            p.relative_to(tmp_path / name): p.read_bytes()
            for p in (tmp_path / name).rglob("*.*")
            if p.is_file()
        }
        for name in ("again", "once")
    )
    assert again == once


def test_subjects_are_added_to_every_later_snapshot_of_a_cohort(umafall: Path, tmp_path: Path) -> None:
    options = CohortOptions(patients=2, days=2, hours_per_day=(0.01,), faults="none", start=START.date())
    simulate_cohort(tmp_path, None, options)
    replay_umafall(umafall, tmp_path, None, START)
    for name, wanted in (
        ("patients", "PAT020002"),
        ("device_assignment", "imu-20002"),
        ("care_contacts", "PAT020002"),
    ):
        for day in ("20260105", "20260106"):
            last = max((tmp_path / "clinic").glob(f"{day}*Z-{name}.csv"))
            ids = [next(iter(row.values())) for row in rows(last)]
            assert wanted in ids
            assert len(set(ids)) == 3


def test_a_folder_without_the_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"umafall_trials\.csv is missing"):
        replay_umafall(tmp_path, tmp_path / "landing", None, START)


def test_another_position_is_refused(umafall: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of waist, wrist"):
        replay("umafall", umafall, tmp_path, None, START, position="lowback")


def test_every_published_layout_is_replayed_at_its_own_rate_with_truth_beside(tmp_path: Path) -> None:
    made.sisfall(tmp_path / "sisfall", "F01", "SA06")
    made.sisfall(tmp_path / "sisfall", "D07", "SE06")
    made.mobifall(tmp_path / "mobifall", "FOL", 6)
    made.kfall(tmp_path / "kfall", 20, 1)
    made.weda(tmp_path / "weda_fall", "F01", "U06_R01")
    made.weda_labels(tmp_path / "weda_fall", ["F01/U06_R01,3.0,8.0"])
    made.umafall(tmp_path / "umafall", 6)
    landing = tmp_path / "landing"
    rates = {"sisfall": 5, "mobifall": 11, "kfall": 10, "weda_fall": 25, "umafall": 50}
    devices: list[str] = []
    for name, period_ms in rates.items():
        result = replay(name, tmp_path / name, landing, tmp_path / "truth" / name, START)
        found = messages(landing, result.keys)
        times = [datetime.fromisoformat(m["ts"]) for m in found if m["deviceId"] == found[0]["deviceId"]]
        steps = sorted(b - a for a, b in pairwise(times))
        assert abs(steps[len(steps) // 2] / timedelta(milliseconds=1) - period_ms) <= 1
        assert len(found) == result.samples
        assert {m["meta"]["position"] for m in found} == {DATASETS[name].positions[0]}
        devices += sorted({m["deviceId"] for m in found})
        (fall,) = rows(tmp_path / "truth" / name / "falls.csv")
        trial = next(
            row
            for row in rows(tmp_path / "truth" / name / "activities.csv")
            if row["activity"] == fall["kind"]
        )
        hit = datetime.fromisoformat(fall["impact_at"]) - datetime.fromisoformat(trial["start"])
        middle = timedelta(seconds=5.0 if name == "weda_fall" else 4.0)
        assert abs(hit - middle) < timedelta(seconds=0.15)
    assert len(devices) == len(set(devices)) == 6
    patients = rows(max((landing / "clinic").glob("*Z-patients.csv")))
    assert len({row["wearable_patient_id"] for row in patients}) == len(patients) == 6
    assert json.loads((tmp_path / "truth" / "kfall" / "replay.json").read_text())["age_unknown"] == [
        "imu-44006"
    ]


def test_a_labelled_impact_is_the_truth_and_not_the_largest_acceleration(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    made.kfall(tmp_path / "kfall", 20, 1)
    made.xlsx(tmp_path / "kfall" / "label_data" / "SA06_label.xlsx", made.KFALL_LABELS)
    replay("kfall", tmp_path / "kfall", tmp_path / "landing", tmp_path / "truth", START)
    (fall,) = rows(tmp_path / "truth" / "falls.csv")
    assert fall["onset_at"] == "2026-01-05T10:50:03.490Z"
    assert fall["impact_at"] == "2026-01-05T10:50:03.990Z"


def test_ids_are_distinct_for_data_set_subject_and_position() -> None:
    people = {
        "umafall": ("Subject_06", "Subject_13"),
        "sisfall": ("SA06", "SE06", "SA23", "SE15"),
        "kfall": ("SA06", "SA38"),
        "weda_fall": ("U06", "U31"),
        "mobifall": ("sub6", "sub31"),
        "axivity": ("26", "39434", "Mrs. X", "6"),
        "csv": ("6", "Subject_06", "Mrs. X"),
    }
    assert set(people) == set(DATASETS)
    numbers = [
        number_of(name, subject, position)
        for name, subjects in people.items()
        for subject in subjects
        for position in DATASETS[name].positions
    ]
    assert len(set(numbers)) == len(numbers)
    assert number_of("umafall", "Subject_02", "waist") == 20002
    assert number_of("sisfall", "SE06", "waist") == 30506


def test_a_subject_whose_files_are_not_side_by_side_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source = tmp_path / "own"
    toml = 'position = "waist"\n[time]\nrate_hz = 100\n[accel]\ncolumns = ["x", "y", "z"]\nunit = "g"\n'
    made.write(source / "recordings.toml", toml + '[labels]\nfile = "labels.csv"\n')
    labels = ["file,subject,position", "a.csv,P1,waist", "b.csv,P1,wrist", "c.csv,P1,waist"]
    made.write(source / "labels.csv", "\n".join(labels) + "\n")
    for seed, name in enumerate("abc"):
        lines = [",".join(f"{v:.5f}" for v in row) for row in made.motion(100.0, seed=seed).accel_g]
        made.write(source / f"{name}.csv", "\n".join(["x,y,z", *lines]) + "\n")
    result = replay("csv", source, tmp_path / "landing", None, START)
    found = messages(tmp_path / "landing", result.keys)
    assert result.trials == 3
    for position, wanted in (("waist", 1600), ("wrist", 800)):
        mine = [m for m in found if m["meta"]["position"] == position]
        assert sorted(m["seq"] for m in mine) == list(range(wanted))
        assert len({m["ts"] for m in mine}) == wanted


def test_the_real_data_set_is_replayed_but_for_subject_13(tmp_path: Path) -> None:
    shared = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (shared / "umafall").is_dir():
        pytest.skip("UMAFall is not here; set FALLRISK_SHARED_DATA to the folder that holds umafall/")
    result = replay_umafall(shared / "umafall", tmp_path / "landing", tmp_path / "truth", START)
    corrupted = [skip for skip in result.skipped if skip.reason == "NUMBER_CORRUPTED"]
    assert {skip.subject for skip in corrupted} == {"Subject_13"}
    assert len(corrupted) == 20
    assert result.trials + len(result.skipped) == 746
    assert (result.trials, result.falls) == (617, 189)
    assert "imu-20013" not in {row["device_id"] for row in rows(tmp_path / "truth" / "activities.csv")}
