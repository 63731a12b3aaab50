"""Falls of two versions are paired one to one by device and time; counts add up; other versions stay."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.contract import conform
from fallrisk_assets.partitions import device_bucket
from fallrisk_assets.risk.contract import FallEvents, RescoredFallEvents
from fallrisk_assets.risk.falls import event_id
from fallrisk_assets.risk.rescoring import (
    Comparison,
    beside_published,
    compare_indices,
    with_other_versions,
)
from fallrisk_assets_tests.risk.test_trend import index_rows

HOUR_US = int(dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC).timestamp()) * 1_000_000
OLD_INDEX = {"pt-1": 0.3, "pt-2": 0.4, "pt-3": 0.2, "pt-4": None}
NEW_INDEX = {"pt-1": 0.5, "pt-2": 0.3, "pt-3": None, "pt-4": 0.2}
FALLS = st.sets(st.tuples(st.sampled_from(["imu-1", "imu-2"]), st.integers(0, 60)), max_size=12)


def events(falls, version="old"):
    falls = sorted(falls)
    n = len(falls)
    times = [HOUR_US + second * 1_000_000 for _, second in falls]
    moments = pa.array(times, pa.int64()).cast(pa.timestamp("us", "UTC"))
    return conform(
        FallEvents,
        {
            "device_bucket": [device_bucket(device) for device, _ in falls],
            "event_id": [event_id(device, t) for (device, _), t in zip(falls, times, strict=True)],
            "device_id": [device for device, _ in falls],
            "patient_id": ["pt-1"] * n,
            "position": ["waist"] * n,
            "impact_at": moments,
            "decided_at": moments,
            "recovered": [False] * n,
            "model_version": [version] * n,
            **{name: [0.5] * n for name in ("probability", "peak_g", "free_fall_s", "stillness_s")},
            "posture_change_deg": [80.0] * n,
        },
    )


@given(old=FALLS, new=FALLS)
def test_every_fall_is_counted_once_and_paired_with_at_most_one_of_its_own_device(old, new):
    published = events(old)
    rows, found = beside_published(events(new, "new"), published)
    assert found.both + found.only_published == len(old)
    assert found.both + found.only_rescored == len(new)
    pairs = [p for p in rows["published_event_id"].to_pylist() if p is not None]
    assert len(pairs) == len(set(pairs)) == found.both
    device_of = dict(zip(published["event_id"].to_pylist(), published["device_id"].to_pylist(), strict=True))
    for row in rows.to_pylist():
        if row["published_event_id"]:
            assert device_of[row["published_event_id"]] == row["device_id"]


def test_a_fall_whose_peak_another_version_sees_a_second_later_is_the_same_fall():
    _, found = beside_published(events({("imu-1", 11)}, "new"), events({("imu-1", 10), ("imu-1", 40)}))
    assert found == Comparison(both=1, only_published=1, only_rescored=0)
    _, found = beside_published(events({("imu-2", 10)}, "new"), events({("imu-1", 10)}))
    assert found == Comparison(both=0, only_published=1, only_rescored=1)


@given(one=FALLS, other=FALLS)
def test_scoring_by_one_version_after_another_gives_the_same_rows_in_any_order(one, other):
    nothing = events(set())
    first, _ = beside_published(events(one, "one"), nothing)
    second, _ = beside_published(events(other, "other"), nothing)
    none = first.slice(0, 0)

    def beside(rows, kept, version):
        return with_other_versions(RescoredFallEvents, rows, kept, version)

    forth = beside(second, beside(first, none, "one"), "other")
    back = beside(first, beside(second, none, "other"), "one")
    assert forth == back
    assert beside(first, forth, "one") == forth


def test_two_versions_of_the_index_are_compared_over_the_people_whom_both_scored():
    old = pa.concat_tables([index_rows({0: p}, who) for who, p in OLD_INDEX.items()])
    new = pa.concat_tables([index_rows({0: p}, who, "fall_index-3") for who, p in NEW_INDEX.items()])
    high = pa.array(["high" if p == 0.5 else "medium" for p in NEW_INDEX.values()], pa.string())
    new = new.set_column(new.schema.get_field_index("band"), "band", high)
    found = compare_indices(new, old)
    assert (found.scored_by_both, found.scored_by_one, found.other_band) == (2, 2, 1)
    assert found.mean_change == pytest.approx((0.2 - 0.1) / 2)
    assert found.largest_change == pytest.approx(0.2)
    nobody = compare_indices(new.slice(0, 0), old)
    assert (nobody.scored_by_both, nobody.mean_change, nobody.largest_change) == (0, None, None)
