"""Features of a patient as they were known at a moment: nothing from the future leaks in.

Here: when each published row became known, and the join as of a moment. Not here: the features themselves.

A row is known when its day, hour or decision has ended *and* the last drop that holds samples of it was
received. A row that late samples changed counts as unknown until these samples came: what was published
before them is forgotten rather than what came after them remembered. Only what was known strictly before the
moment is joined. Not dated here: corrections of who wore a device and of clinical history, which a published
row takes in whenever it is made again. That a row is missing can itself tell that samples of it
came later: do not use missingness as a feature.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fallrisk_assets.lake import Lake
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.partitions import HOUR, hours_of_day
from fallrisk_assets.risk.contract import FallEvents, FallRiskIndex, WindowScores
from fallrisk_assets.risk.detector import LOOKBACK_S
from fallrisk_assets.telemetry.contract import TelemetryDrops

GAIT_FEATURES = (
    "wear_minutes",
    "walking_minutes",
    "steps",
    "cadence_spm",
    "stride_time_cv",
    "stride_regularity",
    "harmonic_ratio",
    "sit_to_stands",
    "night_risings",
)
INDEX_FEATURES = ("probability_12m", "confidence", "band")
WINDOW_FEATURES = ("windows_scored", "windows_high", "mean_window_score")
FALL_DAYS = (7, 30)

#: (device, start of the hour) to the receipt of the last drop that holds samples of it.
Receipts = Mapping[tuple[str, pd.Timestamp], pd.Timestamp]
_DAY = pd.Timedelta(days=1)
_HOUR = pd.Timedelta(HOUR)


@dataclass(frozen=True, slots=True)
class Known:
    """Rows with the time from which they are known.

    Attributes:
        rows: `patient_id`, `known_at` and `about` (both aware UTC), and features. Of the rows that are known
            at a moment the newest `about` counts, not the newest receipt.
        features: Columns to join.
        prefix: Put before each feature's name.
    """

    rows: pd.DataFrame
    features: tuple[str, ...]
    prefix: str


def last_receipts(drops: pd.DataFrame) -> dict[tuple[str, pd.Timestamp], pd.Timestamp]:
    """Return when the samples of each device and hour were complete, from the index of drops.

    Args:
        drops: `device_id`, `event_hour`, `received_at`, `rows` of `raw.telemetry_drops`.
    """
    held = drops[drops["rows"] > 0]
    newest: dict[tuple[str, pd.Timestamp], pd.Timestamp] = {}
    for r in held.to_dict("records"):
        key = (r["device_id"], r["event_hour"])
        newest[key] = max(r["received_at"], newest.get(key, r["received_at"]))
    return newest


def complete_at(
    devices: Iterable[str], start: pd.Timestamp, end: pd.Timestamp, receipts: Receipts, floor: pd.Timestamp
) -> pd.Timestamp:
    """Return when all samples of devices in `[start, end)` had been received, and not before `floor`."""
    hours = pd.date_range(start.floor("h"), end, freq="h", inclusive="left")
    times = [receipts[key] for device in devices for hour in hours if (key := (device, hour)) in receipts]
    return max([floor, *times])


def gait_known(gait: pd.DataFrame, receipts: Receipts) -> Known:
    """Return a day's gait as known: when its UTC day has ended and its samples have come."""
    rows = gait.copy()
    rows["about"] = pd.to_datetime(rows["day"], utc=True)
    rows["known_at"] = [
        complete_at(
            [name.strip() for name in r["devices"].split(",")],
            r["day_start"],
            r["day_end"],
            receipts,
            r["about"] + _DAY,
        )
        for r in rows.to_dict("records")
    ]
    return Known(rows, GAIT_FEATURES, "gait_")


def index_known(index: pd.DataFrame, gait: Known) -> Known:
    """Return a day's index as known: when its day has ended and the gait that went into it is known."""
    rows = index.copy()
    rows["about"] = pd.to_datetime(rows["day"], utc=True)
    walked: dict[tuple[str, pd.Timestamp], pd.Timestamp] = {}
    for r in gait.rows.to_dict("records"):
        own = (r["patient_id"], r["about"])
        walked[own] = max(r["known_at"], walked.get(own, r["known_at"]))
    rows["known_at"] = [
        max(r["about"] + _DAY, walked.get((r["patient_id"], r["about"]), r["about"] + _DAY))
        for r in rows.to_dict("records")
    ]
    return Known(rows, INDEX_FEATURES, "index_")


def windows_known(scores: pd.DataFrame, receipts: Receipts) -> Known:
    """Return an hour's window scores of a patient, added up, as known: a window may reach back an hour."""
    found = []
    groups: Any = scores.groupby(["patient_id", "hour"])
    for (patient, hour), rows in groups:
        devices = sorted(set(rows["device_id"]))
        found.append(
            {
                "patient_id": patient,
                "about": hour,
                "known_at": complete_at(devices, hour - _HOUR, hour + _HOUR, receipts, hour + _HOUR),
                "windows_scored": int(rows["score"].notna().sum()),
                "windows_high": int((rows["band"] == "high").sum()),
                "mean_window_score": float(rows["score"].mean()),
            }
        )
    columns = ["patient_id", "about", "known_at", *WINDOW_FEATURES]
    return Known(pd.DataFrame(found, columns=columns), WINDOW_FEATURES, "hour_")


