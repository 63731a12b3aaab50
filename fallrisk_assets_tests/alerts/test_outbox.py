"""The delivery ledger: once, in time, and never rebuilt."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from fallrisk_assets.alerts.actions import Action
from fallrisk_assets.alerts.channels import FileChannel, PermanentFailure, TransientFailure
from fallrisk_assets.alerts.contacts import Contact, address_book, contact_id, contacts_by_patient
from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.delivery import is_over
from fallrisk_assets.alerts.episodes import Observation, fold
from fallrisk_assets.alerts.escalation import next_pages
from fallrisk_assets.alerts.listing import in_words
from fallrisk_assets.alerts.notifications import Message, Page, message_of, ops_alert, ops_contact, pages_of
from fallrisk_assets.alerts.outbox import CRITICAL, Ledger, OutboxBusy
from fallrisk_assets.alerts.rules import DEVICE_SILENT, FALL_DETECTED, HOURLY_LOOK_BACK
from fallrisk_assets.alerts.slices import alerts_table, slice_alerts

T0 = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
OPS = ops_contact("file", "ops@example.org")


def contact(order: int, role: str, **more: object) -> Contact:
    return Contact(
        contact_id("pt-1", order, role, "file"), role, "file", f"{role}@example.org", order, **more
    )  # type: ignore[arg-type]


LADDER = {"pt-1": [contact(1, "relative"), contact(2, "nurse"), contact(3, "on-call")]}
BOOK = address_book(LADDER, OPS)


class Recorder:
    """A channel that remembers, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[tuple[str, Message]] = []

    def send(self, message: Message, address: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((address, message))


def rows_of(observations: list[Observation], as_of: datetime, actions: Sequence[Action] = ()) -> list[dict]:
    alerts = fold(observations, actions, end=as_of, as_of=as_of, look_back=HOURLY_LOOK_BACK)
    return alerts_table(Alerts, alerts, start=as_of - HOUR, as_of=as_of).to_pylist()


def fall_pages(as_of: datetime = T0 + MINUTE, at: datetime = T0) -> list[Page]:
    fall = Observation(at, FALL_DETECTED, f"e-{at}", "pt-1", "imu-1", "critical")
    return pages_of(rows_of([fall], as_of), LADDER, OPS, {"pt-1": "Europe/Berlin"})


def silence_pages() -> list[Page]:
    silent = Observation(T0.replace(minute=0), DEVICE_SILENT, "s", "pt-1", "imu-1")
    return pages_of(rows_of([silent], T0 + HOUR), LADDER, OPS)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "outbox.db") as opened:
        yield opened


def test_a_fall_pages_the_first_contact_once_however_often_the_hour_is_run(ledger: Ledger) -> None:
    channel = Recorder()
    for i in range(4):
        ledger.enqueue(fall_pages(), T0 + i * MINUTE)
        ledger.deliver(T0 + i * MINUTE, {"file": channel}, BOOK)
    assert [address for address, _ in channel.sent] == ["relative@example.org"]


def test_an_unacknowledged_critical_goes_to_the_next_contact_and_at_last_to_the_fallback(
    ledger: Ledger,
) -> None:
    channel = Recorder()
    for page in fall_pages():
        ledger.note(page.alert_id, CRITICAL, T0)
    for minutes in (1, 11, 21, 31, 41, 51):
        now = T0 + minutes * MINUTE
        further, _ = next_pages(ledger.ladders(T0), LADDER, OPS, now)
        ledger.enqueue([*fall_pages(now), *further], now)
        ledger.deliver(now, {"file": channel}, BOOK)
    assert [a for a, _ in channel.sent] == [
        f"{r}@example.org" for r in ("relative", "nurse", "on-call", "ops")
    ]


def test_what_is_not_critical_goes_to_staff_and_not_to_relatives(ledger: Ledger) -> None:
    assert [BOOK[p.contact_id].role for p in silence_pages()] == ["nurse"]


def test_a_patient_without_contacts_alerts_the_fallback() -> None:
    fall = Observation(T0, FALL_DETECTED, "e", "pt-404", "imu-1", "critical")
    (page,) = pages_of(rows_of([fall], T0 + MINUTE), LADDER, OPS)
    assert page.contact_id == OPS.contact_id


def test_a_backfill_pages_nobody(ledger: Ledger) -> None:
    channel = Recorder()
    now = T0 + timedelta(days=30)
    for day in range(20):
        at = T0 + timedelta(days=day)
        ledger.enqueue(fall_pages(at + HOUR, at), now)
    report = ledger.deliver(now, {"file": channel}, BOOK)
    assert channel.sent == []
    assert set(report.states) == {"SUPPRESSED_STALE"}
    assert ledger.counts() == {"SUPPRESSED_STALE": report.states["SUPPRESSED_STALE"]}


