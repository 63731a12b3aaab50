import csv
import gzip
import os
import random
import re
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.day import files_to_read, snapshot_of_day
from fallrisk_assets.clinic.files import ClinicFolder
from fallrisk_assets.clinic.identity import FOREVER_US, Assignment, resolve_assignments
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import device_bucket, hour_range
from fallrisk_assets.sensors import stale_hours
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)
from fallrisk_assets.telemetry.drops import drop_key_for, parse_drop_name
from fallrisk_assets.telemetry.ingest import STATE_FACT, TAIL_FACT, Ingest
from simulator.cohort import CohortOptions, simulate_cohort

MODELS = (TelemetryDrops, TelemetryQuarantine, Telemetry, DeviceHourCoverage)
UNTIL = datetime(2026, 2, 1, tzinfo=UTC)
DAY = hour_range("2026-01-05-00:00", "2026-01-06-00:00")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three patients, a few hours at a low rate, with the default faults."""
    root = tmp_path_factory.mktemp("cohort")
    options = CohortOptions(patients=3, days=1, rate_hz=20.0, hours_per_day=(2.0, 1.0), drop_minutes=30)
    simulate_cohort(root / "landing", root / "truth", options)
    return root


def assignments_of(root: Path) -> dict[str, list[Assignment]]:
    """Resolve the cohort's own device_assignment files, as received on its only day."""
    landing = Landing(root=str(root / "landing"))
    keys = [file.key for file in landing.list("clinic")]
    day = date(2026, 1, 5)
    of_day, earlier = files_to_read(ClinicFolder(keys), day)
    content = {file.key: landing.read(file.key) for file in (*of_day, *earlier)}
    return resolve_assignments(snapshot_of_day(day, of_day, earlier, content)[DeviceAssignment])


def ingest(root, keys=DAY, lake="lake", landing="landing", assignments=None, **options):
    where = Lake(root=str(root / lake))
    with ExitStack() as stack:
        publications = {m: stack.enter_context(where.publication(m, keys, "run")) for m in MODELS}
        run = Ingest(
            where,
            Landing(root=str(root / landing)),
            publications,
            assignments if assignments is not None else assignments_of(root),
            **{"until": UNTIL, **options},
        )
        run.run()
        for publication in publications.values():
            assert not publication.bad
            publication.commit()
    return where, run


def hashes(lake, keys=DAY):
    return {
        (m.__name__, k): {
            b: (e.rows, e.content_hash) for b, e in lake.ledger.get(m, k).buckets.items() if e.rows
        }
        for m in MODELS
        for k in keys
    }


@pytest.fixture(scope="module")
def whole_day(cohort):
    return ingest(cohort)


def test_every_line_is_clean_a_duplicate_or_quarantined_per_hour_and_in_sum(whole_day):
    lake, _ = whole_day
    for key in DAY:
        index = lake.read(TelemetryDrops, [key]).to_pandas()
        coverage = lake.read(DeviceHourCoverage, [key]).to_pandas()
        lines = int(index["rows"].sum() + index["unplaceable"].sum())
        kept = coverage[["clean_samples", "duplicate_lines", "quarantined_lines"]].to_numpy().sum()
        assert lines == coverage["received_lines"].sum() == kept
        refused = lake.read(TelemetryQuarantine, [key]).to_pandas()
        assert (refused["line_number"] > 0).sum() == coverage["quarantined_lines"].sum()
        assert lake.read(Telemetry, [key]).num_rows == coverage["clean_samples"].sum()


def test_every_line_of_a_drop_is_accounted_for(whole_day, cohort):
    lake, _ = whole_day
    index = lake.read(TelemetryDrops, DAY).to_pandas()
    per_drop = index.groupby("drop_key").agg(
        rows=("rows", "sum"), unplaceable=("unplaceable", "sum"), lines=("lines", "first")
    )
    assert (per_drop["rows"] + per_drop["unplaceable"] == per_drop["lines"]).all()
    landed = {f.key for f in Landing(root=str(cohort / "landing")).list("telemetry")}
    named = {key for key in landed if key in set(index["drop_key"])}
    assert len(landed - named) <= 1, "only the misnamed file is not registered"


def test_injected_faults_are_quarantined_with_the_expected_reason(whole_day, cohort):
    lake, _ = whole_day
    refused = lake.read(TelemetryQuarantine, DAY).to_pandas()
    found = {(r.drop_key, r.line_number): r.reason for r in refused.itertuples()}
    with (cohort / "truth" / "faults.csv").open() as file:
        faults = [f for f in csv.DictReader(file) if f["expected_reason"] and f["line_number"]]
    assert len(faults) > 20
    missed = [f for f in faults if found.get((f["drop_key"], int(f["line_number"]))) != f["expected_reason"]]
    assert not missed, missed[:3]


