"""`python -m fallrisk_assets.models`: look at versions, train, promote, roll back, score again, print cards.

Belongs here: arguments and words, and the clock. Does not belong here: what promotion asks (`promotion.py`).
"""

import argparse
import datetime as dt
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fallrisk_assets.clinic.feedback_text.card import released_text_card, text_card
from fallrisk_assets.clinic.feedback_text.model import NAMES as TEXT_MODELS
from fallrisk_assets.clinic.feedback_text.model import released as released_text_model
from fallrisk_assets.clinic.no_show.card import no_show_card, released_no_show_card
from fallrisk_assets.clinic.no_show.model import released
from fallrisk_assets.environments import opened
from fallrisk_assets.jobs import DETECTOR_TRAINING, RESCORE_FALLS
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.ledger import MissingPartition
from fallrisk_assets.models import listing, promotion
from fallrisk_assets.models.card import detector_card, index_card, released_card, released_evaluation
from fallrisk_assets.models.contract import FallDetector
from fallrisk_assets.models.kinds import FALL_DETECTOR, KINDS, NO_SHOW, ArtefactDamaged
from fallrisk_assets.models.registry import PromotionRefused, registry_of
from fallrisk_assets.models.resource import RECORDINGS_VARIABLE, Recordings
from fallrisk_assets.models.sources import RecordingsMissing
from fallrisk_assets.partitions import day_key, hour_range, hours_of_day, is_hour_key, window_of
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.resource import RESCORE_VARIABLE
from fallrisk_assets.run import JobFailed, execute
from fallrisk_assets.telemetry.requests import contiguous


def _moment(text: str) -> dt.datetime:
    at = dt.datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} needs a time zone, e.g. 2026-01-05T07:12:00Z")
    return at.astimezone(dt.UTC)


def _key(text: str) -> str:
    try:
        window_of(text)
    except ValueError:
        said = f"{text!r}: write a day as 2026-01-05, an hour as 2026-01-05-07:00"
        raise argparse.ArgumentTypeError(said) from None
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listed = commands.add_parser("list", help="versions of every model, and which is in use")
    listed.add_argument("--model", choices=KINDS, help="this model only")
    commands.add_parser("decisions", help="who promoted or took back what, when and why")
    show = commands.add_parser("show", help="what a version was made from, and what the gates say")
    show.add_argument("version")
    deciding = argparse.ArgumentParser(add_help=False)
    deciding.add_argument("--by", required=True, help="your staff id (no name)")
    deciding.add_argument("--why", required=True, help="the reason, for the next reader")
    deciding.add_argument("--at", type=_moment, help="when it was decided (default: now), with time zone")
    promote = commands.add_parser("promote", parents=[deciding], help="let a version of a model score")
    promote.add_argument("version")
    promote.add_argument(
        "--unevaluated", action="store_true", help="though nobody judged it; the record will say so"
    )
    rollback = commands.add_parser("rollback", parents=[deciding], help="take the newest promotion back")
    rollback.add_argument("--model", choices=promotion.JUDGED, default=FALL_DETECTOR, help="of this model")
    card = commands.add_parser("card", help="print the model card of what ships, or of a version")
    card.add_argument("version", nargs="?", help="a version of a trained model, or fall_index")
    card.add_argument("--out", type=Path, help="write it to this file")
    train = commands.add_parser("train", help="train and judge a version (it scores when it is promoted)")
    train.add_argument("--source", help=f"folder with recordings (default: {RECORDINGS_VARIABLE})")
    train.add_argument("--day", type=_key, help="day of training (default: today)")
    judge = commands.add_parser("judge-release", help="judge the version that ships; for who releases it")
    judge.add_argument("--source", required=True, help="folder with recordings")
    rescore = commands.add_parser("rescore", help="score published hours by another version, beside them")
    rescore.add_argument("version")
    rescore.add_argument("--from", dest="first", type=_key, required=True, metavar="DAY|HOUR")
    rescore.add_argument("--to", dest="last", type=_key, required=True, metavar="DAY|HOUR")
    return parser


def _train(lake: Lake, source: str | None, day: str) -> None:
    if source:
        os.environ[RECORDINGS_VARIABLE] = str(Path(source).resolve())
    try:
        execute(DETECTOR_TRAINING, day, day)
    finally:
        if lake.ledger.find(FallDetector, day):
            (version,) = lake.read(FallDetector, [day])["model_version"].to_pylist()
            print(*listing.version(lake, FALL_DETECTOR, version), sep="\n")
            print(f"\nTo use it: python -m fallrisk_assets.models promote {version} --by … --why …")


