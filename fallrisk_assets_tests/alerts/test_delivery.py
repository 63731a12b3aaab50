"""Falls that come to be known late, and who is told when nobody answers: by the clock, over a real lake."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import pytest

from fallrisk_assets.alerts import run_failure
from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.channels import Channel, PermanentFailure, SmtpChannel, TransientFailure
from fallrisk_assets.alerts.delivery import deliver, stop
from fallrisk_assets.alerts.episodes import Observation
from fallrisk_assets.alerts.notifications import Message
from fallrisk_assets.alerts.resource import VARIABLES, OutboxResource
from fallrisk_assets.alerts.rules import FALL_DETECTED
from fallrisk_assets.clinic.contract import CareContacts, Patients
from fallrisk_assets.environments import resources_for
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import device_bucket, hour_key
from fallrisk_assets.telemetry.contract import TelemetryDrops
from fallrisk_assets_tests.alerts.test_assets import filled, put
from fallrisk_assets_tests.alerts.test_channels import MESSAGE
from fallrisk_assets_tests.alerts.test_outbox import rows_of

SEVEN = datetime(2026, 1, 5, 7, tzinfo=UTC)
FALL_AT = SEVEN + timedelta(minutes=5)
DEVICE = "imu-10001"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
CONTACTS = (("patient", "email"), ("relative", "sms"), ("nurse", "email"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


class Wire:
    """A channel that keeps what it is given, and fails for the addresses that it is told to."""

    def __init__(self, **failing: Exception) -> None:
        self.failing = failing
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, message: Message, address: str) -> None:
        who = address.partition("@")[0]
        if who in self.failing:
            raise self.failing[who]
        self.sent.append((who, dict(message.data)))


class TestOutbox(OutboxResource):
    """An outbox whose clock and channels are the test's."""

    __test__ = False
    at: str
    wires: ClassVar[dict[str, dict[str, Channel]]] = {}

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)

    def channels(self) -> dict[str, Channel]:
        return self.wires[self.path]


