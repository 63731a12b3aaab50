"""All contracts, the data dictionary and the committed schema snapshot.

What belongs here: finding every table and writing down what they are. What does not: single tables.

`python -m fallrisk_assets.dictionary` writes `docs/data_dictionary.md` and `docs/schema_snapshot.json`; tests
keep both current, and refuse a change that readers of existing data would not survive.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from fallrisk_assets.contract import Contract, ContractType, columns_of
from fallrisk_assets.schemas import data_dictionary

DOMAINS = (
    "clinic",
    "clinic.operations",
    "clinic.feedback_text",
    "clinic.no_show",
    "telemetry",
    "mobility",
    "risk",
    "models",
    "alerts",
    "fhir",
    "warehouse",
    "warehouse.operations",
    "warehouse.observability",
    "warehouse.planning",
    "warehouse.monitoring",
    "dashboards",
    "streams",
)
DICTIONARY = Path("docs/data_dictionary.md")
SNAPSHOT = Path("docs/schema_snapshot.json")


def all_contracts() -> list[ContractType]:
    """Return every table's model, domain by domain in the order of the data's way, then by name."""
    found: list[ContractType] = []
    for domain in DOMAINS:
        try:
            module = importlib.import_module(f"fallrisk_assets.{domain}.contract")
        except ModuleNotFoundError as missing:
            if missing.name != f"fallrisk_assets.{domain}.contract":
                raise
            continue
        models = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, Contract)
            and "_spec" in vars(value)
            and value.__module__ == module.__name__
        ]
        found += sorted(models, key=lambda m: m.spec.identifier)
    return found


def snapshot(models: list[ContractType]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what readers rely on: per table and field id the name, type and whether null may come."""
    return {
        model.spec.identifier: {
            str(c.field_id): {"name": c.name, "type": str(c.type), "nullable": c.nullable}
            for c in columns_of(model)
        }
        for model in models
    }


def incompatible_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return, in words, every change between two snapshots that existing data or readers do not survive.

    A new table, a new nullable column and a column that becomes nullable are compatible; anything else needs
    a migration and a new field id.
    """
    said = []
    for table, columns in sorted(old.items()):
        if table not in new:
            said.append(f"{table}: the table is gone")
            continue
        for field_id, column in sorted(columns.items(), key=lambda item: int(item[0])):
            now = new[table].get(field_id)
            if now is None:
                said.append(f"{table}.{column['name']}: field id {field_id} is gone")
                continue
            said += [
                f"{table}.{column['name']}: {what} changed from {column[what]} to {now[what]}"
                for what in ("name", "type")
                if now[what] != column[what]
            ]
            if column["nullable"] and not now["nullable"]:
                said.append(f"{table}.{column['name']}: null is no longer allowed")
        for field_id in sorted(set(new[table]) - set(columns), key=int):
            added = new[table][field_id]
            if not added["nullable"]:
                said.append(f"{table}.{added['name']}: a new column must be nullable")
    return said


def main() -> int:
    """Write the dictionary and the snapshot; refuse an incompatible change unless `--migrated` is given."""
    models = all_contracts()
    new = snapshot(models)
    if SNAPSHOT.exists() and "--migrated" not in sys.argv:
        broken = incompatible_changes(json.loads(SNAPSHOT.read_text()), new)
        if broken:
            print("Incompatible with data that exists:", *broken, sep="\n  ")
            print("Migrate the tables first, then run again with --migrated.")
            return 1
    DICTIONARY.parent.mkdir(exist_ok=True)
    DICTIONARY.write_text(data_dictionary(models))
    SNAPSHOT.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n")
    print(f"{DICTIONARY} and {SNAPSHOT}: {len(models)} tables")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