def test_stale_begins_after_sixty_minutes(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(), T0)
    assert ledger.deliver(T0 + 60 * MINUTE, {"file": Recorder()}, BOOK).states == {"SENT": 1}


def test_the_state_of_an_hour_is_fresh_for_an_hour_after_the_hours_end(ledger: Ledger) -> None:
    ledger.enqueue(silence_pages(), T0)
    end_of_hour = T0.replace(minute=0) + HOUR
    assert ledger.deliver(end_of_hour + 59 * MINUTE, {"file": Recorder()}, BOOK).states == {"SENT": 1}


def test_an_alert_that_late_data_renamed_does_not_ring_twice(ledger: Ledger) -> None:
    falls = [Observation(T0 - d * MINUTE, FALL_DETECTED, str(d), "pt-1", "imu-1", "critical") for d in (0, 3)]
    channel = Recorder()
    for seen in (falls[:1], falls):
        ledger.enqueue(pages_of(rows_of(seen, T0 + MINUTE), LADDER, OPS), T0 + MINUTE)
        ledger.deliver(T0 + MINUTE, {"file": channel}, BOOK)
    assert len(channel.sent) == 1
    assert ledger.counts() == {"SENT": 1, "SUPPRESSED_DUPLICATE": 1}


def test_the_ledger_says_who_was_told_of_an_alert_under_any_of_its_names(ledger: Ledger) -> None:
    (first,) = fall_pages()
    renamed = replace(first, alert_id="renamed", opened_at=T0 - MINUTE)
    ledger.enqueue([first, renamed], T0)
    assert ledger.told("renamed") == {"PENDING": 1}
    ledger.deliver(T0, {"file": Recorder()}, BOOK)
    ledger.enqueue([replace(first, level=1, contact_id=LADDER["pt-1"][1].contact_id)], T0)
    assert [ledger.told(i) for i in (first.alert_id, "renamed")] == [{"SENT": 1, "PENDING": 1}, {"SENT": 1}]
    ledger.deliver(T0 + 2 * HOUR, {"file": Recorder()}, BOOK)
    assert ledger.told(first.alert_id) == {"SENT": 1, "SUPPRESSED_STALE": 1}
    assert ledger.told("unknown") == {}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "told to nobody: nothing in the delivery ledger"),
        ({"SUPPRESSED_STALE": 1}, "told to nobody: suppressed as stale"),
        ({"FAILED": 1, "PENDING": 2}, "told to nobody: failed, waiting"),
        ({"SENT": 2, "WITHDRAWN": 1}, "told to 2"),
        ({"SENT": 1, "FAILED": 1}, "told to 1, 1 failed"),
    ],
)
def test_the_list_says_in_words_what_the_ledger_says(told: dict[str, int], words: str) -> None:
    assert in_words(told) == words


def test_a_second_alert_minutes_later_does_ring(ledger: Ledger) -> None:
    channel = Recorder()
    for at in (T0, T0 + 10 * MINUTE):
        ledger.enqueue(fall_pages(at + MINUTE, at), at + MINUTE)
        ledger.deliver(at + MINUTE, {"file": channel}, BOOK)
    assert len(channel.sent) == 2


def silence_rows(hour: datetime, start: datetime, hours: int) -> list[dict]:
    """The rows of one hour of a silence of `hours` hours from `start` on; after them the device is heard."""
    seen = [
        Observation(
            start + i * HOUR, DEVICE_SILENT, str(i), "pt-1", "imu-1", clear=i == hours, since=start - 6 * HOUR
        )
        for i in range(hours + 1)
    ]
    end = hour + HOUR
    table = slice_alerts(Alerts, seen, [], start=hour, end=end, as_of=end, look_back=HOURLY_LOOK_BACK)
    return table.to_pylist()


def live(
    ledger: Ledger, start: datetime, hours: int, book: dict, down: int = 0, lost: tuple[Exception, ...] = ()
) -> list[datetime]:
    """Run each hour of a silence as it ends, but for the first `down`; returns when somebody was told."""
    channel = Recorder(*lost)
    told = []
    for i in range(down, hours + 5):
        hour, now = start + i * HOUR, start + (i + 1) * HOUR
        rows = silence_rows(hour, start, hours)
        ledger.enqueue(pages_of(rows, LADDER, OPS), now)
        ledger.withdraw({r["alert_id"] for r in rows if is_over(r)}, now)
        before = len(channel.sent)
        ledger.deliver(now, {"file": channel}, book)
        told += [now] * (len(channel.sent) - before)
    return told