def test_an_unreadable_file_costs_that_file_and_nothing_else(whole_day, cohort):
    lake, _ = whole_day
    refused = lake.read(TelemetryQuarantine, DAY).to_pandas()
    files = refused[refused["line_number"] == 0]
    assert set(files["reason"]) == {"FILE_UNREADABLE"}
    assert lake.read(TelemetryDrops, DAY).to_pandas().query("status == 'UNREADABLE'")[
        "drop_key"
    ].nunique() == len(files)


def test_samples_are_unique_and_ordered_by_device_and_time(whole_day):
    lake, _ = whole_day
    for key in DAY:
        samples = lake.read(Telemetry, [key]).to_pandas()
        assert not samples.duplicated(["device_id", "boot", "seq"]).any()
        for _, one in samples.groupby("device_id"):
            assert one["ts"].is_monotonic_increasing


def test_running_again_changes_nothing_and_keeps_the_files(whole_day, cohort):
    lake, _ = whole_day
    before, files = hashes(lake), {f.path for f in lake.files(Telemetry, DAY)}
    lake, run = ingest(cohort)
    assert run.registered == 0
    assert hashes(lake) == before
    assert {f.path for f in lake.files(Telemetry, DAY)} == files, "unchanged buckets are not rewritten"


@pytest.mark.parametrize("order", ["forward", "backward", "shuffled"])
def test_hours_one_by_one_in_any_order_and_the_stale_ones_again_give_what_the_range_gives(
    order, whole_day, cohort
):
    lake, _ = whole_day
    keys = sorted(DAY, reverse=order == "backward")
    if order == "shuffled":
        random.Random(3).shuffle(keys)
    for key in keys:
        single, _ = ingest(cohort, [key], lake=order)
    # A drop that is registered later than an hour that it has samples of makes that hour stale.
    while stale := sorted(set(stale_hours(single, 0)[0]) & set(DAY)):
        for key in stale:
            ingest(cohort, [key], lake=order)
    assert hashes(single) == hashes(lake)


def test_drops_that_arrive_in_parts_give_what_all_at_once_gives(whole_day, cohort, tmp_path):
    lake, _ = whole_day
    shutil.copytree(cohort / "landing" / "clinic", tmp_path / "landing" / "clinic")
    (tmp_path / "landing" / "telemetry").mkdir()
    drops = sorted((cohort / "landing" / "telemetry").iterdir())
    random.Random(5).shuffle(drops)
    for part in (drops[::3], drops[1::3], drops[2::3]):
        for drop in part:
            shutil.copy(drop, tmp_path / "landing" / "telemetry" / drop.name)
        parts, _ = ingest(tmp_path)
    assert hashes(parts) == hashes(lake)


def test_a_new_drop_rewrites_its_own_bucket_only(cohort, tmp_path):
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    held_back = next(p for p in sorted((tmp_path / "landing/telemetry").iterdir()) if "imu-10002" in p.name)
    elsewhere = tmp_path / held_back.name
    held_back.rename(elsewhere)
    lake, _ = ingest(tmp_path)
    before = {(f.key, f.bucket): f.path for f in lake.files(Telemetry, DAY)}
    elsewhere.rename(held_back)
    lake, run = ingest(tmp_path)
    after = {(f.key, f.bucket): f.path for f in lake.files(Telemetry, DAY)}
    changed = {where for where in after if before.get(where) != after[where]}
    assert run.registered == 1
    assert changed
    assert {bucket for _, bucket in changed} == {11}


def test_an_hour_is_provisional_until_something_was_received_after_its_end(cohort):
    lake, _ = ingest(cohort, lake="states")
    states = {
        key: {e.facts.get(STATE_FACT) for e in lake.ledger.get(Telemetry, key).buckets.values()}
        for key in DAY
    }
    received = max(lake.read(TelemetryDrops, DAY)["received_at"].to_pylist())
    last = f"{received:%Y-%m-%d-%H}:00"
    assert states[last] == {"PROVISIONAL"}
    assert all(found == {"FINAL"} for key, found in states.items() if key < last)


def test_a_corrected_assignment_moves_the_samples_to_the_right_patient(cohort):
    wrong = {d: [Assignment("pt-99", 0, FOREVER_US, "waist")] for d in assignments_of(cohort)}
    lake, _ = ingest(cohort, lake="corrected", assignments=wrong)
    reasons = Counter(lake.read(TelemetryQuarantine, DAY)["reason"].to_pylist())
    assert reasons["PATIENT_MISMATCH"] > 1000
    lake, _ = ingest(cohort, lake="corrected")
    assert set(lake.read(Telemetry, DAY)["patient_id"].to_pylist()) <= {"pt-1", "pt-2", "pt-3"}
    right, _ = ingest(cohort)
    assert hashes(lake) == hashes(right)


def test_a_file_that_is_completed_under_its_name_is_read_again(cohort, tmp_path):
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    file = next(p for p in sorted((tmp_path / "landing/telemetry").iterdir()) if "imu-10002" in p.name)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    lake, _ = ingest(tmp_path)
    key = f"telemetry/{file.name}"
    assert key in set(lake.read(TelemetryQuarantine, DAY, where=None)["drop_key"].to_pylist())
    file.write_bytes(whole)
    lake, run = ingest(tmp_path)
    assert run.registered == 1
    right, _ = ingest(cohort)
    assert hashes(lake) == hashes(right)


