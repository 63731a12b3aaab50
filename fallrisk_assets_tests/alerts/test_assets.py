"""Hours and days of the alerts domain, materialised over a real lake in a folder."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.alerts import assets
from fallrisk_assets.alerts.__main__ import main
from fallrisk_assets.alerts.contract import AlertActions, Alerts, DeviceStates, IndexAlerts
from fallrisk_assets.alerts.device_states import ExpectedWear
from fallrisk_assets.alerts.look_back import stale_alert_hours
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.clinic.contract import CareContacts, DeviceAssignment, PatientIdentity, Patients
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import HOUR, device_bucket, hour_key, hour_range, window_of
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, TelemetryQuarantine

NIGHT = datetime(2026, 1, 5, 0, tzinfo=UTC)
FALL_AT = NIGHT + 7.5 * HOUR
FALL_HOUR = "2026-01-05-07:00"
KEYS = hour_range(hour_key(NIGHT + 5 * HOUR), hour_key(NIGHT + 15 * HOUR))
DEVICE, BUCKET = "imu-1", device_bucket("imu-1")


class FixedOutbox(OutboxResource):
    """An outbox whose clock stands where the test puts it."""

    at: str = ""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


def filled(model: ContractType, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows with a plausible value for whatever a row does not give."""
    defaults = {
        "text": "x",
        "uuid": "00000000-0000-5000-8000-000000000000",
    }

    def value(field: pa.Field) -> Any:
        if field.nullable:
            return None
        if pa.types.is_string(field.type):
            return defaults["text"]
        if pa.types.is_timestamp(field.type):
            return NIGHT
        if pa.types.is_date(field.type):
            return NIGHT.date()
        return False if pa.types.is_boolean(field.type) else 0

    schema = arrow_schema(model)
    return pa.Table.from_pylist([{f.name: value(f) for f in schema} | row for row in rows], schema=schema)


def put(lake: Lake, model: ContractType, rows_by_key: dict[str, list[dict[str, Any]]]) -> None:
    with lake.publication(model, list(rows_by_key)) as publication:
        for key, rows in rows_by_key.items():
            if rows:
                report = publication.add(key, filled(model, rows), BUCKET if model.spec.bucketed else None)
                assert report.passed, report.sentence()
        publication.commit()


class World:
    """A lake, a landing zone and an outbox in one folder."""

    def __init__(self, folder: Path, lake: Lake) -> None:
        self.folder = folder
        self.lake = lake
        self.landing = Landing(root=str(folder / "landing"))
        self.keys = KEYS

    def run(self, keys: list[str], now: datetime, *selected: dg.AssetsDefinition) -> None:
        chosen = selected or (
            assets.device_states,
            assets.alert_actions,
            assets.alerts,
            assets.alert_deliveries,
        )
        tags = {
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        }
        result = dg.materialize(
            list(chosen),
            tags=tags,
            resources={"lake": self.lake, "landing": self.landing, "outbox": self.outbox(now)},
        )
        assert result.success

    def outbox(self, now: datetime) -> FixedOutbox:
        return FixedOutbox(
            at=now.isoformat(),
            path=str(self.folder / "outbox.db"),
            messages=str(self.folder / "outbox.jsonl"),
        )

    def alerts(self, key: str) -> list[dict]:
        return self.lake.read(Alerts, [key]).to_pylist()

    def told(self) -> list[dict]:
        path = self.folder / "outbox.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def world(shared_lake: Lake, tmp_path: Path) -> World:
    """The shared lake, whose hours are pure functions of it, with a landing zone and outbox of its own."""
    (tmp_path / "lake").symlink_to(shared_lake.root)
    return World(tmp_path, shared_lake)


