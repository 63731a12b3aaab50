"""From the lake to the inputs of a day's page.

Belongs here: which tables, columns and partitions a page needs, read in pieces that stay small.
Does not belong here: what is made of them (`data.py`), Dagster (`assets.py`, `check_history.py`).

An hour or a table that was never published is not an error of the page: it is listed on it.
"""

import datetime as dt
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.alerts.contract import Alerts, DeviceStates, IndexAlerts
from fallrisk_assets.contract import ContractType, columns_of
from fallrisk_assets.dashboards.data import AROUND_IMPACT_S
from fallrisk_assets.dashboards.model import DayInputs, GaitMeasure, RowCount
from fallrisk_assets.dashboards.quality import quarantine_counts
from fallrisk_assets.dashboards.reductions import hourly_scores, hourly_walking
from fallrisk_assets.dashboards.wording import GAIT_LABELS
from fallrisk_assets.lake import Lake
from fallrisk_assets.mobility.contract import DailyGait, WindowFeatures
from fallrisk_assets.mobility.windows import WindowConfig
from fallrisk_assets.partitions import hour_key, hours_of_day
from fallrisk_assets.risk.contract import (
    FallEvents,
    FallRiskIndex,
    FallRiskTrend,
    WindowScores,
)
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)
from fallrisk_assets.warehouse.observability.data_quality import CheckOutcome
from fallrisk_assets.warehouse.observability.watched import DAILY, HOURLY

_ALERT_COLUMNS = [
    "alert_id",
    "patient_id",
    "device_id",
    "rule",
    "severity",
    "opened_at",
    "last_seen_at",
    "n",
    "state",
    "as_of",
]
_WALKING_COLUMNS = [
    "patient_id",
    "hour",
    "worn",
    "quality",
    "sd_accel_norm",
    "autocorrelation_peak_accel_norm",
]


def gait_measures() -> list[GaitMeasure]:
    """Return the measures that a page shows: those with a label that the contract of daily gait has."""
    there = {info.name for info in columns_of(DailyGait)}
    return [
        GaitMeasure(name, label, unit, factor)
        for name, (label, unit, factor) in GAIT_LABELS.items()
        if name in there
    ]


class DayReader:
    """Reads one day from a lake; the ledger is asked once, when the reader is made.

    Args:
        lake: the lake.
        day: daily partition key ("2026-01-05").
    """

    def __init__(self, lake: Lake, day: str) -> None:
        self._lake = lake
        self._day = day
        self._entries = {
            model: {key: lake.ledger.find(model, key) for key in self._keys(model)}
            for model in (*HOURLY, *DAILY)
        }

    def inputs(self, checks: Sequence[CheckOutcome] = ()) -> DayInputs:
        """Return everything that the day's page is made of.

        Args:
            checks: outcomes of checks, which the lake does not know.
        """
        falls = self._table(FallEvents)
        return DayInputs(
            day=dt.date.fromisoformat(self._day),
            coverage=self._table(DeviceHourCoverage),
            fall_events=falls,
            samples=None if falls is None else self._around(falls),
            scores=self._reduced(WindowScores, ["patient_id", "window_end", "score"], hourly_scores),
            walking=self._reduced(
                WindowFeatures,
                _WALKING_COLUMNS,
                lambda rows: hourly_walking(rows, hop_s=WindowConfig().hop_s),
            ),
            daily_gait=self._table(DailyGait),
            fall_risk_index=self._table(FallRiskIndex),
            fall_risk_trend=self._table(FallRiskTrend),
            alerts=self._alerts(),
            device_states=self._table(DeviceStates, ["hour", "device_id", "state", "detail"]),
            quarantine=self._reduced(
                TelemetryQuarantine, ["reason", "device_id", "detail"], quarantine_counts
            ),
            drops=self._table(TelemetryDrops, ["drop_key", "device_id", "event_hour", "received_at"]),
            row_counts=self._row_counts(),
            checks=checks,
            missing=[
                (model.spec.identifier, missing)
                for model, entries in self._entries.items()
                if (missing := [key for key, entry in entries.items() if entry is None])
            ],
            gait_measures=gait_measures(),
        )

    def _keys(self, model: ContractType) -> list[str]:
        return hours_of_day(self._day) if model.spec.slicing == "hour" else [self._day]

    def _published(self, model: ContractType) -> list[str]:
        return [key for key, entry in self._entries[model].items() if entry is not None]

    def _table(self, model: ContractType, columns: list[str] | None = None) -> pa.Table | None:
        keys = self._published(model)
        return self._lake.read(model, keys, columns=columns) if keys else None

    def _reduced(
        self, model: ContractType, columns: list[str], reduce: Callable[[pa.Table], pa.Table]
    ) -> pa.Table | None:
        """Read and reduce hour by hour: a clinic's day of windows does not fit in memory at once."""
        pieces = [reduce(self._lake.read(model, [key], columns=columns)) for key in self._published(model)]
        return pa.concat_tables(pieces) if pieces else None

    def _alerts(self) -> pa.Table | None:
        pieces = [
            table
            for model in (Alerts, IndexAlerts)
            if (table := self._table(model, _ALERT_COLUMNS)) is not None
        ]
        return pa.concat_tables(pieces) if pieces else None

    def _around(self, falls: pa.Table) -> pa.Table:
        """Return the samples of the devices that fell, around their impacts, hour by hour."""
        columns = ["device_id", "ts", "accel_x_g", "accel_y_g", "accel_z_g"]
        around = dt.timedelta(seconds=AROUND_IMPACT_S)
        spans: dict[str, list[tuple[str, dt.datetime, dt.datetime, int]]] = {}
        for fall in falls.select(["device_id", "impact_at", "device_bucket"]).to_pylist():
            begin, end = fall["impact_at"] - around, fall["impact_at"] + around
            for key in sorted({hour_key(begin), hour_key(end)}):
                spans.setdefault(key, []).append((fall["device_id"], begin, end, fall["device_bucket"]))
        pieces = []
        for key, wanted in sorted(spans.items()):
            if self._lake.ledger.find(Telemetry, key) is None:
                continue
            for device, begin, end, bucket in wanted:
                where = (
                    (pc.field("device_id") == device) & (pc.field("ts") >= begin) & (pc.field("ts") <= end)
                )
                pieces.append(
                    self._lake.read(Telemetry, [key], columns=columns, where=where, buckets=[bucket])
                )
        schema = pa.schema([(name, pa.string()) for name in columns[:1]])
        return pa.concat_tables(pieces) if pieces else schema.empty_table()

    def _row_counts(self) -> list[RowCount]:
        return [
            RowCount(
                table=model.spec.identifier,
                partitions=sum(entry is not None for entry in entries.values()),
                expected=len(entries),
                rows=sum(entry.rows for entry in entries.values() if entry is not None),
            )
            for model, entries in self._entries.items()
        ]
