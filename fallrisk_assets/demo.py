"""The demonstration: a cohort is simulated, the whole graph materialised, and what came out is told.

What belongs here: the order of things and the closing report. What does not: any of the things.

    python -m fallrisk_assets.demo --patients 5 --days 2
"""

import argparse
import datetime as dt
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from fallrisk_assets.alerts.contract import Alerts, IndexAlerts
from fallrisk_assets.clinic.operations.contract import AppointmentQuarantine, OperationsQuarantine
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.environments import opened
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.health import NO_FAILED_PARTITION
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.partitions import FIRST_DAY
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.risk.metrics import match_events
from fallrisk_assets.risk.streams import activity_at, read_truth
from fallrisk_assets.run import JobFailed, run_days
from fallrisk_assets.telemetry.contract import TelemetryQuarantine
from fallrisk_assets.warehouse.resource import Warehouse

RECORDINGS_VARIABLE = "FALLRISK_RECORDINGS"
#: Share of the labelled falls that the demonstration must find.
LEAST_SENSITIVITY = 0.95
#: Of the simulated clinic, in which the wearers are patients among others.
PROVIDERS, OTHER_PATIENTS = 7, 600
_SHARED_RECORDINGS = Path("../shared/data/umafall")


_INDICATORS = """
SELECT k.title, k.definition, m.value FROM mart_daily_kpis AS m INNER JOIN dim_kpi AS k ON k.kpi = m.kpi
WHERE m.day = (SELECT MAX(day) FROM mart_daily_kpis) ORDER BY k.title
"""
_TO_CALL = """
SELECT day, rank, patient_id, reasons FROM mart_outreach
WHERE day = (SELECT MAX(day) FROM mart_outreach) ORDER BY rank
"""


def recordings() -> Path | None:
    """Return the folder of real recordings to replay, if there is one."""
    named = os.environ.get(RECORDINGS_VARIABLE)
    if named:
        return Path(named)
    return _SHARED_RECORDINGS if _SHARED_RECORDINGS.is_dir() else None


def simulate(data: Path, options: argparse.Namespace) -> None:
    """Fill the landing zone: the simulated cohort, then the recordings.

    Raises:
        subprocess.CalledProcessError: the simulator failed (it says why itself).
    """
    simulator = [sys.executable, "-m", "simulator"]
    out = ["--out", str(data / "landing")]
    days = [f"--patients={options.patients}", f"--days={options.days}", f"--rate-hz={options.rate_hz}"]
    seeds = [f"--seed={options.seed}", f"--start={options.start}", f"--workers={os.cpu_count() or 1}"]
    truth = ["--truth", str(data / "truth" / "cohort")]
    clinic = [f"--clinic-providers={PROVIDERS}", f"--clinic-patients={OTHER_PATIENTS}", "--clinic-faults=all"]
    subprocess.run([*simulator, "cohort", *out, *truth, *days, *seeds, *clinic], check=True)
    source = recordings()
    if source is None:
        print(f"No recordings to replay (set {RECORDINGS_VARIABLE} to a folder of UMAFall to have them).")
        return
    print(f"Replaying the recordings of {source}")
    truth = ["--truth", str(data / "truth" / "recordings")]
    when = ["--start", f"{options.start}T10:00Z"]
    subprocess.run([*simulator, "replay", "--source", str(source), *out, *truth, *when], check=True)


def falls_against_truth(lake: Lake, truth: Path) -> tuple[int, int, Counter[str]]:
    """Return labelled falls, those that were found, and during what these devices alarmed besides."""
    labelled, activities = read_truth(truth)
    events: dict[str, list[int]] = {}
    for row in lake.read(
        FallEvents, lake.ledger.keys(FallEvents), columns=["device_id", "impact_at"]
    ).to_pylist():
        events.setdefault(row["device_id"], []).append(round(row["impact_at"].timestamp() * 1e6))
    hits, others = 0, Counter[str]()
    for device in sorted(labelled.keys() | activities.keys()):
        found = events.get(device, [])
        matching = match_events([impact_us for impact_us, _ in labelled.get(device, [])], found)
        hits += len(matching.hits)
        others.update(activity_at(activities.get(device, []), found[j]) for j in matching.false_alarms)
    return sum(map(len, labelled.values())), hits, others


def check_results() -> Counter[str]:
    """Return how many checks of the code location last passed, warned or failed, by status."""
    from fallrisk_assets.definitions import defs

    with dg.DagsterInstance.get() as instance:
        checks = defs.resolve_asset_graph().asset_check_keys
        keys = [key for key in checks if key.name != NO_FAILED_PARTITION]
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        counts = Counter(
            "warned"
            if record.evaluation is not None
            and not record.evaluation.passed
            and record.evaluation.severity == dg.AssetCheckSeverity.WARN
            else record.status.value.lower()
            for record in latest.values()
        )
        counts["not run"] = len(keys) - len(latest)
    return counts