def test_a_changed_drop_leaves_no_trace_in_the_other_hours_it_had_rows_in(cohort, tmp_path):
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    lake, _ = ingest(tmp_path)
    index = lake.read(TelemetryDrops, DAY).to_pandas()
    spanning = index[index["rows"] > 0].groupby("drop_key")["event_hour"].nunique()
    key = spanning[spanning > 1].index[0]
    file = tmp_path / "landing" / key
    file.write_bytes(file.read_bytes()[:-20])
    received = f"{index[index['drop_key'] == key]['received_at'].iloc[0]:%Y-%m-%d-%H}:00"
    ingest(tmp_path, [received])
    left = lake.read(TelemetryDrops, DAY).to_pandas().query("drop_key == @key")
    assert set(left["status"]) == {"UNREADABLE"}
    assert left["rows"].sum() == 0


def test_a_drop_whose_name_is_from_the_future_completes_no_hour(cohort, tmp_path):
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    drops = sorted((tmp_path / "landing/telemetry").iterdir())
    drops[0].rename(drops[0].with_name("2096" + drops[0].name[4:]))
    lake, _ = ingest(tmp_path)
    last = max(k for k in DAY if lake.ledger.get(TelemetryDrops, k).rows)
    states = {e.facts.get(STATE_FACT) for e in lake.ledger.get(Telemetry, last).buckets.values()}
    assert states == {"PROVISIONAL"}


def test_what_is_published_does_not_depend_on_when_files_were_written(whole_day, cohort, tmp_path):
    lake, _ = whole_day
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    for file in (tmp_path / "landing" / "telemetry").iterdir():
        os.utime(file, (0, 0))
    assert hashes(ingest(tmp_path)[0]) == hashes(lake)


def tails(lake, key):
    return {b: e.facts[TAIL_FACT] for b, e in lake.ledger.get(Telemetry, key).buckets.items() if e.rows}


@pytest.mark.parametrize("changed", ["position", "acceleration", "gyroscope"])
def test_an_hours_tail_is_another_when_anything_that_the_next_hour_reads_of_it_changes(
    changed, whole_day, cohort, tmp_path
):
    lake, _ = whole_day
    last = lambda key: lake.read(Telemetry, [key], columns=["ts"])["ts"].to_pylist()[-1]  # noqa: E731
    key = next(k for k in DAY if lake.ledger.get(Telemetry, k).rows and last(k).minute == 59)
    device = lake.read(Telemetry, [key], columns=["device_id"])["device_id"].to_pylist()[-1]
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    assignments = assignments_of(cohort)
    if changed == "position":
        moved = {"waist": "wrist"}
        assignments[device] = [
            replace(a, position=moved.get(a.position, "waist")) for a in assignments[device]
        ]
    else:
        axes = "accel" if changed == "acceleration" else "gyro"
        alter_last_sample(tmp_path / "landing", lake, key, device, axes)
    other, _ = ingest(tmp_path, assignments=assignments)
    bucket = str(device_bucket(device))
    assert tails(other, key)[bucket] != tails(lake, key)[bucket]


def alter_last_sample(landing: Path, lake: Lake, key: str, device: str, axes: str) -> None:
    """Change a number in the line of the last sample of an hour, and name its drop by the new content."""
    rows = lake.read(Telemetry, [key]).to_pandas().query("device_id == @device")
    index = lake.read(TelemetryDrops, [key]).to_pandas().query("device_id == @device and rows > 0")
    for name in index["drop_key"]:
        path = landing / name
        if not name.endswith(".jsonl.gz") or not path.exists():
            continue
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        wanted = f'"seq":{rows["seq"].iloc[-1]},'.encode()
        if not any(wanted in line for line in lines):
            continue
        altered = [
            re.sub(rb'("%s":\{"x":)[-0-9.]+' % axes.encode(), rb"\g<1>0.125", line)
            if wanted in line
            else line
            for line in lines
        ]
        content = gzip.compress(b"".join(altered))
        path.unlink()
        received = parse_drop_name(name).received_at
        (landing / drop_key_for(received, device, content)).write_bytes(content)
        return
    raise AssertionError(f"no drop holds the last sample of {key}")


def test_a_registered_drop_that_is_gone_is_an_error_that_names_it(cohort, tmp_path):
    shutil.copytree(cohort / "landing", tmp_path / "landing")
    lake, _ = ingest(tmp_path)
    before = hashes(lake)
    gone = next(p for p in sorted((tmp_path / "landing/telemetry").iterdir()) if "imu-10002" in p.name)
    gone.unlink()
    with pytest.raises(FileNotFoundError, match=gone.name):
        ingest(tmp_path, force=True)
    assert hashes(lake) == before
