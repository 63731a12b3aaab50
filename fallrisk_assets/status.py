"""Is the lakehouse alive? Last good partition per table, backlog, disk and the outbox; an outside heartbeat.

What belongs here: reading what is there and saying it. What does not: mending it.

    python -m fallrisk_assets.status --max-backlog 50 --max-outbox-minutes 15

Exits with 1 when a limit is exceeded, so that a watchdog outside can raise the alarm. Partitions later than
now (somebody ran the rest of today) are not counted: they say nothing about whether data still come.
"""

import argparse
import datetime as dt
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fallrisk_assets.alerts.outbox import FAILED, PENDING, Ledger
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.environments import opened
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.partitions import window_of
from fallrisk_assets.telemetry.contract import TelemetryDrops
from fallrisk_assets.telemetry.requests import LandingCursor, new_drops, unregistered
from fallrisk_assets.warehouse.store import EVERY_TABLE, WHOLE_TABLE, AnyWarehouse

FAILED_WITHIN = dt.timedelta(days=1)
"""For so long a delivery that failed for good is trouble: the platform's contact was told once."""

_PUBLISHED = "SELECT table_name, partition_key, rows FROM partition_ledger ORDER BY 1, 2"


@dataclass(frozen=True, slots=True)
class TableState:
    """What is published of one table.

    Attributes:
        name: Its identifier.
        slicing: "hour", "day", or "none" for a table that is replaced as a whole.
        keys: Published partition keys up to now, in order.
        rows: Rows of the last of them.
        on_demand: Published when somebody asks, hence never overdue.
    """

    name: str
    slicing: str
    keys: Sequence[str]
    rows: int
    on_demand: bool = False


def lake_tables(lake: Lake, now: dt.datetime) -> list[TableState]:
    """Return the state of each table of the lake at a UTC time."""
    found = []
    for model in all_contracts():
        if model.spec.namespace == "warehouse" or model.spec.slice_column is None:
            continue
        keys = begun(lake.ledger.keys(model), now)
        rows = lake.ledger.get(model, keys[-1]).rows if keys else 0
        spec = model.spec
        found.append(TableState(spec.identifier, spec.slicing, keys, rows, on_demand=spec.on_demand))
    return found


def warehouse_tables(warehouse: AnyWarehouse, now: dt.datetime) -> list[TableState]:
    """Return the state of each table at a UTC time in the warehouse's snapshot, which is what people read."""
    published: dict[str, dict[str, int]] = {}
    exported = warehouse.query_export(_PUBLISHED)
    for row in exported.to_pylist() if exported is not None else []:
        published.setdefault(row["table_name"], {})[row["partition_key"]] = row["rows"]
    found = []
    for model in EVERY_TABLE:
        rows = published.get(model.spec.identifier, {})
        keys = [WHOLE_TABLE] if WHOLE_TABLE in rows else begun(rows, now)
        found.append(
            TableState(model.spec.identifier, model.spec.slicing, keys, rows[keys[-1]] if keys else 0)
        )
    return found


def begun(keys: Iterable[str], now: dt.datetime) -> list[str]:
    """Return the partition keys whose hour or day has begun, in order."""
    return sorted(key for key in keys if window_of(key)[0] <= now)


def stale(
    tables: Sequence[TableState], now: dt.datetime, limits: Mapping[str, dt.timedelta]
) -> dict[str, list[TableState]]:
    """Return the tables whose last good partition is too old, by slicing.

    A table that was never published counts from the first partition of any table: a new lakehouse has no
    day before its first night.

    Args:
        tables: States of all tables.
        now: UTC time.
        limits: Longest time since the end of the last good partition, by slicing; zero: no limit.
    """
    tables = [t for t in tables if not t.on_demand]
    first = min((window_of(t.keys[0])[0] for t in tables if t.keys and t.slicing != "none"), default=None)
    old: dict[str, list[TableState]] = {}
    for table in tables:
        limit = limits.get(table.slicing)
        if not limit:
            continue
        since = window_of(table.keys[-1])[1] if table.keys else first
        if since is None or now - since > limit:
            old.setdefault(table.slicing, []).append(table)
    return old


