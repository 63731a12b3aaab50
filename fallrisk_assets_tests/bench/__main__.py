"""`make bench`: the product and its peers measured in one run, printed side by side.

python -m fallrisk_assets_tests.bench [names …] [--devices 1 8 30] [--write]

CPU seconds, user and system, of one thread's work: read the ratios, seconds depend on the machine.
"""

import argparse
import functools
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fallrisk_assets_tests.bench import environment
from fallrisk_assets_tests.bench.clinic_section import clinic_rows
from fallrisk_assets_tests.bench.processes import run_json
from fallrisk_assets_tests.bench.rows import Row, skipped, times
from fallrisk_assets_tests.bench.s3 import s3_rows
from fallrisk_assets_tests.bench.workload import ROOT, WORK, busiest_drop, fresh_data_folder, landing_of

_WINDOWS, _CHANNELS, _SAMPLES, _RATE_HZ = 720, 8, 500, 50
_WINDOWS_A_DAY = 17_280
_HOURS_A_DAY = 24
_PAGE_OPENS_S, _PAGE_MB = 2.0, 5.0
_REPORT = ROOT / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


@functools.cache
def _pipeline(what: str, devices: int) -> dict[str, Any]:
    """Run the pipeline on a day of some devices in a fresh process and data folder."""
    data = fresh_data_folder(f"{what}-{devices}", landing_of(devices))
    home = {"FALLRISK_DATA": str(data), "DAGSTER_HOME": str(data / "dagster_home")}
    result = run_json(["-m", "fallrisk_assets_tests.bench.pipeline", what], extra=home)
    result["a_day"] = result["run_cpu_s"] / devices
    told = f"{result['run_cpu_s']:.1f} CPU s, {result['run_wall_s']:.1f} s, {result['peak_mb']:.0f} MB"
    print(f"  {what}, {devices} device-days: {told}", flush=True)
    return result


def _peer(name: str, *arguments: str) -> dict[str, Any]:
    result = run_json([environment.peer_script(name), *arguments], python=environment.PYTHON)
    print(f"  {name} {arguments[0]}: {result}", flush=True)
    return result


def _ours(*arguments: str) -> dict[str, Any]:
    result = run_json(["-m", "fallrisk_assets_tests.bench.kernels", *arguments])
    print(f"  ours {arguments[0]}: {result}", flush=True)
    return result


def _windows() -> str:
    """Return a file of windows (w, 8, n) cut from a waking hour of the cohort."""
    from fallrisk_assets.telemetry.drops import parse_drop_name, read_drop_bytes
    from fallrisk_assets.telemetry.parse import parse_drop

    path = busiest_drop()
    name = parse_drop_name(f"telemetry/{path.name}")
    drop = parse_drop(read_drop_bytes(path.read_bytes(), name.format), name)
    starts = np.arange(_WINDOWS) * 245
    cut = [np.stack([v[s : s + _SAMPLES] for s in starts]) for v in (drop.accel_g, drop.gyro_dps)]
    with_norms = [np.concatenate([v, np.linalg.norm(v, axis=2, keepdims=True)], axis=2) for v in cut]
    windows = np.ascontiguousarray(np.concatenate(with_norms, axis=2).transpose(0, 2, 1), np.float32)
    assert windows.shape == (_WINDOWS, _CHANNELS, _SAMPLES)
    target = WORK / "windows.npy"
    np.save(target, windows)
    return str(target)


def end_to_end(devices: Sequence[int]) -> list[Row]:
    """Landing → scores against pandas + pandera + tsfel."""
    count = max(n for n in devices if n <= 8)
    ours = _pipeline("assets", count)
    job = _pipeline("job", count)
    rate = 3600 / ours["a_day"]
    name = f"landing → scores, {count} device-days"
    rows = [
        Row(name, f"{rate:,.0f} device-days a core-hour", "", "", "≥ 600", rate >= 600),
        Row(
            "… the whole hourly job, alerts included",
            f"{3600 / job['a_day']:,.0f} device-days a core-hour",
            "",
            "",
            "",
            None,
        ),
    ]
    if why := environment.missing("tsfel"):
        return [*rows, skipped(name, why)]
    drop = str(busiest_drop())
    parse = _peer("ingest", "pandas", drop)["cpu_s"]
    judge = _peer("ingest", "pandera", drop)["cpu_s"]
    window = _peer("features", "tsfel", _windows(), str(_RATE_HZ))["us_a_window"] / 1e6
    theirs = (parse + judge) * _HOURS_A_DAY + window * _WINDOWS_A_DAY
    split = f"read {parse * 24:.0f}, judge {judge * 24:.0f}, tsfel {window * _WINDOWS_A_DAY:.0f}"
    parts = f"{theirs:,.0f} s ({split})"
    compared = times(theirs, ours["a_day"], 75)
    return [
        *rows,
        Row(
            "… CPU s a device-day, against pandas + pandera + tsfel",
            f"{ours['a_day']:.2f} s",
            parts,
            *compared,
        ),
    ]


