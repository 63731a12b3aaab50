"""Each published layout, with its traps planted, is read back to the physical values that went in."""

from pathlib import Path

import numpy as np
import pytest

from fallrisk_assets.recordings import kfall as kfall_reader
from fallrisk_assets.recordings.datasets import ALL_POSITIONS
from fallrisk_assets.recordings.recording import DATASETS, Skipped, Trial, read_dataset
from fallrisk_assets.risk.contract import POSITIONS
from fallrisk_assets_tests.recordings import published as made
from fallrisk_assets_tests.recordings.published import read, skips, trials


def close(found: np.ndarray, wanted: np.ndarray, within: float) -> bool:
    return found.shape == wanted.shape and float(np.abs(found - wanted).max()) <= within


# --- what holds for all of them


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_that_does_not_hold_the_set_is_refused_at_once(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is missing"):
        read_dataset(name, tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        read_dataset(name, tmp_path / "nowhere")


def test_unknown_sets_and_positions_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of umafall, sisfall"):
        read_dataset("upfall", tmp_path)
    with pytest.raises(ValueError, match="'head' is none of waist"):
        read_dataset("sisfall", tmp_path, "head")


def test_only_sets_with_a_licence_that_says_so_may_be_trained_on() -> None:
    assert [name for name, facts in DATASETS.items() if facts.may_ship_model] == ["umafall"]
    assert all(facts.citation for name, facts in DATASETS.items() if name not in ("axivity", "csv"))


def test_age_groups_begin_at_65_and_are_unknown_without_an_age(tmp_path: Path) -> None:
    for subject in ("SA01", "SE06", "SE07", "SE99"):
        made.sisfall(tmp_path, "D07", subject)
    groups = {t.subject: t.age_group for t in trials(read("sisfall", tmp_path)).values()}
    assert groups == {"SA01": "under 65", "SE06": "under 65", "SE07": "65+", "SE99": "unknown"}


def test_the_root_may_be_named_or_a_folder_above_it_but_not_one_above_two_copies(tmp_path: Path) -> None:
    made.sisfall(tmp_path / "download" / "SisFall_dataset")
    for folder in ("download/SisFall_dataset", "download", ""):
        assert len(trials(read("sisfall", tmp_path / folder))) == 1
    made.sisfall(tmp_path / "download" / "copy")
    with pytest.raises(
        ValueError, match=r"2 copies \(SisFall_dataset, copy\)|2 copies \(copy, SisFall_dataset\)"
    ):
        read_dataset("sisfall", tmp_path)


# --- SisFall


def test_sisfall_bits_become_g_and_degrees_a_second_at_200_hz(tmp_path: Path) -> None:
    made.sisfall(tmp_path, "F01", "SA01")
    motion = made.motion(200.0, fall=True)
    (trial,) = trials(read("sisfall", tmp_path)).values()
    assert close(trial.accel_g, motion.accel_g, 0.5 / 256 + 1e-6)
    assert close(trial.gyro_dps, motion.gyro_dps, 0.5 * 4000 / 65536 + 1e-4)
    assert np.diff(trial.ts_us).tolist() == [5000] * (len(motion.t_s) - 1)
    facts = (trial.name, trial.subject, trial.age, trial.sex, trial.movement, trial.is_fall, trial.position)
    assert facts == ("F01_SA01_R01", "SA01", 26, "F", "F01", True, "waist")
    assert trial.description == "fall forward while walking caused by a slip"


def test_256_counts_of_the_adxl345_are_1_g_and_16384_of_the_itg3200_are_1000_dps(tmp_path: Path) -> None:
    path = made.sisfall(tmp_path, "D07")
    lines = path.read_text().splitlines()
    lines[0] = "256,-512,0,16384,-16384,0,9,9,9;"
    path.write_text("\r\n".join(lines))
    (trial,) = trials(read("sisfall", tmp_path)).values()
    assert trial.accel_g[0].tolist() == [1.0, -2.0, 0.0]
    assert trial.gyro_dps[0].tolist() == [1000.0, -1000.0, 0.0]


@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        ("1,2,3,4,5,6,7,8;", "NUMBER_CORRUPTED", "1 of 1600 rows are no numbers; first: line 3"),
        ("1,2,3,4,5,6,7,8,9,10;", "NUMBER_CORRUPTED", "first: line 3"),
        ("1.012.598.156,2,3,4,5,6,7,8,9;", "NUMBER_CORRUPTED", "line 3: 1.012.598.156"),
        ("1;2,3,4,5,6,7,8,9,9;", "NUMBER_CORRUPTED", "first: line 3"),
        ("0.5,2,3,4,5,6,7,8,9;", "NUMBER_CORRUPTED", "row 3 holds no integers"),
        ("nan,2,3,4,5,6,7,8,9;", "NUMBER_CORRUPTED", "row 3 holds no integers"),
        ("4096,2,3,4,5,6,7,8,9;", "VALUE_OUT_OF_RANGE", "row 3 exceeds 13 and 16 bits"),
    ],
)
def test_one_bad_line_leaves_its_file_out_and_no_other(
    tmp_path: Path, line: str, reason: str, detail: str
) -> None:
    path = made.sisfall(tmp_path, "F01")
    made.sisfall(tmp_path, "F02")
    lines = path.read_text().splitlines()
    lines[2] = line
    path.write_text("\n".join(lines) + "\n")
    found = read("sisfall", tmp_path)
    (skipped,) = [s for s in found if isinstance(s, Skipped)]
    assert (skipped.file, skipped.subject, skipped.reason) == ("SA01/F01_SA01_R01.txt", "SA01", reason)
    assert detail in skipped.detail
    assert skipped.bad_rows == 1
    assert list(trials(found)) == ["F02_SA01_R01 waist"]


