"""`python -m fallrisk_assets.clinic.scheduling`: pull the scheduling API into the landing zone.

Here: arguments, the environment, the clock, words. Not here: the pull (`pull.py`). The clinic's sensor takes
the drop from there, as it takes any other.
"""

import argparse
import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from fallrisk_assets.clinic.scheduling.client import Politeness, SchedulingApiError
from fallrisk_assets.clinic.scheduling.pull import PAGE_SIZE, pull
from fallrisk_assets.clinic.scheduling.resource import TOKEN_VARIABLE, URL_VARIABLE, SchedulingSource
from fallrisk_assets.clinic.scheduling.spool import Spool
from fallrisk_assets.environments import opened
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.secrets import SecretsUnavailable


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fallrisk_assets.clinic.scheduling",
        description="Pull what changed in the scheduling API, and what lies 14 days ahead, as one drop. "
        f"A pull that stopped is gone on with. The token is what {TOKEN_VARIABLE} says, if it is set.",
    )
    manners = Politeness()
    parser.add_argument("--url", help=f"address with its version (default: {URL_VARIABLE})")
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE, help=f"default {PAGE_SIZE}")
    parser.add_argument("--timeout-s", type=float, default=manners.timeout_s)
    parser.add_argument("--retries", type=int, default=manners.retries)
    parser.add_argument("--requests-per-s", type=float, default=manners.requests_per_s)
    return parser


def main(
    arguments: Sequence[str] | None = None,
    landing: Landing | None = None,
    environment: Mapping[str, str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Parse the command line and pull; returns 1 where the API gave nothing, 2 where nobody can ask.

    Args:
        arguments: Words of the command line; those of the process by default.
        landing: Where drops go; the environment's landing zone by default.
        environment: Variables; those of the process by default.
        sleep: Waits for so many seconds.
    """
    options = _parser().parse_args(arguments)
    variables = os.environ if environment is None else environment
    try:
        source = SchedulingSource(
            url=options.url or "",
            timeout_s=options.timeout_s,
            retries=options.retries,
            requests_per_s=options.requests_per_s,
        )
        api = source.api(variables, sleep)
    except (ValueError, Misconfigured, SecretsUnavailable) as wrong:
        print(f"✗ {wrong}", file=sys.stderr)
        return 2
    try:
        found = pull(
            api, Spool(landing or opened("landing")), lambda: dt.datetime.now(dt.UTC), options.page_size
        )
    except SchedulingApiError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    print(f"{found.appointments:>9,}  appointments  {found.key or 'nothing to drop'}")
    print(f"{found.gone:>9,}  were gone when they were asked for")
    print(f"{api.requests:>9,}  requests, {api.asked_again} of them again")
    if found.pages_resumed:
        print(f"{found.pages_resumed:>9,}  pages from a pull that had stopped")
    print(f"Everything up to {found.as_of} is dropped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
