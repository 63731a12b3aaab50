"""Falls found live are told at once, and never again by the hourly assets."""

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fallrisk_assets.alerts.actions import ACTIONS_FOLDER, Action
from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.delivery import deliver
from fallrisk_assets.alerts.episodes import fold
from fallrisk_assets.alerts.observations import fall_observations
from fallrisk_assets.alerts.outbox import OutboxBusy
from fallrisk_assets.alerts.rules import FALL_DETECTED, HOURLY_LOOK_BACK
from fallrisk_assets.alerts.slices import alerts_table
from fallrisk_assets.clinic.contract import CareContacts, Patients
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import device_bucket, hour_key
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.falls import event_id
from fallrisk_assets.streams.live import LiveFall
from fallrisk_assets.streams.live_alerts import LiveAlerts, Teller
from fallrisk_assets_tests.alerts.test_assets import FixedOutbox, filled, put

SEVEN = datetime(2026, 1, 5, 7, tzinfo=UTC)
DEVICE, PATIENT = "imu-1", "pt-1"
MINUTE = timedelta(minutes=1)


def us(at):
    return round(at.timestamp() * 1e6)


def fall(at=SEVEN + 5 * MINUTE, probability=0.9, received=None, device=DEVICE):
    impact, decided = us(at), us(at) + 3_500_000
    received_us = us(received) if received else decided + 300_000
    return LiveFall(
        event_id(device, impact), device, PATIENT, "waist", impact, decided, probability, received_us
    )


class World:
    """A lake with one patient and two contacts, a landing zone, an outbox with a clock."""

    def __init__(self, folder, landing):
        self.folder, self.landing = folder, landing
        self.lake = Lake(root=str(folder / "lake"))
        snapshot = {"snapshot_date": date(2026, 1, 4), "patient_id": "PAT000001"}
        person = {"wearable_patient_id": PATIENT, "time_zone": "UTC", "gender": "female"}
        put(self.lake, Patients, {"2026-01-04": [snapshot | person | {"birth_date": date(1940, 1, 1)}]})
        contact = {"contact_order": 1, "role": "relative", "channel": "sms", "address": "+1 555 0100"}
        put(self.lake, CareContacts, {"2026-01-04": [snapshot | contact]})

    def outbox(self, now=SEVEN + 6 * MINUTE):
        return FixedOutbox(
            at=now.isoformat(),
            path=str(self.folder / "outbox.db"),
            messages=str(self.folder / "outbox.jsonl"),
        )

    def live(self, now=SEVEN + 6 * MINUTE):
        return LiveAlerts(self.lake, self.landing, self.outbox(now))

    def publish(self, *falls, hour=SEVEN):
        """Publish falls as the hourly asset finds them."""
        rows = [
            {
                "device_bucket": device_bucket(f.device_id),
                "event_id": f.event_id,
                "device_id": f.device_id,
                "patient_id": f.patient_id,
                "position": f.position,
                "impact_at": datetime.fromtimestamp(f.impact_us / 1e6, UTC),
                "decided_at": datetime.fromtimestamp(f.decided_us / 1e6, UTC),
                "probability": f.probability,
                "peak_g": 3.0,
                "model_version": "fall_detector-2+0",
            }
            for f in falls
        ]
        with self.lake.publication(FallEvents, [hour_key(hour)]) as publication:
            report = publication.add(hour_key(hour), filled(FallEvents, rows), device_bucket(DEVICE))
            assert report.passed, report.sentence()
            publication.commit()

    def hourly(self, *falls, now=SEVEN + 63 * MINUTE):
        """What the hourly assets do with the falls that they find."""
        self.publish(*falls)
        table = self.lake.read(FallEvents, [hour_key(SEVEN)])
        end = SEVEN + 60 * MINUTE
        alerts = fold(fall_observations(table), [], end=end, as_of=end, look_back=HOURLY_LOOK_BACK)
        rows = alerts_table(Alerts, alerts, start=SEVEN, as_of=end).to_pylist()
        deliver(self.lake, self.outbox(now), rows)
        return {row["alert_id"] for row in rows}

    def sent(self, level=0):
        with self.outbox().ledger() as ledger:
            return [d for d in ledger.deliveries("SENT") if d.page.level == level]


@pytest.fixture
def world(tmp_path, landing):
    return World(tmp_path, landing)


def test_a_fall_is_told_at_once_and_the_hour_that_finds_it_too_is_the_same_alert(world):
    told = world.live().tell([fall()])
    assert [d.page.alert_id for d in world.sent()] == list(told)
    assert world.hourly(fall(), now=SEVEN + 9 * MINUTE) == told
    assert len(world.sent()) == 1


