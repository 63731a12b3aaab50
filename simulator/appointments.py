"""The appointments of a clinic: who books when with whom, who comes, and how the visit goes.

What belongs here: what happened, complete and true. What does not: what the clinic's files say of it
(`clinic_day.py`), what patients say (`clinic_feedback.py`).
"""

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator import clinic_rates as rates
from simulator.clinic_people import Provider, Visitor
from simulator.clinic_rates import LEAD_TIMES, LeadTime
from simulator.devices import rng_of

COMPLETED, CANCELLED, NO_SHOW, RESCHEDULED = "Completed", "Cancelled", "No-show", "Rescheduled"
QUARTER = timedelta(minutes=15)
_OPENS = time(8)
_BUSIEST = 0.85
"""Share of the offered time that is given away: a full day takes no more bookings."""


@dataclass(frozen=True)
class Issue:
    """A technical issue of a session, so many minutes after its beginning."""

    type: str
    severity: str
    resolved: bool
    after_minutes: float


@dataclass
class Visit:
    """An appointment and what became of it; times are UTC, and None is what did not happen.

    `moved_from_at` is the first scheduled time of an appointment that was moved in place, at `moved_at`.
    """

    appointment_id: str
    visitor: Visitor
    provider: Provider
    booked_at: datetime
    starts_at: datetime
    type: str
    mode: str
    planned_minutes: int
    lead: LeadTime
    no_show_probability: float
    status: str = COMPLETED
    rescheduled_from: str | None = None
    rescheduled_to: str | None = None
    changed_at: datetime | None = None
    reason: str = ""
    moved_at: datetime | None = None
    moved_from_at: datetime | None = None
    login_at: datetime | None = None
    provider_login_at: datetime | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    device: tuple[str, str, str] | None = None
    connection: str | None = None
    issues: list[Issue] = field(default_factory=list)

    @property
    def wait_minutes(self) -> float | None:
        """From the scheduled time, or the patient's coming if later, to the beginning."""
        if self.began_at is None or self.login_at is None:
            return None
        return max((self.began_at - max(self.login_at, self.starts_at)).total_seconds() / 60, 0.0)

    @property
    def duration_minutes(self) -> float | None:
        """How long the visit took."""
        if self.began_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.began_at).total_seconds() / 60


class Calendar:
    """What is taken of each provider's days, in quarter hours of the local working day.

    Args:
        providers: those who take appointments.
    """

    def __init__(self, providers: Sequence[Provider]) -> None:
        self._taken: dict[tuple[str, date], set[int]] = {}
        self._by_zone: dict[str, list[Provider]] = {}
        for provider in providers:
            if provider.active:
                self._by_zone.setdefault(provider.time_zone, []).append(provider)
        self._anywhere = [p for of_zone in self._by_zone.values() for p in of_zone]

    def book(
        self, zone: str, days: Sequence[date], quarters: int, not_before: datetime, rng: np.random.Generator
    ) -> tuple[Provider, datetime] | None:
        """Take a free time on the first of some days that has one, with a provider of a zone.

        Args:
            zone: the patient's zone; without a provider there any provider will do.
            days: local days, the most wanted first.
            quarters: quarter hours that are needed.
            not_before: earliest beginning.
            rng: which of the free times is taken.

        Returns:
            Provider and UTC time; None if no day has room.
        """
        providers = self._by_zone.get(zone, self._anywhere)
        for day in days:
            for at in rng.permutation(len(providers)):
                found = self._slot(providers[int(at)], day, quarters, not_before, rng)
                if found is not None:
                    return providers[int(at)], found
        return None

    def _slot(
        self, provider: Provider, day: date, quarters: int, not_before: datetime, rng: np.random.Generator
    ) -> datetime | None:
        taken = self._taken.setdefault((provider.provider_id, day), set())
        share = rates.WEEKEND if day.weekday() >= 5 else 1.0
        length = int(provider.minutes_a_day * share) // 15
        if len(taken) + quarters > _BUSIEST * length:
            return None
        opens = datetime.combine(day, _OPENS, ZoneInfo(provider.time_zone)).astimezone(UTC)
        first = max(0, math.ceil((not_before - opens) / QUARTER))
        free = [q for q in range(first, length - quarters + 1) if taken.isdisjoint(range(q, q + quarters))]
        if not free:
            return None
        chosen = free[int(rng.integers(len(free)))]
        taken.update(range(chosen, chosen + quarters))
        return opens + chosen * QUARTER


