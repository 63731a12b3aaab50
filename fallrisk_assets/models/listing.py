"""Versions, decisions and comparisons in words, as the command line prints them.

Belongs here: lines of text. Does not belong here: deciding (`promotion`), the card (`card`).
"""

import json
from collections.abc import Iterator, Sequence

from fallrisk_assets.lake import Lake
from fallrisk_assets.models.kinds import KINDS, text_hash
from fallrisk_assets.models.promotion import JUDGED, gates_of
from fallrisk_assets.models.registry import NOT_EVALUATED, Decision, registry_of
from fallrisk_assets.risk.contract import RescoredFallEvents
from fallrisk_assets.risk.rescoring import Comparison


def versions(lake: Lake, names: Sequence[str]) -> Iterator[str]:
    """A line for each version of some models: whether it is in use, and whether it ships."""
    for name in names:
        registry = registry_of(lake, name)
        in_use, shipped = registry.in_use(), registry.kind.shipped()
        yield f"{registry.kind.title} ({name})"
        for version in registry.versions():
            facts = [
                *(["in use"] if version == in_use else []),
                *(["ships with the package"] if version in shipped else []),
                *([] if registry.kind.trainable else ["a constant of the package"]),
            ]
            yield f"  {'*' if version == in_use else ' '} {version:<48} {', '.join(facts)}".rstrip()


def version(lake: Lake, name: str, wanted: str) -> Iterator[str]:
    """What is known of one version: hashes, training, gates, decisions.

    Raises:
        LookupError, ArtefactDamaged: there is no such version, or its artefact is not whole.
    """
    registry = registry_of(lake, name)
    text = registry.artefact(wanted)
    content = json.loads(text)
    yield f"{wanted}{' (in use)' if wanted == registry.in_use() else ''}"
    yield f"  artefact sha256    {text_hash(text)}"
    yield f"  parameters sha256  {content['parameters_sha256']}"
    for fact, value in sorted(content.get("training", {}).items()):
        yield f"  {fact.replace('_', ' '):<24} {json.dumps(value, ensure_ascii=False)}"
    if name in JUDGED:
        found = [verdict.sentence() for verdict in gates_of(lake, wanted)] or [NOT_EVALUATED]
        yield from (f"  gate {line}" for line in found)
    yield from (f"  {decision(d)}" for d in registry.decisions() if wanted in (d.version, d.replaced))


def decision(made: Decision) -> str:
    """One decision in a line."""
    verb = {"promote": "promoted", "rollback": "taken back to"}[made.action]
    what = f"{made.replaced} replaced, {verb} {made.version}"
    return f"{made.sequence}. {made.at}: {what} by {made.by}: {made.why}"


def decisions(lake: Lake) -> Iterator[str]:
    """Every decision, oldest first."""
    for name in KINDS:
        yield from (decision(made) for made in registry_of(lake, name).decisions())


def comparison(lake: Lake, wanted: str, keys: Sequence[str]) -> Comparison:
    """How a version compares with what is published over some hours that it has scored."""
    total = Comparison()
    for entry in lake.ledger.find_all(RescoredFallEvents, keys).values():
        for bucket in entry.buckets.values() if entry else ():
            if wanted in (found := bucket.facts.get("compared", {})):
                total += Comparison(**found[wanted])
    return total
