"""Command line: `python -m simulator cohort|clinic|live|replay|scheduling-api`; `--help` explains each."""

import argparse
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from fallrisk_assets.recordings.datasets import ALL_POSITIONS, DATASETS
from simulator.clinic_faults import CLINIC_FAULTS, parse_clinic_faults
from simulator.clinic_operations import OperationsOptions, OperationsResult, simulate_clinic
from simulator.clinic_rates import MODES
from simulator.cohort import CohortOptions, simulate_cohort
from simulator.drops import FORMATS, JSONL_GZ
from simulator.faults import ALL_FAULTS
from simulator.live import LiveOptions, live_rounds
from simulator.phenotypes import ORDER, PHENOTYPES
from simulator.replay import replay
from simulator.scheduling_command import SCHEDULING, add_scheduling, serve

_DESCRIPTION = """\
Make input for the lakehouse: wearable devices' drops and the clinic's files, seeded and with the truth
beside.

  cohort   a whole cohort of patients over some days, as fast as the machine can
  clinic   appointments and feedback of a clinic without devices, for days or years
  live     a few devices that keep dropping files while you watch
  scheduling-api  the clinic of `clinic` behind HTTP, for the connector to pull from
  replay   recordings of real people (UMAFall, SisFall, KFall and others) as if devices had sent them
"""
_LIVE = """Keep dropping small files, so that sensors can be watched: one drop a round and device."""
_REPLAY = """\
Replay recordings as drops of one device for each subject and position, trial after trial, with the truth
beside: falls.csv (with the labelled impact, where one is published), activities.csv, replay_skipped.csv.
Files are read in the layout in which the data set is published; what is corrupted or not fit for use is
skipped and reported with its reason, never guessed. With a cohort: cohort first, then replay."""


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    top = argparse.ArgumentParser(
        prog="python -m simulator",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True)
    cohort = commands.add_parser(
        "cohort",
        help="simulate patients over days",
        description="Simulate patients over days into a landing zone. Same options, same bytes.",
        epilog="Faults: " + ", ".join(ALL_FAULTS) + ".",
    )
    cohort.add_argument(
        "--out", type=Path, required=True, metavar="LANDING_DIR", help="landing zone to write into"
    )
    cohort.add_argument(
        "--truth", type=Path, metavar="DIR", help="where falls, activities and faults are written"
    )
    cohort.add_argument("--patients", type=int, default=5, help="how many wearers (default 5)")
    cohort.add_argument("--days", type=int, default=2, help="how many UTC days (default 2)")
    cohort.add_argument("--rate-hz", type=float, default=50.0, help="samples a second (default 50)")
    cohort.add_argument("--seed", type=int, default=7, help="decides everything random (default 7)")
    cohort.add_argument(
        "--start", type=date.fromisoformat, default=date(2026, 1, 5), help="first UTC day, YYYY-MM-DD"
    )
    cohort.add_argument(
        "--hours-per-day",
        default="16,2",
        help="hours of wear of each patient, the last for all that follow (default 16,2)",
    )
    cohort.add_argument(
        "--falls-per-day",
        type=float,
        default=2.0,
        help="mean of a pre-frail person in 16 h of wear (default 2)",
    )
    cohort.add_argument(
        "--faults",
        default="default",
        help="none, default, all, or counts such as gap=3,duplicate=50 (default default)",
    )
    cohort.add_argument(
        "--phenotypes",
        help=f"of the patients in turn, from {', '.join(PHENOTYPES)} (default a mixture)",
    )
    cohort.add_argument("--format", choices=FORMATS, default=JSONL_GZ, help="of the drops (default jsonl.gz)")
    cohort.add_argument("--drop-minutes", type=int, default=60, help="minutes in one drop (default 60)")
    cohort.add_argument(
        "--workers", type=int, default=1, help="threads (default 1); any number gives the same bytes"
    )
    cohort.add_argument(
        "--clinic-providers",
        type=int,
        default=0,
        help="with so many providers the clinic has appointments too",
    )
    cohort.add_argument(
        "--clinic-patients", type=int, default=0, help="patients of the clinic who wear no device (default 0)"
    )
    cohort.add_argument("--clinic-faults", default="none", help="none, all, or counts; see clinic --help")
    cohort.add_argument("--quiet", action="store_true", help="no progress on standard error")
    _add_clinic(
        commands.add_parser(
            "clinic",
            help="simulate appointments and feedback",
            description="Simulate a clinic's appointments and feedback. Same options, same bytes.",
            epilog="Faults: " + ", ".join(CLINIC_FAULTS) + ".",
        )
    )
    add_scheduling(
        commands.add_parser(
            "scheduling-api", help="serve a clinic's appointments over HTTP", description=SCHEDULING
        )
    )
    _add_live(commands.add_parser("live", help="keep dropping small files", description=_LIVE))
    _add_replay(
        commands.add_parser(
            "replay",
            help="replay recordings as devices' drops",
            description=_REPLAY,
            epilog=_data_sets(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )
    return top


def _add_clinic(clinic: argparse.ArgumentParser) -> None:
    clinic.add_argument(
        "--out", type=Path, required=True, metavar="LANDING_DIR", help="landing zone to write into"
    )
    clinic.add_argument("--truth", type=Path, metavar="DIR", help="where outcomes and faults are written")
    clinic.add_argument("--patients", type=int, default=500, help="how many patients (default 500)")
    clinic.add_argument("--providers", type=int, default=12, help="how many providers (default 12)")
    clinic.add_argument("--days", type=int, default=7, help="how many UTC days (default 7)")
    clinic.add_argument("--seed", type=int, default=7, help="decides everything random (default 7)")
    clinic.add_argument(
        "--start", type=date.fromisoformat, default=date(2026, 1, 5), help="first UTC day, YYYY-MM-DD"
    )
    clinic.add_argument(
        "--visits-per-year", type=float, default=12.0, help="mean of a patient's bookings (default 12)"
    )
    clinic.add_argument(
        "--modes", choices=tuple(MODES), default="telemedicine", help="mix of modes (default telemedicine)"
    )
    clinic.add_argument("--faults", default="none", help="none, all, or counts such as broken_line=3")


def _add_live(live: argparse.ArgumentParser) -> None:
    live.add_argument(
        "--out", type=Path, required=True, metavar="LANDING_DIR", help="landing zone to write into"
    )
    live.add_argument("--truth", type=Path, metavar="DIR", help="where falls and activities are written")
    live.add_argument("--devices", type=int, default=3, help="how many devices drop (default 3)")
    live.add_argument(
        "--every", type=float, default=60.0, help="seconds between rounds of drops (default 60)"
    )
    live.add_argument(
        "--stop-after", type=int, metavar="ROUNDS", help="rounds of drops (default: until interrupted)"
    )
    live.add_argument("--drop-minutes", type=int, default=1, help="simulated minutes in one drop (default 1)")
    live.add_argument("--rate-hz", type=float, default=50.0, help="samples a second (default 50)")
    live.add_argument("--falls-per-hour", type=float, default=4.0, help="mean for each device (default 4)")
    live.add_argument("--seed", type=int, default=7, help="decides everything random (default 7)")
    live.add_argument(
        "--start",
        type=_moment,
        help="simulated time of the first sample, such as 2026-01-05T10:00Z (default: so that the first drop "
        "ends now; two hours ago when rounds come faster than simulated time)",
    )


def _add_replay(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dataset", choices=tuple(DATASETS), default="umafall", help="which recordings (default umafall)"
    )
    command.add_argument(
        "--source", type=Path, required=True, metavar="DIR", help="folder that holds the recordings"
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="LANDING_DIR", help="landing zone to write into"
    )
    command.add_argument(
        "--truth", type=Path, metavar="DIR", help="where falls, trials and skipped trials are written"
    )
    command.add_argument(
        "--position",
        choices=ALL_POSITIONS,
        help="which sensor (default: the data set's first; axivity and csv: what the files tell)",
    )
    command.add_argument(
        "--start",
        type=_moment,
        default=datetime(2026, 1, 5, 10, tzinfo=UTC),
        help="when each subject's first trial begins (default 2026-01-05T10:00Z)",
    )
    command.add_argument("--gap-s", type=float, default=20.0, help="silence between trials (default 20)")
    command.add_argument("--drop-minutes", type=int, default=60, help="minutes in one drop (default 60)")
    command.add_argument("--seed", type=int, default=7, help="decides the receipt delays (default 7)")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = parser().parse_args(arguments)
    try:
        commands = {
            "cohort": _cohort,
            "clinic": _clinic,
            "live": _live,
            "replay": _replay,
            "scheduling-api": serve,
        }
        return commands[args.command](args)
    except KeyboardInterrupt:
        return 130
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        sys.stderr.write(f"simulator {args.command}: {error}\n")
        return 2


def _cohort(args: argparse.Namespace) -> int:
    options = CohortOptions(
        patients=args.patients,
        days=args.days,
        rate_hz=args.rate_hz,
        seed=args.seed,
        start=args.start,
        hours_per_day=tuple(float(part) for part in args.hours_per_day.split(",")),
        falls_per_day=args.falls_per_day,
        faults=args.faults,
        format=args.format,
        drop_minutes=args.drop_minutes,
        workers=args.workers,
        phenotypes=tuple(args.phenotypes.split(",")) if args.phenotypes else ORDER,
        clinic_providers=args.clinic_providers,
        clinic_patients=args.clinic_patients,
        clinic_faults=args.clinic_faults,
    )
    result = simulate_cohort(args.out, args.truth, options, progress=not args.quiet)
    print(
        f"{result.samples:,} samples in {result.drops} drops ({result.bytes_written / 1e6:,.1f} MB), "
        f"{result.falls} falls, {sum(result.faults.values()):,} lines and files with faults"
    )
    for fault, count in result.faults.items():
        print(f"  {fault:<20} {count:>8,}")
    for fault, count in result.faults_without_room.items():
        sys.stderr.write(f"no room for {count} x {fault}: too few or too short drops\n")
    if result.operations is not None:
        _tell_operations(result.operations)
    return 0


def _clinic(args: argparse.Namespace) -> int:
    options = OperationsOptions(
        args.start,
        args.days,
        args.seed,
        args.providers,
        args.visits_per_year,
        args.modes,
        parse_clinic_faults(args.faults),
    )
    _tell_operations(simulate_clinic(args.out, args.truth, args.patients, options))
    return 0


def _tell_operations(result: OperationsResult) -> None:
    print(
        f"{result.appointments:,} appointments, {result.answers:,} answers in {len(result.keys)} drops, "
        f"{sum(result.faults.values()):,} faults"
    )
    for fault, count in result.faults.items():
        print(f"  {fault:<20} {count:>8,}")
    for fault, count in result.faults_without_room.items():
        sys.stderr.write(f"no room for {count} x {fault}: no such visit or provider in these days\n")


def _live(args: argparse.Namespace) -> int:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    faster = args.every < args.drop_minutes * 60
    back = timedelta(hours=2) if faster else timedelta(minutes=args.drop_minutes)
    options = LiveOptions(
        start=args.start or now - back,
        devices=args.devices,
        rate_hz=args.rate_hz,
        seed=args.seed,
        drop_minutes=args.drop_minutes,
        falls_per_hour=args.falls_per_hour,
        stop_after=args.stop_after,
    )
    for turn in live_rounds(args.out, args.truth, options):
        print(
            f"round {turn.number}: {len(turn.keys)} drops, samples up to {turn.until:%Y-%m-%dT%H:%M}Z",
            flush=True,
        )
        if args.stop_after is None or turn.number < args.stop_after:
            time.sleep(args.every)
    return 0


def _replay(args: argparse.Namespace) -> int:
    result = replay(
        args.dataset,
        args.source,
        args.out,
        args.truth,
        args.start,
        args.position,
        args.gap_s,
        args.drop_minutes,
        args.seed,
    )
    print(
        f"{result.trials} trials ({result.falls} falls), {result.samples:,} samples in {result.drops} drops"
    )
    for reason, count in sorted(Counter(skip.reason for skip in result.skipped).items()):
        example = next(skip for skip in result.skipped if skip.reason == reason)
        print(f"  skipped {count}: {reason}, for example {example.file}: {example.detail}")
    return 0 if result.trials else 1


def _data_sets() -> str:
    lines = ["data sets, with the positions that can be replayed:"]
    lines += [f"  {name:<10} {facts.title}: {', '.join(facts.positions)}" for name, facts in DATASETS.items()]
    return "\n".join([*lines, "Layouts, licences and what is skipped: docs/recordings.md."])


if __name__ == "__main__":
    sys.exit(main())
