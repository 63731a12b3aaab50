"""The command: from which environment to which, what of it, and what came out, on the terminal.

    python -m fallrisk_assets.migrate local aws
    python -m fallrisk_assets.migrate local local,landing=aws --dry-run

Belongs here: options, progress, the table that is printed. Does not belong here: the move (`move`).
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.environments import opened
from fallrisk_assets.equality import WAREHOUSE
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.migrate.components import Component
from fallrisk_assets.migrate.files import Folders, Place
from fallrisk_assets.migrate.journal import Journal
from fallrisk_assets.migrate.lake import LakeTables
from fallrisk_assets.migrate.move import Moved, conflicts, move, wanted
from fallrisk_assets.migrate.warehouse import WarehouseTables

COMPONENTS = ("landing", "lake", "lineage", "models", "reports", "warehouse")
_SHOWN = 10


def components_of(source: str, target: str) -> list[Component]:
    """Return every component of two environments, in the order in which they move.

    Args:
        source: As `FALLRISK_ENV` spells it.
        target: The same.

    Raises:
        Misconfigured: a variable is not set, or says what cannot be used.
        ValueError: there is no such environment.
    """
    landings, lakes, reports, warehouses = (
        [opened(name, of) for of in (source, target)] for name in ("landing", "lake", "reports", "warehouse")
    )
    tables = [model for model in all_contracts() if model.spec.namespace != WAREHOUSE]

    def folders(name: str, places: Sequence[Place], **how: Any) -> Folders:
        return Folders(name, places[0], places[1], **how)

    def beside(folder: str) -> list[Place]:
        return [Place(lake.filesystem, f"{lake.base}/{folder}") for lake in lakes]

    return [
        folders("landing", [Place(*one.located) for one in landings], folder_of=landed_on),
        LakeTables(lakes[0], lakes[1], tables),
        folders("lineage", beside("_lineage"), folder_of=_first),
        folders("models", beside("_models"), exact=True),
        folders("reports", [Place(*one.located) for one in reports], replaceable=True),
        WarehouseTables(warehouses[0], warehouses[1]),
    ]


def landed_on(name: str) -> str:
    """Return the folder and day of a landed file: `telemetry/20260105`."""
    folder, _, last = name.rpartition("/")
    return f"{folder}/{last[:8]}"


def _first(name: str) -> str:
    return name.partition("/")[0]


def _progress(what: str, done: int, total: int) -> None:
    if sys.stdout.isatty():
        print(f"\r\x1b[K  {what} {done} of {total}", end="", flush=True)


def _show(moved: Moved, seconds: float) -> None:
    clear = "\r\x1b[K" if sys.stdout.isatty() else ""
    mark = "✗" if moved.wrong else "="
    print(
        f"{clear}  {moved.group:<40} {moved.partitions:>10,} {moved.copied:>8,} {moved.count:>14,}  "
        f"{moved.digest[:12]} {mark} {seconds:7.1f} s",
        flush=True,
    )


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    found = argparse.ArgumentParser(prog="python -m fallrisk_assets.migrate", description=__doc__)
    found.add_argument("source", help="environment as FALLRISK_ENV spells it, such as local")
    found.add_argument("target", help="the same, such as aws or local,lake=aws")
    found.add_argument("--only", nargs="+", choices=COMPONENTS, default=COMPONENTS)
    found.add_argument("--dry-run", action="store_true", help="say what would be copied, and do nothing")
    found.add_argument(
        "--replace", action="store_true", help="put away what the target has of its own in the source's place"
    )
    found.add_argument("--prove-again", action="store_true", help="read everything, what was proven included")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Move and prove; returns 0 where both sides are equal, 1 where not, 2 where nothing was begun."""
    options = parser().parse_args(arguments)
    try:
        chosen = [one for one in components_of(options.source, options.target) if one.name in options.only]
    except (Misconfigured, ValueError) as error:
        print(f"✗ {error}", file=sys.stderr)
        return 2
    moving = [one for one in chosen if one.places[0] != one.places[1]]
    for one in chosen:
        source, target = one.places
        print(f"{one.name:<10} {source} → {target}" if one in moving else f"{one.name:<10} stays at {source}")
    journal = Journal(Path(data_folder()) / "migration", {one.name: one.places for one in moving})
    if options.prove_again:
        journal.forget_proofs()
    if not options.replace and (found := conflicts(moving, journal)):
        for conflict in found[:_SHOWN]:
            where = f"{conflict.component} {conflict.group} {conflict.key}"
            print(f"✗ {where}: the target has another version", file=sys.stderr)
        print(
            f"✗ {len(found)} partitions of the target hold what the source does not, and no earlier move put "
            "it there. Nothing was copied. Is the direction right? --replace puts it away.",
            file=sys.stderr,
        )
        return 2
    if options.dry_run:
        for one in moving:
            counts = {group: len(wanted(one, group)) for group in one.groups()}
            for group, count in counts.items():
                print(f"  {group:<40} {count:>10,} partitions to copy")
        return 0
    return _move(moving, journal)


def _move(moving: Sequence[Component], journal: Journal) -> int:
    print(f"\n  {'table or folder':<40} {'partitions':>10} {'copied':>8} {'rows or files':>14}  content")
    results, started = [], time.monotonic()
    for moved in move(moving, journal, _progress):
        _show(moved, time.monotonic() - started)
        results.append(moved)
        started = time.monotonic()
    wrong = [(one.group, key, why) for one in results for key, why in one.wrong.items()]
    for group, key, why in wrong[:_SHOWN]:
        print(f"✗ {group} {key}: {why}", file=sys.stderr)
    if wrong:
        print(
            f"✗ {len(wrong)} partitions are not equal. Run it again; where the source is still written to, "
            "stop its daemon first.",
            file=sys.stderr,
        )
        return 1
    total = sum(one.partitions for one in results)
    print(f"\n✓ {total:,} partitions are equal on both sides; proofs are in {journal.path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