def plan_appointments(
    visitors: Sequence[Visitor],
    providers: Sequence[Provider],
    first_day: date,
    last_day: date,
    seed: int,
    modes: str = "telemedicine",
) -> list[Visit]:
    """Let people book from one UTC day to another, both included, and let the visits happen.

    Args:
        visitors: who books.
        providers: who is booked; those who are not active take no appointments.
        first_day: first day on which anybody books.
        last_day: last one; visits can be later.
        seed: decides everything random.
        modes: one of `clinic_rates.MODES`.

    Returns:
        The appointments in the order of their booking. Every one has its outcome, those to come too.
    """
    calendar = Calendar(providers)
    waiting: list[tuple[datetime, int, Visitor, str | None]] = []
    number = 0
    for visitor in visitors:
        for at in _booking_times(visitor, first_day, last_day, seed):
            waiting.append((at, number, visitor, None))
            number += 1
    heapq.heapify(waiting)
    missed: dict[str, int] = {}
    visits: list[Visit] = []
    while waiting:
        at, _, visitor, replaced = heapq.heappop(waiting)
        rng = rng_of(seed, "appointment", len(visits))
        visit = _booked(f"APT{len(visits) + 1:07d}", at, visitor, calendar, missed, modes, rng)
        if visit is None:
            continue
        visit.rescheduled_from = replaced
        _happens(visit, rng)
        visits.append(visit)
        if visit.status == NO_SHOW:
            missed[visitor.clinic_id] = missed.get(visitor.clinic_id, 0) + 1
        elif visit.status == RESCHEDULED and visit.changed_at is not None:
            heapq.heappush(waiting, (visit.changed_at, number, visitor, visit.appointment_id))
            number += 1
    by_id = {visit.appointment_id: visit for visit in visits}
    for visit in visits:
        if visit.rescheduled_from is not None:
            by_id[visit.rescheduled_from].rescheduled_to = visit.appointment_id
    for visit in visits:
        if visit.status == RESCHEDULED and visit.rescheduled_to is None:  # nobody had time for a new one
            visit.status, visit.reason = CANCELLED, "No new time was found"
    return visits


