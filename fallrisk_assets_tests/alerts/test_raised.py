"""A fall that is critical although its alert opened as less."""

from datetime import time

import pytest

from fallrisk_assets.alerts.contacts import address_book
from fallrisk_assets.alerts.delivery import note_states
from fallrisk_assets.alerts.episodes import Observation
from fallrisk_assets.alerts.escalation import next_pages
from fallrisk_assets.alerts.notifications import pages_of
from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets.alerts.rules import FALL_DETECTED
from fallrisk_assets_tests.alerts.test_outbox import HOUR, MINUTE, OPS, T0, Recorder, contact, ledger, rows_of

__all__ = ["ledger"]

NIGHT_NURSE = contact(1, "nurse", quiet_from=time(7), quiet_to=time(6))
AT_NIGHT = {"pt-1": [NIGHT_NURSE, contact(3, "on-call")]}


def at_night(ledger: Ledger, seen: list[Observation], *minutes: int) -> list[tuple[str, str]]:
    """Run the hour of falls that are held by quiet hours at these minutes; whom it told, how gravely."""
    channel = Recorder()
    for now in (T0 + m * MINUTE for m in minutes):
        rows = rows_of([o for o in seen if o.at < now], now)
        note_states(ledger, rows, now)
        waiting = pages_of(rows, AT_NIGHT, OPS)
        while waiting:
            ledger.enqueue(waiting, now)
            ledger.deliver(now, {"file": channel}, address_book(AT_NIGHT, OPS))
            waiting, _ = next_pages(ledger.ladders(now - 6 * HOUR), AT_NIGHT, OPS, now)
    return [(a.partition("@")[0], m.data["severity"]) for a, m in channel.sent]


def a_fall(minutes: float, severity: str) -> Observation:
    at = T0 + minutes * MINUTE
    return Observation(at, FALL_DETECTED, f"e-{at}", "pt-1", "imu-1", severity)


@pytest.mark.parametrize("opened_hours_before", [0, 7])
def test_a_fall_that_becomes_critical_is_not_held_by_quiet_hours_and_escalates(
    opened_hours_before: int, ledger: Ledger
) -> None:
    begins = -60 * opened_hours_before
    seen = [a_fall(m, "high") for m in range(begins, 1, 20)] + [a_fall(12, "critical")]
    told = at_night(ledger, seen, begins + 2, 2, 14, 20, 24, 34)
    assert told == [("nurse", "critical"), ("on-call", "critical"), ("ops", "critical")]
    assert at_night(ledger, seen, 23 * 60) == [], (
        "what was told as critical does not ring again in the morning"
    )
    assert ledger.deliveries("PENDING") == []


def test_the_same_fall_decided_anew_as_critical_rings_as_critical(ledger: Ledger) -> None:
    assert at_night(ledger, [a_fall(0, "high")], 2) == []
    assert at_night(ledger, [a_fall(0, "critical")], 3, 4) == [("nurse", "critical")]


def test_a_critical_fall_with_a_lesser_one_found_before_it_late_rings_once(ledger: Ledger) -> None:
    assert at_night(ledger, [a_fall(0, "critical")], 2) == [("nurse", "critical")]
    assert at_night(ledger, [a_fall(-5, "high"), a_fall(0, "critical")], 3, 9) == []