@pytest.mark.parametrize("shift_s", [-2.0, -0.5, 0.02, 2.0])
def test_an_impact_that_late_samples_move_by_two_seconds_calls_nobody_twice(world, shift_s):
    told = world.live().tell([fall()])
    moved = fall(SEVEN + 5 * MINUTE + timedelta(seconds=shift_s))
    assert world.hourly(moved, now=SEVEN + 9 * MINUTE) != told
    assert len(world.sent()) == 1


@pytest.mark.parametrize("shift_s", [0.0, 1.5])
def test_a_fall_that_the_hour_told_first_is_not_told_again_live(world, shift_s):
    world.hourly(fall(), now=SEVEN + 6 * MINUTE)
    world.live(SEVEN + 7 * MINUTE).tell([fall(SEVEN + 5 * MINUTE + timedelta(seconds=shift_s))])
    assert len(world.sent()) == 1


def test_falls_of_one_episode_are_one_call_as_in_the_hourly_alerts(world):
    live = world.live(SEVEN + 31 * MINUTE)
    falls = [fall(SEVEN + n * MINUTE) for n in (5, 15, 30)]
    told = set().union(*(live.tell([one]) for one in falls))
    assert world.hourly(*falls, now=SEVEN + 32 * MINUTE) == told
    assert len(told) == len(world.sent()) == 1


def test_a_process_that_was_restarted_calls_nobody_twice_in_one_episode(world):
    first, second = fall(), fall(SEVEN + 20 * MINUTE)
    world.live().tell([first])
    world.live(SEVEN + 9 * MINUTE).tell([first])
    world.live(SEVEN + 21 * MINUTE).tell([second])
    assert len(world.sent()) == 1


def test_a_fall_after_somebody_answered_calls_again(world):
    (alert_id,) = world.live().tell([fall()])
    opened_at = datetime.fromtimestamp(fall().decided_us / 1e6, UTC)
    done = Action(alert_id, PATIENT, FALL_DETECTED, opened_at, "acknowledge", "nurse-1", SEVEN + 10 * MINUTE)
    world.landing.put_if_absent(f"{ACTIONS_FOLDER}/{done.file_name}", done.to_json().encode())
    world.live(SEVEN + 21 * MINUTE).tell([fall(SEVEN + 20 * MINUTE)])
    assert len(world.sent()) == 2


def test_a_message_that_the_broker_held_for_two_hours_is_told_when_it_comes(world):
    late = fall(received=SEVEN + 125 * MINUTE)
    world.live(SEVEN + 125 * MINUTE).tell([late])
    assert len(world.sent()) == 1


def test_what_a_replay_finds_of_last_week_calls_nobody(world):
    world.live(SEVEN + timedelta(days=7)).tell([fall()])
    assert world.sent() == []
    with world.outbox().ledger() as ledger:
        assert "SUPPRESSED_STALE" in ledger.counts()


def test_falls_of_two_people_are_two_calls(world):
    other = replace(fall(device="imu-2"), patient_id="pt-2")
    assert len(world.live().tell([fall(), other])) == 2
    assert len(world.sent()) == 2


def test_a_teller_tries_until_it_is_told_and_never_drops_a_fall():
    fails = [OutboxBusy("busy"), OSError("the catalog does not answer")]
    told = []

    def tell(falls):
        if fails:
            raise fails.pop()
        told.extend(falls)

    clock = fall().received_us / 1e6 + 0.25
    teller = Teller(tell, clock=lambda: clock, pause=lambda _: None)
    teller.start()
    teller.put([fall()])
    teller.stop()
    assert told == [fall()]
    assert list(teller.delays_s) == [pytest.approx(0.25)]
    assert teller.is_idle


def test_a_teller_that_cannot_go_on_is_told_to_whoever_finds_falls(monkeypatch):
    def tell(_):
        raise ValueError("a defect")

    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # where it is shown, too
    teller = Teller(tell)
    teller.start()
    teller.put([fall()])
    teller._thread.join(10)
    with pytest.raises(RuntimeError, match="falls are told no more: a defect"):
        teller.put([fall()])


def test_a_teller_that_shall_end_names_the_falls_that_it_could_not_tell():
    now = [0.0]

    def pause(seconds):
        now[0] += seconds

    def tell(_):
        raise OSError("no lake")

    teller = Teller(tell, clock=lambda: now[0], pause=pause)
    teller._ends_at = 20.0
    with pytest.raises(RuntimeError, match=fall().event_id):
        teller._until_told([fall()])
