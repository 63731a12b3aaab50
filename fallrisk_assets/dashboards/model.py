"""What a page shows: plain, already reduced values, one object for each UTC day.

Belongs here: the dataclasses between the tables (`data.py` fills them) and the page (`page.py` and
`figures.py` draw them). Does not belong here: any calculation on tables, any HTML.

`None` always means "not known" and is shown as such; it is never turned into 0.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from fallrisk_assets.warehouse.observability.data_quality import CheckOutcome

BANDS = ("high", "medium", "NOT_SCORED", "low")
"""Bands of the 12-month index in the order of a page: what is not scored never sorts below low."""

BASE_NAMES = ("base", "intercept", "baseline")
"""Names of the part of an index that everybody starts from."""

VERDICTS = ("OK", "NOT_WORN", "GAPPY", "IMPLAUSIBLE_RATE", "WRONG_UNITS", "NO_DATA")
"""Verdicts of a device-hour, as `device_hour_coverage` writes them."""


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of one table in the day: partitions written, partitions expected, rows in them."""

    table: str
    partitions: int
    expected: int
    rows: int


@dataclass(frozen=True, slots=True)
class GaitMeasure:
    """A column of `daily_gait` to show: its name, a label for people, its unit and a factor to that unit."""

    column: str
    label: str
    unit: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class DayInputs:
    """Everything that one page is made of. A table that is None was not there to be read.

    Attributes:
        day: the UTC day.
        coverage: rows of `device_hour_coverage`.
        fall_events: rows of `fall_events` decided in the day.
        samples: rows of `telemetry` around the impacts (device_id, ts, accel_x_g, accel_y_g, accel_z_g).
        scores: `window_scores` reduced by `reductions.hourly_scores`.
        walking: `window_features` reduced by `reductions.hourly_walking`.
        daily_gait: rows of `daily_gait`.
        fall_risk_index: rows of `fall_risk_index`.
        fall_risk_trend: rows of `fall_risk_trend`.
        alerts: rows of `alerts` and `index_alerts` together; several rows of an alert are folded.
        device_states: rows of `device_states`.
        quarantine: `telemetry_quarantine` reduced by `quality.quarantine_counts`.
        drops: rows of `telemetry_drops`.
        row_counts: rows per table, from the partition ledger.
        checks: outcomes of asset checks.
        missing: partition keys that are not there, by table name.
        gait_measures: which measures to show, in order.
    """

    day: dt.date
    coverage: pa.Table | None = None
    fall_events: pa.Table | None = None
    samples: pa.Table | None = None
    scores: pa.Table | None = None
    walking: pa.Table | None = None
    daily_gait: pa.Table | None = None
    fall_risk_index: pa.Table | None = None
    fall_risk_trend: pa.Table | None = None
    alerts: pa.Table | None = None
    device_states: pa.Table | None = None
    quarantine: pa.Table | None = None
    drops: pa.Table | None = None
    row_counts: Sequence[RowCount] = ()
    checks: Sequence[CheckOutcome] = ()
    missing: Sequence[tuple[str, Sequence[str]]] = ()
    gait_measures: Sequence[GaitMeasure] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the index: its contribution in logits. `label` is for people."""

    name: str
    label: str
    logit: float


@dataclass(frozen=True, slots=True)
class Trend:
    """How the index moves: probabilities in [0, 1]; the change is against the person's own baseline."""

    week: float | None
    month: float | None
    baseline: float | None
    change: float | None
    change_lower: float | None
    change_upper: float | None
    direction: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Score:
    """The 12-month index of one patient; probabilities in [0, 1]."""

    band: str
    status: str
    reason: str | None
    probability: float | None
    lower: float | None
    upper: float | None
    confidence: float | str | None
    model_version: str | None
    components: tuple[Component, ...]
    trend: Trend | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Acceleration norm around an impact: seconds from the impact and g; None marks a gap."""

    t_s: tuple[float, ...]
    norm_g: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Fall:
    """One detected fall and the signal around it (None when no samples were readable)."""

    event_id: str
    device_id: str
    position: str | None
    impact_at: dt.datetime
    decided_at: dt.datetime | None
    probability: float | None
    peak_g: float | None
    free_fall_s: float | None
    posture_change_deg: float | None
    stillness_s: float | None
    recovered: bool | None
    model_version: str | None
    signal: Signal | None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it stood at the end of the day."""

    alert_id: str
    device_id: str | None
    rule: str
    severity: str
    state: str
    is_open: bool
    opened_at: dt.datetime | None
    last_seen_at: dt.datetime | None
    n: int | None


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of one patient, by the device that recorded most of it.

    `worn_share` is of the whole hour: what was not recorded does not count as worn.
    """

    hour: int
    verdict: str
    worn_share: float | None
    received_share: float | None
    gap_s: float | None
    walking_minutes: float | None
    score_max: float | None
    windows_scored: int
    windows_not_scored: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One daily gait measure with its value; None: not measured that day."""

    label: str
    unit: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Patient:
    """One person, known by the wearable pseudonym only. None: the table was not there."""

    patient_id: str
    devices: tuple[str, ...]
    score: Score | None
    falls: tuple[Fall, ...] | None
    alerts: tuple[Alert, ...] | None
    wear_minutes: float | None
    walking_minutes: float | None
    steps: int | None
    time_zone: str | None
    local_day: dt.date | None
    measures: tuple[Measured, ...]
    hours: tuple[Hour, ...]

    @property
    def band(self) -> str:
        """Band to show; a patient without an index row is NOT_SCORED."""
        return self.score.band if self.score else "NOT_SCORED"

    @property
    def open_alerts(self) -> int | None:
        """Number of alerts still open, None when alerts are not known."""
        return None if self.alerts is None else sum(alert.is_open for alert in self.alerts)


