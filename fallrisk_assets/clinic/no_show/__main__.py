"""`python -m fallrisk_assets.clinic.no_show`: train and judge the no-show model, on visits or a file.

Here: arguments, words, the clock. Not here: what is learnt (`training.py`), promotion (`models`).
"""

import argparse
import datetime as dt
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fallrisk_assets.clinic.no_show.contract import (
    CANDIDATE,
    NoShowEvaluation,
    NoShowLeftOut,
    NoShowModels,
    NoShowTrainingSet,
)
from fallrisk_assets.clinic.no_show.gates import verdicts
from fallrisk_assets.clinic.no_show.model import NAME
from fallrisk_assets.clinic.no_show.resource import SET_VARIABLE, NoShowSource
from fallrisk_assets.clinic.operations.contract import Appointments
from fallrisk_assets.environments import opened
from fallrisk_assets.jobs import NO_SHOW_TRAINING
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import day_key
from fallrisk_assets.run import JobFailed, execute

_FOLDER = Path(__file__).parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.clinic.no_show", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train and judge a version (it judges when it is promoted)")
    train.add_argument("--set", help="CSV in the public set's layout (default: the clinic's appointments)")
    train.add_argument(
        "--day",
        type=dt.date.fromisoformat,
        help="day of training (default: the newest published, for a file today)",
    )
    report = commands.add_parser("report", help="what a day of training gave")
    report.add_argument("--day", type=dt.date.fromisoformat, required=True)
    commands.add_parser("release", help="train the version that ships anew; for who releases it")
    return parser


def report(lake: Lake, key: str) -> Iterator[str]:
    """What was read and left out on a day of training, how good the version is, and what the gates say.

    Raises:
        MissingPartition: nothing was trained on this day, or it got no further than the line above says.
    """
    settled = lake.read(NoShowTrainingSet, [key], columns=["source", "basis", "part", "missed"])
    left_out = Counter(lake.read(NoShowLeftOut, [key], columns=["reason"])["reason"].to_pylist())
    yield f"{settled.num_rows:>9,}  visits of {settled['source'][0].as_py()} in the training set"
    yield from (f"{n:>9,}  left out: {reason}" for reason, n in sorted(left_out.items()))
    (version,) = lake.read(NoShowModels, [key])["model_version"].to_pylist()
    yield f"{version}: {settled['basis'][0].as_py()}"
    rows = lake.read(NoShowEvaluation, [key]).to_pylist()
    for row in rows:
        if row["role"] == CANDIDATE and not row["subgroup"].startswith("tenth "):
            interval = f"[{row['lower']:.3f}, {row['upper']:.3f}]"
            yield f"  {row['metric']:<30} {row['subgroup']:<16} {row['value']:7.3f} {interval}"
    for verdict in verdicts(rows, registry_of(lake, NAME).in_use()):
        yield f"  gate {verdict.sentence()}"


def _newest_day(lake: Lake) -> str:
    days = lake.ledger.keys(Appointments)
    if not days:
        raise LookupError(
            "no day of the clinic is published: run one (make run DAY=…), or name a file (--set)"
        )
    return days[-1]


def _train(lake: Lake, place: str | None, key: str) -> None:
    if place:
        os.environ[SET_VARIABLE] = str(Path(place).resolve())
    try:
        execute(NO_SHOW_TRAINING, key, key)
    finally:
        if lake.ledger.find(NoShowEvaluation, key):
            print(*report(lake, key), sep="\n")
    print("To use it: python -m fallrisk_assets.models promote VERSION --by … --why …")


def _release() -> None:
    from fallrisk_assets.clinic.no_show.releasing import release

    text, rows = release()
    (_FOLDER / "models" / "no_show-1.json").write_text(text)
    for old in (_FOLDER / "evaluations").glob("*.json"):
        old.unlink()
    lines = ",\n".join(json.dumps(row) for row in rows)
    (_FOLDER / "evaluations" / f"{rows[0]['model_version']}.json").write_text(f"[\n{lines}\n]\n")
    print(f"wrote {rows[0]['model_version']} and {len(rows)} figures; now: make card")


def main(
    arguments: Sequence[str] | None = None, lake: Lake | None = None, now: dt.datetime | None = None
) -> int:
    """Parse the command line and do it; returns 1 where it failed.

    Args:
        arguments: Words of the command line; those of the process by default.
        lake: Where the tables are; the data folder's by default.
        now: The time; the clock's by default.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "train":
            where = lake or opened("lake")
            if options.day:
                day = str(options.day)
            elif options.set or NoShowSource().place:
                day = day_key(now or dt.datetime.now(dt.UTC))
            else:
                day = _newest_day(where)
            _train(where, options.set, day)
        elif options.command == "report":
            print(*report(lake or opened("lake"), str(options.day)), sep="\n")
        else:
            _release()
    except (JobFailed, LookupError) as refused:
        print(f"✗ {refused.args[0] if refused.args else refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