@pytest.mark.parametrize(("begins", "parts"), [(1, 9), (9, 8)])
def test_a_silence_of_four_days_rings_once(begins: int, parts: int, ledger: Ledger) -> None:
    start = datetime(2026, 1, 5, begins, tzinfo=UTC)
    assert live(ledger, start, 96, BOOK) == [start + HOUR]
    assert ledger.counts()["SUPPRESSED_DUPLICATE"] == parts - 1


def test_a_silence_of_which_nobody_was_told_rings_where_it_continues(ledger: Ledger) -> None:
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert live(ledger, start, 60, BOOK, down=5) == [datetime(2026, 1, 6, 1, tzinfo=UTC)]


def test_a_page_that_could_not_be_delivered_is_made_up_for_where_the_silence_continues(
    ledger: Ledger,
) -> None:
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    told = live(ledger, start, 60, BOOK, lost=(PermanentFailure("no such mailbox"),))
    assert told == [datetime(2026, 1, 6, 1, tzinfo=UTC)]


@pytest.mark.parametrize(("hours", "told_in_the_morning"), [(30, True), (7, False)])
def test_a_page_held_overnight_outlives_the_cut_but_not_the_silence(
    hours: int, told_in_the_morning: bool, ledger: Ledger
) -> None:
    night = contact(2, "nurse", quiet_from=time(19), quiet_to=time(6))
    start = datetime(2026, 1, 5, 19, tzinfo=UTC)
    told = live(ledger, start, hours, BOOK | {night.contact_id: night})
    assert told == [datetime(2026, 1, 6, 6, tzinfo=UTC)] * told_in_the_morning


def test_quiet_hours_hold_back_what_is_not_critical_and_nothing_else(ledger: Ledger) -> None:
    quiet = contact(2, "nurse", quiet_from=time(21), quiet_to=time(9, 30), time_zone="Europe/Berlin")
    book = BOOK | {quiet.contact_id: quiet}
    channel = Recorder()
    ledger.enqueue(silence_pages(), T0 + MINUTE)
    ledger.enqueue([replace(p, contact_id=quiet.contact_id) for p in fall_pages()], T0)
    assert ledger.deliver(T0 + 11 * MINUTE, {"file": channel}, book).states == {"SENT": 1, "PENDING": 1}
    assert [m.data["rule"] for _, m in channel.sent] == ["FALL_DETECTED"]
    assert ledger.deliver(T0 + 59 * MINUTE, {"file": channel}, book).states == {}
    assert ledger.deliver(T0 + 61 * MINUTE, {"file": channel}, book).states == {"SENT": 1}


@pytest.mark.parametrize("over", [False, True])
def test_what_waited_through_the_night_is_sent_in_the_morning_unless_it_is_over(
    over: bool, ledger: Ledger
) -> None:
    night = contact(2, "nurse", quiet_from=time(7), quiet_to=time(6))
    book = BOOK | {night.contact_id: night}
    ledger.enqueue(silence_pages(), T0 + HOUR)
    ledger.deliver(T0 + HOUR, {"file": Recorder()}, book)
    (waiting,) = ledger.deliveries("PENDING")
    assert waiting.next_attempt_at == datetime(2026, 1, 6, 6, tzinfo=UTC)
    assert ledger.oldest_pending() == waiting.next_attempt_at
    if over:
        assert ledger.withdraw([waiting.page.alert_id], T0 + 2 * HOUR) == 1
    morning = ledger.deliver(datetime(2026, 1, 6, 6, 5, tzinfo=UTC), {"file": Recorder()}, book)
    assert morning.states == ({} if over else {"SENT": 1})


@pytest.mark.parametrize(
    ("local", "quiet"),
    [("20:59", False), ("21:00", True), ("02:00", True), ("06:59", True), ("07:00", False)],
)
def test_quiet_hours_are_local_and_cross_midnight(local: str, quiet: bool) -> None:
    nurse = contact(1, "nurse", quiet_from=time(21), quiet_to=time(7), time_zone="America/New_York")
    at = datetime.fromisoformat(f"2026-01-05T{local}:00-05:00").astimezone(UTC)
    until = nurse.quiet_until(at)
    assert (until is not None) == quiet
    assert until is None or until > at
    assert until is None or until.astimezone(at.tzinfo).strftime("%H:%M") == "12:00"