@dataclass(frozen=True, slots=True)
class Cell:
    """One device-hour of the coverage map; shares in [0, 1]."""

    verdict: str
    received_share: float | None
    wear_fraction: float | None
    duplicates: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """One device's row of the coverage map: 24 cells (None: hour not computed) and its state."""

    device_id: str
    patients: tuple[str, ...]
    cells: tuple[Cell | None, ...]
    duplicates: int
    quarantined: int
    late_drops: int
    battery_fraction: float | None
    firmware: str | None
    state: str | None
    state_detail: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Quarantined lines of one reason."""

    reason: str
    rows: int
    devices: int
    example: str


@dataclass(frozen=True, slots=True)
class Quality:
    """Data quality of the day; totals are None when their table was not there."""

    row_counts: tuple[RowCount, ...]
    refused: tuple[Refused, ...] | None
    devices: tuple[DeviceDay, ...] | None
    checks: tuple[CheckOutcome, ...]
    received_lines: int | None
    clean_samples: int | None
    duplicate_lines: int | None
    late_drops: int | None
    drops: int | None
    latest_drop_hours: float | None
    provisional_hours: int | None
    missing: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def refused_rows(self) -> int | None:
        """All quarantined lines."""
        return None if self.refused is None else sum(reason.rows for reason in self.refused)

    @property
    def failed_checks(self) -> int:
        """Checks that ran and did not pass."""
        return sum(check.passed is False for check in self.checks)


@dataclass(frozen=True, slots=True)
class DayModel:
    """One day's page; `device_alerts` are alerts about devices that nobody wears."""

    day: dt.date
    patients: tuple[Patient, ...]
    device_alerts: tuple[Alert, ...] | None
    quality: Quality

    def in_band(self, band: str) -> int:
        """Return how many patients are in a band."""
        return sum(patient.band == band for patient in self.patients)

    @property
    def falls(self) -> int | None:
        """Falls detected in the day, None when fall events were not there."""
        known = [patient.falls for patient in self.patients if patient.falls is not None]
        return sum(map(len, known)) if known else None

    @property
    def alerts(self) -> tuple[Alert, ...] | None:
        """Alerts of all patients and of devices that nobody wears, None when they were not there."""
        if self.device_alerts is None:
            return None
        own = (alert for patient in self.patients for alert in patient.alerts or ())
        return (*own, *self.device_alerts)

    @property
    def open_alerts(self) -> int | None:
        """How many alerts are open, None when alerts were not there."""
        return None if self.alerts is None else sum(alert.is_open for alert in self.alerts)

    @property
    def critical_alerts(self) -> int:
        """Open alerts of severity critical."""
        return sum(alert.is_open and alert.severity == "critical" for alert in self.alerts or ())
