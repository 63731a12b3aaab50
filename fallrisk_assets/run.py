"""Run the jobs for days or hours through `dagster job execute`, with progress on the terminal.

What belongs here: the command line around the jobs. What does not: the jobs.

    python -m fallrisk_assets.run --from 2026-01-05 --to 2026-01-06

The hour after the last day is run too: the last hour's drops are received in it.
"""

import argparse
import datetime as dt
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fallrisk_assets.clinic.operations.history import stale_days
from fallrisk_assets.environments import opened
from fallrisk_assets.jobs import IDENTITY_DAILY, LAKEHOUSE_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.launcher import WORKER_TAG, identity
from fallrisk_assets.partitions import FIRST_DAY, HOUR, hour_key, newest_hour_end, window_of
from fallrisk_assets.sensors import stale_hours
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.telemetry.requests import contiguous

_STEP = re.compile(r" - (?P<step>\S+) - STEP_(?P<what>START|SUCCESS|FAILURE|UP_FOR_RETRY)")
_LATE_ROUNDS = 3
_LOUD = re.compile(r"ERROR|SliceRefused|MissingPartition|Traceback|Error:")


class JobFailed(RuntimeError):
    """A job did not succeed; the message names its log."""


def execute(job: str, first: str, last: str, extra_tags: dict[str, str] | None = None) -> float:
    """Execute a job for a range of partitions in one run and show its steps as they go.

    Args:
        job: Name of the job.
        first: First partition key.
        last: Last partition key.
        extra_tags: Further run tags.

    Returns:
        Seconds it took.

    Raises:
        JobFailed: the run failed.
    """
    tags = {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
        **(extra_tags or {}),
    }
    command = [
        *(sys.executable, "-c", "from fallrisk_assets.run import work; work()"),
        *("job", "execute", "-m", "fallrisk_assets.definitions", "-a", "defs", "-j", job),
        *("--tags", json.dumps(tags)),
    ]
    log = Path(data_folder()) / "logs" / f"{job}-{first.replace(':', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"▶ {job}  {first} … {last}", flush=True)
    started = time.monotonic()
    step_started = started
    said: list[str] = []
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if _LOUD.search(line):
                said.append(line.rstrip())
            found = _STEP.search(line)
            if found is None:
                continue
            if found["what"] == "START":
                step_started = time.monotonic()
                continue
            mark = {"SUCCESS": "✓", "FAILURE": "✗"}.get(found["what"], "↻")
            print(f"  {mark} {found['step']:<28} {time.monotonic() - step_started:6.1f} s", flush=True)
        code = process.wait()
    seconds = time.monotonic() - started
    if code != 0:
        print(*said[:12], sep="\n", file=sys.stderr)
        raise JobFailed(f"{job} {first} … {last} failed; the whole log is in {log}")
    return seconds


def work() -> None:
    """Be the process of `dagster job execute … --tags JSON`: with one tag more, which names this process.

    By it run monitoring tells a run that lasts from one whose process was killed.
    """
    from dagster._cli import create_dagster_cli

    *words, tags = sys.argv[1:]
    create_dagster_cli()([*words, json.dumps(json.loads(tags) | {WORKER_TAG: identity(os.getpid())})])


def run_days(first: dt.date, last: dt.date) -> None:
    """Execute identity, telemetry and daily jobs for UTC days, both included; hours of late drops too.

    The daily job is for days that have ended: the running one has hours that nobody can publish yet.

    Raises:
        JobFailed: a run failed, or hours are still asked for again after some rounds.
    """
    execute(IDENTITY_DAILY, str(first), str(last))
    run_stale_states(opened("lake"))
    after = window_of(str(last))[1]  # its first hour, unless the last day is still running
    execute(TELEMETRY_HOURLY, f"{first}-00:00", hour_key(min(after, newest_hour_end() - HOUR)))
    touched, left = run_late_hours(opened("lake"))
    ended = min(last, (newest_hour_end() - HOUR).date() - dt.timedelta(days=1))
    if first <= ended:
        execute(LAKEHOUSE_DAILY, str(first), str(ended))
    if ended < last:
        print(
            f"  {last} is still running: its gait, index, FHIR and page are made when it has ended",
            flush=True,
        )
    if earlier := sorted({key[:10] for key in touched if key[:10] < str(first)}):
        print(f"  late data changed hours of {', '.join(earlier)}: run these days again", flush=True)
    if left:
        raise JobFailed(f"hours are still made from other drops than the index names: {', '.join(left)}")


def run_stale_states(lake: Lake) -> None:
    """Execute the clinic's job for days whose states of appointments were made from less than is known now.

    What the clinic's sensor does on its own: a day that is run late is told by all days after it.

    Raises:
        JobFailed: the run failed.
    """
    if stale := sorted(stale_days(lake)):
        execute(IDENTITY_DAILY, stale[0], stale[-1])
        print(f"  appointments of {stale[0]} … {stale[-1]} changed: run these days again", flush=True)


def run_late_hours(lake: Lake) -> tuple[list[str], list[str]]:
    """Execute published hours again of which a later drop turned out to hold samples.

    What the landing sensor does on its own: days that are run one by one then give what a range gives. Hours
    that nobody has published are left to whoever runs their day.

    Returns:
        Keys that were executed, and keys that are still asked for after some rounds.

    Raises:
        JobFailed: a run failed.
    """

    def late() -> list[str]:
        published = set(lake.ledger.keys(Telemetry))
        return sorted(key for key in stale_hours(lake, 0)[0] if key in published)

    touched: set[str] = set()
    for _ in range(_LATE_ROUNDS):
        if not (stale := late()):
            break
        touched.update(stale)
        for group in contiguous(stale):
            execute(TELEMETRY_HOURLY, group[0], group[-1])
    return sorted(touched), late()


def why_not(first: dt.date, last: dt.date, today: dt.date) -> str:
    """Return why days cannot be run, and the way out; empty if they can.

    A day that has not come would be published empty, and pass for the newest good one.

    Args:
        first: First UTC day.
        last: Last UTC day.
        today: The running UTC day.
    """
    if last < first:
        return f"the last day, {last}, is before the first, {first}: exchange them"
    if last > today:
        return f"{last} has not come yet (today is {today} in UTC): give a day up to today"
    if first < FIRST_DAY:
        return (
            f"{first} is before {FIRST_DAY}, the first day of the lakehouse: give a later day, "
            "or set FIRST_DAY in fallrisk_assets/partitions.py"
        )
    return ""


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2026-01-05") from None


def main(arguments: Sequence[str] | None = None, today: dt.date | None = None) -> int:
    """Parse the command line and run; returns 2 for days that cannot be run, 1 if a job failed.

    Args:
        arguments: Words of the command line; those of the process by default.
        today: The running UTC day; the clock's by default.
    """
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.run", description=__doc__)
    parser.add_argument("--from", dest="first", type=_day, required=True, metavar="DAY")
    parser.add_argument("--to", dest="last", type=_day, required=True, metavar="DAY")
    options = parser.parse_args(arguments)
    if refusal := why_not(options.first, options.last, today or dt.datetime.now(dt.UTC).date()):
        print(f"✗ {refusal}", file=sys.stderr)
        return 2
    try:
        run_days(options.first, options.last)
    except JobFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