def _rescore(lake: Lake, version: str, first: str, last: str) -> None:
    """Score the published hours of a range again; says which hours of it nobody published."""
    registry_of(lake, FALL_DETECTOR).artefact(version)
    hours = hour_range(
        first if is_hour_key(first) else hours_of_day(first)[0],
        last if is_hour_key(last) else hours_of_day(last)[-1],
    )
    published = set(lake.ledger.keys(FallEvents))
    wanted = [key for key in hours if key in published]
    if not wanted:
        raise MissingPartition(FallEvents.spec.identifier, f"{first} … {last}")
    os.environ[RESCORE_VARIABLE] = version
    for group in contiguous(wanted):
        execute(RESCORE_FALLS, group[0], group[-1])
    if missing := len(hours) - len(wanted):
        print(f"{missing} hours of the range were never published and are left out")
    print(f"{version} against what is published, {len(wanted)} hours:")
    for name, count in listing.comparison(lake, version, wanted).as_counts().items():
        print(f"  {name:<36} {count:>6,}")


def _judge_release(source: str) -> None:
    """Measure the version that ships and write its figures into the package, where the card finds them."""
    from fallrisk_assets.models import measures
    from fallrisk_assets.models.held_out import simulated_wear
    from fallrisk_assets.models.sources import TRAINED_POSITIONS, read_corpora, trials_at
    from fallrisk_assets.risk.detector import released_model

    settings, model = Recordings(folder=source), released_model()
    corpora = read_corpora(settings.sources, settings.place)
    found = measures.wear_measures(simulated_wear(settings.wear), model)
    for position in TRAINED_POSITIONS:
        trials = trials_at(corpora, position)
        found += measures.held_out_measures(trials, position, model)
        found += measures.recording_measures(trials, position, model)
    rows = measures.release_rows(model.version, found)
    path = Path(__file__).parent / "evaluations" / f"{model.version}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(f"wrote {path.name}: {len(rows)} figures of {model.version}")


def _card(lake: Lake, wanted: str | None) -> str:
    if wanted is None:
        return released_card()
    if wanted == "fall_index":
        return index_card()
    if (name := promotion.model_of(wanted)) in TEXT_MODELS:
        if wanted == released_text_model(name).version:
            return released_text_card(name)
        return text_card(registry_of(lake, name).artefact(wanted), promotion.evaluation_of(lake, wanted))
    if name == NO_SHOW:
        if wanted == released().version:
            return released_no_show_card()
        return no_show_card(
            registry_of(lake, NO_SHOW).artefact(wanted), promotion.evaluation_of(lake, wanted)
        )
    rows = promotion.evaluation_of(lake, wanted) or released_evaluation(wanted)
    return detector_card(registry_of(lake, FALL_DETECTOR).artefact(wanted), rows)


def _run(options: argparse.Namespace, lake: Lake, now: dt.datetime) -> None:
    if options.command == "list":
        print(*listing.versions(lake, [options.model] if options.model else list(KINDS)), sep="\n")
    elif options.command == "decisions":
        made = list(listing.decisions(lake)) or ["no decision: the versions of the package are in use"]
        print(*made, sep="\n")
    elif options.command == "show":
        print(*listing.version(lake, promotion.model_of(options.version), options.version), sep="\n")
    elif options.command == "promote":
        decided = {"by": options.by, "at": options.at or now, "why": options.why}
        promoted = promotion.promote(lake, options.version, **decided, unevaluated=options.unevaluated)
        print(
            listing.decision(promoted),
            *promoted.gates,
            "Hours that are published keep their version.",
            sep="\n",
        )
    elif options.command == "rollback":
        registry = registry_of(lake, options.model)
        print(listing.decision(registry.rollback(by=options.by, at=options.at or now, why=options.why)))
    elif options.command == "card":
        text = _card(lake, options.version)
        if options.out:
            options.out.write_text(text)
        else:
            print(text)
    elif options.command == "train":
        _train(lake, options.source, options.day or day_key(now))
    elif options.command == "judge-release":
        _judge_release(options.source)
    else:
        _rescore(lake, options.version, options.first, options.last)


def main(
    arguments: Sequence[str] | None = None, lake: Lake | None = None, now: dt.datetime | None = None
) -> int:
    """Parse the command line and do it; returns 1 where it was refused.

    Args:
        arguments: Words of the command line; those of the process by default.
        lake: Where the registry is; the data folder's by default.
        now: The time; the clock's by default.
    """
    options = _parser().parse_args(arguments)
    try:
        _run(options, lake or opened("lake"), now or dt.datetime.now(dt.UTC))
    except (
        ArtefactDamaged,
        JobFailed,
        LookupError,
        PromotionRefused,
        RecordingsMissing,
    ) as refused:
        print(f"✗ {refused.args[0] if refused.args else refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