def test_a_line_that_a_broken_copy_cut_off_is_left_out_and_noted(tmp_path: Path) -> None:
    path = made.sisfall(tmp_path, "F01")
    path.write_text(path.read_text().rstrip()[:-20])
    (trial,) = trials(read("sisfall", tmp_path)).values()
    assert len(trial.ts_us) == 1599
    assert trial.notes == ("CUT_OFF: the last line is incomplete and left out",)


def test_names_that_tell_nothing_are_reported_and_the_readme_is_not(tmp_path: Path) -> None:
    made.sisfall(tmp_path, "F01")
    made.write(tmp_path / "Readme.txt", "SisFall")
    for name in ("notes.txt", "F99_SA01_R01.txt", "F01_SA02_R01.txt"):
        made.write(tmp_path / "SA01" / name, "1,2,3,4,5,6,7,8,9;\n")
    reasons = dict(skips(read("sisfall", tmp_path)))
    names = ("SA01/F01_SA02_R01.txt", "SA01/F99_SA01_R01.txt", "SA01/notes.txt")
    assert reasons == dict.fromkeys(names, "FILE_NAME_INVALID")


# --- KFall


def test_a_task_is_named_on_its_first_row_only_and_column_names_differ_in_case() -> None:
    header = (*made.KFALL_LABELS[0][:4], "Fall_Impact_frame")
    labels, skipped = kfall_reader.read_labels([header, *made.KFALL_LABELS[1:]])
    frames = {key: (label.onset_frame, label.impact_frame) for key, label in labels.items()}
    assert frames == {(20, 1): (350, 400), (20, 2): (351, 401), (21, 1): (352, 402)}
    assert labels[20, 2].description == "Forward fall when trying to sit down"
    assert skipped == []


def test_label_rows_that_make_no_sense_are_reported_and_the_rest_is_read() -> None:
    bad = [
        ("F03", "no id", 1, 1, 2),
        ("F04 (23)", "x", 1, "?", 9),
        (None, None, 2, 9, 3),
        (None, None, 3, 4, 5),
    ]
    labels, skipped = kfall_reader.read_labels([*made.KFALL_LABELS, *bad])
    assert set(labels) == {(20, 1), (20, 2), (21, 1), (23, 3)}
    assert [reason for reason, _ in skipped] == ["LABEL_INVALID"] * 3
    assert "row 5: task F03, trial 1" in skipped[0][1]


def test_kfall_impacts_are_found_by_the_frame_counter(tmp_path: Path) -> None:
    made.kfall(tmp_path, 20, 1)
    made.kfall(tmp_path, 20, 2, first_frame=0)
    made.kfall(tmp_path, 6, 1)
    made.xlsx(tmp_path / "label_data" / "SA06_label.xlsx", made.KFALL_LABELS)
    found = trials(read("kfall", tmp_path))
    first, second = found["SA06/T20R01 lowback"], found["SA06/T20R02 lowback"]
    assert (first.onset_us, first.impact_us) == (3_490_000, 3_990_000)
    assert (second.onset_us, second.impact_us) == (3_510_000, 4_010_000)
    assert (first.movement, first.description) == ("F01", "Forward fall when trying to sit down")
    assert (first.is_fall, first.subject, first.position) == (True, "SA06", "lowback")
    daily = found["SA06/T06R01 lowback"]
    assert (daily.is_fall, daily.movement, daily.impact_us) == (False, "T06", None)
    motion = made.motion(100.0, fall=True, seed=20)
    assert close(first.accel_g, motion.accel_g, 1e-5)
    assert close(first.gyro_dps, motion.gyro_dps, 1e-4)


