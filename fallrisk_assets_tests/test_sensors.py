import datetime as dt
import json
import os
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.alerts.contract import Alerts, DeviceStates
from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.definitions import build_defs
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import LandedFile, Landing
from fallrisk_assets.lake.ledger import Ledger
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.schedules import fill_silent_hours
from fallrisk_assets.sensors import (
    assignment_sensor,
    clinic_sensor,
    hour_requests,
    landing_sensor,
    look_back_sensor,
)
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry, TelemetryDrops
from fallrisk_assets.telemetry.drop_index import index_table, register
from fallrisk_assets.telemetry.drops import parse_drop_name
from fallrisk_assets.telemetry.requests import (
    LandingCursor,
    contiguous,
    drops_hash,
    hours_worn_otherwise,
    new_drops,
    wearers_hash,
)


def drop(name: str, modified_ns: int, size: int = 10) -> LandedFile:
    return LandedFile(f"telemetry/{name}", size, modified_ns)


A = "20260105T071000Z-imu-1-aaaaaaaa.jsonl.gz"
B = "20260105T072000Z-imu-2-bbbbbbbb.jsonl.gz"
C = "20260105T081000Z-imu-1-cccccccc.jsonl.gz"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "landing" / "telemetry").mkdir(parents=True)
    (tmp_path / "landing" / "clinic").mkdir()
    with Lake(root=str(tmp_path / "lake")).publication(DeviceAssignment, ["2026-01-05"]) as publication:
        publication.commit()
    return tmp_path


def land(place: Path, name: str, at_ns: int, content: bytes = b"x", folder: str = "telemetry") -> None:
    path = place / "landing" / folder / name
    path.write_bytes(content)
    os.utime(path, ns=(at_ns, at_ns))


def tick(sensor, place: Path, cursor: str | None):
    resources = {"lake": Lake(root=str(place / "lake")), "landing": Landing(root=str(place / "landing"))}
    wanted = {k: v for k, v in resources.items() if k in sensor.required_resource_keys}
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=wanted)
        return sensor(context)


def test_new_drops_ask_for_the_hour_of_their_receipt_once(place):
    land(place, A, 100)
    land(place, B, 200)
    land(place, C, 300)
    first = tick(landing_sensor, place, None)
    assert [r.partition_key for r in first.run_requests] == ["2026-01-05-07:00", "2026-01-05-08:00"]
    second = tick(landing_sensor, place, first.cursor)
    assert not second.run_requests
    assert "0 new drops" in second.skip_reason.skip_message


def test_many_drops_in_one_tick_are_one_run_an_hour(place):
    for i in range(200):
        land(place, f"20260105T07{i % 60:02d}00Z-imu-{i}-aaaaaaaa.jsonl.gz", 100 + i)
    result = tick(landing_sensor, place, None)
    assert [r.partition_key for r in result.run_requests] == ["2026-01-05-07:00"]


def test_a_re_sent_or_changed_file_asks_for_its_hour_again_with_another_run_key(place):
    land(place, A, 100)
    first = tick(landing_sensor, place, None)
    land(place, A, 900, b"completed")
    second = tick(landing_sensor, place, first.cursor)
    (before,), (after,) = first.run_requests, second.run_requests
    assert before.partition_key == after.partition_key
    assert before.run_key != after.run_key
    assert json.loads(after.tags["fallrisk/reread"]) == [f"telemetry/{A}"]


def test_a_late_file_with_an_older_name_is_not_overlooked(place):
    land(place, C, 300)
    first = tick(landing_sensor, place, None)
    land(place, A, 400)
    second = tick(landing_sensor, place, first.cursor)
    assert [r.partition_key for r in second.run_requests] == ["2026-01-05-07:00"]


def test_a_file_that_is_no_drop_is_reported_and_asks_for_nothing(place):
    land(place, "notes.txt", 100)
    result = tick(landing_sensor, place, None)
    assert not result.run_requests
    assert "1 misnamed" in result.skip_reason.skip_message


@pytest.mark.parametrize("stamp", ["20251231T235959Z", "20960105T071000Z"])
def test_a_name_from_before_the_first_day_or_from_the_future_stops_no_other_drop(place, stamp):
    land(place, f"{stamp}-imu-9-aaaaaaaa.jsonl.gz", 100)
    land(place, A, 100)
    result = tick(landing_sensor, place, None)
    assert [r.partition_key for r in result.run_requests] == ["2026-01-05-07:00"]
    (place / "landing" / "telemetry" / A).unlink()
    assert "no partition" in tick(landing_sensor, place, None).skip_reason.skip_message


def index_drop(place: Path) -> Lake:
    """Publish the index of 07:00 with drop A, as a run of another hour would."""
    lake = Lake(root=str(place / "lake"))
    name = parse_drop_name(f"telemetry/{A}")
    rows = register(f"telemetry/{A}", name, "0" * 64, 3, None)
    with lake.publication(TelemetryDrops, ["2026-01-05-07:00"]) as publication:
        publication.add("2026-01-05-07:00", index_table(rows), rows[0].bucket)
        publication.commit()
    return lake