def falls_known(falls: pd.DataFrame, receipts: Receipts) -> pd.DataFrame:
    """Return falls with `known_at`: when they were decided and the samples that decided them had come."""
    rows = falls.copy()
    back = pd.Timedelta(seconds=LOOKBACK_S)
    rows["known_at"] = [
        complete_at([r["device_id"]], r["impact_at"] - back, r["decided_at"], receipts, r["decided_at"])
        for r in rows.to_dict("records")
    ]
    return rows


def joined_as_of(moments: pd.DataFrame, tables: Sequence[Known], falls: pd.DataFrame) -> pd.DataFrame:
    """Join to each patient and moment what was known strictly before it.

    Args:
        moments: `patient_id` and `moment` (aware UTC); other columns are kept.
        tables: Rows with the time from which they are known.
        falls: Rows with `patient_id`, `impact_at` and `known_at`, of `falls_known`.

    Returns:
        The moments in their order, with each table's features (null where nothing was known), the age in
        hours of the row that they are from, and the number of falls known of the days before.

    Raises:
        ValueError: a moment has no time zone.
    """
    if not isinstance(moments["moment"].dtype, pd.DatetimeTZDtype):
        raise ValueError("moments need a time zone: give them in UTC, as 2026-01-05T07:12:00Z")
    asked = moments.assign(
        patient_id=moments["patient_id"].astype("str"),
        moment=_utc(moments["moment"]),
        _order=np.arange(len(moments)),
    )
    asked = asked.sort_values("moment", kind="stable")
    for known in tables:
        asked = pd.merge_asof(
            asked,
            _newest_known(known),
            left_on="moment",
            right_on="known_at",
            by="patient_id",
            allow_exact_matches=False,
        )
        age = f"{known.prefix}age_h"
        asked[age] = (asked["moment"] - asked["about"]).dt.total_seconds() / 3600.0
        asked = asked.drop(columns=["about", "known_at"])
    for days in FALL_DAYS:
        asked[f"falls_known_{days}d"] = _count_falls(asked, falls, dt.timedelta(days=days))
    return asked.sort_values("_order").drop(columns="_order").reset_index(drop=True)


def _utc(times: pd.Series) -> pd.Series:
    return pd.to_datetime(times, utc=True).dt.as_unit("us")


def _newest_known(known: Known) -> pd.DataFrame:
    """Rows in the order in which they became known, without those older than what was known already."""
    names = {name: f"{known.prefix}{name}" for name in known.features}
    rows = known.rows[["patient_id", "about", "known_at", *known.features]].rename(columns=names)
    rows = rows.assign(about=_utc(rows["about"]), known_at=_utc(rows["known_at"]))
    # Without rows a column has no type of its own: the result's must not depend on that.
    words = {"patient_id": "str", "band": "str"}
    types = {n: words.get(n.removeprefix(known.prefix), "float64") for n in ("patient_id", *names.values())}
    rows = rows.astype(types)
    rows = rows.sort_values(["known_at", "about"], kind="stable")
    return rows[rows["about"] >= rows.groupby("patient_id")["about"].cummax()]


def _count_falls(asked: pd.DataFrame, falls: pd.DataFrame, span: dt.timedelta) -> np.ndarray:
    theirs = pd.DataFrame(
        {
            "patient_id": falls["patient_id"].astype("str"),
            "impact_at": _utc(falls["impact_at"]),
            "known_at": _utc(falls["known_at"]),
        }
    )
    pairs = asked[["patient_id", "moment", "_order"]].merge(theirs, on="patient_id")
    counted = pairs[(pairs["known_at"] < pairs["moment"]) & (pairs["impact_at"] >= pairs["moment"] - span)]
    counts = np.bincount(counted["_order"].to_numpy(np.int64), minlength=len(asked))
    return counts[asked["_order"].to_numpy(np.int64)]


def feature_table(lake: Lake, moments: pd.DataFrame, days: Sequence[str]) -> pd.DataFrame:
    """Join what is published of some days to moments, as it was known at each.

    Args:
        lake: Where the tables are.
        moments: `patient_id` and `moment` (aware UTC).
        days: Daily partition keys to look at; what was never published counts as unknown.
    """
    hours = [hour for day in days for hour in hours_of_day(day)]
    drops = lake.read(
        TelemetryDrops, hours, columns=["device_id", "event_hour", "received_at", "rows"], optional=True
    ).to_pandas()
    receipts = last_receipts(drops)
    gait = gait_known(lake.read(DailyGait, days, optional=True).to_pandas(), receipts)
    index = index_known(lake.read(FallRiskIndex, days, optional=True).to_pandas(), gait)
    scores = lake.read(
        WindowScores, hours, columns=["patient_id", "device_id", "hour", "score", "band"], optional=True
    ).to_pandas()
    falls = falls_known(lake.read(FallEvents, hours, optional=True).to_pandas(), receipts)
    return joined_as_of(moments, [gait, index, windows_known(scores, receipts)], falls)
