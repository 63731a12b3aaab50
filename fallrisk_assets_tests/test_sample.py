"""The committed sample is what the simulator gives, and its fall is found on the way from drop to event."""

import csv
import datetime as dt
from pathlib import Path

import dagster as dg
import numpy as np
import orjson
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.risk.assets import fall_events
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.telemetry.assets import ingest_telemetry
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry
from fallrisk_assets.telemetry.drops import read_drop_bytes
from simulator.cohort import CohortOptions, simulate_cohort

SAMPLE = Path(__file__).parent.parent / "data" / "sample"
DAY, HOUR = "2026-01-05", "2026-01-05-03:00"
OPTIONS = CohortOptions(
    patients=1,
    days=1,
    rate_hz=50.0,
    seed=17,
    start=dt.date.fromisoformat(DAY),
    hours_per_day=(0.063,),
    faults="none",
    falls_per_day=4000.0,
)


def small_files(folder: Path) -> dict[str, bytes]:
    """Every file but the drops, by name."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.parent.name != "telemetry")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def drop(folder: Path) -> tuple[str, list[dict], np.ndarray]:
    """The only drop: its name without the hash of its bytes, its messages, and (n, 6) of what was measured.

    How a file is compressed differs between processors, and a sine may differ in its last digit.
    """
    (path,) = (folder / "landing" / "telemetry").iterdir()
    messages = [orjson.loads(line) for line in read_drop_bytes(path.read_bytes(), "jsonl.gz").splitlines()]
    measured = [[*m.pop("accel").values(), *m.pop("gyro").values()] for m in messages]
    return path.name.rpartition("-")[0], messages, np.array(measured)


def test_the_sample_is_what_the_simulator_gives_and_stays_small(tmp_path: Path) -> None:
    simulate_cohort(tmp_path / "landing", tmp_path / "truth", OPTIONS)
    assert small_files(SAMPLE) == small_files(tmp_path)
    name, messages, measured = drop(SAMPLE)
    assert (name, messages) == drop(tmp_path)[:2]
    np.testing.assert_allclose(measured, drop(tmp_path)[2], atol=0.002)
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) < 300_000


def test_the_sample_goes_from_drop_to_the_labelled_fall(tmp_path: Path) -> None:
    resources = {"lake": Lake(root=str(tmp_path)), "landing": Landing(root=str(SAMPLE / "landing"))}
    with dg.DagsterInstance.ephemeral() as instance:
        for step, key in ((clinic_identity, DAY), (ingest_telemetry, HOUR), (fall_events, HOUR)):
            assert dg.materialize([step], partition_key=key, resources=resources, instance=instance).success
    lake: Lake = resources["lake"]
    (label,) = csv.DictReader((SAMPLE / "truth" / "falls.csv").read_text().splitlines())
    (fall,) = lake.read(FallEvents, [HOUR]).to_pylist()
    assert fall["device_id"] == label["device_id"]
    assert abs(fall["impact_at"] - dt.datetime.fromisoformat(label["impact_at"])) < dt.timedelta(seconds=1)
    assert lake.ledger.get(Telemetry, HOUR).rows == 11_340
    (hour,) = lake.read(DeviceHourCoverage, [HOUR]).to_pylist()
    assert hour["rate_hz"] == pytest.approx(50, abs=0.1)
