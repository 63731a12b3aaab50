"""The clinic's whole path on the public medical no-show set: drops, facts, indicators, the model judged.

What belongs here: the order of things and the closing report. What does not: the set's layout
(`clinic/no_show/public_set.py`), what its rows are as drops (`clinic/no_show/public_drops.py`).

    python -m fallrisk_assets.public_set FILE.csv --out data/public_set

Everything is kept in a folder of its own: no patient of the set is ever beside one of the clinic.
"""

import argparse
import datetime as dt
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.no_show import checks as no_show_checks
from fallrisk_assets.clinic.no_show import training_assets
from fallrisk_assets.clinic.no_show.__main__ import report
from fallrisk_assets.clinic.no_show.contract import NoShowEvaluation
from fallrisk_assets.clinic.no_show.public_drops import PublicDrops, public_drops
from fallrisk_assets.clinic.no_show.public_set import PublicSet, read_public_set
from fallrisk_assets.clinic.no_show.resource import NoShowSource
from fallrisk_assets.clinic.operations.assets import appointment_states, clinic_operations
from fallrisk_assets.clinic.operations.vocabulary import COMPLETED, NO_SHOW
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.partitions import FIRST_DAY
from fallrisk_assets.run import why_not
from fallrisk_assets.warehouse import assets as warehouse_assets
from fallrisk_assets.warehouse.operations import assets as operations_assets
from fallrisk_assets.warehouse.resource import Warehouse

FOLDER = "public_set"
_INDICATORS = """
SELECT k.title, k.unit, k.definition, SUM(m.numerator) AS numerator, SUM(m.denominator) AS denominator
FROM mart_daily_kpis AS m INNER JOIN dim_kpi AS k ON k.kpi = m.kpi
WHERE m.numerator IS NOT NULL AND k.source = 'v_appointment'
GROUP BY ALL HAVING SUM(m.numerator) > 0 ORDER BY k.title
"""
_BY_STATUS = "SELECT status, COUNT(*) AS n FROM v_appointment GROUP BY status"


class PathFailed(RuntimeError):
    """A part of the path did not succeed; the message says which and why."""


class OtherSet(FileExistsError):
    """The folder holds the drops of another file."""


def land(drops: PublicDrops, landing: Path) -> None:
    """Write drops into a landing zone that holds nothing else; the same drops again change nothing.

    Raises:
        OtherSet: it holds something else.
    """
    there = {str(p.relative_to(landing)): p for p in landing.rglob("*") if p.is_file()}
    same = there.keys() == drops.files.keys() and all(
        path.read_bytes() == drops.files[key] for key, path in there.items()
    )
    if there and not same:
        raise OtherSet(f"{landing} holds the drops of another file: name another folder with --out")
    for key, content in drops.files.items():
        path = landing / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def materialise_clinic(drops: PublicDrops, out: Path) -> Warehouse:
    """Run the clinic's assets over all days of the drops, from the landing zone to the indicators.

    Raises:
        PathFailed: a step failed, or a blocking check.
    """
    warehouse = Warehouse(folder=str(out / "warehouse"))
    resources = {
        "lake": _lake(out),
        "landing": Landing(root=str(out / "landing")),
        "warehouse": warehouse,
    }
    days = {
        "dagster/asset_partition_range_start": str(drops.first_day),
        "dagster/asset_partition_range_end": str(drops.last_day),
    }
    clinic = [clinic_identity, clinic_operations, appointment_states]
    facts = [
        warehouse_assets.dim_date,
        warehouse_assets.dim_patient,
        *dg.load_assets_from_modules([operations_assets]),
        *dg.load_asset_checks_from_modules([operations_assets]),
    ]
    _run("drops to appointments", clinic, resources, tags=days)
    _run("appointments to facts and indicators", facts, resources, tags=days)
    warehouse.export_snapshot()
    return warehouse


def train(drops: PublicDrops, file: Path, out: Path) -> None:
    """Train the no-show model on the file, on the last day of the drops, judge it, and print what came out.

    Raises:
        PathFailed: a step failed, or a gate refused the version.
    """
    lake, last = _lake(out), str(drops.last_day)
    assets = [
        *dg.load_assets_from_modules([training_assets]),
        *dg.load_asset_checks_from_modules([no_show_checks]),
    ]
    resources = {"lake": lake, "no_show_source": NoShowSource(file=str(file))}
    try:
        _run("the no-show model trained and judged", assets, resources, partition_key=last)
    finally:
        if lake.ledger.find(NoShowEvaluation, last):
            print(*report(lake, last), sep="\n")


