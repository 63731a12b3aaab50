"""Is the lakehouse alive? Last good hour per table, backlog, disk and the outbox; an outside heartbeat.

What belongs here: reading what is there and saying it. What does not: mending it.

    python -m fallrisk_assets.status --max-backlog 50 --max-outbox-minutes 15

Exits with 1 when a limit is exceeded, so that a watchdog outside can raise the alarm.
"""

import argparse
import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path

from fallrisk_assets.alerts.outbox import PENDING, Ledger
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.partitions import window_of
from fallrisk_assets.telemetry.contract import TelemetryDrops
from fallrisk_assets.telemetry.requests import LandingCursor, new_drops, unregistered


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


def oldest_waiting(outbox: Path) -> tuple[int, dt.datetime | None]:
    """Return how many notifications wait in the outbox and since when the oldest does."""
    if not outbox.exists():
        return 0, None
    with Ledger(outbox) as ledger:
        return ledger.counts().get(PENDING, 0), ledger.oldest_pending()


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the state; return 1 when a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.status", description=__doc__)
    parser.add_argument("--max-backlog", type=int, default=100, help="drops waiting to be registered")
    parser.add_argument("--max-outbox-minutes", type=float, default=15, help="age of the oldest notification")
    parser.add_argument("--min-free-gb", type=float, default=2, help="free disk")
    parser.add_argument(
        "--max-age-hours", type=float, default=3, help="age of the last good hour of every hourly table"
    )
    options = parser.parse_args(arguments)
    lake, landing = Lake(), Landing()
    now = dt.datetime.now(dt.UTC)
    troubles = []
    print(f"{'table':<34} {'partitions':>10} {'last good':>18} {'rows in it':>12}")
    for model in all_contracts():
        if model.spec.namespace == "warehouse" or model.spec.slice_column is None:
            continue
        keys = lake.ledger.keys(model)
        if not keys:
            print(f"{model.spec.identifier:<34} {0:>10} {'never':>18}")
            if model.spec.slicing == "hour":
                troubles.append(f"{model.spec.identifier}: nothing has ever been published")
            continue
        print(
            f"{model.spec.identifier:<34} {len(keys):>10} {keys[-1]:>18} "
            f"{lake.ledger.get(model, keys[-1]).rows:>12,}"
        )
        age = now - window_of(keys[-1])[1]
        if (
            options.max_age_hours
            and model.spec.slicing == "hour"
            and age > dt.timedelta(hours=options.max_age_hours)
        ):
            troubles.append(f"{model.spec.identifier}: last good hour is {keys[-1]}")
    waiting = [drop for drops in unregistered_drops(lake, landing).values() for drop in drops]
    misnamed = misnamed_files(landing)
    print(
        f"\nbacklog   {len(waiting):,} drops landed and not registered, {len(misnamed):,} files are no drops"
    )
    if len(waiting) > options.max_backlog:
        troubles.append(f"backlog of {len(waiting)} drops exceeds {options.max_backlog}")
    if misnamed:
        troubles.append(f"rename and drop again: {', '.join(misnamed[:3])}")
    data = Path(data_folder())
    sizes = (
        {d.name: folder_bytes(d) / 1e6 for d in sorted(data.iterdir()) if d.is_dir()} if data.exists() else {}
    )
    free_gb = shutil.disk_usage(data if data.exists() else Path.cwd()).free / 1e9
    print(f"disk      {', '.join(f'{n} {mb:,.0f} MB' for n, mb in sizes.items())}; {free_gb:,.0f} GB free")
    if free_gb < options.min_free_gb:
        troubles.append(f"only {free_gb:.1f} GB of disk are free")
    count, since = oldest_waiting(data / "outbox.db")
    print(
        f"outbox    {count:,} notifications wait"
        + (f", the oldest since {since:%Y-%m-%d %H:%M} UTC" if since else "")
    )
    if since and (now - since) > dt.timedelta(minutes=options.max_outbox_minutes):
        troubles.append(f"the oldest notification waits since {since:%Y-%m-%d %H:%M} UTC")
    for trouble in troubles:
        print(f"✗ {trouble}")
    if not troubles:
        print("✓ nothing is stale")
    return 1 if troubles else 0


if __name__ == "__main__":
    raise SystemExit(main())
