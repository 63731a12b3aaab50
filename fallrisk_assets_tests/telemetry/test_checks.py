"""The law of conservation as a check: it fails when a line is lost, and when one is counted twice."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.contract import conform
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import device_bucket, hourly
from fallrisk_assets.telemetry.checks import CONSERVATION, lines_are_conserved, lost_lines
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)

KEY, HOUR = "2026-01-05-07:00", datetime(2026, 1, 5, 7, tzinfo=UTC)
DEVICE = "imu-1"
BUCKET = device_bucket(DEVICE)
DROP = "telemetry/20260105T080000Z-imu-1-aaaaaaaa.jsonl.gz"


def publish(lake: Lake, received: int, quarantined: int, duplicates: int) -> None:
    """Publish an hour of one device whose index says `received` lines, without clean samples."""
    index = {
        "device_bucket": [BUCKET], "event_hour": [HOUR], "drop_key": [DROP], "sha256": ["0" * 64],
        "received_at": [HOUR], "device_id": [DEVICE], "bytes": [1], "lines": [received],
        "rows": [received], "unplaceable": [0], "status": ["READ"],
    }  # fmt: skip
    n = quarantined
    refused = {
        "device_bucket": [BUCKET] * n, "quarantine_hour": [HOUR] * n, "drop_key": [DROP] * n,
        "line_number": list(range(1, n + 1)), "reason": ["LINE_NOT_JSON"] * n, "detail": [""] * n,
        "payload": [None] * n, "device_id": [DEVICE] * n, "patient_id": [None] * n,
    }  # fmt: skip
    known = ("rate_hz", "wear_fraction", "battery_fraction", "clock_skew_s", "position", "firmware")
    unknown = {name: [None] for name in (*known, "first_ts", "last_ts")}
    coverage = {
        "device_bucket": [BUCKET], "device_id": [DEVICE], "patient_id": [""], "hour": [HOUR],
        "expected_samples": [None], "received_lines": [received], "clean_samples": [0],
        "duplicate_lines": [duplicates], "quarantined_lines": [quarantined], "gap_count": [0], "gap_s": [0.0],
        "watermark_at": [HOUR], "state": ["FINAL"], "verdict": ["NO_DATA"], "verdict_detail": [""], **unknown,
    }  # fmt: skip
    for model, columns in (
        (TelemetryDrops, index),
        (TelemetryQuarantine, refused),
        (Telemetry, None),
        (DeviceHourCoverage, coverage),
    ):
        with lake.publication(model, [KEY]) as publication:
            if columns is not None:
                assert publication.add(KEY, conform(model, columns), BUCKET).passed
            publication.commit()


@pytest.mark.parametrize(
    ("received", "quarantined", "duplicates", "passed"),
    [(5, 3, 2, True), (6, 3, 2, False), (4, 3, 2, False), (0, 0, 0, True)],
)
def test_the_check_passes_only_when_every_line_has_become_one_thing(
    tmp_path, received, quarantined, duplicates, passed
):
    lake = Lake(root=str(tmp_path / "lake"))
    publish(lake, received, quarantined, duplicates)

    @dg.asset(name="telemetry", partitions_def=hourly)
    def telemetry() -> None:
        """Stand in for the asset that the check is about."""

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [telemetry, lines_are_conserved],
            partition_key=KEY,
            resources={"lake": lake},
            instance=instance,
            raise_on_error=False,
        )
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == (CONSERVATION, passed)
    assert evaluation.blocking
    said = evaluation.metadata["verdict"].value
    assert ("nothing is lost" in said) == passed


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(-5, 5))
def test_lines_that_became_nothing_are_counted(clean, duplicates, quarantined, lost):
    received = clean + duplicates + quarantined + lost
    balance = {
        "received": received, "clean": clean, "duplicates": duplicates, "quarantined": quarantined,
    }  # fmt: skip
    assert lost_lines(balance) == lost