def test_kfall_labels_that_are_missing_or_outside_are_said_and_the_fall_is_kept(tmp_path: Path) -> None:
    made.kfall(tmp_path, 20, 1)
    made.kfall(tmp_path, 20, 3)
    made.kfall(tmp_path, 20, 1, subject="SA07")
    made.xlsx(
        tmp_path / "label_data" / "SA06_label.xlsx",
        [made.KFALL_LABELS[0], ("F01 (20)", "x", 1, 9_000, 9_100)],
    )
    found = read("kfall", tmp_path)
    assert skips(found) == [("label_data/SA07_label.xlsx", "LABEL_MISSING")]
    codes = {t.name: [n.partition(":")[0] for n in t.notes] for t in trials(found).values()}
    assert codes == {
        "SA06/T20R01": ["LABEL_INVALID"],
        "SA06/T20R03": ["LABEL_MISSING"],
        "SA07/T20R01": ["LABEL_MISSING"],
    }
    assert all(t.is_fall and t.impact_us is None for t in trials(found).values())


def test_a_sheet_that_is_no_sheet_is_reported_and_recordings_are_read(tmp_path: Path) -> None:
    made.kfall(tmp_path)
    made.write(tmp_path / "label_data" / "SA06_label.xlsx", "not a zip")
    found = read("kfall", tmp_path)
    assert skips(found) == [("label_data/SA06_label.xlsx", "FILE_UNREADABLE")]
    assert list(trials(found)) == ["SA06/T20R01 lowback"]


def test_a_kfall_file_of_another_person_or_without_a_column_is_left_out(tmp_path: Path) -> None:
    path = made.kfall(tmp_path)
    path.rename(path.with_name("S07T20R01.csv"))
    path = made.kfall(tmp_path, 6)
    path.write_text(path.read_text().replace("GyrZ", "GyroZ"))
    found = dict(skips(read("kfall", tmp_path)))
    assert found["sensor_data/SA06/S07T20R01.csv"] == "FILE_NAME_INVALID"
    assert found["sensor_data/SA06/S06T06R01.csv"] == "FIELD_MISSING"


# --- WEDA-FALL


def test_weda_units_ages_and_the_derived_file_that_is_no_recording(tmp_path: Path) -> None:
    motion = made.weda(tmp_path)
    made.weda_labels(tmp_path, ["F01/U01_R01,3.0,8.0"])
    found = read("weda_fall", tmp_path)
    (trial,) = trials(found).values()
    assert skips(found) == []
    assert close(trial.accel_g, motion.accel_g, 1e-4)
    assert np.nanmax(np.abs(trial.gyro_dps - motion.gyro_dps)) < 0.01
    assert (trial.name, trial.age, trial.sex, trial.is_fall) == ("F01/U01_R01", 22, "M", True)


def test_weda_bursts_get_their_samples_own_times_back(tmp_path: Path) -> None:
    motion = made.weda(tmp_path)
    made.weda_labels(tmp_path, ["F01/U01_R01,3.0,8.0"])
    (trial,) = trials(read("weda_fall", tmp_path)).values()
    steps_ms = np.diff(trial.ts_us) / 1000
    assert abs(float(np.median(steps_ms)) - 25.0) < 1.0
    assert steps_ms.max() < 40.0
    # A delivery is at most a tenth of a second late, and the first sample is the zero.
    assert np.abs(trial.ts_us / 1e6 - motion.t_s).max() < 0.1
    assert trial.onset_us is not None
    assert trial.impact_us is not None
    assert abs(trial.impact_us / 1e6 - motion.impact_s) < 0.15
    assert abs(trial.onset_us / 1e6 - 3.0) < 0.15


