"""What every movable component can do, whatever it holds.

Belongs here: the interface that the command goes by. Does not belong here: any one component.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class State:
    """What both sides say of one partition, without its rows having been read.

    Attributes:
        source: Fingerprint of what the source says; None where it has no such partition.
        target: The same of the target.
        alike: Whether nothing need be copied: each side says what the other does.
        conflict: Whether the target has something else that copying would put away.
    """

    source: str | None
    target: str | None
    alike: bool
    conflict: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What was read back from both sides of one partition.

    Attributes:
        count: Rows, or files.
        source: Hash of the source's content.
        target: Hash of the target's content.
        trouble: What is wrong besides the hashes; empty where nothing is.
    """

    count: int
    source: str
    target: str
    trouble: str = ""

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same."""
        return self.source == self.target and not self.trouble


class Component(Protocol):
    """One part of a lakehouse that moves by itself: landing zone, lake, models, reports, warehouse."""

    name: str
    chunk: int

    @property
    def places(self) -> tuple[str, str]:
        """Addresses of source and target."""
        ...

    def groups(self) -> list[str]:
        """Return the tables or folders, sorted."""
        ...

    def states(self, group: str) -> Mapping[str, State]:
        """Return what both sides say of each partition of a group, by key."""
        ...

    def copy(self, group: str, keys: Sequence[str]) -> None:
        """Put the source's partitions into the target; what is there already may be put again."""
        ...

    def prove(self, group: str, keys: Sequence[str]) -> Mapping[str, Proof]:
        """Read partitions back from both sides, by key."""
        ...

    def finish(self) -> None:
        """Do what a component needs when all of it has moved."""
        ...


Progress = Callable[[str, int, int], None]
"""Told what is being done to a group, how many of its partitions are done, and of how many."""
