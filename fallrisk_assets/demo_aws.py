"""The same cohort in both environments: every table of the one must equal that of the other.

What belongs here: the order of things and the comparison that is printed. What does not: how tables are made
(`run.py`), what equal means (`equality.py`), what stands in for AWS (`simulator.aws`).

    python -m fallrisk_assets.demo_aws --patients 2 --days 1
"""

import argparse
import datetime as dt
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from fallrisk_assets.environments import ENVIRONMENT_VARIABLE, opened
from fallrisk_assets.equality import Held, differences, held, show
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.lake.resource import DATA_VARIABLE, data_folder
from simulator.aws import AwsStandin, StandinFailed, aws_standin
from simulator.redshift import RedshiftStandin, both, redshift_standin, why_not

#: What an aws run still keeps in its data folder: none of it is lake, landing zone, reports or warehouse.
STAYS_LOCAL = frozenset({"dagster_home", "logs", "outbox.db", "outbox.db.lock", "outbox.jsonl"})


def variables_of(name: str, data: Path, aws: AwsStandin, redshift: RedshiftStandin | None) -> dict[str, str]:
    """Return the variables of one run, which has a data folder and a Dagster instance of its own."""
    home = data / name / "dagster_home"
    own = {DATA_VARIABLE: str(data / name), "DAGSTER_HOME": str(home), ENVIRONMENT_VARIABLE: name}
    return own | (both(aws, redshift) if name == "aws" else {})


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables, and nothing else of AWS or of this project, for a while."""
    before = dict(os.environ)
    try:
        for name in before:
            if name.startswith(("AWS_", "FALLRISK_")):
                del os.environ[name]
        os.environ.update(variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def simulate(landing: Path, options: argparse.Namespace) -> None:
    """Fill a landing zone with a small cohort and its clinic, faults included."""
    command = [sys.executable, "-m", "simulator", "cohort", "--out", str(landing), "--quiet"]
    size = [f"--patients={options.patients}", f"--days={options.days}", f"--hours-per-day={options.hours}"]
    what = [f"--seed={options.seed}", f"--start={options.start}", "--faults=default", "--falls-per-day=20"]
    clinic = ["--clinic-providers=3", "--clinic-patients=60", "--clinic-faults=all"]
    subprocess.run([*command, *size, *what, *clinic], check=True)


def run(variables: Mapping[str, str], options: argparse.Namespace) -> float:
    """Execute the jobs for all days in one environment by `dagster job execute`; returns seconds."""
    with environment(variables):
        home = Path(os.environ["DAGSTER_HOME"])
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy("dagster.yaml", home)
        last = options.start + dt.timedelta(days=options.days - 1)
        command = [
            sys.executable,
            "-m",
            "fallrisk_assets.run",
            "--from",
            str(options.start),
            "--to",
            str(last),
        ]
        started = time.monotonic()
        subprocess.run(command, check=True)
        return time.monotonic() - started


def bundles(lake: Lake, reports: Reports) -> Held:
    """Return what is published of FHIR bundles, byte for byte."""
    total, count, days = hashlib.sha256(), 0, lake.ledger.keys(FhirResources)
    for day in days:
        for name in reports.names(f"fhir/{day}/bundles"):
            total.update(f"{day}/{name}".encode() + reports.read(f"fhir/{day}/bundles/{name}"))
            count += 1
    return Held(len(days), count, total.hexdigest())


def what_is_held(variables: Mapping[str, str]) -> dict[str, Held]:
    """Read back everything that a run published, from where it published it."""
    with environment(variables):
        lake = opened("lake")
        return {**held(lake, opened("warehouse")), "FHIR bundles": bundles(lake, opened("reports"))}


def compare(options: argparse.Namespace, data: Path) -> list[str]:
    """Run both and compare; return what is wrong."""
    shutil.rmtree(data, ignore_errors=True)
    simulate(data / "local" / "landing", options)
    with ExitStack() as stack:
        aws = stack.enter_context(aws_standin(data / "standin"))
        print(f"S3 at {aws.endpoint}, Iceberg catalog at {aws.catalog}; both stop with this program")
        redshift = None
        if reason := why_not():
            print(f"The warehouse stays in DuckDB: {reason}")
        else:
            redshift = stack.enter_context(redshift_standin(aws, data / "standin-redshift"))
            print(f"Redshift at 127.0.0.1:{redshift.port}; it stops, too")
        settings = {name: variables_of(name, data, aws, redshift) for name in ("local", "aws")}
        with environment(settings["aws"]):
            filesystem, base = opened("landing").located
            pafs.copy_files(str(data / "local" / "landing"), base, destination_filesystem=filesystem)
        took = {}
        for name, variables in settings.items():
            print(f"\nThe cohort in the environment {name}", flush=True)
            took[name] = run(variables, options)
        found = {name: what_is_held(variables) for name, variables in settings.items()}
    show(("local", "aws"), found["local"], found["aws"])
    differing = differences(found["local"], found["aws"])
    filled = sum(one.rows > 0 for one in found["aws"].values())
    stays = STAYS_LOCAL if redshift else STAYS_LOCAL | {"warehouse"}
    strays = {path.name for path in (data / "aws").iterdir()} - stays
    print(
        f"\n{len(found['local']) - len(differing)} of {len(found['local'])} equal, {filled} of them with rows"
    )
    print(f"Took      local {took['local']:.0f} s, aws {took['aws']:.0f} s")
    wrong = [f"{name} differs" for name in differing]
    wrong += [f"the aws run wrote {name} to local disk" for name in sorted(strays)]
    return wrong if filled else [*wrong, "no table has rows"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and compare; returns 1 where anything differs or failed."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.demo_aws", description=__doc__)
    parser.add_argument("--patients", type=int, default=2)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--hours", default="1", help="hours of wear a day, as the simulator takes them")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=dt.date.fromisoformat, default=dt.date(2026, 1, 5))
    options = parser.parse_args(arguments)
    try:
        wrong = compare(options, Path(data_folder()).absolute() / "aws-demo")
    except (StandinFailed, subprocess.CalledProcessError) as failure:
        print(f"✗ {failure}", file=sys.stderr)
        return 1
    for trouble in wrong:
        print(f"✗ {trouble}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