def test_a_transient_failure_is_tried_again_later_and_later(ledger: Ledger) -> None:
    channel = Recorder(*[TransientFailure("down")] * 3)
    ledger.enqueue(fall_pages(), T0)
    now, waits = T0, []
    while ledger.deliveries("PENDING"):
        ledger.deliver(now, {"file": channel}, BOOK)
        if waiting := ledger.deliveries("PENDING"):
            waits.append((waiting[0].next_attempt_at or now) - now)
            assert ledger.deliver(now + waits[-1] / 2, {"file": channel}, BOOK).states == {}
            now += waits[-1]
    assert [w.total_seconds() for w in waits] == [15, 30, 60]
    assert ledger.history(channel.sent[0][1].idempotency_key) == ["PENDING"] * 4 + ["SENT"]


def test_the_receivers_wish_to_wait_is_granted_within_limits(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(), T0)
    ledger.deliver(T0, {"file": Recorder(TransientFailure("busy", retry_after_s=120))}, BOOK)
    (waiting,) = ledger.deliveries("PENDING")
    assert waiting.next_attempt_at == T0 + 2 * MINUTE


def test_a_channel_that_stays_down_ends_as_a_visible_failure_and_not_as_stale(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(), T0)
    ledger.deliver(T0, {"file": Recorder(TransientFailure("down"))}, BOOK)
    report = ledger.deliver(T0 + 2 * HOUR, {"file": Recorder()}, BOOK)
    assert report.states == {"FAILED": 1}
    assert "given up after 1 attempts: retry: down" in report.failures[0]


def test_a_permanent_failure_is_not_tried_again_and_is_visible(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(), T0)
    report = ledger.deliver(T0, {"file": Recorder(PermanentFailure("no such mailbox"))}, BOOK)
    assert "no such mailbox" in report.failures[0]
    assert ledger.deliver(T0 + MINUTE, {"file": Recorder()}, BOOK).states == {}


@pytest.mark.parametrize(("channels", "book"), [({}, BOOK), ({"file": Recorder()}, {})])
def test_a_missing_channel_or_contact_is_a_visible_failure(
    channels: dict, book: dict, ledger: Ledger
) -> None:
    ledger.enqueue(fall_pages(), T0)
    assert ledger.deliver(T0, channels, book).states == {"FAILED": 1}


def test_one_failing_page_does_not_hold_up_the_others(ledger: Ledger) -> None:
    ledger.enqueue([*fall_pages(), *silence_pages()], T0)
    channel = Recorder(PermanentFailure("no"))
    assert ledger.deliver(T0 + MINUTE, {"file": channel}, BOOK).states == {"FAILED": 1, "SENT": 1}


