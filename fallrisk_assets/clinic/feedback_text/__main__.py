"""`python -m fallrisk_assets.clinic.feedback_text`: train and judge the text models, or release them anew.

Here: arguments, words, the clock. Not here: what is learnt (`training.py`), promotion (`models`).
"""

import argparse
import datetime as dt
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fallrisk_assets.clinic.feedback_text.contract import (
    FeedbackTextEvaluation,
    FeedbackTextLeftOut,
    FeedbackTextTrainingSet,
)
from fallrisk_assets.clinic.feedback_text.gates import verdicts
from fallrisk_assets.clinic.feedback_text.measures import ALL
from fallrisk_assets.clinic.feedback_text.model import NAMES
from fallrisk_assets.clinic.feedback_text.resource import SET_VARIABLE
from fallrisk_assets.environments import opened
from fallrisk_assets.jobs import FEEDBACK_TEXT_TRAINING
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import day_key
from fallrisk_assets.run import JobFailed, execute

_FOLDER = Path(__file__).parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fallrisk_assets.clinic.feedback_text", description=__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train and judge versions (they judge when promoted)")
    train.add_argument("--set", help="labelled CSV (default: simulated comments)")
    train.add_argument("--day", type=dt.date.fromisoformat, help="day of training (default: today)")
    report = commands.add_parser("report", help="what a day of training gave")
    report.add_argument("--day", type=dt.date.fromisoformat, required=True)
    commands.add_parser("release", help="train the versions that ship anew; for who releases them")
    return parser


def report(lake: Lake, key: str) -> Iterator[str]:
    """What was read and left out on a day of training, how good the versions are, and what the gates say.

    Raises:
        MissingPartition: nothing was trained on this day, or it got no further than the line above says.
    """
    labels = lake.read(FeedbackTextTrainingSet, [key], columns=["source", "date_flag"])
    yield f"{labels.num_rows:>9,}  comments, {labels['source'][0].as_py()}"
    for column, rows in (
        ("date_flag", labels),
        ("reason", lake.read(FeedbackTextLeftOut, [key], columns=["reason"])),
    ):
        said = "date flagged" if column == "date_flag" else "left out"
        for found in rows[column].drop_null().value_counts().to_pylist():
            yield f"{found['counts']:>9,}  {said}: {found['values']}"
    rows = lake.read(FeedbackTextEvaluation, [key]).to_pylist()
    for row in rows:
        if row["subgroup"] == ALL:
            figure = f"{row['metric'].replace('_', ' ')}: {row['value']:.3f}"
            interval = f"[{row['lower']:.3f}, {row['upper']:.3f}]"
            yield f"  {figure} {interval}  {row['model_version']} ({row['role']})"
    for model in sorted({row["model"] for row in rows}):
        for verdict in verdicts(rows, model, registry_of(lake, model).in_use()):
            yield f"  {model}: {verdict.sentence()}"


def _train(lake: Lake, place: str | None, key: str) -> None:
    if place:
        os.environ[SET_VARIABLE] = str(Path(place).resolve())
    try:
        execute(FEEDBACK_TEXT_TRAINING, key, key)
    finally:
        if lake.ledger.find(FeedbackTextEvaluation, key):
            print(*report(lake, key), sep="\n")
    print("To use one: python -m fallrisk_assets.models promote VERSION --by … --why …")


def _release() -> None:
    from fallrisk_assets.clinic.feedback_text.releasing import release
    from fallrisk_assets.models.sealing import version_of

    for folder in ("models", "evaluations"):
        for old in (_FOLDER / folder).glob("*.json"):
            old.unlink()
    for name in NAMES:
        text, figures = release(name)
        version = version_of(text)
        (_FOLDER / "models" / f"{name}-1.json").write_text(text)
        lines = ",\n".join(json.dumps(row) for row in figures)
        (_FOLDER / "evaluations" / f"{version}.json").write_text(f"[\n{lines}\n]\n")
        print(version)


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
            day = str(options.day) if options.day else day_key(now or dt.datetime.now(dt.UTC))
            _train(lake or opened("lake"), options.set, day)
        elif options.command == "report":
            print(*report(lake or opened("lake"), str(options.day)), sep="\n")
        else:
            _release()
    except (JobFailed, LookupError) as refused:
        print(f"✗ {refused.args[0] if refused.args else refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