def test_an_hour_that_has_not_begun_is_asked_for_when_it_has(place, monkeypatch):
    index_drop(place)
    running = dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC)
    monkeypatch.setattr("fallrisk_assets.sensors.exists", lambda key: key < "2026-01-05-07:00")
    monkeypatch.setattr("fallrisk_assets.sensors.newest_hour_end", lambda: running)
    early = tick(landing_sensor, place, None)
    assert not early.run_requests
    monkeypatch.undo()
    assert [r.partition_key for r in tick(landing_sensor, place, early.cursor).run_requests] == [
        "2026-01-05-07:00"
    ]


def test_a_clinic_file_with_an_impossible_time_stops_no_other_file(place):
    land(place, "patients.csv", 100, folder="clinic")
    land(place, "20960105T000100Z-patients.csv", 100, folder="clinic")
    land(place, "20260105T000100Z-patients.csv", 100, folder="clinic")
    result = tick(clinic_sensor, place, None)
    assert [r.partition_key for r in result.run_requests] == ["2026-01-05"]
    assert "2 files wait" in tick(clinic_sensor, place, result.cursor).skip_reason.skip_message


def test_an_hour_whose_index_changed_behind_its_back_is_asked_for(place):
    lake = index_drop(place)
    result = tick(landing_sensor, place, None)
    assert [r.partition_key for r in result.run_requests] == ["2026-01-05-07:00"]
    assert lake.ledger.find(Telemetry, "2026-01-05-07:00") is None


def test_few_hours_are_single_runs_and_many_are_ranges():
    few = {f"2026-01-05-{h:02d}:00": "x" for h in (1, 2, 5)}
    assert [r.partition_key for r in hour_requests(few, {})] == sorted(few)
    many = {f"2026-01-05-{h:02d}:00": "x" for h in (*range(5), *range(7, 20))}
    ranges = [
        (r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"])
        for r in hour_requests(many, {})
    ]
    assert ranges == [("2026-01-05-00:00", "2026-01-05-04:00"), ("2026-01-05-07:00", "2026-01-05-19:00")]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(1, 5), st.integers(1, 3)), max_size=8),
    st.lists(st.integers(0, 8), max_size=3),
)
def test_no_change_is_ever_missed_however_the_ticks_fall(changes, ticks):
    """Files appear and change in the order of their clocks; every version is asked for in some tick."""
    changes = sorted(changes, key=lambda c: c[1])
    cursor, landed, seen = LandingCursor(), {}, set()
    stops = sorted({min(t, len(changes)) for t in ticks} | {len(changes)})
    done = 0
    for stop in stops:
        for name, at, size in changes[done:stop]:
            landed[name] = drop(name, at, size)
        same_clock = done and stop > done and changes[done - 1][1] == changes[done][1]
        done = stop
        found = new_drops(landed.values(), cursor)
        cursor = LandingCursor.parse(str(found.cursor))
        seen |= {f for files in found.by_hour.values() for f in files}
        if same_clock:  # a clock that stands still between two ticks can hide a change of the same file
            seen |= set(landed.values())
    assert set(landed.values()) <= seen


def test_the_hash_of_drops_does_not_depend_on_their_order():
    files = [drop(A, 1), drop(B, 2)]
    assert drops_hash(files) == drops_hash(reversed(files)) != drops_hash([drop(A, 1), drop(B, 3)])


def test_contiguous_hours_are_grouped_across_midnight():
    keys = ["2026-01-06-00:00", "2026-01-05-23:00", "2026-01-06-02:00"]
    assert contiguous(keys) == [["2026-01-05-23:00", "2026-01-06-00:00"], ["2026-01-06-02:00"]]


def test_a_corrected_assignment_asks_for_the_hours_that_it_covers_and_no_others():
    hour = 3_600_000_000
    start = 490_896 * hour  # 2026-01-01T00:00Z
    old = {"imu-1": [Assignment("pt-1", start, FOREVER_US, "waist")]}
    new = {
        "imu-1": [
            Assignment("pt-1", start, start + 2 * hour, "waist"),
            Assignment("pt-2", start + 2 * hour, start + 3 * hour, "waist"),
            Assignment("pt-1", start + 3 * hour, FOREVER_US, "waist"),
        ]
    }
    hours = {f"2026-01-01-{h:02d}:00": start + h * hour for h in range(5)}

    def made_with(assignments):
        return {k: {d: wearers_hash(a, at) for d, a in assignments.items()} for k, at in hours.items()}

    assert hours_worn_otherwise(made_with(old), old) == {}
    assert list(hours_worn_otherwise(made_with(old), new)) == ["2026-01-01-02:00"]
    assert list(hours_worn_otherwise(made_with({}), old)) == list(hours)
    there, back = hours_worn_otherwise(made_with(old), new), hours_worn_otherwise(made_with(new), old)
    assert set(there) == set(back)
    assert set(there.values()).isdisjoint(back.values()), "a correction taken back is asked for anew"