def unregistered_drops(lake: Lake, landing: Landing) -> dict[str, list[str]]:
    """Return landed drops that no run has registered yet, by the hourly key of their receipt."""
    landed = landing.list("telemetry")
    registered: dict[str, set[str]] = {}
    for key in unregistered(landed, {}):
        if lake.ledger.find(TelemetryDrops, key) is not None:
            names = lake.read(TelemetryDrops, [key], columns=["drop_key"])["drop_key"].to_pylist()
            registered[key] = set(names)
    return unregistered(landed, registered)


def misnamed_files(landing: Landing) -> list[str]:
    """Return files in the telemetry folder that are no drops."""
    return new_drops(landing.list("telemetry"), LandingCursor()).misnamed


def oldest_landed(landing: Landing, drops: Iterable[str]) -> dt.datetime | None:
    """Return when the oldest of some drops landed (the last change of its file), UTC; None without drops."""
    wanted = set(drops)
    times = [file.modified_ns for file in landing.list("telemetry") if file.key in wanted] if wanted else []
    return dt.datetime.fromtimestamp(min(times) / 1e9, dt.UTC) if times else None


def oldest_waiting(outbox: Path) -> tuple[int, dt.datetime | None]:
    """Return how many notifications wait in the outbox and since when the oldest does."""
    if not outbox.exists():
        return 0, None
    with Ledger(outbox) as ledger:
        return ledger.counts().get(PENDING, 0), ledger.oldest_pending()


def failed_deliveries(outbox: Path, since: dt.datetime) -> Counter[str]:
    """Return the notifications that failed for good since a UTC time, by rule and channel."""
    if not outbox.exists():
        return Counter()
    with Ledger(outbox) as ledger:
        failed = [delivery.page for delivery in ledger.deliveries(FAILED) if delivery.state_at >= since]
    return Counter(f"{page.rule} by {page.channel}" for page in failed)


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _print_tables(tables: Iterable[TableState]) -> None:
    print(f"{'table':<34} {'partitions':>10} {'last good':>18} {'rows in it':>12}")
    for table in tables:
        last = "never" if not table.keys else "whole" if table.slicing == "none" else table.keys[-1]
        rows = f"{table.rows:,}" if table.keys else ""
        print(f"{table.name:<34} {len(table.keys):>10} {last:>18} {rows:>12}".rstrip())


def _stale_troubles(old: Mapping[str, Sequence[TableState]]) -> Iterable[str]:
    for slicing, tables in old.items():
        never = [table.name for table in tables if not table.keys]
        if never:
            yield f"nothing has ever been published: {_some(never)}"
        by_key: dict[str, list[str]] = {}
        for table in tables:
            if table.keys:
                by_key.setdefault(table.keys[-1], []).append(table.name)
        for key, names in sorted(by_key.items()):
            yield f"the last good {slicing} is {key}: {_some(names)}"


def _some(names: Sequence[str], most: int = 4) -> str:
    left_out = len(names) - most
    return ", ".join(names[:most]) + (f" and {left_out} more" if left_out > 0 else "")


def _backlog(lake: Lake, landing: Landing, options: argparse.Namespace, now: dt.datetime) -> list[str]:
    waiting = [drop for drops in unregistered_drops(lake, landing).values() for drop in drops]
    misnamed = misnamed_files(landing)
    since = oldest_landed(landing, waiting)
    print(
        f"\nbacklog   {len(waiting):,} drops landed and not registered"
        + (f", the oldest {_age(now - since)} ago" if since else "")
        + f"; {len(misnamed):,} files are no drops"
    )
    troubles = []
    if len(waiting) > options.max_backlog:
        troubles.append(f"backlog of {len(waiting)} drops exceeds {options.max_backlog}")
    if since and now - since > dt.timedelta(hours=options.max_drop_hours):
        troubles.append(
            f"a drop landed {_age(now - since)} ago and is not registered: {min(waiting)}; "
            "is landing_sensor on? make run DAY=… of its day registers it"
        )
    if misnamed:
        troubles.append(f"rename and drop again: {', '.join(misnamed[:3])}")
    return troubles


