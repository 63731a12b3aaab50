"""The lake and the landing zone on S3 beside the same on local disk, in processes of their own.

python -m fallrisk_assets_tests.bench.s3 commits|listing

The hourly range run is `bench.pipeline`, with other variables. CPU is ours: what the server of the stand-in
spends is another process's, as AWS's is another machine's.
"""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fallrisk_assets_tests.bench.processes import cpu_s, run_json
from fallrisk_assets_tests.bench.rows import Row, skipped
from fallrisk_assets_tests.bench.workload import WORK, fresh_data_folder, landing_of

SINGLE = "local,lake=aws,landing=aws,reports=aws"
"""The environment: everything that is files on S3, the warehouse where it is."""
_COMMITS = 30
_SIZES = (1_000, 10_000)
_LEAST = 0.70


@contextmanager
def standin(name: str) -> Iterator[dict[str, str]]:
    """Start an empty S3 with a catalog; the variables by which it is reached."""
    from simulator.aws import aws_standin

    folder = WORK / "runs" / f"standin-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    with aws_standin(folder) as running:
        yield {**running.variables(), "FALLRISK_ENV": SINGLE}


def commits() -> dict[str, float]:
    """Publish an hour over and over; returns what one publication costs."""
    from fallrisk_assets.environments import opened
    from fallrisk_assets_tests.samples import Readings, readings

    lake, key = opened("lake"), "2026-01-05-07:00"

    def once(number: int) -> None:
        with lake.publication(Readings, [key], f"run-{number}") as publication:
            publication.add(key, readings(key, 1, rows=number), 1)
            publication.commit()

    once(1)
    begun, wall = cpu_s(), time.perf_counter()
    for number in range(2, _COMMITS + 2):
        once(number)
    spent, took = cpu_s() - begun, time.perf_counter() - wall
    return {"cpu_ms": 1e3 * spent / _COMMITS, "wall_ms": 1e3 * took / _COMMITS}


def listing() -> dict[str, dict[str, float]]:
    """List a landing zone of so many drops; returns what it costs."""
    from fallrisk_assets.environments import opened

    landing, found = opened("landing"), {}
    filesystem, base = landing.located
    filled = 0
    for size in _SIZES:
        for number in range(filled, size):
            with filesystem.open_output_stream(f"{base}/telemetry/drop-{number:06d}.jsonl") as file:
                file.write(b"{}\n")
        filled = size
        begun, wall = cpu_s(), time.perf_counter()
        names = landing.list("telemetry")
        found[str(size)] = {"cpu_s": cpu_s() - begun, "wall_s": time.perf_counter() - wall}
        assert len(names) == size
    return found


def s3_rows(devices: list[int]) -> list[Row]:
    """Measure runs, commits and listings on both."""
    from simulator.aws import NOT_INSTALLED, binary

    if binary() is None:
        return [skipped("the lake on S3", NOT_INSTALLED)]
    rows = [_run_row(count) for count in devices if count <= 8]
    local = _here("commits")
    with standin("commits") as variables:
        there = _there("commits", variables)
    told = f"{there['cpu_ms']:.0f} ms CPU, {there['wall_ms']:.0f} ms"
    rows.append(
        Row(
            "a publication of one hour: the lake on S3 beside local disk",
            told,
            f"{local['cpu_ms']:.0f} ms CPU, {local['wall_ms']:.0f} ms",
            f"+{there['cpu_ms'] - local['cpu_ms']:.0f} ms CPU, +{there['wall_ms'] - local['wall_ms']:.0f} ms",
            "",
            None,
        )
    )
    with standin("listing") as variables:
        for size, cost in _there("listing", variables).items():
            told = f"{cost['wall_s']:.2f} s, {cost['cpu_s']:.2f} CPU s"
            rows.append(Row(f"{int(size):,} keys of the landing zone listed on S3", told, "", "", "", None))
    return rows


def _here(what: str) -> dict[str, Any]:
    data = fresh_data_folder(f"s3-{what}-local", landing_of(1))
    return _asked(["-m", "fallrisk_assets_tests.bench.s3", what], data, {})


def _there(what: str, variables: dict[str, str]) -> dict[str, Any]:
    data = fresh_data_folder(f"s3-{what}-aws", landing_of(1))
    return _asked(["-m", "fallrisk_assets_tests.bench.s3", what], data, variables)


def _asked(command: list[str], data: Any, variables: dict[str, str]) -> dict[str, Any]:
    home = {"FALLRISK_DATA": str(data), "DAGSTER_HOME": str(data / "dagster_home")}
    result = run_json(command, extra={**home, **variables})
    print(f"  {' '.join(command[1:])} {'on S3' if variables else 'here'}: {result}", flush=True)
    return result


def _run_row(devices: int) -> Row:
    import pyarrow.fs as pafs

    from fallrisk_assets.demo_aws import environment
    from fallrisk_assets.environments import opened

    landing = landing_of(devices)
    command = ["-m", "fallrisk_assets_tests.bench.pipeline", "assets"]
    here = _asked(command, fresh_data_folder(f"s3-{devices}-local", landing), {})
    with standin(f"{devices}") as variables:
        with environment(variables):
            filesystem, base = opened("landing").located
            pafs.copy_files(str(landing), base, destination_filesystem=filesystem)
        there = _asked(command, fresh_data_folder(f"s3-{devices}-aws", landing), variables)
    ratio = here["run_cpu_s"] / there["run_cpu_s"]
    return Row(
        f"landing → scores on S3, {devices} device-days, throughput per CPU s beside local disk",
        f"{there['run_cpu_s']:.1f} CPU s, {there['run_wall_s']:.1f} s",
        f"{here['run_cpu_s']:.1f} CPU s, {here['run_wall_s']:.1f} s",
        f"{ratio:.2f} ×",
        f"≥ {_LEAST:.2f} ×",
        ratio >= _LEAST,
    )


def main() -> int:
    """Measure what the command line says; the last line is JSON."""
    print(json.dumps({"commits": commits, "listing": listing}[sys.argv[1]]()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
