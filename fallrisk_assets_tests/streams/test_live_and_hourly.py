"""The same hour live and through the assets: the same falls, the same alerts, nobody called twice."""

import gzip
import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import numpy as np
import pytest

from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.rules import FALL_DETECTED
from fallrisk_assets.jobs import IDENTITY_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.models.pinning import Detectors
from fallrisk_assets.partitions import hour_range
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.streams.live import LiveDetector
from fallrisk_assets.streams.live_alerts import LiveAlerts
from fallrisk_assets.streams.registry import Registry
from fallrisk_assets.streams.registry_files import assignments_in
from fallrisk_assets_tests.alerts.test_assets import FixedOutbox
from fallrisk_assets_tests.integration.test_day import execute, resources
from simulator.cohort import CohortOptions, simulate_cohort

DAY = "2026-01-05"
SAME = timedelta(seconds=2)
HOURS = hour_range(f"{DAY}-00:00", "2026-01-06-00:00")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A patient who falls often in half an hour of wear, and the clinic's files, read."""
    root = tmp_path_factory.mktemp("live")
    options = CohortOptions(
        patients=2,
        days=1,
        start=date(2026, 1, 5),
        rate_hz=50,
        hours_per_day=(0.5,),
        falls_per_day=120,
        faults="none",
    )
    simulate_cohort(root / "landing", root / "truth", options)
    with dg.DagsterInstance.ephemeral() as instance:
        assert execute(root, instance, IDENTITY_DAILY, DAY, DAY).success
        yield root, instance


def messages(landing):
    """Each second of each device as it would be published: last sample's time, device, lines."""
    seconds = defaultdict(list)
    for file in landing.list("telemetry"):
        for line in gzip.decompress(landing.read(file.key)).splitlines():
            told = json.loads(line)
            at = datetime.fromisoformat(told["ts"])
            seconds[told["deviceId"], int(at.timestamp())].append(line)
    return [(end + 1, device, b"\n".join(lines)) for (device, end), lines in sorted(seconds.items())]


@pytest.mark.slow
def test_the_hourly_assets_give_the_alerts_that_were_told_live_and_call_nobody_again(cohort, monkeypatch):
    root, instance = cohort
    lake, landing = Lake(root=str(root / "lake")), Landing(root=str(root / "landing"))
    detectors = Detectors(lake)
    registry = Registry({}, assignments_in(lake))
    live = LiveDetector(lambda: registry, detectors.load(detectors.in_use))
    rng = np.random.default_rng(5)
    # One in ten messages is late by up to eight seconds, hence out of order too.
    arrivals = sorted(
        (end + 0.2 + (rng.uniform(1, 8) if rng.random() < 0.1 else 0.0), device, payload)
        for end, device, payload in messages(landing)
    )
    found = []
    for at_s, device, payload in arrivals:
        now_us = int(at_s * 1e6)
        found += live.tick(now_us) + live.take(device, now_us, payload)
    found += live.tick(int((arrivals[-1][0] + 60) * 1e6))
    assert len(found) >= 3

    def outbox(now):
        return FixedOutbox(
            at=now.isoformat(), path=str(root / "outbox.db"), messages=str(root / "outbox.jsonl")
        )

    def called():
        """Who was called first about which fall; escalation is another matter."""
        told = map(json.loads, (root / "outbox.jsonl").read_text().splitlines())
        return [m["alertId"] for m in told if m["rule"] == FALL_DETECTED and m["level"] == 0]

    epoch = datetime.fromtimestamp(0, UTC)
    told = set()
    for fall in found:
        now = epoch + timedelta(microseconds=fall.received_us)
        told |= LiveAlerts(lake, landing, outbox(now)).tell([fall])
    assert sorted(called()) == sorted(told)

    monkeypatch.setattr(
        "fallrisk_assets_tests.integration.test_day.resources",
        lambda folder: {**resources(folder), "outbox": outbox(now)},
    )
    assert execute(root, instance, TELEMETRY_HOURLY, HOURS[0], HOURS[-1]).success
    events = lake.read(FallEvents, HOURS).to_pylist()
    by_hour = sorted((e["patient_id"], e["device_id"], e["impact_at"]) for e in events)
    by_live = sorted((f.patient_id, f.device_id, epoch + timedelta(microseconds=f.impact_us)) for f in found)
    for hour, live_one in zip(by_hour, by_live, strict=True):
        assert hour[:2] == live_one[:2]
        assert abs(hour[2] - live_one[2]) <= SAME
    alerts = {row["alert_id"] for row in lake.read(Alerts, HOURS).to_pylist() if row["rule"] == FALL_DETECTED}
    assert alerts == told
    assert sorted(called()) == sorted(told)