def test_weda_gaps_stay_and_nothing_is_invented_in_them(tmp_path: Path) -> None:
    made.weda(tmp_path, "D04")
    made.weda_labels(tmp_path, [])
    folder = tmp_path / "dataset" / "50Hz" / "D04"
    for path in (folder / "U01_R01_accel.csv", folder / "U01_R01_gyro.csv"):
        head, *rows = path.read_text().splitlines()
        path.write_text(
            "\n".join([head, *(r for r in rows if not 2.0 < float(r.split(",")[0]) < 3.9)]) + "\n"
        )
    (trial,) = trials(read("weda_fall", tmp_path)).values()
    assert 1.7 < np.diff(trial.ts_us).max() / 1e6 < 2.0


def test_weda_stamps_that_step_back_a_little_keep_the_order_of_the_file(tmp_path: Path) -> None:
    motion = made.weda(tmp_path, "D04")
    made.weda_labels(tmp_path, [])
    path = tmp_path / "dataset" / "50Hz" / "D04" / "U01_R01_accel.csv"
    lines = path.read_text().splitlines()
    before, rest = float(lines[50].split(",")[0]), lines[51].split(",", 1)[1]
    lines[51] = f"{before - 0.03:.3f},{rest}"
    path.write_text("\n".join(lines) + "\n")
    (trial,) = trials(read("weda_fall", tmp_path)).values()
    assert close(trial.accel_g, motion.accel_g, 1e-4)
    assert (np.diff(trial.ts_us) > 0).all()
    assert trial.notes == ("TIME_BACKWARDS: 1 stamps of accel step back and are put in order",)


def test_weda_parts_written_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    motion = made.weda(tmp_path, "D04")
    made.weda_labels(tmp_path, [])
    path = tmp_path / "dataset" / "50Hz" / "D04" / "U01_R01_accel.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *rows[:100], *rows[200:300], *rows[100:200], *rows[300:]]) + "\n")
    (trial,) = trials(read("weda_fall", tmp_path)).values()
    assert close(trial.accel_g, motion.accel_g, 1e-4)
    assert trial.notes[0].startswith("TIME_BACKWARDS: 1 stamps")


def test_weda_with_a_clock_that_was_set_back_is_left_out(tmp_path: Path) -> None:
    made.weda(tmp_path, "D04")
    made.weda_labels(tmp_path, [])
    path = tmp_path / "dataset" / "50Hz" / "D04" / "U01_R01_accel.csv"
    head, *rows = path.read_text().splitlines()
    later = [f"{float(r.split(',')[0]) - 3.0:.3f},{r.split(',', 1)[1]}" for r in rows[200:]]
    path.write_text("\n".join([head, *rows[:200], *later]) + "\n")
    (skipped,) = [s for s in read("weda_fall", tmp_path) if isinstance(s, Skipped)]
    assert skipped.reason == "TIME_BACKWARDS"
    assert "steps back by 2.9" in skipped.detail


def test_weda_without_its_rotation_or_label_file_says_so_and_is_read(tmp_path: Path) -> None:
    made.weda(tmp_path)
    (tmp_path / "dataset" / "50Hz" / "F01" / "U01_R01_gyro.csv").unlink()
    found = read("weda_fall", tmp_path)
    assert skips(found) == [
        ("fall_timestamps.csv", "FILE_UNREADABLE"),
        ("50Hz/F01/U01_R01_gyro.csv", "FILE_UNREADABLE"),
    ]
    (trial,) = trials(found).values()
    assert np.isnan(trial.gyro_dps).all()
    assert trial.impact_us is None
    assert [note.partition(":")[0] for note in trial.notes] == ["GYRO_MISSING", "LABEL_MISSING"]


def test_weda_labels_that_make_no_sense_are_reported_one_by_one(tmp_path: Path) -> None:
    made.weda(tmp_path)
    made.weda_labels(tmp_path, ["F01/U01_R01,8.0,3.0", "F01/U02_R01,x,3.0", "F01/U01_R01,3.0,8.0"])
    found = read("weda_fall", tmp_path)
    assert skips(found) == [("fall_timestamps.csv", "LABEL_INVALID")] * 2
    (trial,) = trials(found).values()
    assert trial.impact_us is not None


# --- MobiFall


