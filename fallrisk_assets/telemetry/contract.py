"""Tables of the telemetry domain: the index of drops, the quarantine, clean samples, coverage.

Here: what the tables are. Not here: how a line is judged (`parse.py`, `clean.py`), how a run goes
through drops (`ingest.py`).
"""

from fallrisk_assets.contract import (
    Contract,
    Float32,
    Int32,
    Int64,
    Rule,
    String,
    Timestamp,
    column,
    table,
)
from fallrisk_assets.partitions import DEVICE_BUCKETS
from fallrisk_assets.telemetry.reasons import Reason

POSITIONS = ("waist", "wrist", "pocket", "chest", "lowback", "ankle")
DROP_STATUS = ("READ", "UNREADABLE")
STATES = ("FINAL", "PROVISIONAL")
VERDICTS = ("OK", "NOT_WORN", "GAPPY", "IMPLAUSIBLE_RATE", "WRONG_UNITS", "NO_DATA")

_DEVICE_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


@table(
    name="telemetry_drops",
    namespace="raw",
    grain="one row per drop and hour in which it has samples",
    key=("drop_key", "event_hour"),
    slice_column="event_hour",
    slicing="hour",
    person=None,
    bucketed=True,
    sort=("device_id", "drop_key"),
)
class TelemetryDrops(Contract):
    """The index of immutable drops: which drop has rows in which hour.

    An hour knows from here exactly which drops to read. Lines without a plausible time count as
    unplaceable in the hour in which the drop was received.
    """

    device_bucket: Int32 = column(1, "Stable hash bucket of the device", ge=0, lt=DEVICE_BUCKETS)
    event_hour: Timestamp = column(2, "Start of the hour in which the rows were measured")
    drop_key: String = column(3, "Name of the drop inside the landing zone")
    sha256: String = column(4, "SHA-256 of the file's bytes", matches="[0-9a-f]{64}")
    received_at: Timestamp = column(5, "When the drop was received, from its name")
    device_id: String = column(6, "Device that sent the drop", pii="pseudonym", matches=_DEVICE_ID)
    bytes: Int64 = column(7, "Size of the file", unit="By", ge=0)
    lines: Int64 = column(8, "Lines received in the whole drop, blank ones not counted", ge=0)
    rows: Int64 = column(9, "Lines whose time lies in this hour", ge=0)
    unplaceable: Int64 = column(10, "Lines without a plausible time, counted in this hour", ge=0)
    status: String = column(11, "Whether the file could be read", isin=DROP_STATUS)


@table(
    name="telemetry_quarantine",
    namespace="raw",
    grain="one row per refused line (line 0: the whole file)",
    key=("quarantine_hour", "drop_key", "line_number"),
    slice_column="quarantine_hour",
    slicing="hour",
    person="patient_id",
    bucketed=True,
    sort=("drop_key", "line_number"),
)
class TelemetryQuarantine(Contract):
    """Lines that were refused, with the reason, so that nothing is lost and rules can be mended."""

    device_bucket: Int32 = column(1, "Stable hash bucket of the device", ge=0, lt=DEVICE_BUCKETS)
    quarantine_hour: Timestamp = column(
        2, "Hour of the sample; of the receipt where it has no plausible time"
    )
    drop_key: String = column(3, "Drop that the line came in")
    line_number: Int64 = column(4, "Line in the drop, from 1; 0 for the whole file", ge=0)
    reason: String = column(5, "Why it was refused", isin=[r.value for r in Reason])
    detail: String = column(6, "What exactly was wrong")
    payload: String = column(
        7,
        "The refused line (a Parquet row as JSON), cut to 500 characters; null for a whole file, and after "
        "the first 10,000 of a drop and reason where the line itself could be read: the drop holds it",
        pii="sensitive",
        nullable=True,
    )
    device_id: String = column(8, "Device that sent the drop", pii="pseudonym", matches=_DEVICE_ID)
    patient_id: String = column(9, "Patient that the message claims", pii="pseudonym", nullable=True)


