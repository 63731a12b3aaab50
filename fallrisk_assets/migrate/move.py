"""The order of things: look at everything, refuse what would be put away, copy, prove.

Belongs here: what holds for every component. Does not belong here: the terminal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.migrate.components import Component, Progress, Proof, State
from fallrisk_assets.migrate.journal import Journal


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of one table or folder.

    Attributes:
        component: Whose.
        group: The table or folder.
        partitions: Partitions that either side has.
        copied: Partitions that were copied now.
        count: Rows, or files.
        digest: Hash of all of them at the source.
        wrong: What is not equal, by partition key.
    """

    component: str
    group: str
    partitions: int
    copied: int
    count: int
    digest: str
    wrong: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A partition of the target that holds something else, which nobody of this move has put there."""

    component: str
    group: str
    key: str


def conflicts(components: Sequence[Component], journal: Journal) -> list[Conflict]:
    """Return what copying would put away: partitions of the target with a content of their own."""
    return [
        Conflict(component.name, group, key)
        for component in components
        for group in component.groups()
        for key, state in component.states(group).items()
        if state.conflict and not journal.ours(component.name, group, key, state)
    ]


def wanted(component: Component, group: str) -> list[str]:
    """Return the partitions of a group that have to be copied."""
    return [key for key, state in component.states(group).items() if _wants_copy(state)]


def move(components: Sequence[Component], journal: Journal, progress: Progress) -> Iterator[Moved]:
    """Copy and prove group by group; what was proven before and has not changed is left alone."""
    for component in components:
        for group in component.groups():
            yield _move_group(component, group, journal, progress)
        component.finish()


def _move_group(component: Component, group: str, journal: Journal, progress: Progress) -> Moved:
    todo = wanted(component, group)
    for done in range(0, len(todo), component.chunk):
        progress(f"{group}: copied", done, len(todo))
        component.copy(group, todo[done : done + component.chunk])
    states = component.states(group)
    proofs: dict[str, Proof] = {}
    for key, state in states.items():
        if known := journal.proof(component.name, group, key, state):
            proofs[key] = known
    _prove([key for key in states if key not in proofs], states, proofs, component, group, journal, progress)
    if damaged := [key for key, proof in proofs.items() if not proof.equal and states[key].source]:
        component.copy(group, damaged)  # its ledger said that it was there
        _prove(damaged, states, proofs, component, group, journal, progress)
    return Moved(
        component.name,
        group,
        len(states),
        len(todo),
        sum(proof.count for proof in proofs.values()),
        combined_hash([f"{key}={proofs[key].source}" for key in sorted(proofs)]),
        {key: proof.trouble or "content differs" for key, proof in proofs.items() if not proof.equal},
    )


def _prove(
    keys: Sequence[str],
    states: Mapping[str, State],
    proofs: dict[str, Proof],
    component: Component,
    group: str,
    journal: Journal,
    progress: Progress,
) -> None:
    for done in range(0, len(keys), component.chunk):
        progress(f"{group}: proven", done, len(keys))
        fresh = component.prove(group, keys[done : done + component.chunk])
        journal.note(component.name, group, states, fresh)
        proofs |= fresh


def _wants_copy(state: State) -> bool:
    return state.source is not None and not state.alike