class World:
    """A patient with three contacts, a fall at 07:05, a wire."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(root=str(folder / "lake"))
        self.folder = folder
        self.wire = Wire()
        self.channels: dict[str, Channel] = {"email": self.wire, "sms": self.wire, "webhook": self.wire}
        snapshot = {"snapshot_date": date(2026, 1, 4), "patient_id": "PAT000001"}
        person = {"wearable_patient_id": "pt-1", "time_zone": "UTC", "gender": "female"}
        put(self.lake, Patients, {"2026-01-04": [snapshot | person | {"birth_date": date(1940, 1, 1)}]})
        rows = [
            snapshot
            | {"contact_order": i, "role": role, "channel": channel, "address": f"{role}@example.org"}
            for i, (role, channel) in enumerate(CONTACTS, 1)
        ]
        put(self.lake, CareContacts, {"2026-01-04": rows})

    def received(self, *receipts: datetime, hour: datetime = SEVEN) -> None:
        rows = [
            {
                "device_bucket": device_bucket(DEVICE),
                "event_hour": hour,
                "drop_key": f"telemetry/{i}",
                "sha256": "0" * 64,
                "received_at": at,
                "device_id": DEVICE,
                "status": "READ",
            }
            for i, at in enumerate(receipts)
        ]
        with self.lake.publication(TelemetryDrops, [hour_key(hour)]) as publication:
            report = publication.add(hour_key(hour), filled(TelemetryDrops, rows), device_bucket(DEVICE))
            assert report.passed, report.sentence()
            publication.commit()

    def rows(
        self, *ats: datetime, as_of: datetime = SEVEN + HOUR, actions: Sequence[Action] = ()
    ) -> list[dict]:
        falls = [
            Observation(at, FALL_DETECTED, at.isoformat(), "pt-1", DEVICE, "critical")
            for at in ats or (FALL_AT,)
        ]
        return rows_of(falls, as_of, actions)

    def outbox(self, now: datetime) -> TestOutbox:
        path = str(self.folder / "outbox.db")
        TestOutbox.wires[path] = self.channels
        return TestOutbox(path=path, ops_channel="webhook", ops_address="ops@example.org", at=now.isoformat())

    def run(self, now: datetime, rows: list[dict] | None = None) -> None:
        deliver(self.lake, self.outbox(now), self.rows() if rows is None else rows)

    def tick(self, now: datetime) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance)
            run_failure.waiting_pages(context, lake=self.lake, outbox=self.outbox(now))

    @property
    def told(self) -> list[str]:
        return [who for who, _ in self.wire.sent]

    def counts(self) -> dict[str, int]:
        with self.outbox(SEVEN).ledger() as ledger:
            return ledger.counts()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_fall_known_an_hour_late_rings_one_phone_and_the_next_only_when_that_is_not_answered(
    world: World,
) -> None:
    world.received(SEVEN + HOUR)
    world.run(SEVEN + 61 * MINUTE)
    assert world.told == ["patient"]
    world.tick(SEVEN + 70 * MINUTE)
    assert world.told == ["patient"]
    for minutes in (71, 72, 81, 91, 101, 120):
        world.tick(SEVEN + minutes * MINUTE)
    assert world.told == ["patient", "relative", "nurse", "ops"]
    assert [m["level"] for _, m in world.wire.sent] == [0, 1, 2, 3]


def test_what_was_too_old_for_the_first_contact_is_too_old_for_the_next(world: World) -> None:
    for minutes in (70, 75, 90, 150):
        world.run(SEVEN + minutes * MINUTE)
        world.tick(SEVEN + minutes * MINUTE)
    assert [(who, m["rule"]) for who, m in world.wire.sent] == [("ops", "FALLS_TOO_OLD")]


def test_an_acknowledgement_stops_the_phones_without_any_run(world: World) -> None:
    world.run(FALL_AT)
    with world.outbox(FALL_AT).ledger() as ledger:
        stop(ledger, world.rows()[0]["alert_id"], FALL_AT + 5 * MINUTE)
    world.tick(FALL_AT + 10 * MINUTE)
    assert world.told == ["patient"]


def test_an_acknowledgement_in_the_alerts_row_stops_the_phones(world: World) -> None:
    world.run(FALL_AT)
    world.run(FALL_AT + 9 * MINUTE, [world.rows()[0] | {"acknowledged_at": FALL_AT + 5 * MINUTE}])
    world.tick(FALL_AT + 10 * MINUTE)
    assert world.told == ["patient"]


def test_a_fall_after_an_acknowledged_one_rings_again(world: World) -> None:
    world.run(FALL_AT)
    (first,) = world.rows()
    acknowledged = Action(
        first["alert_id"], "pt-1", FALL_DETECTED, FALL_AT, "acknowledge", "nurse-7", FALL_AT + 3 * MINUTE
    )
    rows = world.rows(FALL_AT, FALL_AT + 20 * MINUTE, actions=[acknowledged])
    world.run(FALL_AT + 21 * MINUTE, rows)
    world.tick(FALL_AT + 31 * MINUTE)
    assert world.told == ["patient", "patient", "relative"]


def test_a_snooze_holds_the_next_phone_until_it_ends(world: World) -> None:
    world.run(FALL_AT)
    world.run(FALL_AT + MINUTE, [world.rows()[0] | {"snoozed_until": FALL_AT + 40 * MINUTE}])
    world.tick(FALL_AT + 39 * MINUTE)
    assert world.told == ["patient"]
    world.tick(FALL_AT + 40 * MINUTE)
    assert world.told == ["patient", "relative"]


def test_acknowledging_a_fall_that_late_data_renamed_stops_the_phones(world: World) -> None:
    world.run(FALL_AT)
    renamed = world.rows(FALL_AT - 3 * MINUTE, FALL_AT)
    world.run(FALL_AT + MINUTE, renamed)
    assert world.told == ["patient"]
    world.run(FALL_AT + 2 * MINUTE, [renamed[0] | {"acknowledged_at": FALL_AT + 2 * MINUTE}])
    world.tick(FALL_AT + 10 * MINUTE)
    assert world.told == ["patient"]


def test_a_renamed_fall_that_nobody_acknowledges_rings_each_phone_once(world: World) -> None:
    world.run(FALL_AT)
    world.run(FALL_AT + MINUTE, world.rows(FALL_AT - 3 * MINUTE, FALL_AT))
    for minutes in range(10, 60, 5):
        world.tick(FALL_AT + minutes * MINUTE)
    assert world.told == ["patient", "relative", "nurse", "ops"]


def test_a_contact_who_cannot_be_reached_for_ten_minutes_is_as_one_who_does_not_answer(world: World) -> None:
    world.wire.failing = {"patient": TransientFailure("down")}
    world.run(FALL_AT + 5 * MINUTE)
    world.tick(FALL_AT + 14 * MINUTE)
    assert world.told == []
    world.tick(FALL_AT + 15 * MINUTE)
    assert world.told == ["relative"]


def test_a_drop_that_comes_late_is_told_of_within_an_hour_of_its_receipt(world: World) -> None:
    world.received(SEVEN + 20 * MINUTE, FALL_AT + 3 * HOUR)
    world.run(FALL_AT + 3 * HOUR + 59 * MINUTE)
    assert world.told == ["patient"]


def test_a_drop_that_comes_after_six_hours_pages_nobody_and_the_platform_hears_of_it_once(
    world: World,
) -> None:
    late = FALL_AT + 6 * HOUR + MINUTE
    world.received(late)
    falls = world.rows(FALL_AT - 45 * MINUTE, FALL_AT)
    for minutes in (0, 1, 2):
        world.run(late + minutes * MINUTE, falls)
        world.tick(late + minutes * MINUTE)
    assert [(who, m["rule"]) for who, m in world.wire.sent] == [("ops", "FALLS_TOO_OLD")]


def test_a_backfill_of_falls_is_no_news_to_the_platform_either(world: World) -> None:
    world.received(SEVEN + HOUR)
    world.run(SEVEN + timedelta(days=9))
    assert world.told == []
    assert world.counts() == {"SUPPRESSED_STALE": 1}


def test_a_page_that_fails_goes_to_the_next_contact_at_once_and_the_platform_hears_of_it(
    world: World,
) -> None:
    world.wire.failing = {"patient": PermanentFailure("no such mailbox")}
    del world.channels["sms"]
    world.run(FALL_AT)
    assert [(who, m["rule"]) for who, m in world.wire.sent if who == "nurse"] == [("nurse", FALL_DETECTED)]
    assert [m["rule"] for who, m in world.wire.sent if who == "ops"] == ["PAGE_FAILED"]
    assert world.counts()["FAILED"] == 2


@pytest.mark.parametrize("severity", ["critical", "medium"])
def test_one_mistyped_address_silences_nobody_else_and_the_platform_hears_of_it(
    severity: str, world: World
) -> None:
    world.wire.failing = {"nurse": IndexError("string index out of range"), "patient": IndexError()}
    row = world.rows()[0] | {"severity": severity}
    other = row | {"alert_id": "00000000-0000-5000-8000-000000000002", "patient_id": "pt-2"}
    world.run(FALL_AT + MINUTE, [row, other])
    told = [(who, m["rule"]) for who, m in world.wire.sent]
    assert ("ops", "FALL_DETECTED") in told, "another patient's page, who has no contact of its own"
    assert ("ops", "PAGE_FAILED") in told
    assert world.counts()["FAILED"] == 1


def test_without_a_setting_every_channel_is_the_file(tmp_path: Path) -> None:
    outbox = OutboxResource(messages=str(tmp_path / "outbox.jsonl"))
    outbox.channels()["sms"].send(MESSAGE, "nobody")
    assert json.loads((tmp_path / "outbox.jsonl").read_text())["rule"] == "RUN_FAILED"
    assert outbox.ops().channel == "file"


@pytest.mark.parametrize("environment", ["local", "aws"])
def test_the_shipped_product_mails_as_the_environment_says(
    environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = resources_for(environment)["outbox"]  # type: ignore[arg-type]
    settings = {
        "SMTP_HOST": "mail.example",
        "SMTP_PORT": "587",
        "SMTP_SENDER": "fall@example.org",
        "SMTP_USERNAME": "u",
        "SMTP_PASSWORD": "p",
        "SMTP_STARTTLS": "true",
        "OPS_CHANNEL": "email",
        "OPS_ADDRESS": "ops@example.org",
        "ALERT_LINK": "https://pages.example/{alert_id}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"FALLRISK_{name}", value)
    assert outbox.channels()["email"] == SmtpChannel("mail.example", 587, "fall@example.org", "u", "p", True)
    assert (outbox.ops().channel, outbox.ops().address) == ("email", "ops@example.org")
    assert outbox.alert_link() == "https://pages.example/{alert_id}"


@pytest.mark.parametrize("variable", ["FALLRISK_SMTP_HOST", "FALLRISK_SEND_WEBHOOKS"])
def test_once_a_channel_is_real_the_others_are_not_the_file(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    outbox = OutboxResource()
    assert not {"sms", "phone"} & set(outbox.channels())
    assert outbox.ops().channel not in outbox.channels(), "a forgotten ops contact fails visibly"


@pytest.mark.parametrize(
    ("variable", "value"), [("FALLRISK_SMTP_PORT", "smtp"), ("FALLRISK_SMTP_STARTTLS", "maybe")]
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALLRISK_SMTP_HOST", "mail.example")
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=variable):
        OutboxResource().channels()
