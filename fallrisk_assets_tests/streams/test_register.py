"""The register of a day: identity, wearers over time, what was heard and refused."""

import json
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import device_bucket, hour_key, hours_of_day, window_of
from fallrisk_assets.streams.assets import devices
from fallrisk_assets.streams.contract import Devices
from fallrisk_assets.streams.gateway import Gateway, topic_of
from fallrisk_assets.streams.register import read_gateway_events
from fallrisk_assets.streams.registry import Registry, RegistryEvent, entries
from fallrisk_assets.streams.registry_files import put_events
from fallrisk_assets.streams.spool import Record, Spool
from fallrisk_assets.telemetry.contract import DeviceHourCoverage
from fallrisk_assets_tests.alerts.test_assets import filled, put
from fallrisk_assets_tests.telemetry.messages import line

DAY = "2026-01-05"
START, END = window_of(DAY)
HOUR = timedelta(hours=1)
JUNE = datetime(2025, 6, 1, tzinfo=UTC)


def told(device, kind, at=JUNE, **more):
    return RegistryEvent(at, device, kind, "nurse-1", **more)


EVENTS = [
    told("imu-1", "registered", certificate_sha256="ab" * 32),
    told("imu-1", "configured", config='{"rate_hz": 50}'),
    told("imu-2", "registered"),
    told("imu-2", "revoked", START + 2 * HOUR),
    told("imu-1", "revoked", END + HOUR),
]


def us(at):
    return round(at.timestamp() * 1e6)


@pytest.fixture
def world(tmp_path, landing):
    """Devices that were worn, sent, said that they are there, and were refused, all through the gateway."""
    lake = Lake(root=str(tmp_path / "lake"))
    first = {"snapshot_date": date(2026, 1, 4), "device_id": "imu-1", "position": "waist"}
    rows = [
        first | {"patient_id": "pt-1", "valid_from": JUNE, "valid_to": START},
        first | {"patient_id": "pt-2", "valid_from": START, "position": "wrist"},
        first | {"device_id": "imu-3", "patient_id": "pt-3", "valid_from": END},
    ]
    put(lake, DeviceAssignment, {"2026-01-04": rows})
    hours = {key: [] for key in hours_of_day(DAY)}
    bucket = device_bucket("imu-1")
    for hour, firmware in ((7, "2.4.0"), (9, "2.4.1")):
        at = START + hour * HOUR
        hours[hour_key(at)] = [
            {
                "device_bucket": bucket,
                "device_id": "imu-1",
                "patient_id": "pt-2",
                "hour": at,
                "firmware": firmware,
                "first_ts": at,
                "last_ts": at + HOUR / 2,
                "watermark_at": at + HOUR,
                "state": "FINAL",
                "verdict": "OK",
            }
        ]
    with lake.publication(DeviceHourCoverage, list(hours)) as publication:
        for key, of_hour in hours.items():
            if of_hour:
                report = publication.add(key, filled(DeviceHourCoverage, of_hour), bucket)
                assert report.passed, report.sentence()
        publication.commit()
    put_events(landing, EVENTS, JUNE)
    gateway = Gateway(Spool(tmp_path / "spool"), landing, lambda: Registry(entries(EVENTS[:4]), {}))

    def hear(device, payload, at, kind="status"):
        gateway.take([Record(us(at), topic_of(device, kind), payload.encode())])

    hear("imu-1", '{"state":"online"}', START - HOUR)
    hear("imu-1", '{"state":"lost"}', END - timedelta(seconds=10))
    hear("imu-1", '{"state":"online"}', END + timedelta(seconds=10))
    hear("imu-2", line(1), START - HOUR, "telemetry")
    for minute in (1, 2):
        hear("imu-2", line(1), START + minute * timedelta(minutes=1), "telemetry")
    hear("imu-thief", line(1), START + HOUR, "telemetry")
    gateway.seal()
    gateway.land()
    return lake, landing


def register(lake, landing):
    with dg.DagsterInstance.ephemeral() as instance:
        upstream = [dg.AssetSpec(d.asset_key, partitions_def=None) for s in devices.specs for d in s.deps]
        result = dg.materialize(
            [devices, *upstream],
            selection=[devices],
            partition_key=DAY,
            resources={"lake": lake, "landing": landing},
            instance=instance,
        )
    assert result.success
    return {(row["device_id"], row["assignment_no"]): row for row in lake.read(Devices, [DAY]).to_pylist()}


def test_the_register_says_of_each_device_what_held_at_the_end_of_the_day(world):
    rows = register(*world)
    assert sorted(rows) == [("imu-1", 1), ("imu-1", 2), ("imu-2", 0), ("imu-thief", 0)]
    before, now = rows["imu-1", 1], rows["imu-1", 2]
    assert (before["patient_id"], before["position"], before["assigned_to"]) == ("pt-1", "waist", START)
    assert (now["patient_id"], now["position"], now["assigned_from"]) == ("pt-2", "wrist", START)
    assert now["assigned_to"] is None
    for row in (before, now):
        assert (row["registered_at"], row["revoked_at"]) == (JUNE, None)
        assert (row["certificate_sha256"], row["config"]) == ("ab" * 32, '{"rate_hz": 50}')
        assert (row["firmware"], row["last_seen_at"]) == ("2.4.1", START + 9.5 * HOUR)
        assert (row["connection"], row["connection_at"]) == ("lost", END - timedelta(seconds=10))
    assert rows["imu-2", 0]["revoked_at"] == START + 2 * HOUR


def test_refused_messages_of_the_day_are_counted_by_device_and_reason(world):
    rows = register(*world)
    assert rows["imu-2", 0]["refused_messages"] == 2
    assert json.loads(rows["imu-2", 0]["refused_for"]) == {"DEVICE_REVOKED": 2}
    assert json.loads(rows["imu-thief", 0]["refused_for"]) == {"UNKNOWN_DEVICE": 1}
    assert rows["imu-thief", 0]["registered_at"] is None
    assert rows["imu-1", 1]["refused_messages"] == 0


def test_events_in_any_order_give_the_same_and_what_cannot_be_read_is_named():
    at = START.isoformat()
    good = [
        {"at": at, "event": "state", "device_id": "a", "state": "online"},
        {"at": (START + HOUR).isoformat(), "event": "state", "device_id": "a", "state": "offline"},
        {"at": at, "event": "refused", "device_id": "a", "reason": "X", "messages": 2, "bytes": 9},
    ]
    lines = [json.dumps(one).encode() for one in good]
    bad = [b"garbage", b'{"at":"2026-01-05T00:00:00+00:00"}', lines[0].replace(b"online", b"asleep")]
    heard, problems = read_gateway_events([("f", b"\n".join([*lines, *bad]))], START, END)
    assert (heard["a"].connection, dict(heard["a"].refused)) == ("offline", {"X": 2})
    assert [p.split(":")[0] for p in problems] == ["f line 4", "f line 5", "f line 6"]
    assert read_gateway_events([("f", b"\n".join(reversed(lines)))], START, END)[0] == heard
