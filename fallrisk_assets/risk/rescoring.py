"""Another version's falls beside the published ones: rows of `curated.rescored_fall_events`.

Here: which fall of one version is which of the other, and how the two compare. Not here: how falls are found
(`detector.py`), which version an hour is pinned to (`models.pinning`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import conform
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


def with_other_versions(rows: pa.Table, kept: pa.Table, version: str) -> pa.Table:
    """Return a version's rows together with those that other versions have in the same place.

    Args:
        rows: Rows of `RescoredFallEvents` of a version.
        kept: What is published of the hour and bucket now, of any version.
        version: The version, whose published rows are replaced.
    """
    others = kept.filter(pc.not_equal(kept["model_version"], version))
    order = [(name, "ascending") for name in RescoredFallEvents.spec.sort]
    return pa.concat_tables([others, rows]).sort_by(order).combine_chunks()