@pytest.fixture(scope="module")
def shared_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A patient with two contacts, who falls at 07:30 and whose device is silent from 09:00 on."""
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    day = "2026-01-04"
    snapshot = {"snapshot_date": date(2026, 1, 4)}
    patient = snapshot | {"patient_id": "PAT000001", "wearable_patient_id": "pt-1"}
    put(
        lake,
        Patients,
        {
            day: [
                patient
                | {
                    "gender": "female",
                    "time_zone": "UTC",
                    "expected_wear_hours": 24.0,
                    "birth_date": date(1940, 1, 1),
                }
            ]
        },
    )
    put(lake, PatientIdentity, {day: [patient | {"given_name": "Erika", "family_name": "Mustermann"}]})
    worn = {"device_id": DEVICE, "patient_id": "pt-1", "valid_from": NIGHT - 99 * HOUR, "position": "waist"}
    put(lake, DeviceAssignment, {day: [snapshot | worn]})
    contacts = [
        snapshot
        | {
            "patient_id": "PAT000001",
            "contact_order": order,
            "role": role,
            "channel": "email",
            "address": f"{role}@example.org",
        }
        for order, role in ((1, "relative"), (2, "nurse"))
    ]
    put(lake, CareContacts, {day: contacts})
    put(lake, DeviceHourCoverage, {key: [covered(key)] for key in KEYS})
    put(lake, TelemetryQuarantine, {key: [] for key in KEYS})
    falls: dict[str, list[dict]] = {key: [] for key in KEYS}
    falls[FALL_HOUR] = [fall(FALL_AT, 1)]
    put(lake, FallEvents, falls)
    return lake


def covered(key: str) -> dict[str, Any]:
    start, end = window_of(key)
    heard = start.hour < 9
    return {
        "device_bucket": BUCKET,
        "device_id": DEVICE,
        "patient_id": "pt-1",
        "hour": start,
        "received_lines": 180_000 if heard else 0,
        "wear_fraction": 1.0 if heard else None,
        "battery_fraction": 0.8 if heard else None,
        "position": "waist",
        "watermark_at": end,
        "state": "FINAL",
        "verdict": "OK" if heard else "NO_DATA",
    }


def fall(at: datetime, number: int) -> dict[str, Any]:
    return {
        "device_bucket": BUCKET,
        "event_id": f"00000000-0000-5000-8000-{number:012d}",
        "device_id": DEVICE,
        "patient_id": "pt-1",
        "position": "waist",
        "impact_at": at - timedelta(seconds=3),
        "decided_at": at,
        "probability": 0.97,
        "peak_g": 6.0,
    }


def test_a_fall_becomes_an_alert_that_reaches_one_contact_however_often_the_hour_runs(world: World) -> None:
    for minutes in (1, 2):
        world.run([FALL_HOUR], FALL_AT + timedelta(minutes=minutes))
    (alert,) = world.alerts(FALL_HOUR)
    assert (alert["rule"], alert["severity"], alert["n"]) == ("FALL_DETECTED", "critical", 1)
    # The hour is over for the watermark, so its escalations are in the row; nobody is paged for them yet.
    assert alert["escalation_level"] > 0
    assert [(m["rule"], m["level"]) for m in world.told()] == [("FALL_DETECTED", 0)]

    text = (world.folder / "outbox.jsonl").read_text()
    assert not any(word in text for word in ("Erika", "Mustermann", "PAT000001", "example.org"))


def test_silence_is_an_alert_after_six_hours_and_goes_to_the_nurse_alone(world: World) -> None:
    world.run(world.keys, NIGHT + 15 * HOUR)
    states = world.lake.read(DeviceStates, world.keys).to_pylist()
    assert [r["state"] for r in states] == ["OK"] * 9 + ["SILENT"] * 2
    silent = [a for a in world.alerts("2026-01-05-14:00") if a["rule"] == "DEVICE_SILENT"]
    assert [(a["severity"], a["n"], a["state"]) for a in silent] == [("medium", 1, "OPEN")]
    assert [m["rule"] for m in world.told()] == ["DEVICE_SILENT"]


@pytest.mark.parametrize(("given", "hours"), [(None, 16.0), (0.0, 0.0), (9.0, 9.0)])
def test_a_patient_of_unknown_wear_is_expected_to_wear_the_device_by_day(
    given: float | None, hours: float, tmp_path: Path
) -> None:
    lake = Lake(root=str(tmp_path / "lake"))
    patient = {
        "snapshot_date": date(2026, 1, 4),
        "patient_id": "PAT000001",
        "wearable_patient_id": "pt-1",
        "gender": "female",
        "time_zone": "Europe/Berlin",
        "birth_date": date(1940, 1, 1),
        "expected_wear_hours": given,
    }
    put(lake, Patients, {"2026-01-04": [patient]})
    assert assets._expected_wear(lake, "2026-01-05") == {"pt-1": ExpectedWear("Europe/Berlin", hours)}


def hashes(world: World) -> dict[str, str]:
    models = (DeviceStates, AlertActions, Alerts)
    entries = [world.lake.ledger.get(m, key) for m in models for key in world.keys]
    return {f"{e.table} {e.key}": e.content_hash for e in entries}


@pytest.mark.slow
def test_hours_one_by_one_and_backwards_are_the_same_as_a_range(world: World) -> None:
    now = NIGHT + timedelta(days=9)
    world.run(world.keys, now)
    assert world.told() == [], "a backfill pages nobody"
    with world.outbox(now).ledger() as ledger:
        assert set(ledger.counts()) == {"SUPPRESSED_STALE"}
    as_range = hashes(world)
    for key in world.keys[10:1:-4]:
        world.run([key], now)
    assert hashes(world) == as_range


def test_what_a_nurse_does_on_the_command_line_is_folded_in(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run([FALL_HOUR], FALL_AT)
    (alert,) = world.alerts(FALL_HOUR)
    data = ["--data", str(world.folder)]
    assert main([*data, "list"]) == 0
    assert alert["alert_id"] in capsys.readouterr().out
    short = alert["alert_id"][:8]
    assert main([*data, "ack", short, "--by", "nurse-7", "--at", "2026-01-05T07:35:00Z"]) == 0
    closing = [*data, "close", short, "--as", "confirmed", "--by", "nurse-7", "--at"]
    assert main([*closing, "2026-01-05T07:50:00+00:00", "--text", "on the floor, unhurt"]) == 0
    published = [key for key in world.lake.ledger.keys(Alerts) if FALL_HOUR <= key <= KEYS[-1]]
    world.run(published, FALL_AT, assets.alert_actions, assets.alerts)
    (alert,) = world.alerts(FALL_HOUR)
    assert (alert["state"], alert["escalation_level"]) == ("CLOSED_CONFIRMED", 0)
    assert world.lake.read(AlertActions, [FALL_HOUR])["kind"].to_pylist() == ["acknowledge", "close"]
    capsys.readouterr()
    main([*data, "list"])
    assert alert["alert_id"] not in capsys.readouterr().out
    main([*data, "list", "--all"])
    assert "CLOSED_CONFIRMED; told to 1" in capsys.readouterr().out


def test_a_fall_that_nobody_acknowledged_is_listed_after_days_and_with_it_that_nobody_was_told(
    tmp_path: Path, shared_lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    world = small_world(tmp_path, shared_lake)
    put(world.lake, FallEvents, {KEYS[2]: [fall(FALL_AT, 1)]})
    world.run(KEYS[:5], NIGHT + timedelta(days=9))
    (alert,) = [a for a in world.alerts(KEYS[4]) if a["rule"] == "FALL_DETECTED"]
    put(world.lake, Alerts, {hour_key(NIGHT + i * HOUR): [] for i in range(24, 24 + 72)})
    main(["--data", str(tmp_path), "list"])
    shown = capsys.readouterr().out
    assert alert["alert_id"] in shown
    assert (
        "ESCALATED level 5, not judged since 2026-01-05 10:00Z; told to nobody: suppressed as stale" in shown
    )
    assert "looked at: alerts since 2026-01-05-05:00" in shown


def test_an_action_on_an_alert_that_is_not_there_is_refused_in_words(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run([FALL_HOUR], FALL_AT)
    assert main(["--data", str(world.folder), "ack", "ffff", "--by", "nurse-7"]) == 1
    assert "alert ffff: none in the last 31 days" in capsys.readouterr().err
    assert not (world.folder / "landing" / "alert_actions").exists()


def test_an_action_of_a_time_to_come_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.run([FALL_HOUR], FALL_AT)
    (alert,) = world.alerts(FALL_HOUR)
    later = (datetime.now(UTC) + HOUR).isoformat()
    acting = ["--data", str(world.folder), "ack", alert["alert_id"], "--by", "nurse-7", "--at", later]
    assert main(acting) == 1
    assert "later than now" in capsys.readouterr().err
    assert not (world.folder / "landing" / "alert_actions").exists()


def test_closing_a_fall_a_day_later_is_in_the_hour_of_the_closing(world: World) -> None:
    world.run([FALL_HOUR], FALL_AT)
    for model in (DeviceHourCoverage, TelemetryQuarantine, FallEvents):
        put(world.lake, model, {"2026-01-06-10:00": []})
    (alert,) = world.alerts(FALL_HOUR)
    closing = ["close", alert["alert_id"], "--as", "false", "--by", "nurse-7", "--at", "2026-01-06T10:05:00Z"]
    assert main(["--data", str(world.folder), *closing]) == 0
    world.run(["2026-01-06-10:00"], NIGHT + 34.2 * HOUR)
    (late,) = [a for a in world.alerts("2026-01-06-10:00") if a["rule"] == "FALL_DETECTED"]
    assert (late["alert_id"], late["state"]) == (alert["alert_id"], "CLOSED_FALSE")


def test_the_outbox_can_be_run_and_read_from_the_command_line(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(world.folder), "deliver"]) == 0
    assert "nothing was due" in capsys.readouterr().out
    world.run([FALL_HOUR], FALL_AT)
    assert main(["--data", str(world.folder), "outbox"]) == 0
    assert "SENT 1" in capsys.readouterr().out


def test_an_unregistered_device_alerts_the_platform_and_no_patient(world: World) -> None:
    line = {
        "device_bucket": BUCKET,
        "quarantine_hour": FALL_AT.replace(minute=0),
        "line_number": 1,
        "drop_key": "d",
    }
    unknown = line | {"reason": "UNKNOWN_DEVICE", "device_id": "imu-99"}
    put(world.lake, TelemetryQuarantine, {FALL_HOUR: [unknown]})
    world.run([FALL_HOUR], FALL_AT)
    (alert,) = [a for a in world.alerts(FALL_HOUR) if a["rule"] == "DEVICE_UNREGISTERED"]
    assert (alert["patient_id"], alert["device_id"]) == (None, "imu-99")


def test_a_fall_alert_needs_the_hours_falls_to_have_been_decided(world: World) -> None:
    with pytest.raises(LookupError, match="fall_events 2026-01-07-00:00"):
        world.run(["2026-01-07-00:00"], NIGHT, assets.alerts)


def scored(day: date, probability: float) -> dict[str, Any]:
    return {
        "patient_id": "pt-1",
        "day": day,
        "probability_12m": probability,
        "lower_12m": probability - 0.05,
        "upper_12m": probability + 0.05,
        "band": "high",
        "status": "SCORED",
        "confidence": 0.5,
        "components": "{}",
        "input_hash": "0" * 64,
    }


def test_the_index_alerts_once_while_it_stays_high(world: World) -> None:
    days = [date(2026, 1, 2) + timedelta(days=i) for i in range(5)]
    put(world.lake, FallRiskIndex, {str(d): [scored(d, 0.3 + 0.1 * i)] for i, d in enumerate(days)})
    for part in (days[:3], days[3:]):
        now = datetime(2026, 1, part[-1].day, tzinfo=UTC) + 26 * HOUR
        world.run([str(d) for d in part], now, assets.index_alerts, assets.index_alert_deliveries)
    shown = [world.lake.read(IndexAlerts, [str(d)]).to_pylist() for d in days]
    assert [[(a["rule"], a["n"]) for a in rows] for rows in shown] == [
        [],
        [],
        *([("INDEX_LEVEL", n)] for n in (1, 2, 3)),
    ]
    assert len({a["alert_id"] for rows in shown for a in rows}) == 1
    assert [m["rule"] for m in world.told()] == ["INDEX_LEVEL"]


def small_world(folder: Path, shared_lake: Lake) -> World:
    """A lake of its own with the clinic's tables and five hours of coverage without falls."""
    lake = Lake(root=str(folder / "lake"))
    day = "2026-01-04"
    for model in (Patients, DeviceAssignment):
        put(lake, model, {day: shared_lake.read(model, [day]).to_pylist()})
    put(lake, DeviceHourCoverage, {key: [covered(key)] for key in KEYS[:5]})
    for hourly in (TelemetryQuarantine, FallEvents):
        put(lake, hourly, {key: [] for key in KEYS[:5]})
    return World(folder, lake)


def test_hours_are_stale_when_an_earlier_hour_in_their_look_back_changed_and_not_before(
    tmp_path: Path, shared_lake: Lake
) -> None:
    world = small_world(tmp_path, shared_lake)
    folded = (assets.device_states, assets.alert_actions, assets.alerts)
    world.run(KEYS[:5], NIGHT, *folded)
    put(world.lake, DeviceHourCoverage, {KEYS[1]: [covered(KEYS[1])]})
    assert stale_alert_hours(world.lake, KEYS[:5]) == [], "the same content again"
    put(world.lake, FallEvents, {KEYS[2]: [fall(FALL_AT, 1)]})
    assert stale_alert_hours(world.lake, [KEYS[2]]) == KEYS[2:5]
    put(world.lake, DeviceHourCoverage, {KEYS[1]: [covered(KEYS[1]) | {"wear_fraction": 0.5}]})
    assert stale_alert_hours(world.lake, KEYS[1:3]) == KEYS[1:5]
    world.run(KEYS[1:5], NIGHT, *folded)
    assert stale_alert_hours(world.lake, KEYS[1:5]) == []
    assert [a["rule"] for a in world.alerts(KEYS[4])] == ["FALL_DETECTED"]
