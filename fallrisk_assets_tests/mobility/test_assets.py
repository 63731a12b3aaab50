"""The assets over a real lake: what they publish, keep and read."""

import datetime as dt

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.contract import arrow_schema, columns_of, conform
from fallrisk_assets.lake import Lake, MissingPartition
from fallrisk_assets.lake.ledger import Ledger
from fallrisk_assets.mobility.assets import _HourlyFeatures, daily_gait, window_features
from fallrisk_assets.mobility.contract import DailyGait, WindowFeatures
from fallrisk_assets.mobility.daily import day_measures
from fallrisk_assets.mobility.hours import hour_features, hour_start_us
from fallrisk_assets.mobility.resource import WindowSettings
from fallrisk_assets.mobility.samples import Wearer
from fallrisk_assets.mobility.windows import WindowConfig
from fallrisk_assets.partitions import device_bucket, hours_of_day, window_of
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry
from fallrisk_assets.telemetry.ingest import TAIL_FACT
from fallrisk_assets_tests.mobility.motion import (
    EIGHT,
    HOUR_US,
    device,
    standing,
    telemetry_rows,
    times,
    walk,
)

SEVEN_KEY, EIGHT_KEY = "2026-01-05-07:00", "2026-01-05-08:00"
S = 1_000_000


def publish_samples(lake: Lake, keys: str | list[str], *devices, tail: str = "") -> None:
    """Publish hours of samples as the telemetry step does, each device in its bucket."""
    keys = [keys] if isinstance(keys, str) else keys
    with lake.publication(Telemetry, keys) as publication:
        for key in keys:
            start = hour_start_us(key)
            for samples in sorted(devices, key=lambda d: d.device_id):
                part = samples.between(start, start + HOUR_US)
                bucket = device_bucket(samples.device_id)
                if len(part):
                    report = publication.add(key, telemetry_rows(part), bucket)
                    assert report.passed, report.counts
                publication.mark(key, bucket, input_hash=str(len(part)), **{TAIL_FACT: tail})
        publication.commit()