def test_mobifall_joins_the_rotation_file_by_its_own_nanoseconds(tmp_path: Path) -> None:
    motion = made.mobifall(tmp_path)
    (trial,) = trials(read("mobifall", tmp_path)).values()
    assert close(trial.accel_g, motion.accel_g, 1e-5)
    assert np.abs(trial.ts_us / 1e6 - motion.t_s).max() < 0.003
    fast = made.motion(200.0, fall=True, seed=1)
    nearest = np.abs(fast.t_s[None, :] - trial.ts_us[:, None] / 1e6).argmin(axis=1)
    agree = np.abs(trial.gyro_dps - fast.gyro_dps[nearest]).max(axis=1) < 1e-3
    assert agree.mean() > 0.8
    facts = (trial.name, trial.subject, trial.age, trial.sex, trial.movement, trial.is_fall, trial.position)
    assert facts == ("sub1/FOL_1_1", "sub1", 32, "M", "FOL", True, "pocket")


def test_mobifall_reads_people_in_numerical_order_and_activities_without_gyroscope(tmp_path: Path) -> None:
    made.mobifall(tmp_path, "WAL", 10, gyro=False)
    made.mobifall(tmp_path, "SDL", 2)
    found = list(trials(read("mobifall", tmp_path / "")).values())
    assert [t.name for t in found] == ["sub2/SDL_2_1", "sub10/WAL_10_1"]
    assert [t.is_fall for t in found] == [True, False]
    assert np.isnan(found[1].gyro_dps).all()
    assert found[1].notes == ("GYRO_MISSING: there is no rotation file",)


def test_mobifall_files_without_data_mark_or_partner_are_reported(tmp_path: Path) -> None:
    made.mobifall(tmp_path, "FOL")
    made.mobifall(tmp_path, "BSC")
    made.mobifall(tmp_path, "SDL")
    falls = tmp_path / "sub1" / "FALLS"
    path = falls / "BSC" / "BSC_acc_1_1.txt"
    path.write_text(path.read_text().replace("@DATA", ""))
    (falls / "SDL" / "SDL_acc_1_1.txt").unlink()
    found = read("mobifall", tmp_path)
    assert dict(skips(found)) == {
        "sub1/FALLS/BSC/BSC_acc_1_1.txt": "FIELD_MISSING",
        "sub1/FALLS/SDL/SDL_gyro_1_1.txt": "FIELD_MISSING",
    }
    assert list(trials(found)) == ["sub1/FOL_1_1 pocket"]


# --- UMAFall


def test_raw_umafall_files_alone_give_all_five_positions(tmp_path: Path) -> None:
    made.umafall(tmp_path)
    found = trials(read("umafall", tmp_path))
    name = "Subject_02_Fall_forwardFall_1_2016-06-13_20-51-31"
    assert set(found) == {f"{name} {place}" for place in ("waist", "wrist", "pocket", "chest", "ankle")}
    waist, pocket = found[f"{name} waist"], found[f"{name} pocket"]
    motion = made.motion(20.0, fall=True, seed=2)
    assert close(waist.accel_g, motion.accel_g, 1e-6)
    assert close(waist.gyro_dps, motion.gyro_dps, 1e-4)
    assert np.isnan(pocket.gyro_dps).all()
    facts = (waist.subject, waist.age, waist.sex, waist.movement, waist.description, waist.is_fall)
    assert facts == ("Subject_02", 22, "F", "forwardFall", "forward fall", True)
    assert list(trials(read("umafall", tmp_path, "chest"))) == [f"{name} chest"]


def test_the_phones_200_hz_survive_samples_that_share_a_stamp(tmp_path: Path) -> None:
    made.umafall(tmp_path)
    (trial,) = trials(read("umafall", tmp_path, "pocket")).values()
    motion = made.motion(200.0, fall=True)
    # Nine of 1,600 share a stamp: too few to be deliveries, so only the first of them is kept.
    assert close(trial.accel_g, np.delete(motion.accel_g, range(1, 9), axis=0), 1e-6)
    assert np.median(np.diff(trial.ts_us)) == 5000
    assert trial.notes == ("TIME_DUPLICATE: 8 rows repeat a time and are left out",)


def test_mangled_numbers_leave_all_positions_of_a_trial_out(tmp_path: Path) -> None:
    made.umafall(tmp_path, 2)
    path = made.umafall(tmp_path, 13, "ADL", "Bending")
    text = path.read_text()
    assert "0.9" in text
    path.write_text(text.replace(";0.9", ";1.012.598.1", 1).replace("\n", ";\r\n"))
    found = read("umafall", tmp_path)
    assert {s.reason for s in found if isinstance(s, Skipped)} == {"NUMBER_CORRUPTED"}
    assert {s.position for s in found if isinstance(s, Skipped)} == {
        "waist",
        "wrist",
        "pocket",
        "chest",
        "ankle",
    }
    assert {t.subject for t in found if isinstance(t, Trial)} == {"Subject_02"}