def features(_: Sequence[int]) -> list[Row]:
    """The feature kernels against libraries of features."""
    windows = _windows()
    ours = _ours("features", windows, str(_RATE_HZ))
    rows = []
    for peer, module, least in (
        ("tsfel", "tsfel", 250),
        ("tsfresh", "tsfresh", 100),
        ("skdh", "skdh", 10),
        ("tsfel_all", "tsfel", 0),
    ):
        what = f"features of a window, against {peer.replace('_all', ', all it has')}"
        if why := environment.missing(module):
            rows.append(skipped(what, why))
            continue
        theirs = _peer("features", peer, windows, str(_RATE_HZ))
        factor, target, met = times(theirs["us_a_window"], ours["us_a_window"], least)
        mine = f"{ours['us_a_window']:.0f} µs for {ours['features']}"
        other = f"{theirs['us_a_window']:,.0f} µs for {theirs['features']}"
        rows.append(Row(what, mine, other, factor, target if least else "", met if least else None))
    return rows


def ingestion(_: Sequence[int]) -> list[Row]:
    """Reading a device-hour with quarantine, and judging its rows."""
    drop = str(busiest_drop())
    ours, judged = _ours("ingest", drop), _ours("validate", drop)
    rows = []
    for what, peer, module, mine, least in (
        ("read a device-hour, quarantine included, against DuckDB read_json", "duckdb", "duckdb", ours, 1),
        ("… against pandas", "pandas", "pandas", ours, 5),
        ("judge its 180,000 rows, against eager pandera", "pandera", "pandera", judged, 15),
    ):
        if why := environment.missing(module):
            rows.append(skipped(what, why))
            continue
        theirs = _peer("ingest", peer, drop)
        compared = times(theirs["cpu_s"], mine["cpu_s"], least)
        rows.append(Row(what, f"{mine['cpu_s'] * 1e3:.0f} ms", f"{theirs['cpu_s'] * 1e3:,.0f} ms", *compared))
    return rows


def scale(devices: Sequence[int]) -> list[Row]:
    """Memory and growth of the range run with the number of devices."""
    runs = {n: _pipeline("assets", n) for n in devices}
    rows = [
        Row(
            f"peak memory, {n} device-days", f"{r['peak_mb']:.0f} MB", "", "", "≤ 500 MB", r["peak_mb"] <= 500
        )
        for n, r in runs.items()
    ]
    least, most = min(devices), max(devices)
    told = " · ".join(f"{n}: {r['a_day']:.2f} s" for n, r in runs.items())
    growth = runs[most]["a_day"] / runs[least]["a_day"]
    rows.append(
        Row(
            "CPU s a device-day as devices grow",
            told,
            "",
            f"{growth:.2f} ×",
            "linear (≤ 1.1 ×)",
            growth <= 1.1,
        )
    )
    return rows


def orchestration(devices: Sequence[int]) -> list[Row]:
    """The range run against the same functions without Dagster."""
    rows = []
    for count in (n for n in devices if n <= 8):
        ours, plain = _pipeline("assets", count), _pipeline("plain", count)
        ratio = ours["run_cpu_s"] / plain["run_cpu_s"]
        what = f"25-hour range run of {count} devices, against the functions without Dagster"
        mine, other = f"{ours['run_cpu_s']:.1f} s", f"{plain['run_cpu_s']:.1f} s"
        rows.append(Row(what, mine, other, f"{ratio:.2f} ×", "≤ 1.3 ×", ratio <= 1.3))
    return rows


def latency(_: Sequence[int]) -> list[Row]:
    """Drop → alert row through the sensor, and a burst."""
    result = run_json(["-m", "fallrisk_assets_tests.bench.latency", "9", "300", "200"])
    print(f"  {result}", flush=True)
    waits = ", ".join(f"{w:.1f}" for w in sorted(result["waits_s"]))
    left = result["burst_left_behind"]
    return [
        Row(
            "drop → alert row, median of 9, 300 devices in the hour",
            f"{result['median_s']:.1f} s",
            f"({waits})",
            "",
            "≤ 6 s",
            result["median_s"] <= 6,
        ),
        Row(
            "burst of 200 drops",
            f"{left} left behind after {result['burst_s']:.0f} s",
            "",
            "",
            "0",
            left == 0,
        ),
    ]


