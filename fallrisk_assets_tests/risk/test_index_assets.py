"""The daily assets of the index: from the lake to rows, whether days run one by one or as a range."""

from datetime import date, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.lake import Lake
from fallrisk_assets.risk.contract import FallRiskIndex, FallRiskTrend
from fallrisk_assets.risk.index_assets import fall_risk_trend
from fallrisk_assets_tests.risk.test_trend import index_rows

LAST = date(2026, 3, 20)
DAYS = [LAST - timedelta(days=n) for n in range(34, -1, -1)]
MISSING = LAST - timedelta(days=5)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    publish_index(lake)
    return lake


def publish_index(lake):
    """Publish 35 days of two people but for one day: one is steady and rises at the end."""
    keys = [str(day) for day in DAYS if day != MISSING]
    with lake.publication(FallRiskIndex, keys) as publication:
        for day in DAYS:
            before = (LAST - day).days
            rows = [
                index_rows({before: 0.30 + 0.02 * (before % 3) + (0.2 if before == 0 else 0)}, "pt-1"),
                index_rows({before: None if before % 2 else 0.2}, "pt-2"),
            ]
            if day != MISSING:
                assert publication.add(str(day), pa.concat_tables(rows)).passed
        publication.commit()


def run(asset, lake, keys):
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    upstream = [
        dg.AssetSpec(key, partitions_def=asset.partitions_def)
        for key in {d.to_user_string() for d in asset.keys_by_input_name.values()}
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*upstream, asset], selection=[asset], tags=tags, resources={"lake": lake}, instance=instance
        )
    assert result.success
    return result


def test_a_day_reads_the_days_before_it_and_a_missing_day_is_left_out(lake):
    run(fall_risk_trend, lake, [str(LAST)])
    rows = {r["patient_id"]: r for r in lake.read(FallRiskTrend, [str(LAST)]).to_pylist()}
    assert rows["pt-1"]["trend"] == "RISING"
    assert (rows["pt-1"]["days_7d"], rows["pt-1"]["days_28d"], rows["pt-1"]["baseline_days"]) == (6, 27, 27)
    assert (rows["pt-2"]["trend"], rows["pt-2"]["days_7d"]) == ("STEADY", 4)


def test_one_by_one_and_as_a_range_give_the_same_rows(lake, tmp_path):
    keys = [str(LAST - timedelta(days=1)), str(LAST)]
    for key in keys:
        run(fall_risk_trend, lake, [key])
    ranged = Lake(root=str(tmp_path / "ranged"))
    publish_index(ranged)
    run(fall_risk_trend, ranged, keys)
    for key in keys:
        assert (
            ranged.ledger.get(FallRiskTrend, key).content_hash
            == lake.ledger.get(FallRiskTrend, key).content_hash
        )


def test_a_day_whose_own_index_was_never_published_is_refused_by_name(lake):
    with pytest.raises(Exception, match=f"curated.fall_risk_index {MISSING}: nothing has been published"):
        run(fall_risk_trend, lake, [str(MISSING)])