# --- plain CSV

MAP = """
files = "*.csv"
position = "waist"
[time]
column = "t"
unit = "ms"
[accel]
columns = ["ax", "ay", "az"]
unit = "m/s2"
[gyro]
columns = ["gx", "gy", "gz"]
unit = "rad/s"
"""


def plain(path: Path, seed: int = 0) -> made.Motion:
    motion = made.motion(100.0, fall=True, seed=seed)
    accel, gyro = motion.accel_g * made.STANDARD_GRAVITY, np.radians(motion.gyro_dps)
    rows = [f"{5000 + t * 1000:.0f},{a[0]},{a[1]},{a[2]},{g[0]},{g[1]},{g[2]},walk"
            for t, a, g in zip(motion.t_s, accel, gyro, strict=True)]  # fmt: skip
    made.write(path, "\n".join(["t,ax,ay,az,gx,gy,gz,what", *rows]) + "\n")
    return motion


def test_a_column_map_gives_units_and_a_label_file_the_truth(tmp_path: Path) -> None:
    motion = plain(tmp_path / "one.csv")
    plain(tmp_path / "two.csv", seed=1)
    made.write(tmp_path / "recordings.toml", MAP + '[labels]\nfile = "labels.csv"\n')
    labels = "file,subject,age,sex,movement,is_fall,position,impact_s\none.csv,P7,81,f,trip,true,wrist,9.0\n"
    made.write(tmp_path / "labels.csv", labels)
    found = read("csv", tmp_path)
    (trial,) = trials(found).values()
    assert close(trial.accel_g, motion.accel_g, 1e-4)
    assert close(trial.gyro_dps, motion.gyro_dps, 1e-3)
    facts = (trial.name, trial.subject, trial.age, trial.sex, trial.movement, trial.is_fall, trial.position)
    assert facts == ("one.csv", "P7", 81, "F", "trip", True, "wrist")
    assert (trial.ts_us[0], trial.impact_us) == (0, 4_000_000)
    assert skips(found) == [("two.csv", "LABEL_MISSING")]


def test_a_map_without_labels_and_time_takes_the_rate_and_the_position_as_told(tmp_path: Path) -> None:
    plain(tmp_path / "one.csv")
    text = MAP.replace('column = "t"\nunit = "ms"', "rate_hz = 100").replace('position = "waist"\n', "")
    made.write(tmp_path / "recordings.toml", text)
    assert skips(read("csv", tmp_path)) == [("one.csv", "POSITION_UNKNOWN")]
    (trial,) = trials(read("csv", tmp_path, "ankle")).values()
    assert (trial.position, trial.movement, trial.is_fall) == ("ankle", "unlabelled", False)
    assert np.diff(trial.ts_us).tolist() == [10_000] * 799


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"m/s2"', '"furlong"', "accel: unit 'furlong' is none of g, m/s2, mg"),
        ('["ax", "ay", "az"]', '["ax", "ay"]', "accel: columns must name three columns"),
        ('"waist"', '"head"', "position 'head' is none of waist"),
        ("[time]", "[clock]", "top: unknown 'clock'; known: files, separator"),
        ('column = "t"', "", "time: say either column and unit, or rate_hz"),
        ("[gyro]", "[gyro", "not a column map"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused_with_the_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    plain(tmp_path / "one.csv")
    made.write(tmp_path / "recordings.toml", MAP.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_dataset("csv", tmp_path)


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("one.csv,x,true,9.0", "LABEL_INVALID"),
        ("one.csv,70,perhaps,9.0", "LABEL_INVALID"),
        ("one.csv,70,true,99", "LABEL_INVALID"),
    ],
)
def test_a_label_that_makes_no_sense_leaves_its_file_out(tmp_path: Path, label: str, reason: str) -> None:
    plain(tmp_path / "one.csv")
    made.write(tmp_path / "recordings.toml", MAP + '[labels]\nfile = "labels.csv"\n')
    made.write(tmp_path / "labels.csv", f"file,age,is_fall,impact_s\n{label}\n")
    assert skips(read("csv", tmp_path)) == [("one.csv", reason)]


def test_positions_are_those_that_the_detector_knows() -> None:
    assert ALL_POSITIONS == POSITIONS
    assert all(set(facts.positions) <= set(POSITIONS) for facts in DATASETS.values())
