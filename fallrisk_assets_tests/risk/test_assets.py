"""The hourly and daily assets: each fall once, in its hour, whether hours run one by one or as a range."""

import datetime as dt

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from fallrisk_assets.contract import conform
from fallrisk_assets.definitions import build_defs
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.kinds import FALL_DETECTOR
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import device_bucket, hour_key, window_of
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.assets import fall_events, rescored_fall_events, window_scores
from fallrisk_assets.risk.contract import FallEvents, RescoredFallEvents
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.risk.index_assets import fall_risk_index
from fallrisk_assets.risk.resource import Rescoring
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.telemetry.ingest import STATE_FACT, TAIL_FACT
from fallrisk_assets_tests.models.artefacts import with_threshold

FIRST, SECOND = "2026-01-05-07:00", "2026-01-05-08:00"
EDGE = window_of(SECOND)[0]
EDGE_US = int(EDGE.timestamp()) * 1_000_000
RANGE = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": SECOND}
DEVICE, OTHER, SILENT = "imu-10001", "imu-10002", "imu-10003"


def samples(device, impact_us, stop_us=None):
    ts, accel, gyro = motion.fall(at_s=20.0).sample(50.0, seed=2, start_us=impact_us - 20_000_000)
    keep = ts < (stop_us or ts[-1] + 1)
    ts, accel, gyro = ts[keep], accel[keep], gyro[keep]
    n = len(ts)
    return conform(
        Telemetry,
        {
            "device_bucket": [device_bucket(device)] * n,
            "device_id": [device] * n,
            "patient_id": ["pt-" + device[-1]] * n,
            "position": ["waist"] * n,
            "ts": pa.array(ts, pa.int64()).cast(pa.timestamp("us", "UTC")),
            "boot": [1] * n,
            "seq": np.arange(n),
            **{f"accel_{x}_g": accel[:, k] for k, x in enumerate("xyz")},
            **{f"gyro_{x}_dps": gyro[:, k] for k, x in enumerate("xyz")},
        },
    )


def publish(lake, devices, *, state="FINAL"):
    """Publish both hours of telemetry of some devices: rows, tail fact and state, as the ingestion does."""
    with lake.publication(Telemetry, [FIRST, SECOND]) as publication:
        for key in (FIRST, SECOND):
            start, end = (pa.scalar(t, pa.timestamp("us", "UTC")) for t in window_of(key))
            for rows in devices:
                bucket = device_bucket(rows["device_id"][0].as_py())
                ts = rows["ts"]
                part = rows.filter(
                    pa.compute.and_(pa.compute.greater_equal(ts, start), pa.compute.less(ts, end))
                )
                assert publication.add(key, part, bucket).passed
                facts = {STATE_FACT: state if key == SECOND else "FINAL"}
                if part.num_rows:
                    facts[TAIL_FACT] = part["ts"][-1].as_py().isoformat()
                publication.mark(key, bucket, input_hash="given", **facts)
        publication.commit()


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


def run(lake, *, partition=None, tags=None):
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [dg.AssetSpec("telemetry", partitions_def=fall_events.partitions_def), fall_events],
            selection=[fall_events],
            partition_key=partition,
            tags=tags,
            resources={"lake": lake},
            instance=instance,
        )
    assert result.success
    return result


DEVICES = (
    lambda: samples(DEVICE, EDGE_US - 2_000_000),  # impact before the hour, decided in it
    lambda: samples(OTHER, EDGE_US - 600_000_000),  # wholly in the first hour
    lambda: samples(SILENT, EDGE_US - 2_500_000, EDGE_US),  # its record ends with the first hour
)


def test_each_fall_is_in_the_hour_of_its_decision_one_by_one_and_as_a_range(lake, tmp_path):
    devices = [make() for make in DEVICES]
    publish(lake, devices)
    for key in (FIRST, SECOND):
        run(lake, partition=key)
    hours = {key: lake.read(FallEvents, [key]) for key in (FIRST, SECOND)}
    assert hours[FIRST]["device_id"].to_pylist() == [OTHER]
    assert sorted(hours[SECOND]["device_id"].to_pylist()) == [DEVICE, SILENT]
    assert all(hour_key(t) == SECOND for t in hours[SECOND]["decided_at"].to_pylist())
    assert all(t < EDGE for t in hours[SECOND]["impact_at"].to_pylist())

    ranged = Lake(root=str(tmp_path / "ranged"))
    publish(ranged, devices)
    run(ranged, tags=RANGE)
    for key in (FIRST, SECOND):
        assert ranged.read(FallEvents, [key]) == hours[key]
        assert (
            ranged.ledger.get(FallEvents, key).content_hash == lake.ledger.get(FallEvents, key).content_hash
        )


