"""What another version says beside what is published: of falls, and of the 12-month index.

Here: which rows of one version belong to which of the other, and how the two compare. Not here: how falls are
found (`detector.py`), an index is added up (`index.py`), which version an hour is pinned to
(`models.pinning`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import ContractType, conform
from fallrisk_assets.risk.contract import FallEvents, RescoredFallEvents
from fallrisk_assets.risk.metrics import match_events


@dataclass(frozen=True, slots=True)
class Comparison:
    """Falls of an hour that both versions found, and those that only one did."""

    both: int = 0
    only_published: int = 0
    only_rescored: int = 0

    def __add__(self, other: "Comparison") -> "Comparison":
        return Comparison(
            self.both + other.both,
            self.only_published + other.only_published,
            self.only_rescored + other.only_rescored,
        )

    def as_counts(self) -> dict[str, int]:
        """Counts by name, as the UI shows them."""
        return {
            "found by both": self.both,
            "found by the published version only": self.only_published,
            "found by the rescoring version only": self.only_rescored,
        }


def beside_published(rescored: pa.Table, published: pa.Table) -> tuple[pa.Table, Comparison]:
    """Pair a version's falls with the published ones, device by device, nearest impact first.

    Args:
        rescored: Rows of `FallEvents` that a version gives.
        published: Rows of `FallEvents` of the same hour and devices.

    Returns:
        Rows of `RescoredFallEvents`, and how the two compare.
    """
    theirs = {device: (ids, times) for device, ids, times in _by_device(published)}
    pairs: dict[str, str] = {}
    both = 0
    for device, ids, times in _by_device(rescored):
        their_ids, their_times = theirs.get(device, ([], []))
        matching = match_events(their_times, times)
        pairs |= {ids[j]: their_ids[i] for i, j in matching.hits}
        both += len(matching.hits)
    columns = {name: rescored[name] for name in FallEvents.to_schema().columns}
    paired = pa.array([pairs.get(event) for event in rescored["event_id"].to_pylist()], pa.string())
    rows = conform(RescoredFallEvents, {**columns, "published_event_id": paired})
    return rows, Comparison(both, published.num_rows - both, rescored.num_rows - both)


def _by_device(rows: pa.Table) -> Iterable[tuple[str, list[str], list[int]]]:
    """Each device with ids and impact times (epoch microseconds) of its falls."""
    found: dict[str, tuple[list[str], list[int]]] = {}
    impacts = pc.cast(rows["impact_at"], pa.int64()).to_pylist()
    for device, event, at in zip(
        rows["device_id"].to_pylist(), rows["event_id"].to_pylist(), impacts, strict=True
    ):
        ids, times = found.setdefault(device, ([], []))
        ids.append(event)
        times.append(at)
    for device, (ids, times) in sorted(found.items()):
        yield device, ids, times


def with_other_versions(model: ContractType, rows: pa.Table, kept: pa.Table, version: str) -> pa.Table:
    """Return a version's rows together with those that other versions have in the same place.

    Args:
        model: Contract of a table that holds rows of several versions, with a column `model_version`.
        rows: Its rows of a version.
        kept: What is published in the place now, of any version.
        version: The version, whose published rows are replaced.
    """
    others = kept.filter(pc.not_equal(kept["model_version"], version))
    order = [(name, "ascending") for name in model.spec.sort]
    return pa.concat_tables([others, rows]).sort_by(order).combine_chunks()


@dataclass(frozen=True, slots=True)
class IndexComparison:
    """The index of a day by two versions, over the people whom both scored.

    Attributes:
        scored_by_both: People with a number from both.
        scored_by_one: People with a number from one of them only.
        other_band: People of `scored_by_both` who change their band.
        mean_change: Mean of new minus old probability; None without such people.
        largest_change: Largest absolute change; None without such people.
    """

    scored_by_both: int
    scored_by_one: int
    other_band: int
    mean_change: float | None
    largest_change: float | None


def compare_indices(new: pa.Table, old: pa.Table) -> IndexComparison:
    """Compare two versions' rows of `FallRiskIndex` of one day, person by person."""
    now, before = (
        {row["patient_id"]: row for row in rows.to_pylist() if row["probability_12m"] is not None}
        for rows in (t.select(["patient_id", "probability_12m", "band"]) for t in (new, old))
    )
    both = sorted(now.keys() & before.keys())
    changes = [now[p]["probability_12m"] - before[p]["probability_12m"] for p in both]
    return IndexComparison(
        scored_by_both=len(both),
        scored_by_one=len(now.keys() ^ before.keys()),
        other_band=sum(now[p]["band"] != before[p]["band"] for p in both),
        mean_change=math.fsum(changes) / len(changes) if changes else None,
        largest_change=max(map(abs, changes), default=None),
    )