def test_clinic_files_ask_for_the_day_of_their_receipt_and_again_when_they_change(place):
    land(place, "20260105T000100Z-patients.csv", 100, folder="clinic")
    first = tick(clinic_sensor, place, None)
    assert [r.partition_key for r in first.run_requests] == ["2026-01-05"]
    assert not tick(clinic_sensor, place, first.cursor).run_requests
    land(place, "20260105T000100Z-patients.csv", 200, b"more", folder="clinic")
    assert len(tick(clinic_sensor, place, first.cursor).run_requests) == 1


def test_when_no_published_hour_is_covered_the_assignment_sensor_says_so(place):
    result = tick(assignment_sensor, place, None)
    assert "no published hour is covered" in result.skip_reason.skip_message
    assert "none changed" in tick(assignment_sensor, place, result.cursor).skip_reason.skip_message


def test_drops_wait_until_somebody_is_assigned_a_device(tmp_path):
    (tmp_path / "landing" / "telemetry").mkdir(parents=True)
    land(tmp_path, A, 100)
    result = tick(landing_sensor, tmp_path, None)
    assert not result.run_requests
    assert "no device assignment" in result.skip_reason.skip_message
    assert result.cursor is None, "nothing is taken for seen"


def test_the_schedule_fills_the_hours_that_nobody_published(place):
    context = dg.build_schedule_context(
        scheduled_execution_time=dt.datetime(2026, 1, 6, 3, 10, tzinfo=dt.UTC),
        resources={"lake": Lake(root=str(place / "lake")), "landing": Landing(root=str(place / "landing"))},
    )
    (request,) = fill_silent_hours(context)
    assert request.tags["dagster/asset_partition_range_start"] == "2026-01-05-03:00"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-01-06-02:00"


def test_sensors_and_schedules_start_stopped_and_name_jobs_that_exist():
    repository = build_defs("local").get_repository_def()
    jobs = {j.name for j in repository.get_all_jobs()}
    assert {s.name for s in repository.sensor_defs} >= {
        "landing_sensor",
        "clinic_sensor",
        "assignment_sensor",
    }
    for schedule in repository.schedule_defs:
        assert schedule.job_name in jobs


def test_a_drop_that_the_mark_overlooked_is_swept_up_by_the_schedule(place):
    land(place, C, 300)
    first = tick(landing_sensor, place, None)
    land(place, A, 100)  # copied with its old time of change
    assert not tick(landing_sensor, place, first.cursor).run_requests
    context = dg.build_schedule_context(
        scheduled_execution_time=dt.datetime(2026, 1, 9, 3, 10, tzinfo=dt.UTC),
        resources={"lake": Lake(root=str(place / "lake")), "landing": Landing(root=str(place / "landing"))},
    )
    swept = [r for r in fill_silent_hours(context) if r.run_key.startswith("sweep")]
    assert swept[0].tags["dagster/asset_partition_range_start"] == "2026-01-05-07:00"
    assert swept[0].tags["dagster/asset_partition_range_end"] == "2026-01-05-08:00"


def test_where_times_of_change_are_whole_seconds_only_seconds_that_are_over_are_looked_at(place, monkeypatch):
    """Else an hour that changes later in the marked second would be overlooked for ever."""
    monkeypatch.setattr(Ledger, "settles_ns", 5_000_000_000)
    seven = "2026-01-05-07:00"
    lake = Lake(root=str(place / "lake"))
    for model in (DeviceHourCoverage, FallEvents, DeviceStates, Alerts):
        with lake.publication(model, [seven]) as publication:
            publication.mark(seven, input_hash="made before")
            publication.commit()
    early = tick(look_back_sensor, place, None)
    assert not early.run_requests
    assert early.cursor is None
    for path in (place / "lake" / "_ledger").rglob("2026-01-05-0700.json"):
        earlier_ns = path.stat().st_mtime_ns - 10_000_000_000
        os.utime(path, ns=(earlier_ns, earlier_ns))
    assert tick(look_back_sensor, place, early.cursor).run_requests


def test_alerts_that_looked_back_on_an_hour_that_changed_are_asked_for_once(place):
    lake = Lake(root=str(place / "lake"))
    seven, eight = "2026-01-05-07:00", "2026-01-05-08:00"
    for model in (DeviceHourCoverage, FallEvents, DeviceStates, Alerts):
        with lake.publication(model, [seven, eight]) as publication:
            for key in (seven, eight):
                publication.mark(key, input_hash="made before")
            publication.commit()
    first = tick(look_back_sensor, place, None)
    (request,) = first.run_requests
    assert request.tags["dagster/asset_partition_range_start"] == seven
    assert request.tags["dagster/asset_partition_range_end"] == eight
    assert {k.to_user_string() for k in request.asset_selection} >= {"device_states", "alerts"}
    assert not tick(look_back_sensor, place, first.cursor).run_requests