def _count(model: type, lake: Lake) -> int:
    return sum(lake.ledger.get(model, key).rows for key in lake.ledger.keys(model))


def report_clinic(lake: Lake, warehouse: Warehouse) -> list[str]:
    """Print what the clinic's operations came to; return what is wrong with it."""
    print("\nThe clinic")
    for model in (OperationsQuarantine, AppointmentQuarantine):
        refused = Counter(lake.read(model, lake.ledger.keys(model), columns=["reason"])["reason"].to_pylist())
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(refused.items())) or "none"
        print(f"  {model.spec.name:<26} {reasons}")
    indicators = warehouse.query(_INDICATORS).to_pylist()
    for row in indicators:
        shown = "unknown" if row["value"] is None else f"{row['value']:,.2f}"
        print(f"  {row['title']:<26} {shown:>8}  {row['definition']}")
    to_call = warehouse.query(_TO_CALL).to_pylist()
    for row in to_call:
        print(f"  call {row['rank']:<2} on {row['day']}     {row['patient_id']}  {row['reasons']}")
    if not to_call:
        print("  nobody to call: whoever fell or is at high or rising risk has a visit ahead and missed none")
    return [] if indicators else ["no indicator of the clinic was computed"]


def report(lake: Lake, data: Path) -> list[str]:
    """Print what came out; return what is wrong with it."""
    wrong = []
    print("\nRows per table")
    for model in all_contracts():
        if model.spec.namespace != "warehouse" and model.spec.slice_column is not None:
            print(f"  {model.spec.identifier:<34} {_count(model, lake):>12,}")
    in_warehouse: Counter[str] = Counter()
    for (name, _), entry in Warehouse().ledger().items():
        in_warehouse[name] += entry.rows
    for name, rows in sorted(in_warehouse.items()):
        print(f"  {name:<34} {rows:>12,}")
    print("\nQuarantined rows by reason")
    keys = lake.ledger.keys(TelemetryQuarantine)
    reasons = Counter(lake.read(TelemetryQuarantine, keys, columns=["reason"])["reason"].to_pylist())
    for reason, count in reasons.most_common():
        print(f"  {reason:<34} {count:>12,}")
    print("\nFalls found against labelled")
    for truth in sorted((data / "truth").iterdir()):
        if (truth / "falls.csv").exists():
            labelled, hits, others = falls_against_truth(lake, truth)
            print(f"  {truth.name:<12} {hits:>5,} of {labelled:,} found, {others.total():,} other alarms")
            for activity, count in others.most_common():
                print(f"  {'':<18} {count:,} during {activity}")
            if hits < LEAST_SENSITIVITY * labelled:
                wrong.append(f"{truth.name}: only {hits} of {labelled} labelled falls were found")
    alerts = lake.read(Alerts, lake.ledger.keys(Alerts), columns=["alert_id", "severity"]).to_pylist()
    alerts += lake.read(
        IndexAlerts, lake.ledger.keys(IndexAlerts), columns=["alert_id", "severity"]
    ).to_pylist()
    severities = Counter({a["alert_id"]: a["severity"] for a in alerts}.values())
    print(
        f"\nAlerts    {sum(severities.values()):,} "
        + ", ".join(f"{n} {s}" for s, n in severities.most_common())
    )
    days = lake.ledger.keys(FhirResources)
    bundles = sum(
        len(set(lake.read(FhirResources, [d], columns=["patient_id"])["patient_id"].to_pylist()))
        for d in days
    )
    print(f"Bundles   {bundles:,} patient-days, {_count(FhirResources, lake):,} FHIR resources")
    wrong += report_clinic(lake, Warehouse())
    checks = check_results()
    print("Checks    " + ", ".join(f"{n} {status}" for status, n in checks.most_common() if n))
    page = data / "reports" / "pages" / "index.html"
    print(f"Page      {page}")
    if checks["failed"] or checks["execution_failed"]:
        wrong.append("checks failed; open the UI with make dev to see which")
    wrong += [f"no {what}" for what, there in (("page", page.exists()), ("bundle", bundles)) if not there]
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run the demonstration."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.demo", description=__doc__)
    parser.add_argument("--patients", type=int, default=5)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--rate-hz", type=float, default=50)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=dt.date.fromisoformat, default=dt.date(2026, 1, 5))
    options = parser.parse_args(arguments)
    if options.start < FIRST_DAY:
        parser.error(f"--start {options.start} is before {FIRST_DAY}, the first day of the lakehouse")
    if options.days < 1 or options.patients < 1:
        parser.error("--days and --patients are at least 1")
    data = Path(data_folder()).absolute()
    started = time.monotonic()
    try:
        simulate(data, options)
        run_days(options.start, options.start + dt.timedelta(days=options.days - 1))
    except (subprocess.CalledProcessError, JobFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    wrong = report(opened("lake"), data)
    print(f"Took      {time.monotonic() - started:.0f} s")
    for trouble in wrong:
        print(f"✗ {trouble}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
