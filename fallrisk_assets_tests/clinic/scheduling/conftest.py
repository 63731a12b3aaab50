"""A simulated clinic behind an HTTP server, asked without waiting."""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest

from fallrisk_assets.clinic.scheduling.client import Politeness, SchedulingApi
from fallrisk_assets.clinic.scheduling.spool import Spool
from fallrisk_assets.lake.landing import Landing
from simulator.appointments import Visit
from simulator.clinic_operations import OperationsOptions, planned_visits
from simulator.clinic_people import Provider, draw_other_patients
from simulator.scheduling import known_at
from simulator.scheduling_server import SchedulingSystem, serving

START = date(2026, 1, 5)
OPTIONS = OperationsOptions(START, 4, 5, 4, 12.0)
NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)


@dataclass
class Waits:
    """A clock that goes on only where somebody waits; remembers the waits."""

    now_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.waits_s.append(seconds)
        self.now_s += seconds

    def clock(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture(scope="session")
def cohort() -> tuple[list[Provider], list[Visit]]:
    return planned_visits(draw_other_patients(40, OPTIONS.seed, START), 0, OPTIONS)


@pytest.fixture
def system(cohort) -> SchedulingSystem:
    providers, visits = cohort
    return SchedulingSystem(
        NOON, functools.cache(lambda at: known_at(visits, at)), [p.provider_id for p in providers]
    )


@pytest.fixture
def address(system):
    with serving(system) as url:
        yield url


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def ask(address, waits) -> Callable[..., SchedulingApi]:
    """Make a client of the server that really waits nowhere."""

    def make(token: str = "", **polite: float) -> SchedulingApi:
        manners = Politeness(**{"timeout_s": 5.0, "requests_per_s": 1e9, **polite})  # type: ignore[arg-type]
        return SchedulingApi(
            address, token, manners, sleep=waits.sleep, clock=waits.clock, chance=random.Random(7)
        )

    return make


@pytest.fixture
def landing(tmp_path) -> Landing:
    return Landing(root=str(tmp_path / "landing"))


@pytest.fixture
def spool(landing) -> Spool:
    return Spool(landing)


def lines_of(landing: Landing, keys: Sequence[str]) -> list[str]:
    """Return the lines of some drops."""
    return [line for key in keys for line in landing.read(key).decode().splitlines()]
