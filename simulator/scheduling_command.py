"""`python -m simulator scheduling-api`: a clinic behind HTTP until it is stopped.

What belongs here: arguments and the loop. What does not: routes (`scheduling_server.py`).
"""

import argparse
import functools
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from threading import Event

from simulator.clinic_operations import OperationsOptions, planned_visits
from simulator.clinic_people import draw_other_patients
from simulator.scheduling import known_at
from simulator.scheduling_server import TROUBLES, SchedulingSystem, serving

SCHEDULING = """\
Serve what `clinic` with the same options writes as drops, as an external scheduling system knows it at a
time. With --trouble-every, each such request is refused, cut off, or not answered."""
_LAST_REQUEST = 1_000_000


def add_scheduling(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    command.add_argument("--port", type=int, default=8765, help="on this machine (default 8765; 0: any)")
    command.add_argument("--patients", type=int, default=500, help="how many patients (default 500)")
    command.add_argument("--providers", type=int, default=12, help="how many providers (default 12)")
    command.add_argument("--days", type=int, default=7, help="how many UTC days (default 7)")
    command.add_argument("--seed", type=int, default=7, help="decides everything random (default 7)")
    command.add_argument(
        "--start",
        type=date.fromisoformat,
        default=date(2026, 1, 5),
        help="first UTC day, YYYY-MM-DD",
    )
    command.add_argument("--at", type=datetime.fromisoformat, help="the system's time (default: first noon)")
    command.add_argument("--token", default="", help="that clients must show (default none)")
    command.add_argument("--trouble-every", type=int, default=0, help="requests (default 0: no trouble)")


def serve(args: argparse.Namespace, until: Event | None = None, tell: Callable[[str], object] = print) -> int:
    """Serve until an event is set, for ever without one.

    Args:
        args: the command line.
        until: the event.
        tell: takes the line with the address.

    Raises:
        ValueError: an option makes no sense.
    """
    options = OperationsOptions(args.start, args.days, args.seed, args.providers)
    people = draw_other_patients(args.patients, options.seed, options.start)
    providers, visits = planned_visits(people, 0, options)
    at = args.at or datetime.combine(args.start, time(12))
    every = args.trouble_every
    troubles = (
        {n: TROUBLES[n // every % len(TROUBLES)] for n in range(every, _LAST_REQUEST, every)} if every else {}
    )
    system = SchedulingSystem(
        at if at.tzinfo else at.replace(tzinfo=UTC),
        functools.cache(lambda time: known_at(visits, time)),
        [one.provider_id for one in providers],
        args.token,
        troubles,
    )
    with serving(system, args.port) as address:
        tell(f"{len(system.known(system.at)):,} appointments at {address} (stop with Ctrl-C)")
        (until or Event()).wait()
    return 0