@pytest.mark.parametrize(
    "fault", [IndexError("nurse@example.org"), UnicodeError("nurse@example.org"), KeyError()]
)
def test_a_message_that_no_channel_can_make_is_a_lasting_failure_of_that_message_only(
    fault: Exception, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.enqueue([*fall_pages(), *silence_pages()], T0)
    report = ledger.deliver(T0 + MINUTE, {"file": Recorder(fault)}, BOOK)
    assert "in send, line" in caplog.text, "where it broke, for whoever mends it"
    assert "example.org" not in caplog.text
    assert report.states == {"FAILED": 1, "SENT": 1}
    assert type(fault).__name__ in report.failures[0]
    assert "example.org" not in report.failures[0]
    assert ledger.deliver(T0 + 2 * MINUTE, {"file": Recorder()}, BOOK).states == {}


def test_an_unknown_time_zone_costs_that_contacts_page_and_not_the_others(ledger: Ledger) -> None:
    lost = contact(2, "nurse", quiet_from=time(21), quiet_to=time(7), time_zone="Mars/Olympus")
    ledger.enqueue([*silence_pages(), *fall_pages()], T0)
    report = ledger.deliver(T0 + MINUTE, {"file": Recorder()}, BOOK | {lost.contact_id: lost})
    assert report.states == {"FAILED": 1, "SENT": 1}


def test_an_outage_that_a_channel_did_not_put_into_words_is_tried_again(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(), T0)
    down = Recorder(ConnectionResetError("nurse@example.org"))
    assert ledger.deliver(T0, {"file": down}, BOOK).states == {"PENDING": 1}
    (waiting,) = ledger.deliveries("PENDING")
    assert waiting.detail == "retry: ConnectionResetError"
    assert ledger.deliver(T0 + MINUTE, {"file": down}, BOOK).states == {"SENT": 1}


def test_critical_pages_leave_first(ledger: Ledger) -> None:
    channel = Recorder()
    early = ops_alert("RUN_FAILED", "telemetry_hourly", at=T0 - 30 * MINUTE, contact=OPS)
    ledger.enqueue([early, *fall_pages()], T0)
    ledger.deliver(T0, {"file": channel}, BOOK)
    assert [m.data["severity"] for _, m in channel.sent] == ["critical", "high"]


def test_the_ledger_refuses_to_be_rewritten(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(), T0)
    other = sqlite3.connect(ledger.path)
    for statement in ("delete from deliveries", "delete from events", "update events set state = 'SENT'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


def test_the_ledger_holds_no_address(ledger: Ledger) -> None:
    ledger.enqueue(fall_pages(T0 + HOUR), T0)
    ledger.deliver(T0, {"file": Recorder()}, BOOK)
    assert b"example.org" not in b"".join(p.read_bytes() for p in ledger.path.parent.iterdir())


def test_only_one_process_delivers_at_a_time(ledger: Ledger) -> None:
    class Nested(Recorder):
        def send(self, message: Message, address: str) -> None:
            with Ledger(ledger.path) as second, pytest.raises(OutboxBusy):
                second.deliver(T0, {"file": Recorder()}, BOOK)
            super().send(message, address)

    ledger.enqueue(fall_pages(), T0)
    assert ledger.deliver(T0, {"file": Nested()}, BOOK).states == {"SENT": 1}


_CRASH = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from fallrisk_assets.alerts.channels import FileChannel
from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets_tests.alerts.test_outbox import BOOK, T0

class Crashing:
    def send(self, message, address):
        FileChannel(Path(sys.argv[2])).send(message, address)
        os.kill(os.getpid(), signal.SIGKILL)

Ledger(Path(sys.argv[1])).deliver(T0, {"file": Crashing()}, BOOK)
"""


def test_a_kill_between_sending_and_marking_sends_again_with_the_same_key(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.enqueue(fall_pages(), T0)
    messages = tmp_path / "messages.jsonl"
    killed = subprocess.run(
        [sys.executable, "-c", _CRASH, str(ledger.path), str(messages)], env=_path(), check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert ledger.counts() == {"PENDING": 1}
    ledger.deliver(T0 + MINUTE, {"file": FileChannel(messages)}, BOOK)
    assert ledger.counts() == {"SENT": 1}
    keys = [json.loads(line)["idempotencyKey"] for line in messages.read_text().splitlines()]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def _path() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_run_that_keeps_failing_is_one_page_an_hour(ledger: Ledger) -> None:
    channel = Recorder()
    for i in range(12):
        at = T0 + i * 10 * MINUTE
        page = ops_alert("RUN_FAILED", "telemetry_hourly", at=at, contact=OPS, reference=f"run-{i}")
        ledger.enqueue([page, page], at)
        ledger.deliver(at, {"file": channel}, BOOK)
    assert len(channel.sent) == 2


def test_a_message_says_what_when_and_where_and_names_nobody() -> None:
    (page,) = fall_pages()
    message = message_of(page, "https://pages.example/alerts/{alert_id}")
    assert message.headline == "[critical] Fall detected: pt-1"
    assert "2026-01-05T07:30:00+00:00 (2026-01-05 08:30 Europe/Berlin)" in message.text
    assert f"https://pages.example/alerts/{page.alert_id}" in message.text
    assert set(message.data) == {
        "idempotencyKey",
        "alertId",
        "subject",
        "rule",
        "severity",
        "transition",
        "level",
        "at",
        "localTime",
        "link",
    }


def test_no_name_and_no_address_reaches_a_message() -> None:
    patients = pa.table(
        {"patient_id": ["PAT000001"], "wearable_patient_id": ["pt-1"], "time_zone": ["Europe/Berlin"]}
    )
    care = pa.table(
        {
            "patient_id": ["PAT000001", "PAT000002"],
            "contact_order": [1, 1],
            "role": ["relative", "relative"],
            "channel": ["email", "email"],
            "address": ["erika.mustermann@example.org", "x@example.org"],
            "quiet_from": ["22:00", None],
            "quiet_to": ["07:00", None],
        }
    )
    contacts = contacts_by_patient(care, patients)
    assert list(contacts) == ["pt-1"]
    fall = Observation(T0, FALL_DETECTED, "e", "pt-1", "imu-1", "critical")
    (page,) = pages_of(rows_of([fall], T0 + MINUTE), contacts, OPS)
    message = message_of(page, "https://pages.example")
    told = message.headline + message.text + json.dumps(dict(message.data))
    assert not any(word in told.lower() for word in ("erika", "mustermann", "pat000001", "example.org"))


def test_an_unregistered_devices_id_cannot_write_mail_headers() -> None:
    page = ops_alert("SENSOR_FAILED", "imu-1\r\nBcc: all@example.org", at=T0, contact=OPS)
    assert "\n" not in message_of(page, "").headline
