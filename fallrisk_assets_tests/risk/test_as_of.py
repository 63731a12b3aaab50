"""What is joined to a moment was known before it; whatever comes later changes nothing."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.contract import conform
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import device_bucket
from fallrisk_assets.risk import as_of
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.telemetry.contract import TelemetryDrops
from fallrisk_assets_tests.risk.test_rescoring import events

START = pd.Timestamp("2026-01-05", tz="UTC")
PATIENTS = ("pt-1", "pt-2")
HOURS = st.integers(0, 96)
DAYS = st.integers(0, 3)


def at(hour):
    return START + pd.Timedelta(hours=hour)


def receipts_of(drops):
    """Drops: (patient's number, hour of the samples, hours until they were received)."""
    frame = pd.DataFrame(
        [
            {"device_id": f"imu-{p}", "event_hour": at(h), "received_at": at(h + late), "rows": 9}
            for p, h, late in drops
        ],
        columns=["device_id", "event_hour", "received_at", "rows"],
    )
    return as_of.last_receipts(frame)


def gait_rows(days):
    """Days: (patient's number, day) to minutes walked."""
    rows = [
        {
            "patient_id": f"pt-{p}",
            "day": (START + pd.Timedelta(days=d)).date(),
            "day_start": at(24 * d),
            "day_end": at(24 * d + 24),
            "devices": f"imu-{p}",
            **dict.fromkeys(as_of.GAIT_FEATURES, 1.0),
            "walking_minutes": walked,
        }
        for (p, d), walked in days.items()
    ]
    return pd.DataFrame(rows, columns=[*_GAIT_COLUMNS, *as_of.GAIT_FEATURES])


_GAIT_COLUMNS = ["patient_id", "day", "day_start", "day_end", "devices"]


def index_rows(days):
    rows = [
        {
            "patient_id": f"pt-{p}",
            "day": (START + pd.Timedelta(days=d)).date(),
            "probability_12m": x / 100,
            "confidence": 0.5,
            "band": "low",
        }
        for (p, d), x in days.items()
    ]
    return pd.DataFrame(rows, columns=["patient_id", "day", *as_of.INDEX_FEATURES])


def score_rows(hours):
    rows = [
        {"patient_id": f"pt-{p}", "device_id": f"imu-{p}", "hour": at(h), "score": 0.9, "band": "high"}
        for p, h in hours
    ]
    return pd.DataFrame(rows, columns=["patient_id", "device_id", "hour", "score", "band"])


def fall_rows(falls):
    rows = [
        {
            "patient_id": f"pt-{p}",
            "device_id": f"imu-{p}",
            "impact_at": at(h) + pd.Timedelta(minutes=30),
            "decided_at": at(h) + pd.Timedelta(minutes=30, seconds=3),
        }
        for p, h in falls
    ]
    return pd.DataFrame(rows, columns=["patient_id", "device_id", "impact_at", "decided_at"])


def moments_of(asked):
    rows = [{"patient_id": f"pt-{p}", "moment": at(h)} for p, h in asked]
    return pd.DataFrame(rows, columns=["patient_id", "moment"]).astype({"moment": "datetime64[us, UTC]"})


def join(moments, drops=(), gait=None, index=None, hours=(), falls=()):
    receipts = receipts_of(drops)
    walked = as_of.gait_known(gait_rows(gait or {}), receipts)
    tables = [walked, as_of.index_known(index_rows(index or {}), walked)]
    tables.append(as_of.windows_known(score_rows(hours), receipts))
    return as_of.joined_as_of(moments, tables, as_of.falls_known(fall_rows(falls), receipts))


def test_a_day_is_known_only_after_it_has_ended():
    found = join(moments_of([(1, 23), (1, 24), (1, 25)]), gait={(1, 0): 40.0}, index={(1, 0): 30})
    assert found["gait_walking_minutes"].isna().tolist() == [True, True, False]
    assert found["index_probability_12m"].isna().tolist() == [True, True, False]
    assert found["gait_age_h"].iloc[2] == 25


def test_a_day_of_which_samples_came_late_is_known_only_when_they_came():
    found = join(
        moments_of([(1, 30), (1, 60)]), drops=[(1, 20, 40 - 1)], gait={(1, 0): 40.0}, index={(1, 0): 30}
    )
    assert found["gait_walking_minutes"].isna().tolist() == [True, False]
    assert found["index_probability_12m"].isna().tolist() == [True, False]


def test_an_older_day_that_comes_late_does_not_hide_a_newer_one():
    found = join(moments_of([(1, 80)]), drops=[(1, 5, 70)], gait={(1, 0): 10.0, (1, 1): 20.0})
    assert found["gait_walking_minutes"].tolist() == [20.0]


def test_an_hour_and_a_fall_are_known_when_their_samples_came():
    drops, asked = [(1, 7, 5)], moments_of([(1, 8), (1, 9), (1, 12), (1, 13)])
    found = join(asked, drops=drops, hours=[(1, 7)], falls=[(1, 7)])
    assert found["hour_windows_high"].isna().tolist() == [True, True, True, False]
    assert found["falls_known_7d"].tolist() == [0, 0, 0, 1]


def test_falls_are_counted_over_the_days_before_and_for_their_patient_only():
    found = join(moments_of([(1, 24 * 9), (1, 24 * 40), (2, 24)]), falls=[(1, 1), (1, 24 * 5)])
    assert found["falls_known_7d"].tolist() == [1, 0, 0]
    assert found["falls_known_30d"].tolist() == [2, 0, 0]


def test_moments_keep_their_order_and_need_a_time_zone():
    asked = moments_of([(1, 60), (2, 3), (1, 30)])
    assert join(asked, gait={(1, 0): 1.0})[["patient_id", "moment"]].equals(asked)
    with pytest.raises(ValueError, match="time zone"):
        join(asked.assign(moment=asked["moment"].dt.tz_localize(None)))


def test_published_tables_are_joined_by_name_and_what_was_never_published_is_unknown(tmp_path):
    lake, hour = Lake(root=str(tmp_path / "lake")), "2026-01-05-07:00"
    fallen = events({("imu-1", 10)})
    received = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
    bucket = device_bucket("imu-1")
    drop = {
        "device_bucket": bucket,
        "event_hour": dt.datetime(2026, 1, 5, 7, tzinfo=dt.UTC),
        "drop_key": "telemetry/a",
        "sha256": "0" * 64,
        "received_at": received,
        "device_id": "imu-1",
        **dict.fromkeys(("bytes", "lines", "rows"), 9),
        "unplaceable": 0,
        "status": "READ",
    }
    drops = conform(TelemetryDrops, {name: [value] for name, value in drop.items()})
    for model, rows in ((FallEvents, fallen), (TelemetryDrops, drops)):
        with lake.publication(model, [hour]) as publication:
            assert publication.add(hour, rows, bucket).passed
            publication.commit()
    found = as_of.feature_table(lake, moments_of([(1, 9), (1, 10), (2, 10)]), ["2026-01-05"])
    assert found["falls_known_7d"].tolist() == [0, 1, 0]
    assert found[["gait_walking_minutes", "index_band", "hour_windows_high"]].isna().all().all()


PERSON = st.integers(1, 2)
DROPS = st.lists(st.tuples(PERSON, HOURS, st.integers(1, 60)), max_size=6)
BY_DAY = st.dictionaries(st.tuples(PERSON, DAYS), st.integers(0, 99), max_size=6)
BY_HOUR = st.sets(st.tuples(PERSON, HOURS), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    asked=st.lists(st.tuples(PERSON, HOURS), min_size=1, max_size=4),
    drops=DROPS,
    gait=BY_DAY,
    index=BY_DAY,
    hours=BY_HOUR,
    falls=BY_HOUR,
    more_drops=DROPS,
    more_days=BY_DAY,
    more_hours=BY_HOUR,
    more_falls=BY_HOUR,
)
def test_no_future_row_ever_changes_what_was_known(
    asked, drops, gait, index, hours, falls, more_drops, more_days, more_hours, more_falls
):
    """Add drops received at or after the moments, and days, hours and falls that end at or after them."""
    now = max(h for _, h in asked)
    moments = moments_of(asked)
    # A future receipt may only take rows away that its samples would have changed: those of hours to come.
    future_drops = [(p, h, late) for p, h, late in more_drops if h >= now]
    future = {(p, d): x for (p, d), x in more_days.items() if 24 * (d + 1) >= now and (p, d) not in gait}
    later_index = {
        (p, d): x for (p, d), x in more_days.items() if 24 * (d + 1) >= now and (p, d) not in index
    }
    later_hours = {(p, h) for p, h in more_hours if h + 1 >= now}
    later_falls = {(p, h) for p, h in more_falls if h >= now}
    before = join(moments, drops, gait, index, hours, falls)
    after = join(
        moments,
        [*drops, *future_drops],
        {**gait, **future},
        {**index, **later_index},
        hours | later_hours,
        falls | later_falls,
    )
    pd.testing.assert_frame_equal(before, after)


@settings(max_examples=40, deadline=None)
@given(drops=DROPS, gait=BY_DAY, hour=HOURS, late=st.integers(0, 60))
def test_a_row_is_never_joined_before_the_last_of_its_samples_was_received(drops, gait, hour, late):
    moments = moments_of([(p, h) for p in (1, 2) for h in (hour, hour + late)])
    for row in join(moments, drops, gait).itertuples():
        if pd.isna(row.gait_age_h):
            continue
        about = row.moment - pd.Timedelta(hours=row.gait_age_h)
        held = [
            at(h + wait)
            for p, h, wait in drops
            if f"pt-{p}" == row.patient_id and about <= at(h) < about + dt.timedelta(days=1)
        ]
        assert max([about + dt.timedelta(days=1), *held]) < row.moment