def test_an_hour_whose_samples_did_not_change_is_left_as_it_was(lake):
    publish(lake, [make() for make in DEVICES])
    run(lake, partition=FIRST)
    before = lake.ledger.get(FallEvents, FIRST)
    run(lake, partition=FIRST)
    after = lake.ledger.get(FallEvents, FIRST)
    assert after.content_hash == before.content_hash
    assert after.snapshot_id == before.snapshot_id


def test_an_unfinished_hour_waits_for_the_samples_that_decide(lake):
    publish(lake, [samples(DEVICE, EDGE_US + 60_000_000, EDGE_US + 62_000_000)], state="PROVISIONAL")
    run(lake, partition=SECOND)
    assert lake.read(FallEvents, [SECOND]).num_rows == 0
    publish(lake, [samples(DEVICE, EDGE_US + 60_000_000)])
    run(lake, partition=SECOND)
    assert lake.read(FallEvents, [SECOND]).num_rows == 1


def test_a_hidden_hour_is_refused_by_name(lake):
    with pytest.raises(Exception, match=rf"clean.telemetry {FIRST}: nothing has been published"):
        run(lake, partition=FIRST)


def promote(lake, threshold):
    registry = registry_of(lake, FALL_DETECTOR)
    version = keep(lake, threshold)
    at = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    registry.promote(version, by="staff-7", at=at, why="tried in a test", gates=[])
    return version


def versions_of(lake, key):
    return set(lake.read(FallEvents, [key])["model_version"].to_pylist())


def test_a_promoted_version_scores_the_hours_that_come_and_leaves_history_as_it_was(lake):
    publish(lake, [make() for make in DEVICES])
    run(lake, partition=FIRST)
    before = lake.ledger.get(FallEvents, FIRST)
    promoted = promote(lake, 0.45)
    run(lake, tags=RANGE)
    assert lake.ledger.get(FallEvents, FIRST).content_hash == before.content_hash
    assert versions_of(lake, FIRST) == {released_model().version}
    assert versions_of(lake, SECOND) == {promoted}
    assert lake.ledger.get(FallEvents, SECOND).inputs["fall detector"] == promoted


def test_samples_that_come_late_are_scored_by_the_version_of_their_hour(lake):
    publish(lake, [samples(OTHER, EDGE_US - 600_000_000)])
    run(lake, partition=FIRST)
    promote(lake, 0.45)
    publish(lake, [samples(OTHER, EDGE_US - 600_000_000), samples(DEVICE, EDGE_US - 900_000_000)])
    run(lake, partition=FIRST)
    assert sorted(lake.read(FallEvents, [FIRST])["device_id"].to_pylist()) == [DEVICE, OTHER]
    assert versions_of(lake, FIRST) == {released_model().version}


def test_an_hour_can_be_made_again_though_its_version_was_rolled_back(lake):
    publish(lake, [samples(OTHER, EDGE_US - 600_000_000)])
    promoted = promote(lake, 0.45)
    run(lake, partition=FIRST)
    at = dt.datetime(2026, 1, 5, 13, tzinfo=dt.UTC)
    registry_of(lake, FALL_DETECTOR).rollback(by="staff-7", at=at, why="misses some")
    publish(lake, [samples(OTHER, EDGE_US - 610_000_000)])
    run(lake, partition=FIRST)
    assert versions_of(lake, FIRST) == {promoted}


