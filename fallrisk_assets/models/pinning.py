"""Which version of the fall detector scores which hour: one each, for ever.

Belongs here: the rule. Does not belong here: what is in use (`registry`) and how samples are judged (`risk`).

The version in use is read once a run. An hour that nobody has published is scored by it; an hour that is
published stays with the version that scored it, also for samples that come late: history changes when data
change, not when somebody promotes. To see another version's verdict on old hours, score them again beside
(`rescored_fall_events`).
"""

from fallrisk_assets.lake import Lake, LedgerEntry
from fallrisk_assets.models.kinds import FALL_DETECTOR
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.risk.detector import FallModel

#: Fact of a published device bucket: the version that scored it.
MODEL_FACT = "model"


class Detectors:
    """The fall detector's versions, as one run sees them."""

    def __init__(self, lake: Lake) -> None:
        """Read which version is in use, and keep its artefact: an hour that it scores is pinned to it."""
        self._registry = registry_of(lake, FALL_DETECTOR)
        self.in_use = self._registry.in_use()
        self._registry.keep(self._registry.artefact(self.in_use))
        self._loaded: dict[str, FallModel] = {}

    def load(self, version: str) -> FallModel:
        """Return a version of the detector.

        Raises:
            LookupError: nobody has it.
            ArtefactDamaged: its artefact is not what its hashes say.
        """
        if version not in self._loaded:
            self._loaded[version] = FallModel.from_json(self._registry.artefact(version))
        return self._loaded[version]

    def of_hour(self, published: LedgerEntry | None) -> FallModel:
        """Return the version that scores an hour, given what is published of it."""
        return self.load(pinned_version(published) or self.in_use)


def pinned_version(published: LedgerEntry | None) -> str | None:
    """The version that scored a published hour; None where nothing was scored in it.

    Raises:
        ValueError: its buckets name several, which no run publishes.
    """
    buckets = published.buckets.values() if published else ()
    found = {str(entry.facts[MODEL_FACT]) for entry in buckets if MODEL_FACT in entry.facts}
    if len(found) > 1:
        raise ValueError(
            f"{published.table} {published.key}: scored by {', '.join(sorted(found))}; "  # type: ignore[union-attr]
            "an hour has one version: delete its ledger entry and publish it again"
        )
    return found.pop() if found else None