def _booking_times(visitor: Visitor, first_day: date, last_day: date, seed: int) -> Iterator[datetime]:
    rng = rng_of(seed, "bookings", visitor.clinic_id)
    days = (last_day - first_day).days + 1
    for _ in range(int(rng.poisson(visitor.visits_per_year * days / 365.0 * 7 / (5 + 2 * rates.WEEKEND)))):
        day = first_day + timedelta(days=int(rng.integers(days)))
        minute = int(rng.integers(7 * 60 + 30, 15 * 60))
        kept = day.weekday() < 5 or rng.uniform() < rates.WEEKEND
        local = datetime.combine(day, time(minute // 60, minute % 60), ZoneInfo(visitor.time_zone))
        if kept and day >= visitor.registered_on:
            yield local.astimezone(UTC) + timedelta(seconds=int(rng.integers(60)))


def _booked(
    appointment_id: str,
    at: datetime,
    visitor: Visitor,
    calendar: Calendar,
    missed: dict[str, int],
    modes: str,
    rng: np.random.Generator,
) -> Visit | None:
    kinds = list(rates.TYPES)
    kind = kinds[int(rng.choice(len(kinds), p=[rates.TYPES[name][0] for name in kinds]))]
    planned = rates.TYPES[kind][1]
    lead = LEAD_TIMES[int(rng.choice(len(LEAD_TIMES), p=[one.share for one in LEAD_TIMES]))]
    today = at.astimezone(ZoneInfo(visitor.time_zone)).date()
    days = [today + timedelta(days=n) for n in range(lead.first_day, lead.last_day + 1)]
    rng.shuffle(days)
    days.sort(key=lambda day: day.weekday() >= 5)  # a working day where there is one
    quarters = math.ceil(planned / 15)
    found = calendar.book(visitor.time_zone, days, quarters, at + timedelta(minutes=10), rng)
    if found is None:
        return None
    provider, starts_at = found
    mix = rates.MODES[modes]
    mode = list(mix)[int(rng.choice(len(mix), p=list(mix.values())))]
    odds = lead.no_show / (1 - lead.no_show) * math.exp(visitor.no_show_trait)
    odds *= rates.EARLIER_NO_SHOW_ODDS ** min(missed.get(visitor.clinic_id, 0), 2)
    return Visit(
        appointment_id, visitor, provider, at, starts_at, kind, mode, planned, lead, odds / (1 + odds)
    )


def _happens(visit: Visit, rng: np.random.Generator) -> None:
    """Let an appointment be cancelled, moved, missed or held."""
    lead_days = (visit.starts_at - visit.booked_at).total_seconds() / 86_400
    drawn = rng.uniform()
    cancelled = rates.CANCELLED + rates.CANCELLED_PER_LEAD_DAY * lead_days
    if drawn < cancelled + rates.RESCHEDULED:
        visit.status = CANCELLED if drawn < cancelled else RESCHEDULED
        visit.changed_at = _between(visit.booked_at, visit.starts_at, rng)
        reasons = list(rates.CANCELLATION_REASONS)
        visit.reason = reasons[int(rng.choice(len(reasons), p=list(rates.CANCELLATION_REASONS.values())))]
        return
    if drawn > 1 - rates.MOVED_IN_PLACE and lead_days > 1:
        visit.moved_from_at = visit.starts_at - QUARTER
        visit.moved_at = _between(visit.booked_at, visit.starts_at - QUARTER, rng)
    if rng.uniform() < visit.no_show_probability:
        visit.status = NO_SHOW
        return
    visit.login_at = visit.starts_at + _minutes(float(np.clip(rng.normal(-3.0, 4.0), -15.0, 20.0)))
    if visit.mode == "Video/Online":
        visit.device = _device(rng)
        names = list(rates.CONNECTIONS)
        visit.connection = names[int(rng.choice(5, p=[rates.CONNECTIONS[name][0] for name in names]))]
    if rng.uniform() < rates.NOT_SEEN:
        visit.status = CANCELLED
        return
    _held(visit, rng)


def _held(visit: Visit, rng: np.random.Generator) -> None:
    assert visit.login_at is not None
    ready = max(visit.login_at, visit.starts_at)
    visit.began_at = ready + _minutes(float(np.clip(rng.lognormal(1.5, 0.7), 0.2, 60.0)))
    visit.provider_login_at = visit.began_at - _minutes(float(rng.uniform(0.1, 2.0)))
    median = rates.TYPES[visit.type][2]
    length = float(np.clip(median * rng.lognormal(0.0, 0.25), 3.0, 90.0))
    visit.ended_at = visit.began_at + _minutes(length)
    if visit.connection is None or rng.uniform() >= rates.CONNECTIONS[visit.connection][1]:
        return
    names = list(rates.ISSUES)
    for _ in range(1 + int(rng.uniform() < 0.2)):
        kind = names[int(rng.choice(len(names), p=list(rates.ISSUES.values())))]
        severity = list(rates.SEVERITIES)[int(rng.choice(4, p=list(rates.SEVERITIES.values())))]
        after = round(float(rng.uniform(0.5, max(length - 0.5, 1.0))), 3)
        visit.issues.append(Issue(kind, severity, bool(rng.uniform() < rates.RESOLVED), after))


def _device(rng: np.random.Generator) -> tuple[str, str, str]:
    names = list(rates.DEVICES)
    name = names[int(rng.choice(len(names), p=[rates.DEVICES[n][0] for n in names]))]
    _, systems, browsers = rates.DEVICES[name]
    return name, systems[int(rng.integers(len(systems)))], browsers[int(rng.integers(len(browsers)))]


def _between(start: datetime, end: datetime, rng: np.random.Generator) -> datetime:
    seconds = max((end - start).total_seconds() - 120.0, 2.0)
    return start + timedelta(seconds=int(rng.uniform(1.0, seconds)))


def _minutes(minutes: float) -> timedelta:
    return timedelta(seconds=round(minutes * 60))
