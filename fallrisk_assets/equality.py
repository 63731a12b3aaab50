"""Whether two lakehouses hold the same: row counts and a hash of the rows in no particular order, by table.

What belongs here: reading a table from either and comparing. What does not: how the two came to be.

The ledger's own content hash says more (rows in their order) and is not used: it was written by the run that
is in question. Here the rows are read back from the store, put in the order of all their columns, and hashed.

    python -m fallrisk_assets.equality local aws
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.environments import opened
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.files import combined_hash, content_hash
from fallrisk_assets.warehouse.store import AnyWarehouse

#: In this namespace tables are in the warehouse, all others are in the lake.
WAREHOUSE = "warehouse"


@dataclass(frozen=True, slots=True)
class Held:
    """What a lakehouse holds of a table.

    Attributes:
        partitions: How many partitions are published, those without rows included.
        rows: How many rows all of them have.
        digest: Hash of partitions and rows, whatever their order.
    """

    partitions: int
    rows: int
    digest: str


def digest_of(rows: pa.Table, key: Iterable[str]) -> str:
    """Return a hash of a table's rows that does not depend on their order.

    Args:
        rows: The rows.
        key: Columns that tell rows apart; they are compared first, which makes sorting cheap.
    """
    first = list(key)
    rest = [name for name in rows.column_names if name not in first]
    return content_hash(rows.sort_by([(name, "ascending") for name in [*first, *rest]]).combine_chunks())


def held_in_lake(lake: Lake, model: ContractType) -> Held:
    """Read a table of the lake, partition by partition."""
    rows, parts = 0, []
    for key in lake.ledger.keys(model):
        data = lake.read(model, [key])
        rows += data.num_rows
        parts += [key, digest_of(data, model.spec.key)]
    return Held(len(parts) // 2, rows, combined_hash(parts))


def held_in_warehouse(warehouse: AnyWarehouse, model: ContractType) -> Held:
    """Read a table of the warehouse; one that nobody has published holds nothing."""
    keys = sorted(key for name, key in warehouse.ledger() if name == model.spec.identifier)
    if not keys:
        return Held(0, 0, combined_hash([]))
    data = warehouse.read(model).select(arrow_schema(model).names)
    return Held(len(keys), data.num_rows, combined_hash([*keys, digest_of(data, model.spec.key)]))


def held(lake: Lake, warehouse: AnyWarehouse) -> dict[str, Held]:
    """Return what a lakehouse holds of every table, by name; tables on its own runs are no one else's."""
    return {
        model.spec.identifier: (
            held_in_warehouse(warehouse, model)
            if model.spec.namespace == WAREHOUSE
            else held_in_lake(lake, model)
        )
        for model in all_contracts()
        if not model.spec.of_runs
    }


def differences(one: dict[str, Held], other: dict[str, Held]) -> list[str]:
    """Return the names of tables that are not the same in both, sorted."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def held_in(environment: str) -> dict[str, Held]:
    """Return what an environment, as `FALLRISK_ENV` spells it, holds of every table."""
    return held(opened("lake", environment), opened("warehouse", environment))


def show(names: tuple[str, str], one: Mapping[str, Held], other: Mapping[str, Held]) -> None:
    """Print both sides, table by table."""
    print(f"\n  {'table':<38} {'rows ' + names[0]:>16} {'rows ' + names[1]:>16}  content")
    for name, first in one.items():
        second = other[name]
        same = "=" if first == second else "✗ " + second.digest[:12]
        print(f"  {name:<38} {first.rows:>16,} {second.rows:>16,}  {first.digest[:12]} {same}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two environments; returns 1 where a table differs, or where no table has rows."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.equality", description=__doc__)
    parser.add_argument("one", help="environment as FALLRISK_ENV spells it, such as local")
    parser.add_argument("other", help="the same, such as aws")
    options = parser.parse_args(arguments)
    one, other = held_in(options.one), held_in(options.other)
    show((options.one, options.other), one, other)
    differing = differences(one, other)
    for name in differing:
        print(f"✗ {name} differs", file=sys.stderr)
    return 1 if differing or not any(table.rows for table in one.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
