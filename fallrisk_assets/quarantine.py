"""Look at quarantined lines, and process their hours again after a rule or an assignment was mended.

What belongs here: the command line. What does not: the rules (`telemetry/`).

    python -m fallrisk_assets.quarantine list
    python -m fallrisk_assets.quarantine replay --reason UNIT_MISMATCH --from 2026-01-05 --to 2026-01-06

Lines are not patched: their hours are made anew from the immutable drops, whole and all at once, so a
replayed line lands where it would have landed had the rule been right from the start.
"""

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence

from fallrisk_assets.environments import opened
from fallrisk_assets.jobs import TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import window_of
from fallrisk_assets.run import JobFailed, execute
from fallrisk_assets.telemetry.contract import TelemetryQuarantine
from fallrisk_assets.telemetry.ingest import FORCE_TAG
from fallrisk_assets.telemetry.reasons import WHAT_TO_DO, Reason
from fallrisk_assets.telemetry.requests import contiguous


def quarantined_hours(
    lake: Lake, reason: str | None, first: dt.date | None, last: dt.date | None
) -> dict[str, Counter[str]]:
    """Return hours that hold quarantined lines, with their counts by reason.

    Args:
        lake: The lake.
        reason: Only hours with this reason; None for any.
        first: First day; None from the beginning.
        last: Last day, included; None to the end.
    """
    found: dict[str, Counter[str]] = {}
    for key in lake.ledger.keys(TelemetryQuarantine):
        day = window_of(key)[0].date()
        if (
            (first and day < first)
            or (last and day > last)
            or not lake.ledger.get(TelemetryQuarantine, key).rows
        ):
            continue
        counts = Counter(lake.read(TelemetryQuarantine, [key], columns=["reason"])["reason"].to_pylist())
        if reason is None or reason in counts:
            found[key] = counts
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and list or replay."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.quarantine", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (("list", "count quarantined lines by hour and reason"), ("replay", "make hours anew")):
        sub = verbs.add_parser(verb, help=text)
        sub.add_argument("--reason", choices=[r.value for r in Reason])
        sub.add_argument("--from", dest="first", type=dt.date.fromisoformat, metavar="DAY")
        sub.add_argument("--to", dest="last", type=dt.date.fromisoformat, metavar="DAY")
    options = parser.parse_args(arguments)
    lake = opened("lake")
    before = quarantined_hours(lake, options.reason, options.first, options.last)
    total: Counter[str] = sum(before.values(), Counter())
    for reason, count in total.most_common():
        print(f"{count:>10,}  {reason:<24} {WHAT_TO_DO[Reason(reason)]}")
    if options.verb == "list" or not before:
        print(f"{total.total():,} quarantined lines in {len(before)} hours")
        return 0
    try:
        for group in contiguous(before):
            execute(TELEMETRY_HOURLY, group[0], group[-1], {FORCE_TAG: "true"})
    except JobFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    after = quarantined_hours(lake, None, options.first, options.last)
    left: Counter[str] = sum((after.get(key, Counter()) for key in before), Counter())
    print(
        f"{total.total() - sum(left[r] for r in total):,} lines left the quarantine, {left.total():,} remain"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