def run(
    lake: Lake,
    asset: dg.AssetsDefinition,
    first: str,
    last: str | None = None,
    windows: WindowSettings | None = None,
) -> dg.ExecuteInProcessResult:
    tags = (
        {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        if last
        else None
    )
    return dg.materialize(
        [asset],
        partition_key=None if last else first,
        tags=tags,
        resources={"lake": lake, "windows": windows or WindowSettings()},
        raise_on_error=True,
    )


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


def test_an_hour_reads_the_tail_of_the_hour_before(lake):
    samples = standing(EIGHT - 600 * S, 1200)
    publish_samples(lake, SEVEN_KEY, samples, tail="a")
    publish_samples(lake, EIGHT_KEY, samples)
    assert run(lake, window_features, EIGHT_KEY).success
    found = lake.read(WindowFeatures, [EIGHT_KEY])
    wanted = hour_features(samples, EIGHT, WindowConfig())
    assert found.equals(wanted)
    assert found["window_start"].cast(pa.int64())[0].as_py() == EIGHT - 5 * S
    assert found["quality"][0].as_py() is None


def test_a_range_in_one_run_gives_what_single_hours_give_in_any_order(lake, tmp_path):
    other = Lake(root=str(tmp_path / "other"))
    samples = [standing(EIGHT - 900 * S, 1800, device_id=f"imu-{i}") for i in (1, 2, 3)]
    for one in (lake, other):
        for key in (SEVEN_KEY, EIGHT_KEY):
            publish_samples(one, key, *samples, tail="a" if key == SEVEN_KEY else "")
    run(lake, window_features, SEVEN_KEY, EIGHT_KEY)
    for key in (EIGHT_KEY, SEVEN_KEY):
        run(other, window_features, key)
    for key in (SEVEN_KEY, EIGHT_KEY):
        assert (
            lake.ledger.get(WindowFeatures, key).content_hash
            == other.ledger.get(WindowFeatures, key).content_hash
        )
    table = lake.read(WindowFeatures, [EIGHT_KEY])
    assert sorted(table["device_id"].unique().to_pylist()) == ["imu-1", "imu-2", "imu-3"]


def test_one_device_of_a_bucket_is_in_memory_at_a_time(lake, monkeypatch):
    names = [name for name in (f"imu-{i}" for i in range(200)) if device_bucket(name) == 3][:3]
    publish_samples(lake, EIGHT_KEY, *[standing(EIGHT, 60, device_id=name) for name in names])
    seen = []

    def read_in_order(*given):
        for piece in original(*given):
            seen.append(piece["device_id"].unique().to_pylist())
            yield piece

    original = Lake.read_in_order
    monkeypatch.setattr(Lake, "read_in_order", read_in_order)
    run(lake, window_features, EIGHT_KEY)
    assert seen == [[name] for name in sorted(names)]
    table = lake.read(WindowFeatures, [EIGHT_KEY])
    assert sorted(table["device_id"].unique().to_pylist()) == sorted(names)


def test_the_first_hour_of_all_needs_no_hour_before(lake):
    publish_samples(lake, EIGHT_KEY, standing(EIGHT, 60))
    run(lake, window_features, EIGHT_KEY)
    assert lake.read(WindowFeatures, [EIGHT_KEY])["quality"][0].as_py() == "GAP"


def test_an_hour_whose_samples_were_never_published_is_refused(lake):
    with pytest.raises(MissingPartition, match=r"clean\.telemetry 2026-01-05-08:00"):
        run(lake, window_features, EIGHT_KEY)


def test_only_buckets_whose_samples_or_tail_changed_are_described_anew(lake):
    devices = [standing(EIGHT - 60 * S, 120, device_id=name) for name in ("imu-1", "imu-2")]
    one, two = (device_bucket(d.device_id) for d in devices)
    assert one != two
    for key in (SEVEN_KEY, EIGHT_KEY):
        publish_samples(lake, key, *devices, tail="a")
    run(lake, window_features, EIGHT_KEY)
    before = {f.bucket: f.path for f in lake.files(WindowFeatures, [EIGHT_KEY])}
    run(lake, window_features, EIGHT_KEY)
    assert {f.bucket: f.path for f in lake.files(WindowFeatures, [EIGHT_KEY])} == before

    shorter = standing(EIGHT - 60 * S, 100, device_id="imu-2")
    publish_samples(lake, EIGHT_KEY, devices[0], shorter, tail="a")
    run(lake, window_features, EIGHT_KEY)
    after = {f.bucket: f.path for f in lake.files(WindowFeatures, [EIGHT_KEY])}
    assert after[one] == before[one]
    assert after[two] != before[two]

    publish_samples(lake, SEVEN_KEY, *devices, tail="b")
    run(lake, window_features, EIGHT_KEY)
    again = {f.bucket: f.path for f in lake.files(WindowFeatures, [EIGHT_KEY])}
    assert again[one] != after[one]
    assert lake.ledger.get(WindowFeatures, EIGHT_KEY).buckets[str(one)].facts[TAIL_FACT] == "b"


def test_a_device_taken_out_of_an_hour_leaves_no_windows_behind(lake):
    publish_samples(lake, EIGHT_KEY, standing(EIGHT, 60), standing(EIGHT, 60, device_id="imu-2"))
    run(lake, window_features, EIGHT_KEY)
    publish_samples(lake, EIGHT_KEY, standing(EIGHT, 60))
    run(lake, window_features, EIGHT_KEY)
    assert lake.read(WindowFeatures, [EIGHT_KEY])["device_id"].unique().to_pylist() == ["imu-1"]


def test_an_hour_without_samples_is_published_empty(lake):
    publish_samples(lake, EIGHT_KEY)
    run(lake, window_features, EIGHT_KEY)
    assert lake.read(WindowFeatures, [EIGHT_KEY]).num_rows == 0


def test_windows_longer_than_the_tail_that_is_watched_are_refused():
    with pytest.raises(ValueError, match="further back than the tail"):
        WindowSettings(length_s=20).config()


def test_length_and_hop_are_options(lake):
    publish_samples(lake, EIGHT_KEY, standing(EIGHT, 60))
    run(lake, window_features, EIGHT_KEY, windows=WindowSettings(length_s=5, hop_s=2.5))
    table = lake.read(WindowFeatures, [EIGHT_KEY]).filter(pc.is_null(pc.field("quality")))
    assert table.num_rows == 23
    assert set(pc.subtract(table["window_end"], table["window_start"]).to_pylist()) == {
        dt.timedelta(seconds=5)
    }


def test_a_run_with_other_windows_that_was_killed_after_its_commit_changes_nothing(lake, monkeypatch):
    publish_samples(lake, EIGHT_KEY, standing(EIGHT, 300))
    run(lake, window_features, EIGHT_KEY)
    before = lake.read(WindowFeatures, [EIGHT_KEY])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def with_longer_windows() -> None:
        with lake.publication(WindowFeatures, [EIGHT_KEY]) as publication:
            _HourlyFeatures(lake, publication, WindowConfig(length_s=12.0, hop_s=6.0)).run()
            publication.commit()

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            with_longer_windows()
    assert lake.read(WindowFeatures, [EIGHT_KEY]).equals(before)
    run(lake, window_features, EIGHT_KEY)
    assert lake.read(WindowFeatures, [EIGHT_KEY]).equals(before)
    newest = lake.snapshots(WindowFeatures)[-1]["snapshot_id"]
    assert lake.read(WindowFeatures, [EIGHT_KEY], as_of=newest).equals(before)


def coverage_rows(samples, keys) -> dict[str, list[dict]]:
    """Coverage of a device by hour, as far as gait reads it."""
    found = {}
    for key in keys:
        start = hour_start_us(key)
        part = samples.between(start, start + HOUR_US)
        rows = []
        for code, who in enumerate(samples.wearers):
            mine = int((part.wearer == code).sum())
            if mine:
                rows.append((samples.device_id, who, mine))
        found[key] = rows
    return found


def publish_day(lake: Lake, keys: list[str], *devices, zones: dict[str, str]) -> None:
    """Publish samples and coverage of hours, and the patients."""
    start = window_of(keys[0])[0].date()
    publish_samples(lake, keys, *devices)
    with lake.publication(DeviceHourCoverage, keys) as publication:
        for samples in sorted(devices, key=lambda d: d.device_id):
            for key, rows in coverage_rows(samples, keys).items():
                for device_id, who, n in rows:
                    row = {c.name: None if c.nullable else 0 for c in columns_of(DeviceHourCoverage)}
                    row |= {
                        "device_bucket": device_bucket(device_id),
                        "device_id": device_id,
                        "patient_id": who.patient_id,
                        "hour": window_of(key)[0],
                        "watermark_at": window_of(key)[1],
                        "clean_samples": n,
                        "position": who.position,
                        "state": "FINAL",
                        "verdict": "OK",
                        "verdict_detail": "",
                    }
                    table = conform(DeviceHourCoverage, {name: [value] for name, value in row.items()})
                    assert publication.add(key, table, device_bucket(device_id)).passed
        publication.commit()
    with lake.publication(Patients, [str(start)]) as publication:
        rows = []
        for i, (patient, zone) in enumerate(zones.items()):
            row = {c.name: None for c in columns_of(Patients)}
            row |= {
                "snapshot_date": start,
                "patient_id": f"PAT{i:06d}",
                "wearable_patient_id": patient,
                "birth_date": dt.date(1940, 1, 1),
                "gender": "female",
                "registration_date": dt.date(2020, 1, 1),
                "time_zone": zone,
                "site_id": "SITE01",
            }
            rows.append({name: row[name] for name in arrow_schema(Patients).names})
        report = publication.add(str(start), pa.Table.from_pylist(rows, schema=arrow_schema(Patients)))
        assert report.passed, report.counts
        publication.commit()


def walker(device_id: str, start_us: int, steps: int, wearer: int = 0, position: str = "waist"):
    accel = walk(steps, 100)
    t = times(start_us, accel.shape[1] / 50)
    who = (Wearer("pt-1", position), Wearer("pt-2", position))
    return device(t, accel, device_id=device_id, wearer=wearer, wearers=who)


def steps_by_patient(lake: Lake, day: str) -> dict[str, int]:
    table = lake.read(DailyGait, [day])
    return dict(zip(table["patient_id"].to_pylist(), table["steps"].to_pylist(), strict=True))


def test_a_walk_is_counted_in_the_day_that_the_patient_lived(lake):
    # Two o'clock in the morning of the 6th in UTC is the evening of the 5th in New York.
    two_at_night = EIGHT + 18 * HOUR_US
    keys = hours_of_day("2026-01-05") + hours_of_day("2026-01-06")
    devices = [walker("imu-1", two_at_night, 200), walker("imu-2", two_at_night, 100, wearer=1)]
    publish_day(lake, keys, *devices, zones={"pt-1": "America/New_York", "pt-2": "Europe/Madrid"})
    for day in ("2026-01-05", "2026-01-06"):
        assert run(lake, daily_gait, day).success
    assert steps_by_patient(lake, "2026-01-05") == {}
    assert steps_by_patient(lake, "2026-01-06") == pytest.approx({"pt-1": 200, "pt-2": 100}, abs=2)
    row = lake.read(DailyGait, ["2026-01-06"]).to_pylist()[0]
    assert row["local_day"] == dt.date(2026, 1, 5)
    assert row["day_end"] == dt.datetime(2026, 1, 6, 5, tzinfo=dt.UTC)


def test_a_reassigned_device_gives_each_patient_their_own_steps(lake):
    first, second = walker("imu-1", EIGHT, 200), walker("imu-1", EIGHT + 300 * S, 90, wearer=1)
    both = device(
        np.concatenate([first.time_us, second.time_us]),
        np.concatenate([first.accel_g, second.accel_g], axis=1),
        wearer=np.concatenate([first.wearer, second.wearer]),
    )
    publish_day(lake, hours_of_day("2026-01-05"), both, zones={"pt-1": "UTC", "pt-2": "UTC"})
    run(lake, daily_gait, "2026-01-05")
    assert steps_by_patient(lake, "2026-01-05") == pytest.approx({"pt-1": 200, "pt-2": 90}, abs=2)


def test_of_two_devices_worn_at_once_the_better_position_counts(lake):
    waist, wrist = walker("imu-2", EIGHT, 200), walker("imu-1", EIGHT, 200, position="wrist")
    publish_day(lake, hours_of_day("2026-01-05"), waist, wrist, zones={"pt-1": "UTC"})
    run(lake, daily_gait, "2026-01-05")
    row = lake.read(DailyGait, ["2026-01-05"]).to_pylist()[0]
    assert row["steps"] == pytest.approx(200, abs=2)
    assert row["position"] == "waist"
    assert row["devices"] == "imu-1,imu-2"
    assert row["recorded_minutes"] == pytest.approx(2, abs=0.1)


def test_a_day_whose_hours_are_missing_is_refused(lake):
    publish_day(lake, hours_of_day("2026-01-05")[:20], walker("imu-1", EIGHT, 50), zones={"pt-1": "UTC"})
    with pytest.raises(MissingPartition, match="2026-01-05-20:00"):
        run(lake, daily_gait, "2026-01-05")


def test_an_hour_of_the_day_before_that_was_not_published_raises_unless_the_record_begins_after_it(lake):
    evening = EIGHT + 18 * HOUR_US
    begun = hours_of_day("2026-01-05")[10:] + hours_of_day("2026-01-06")
    zones = {"pt-1": "America/New_York"}
    publish_day(
        lake, [k for k in begun if k != "2026-01-05-20:00"], walker("imu-1", evening, 50), zones=zones
    )
    with pytest.raises(MissingPartition, match="2026-01-05-20:00"):
        run(lake, daily_gait, "2026-01-06")
    publish_day(lake, ["2026-01-05-20:00"], walker("imu-1", evening, 50), zones=zones)
    assert run(lake, daily_gait, "2026-01-06").success, "hours before ten are before the record"
    assert steps_by_patient(lake, "2026-01-06") == pytest.approx({"pt-1": 50}, abs=2)


def test_an_impossible_measure_of_one_patient_is_null_with_a_reason_and_the_others_are_published(
    lake, monkeypatch
):
    first, second = walker("imu-1", EIGHT, 200), walker("imu-2", EIGHT, 90, wearer=1)
    publish_day(lake, hours_of_day("2026-01-05"), first, second, zones={"pt-1": "UTC", "pt-2": "UTC"})

    def too_fast(patient_id, *rest):
        row = day_measures(patient_id, *rest)
        return row | ({"cadence_spm": 227.9, "walking_minutes": 2_000.0} if patient_id == "pt-1" else {})

    monkeypatch.setattr("fallrisk_assets.mobility.patient_days.day_measures", too_fast)
    result = run(lake, daily_gait, "2026-01-05")
    odd, other = lake.read(DailyGait, ["2026-01-05"]).to_pylist()
    assert (odd["cadence_spm"], odd["walking_minutes"]) == (None, None)
    assert odd["withdrawn"] == "walking_minutes,cadence_spm"
    assert odd["steps"] == pytest.approx(200, abs=2)
    assert other["withdrawn"] is None
    assert other["cadence_spm"] is not None
    metadata = result.asset_materializations_for_node("daily_gait")[0].metadata
    assert metadata["impossible, hence null: cadence_spm"].value == 1


def test_an_impossible_feature_of_one_window_is_null_and_the_hour_is_published(lake, monkeypatch):
    publish_samples(lake, EIGHT_KEY, standing(EIGHT, 60), standing(EIGHT, 60, device_id="imu-2"))

    def odd(samples, *rest):
        table = hour_features(samples, *rest)
        if samples.device_id != "imu-2":
            return table
        values = pa.array([-5.0] + [0.1] * (table.num_rows - 1), pa.float32())
        return table.set_column(
            table.schema.get_field_index("sd_accel_x"), table.schema.field("sd_accel_x"), values
        )

    monkeypatch.setattr("fallrisk_assets.mobility.assets.hour_features", odd)
    result = run(lake, window_features, EIGHT_KEY)
    table = lake.read(WindowFeatures, [EIGHT_KEY], columns=["device_id", "sd_accel_x"]).to_pylist()
    assert next(r["sd_accel_x"] for r in table if r["device_id"] == "imu-2") is None
    assert {r["device_id"] for r in table} == {"imu-1", "imu-2"}
    metadata = result.asset_materializations_for_node("window_features")[0].metadata
    assert metadata["impossible, hence null: sd_accel_x"].value == 1


def test_what_the_step_publishes_keeps_its_contract_and_shows_a_preview(lake):
    publish_day(lake, hours_of_day("2026-01-05"), walker("imu-1", EIGHT, 200), zones={"pt-1": "UTC"})
    result = run(lake, daily_gait, "2026-01-05")
    metadata = result.asset_materializations_for_node("daily_gait")[0].metadata
    assert metadata["patients"].value == 1
    assert "| 0 to 500 | 1 |" in metadata["patients by steps"].value
    assert "pt-1" not in metadata["patients by steps"].value, "how many people, not who"
