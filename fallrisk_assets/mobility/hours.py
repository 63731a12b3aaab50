"""An hour of one device as rows of `curated.window_features`.

Here: from samples to windows to features to a table. Not here: the definitions, and reading from the lake.
"""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import arrow_schema, empty_table
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.mobility.feature_names import FEATURE_INDEX, FEATURE_NAMES
from fallrisk_assets.mobility.features_numba import features_at
from fallrisk_assets.mobility.local_days import microseconds
from fallrisk_assets.mobility.samples import DeviceSamples
from fallrisk_assets.mobility.windows import (
    NOT_WORN,
    QUALITY_REASONS,
    WindowConfig,
    Windows,
    cut_windows,
    not_worn,
)
from fallrisk_assets.partitions import device_bucket, window_of

_SD = [FEATURE_INDEX[f"sd_accel_{axis}"] for axis in "xyz"]


def hour_start_us(key: str) -> int:
    """Return the start of an hourly partition key in microseconds since the epoch."""
    return microseconds(window_of(key)[0])


def describe_windows(samples: DeviceSamples, windows: Windows) -> np.ndarray:
    """Return the features of windows, float32 of shape (w, features); not a number where a window has none.

    Windows of equal length are described together. A gyroscope that misses one sample of a window is absent
    from it.
    """
    out = np.full((len(windows), len(FEATURE_NAMES)), np.nan, np.float32)
    n = windows.n_samples
    good = (windows.reason < 0) & (n >= 16)
    with_gyro = np.zeros(len(windows), bool)
    if samples.gyro_dps is not None:
        missing = np.concatenate([[0], np.cumsum(np.isnan(samples.gyro_dps).any(axis=0))])
        with_gyro = missing[windows.stop] == missing[windows.first]
    for count in np.unique(n[good]):
        for gyro in (True, False):
            chosen = np.flatnonzero(good & (n == count) & (with_gyro == gyro))
            if len(chosen):
                out[chosen] = features_at(
                    samples.accel_g,
                    samples.gyro_dps if gyro else None,
                    windows.first[chosen],
                    int(count),
                    windows.rate_hz[chosen],
                )
    return out


def hour_features(samples: DeviceSamples, hour_start_us: int, config: WindowConfig) -> pa.Table:
    """Return the features of one device's hour, in the schema of `WindowFeatures`.

    Args:
        samples: One device: the hour, and at least the last `length_s` of the hour before.
        hour_start_us: Start of the hour in microseconds since the epoch.
        config: Windows.
    """
    windows = cut_windows(samples, hour_start_us, config)
    if len(windows) == 0:
        return empty_table(WindowFeatures)
    values = describe_windows(samples, windows)
    with np.errstate(invalid="ignore"):
        still = values[:, _SD].max(axis=1) < config.still_sd_g
    unworn = not_worn(windows, still, config)
    reason = np.where((windows.reason < 0) & unworn, QUALITY_REASONS.index(NOT_WORN), windows.reason)
    return _table(samples, windows, values, unworn, reason, hour_start_us)


def _times(microseconds_utc: np.ndarray) -> pa.Array:
    return pa.array(microseconds_utc, pa.int64()).view(pa.timestamp("us", "UTC"))


def _texts(codes: np.ndarray, words: Sequence[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.string())).cast(
        pa.string()
    )


def _table(
    samples: DeviceSamples,
    windows: Windows,
    values: np.ndarray,
    unworn: np.ndarray,
    reason: np.ndarray,
    hour_us: int,
) -> pa.Table:
    w = len(windows)
    columns: list[pa.Array] = [
        pa.array(np.full(w, device_bucket(samples.device_id), np.int32)),
        pa.repeat(pa.scalar(samples.device_id, pa.string()), w),
        _texts(windows.wearer, [who.patient_id for who in samples.wearers]),
        _texts(windows.wearer, [who.position for who in samples.wearers]),
        _times(np.full(w, hour_us, np.int64)),
        _times(windows.start_us),
        _times(windows.end_us),
        pa.array(windows.rate_hz.astype(np.float32), from_pandas=True),
        pa.array(windows.n_samples.astype(np.int32)),
        pa.array(~unworn),
        _texts(np.where(reason < 0, len(QUALITY_REASONS), reason), [*QUALITY_REASONS, None]),
    ]
    by_column = np.ascontiguousarray(values.T)
    unknown = np.isnan(by_column)
    for feature, mask, any_unknown in zip(by_column, unknown, unknown.any(axis=1), strict=True):
        columns.append(pa.array(feature, mask=mask if any_unknown else None))
    return pa.Table.from_arrays(columns, schema=arrow_schema(WindowFeatures))


def tail_start(hour_start: dt.datetime, config: WindowConfig) -> dt.datetime:
    """Return the time from which an hour needs the samples of the hour before."""
    return hour_start - dt.timedelta(seconds=config.length_s)
