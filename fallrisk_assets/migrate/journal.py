"""What has been proven already, so that a move that was interrupted goes on where it was.

Belongs here: one line for each proof, in a file of the data folder. Does not belong here: any rows. Without
the file nothing is lost but time: all is proven again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fallrisk_assets.migrate.components import Proof, State

_Key = tuple[str, str, str]


class Journal:
    """Proofs of one move: from these places to those.

    Args:
        folder: Where the file is kept.
        places: Addresses of source and target of each component; another target has another file.
    """

    def __init__(self, folder: Path, places: Mapping[str, tuple[str, str]]) -> None:
        name = hashlib.sha256(json.dumps(places, sort_keys=True).encode()).hexdigest()[:12]
        self.path = folder / f"{name}.jsonl"
        self._trusted = True
        self._known: dict[_Key, tuple[str, str, Proof]] = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    raw = json.loads(line)
                except json.JSONDecodeError:  # cut off when the process was killed; it is proven again
                    continue
                key = (raw["component"], raw["group"], raw["key"])
                self._known[key] = raw["source"], raw["target"], Proof(raw["count"], raw["hash"], raw["hash"])

    def forget_proofs(self) -> None:
        """Take no proof for granted; what this move has put there is still known."""
        self._trusted = False

    def proof(self, component: str, group: str, key: str, state: State) -> Proof | None:
        """Return the proof of a partition of which both sides still say what they said then."""
        known = self._known.get((component, group, key))
        if not self._trusted or known is None or known[:2] != (state.source, state.target):
            return None
        return known[2]

    def ours(self, component: str, group: str, key: str, state: State) -> bool:
        """Tell whether what the target has is what this move has put there."""
        known = self._known.get((component, group, key))
        return known is not None and known[1] == state.target

    def note(
        self, component: str, group: str, states: Mapping[str, State], proofs: Mapping[str, Proof]
    ) -> None:
        """Enter proofs that hold, durably."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            for line in self._lines(component, group, states, proofs):
                file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(
        self, component: str, group: str, states: Mapping[str, State], proofs: Mapping[str, Proof]
    ) -> Iterable[str]:
        for key, proof in proofs.items():
            state = states[key]
            if not proof.equal or state.source is None or state.target is None:
                continue
            self._known[component, group, key] = state.source, state.target, proof
            yield json.dumps(
                {
                    "component": component,
                    "group": group,
                    "key": key,
                    "source": state.source,
                    "target": state.target,
                    "count": proof.count,
                    "hash": proof.source,
                }
            )