def _lake(out: Path) -> Lake:
    return Lake(root=str(out / "lake"))


def _run(title: str, assets: Sequence[Any], resources: dict[str, Any], **when: Any) -> None:
    started = time.monotonic()
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(assets, resources=resources, instance=instance, raise_on_error=False, **when)
        wrong = [
            f"{one.asset_key.to_user_string()}: {one.check_name}"
            for one in result.get_asset_check_evaluations()
            if not one.passed
        ]
    for event in result.all_events:
        if event.is_step_failure and (error := event.step_failure_data.error):
            wrong.append(f"{event.step_key}: {(error.cause or error).message.strip()}")
    if wrong or not result.success:
        raise PathFailed(f"{title}: {'; '.join(wrong)}")
    print(f"✓ {title:<40} {time.monotonic() - started:6.1f} s", flush=True)


def told_of_file(found: PublicSet, drops: PublicDrops) -> Iterator[str]:
    """What was read, what was refused and why, and how far days were moved."""
    yield f"{found.received:>9,}  lines received"
    yield f"{len(found.bookings):>9,}  accepted, {found.without_time:,} of them with the visit at 00:00"
    yield from (f"{n:>9,}  refused: {reason}" for reason, n in found.counts().items())
    yield f"days moved by {drops.moved_by.days} to {drops.first_day} … {drops.last_day}"


def unaccounted(found: PublicSet, warehouse: Warehouse) -> list[str]:
    """Return where the facts differ from the rows that were accepted; empty where every row is told."""
    counts = {row["status"]: row["n"] for row in warehouse.query(_BY_STATUS).to_pylist()}
    missed = int(found.visits.missed.sum())
    expected = {COMPLETED: len(found.visits) - missed, NO_SHOW: missed}
    return [
        f"{status}: {expected.get(status, 0):,} rows of the file, {counts.get(status, 0):,} in the facts"
        for status in sorted(expected.keys() | counts.keys())
        if expected.get(status, 0) != counts.get(status, 0)
    ]


def indicators(warehouse: Warehouse) -> Iterator[str]:
    """The clinic's indicators over all days, as its pages define them."""
    for row in warehouse.query(_INDICATORS).to_pylist():
        value = row["numerator"] / (row["denominator"] or 1)
        unit = "" if row["unit"] == "1" else f" {row['unit']}"
        yield f"  {row['title']:<26} {value:>12,.3f}{unit:<4} {row['definition']}"


def main(arguments: Sequence[str] | None = None, today: dt.date | None = None) -> int:
    """Parse the command line and run the path; returns 2 for a file that cannot be run, 1 if it failed.

    Args:
        arguments: Words of the command line; those of the process by default.
        today: The running UTC day; the clock's by default.
    """
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.public_set", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV in the set's published layout")
    parser.add_argument("--out", type=Path, help=f"folder to keep everything in (default: data/{FOLDER})")
    options = parser.parse_args(arguments)
    out = (options.out or Path(data_folder()) / FOLDER).absolute()
    try:
        found = read_public_set(options.file.read_bytes())
        drops = public_drops(found, FIRST_DAY)
        if refusal := why_not(drops.first_day, drops.last_day, today or dt.datetime.now(dt.UTC).date()):
            raise ValueError(f"its visits span too many days: {refusal}")
        land(drops, out / "landing")
    except (OSError, ValueError) as refused:
        print(f"✗ {options.file}: {refused}", file=sys.stderr)
        return 2
    print(*told_of_file(found, drops), sep="\n", flush=True)
    try:
        warehouse = materialise_clinic(drops, out)
        print("The clinic's indicators, over all days:", *indicators(warehouse), sep="\n")
        if wrong := unaccounted(found, warehouse):
            raise PathFailed(f"rows of the file and facts differ: {'; '.join(wrong)}")
        print("  every accepted row is a fact with its outcome", flush=True)
        train(drops, options.file.absolute(), out)
    except PathFailed as failed:
        print(f"✗ {failed}", file=sys.stderr)
        return 1
    print(f"Query it: FALLRISK_DATA={out} python -m fallrisk_assets.warehouse.sql")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