def _disk(data: Path, options: argparse.Namespace) -> list[str]:
    sizes = (
        {d.name: folder_bytes(d) / 1e6 for d in sorted(data.iterdir()) if d.is_dir()} if data.exists() else {}
    )
    free_gb = shutil.disk_usage(data if data.exists() else Path.cwd()).free / 1e9
    print(f"disk      {', '.join(f'{n} {mb:,.0f} MB' for n, mb in sizes.items())}; {free_gb:,.0f} GB free")
    return [f"only {free_gb:.1f} GB of disk are free"] if free_gb < options.min_free_gb else []


def _outbox(outbox: Path, options: argparse.Namespace, now: dt.datetime) -> list[str]:
    count, since = oldest_waiting(outbox)
    failed = failed_deliveries(outbox, now - FAILED_WITHIN)
    print(
        f"outbox    {count:,} notifications wait"
        + (f", the oldest since {since:%Y-%m-%d %H:%M} UTC" if since else "")
        + f"; {failed.total():,} failed within a day"
    )
    troubles = []
    if since and (now - since) > dt.timedelta(minutes=options.max_outbox_minutes):
        troubles.append(f"the oldest notification waits since {since:%Y-%m-%d %H:%M} UTC")
    if failed:
        kinds = ", ".join(f"{kind} ({n})" for kind, n in failed.most_common(3))
        troubles.append(
            f"notifications reached nobody: {kinds}; why: python -m fallrisk_assets.alerts outbox"
        )
    return troubles


def _age(age: dt.timedelta) -> str:
    minutes = round(age.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"


def main(arguments: Sequence[str] | None = None, now: dt.datetime | None = None) -> int:
    """Print the state; return 1 when a limit is exceeded.

    Args:
        arguments: Words of the command line; those of the process by default.
        now: UTC time; the clock's by default.
    """
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.status", description=__doc__)
    parser.add_argument("--max-backlog", type=int, default=100, help="drops waiting to be registered")
    parser.add_argument("--max-drop-hours", type=float, default=3, help="age of the oldest of them")
    parser.add_argument("--max-outbox-minutes", type=float, default=15, help="age of the oldest notification")
    parser.add_argument("--min-free-gb", type=float, default=2, help="free disk")
    parser.add_argument(
        "--max-age-hours",
        type=float,
        default=3,
        help="age of the last good hour of every hourly table; 0: none",
    )
    parser.add_argument(
        "--max-age-days", type=float, default=2, help="age of the last good day of every daily table; 0: none"
    )
    options = parser.parse_args(arguments)
    now = now or dt.datetime.now(dt.UTC)
    lake, landing, data = opened("lake"), opened("landing"), Path(data_folder())
    limits = {
        "hour": dt.timedelta(hours=options.max_age_hours),
        "day": dt.timedelta(days=options.max_age_days),
    }
    tables = [*lake_tables(lake, now), *warehouse_tables(opened("warehouse"), now)]
    _print_tables(tables)
    troubles = [
        *_stale_troubles(stale(tables, now, limits)),
        *_backlog(lake, landing, options, now),
        *_disk(data, options),
        *_outbox(data / "outbox.db", options, now),
    ]
    for trouble in troubles:
        print(f"✗ {trouble}")
    if not troubles:
        print("✓ nothing is stale")
    return 1 if troubles else 0


if __name__ == "__main__":
    raise SystemExit(main())
