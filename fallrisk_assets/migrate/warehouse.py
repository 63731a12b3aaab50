"""The warehouse's tables: slices are read from one engine and loaded into the other.

Belongs here: slices of warehouse tables. Does not belong here: either engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.equality import digest_of
from fallrisk_assets.migrate.components import Proof, State
from fallrisk_assets.warehouse.store import EVERY_TABLE, AnyWarehouse


@dataclass(slots=True)
class WarehouseTables:
    """All tables of a warehouse, slice by slice.

    Attributes:
        source: The warehouse that is copied.
        target: The warehouse that becomes its equal.
        chunk: Slices that one transaction loads.
    """

    source: AnyWarehouse
    target: AnyWarehouse
    name: str = "warehouse"
    chunk: int = 100

    @property
    def places(self) -> tuple[str, str]:
        """Addresses of source and target."""
        return self.source.address, self.target.address

    def groups(self) -> list[str]:
        """Return the tables."""
        return sorted(model.spec.identifier for model in EVERY_TABLE)

    def states(self, group: str) -> Mapping[str, State]:
        """Compare the ledgers' entries: rows and content hash of each slice."""
        here, there = (
            {
                key: f"{entry.rows}:{entry.content_hash}"
                for (table, key), entry in warehouse.ledger().items()
                if table == group
            }
            for warehouse in (self.source, self.target)
        )
        return {
            key: State(
                one := here.get(key),
                other := there.get(key),
                alike=one == other,
                conflict=other is not None and one != other,
            )
            for key in sorted({*here, *there})
        }

    def copy(self, group: str, keys: Sequence[str]) -> None:
        """Load slices, those of one run in one transaction, under that run's name."""
        model, ledger = self._model(group), self.source.ledger()
        rows = slices(self.source, model, keys)
        runs = sorted(keys, key=lambda key: (ledger[group, key].run_id, key))
        for run_id, of_run in groupby(runs, key=lambda key: ledger[group, key].run_id):
            self.target.replace_slices(model, {key: rows[key] for key in of_run}, run_id)

    def prove(self, group: str, keys: Sequence[str]) -> Mapping[str, Proof]:
        """Read slices back from both engines and hash their rows in no particular order."""
        model = self._model(group)
        published = [
            {key for table, key in warehouse.ledger() if table == group}
            for warehouse in (self.source, self.target)
        ]
        both = [key for key in keys if all(key in one for one in published)]
        here, there = (slices(warehouse, model, both) for warehouse in (self.source, self.target))
        proofs = {}
        for key in keys:
            if key not in here:
                side = "target" if key in published[0] else "source"
                proofs[key] = Proof(0, side, "", f"not in the {side}")
                continue
            digests = [digest_of(rows[key], model.spec.key) for rows in (here, there)]
            proofs[key] = Proof(there[key].num_rows, *digests)
        return proofs

    def finish(self) -> None:
        """Let people read what has moved."""
        self.target.export()

    def _model(self, group: str) -> ContractType:
        return next(model for model in EVERY_TABLE if model.spec.identifier == group)


def slices(warehouse: AnyWarehouse, model: ContractType, keys: Sequence[str]) -> dict[str, pa.Table]:
    """Read slices with one query and return each by its key."""
    if not keys:
        return {}
    rows = warehouse.read(model, list(keys)).select(arrow_schema(model).names)
    column = model.spec.slice_column
    if column is None:
        return dict.fromkeys(keys, rows)
    return {key: rows.filter(pc.equal(rows[column], date.fromisoformat(key))) for key in keys}
