"""Simulated wear that no detector was ever trained on: streams of the cohort simulator with their truth.

Belongs here: making them, always the same for the same settings. Does not belong here: judging (`measures`).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from fallrisk_assets.risk.streams import Stream, read_drops, read_truth

#: Decides everything random; used for nothing else.
SEED = 20_260_131


@dataclass(frozen=True, slots=True)
class Wear:
    """How much wear is simulated."""

    patients: int
    days: int
    hours_per_day: float
    rate_hz: float


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Streams with their truth.

    Attributes:
        streams: One for each device.
        falls: Device to impact (epoch microseconds) and kind of its falls.
        activities: Device to start, end (epoch microseconds) and name of what was done.
        confusers: Activities that were planted because they look like falls.
    """

    streams: list[Stream]
    falls: dict[str, list[tuple[int, str]]]
    activities: dict[str, list[tuple[int, int, str]]]
    confusers: tuple[str, ...]


def simulated_wear(wear: Wear) -> HeldOut:
    """Simulate wear: healthy devices, falls and planted confusers among ordinary days.

    Raises:
        ValueError: settings that make no sense.
    """
    # The simulator is not needed to load the graph.
    from simulator.cohort import CohortOptions, simulate_cohort
    from simulator.falls import CONFUSERS

    options = CohortOptions(
        patients=wear.patients,
        days=wear.days,
        rate_hz=wear.rate_hz,
        seed=SEED,
        hours_per_day=(wear.hours_per_day,),
        faults="none",
        format="parquet",
    )
    with tempfile.TemporaryDirectory(prefix="fallrisk-wear-") as folder:
        landing, truth = Path(folder) / "landing", Path(folder) / "truth"
        simulate_cohort(landing, truth, options)
        falls, activities = read_truth(truth)
        return HeldOut(read_drops(landing), falls, activities, CONFUSERS)
