"""Published files, where they are at hand: UMAFall, and device files of Axivity."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fallrisk_assets.recordings.axivity import HEADER_BYTES, bad_blocks
from fallrisk_assets.recordings.recording import Skipped, Trial
from fallrisk_assets_tests.recordings.published import read, skips, trials

SHARED = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
UMAFALL = SHARED / "umafall"
DEVICES = SHARED / "wearable_files"
CORRUPT = "ax3_testfile_corrupt_blocks_0_13_14_142_143_144"

needs_umafall = pytest.mark.skipif(
    not UMAFALL.is_dir(),
    reason="UMAFall is not here; set FALLRISK_SHARED_DATA to the folder that holds umafall/",
)
needs_devices = pytest.mark.skipif(
    not DEVICES.is_dir(),
    reason="device files are not here; set FALLRISK_SHARED_DATA to the folder above them",
)


@needs_umafall
def test_every_listed_trial_of_umafall_is_read_or_accounted_for() -> None:
    found = read("umafall", UMAFALL, "waist")
    reasons = Counter(s.reason for s in found if isinstance(s, Skipped))
    assert len(found) == 746
    assert reasons["NUMBER_CORRUPTED"] == 20
    assert {s.subject for s in found if isinstance(s, Skipped) and s.reason == "NUMBER_CORRUPTED"} == {
        "Subject_13"
    }
    good = [t for t in found if isinstance(t, Trial)]
    assert len(good) == 617
    assert sum(t.is_fall for t in good) == 189
    assert {t.age_group for t in good} == {"under 65", "65+"}
    assert "Subject_13" not in {t.subject for t in good}


@needs_umafall
def test_the_two_wrists_that_measure_a_quarter_of_gravity_are_left_out() -> None:
    found = skips(read("umafall", UMAFALL, "wrist"))
    assert [file for file, reason in found if reason == "UNIT_MISMATCH"] == [
        "Subject_02_ADL_Jogging_2_2016-06-13_20-41-08",
        "Subject_04_ADL_Aplausing_3_2016-12-03_17-51-44",
    ]


@needs_umafall
def test_raw_files_and_the_prepared_table_give_the_same_trials() -> None:
    raw, prepared = trials(read("umafall", UMAFALL / "raw")), trials(read("umafall", UMAFALL))
    both = [name for name in raw if name.endswith(("waist", "wrist"))]
    assert len(both) == 8
    for name in both:
        assert (raw[name].ts_us == prepared[name].ts_us).all()
        assert np.abs(raw[name].accel_g - prepared[name].accel_g).max() < 1e-5
        assert np.allclose(raw[name].gyro_dps, prepared[name].gyro_dps, atol=1e-3, equal_nan=True)
        assert (raw[name].age, raw[name].sex) == (prepared[name].age, prepared[name].sex)
    pockets = [t for t in raw.values() if t.position == "pocket"]
    assert len(pockets) == 4
    for trial in pockets:
        assert len(trial.ts_us) > 2970
        assert abs(np.median(np.diff(trial.ts_us)) - 5000) < 200


@needs_devices
def test_six_bad_blocks_are_told_by_their_checksums() -> None:
    assert bad_blocks((DEVICES / f"{CORRUPT}.cwa").read_bytes()) == [0, 13, 14, 142, 143, 144]
    whole = (DEVICES / "ax3_testfile.cwa").read_bytes()
    assert bad_blocks(whole) == []
    assert bad_blocks(whole[:-100]) == [144]
    assert bad_blocks(whole[:HEADER_BYTES]) == []


@needs_devices
def test_six_bad_blocks_are_six_reported_blocks_and_the_others_are_read() -> None:
    found = read("axivity", DEVICES)
    blocks = [s for s in found if isinstance(s, Skipped) and s.reason == "BLOCK_CORRUPTED"]
    numbers = [int(s.detail.split()[1]) for s in blocks]
    assert numbers == [0, 13, 14, 142, 143, 144]
    assert {s.file for s in blocks} == {f"{CORRUPT}.cwa"}
    by_name = trials(found)
    good, corrupt = by_name["ax3_testfile wrist"], by_name[f"{CORRUPT} wrist"]
    assert (len(good.ts_us), len(corrupt.ts_us)) == (145 * 120, 139 * 120)
    assert (corrupt.accel_g[:1440] == good.accel_g[120:1560]).all()
    assert corrupt.notes == ("BLOCK_CORRUPTED: 6 of 145 blocks are left out",)
    assert (good.subject, good.position, good.is_fall) == ("26", "wrist", False)
    assert 0.9 < np.median(np.linalg.norm(good.accel_g, axis=1)) < 1.1


@needs_devices
def test_a_device_file_that_does_not_tell_its_position_needs_to_be_told() -> None:
    assert ("ax6_testfile.cwa", "POSITION_UNKNOWN") in skips(read("axivity", DEVICES))
    found = read("axivity", DEVICES, "waist")
    assert ("ax3_testfile.cwa", "POSITION_NOT_RECORDED") in skips(found)
    assert all(t.position == "waist" for t in found if isinstance(t, Trial))


@needs_devices
def test_a_device_file_that_is_cut_short_or_garbled_is_reported_and_does_not_raise(tmp_path: Path) -> None:
    whole = (DEVICES / "ax3_testfile.cwa").read_bytes()
    rng = np.random.default_rng(0)
    for number in range(30):
        damaged = bytearray(whole[: rng.integers(1, len(whole))])
        for at in rng.integers(0, len(damaged), rng.integers(0, 50)):
            damaged[at] = rng.integers(256)
        (tmp_path / f"damaged{number:02d}.cwa").write_bytes(damaged)
    (tmp_path / "text.cwa").write_text("not a device file")
    (tmp_path / "good.cwa").write_bytes(whole)
    found = read("axivity", tmp_path)
    assert len(trials(found)["good wrist"].ts_us) == 17_400
    assert ("text.cwa", "FILE_UNREADABLE") in skips(found)
    read_or_told = {s.file for s in found if isinstance(s, Skipped)} | {
        f"{t.name}.cwa" for t in found if isinstance(t, Trial)
    }
    assert read_or_told == {path.name for path in tmp_path.iterdir()}