@table(
    name="telemetry",
    namespace="clean",
    grain="one row per sample of a device",
    key=("device_id", "boot", "seq"),
    slice_column="ts",
    slicing="hour",
    person="patient_id",
    bucketed=True,
    sort=("device_id", "ts"),
)
class Telemetry(Contract):
    """Clean samples: unique, ordered by device and time, in g and degrees a second."""

    device_bucket: Int32 = column(1, "Stable hash bucket of the device", ge=0, lt=DEVICE_BUCKETS)
    device_id: String = column(2, "Device", pii="pseudonym", matches=_DEVICE_ID)
    patient_id: String = column(3, "Patient who wore it, by the assignment", pii="pseudonym")
    position: String = column(4, "Where it was worn, by the assignment", isin=POSITIONS)
    ts: Timestamp = column(5, "Time of the sample, by the device's clock")
    boot: Int32 = column(6, "Restarts of the device so far", ge=0)
    seq: Int64 = column(7, "Counter of the device since its restart", ge=0)
    accel_x_g: Float32 = column(8, "Acceleration along x", unit="g", ge=-32, le=32)
    accel_y_g: Float32 = column(9, "Acceleration along y", unit="g", ge=-32, le=32)
    accel_z_g: Float32 = column(10, "Acceleration along z", unit="g", ge=-32, le=32)
    gyro_x_dps: Float32 = column(11, "Angular rate about x", unit="deg/s", nullable=True, ge=-4000, le=4000)
    gyro_y_dps: Float32 = column(12, "Angular rate about y", unit="deg/s", nullable=True, ge=-4000, le=4000)
    gyro_z_dps: Float32 = column(13, "Angular rate about z", unit="deg/s", nullable=True, ge=-4000, le=4000)


@table(
    name="device_hour_coverage",
    namespace="clean",
    grain="one row per device, patient and hour",
    key=("device_id", "patient_id", "hour"),
    slice_column="hour",
    slicing="hour",
    person="patient_id",
    bucketed=True,
    sort=("device_id", "patient_id"),
    rules=(Rule("last_ts", "ge", "first_ts", "ENDS_BEFORE_START"),),
)
class DeviceHourCoverage(Contract):
    """What an hour of a device is worth: how much arrived, how it was worn, whether it can be scored."""

    device_bucket: Int32 = column(1, "Stable hash bucket of the device", ge=0, lt=DEVICE_BUCKETS)
    device_id: String = column(2, "Device", pii="pseudonym", matches=_DEVICE_ID)
    patient_id: String = column(3, "Patient who wore it; empty where nobody did", pii="pseudonym")
    hour: Timestamp = column(4, "Start of the hour")
    expected_samples: Int64 = column(
        5,
        "Samples of a gapless hour at its own rate; null where it tells none",
        unit="1",
        nullable=True,
        ge=0,
    )
    received_lines: Int64 = column(6, "Lines received for this hour", unit="1", ge=0)
    clean_samples: Int64 = column(7, "Samples kept", unit="1", ge=0)
    duplicate_lines: Int64 = column(8, "Lines that repeated a sample", unit="1", ge=0)
    quarantined_lines: Int64 = column(9, "Lines refused", unit="1", ge=0)
    rate_hz: Float32 = column(10, "Sampling rate, from the timestamps", unit="Hz", nullable=True, ge=0)
    gap_count: Int64 = column(11, "Gaps between samples", unit="1", ge=0)
    gap_s: Float32 = column(12, "Time lost in gaps between samples", unit="s", ge=0, le=3600)
    wear_fraction: Float32 = column(13, "Share of the sampled time worn", unit="1", nullable=True, ge=0, le=1)
    battery_fraction: Float32 = column(14, "Battery at the last sample", unit="1", nullable=True, ge=0, le=1)
    clock_skew_s: Float32 = column(
        15, "Smallest delay from last sample to receipt; negative: clock ahead", unit="s", nullable=True
    )
    position: String = column(16, "Where it was worn, by the assignment", nullable=True, isin=POSITIONS)
    firmware: String = column(17, "Firmware of the last sample", nullable=True)
    first_ts: Timestamp = column(18, "First clean sample", nullable=True)
    last_ts: Timestamp = column(19, "Last clean sample", nullable=True)
    watermark_at: Timestamp = column(20, "Up to when the inputs were complete, at most the hour's end")
    state: String = column(21, "FINAL once the watermark has passed the hour", isin=STATES)
    verdict: String = column(22, "Whether the hour can be scored", isin=VERDICTS)
    verdict_detail: String = column(23, "The verdict in words")
