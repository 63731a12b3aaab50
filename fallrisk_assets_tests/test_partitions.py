import datetime as dt

import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from fallrisk_assets.partitions import (
    DEVICE_BUCKETS,
    daily,
    device_bucket,
    hour_key,
    hour_range,
    hourly,
    hours_of_day,
    local_day_hours,
    previous_key,
    window_of,
)


def test_a_key_and_its_half_open_window_belong_together():
    start, end = window_of("2026-01-05-07:00")
    assert (hour_key(start), hour_key(end)) == ("2026-01-05-07:00", "2026-01-05-08:00")
    assert window_of("2026-01-05") == (
        dt.datetime(2026, 1, 5, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 6, tzinfo=dt.UTC),
    )
    with pytest.raises(ValueError):
        window_of("2026-01-05 07:00")


def test_the_key_before_crosses_midnight():
    assert previous_key("2026-01-05-00:00") == "2026-01-04-23:00"
    assert previous_key("2026-03-01") == "2026-02-28"


def test_a_day_has_24_hours_in_utc_and_a_range_includes_both_ends():
    assert len(hours_of_day("2026-03-29")) == 24
    assert hour_range("2026-01-05-23:00", "2026-01-06-01:00") == [
        "2026-01-05-23:00",
        "2026-01-06-00:00",
        "2026-01-06-01:00",
    ]


def test_a_devices_bucket_never_changes():
    assert [device_bucket(d) for d in ("imu-10001", "imu-10002", "imu-12345")] == [17, 11, 30]
    assert all(0 <= device_bucket(f"imu-{i}") < DEVICE_BUCKETS for i in range(100))


def test_a_day_depends_on_the_hours_of_its_own_and_of_the_day_before():
    result = local_day_hours.get_upstream_mapped_partitions_result_for_partitions(
        daily.subset_with_partition_keys(["2026-01-05"]), daily, hourly
    )
    keys = sorted(result.partitions_subset.get_partition_keys())
    assert (len(keys), keys[0], keys[-1]) == (48, "2026-01-04-00:00", "2026-01-05-23:00")


def test_the_running_hour_exists():
    now = dt.datetime(2026, 1, 5, 7, 30, tzinfo=dt.UTC)
    with partition_loading_context(effective_dt=now):
        assert hourly.get_last_partition_key() == "2026-01-05-07:00"