def rescore(lake, version, *, partition=None, tags=None):
    with dg.DagsterInstance.ephemeral() as instance:
        upstream = dg.AssetSpec("telemetry", partitions_def=fall_events.partitions_def)
        result = dg.materialize(
            [upstream, fall_events, rescored_fall_events],
            selection=[rescored_fall_events],
            partition_key=partition,
            tags=tags,
            resources={"lake": lake, "rescoring": Rescoring(version=version)},
            instance=instance,
        )
    return [e for e in result.all_events if e.is_step_materialization]


def keep(lake, threshold):
    return registry_of(lake, FALL_DETECTOR).keep(with_threshold(threshold))


def rescored(lake, key=FIRST):
    rows = lake.read(RescoredFallEvents, [key])
    return list(zip(*(rows[name].to_pylist() for name in ("device_id", "model_version")), strict=True))


def test_another_version_scores_history_beside_what_is_published(lake):
    publish(lake, [make() for make in DEVICES])
    run(lake, tags=RANGE)
    before = {key: lake.ledger.get(FallEvents, key) for key in (FIRST, SECOND)}
    same, deaf = keep(lake, 0.45), keep(lake, 0.9999)
    rescore(lake, same, tags=RANGE)
    assert rescored(lake) == [(OTHER, same)]
    assert sorted(rescored(lake, SECOND)) == [(DEVICE, same), (SILENT, same)]
    rescore(lake, deaf, tags=RANGE)
    assert rescored(lake) == [(OTHER, same)]  # the deaf version has no row, the other's rows stay
    rescore(lake, released_model().version, tags=RANGE)
    assert sorted(rescored(lake)) == sorted([(OTHER, same), (OTHER, released_model().version)])
    assert {key: lake.ledger.get(FallEvents, key) for key in (FIRST, SECOND)} == before


def test_the_comparison_counts_what_both_versions_found_and_what_only_one_did(lake):
    publish(lake, [make() for make in DEVICES])
    run(lake, partition=FIRST)
    (event,) = rescore(lake, keep(lake, 0.45), partition=FIRST)
    shown = event.step_materialization_data.materialization.metadata
    counts = ("found by both", "found by the published version only", "found by the rescoring version only")
    assert [shown[name].value for name in counts] == [1, 0, 0]
    rows = lake.read(RescoredFallEvents, [FIRST])
    assert rows["published_event_id"] == lake.read(FallEvents, [FIRST])["event_id"]
    (event,) = rescore(lake, keep(lake, 0.9999), partition=FIRST)
    shown = event.step_materialization_data.materialization.metadata
    assert [shown[name].value for name in counts] == [0, 1, 0]


def test_scoring_the_same_again_changes_nothing_and_shows_the_same_comparison(lake):
    publish(lake, [make() for make in DEVICES])
    run(lake, partition=FIRST)
    version = keep(lake, 0.45)
    (one,) = rescore(lake, version, partition=FIRST)
    before = lake.ledger.get(RescoredFallEvents, FIRST)
    (other,) = rescore(lake, version, partition=FIRST)
    after = lake.ledger.get(RescoredFallEvents, FIRST)
    assert (after.content_hash, after.snapshot_id) == (before.content_hash, before.snapshot_id)
    shown = [e.step_materialization_data.materialization.metadata["found by both"] for e in (one, other)]
    assert shown[0] == shown[1]


def test_only_hours_that_are_published_are_scored_again_and_only_by_a_version_that_exists(lake):
    publish(lake, [make() for make in DEVICES])
    with pytest.raises(Exception, match=rf"curated.fall_events {FIRST}: nothing has been published"):
        rescore(lake, released_model().version, partition=FIRST)
    run(lake, partition=FIRST)
    with pytest.raises(LookupError, match="no version fall_detector-9; there are fall_detector-"):
        rescore(lake, "fall_detector-9", partition=FIRST)


def test_nothing_that_tells_people_reads_what_was_scored_again():
    graph = build_defs("local").resolve_asset_graph()
    assert not graph.get(rescored_fall_events.key).child_keys


def test_the_assets_say_what_they_are():
    for asset in (fall_events, window_scores, fall_risk_index, rescored_fall_events):
        (spec,) = asset.specs
        assert spec.group_name == ("rescore_falls" if asset is rescored_fall_events else "risk")
        assert len(spec.description) > 80
        columns = spec.metadata["dagster/column_schema"].columns
        assert all(c.description for c in columns)