def detection(_: Sequence[int]) -> list[Row]:
    """The fall detector against the features of the same day, and on hundreds of live streams."""
    day = run_json(["-m", "fallrisk_assets_tests.bench.detection", "day"])
    live = run_json(["-m", "fallrisk_assets_tests.bench.detection", "streams"])
    print(f"  {day}\n  {live}", flush=True)
    share = day["detect_s"] / day["features_s"]
    return [
        Row(
            "fall detection on a device-day, against its features",
            f"{day['detect_s'] * 1e3:.0f} ms",
            f"{day['features_s'] * 1e3:,.0f} ms",
            f"{share:.1%}",
            "≤ 25 %",
            share <= 0.25,
        ),
        Row(
            f"{live['devices']} live streams at 50 Hz in one thread",
            f"{live['cpu_share']:.1%} of a core, {live['held_kb_a_device']:.0f} KB a device",
            "",
            "",
            "≤ 100 %",
            live["cpu_share"] <= 1.0,
        ),
    ]


def streams(_: Sequence[int]) -> list[Row]:
    """Message → alert in the outbox through a real broker, 500 devices at 50 Hz."""
    rows = []
    for source in ("mqtt", "kafka"):
        found = run_json(["-m", "fallrisk_assets_tests.bench.stream", source, "500", "60"])
        print(f"  {found}", flush=True)
        name = f"{source}, {found['devices']} devices at 50 Hz"
        told = f"{found['told']} of {found['falls']} falls, {found['others_told']} others"
        delays = f"p50 {found['p50_s']:.2f} s, p95 {found['p95_s']:.2f} s, p99 {found['p99_s']:.2f} s"
        met = found["told"] == found["falls"] and found["p95_s"] <= 2.0
        rows.append(Row(f"{name}: message → alert in the outbox", delays, told, "", "p95 ≤ 2 s", met))
        share = f"{found['devices_a_core']:,.0f} devices a core, {found['peak_mb']:.0f} MB"
        behind = f"sender up to {found['sender_behind_s']:.2f} s behind"
        rows.append(Row("… its process", share, behind, "", "", None))
    return rows


def clinic(_: Sequence[int]) -> list[Row]:
    """A clinic's year, drops to marts, against pandas row by row into SQLite."""
    return clinic_rows()


def s3(devices: Sequence[int]) -> list[Row]:
    """The lake and the landing zone on S3 against local disk."""
    return s3_rows(list(devices))


def pages(_: Sequence[int]) -> list[Row]:
    """The clinic's pages over a year of 100,000 appointments, opened in a browser."""
    found = run_json(["-m", "fallrisk_assets_tests.bench.pages"])
    print(f"  {found}", flush=True)
    rows = []
    for name, page in found.items():
        size_mb, opened_s = page["bytes"] / 1e6, page["opened_s"]
        told = f"{opened_s:.2f} s, {size_mb:.1f} MB; made in {page['made_cpu_s']:.2f} CPU s"
        met = opened_s <= _PAGE_OPENS_S and size_mb <= _PAGE_MB
        target = f"≤ {_PAGE_OPENS_S:g} s, ≤ {_PAGE_MB:g} MB"
        rows.append(Row(f"page of a year, opened: {name}", told, "", "", target, met))
    return rows


SECTIONS: dict[str, Callable[[Sequence[int]], list[Row]]] = {
    "features": features,
    "ingestion": ingestion,
    "end_to_end": end_to_end,
    "orchestration": orchestration,
    "scale": scale,
    "latency": latency,
    "detection": detection,
    "streams": streams,
    "clinic": clinic,
    "pages": pages,
    "s3": s3,
}
#: Sections without a peer.
_ALONE = {"orchestration", "scale", "latency", "detection", "streams", "pages", "s3"}


def machine() -> str:
    """Return what the figures were measured on."""
    model = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        names = [line for line in described.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{os.cpu_count()} cores of {model}, Python {platform.python_version()}, load {load}"


def table(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table."""
    head = "| what | ours | peer | ratio | target | met |\n|---|---|---|---|---|---|"
    return "\n".join([head, *map(str, rows)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, print it, and write it down where that was asked for too."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets_tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SECTIONS, []], help="sections (default: all)")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 8, 30], help="sizes of the cohorts")
    parser.add_argument(
        "--write", action="store_true", help=f"put the table into {_REPORT.relative_to(ROOT)}"
    )
    options = parser.parse_args(arguments)
    WORK.mkdir(exist_ok=True)
    if set(options.names or SECTIONS) - _ALONE:
        environment.install_peers()
    rows: list[Row] = []
    begun = machine()
    for name in options.names or SECTIONS:
        print(f"▶ {name}", flush=True)
        try:
            rows += SECTIONS[name](sorted(options.devices))
        except RuntimeError as failure:
            print(failure, file=sys.stderr)
            rows.append(Row(name, "failed", "", "", "", False))
    (WORK / "results.json").write_text(json.dumps([str(r) for r in rows], ensure_ascii=False, indent=1))
    print(f"\n{begun}\n\n{table(rows)}")
    if options.write:
        before, _, rest = _REPORT.read_text().partition(_BEGIN)
        after = rest.partition(_END)[2]
        _REPORT.write_text(f"{before}{_BEGIN}\n{begun}.\n\n{table(rows)}\n{_END}{after}")
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
