import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from simulator.cohort import CohortOptions, CohortResult, simulate_cohort

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Cohort:
    """A written cohort and the ways to look at it."""

    landing: Path
    truth: Path
    result: CohortResult
    options: CohortOptions

    def rows(self, name: str) -> Rows:
        with (self.truth / name).open(newline="") as file:
            return list(csv.DictReader(file))

    def text(self, key: str) -> bytes:
        return gzip.decompress((self.landing / key).read_bytes())

    def lines(self, key: str) -> list[bytes]:
        return self.text(key).splitlines()


SMALL = CohortOptions(
    patients=3,
    days=2,
    rate_hz=20.0,
    seed=3,
    start=date(2026, 1, 5),
    hours_per_day=(1.2, 0.5),
    faults="all",
    workers=2,
)


@pytest.fixture(scope="session")
def make_cohort(tmp_path_factory: pytest.TempPathFactory) -> Callable[[CohortOptions], Cohort]:
    def make(options: CohortOptions) -> Cohort:
        folder = tmp_path_factory.mktemp("cohort")
        landing, truth = folder / "landing", folder / "truth"
        return Cohort(landing, truth, simulate_cohort(landing, truth, options), options)

    return make


@pytest.fixture(scope="session")
def faulty(make_cohort: Callable[[CohortOptions], Cohort]) -> Cohort:
    """A small cohort with every kind of fault."""
    return make_cohort(SMALL)
