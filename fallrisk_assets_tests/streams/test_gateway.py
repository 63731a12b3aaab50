"""Who may publish for whom, and what becomes of what devices publish."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from isal import igzip

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.streams.gateway import EVENTS_FOLDER, Gateway, device_of_topic, drops_of, topic_of
from fallrisk_assets.streams.registry import KINDS, Registry, RegistryEvent, as_line, entries, read_events
from fallrisk_assets.streams.registry_files import RegistrySource, put_events
from fallrisk_assets.streams.spool import Record, Spool, read_segment
from fallrisk_assets.telemetry.drops import parse_drop_name
from fallrisk_assets_tests.telemetry.messages import DEVICE, HOUR, PATIENT, line

NOW_US = round((HOUR + timedelta(minutes=5)).timestamp() * 1e6)
JUNE = datetime(2025, 6, 1, tzinfo=UTC)
WORN = {DEVICE: [Assignment(PATIENT, 0, FOREVER_US, "waist")]}


def event(device, kind, days=0, **more):
    return RegistryEvent(JUNE + timedelta(days=days), device, kind, "nurse-1", **more)


KNOWN = [event(DEVICE, "registered"), event("imu-lost", "registered"), event("imu-lost", "revoked", 1)]
REGISTRY = Registry(entries([*KNOWN, event("imu-new", "registered")]), WORN)


def sent(payload, device=DEVICE, kind="telemetry", at_us=NOW_US):
    return Record(at_us, topic_of(device, kind), payload if isinstance(payload, bytes) else payload.encode())


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def gateway(spool, landing):
    return Gateway(spool, landing, lambda: REGISTRY)


def landed(landing):
    return {f.key: igzip.decompress(landing.read(f.key)) for f in landing.list("telemetry")}


def events_in(landing):
    raw = b"".join(landing.read(f.key) for f in landing.list(EVENTS_FOLDER))
    return [json.loads(text) for text in raw.splitlines()]


@pytest.mark.parametrize(
    ("device", "payload", "reason"),
    [
        (DEVICE, line(1), None),
        (DEVICE, "garbage, which the quarantine will show", None),
        ("imu-new", line(1, deviceId="imu-new", patientId="pt-9"), None),
        ("imu-lost", line(1, deviceId="imu-lost"), "DEVICE_REVOKED"),
        ("imu-unknown", line(1, deviceId="imu-unknown"), "UNKNOWN_DEVICE"),
        (DEVICE, line(1) + "\n" + line(2, deviceId="imu-2"), "DEVICE_MISMATCH"),
        (DEVICE, line(1, patientId="pt-2"), "PATIENT_MISMATCH"),
    ],
)
def test_the_registry_decides_who_may_publish_for_whom(device, payload, reason):
    assert REGISTRY.refusal(device, payload.encode()) == reason


def test_what_is_refused_is_counted_and_not_landed(gateway, landing):
    gateway.take([sent(line(1, patientId="pt-2")), sent(line(2)), sent(line(3, patientId="pt-3"))])
    gateway.take([sent(line(1, deviceId="imu-lost"), "imu-lost"), sent(b"x" * (17 << 20))])
    gateway.seal()
    gateway.land()
    (content,) = landed(landing).values()
    assert content == line(2).encode() + b"\n"
    counted = {(e["device_id"], e["reason"]): e["messages"] for e in events_in(landing)}
    assert counted == {
        (DEVICE, "PATIENT_MISMATCH"): 2,
        ("imu-lost", "DEVICE_REVOKED"): 1,
        (DEVICE, "TOO_LARGE"): 1,
    }
    assert gateway.refused == counted


def test_a_drop_holds_one_device_and_one_minute_as_it_came(gateway, landing):
    gateway.take([sent(line(1)), sent(line(2), at_us=NOW_US + 60_000_000), sent(b"\n", "imu-new")])
    gateway.take([sent(line(3) + "\n" + line(4))])
    gateway.seal()
    assert gateway.land() == 3
    found = {
        (parse_drop_name(k).device_id, parse_drop_name(k).received_at): c for k, c in landed(landing).items()
    }
    minute = HOUR + timedelta(minutes=5)
    assert found == {
        (DEVICE, minute): f"{line(1)}\n{line(3)}\n{line(4)}\n".encode(),
        (DEVICE, minute + timedelta(minutes=1)): f"{line(2)}\n".encode(),
        ("imu-new", minute): b"null\n",
    }


def test_a_segment_that_is_landed_again_after_a_crash_changes_nothing(gateway, spool, landing):
    gateway.take([sent(line(i)) for i in range(5)])
    gateway.seal()
    for drop in drops_of(read_segment(spool.sealed()[0])):
        landing.put_if_absent(drop.key, drop.content)  # it crashed before the segment was marked
    before = landed(landing)
    assert gateway.land() == 0
    assert landed(landing) == before
    assert spool.sealed() == []


def test_a_landing_zone_that_fails_leaves_everything_in_the_spool(gateway, spool, landing, monkeypatch):
    gateway.take([sent(line(i)) for i in range(5)])
    gateway.seal()

    def broken(self, key, content):
        raise OSError("503")

    with monkeypatch.context() as patched:
        patched.setattr(type(landing), "put_if_absent", broken)
        with pytest.raises(OSError, match="503"):
            gateway.land()
    assert landed(landing) == {}
    assert gateway.land() == 1


def test_the_state_of_a_device_is_told_when_it_changes(gateway, landing):
    for i, state in enumerate(("online", "online", "lost", "lost", "online", "nonsense")):
        gateway.take([sent(json.dumps({"state": state}), kind="status", at_us=NOW_US + i * 1_000_000)])
    gateway.take([sent(b"\xff", "imu-unknown", kind="status")])
    gateway.seal()
    gateway.land()
    states = [e["state"] for e in events_in(landing) if e["event"] == "state"]
    assert states == ["online", "lost", "online", "unknown"]


def test_the_listener_hears_of_what_is_on_disk_and_of_nothing_else(spool, landing):
    heard = []
    gateway = Gateway(spool, landing, lambda: REGISTRY, lambda *told: heard.append(told))
    gateway.take([sent(line(1)), sent(line(2, patientId="pt-2")), sent(b"{}", kind="status")])
    assert heard == [(DEVICE, NOW_US, line(1).encode())]


@pytest.mark.parametrize(
    "topic", ["", "devices/imu-1", "devices/../telemetry", "other/imu-1/telemetry", "a/b/c/d"]
)
def test_a_topic_that_is_no_devices_is_nobodys(topic):
    assert device_of_topic(topic) is None


def test_registry_events_in_any_order_say_the_same():
    events = [
        event("a", "registered"),
        event("a", "revoked", 3),
        event("a", "reinstated", 5),
        event("a", "configured", 6, config='{"rate_hz": 50}'),
        event("b", "revoked", 1),
        event("b", "registered", 2),
    ]
    assert entries(events) == entries(reversed(events)) == entries([*events, *events])
    assert entries(events[:2])["a"].revoked_at == JUNE + timedelta(days=3)
    assert entries(events)["a"].revoked_at is None
    assert entries(events)["a"].config == '{"rate_hz": 50}'
    assert entries(events)["b"].revoked_at is None


def test_of_decisions_at_one_instant_the_revocation_holds():
    at_once = [event("a", kind, config="{}" * (kind == "configured")) for kind in KINDS]
    found = entries(at_once)["a"]
    assert (found.revoked_at, found.config) == (JUNE, "{}")


def test_a_registry_line_that_is_none_is_named_and_costs_only_itself():
    good = event("imu-1", "configured", config='{"rate_hz": 50}')
    lines = [b"garbage", b'{"at":"2026-01-01T00:00:00","device_id":"a","event":"revoked","by":"x"}', b"[]"]
    events, problems = read_events(b"\n".join(lines) + b"\n" + as_line(good))
    assert events == [good]
    assert [p.partition(":")[0] for p in problems] == ["line 1", "line 2", "line 3"]


def test_a_revocation_holds_as_soon_as_the_registry_is_read_again(landing):
    now = [0.0]
    put_events(landing, KNOWN[:1], JUNE)
    source = RegistrySource(landing, lambda: WORN, refresh_s=30.0, clock=lambda: now[0])
    assert source().refusal(DEVICE, b"") is None
    put_events(landing, [event(DEVICE, "revoked", 9)], JUNE + timedelta(days=9))
    assert source().refusal(DEVICE, b"") is None
    now[0] = 30.0
    assert source().refusal(DEVICE, b"") == "DEVICE_REVOKED"


def test_a_registry_that_cannot_be_read_for_a_while_holds_as_it_was(landing, caplog):
    now = [0.0]
    put_events(landing, KNOWN, JUNE)
    fails = [False]

    def assignments():
        if fails[0]:
            raise OSError("the catalog does not answer")
        return WORN

    source = RegistrySource(landing, assignments, refresh_s=1.0, clock=lambda: now[0])
    fails[0], now[0] = True, 5.0
    assert source().refusal("imu-lost", b"") == "DEVICE_REVOKED"
    assert "the catalog does not answer" in caplog.text
